"""Properties of BDS, the heteroskedasticity test and time-varying AR(1) that hold for every series."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import ews


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """AR(1) series with now and then a spike, a step or rounding to few values."""
    n = draw(st.integers(30, 80))
    x = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(n)
    phi = draw(st.sampled_from([-0.5, 0.0, 0.9]))
    for t in range(1, n):
        x[t] += phi * x[t - 1]
    kind = draw(st.sampled_from(["plain", "spike", "step", "rounded"]))
    if kind == "spike":
        x[draw(st.integers(0, n - 1))] += 100.0
    elif kind == "step":
        x[draw(st.integers(0, n - 1)) :] += 20.0
    # Multiples of 2**-12: shifts by whole numbers and products with powers of 2 are exact.
    return np.round(x, 1) if kind == "rounded" else np.round(x * 4096) / 4096


powers = st.integers(-20, 20).map(lambda k: 2.0**k)


@given(x=series(), factor=powers, sign=st.sampled_from([-1.0, 1.0]))
@settings(max_examples=12)
def test_bds_is_that_of_any_multiple(x: np.ndarray, factor: float, sign: float) -> None:
    plain = ews.bds(x, residuals=None, n_surrogates=9)
    scaled = ews.bds(sign * factor * x, residuals=None, n_surrogates=9)
    np.testing.assert_array_equal(scaled.statistic, plain.statistic)
    np.testing.assert_array_equal(scaled.pvalue, plain.pvalue)


@given(x=series())
@settings(max_examples=12)
def test_bds_pvalues_are_possible(x: np.ndarray) -> None:
    result = ews.bds(x, n_surrogates=19)
    known = np.isfinite(result.statistic)
    np.testing.assert_array_equal(np.isfinite(result.pvalue), known)
    assert ((result.pvalue[known] >= 0.1 - 1e-12) & (result.pvalue[known] <= 1.0)).all()


@given(x=series(), cut=st.integers(0, 20))
@settings(max_examples=25)
def test_later_samples_do_not_change_earlier_windows(x: np.ndarray, cut: int) -> None:
    end = x.size - cut
    if end < 12:
        return
    whole = ews.heteroskedasticity_test(x, window=12)
    so_far = ews.heteroskedasticity_test(x[:end], window=12)
    np.testing.assert_array_equal(so_far.r_squared, whole.r_squared[:end])
    np.testing.assert_array_equal(so_far.signal, whole.signal[:end])


@given(x=series(), factor=powers, shift=st.integers(-1000, 1000))
@settings(max_examples=15)
def test_time_varying_ar_does_not_depend_on_units(x: np.ndarray, factor: float, shift: int) -> None:
    plain, moved = ews.time_varying_ar(x), ews.time_varying_ar(factor * x + shift * factor)
    assert (
        moved.log_likelihood + (np.isfinite(plain.smoothed).sum() - 1) * np.log(factor) >= plain.log_likelihood - 1e-4
    )
    assert plain.log_likelihood >= plain.log_likelihood_constant
    np.testing.assert_allclose(moved.innovation_sd, factor * plain.innovation_sd, rtol=1e-3)


@given(x=series())
@settings(max_examples=15)
def test_smoothed_band_is_no_wider_than_the_filtered(x: np.ndarray) -> None:
    fit = ews.time_varying_ar(x)
    known = np.isfinite(fit.filtered)
    assert np.isfinite(fit.smoothed[known]).all()
    filtered, smoothed = fit.filtered_upper - fit.filtered, fit.smoothed_upper - fit.smoothed
    assert (smoothed[known] <= filtered[known] * (1 + 1e-9)).all()
