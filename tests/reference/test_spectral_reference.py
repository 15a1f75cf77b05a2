"""Spectral classification against the stored AIC weights of ewstools.

ewstools fits the two-sided spectrum, the frequency 0 included, and has no flip model; its "Hamming" taper is scipy's
default, Hann. Fold and null are reproduced to the digits stored. Its Hopf fit is no fit over its own bounds: where
lmfit's bound of 2.5 on the derived ω₀ is reached, ω₀ stays there while μ runs free, and where it is not the local
optimiser stops short of the least squares. Both are shown here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

import ews
import ews.bifurcations
from ews.bifurcations._spectral import fit as models

PEAK = 2.5  # where their ω₀ is held
STUCK = [219, 239, 259, 279, 299, 319, 339, 359, 379]  # windows in which it is


def stored(folder: Path) -> tuple[pd.DataFrame, dict[int, tuple[np.ndarray, np.ndarray]]]:
    weights = pd.read_csv(folder / "ewstools" / "ewstools_spectral_ricker_fold_ews.csv").set_index("time")
    table = pd.read_csv(folder / "ewstools" / "ewstools_spectral_ricker_fold_pspec.csv")
    return weights, {
        int(time): (rows.frequency.to_numpy(), rows.power.to_numpy()) for time, rows in table.groupby("time")
    }


def bounds_of_ewstools() -> np.ndarray:
    """Bury's bounds alone: no narrowest peak, no mirror image at the Nyquist frequency."""
    bounds = models.search_bounds(np.pi, 2 * np.pi / 40)
    bounds[2] = [0.02, np.pi, 1e-3, models.peak_share(), 1e9]
    return bounds


@pytest.fixture(scope="module")
def aic(reference_data: Path) -> dict[int, np.ndarray]:
    """Our AIC of every model, by window, to the two-sided spectra as they fit them."""
    found = {}
    for time, (omega, power) in stored(reference_data)[1].items():
        fits = models.fit(power[None, :], omega, np.ones(omega.size), bounds_of_ewstools())
        found[time] = models.akaike_weights(fits.squares, omega.size)[0][:, 0]
    return found


def test_spectra_are_those_of_ewstools(reference_data: Path) -> None:
    _, spectra = stored(reference_data)
    state = pd.read_csv(reference_data / "ewstools" / "ewstools_spectral_ricker_fold_state.csv")
    ours = models.Welch(40, 0.5, "hann").windows(state.residuals.dropna().to_numpy(), 220)
    line = 2 * np.pi / 40 * 1.5  # theirs is power per line: a Hann line is 1.5 frequencies wide
    for time, (omega, power) in spectra.items():
        np.testing.assert_allclose(ours.omega, omega[21:], rtol=1e-11)
        np.testing.assert_allclose(ours.density[time - 219] * line, power[21:], rtol=1e-9)


def test_fold_against_null_is_reproduced_in_every_window(reference_data: Path, aic: dict[int, np.ndarray]) -> None:
    weights, _ = stored(reference_data)
    for time, (fold, _, _, null) in aic.items():
        theirs = -2 * np.log(weights.null[time] / weights.fold[time])
        # Weights are stored to 12 digits; theirs and our search end at the least squares to 8 and more.
        assert null - fold == pytest.approx(theirs, abs=1e-5), time


def test_their_hopf_is_a_peak_held_at_one_frequency(reference_data: Path, aic: dict[int, np.ndarray]) -> None:
    weights, spectra = stored(reference_data)
    for time in STUCK:
        omega, power = spectra[time]
        scaled = power / power.max()

        def squares(mu: float, omega: np.ndarray = omega, scaled: np.ndarray = scaled) -> float:
            g = 1 / ((omega + PEAK) ** 2 + mu**2) + 1 / ((omega - PEAK) ** 2 + mu**2)
            return float(scaled @ scaled - (g @ scaled) ** 2 / (g @ g))

        held = minimize_scalar(squares, bounds=(0.5, 20.0), method="bounded", options={"xatol": 1e-10})
        hopf = models.akaike_weights(np.full((4, 1), held.fun), omega.size)[0][2, 0]
        theirs = -2 * np.log(weights.hopf[time] / weights.fold[time])
        assert hopf - aic[time][0] == pytest.approx(theirs, abs=1e-5), time
        assert held.x > models.peak_share() * PEAK  # so wide that their own bound on ω₀ forbids it


def test_their_other_hopf_fits_stop_short_of_ours(reference_data: Path, aic: dict[int, np.ndarray]) -> None:
    weights, _ = stored(reference_data)
    for time in sorted(set(aic) - set(STUCK)):
        fold, _, hopf, _ = aic[time]
        assert hopf - fold < -2 * np.log(weights.hopf[time] / weights.fold[time]) - 1, time


def test_weights_of_fold_agree_where_their_fit_does_not_matter(
    reference_data: Path, aic: dict[int, np.ndarray]
) -> None:
    weights, _ = stored(reference_data)
    for time in STUCK:
        theirs = aic[time][[0, 2, 3]]  # they have no flip
        relative = np.exp(-0.5 * (theirs - theirs.min()))
        # Their Hopf weight is up to 1e-6 too large, or up to 2e-5 too small.
        np.testing.assert_allclose((relative / relative.sum())[0], weights.fold[time], atol=2.5e-5)


@pytest.mark.jit
def test_with_our_settings_the_series_before_a_fold_is_a_fold_throughout(reference_data: Path) -> None:
    state = pd.read_csv(reference_data / "ewstools" / "ewstools_spectral_ricker_fold_state.csv")
    residual = state.residuals.dropna().to_numpy()
    result = ews.bifurcations.spectral(residual, detrend=None, window=220, n_surrogates=99)
    assert result.kind == "fold"
    assert result.decided
    assert np.nanmin(result.rolling_weight["fold"]) > 0.8
