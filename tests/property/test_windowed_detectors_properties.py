"""What langevin, restoring and jacobian must do with any series: affine maps, no look-ahead, other clocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ews.bifurcations import jacobian, langevin, restoring

BASE = {"detrend": None, "window": 30, "n_surrogates": 0}
seeds = st.integers(0, 10_000)
coefficients = st.floats(-0.8, 0.95)


def series(seed: int, coefficient: float, n: int = 70) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for t in range(1, n):
        x[t] += coefficient * x[t - 1]
    return x


def curves(x: np.ndarray, **options: object) -> dict[str, np.ndarray]:
    """What each detector says at each window, by its last sample."""
    slope = langevin(x, **BASE, **options)
    rate = restoring(x, n_bootstrap=0, **BASE, **options)
    eigenvalue = jacobian(x, stride=5, **BASE, **options)
    full = np.full((4, x.size), np.nan)
    full[:, eigenvalue.index] = [eigenvalue.modulus, eigenvalue.real, eigenvalue.imaginary, eigenvalue.skill]
    return {
        "slope": slope.slope,
        "slope_upper": slope.slope_upper,
        "probability": slope.probability_unstable,
        "rate": rate.rate,
        "modulus": full[0],
        "real": full[1],
        "imaginary": full[2],
        "skill": full[3],
    }


def assert_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], tolerance: float) -> None:
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    coefficient=coefficients,
    scale=st.sampled_from([-3.0, -1.0, 1e-6, 0.5, 1e5]),
    shift=st.sampled_from([0.0, 1.0, -40.0]),
)
def test_affine_maps_change_nothing(seed: int, coefficient: float, scale: float, shift: float) -> None:
    """Rates and eigenvalues have no unit of the series; a mirrored state restores as fast."""
    x = series(seed, coefficient)
    assert_same(curves(x), curves(scale * (x + shift)), 1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, coefficient=coefficients, cut=st.sampled_from([5, 10, 25]))
def test_no_look_ahead(seed: int, coefficient: float, cut: int) -> None:
    """Windows see what ends with them: without the future they say the same, bit for bit."""
    x = series(seed, coefficient)
    whole, past = curves(x), curves(x[:-cut])
    for name, values in past.items():
        np.testing.assert_array_equal(values, whole[name][:-cut], err_msg=name)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, coefficient=coefficients)
def test_a_spike_changes_only_the_windows_that_hold_it(seed: int, coefficient: float) -> None:
    x = series(seed, coefficient)
    spiked = x.copy()
    spiked[50] += 30.0
    before, after = curves(x), curves(spiked)
    for name, values in before.items():
        np.testing.assert_array_equal(values[:50], after[name][:50], err_msg=name)
        if name != "imaginary":  # which is 0 where the eigenvalue is real, with the spike as without
            assert np.nanmax(np.abs(values[50:] - after[name][50:])) > 0.0, name


@settings(max_examples=10, deadline=None)
@given(seed=seeds, coefficient=coefficients)
def test_causal_detrending_keeps_the_past(seed: int, coefficient: float) -> None:
    x = series(seed, coefficient)
    options = {"detrend": "linear", "causal": True, "window": 30, "n_surrogates": 0}
    np.testing.assert_array_equal(langevin(x[:-10], **options).slope, langevin(x, **options).slope[:-10])
    plain = {**options, "n_bootstrap": 0}
    np.testing.assert_array_equal(restoring(x[:-10], **plain).rate, restoring(x, **plain).rate[:-10])
    strided = {**options, "stride": 5}
    past, whole = jacobian(x[:-10], **strided), jacobian(x, **strided)
    np.testing.assert_array_equal(past.modulus, whole.modulus[: past.modulus.size])


@settings(max_examples=10, deadline=None)
@given(seed=seeds, coefficient=coefficients, step=st.sampled_from([0.01, 0.5, 365.25]))
def test_rates_go_with_the_clock_and_eigenvalues_do_not(seed: int, coefficient: float, step: float) -> None:
    x = series(seed, coefficient)
    samples, clock = curves(x), curves(x, time=step * np.arange(x.size))
    for name in ("slope", "slope_upper", "rate"):
        np.testing.assert_allclose(clock[name], samples[name] / step, rtol=1e-9)
    for name in ("probability", "modulus", "real", "imaginary", "skill"):
        np.testing.assert_array_equal(clock[name], samples[name])


def test_time_reversal_matters_where_the_dynamics_are_not_reversible() -> None:
    """A relaxation that is slow one way and fast the other is another system backwards."""
    rng = np.random.default_rng(4)
    x = np.zeros(400)
    for t in range(1, 400):
        x[t] = 0.9 * x[t - 1] + rng.exponential()
    forward = langevin(x, detrend=None, window=300, n_surrogates=0).slope[299 + 100]
    backward = langevin(x[::-1].copy(), detrend=None, window=300, n_surrogates=0).slope[299]  # the same samples
    assert abs(forward - backward) > 0.02


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = series(3, 0.5)
    options = {"n_surrogates": 20, "window": 30, "seed": 5}
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        rates = restoring(x, n_bootstrap=30, **options)
        drawn = [*rates.surrogate_tau.values(), jacobian(x, stride=10, **options).surrogate_tau]
        found.append(np.concatenate([*drawn, rates.line_replicates.ravel()]))
    np.testing.assert_array_equal(found[0], found[1])
