"""What must hold for every detrending, whatever the series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ews import detrend

FloatArray = npt.NDArray[np.float64]

lengths = st.integers(20, 70)
seeds = st.integers(0, 2**32 - 1)
widths = st.one_of(st.floats(0.3, 1.0), st.integers(6, 20))
few = settings(max_examples=25, deadline=None)
with_bandwidth = [name for name in detrend.METHODS if name not in ("linear", "difference")]
cases = pytest.mark.parametrize(
    ("method", "causal"), [(name, causal) for name in detrend.METHODS for causal in (False, True)]
)


def _plan(method: str, n: int, width: float, causal: bool, season: int | None = None) -> detrend.DetrendPlan:
    bandwidth = width if method in with_bandwidth else None
    return detrend.plan(method, n=n, bandwidth=bandwidth, causal=causal, season=season)


def _walk(n: int, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).standard_t(3, size=n).cumsum())


@cases
@few
@given(n=lengths, seed=seeds, width=widths, offset=st.floats(-1e4, 1e4))
def test_a_constant_shifts_the_trend_by_itself(
    method: str, causal: bool, n: int, seed: int, width: float, offset: float
) -> None:
    plan, x = _plan(method, n, width, causal), _walk(n, seed)
    shifted = plan.apply(x + offset).trend
    tolerance = 1e-10 * (np.ptp(x) + abs(offset))
    np.testing.assert_allclose(shifted, plan.apply(x).trend + offset, rtol=0, atol=tolerance)


@cases
@few
@given(n=lengths, seed=seeds, width=widths, factor=st.sampled_from([-1e6, -3.0, 1e-6, 0.1, 7.0]))
def test_the_trend_scales_with_the_series(
    method: str, causal: bool, n: int, seed: int, width: float, factor: float
) -> None:
    plan, x = _plan(method, n, width, causal), _walk(n, seed)
    scaled = plan.apply(factor * x).trend
    np.testing.assert_allclose(scaled, factor * plan.apply(x).trend, rtol=0, atol=1e-10 * abs(factor) * np.ptp(x))


@pytest.mark.parametrize("method", detrend.METHODS)
@pytest.mark.parametrize("season", [None, 5])
@few
@given(n=lengths, seed=seeds, width=st.integers(6, 20), cut=st.floats(0, 1), later=st.floats(-1e12, 1e12))
def test_causal_never_looks_ahead(
    method: str, season: int | None, n: int, seed: int, width: int, cut: float, later: float
) -> None:
    x = _walk(n, seed)
    end = 20 + int(cut * (n - 20))
    so_far = _plan(method, end, width, True, season).apply(x[:end]).trend
    changed = x.copy()
    changed[end:] += later
    np.testing.assert_array_equal(_plan(method, n, width, True, season).apply(changed).trend[:end], so_far)


@cases
@few
@given(n=lengths, seed=seeds, width=widths)
def test_rows_are_treated_as_if_alone(method: str, causal: bool, n: int, seed: int, width: float) -> None:
    plan = _plan(method, n, width, causal)
    x = np.random.default_rng(seed).normal(size=(5, n))
    x[2] += 1e9 * (np.arange(n) == n // 2)  # a spike in one row must not reach the others
    together = plan.rows(x)
    for row, trend in zip(x, together, strict=True):
        np.testing.assert_array_equal(plan.apply(row).trend, trend)


slopes = st.floats(-1e3, 1e3, allow_subnormal=False)
levels = st.floats(-1e6, 1e6, allow_subnormal=False)


@few
@given(n=lengths, slope=slopes, level=levels, span=st.integers(6, 20))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("method", ["linear", "local_linear", "local_quadratic", "lowess", "loess"])
def test_local_and_global_lines_leave_nothing_of_a_line(
    method: str, causal: bool, n: int, slope: float, level: float, span: int
) -> None:
    x = level + slope * np.arange(n)
    residual = _plan(method, n, span, causal).apply(x).residual
    assert np.max(np.abs(residual)) <= 1e-11 * (abs(level) + abs(slope) * n)


@cases
@few
@given(n=lengths, value=st.floats(-1e12, 1e12), width=widths)
def test_a_constant_leaves_exactly_nothing(method: str, causal: bool, n: int, value: float, width: float) -> None:
    residual = _plan(method, n, width, causal).apply(np.full(n, value)).residual
    assert np.all(residual[np.isfinite(residual)] == 0.0)
    assert np.isnan(residual).sum() == (method == "difference")


@few
@given(n=st.integers(2, 200), seed=seeds, width=st.floats(0.02, 1.0))
def test_trend_of_weights_stays_within_the_range(n: int, seed: int, width: float) -> None:
    x = _walk(n, seed)
    for trend in (
        detrend.gaussian(x, bandwidth=max(1.0, width * n)).trend,
        detrend.ksmooth(x, bandwidth=max(1, round(width * n))).trend,
        detrend.running_mean(x, window=max(2, round(width * n))).trend,
    ):
        assert trend.min() >= x.min() - 1e-9 * np.ptp(x)
        assert trend.max() <= x.max() + 1e-9 * np.ptp(x)
