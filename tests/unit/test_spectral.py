"""Spectral classification: known systems, the search, the surrogates, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.signal import lfilter

import ews
import ews.bifurcations
from ews.bifurcations._spectral import fit as models
from ews.bifurcations._spectral.surrogates import multiplier
from ews.errors import ArgumentError, SeriesTooShortError, UnknownNameError, ValueRangeError, WindowError


def linear(*, one: complex, n: int, seed: int) -> np.ndarray:
    """z[t+1] = m z[t] + noise, real part, of unit variance."""
    normal = np.random.default_rng(seed).standard_normal((2, n))
    noise = (normal[0] + 1j * normal[1]) * np.sqrt(1 - abs(one) ** 2)
    return lfilter([1.0], [1.0, -one], noise).real


SYSTEMS = {
    "fold": multiplier("fold", -0.2, 0.0),
    "flip": multiplier("flip", -0.7, 0.0),
    "hopf": multiplier("hopf", -0.1, 0.9),
}


@pytest.mark.jit
@pytest.mark.parametrize("kind", SYSTEMS)
def test_kind_and_parameters_of_a_known_system(kind: str) -> None:
    x = linear(one=SYSTEMS[kind], n=6000, seed=3)
    time = 0.5 * np.arange(x.size)  # rates are per unit of time, which is two samples
    result = ews.bifurcations.spectral(x, time=time, detrend=None, window=5990, segment=100, n_surrogates=99)
    assert result.kind == kind
    assert result.decided
    assert result.weight[kind] > 0.99
    assert sum(result.weight.values()) == pytest.approx(1.0)
    found = result.parameters[kind]
    expected = {
        "fold": {"lambda": -0.4, "sigma": np.sqrt(2 * 0.4)},  # σ² = 2 |λ| variance
        "flip": {"r": -0.7, "sigma": np.sqrt(1 - 0.49)},  # of one step
        "hopf": {"mu": -0.2, "omega0": 1.8, "sigma": np.sqrt(2 * 0.2)},
    }[kind]
    assert found == pytest.approx(expected, rel=0.25)  # sampling error, and a segment's lines widen a peak
    assert {name for name in result.pvalue if np.isnan(result.pvalue[name])} == {kind}


@pytest.mark.jit
def test_white_noise_is_not_decided_to_be_a_flip() -> None:
    """Where the null wins by little or loses by little, a rival could have given the spectrum."""
    x = np.random.default_rng(5).standard_normal(120)
    result = ews.bifurcations.spectral(x, detrend=None, window=112, n_surrogates=9, alpha=0.1)
    assert not result.decided


@pytest.mark.slow
@pytest.mark.jit
def test_white_noise_is_decided_to_be_something_else_at_the_level_only() -> None:
    """Over 200 records: above 0.09 lies a chance of 1 in 150 if the level of 0.05 is kept."""
    decided = 0
    for seed in range(200):
        x = np.random.default_rng(seed).standard_normal(100)
        decided += ews.bifurcations.spectral(x, detrend=None, window=92, n_surrogates=99, seed=seed).decided
    assert decided / 200 <= 0.09


def test_density_integrates_to_the_variance() -> None:
    x = np.random.default_rng(1).standard_normal(2000) * 3
    for taper in ("hamming", "hann"):
        spectra = models.Welch(40, 0.5, taper).whole(x[None, :])
        # From −π to π but for the line at 0; the mean of each segment has gone.
        area = 2 * spectra.density[0, :-1].sum() + spectra.density[0, -1]
        assert area * spectra.line == pytest.approx(9.0, rel=0.08)


def test_whole_and_windowed_spectra_are_the_same_computation() -> None:
    x = np.random.default_rng(2).standard_normal(130)
    welch = models.Welch(40, 0.5, "hamming")
    windows = welch.windows(x, 100)
    for start in (0, 7, 30):
        alone = welch.whole(x[None, start : start + 100])
        np.testing.assert_allclose(windows.density[start], alone.density[0], rtol=1e-12)


@pytest.mark.jit
def test_no_point_of_a_dense_grid_fits_better() -> None:
    """The search finds the least squares over the whole of the bounds."""
    rng = np.random.default_rng(7)
    omega = np.pi * np.arange(1, 21) / 20
    bounds = models.search_bounds(np.pi, np.pi / 20)
    power = np.vstack([rng.gamma(2, 0.5, (60, 20)), rng.gamma(7, 1 / 7, (60, 20)) / (omega**2 + 0.3)])
    fits = models.fit(power, omega, np.ones(20), bounds)
    peak = np.linspace(bounds[2, 0], bounds[2, 1], 400)[:, None]
    widest = np.maximum(np.minimum(peak, np.pi - peak) * bounds[2, 3], bounds[2, 2])
    width = bounds[2, 2] * (widest / bounds[2, 2]) ** np.linspace(0, 1, 200)
    width, peak = width[..., None], peak[..., None]
    shapes = {
        0: 1 / (omega**2 + np.geomspace(bounds[0, 0], bounds[0, 1], 4000)[:, None] ** 2),
        1: 1 / (1 + (r := np.geomspace(1e-4, 1, 4000)[:, None] - 1) ** 2 - 2 * r * np.cos(omega)),
        2: 1 / ((omega + peak) ** 2 + width**2) + 1 / ((omega - peak) ** 2 + width**2),
        3: np.ones((1, 20)),
    }
    for row, y in enumerate(power / power.max(axis=1, keepdims=True)):
        for model, g in shapes.items():
            least = (y @ y) - ((g @ y) ** 2 / (g * g).sum(axis=-1)).max()
            assert fits.squares[model, row] <= least + 1e-10, (row, model)


def test_the_hopf_bound_is_a_peak_five_times_as_high_as_the_power_at_zero() -> None:
    for mu in (0.1, 0.5):
        peak = mu / models.peak_share()

        at_zero = 2 / (peak**2 + mu**2)
        at_peak = 1 / (4 * peak**2 + mu**2) + 1 / mu**2
        assert at_zero / at_peak == pytest.approx(models.PSI_HOPF, rel=1e-9)


@pytest.mark.jit
def test_windows_stand_at_their_right_edge_and_results_tell_everything() -> None:
    x = linear(one=SYSTEMS["fold"], n=160, seed=1)
    result = ews.bifurcations.spectral(x, window=100, n_surrogates=19, seed=4)
    for weight in result.rolling_weight.values():
        assert weight.shape == (160,)
        assert np.isnan(weight[:99]).all()
        assert np.isfinite(weight[99:]).all()
    total = sum(result.rolling_weight.values())
    np.testing.assert_allclose(total[99:], 1.0, rtol=1e-12)
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["config"]["seed"] == 4
    assert document["pvalue"][result.kind] is None
    text = result.summary()
    assert max(map(len, text.splitlines())) <= 100
    assert "seed 4" in text
    figure = result.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["series", "AIC weight", "Power density"]


def test_without_surrogates_there_is_no_decision() -> None:
    x = linear(one=SYSTEMS["flip"], n=120, seed=1)
    result = ews.bifurcations.spectral(x, window=112, n_surrogates=0)
    assert np.isnan(list(result.pvalue.values())).all()
    assert not result.decided
    assert "refused" not in result.summary()


@pytest.mark.jit
def test_the_seed_decides_the_surrogates_and_threads_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    x = linear(one=0.3, n=100, seed=1)

    def pvalues(threads: str, seed: int) -> dict[str, float]:
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        found = ews.bifurcations.spectral(x, window=90, n_surrogates=300, seed=seed)
        return {name: p for name, p in found.pvalue.items() if not np.isnan(p)}

    assert pvalues("1", 5) == pvalues("2", 5)
    assert pvalues("1", 5) != pvalues("1", 6)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"segment": 15}, ValueRangeError),
        ({"segment": 20.5}, ValueRangeError),
        ({"overlap": 1.0}, ValueRangeError),
        ({"taper": "haming"}, UnknownNameError),
        ({"window": 12}, WindowError),
        ({"window": 0.0}, WindowError),
        ({"n_surrogates": -1}, ValueRangeError),
        ({"alpha": 0}, ValueRangeError),
        ({"detrend": "gausian"}, UnknownNameError),
        ({"seed": -1}, ValueRangeError),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, object], error: type[ArgumentError]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        ews.bifurcations.spectral(np.random.default_rng(1).standard_normal(60), **options)


@pytest.mark.parametrize("series", [np.ones(60), np.arange(12.0), [], np.full(60, np.nan), ["a"] * 60])
def test_series_that_cannot_be_used(series: object) -> None:
    with pytest.raises(ArgumentError, match="series"):
        ews.bifurcations.spectral(series)


def test_short_series_name_the_length_that_is_needed() -> None:
    x = np.random.default_rng(1).standard_normal(31)
    with pytest.raises(SeriesTooShortError, match=r"at least 31 for these indicators and window=0\.5"):
        ews.bifurcations.spectral(x[:20])
    with pytest.raises(WindowError, match=r"0\.5, which is 15 samples; allowed: .* from 16 to 23"):
        ews.bifurcations.spectral(x[:30])
    assert len(ews.bifurcations.spectral(x).series) == 31
