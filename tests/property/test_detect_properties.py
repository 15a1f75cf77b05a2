"""What must hold of ``ews.detect`` for any series: units, origin, mirror, clock and company change nothing."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import ews
from ews import errors
from ews.results import Detection

pytestmark = pytest.mark.jit  # hundreds of detections, each of hundreds of simulated series

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SURROGATES = 25
NULLS = st.sampled_from([null for null in ews.nulls.NAMES if null != "arma"])  # a fit of six orders takes a second
DETRENDS = st.sampled_from(["gaussian", "lowess", "loess", "ksmooth", "running_mean", "linear", "difference", None])


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """Red noise with a trend, sometimes rounded to few values: what users have."""
    n = draw(st.integers(30, 90))
    coefficient = draw(st.floats(-0.5, 0.95))
    slope = draw(st.floats(-5, 5))
    x = ews.nulls.AR1(coefficient, 1.0, n).draw(0, 1, seed=draw(st.integers(0, 2**32)))[0] + slope * np.linspace(
        0, 1, n
    )
    return np.round(x, draw(st.integers(0, 6)))


def detect(x: Any, **options: Any) -> Detection:
    method = "kendall" if options.get("detrend") == "difference" else "score"
    found = ews.detect(x, **{"n_surrogates": SURROGATES, "method": method, **options})
    assert isinstance(found, Detection)
    return found


@QUICK
@given(series(), st.integers(-60, 60), NULLS, DETRENDS)
def test_a_power_of_two_as_unit_changes_no_bit(x: np.ndarray, power: int, null: Any, detrend: Any) -> None:
    """Multiplying by 2^k is exact in floating point, so every trend and p-value must be the same to the bit."""
    assume(np.ptp(x) > 0)
    try:
        one = detect(x, null=null, detrend=detrend)
    except errors.ValueRangeError:  # nothing left by detrending
        assume(False)
    two = detect(x * 2.0**power, null=null, detrend=detrend)
    np.testing.assert_equal(two.tau, one.tau)
    np.testing.assert_equal(two.pvalue, one.pvalue)
    np.testing.assert_equal(two.pvalue_adjusted, one.pvalue_adjusted)
    np.testing.assert_array_equal(two.residual, one.residual * 2.0**power)
    np.testing.assert_array_equal(two.indicators["ac1"].values, one.indicators["ac1"].values)
    assert (two.verdict, two.power) == (one.verdict, one.power)


@QUICK
@given(series(), st.floats(1e-3, 1e3), st.floats(-1e4, 1e4), DETRENDS)
def test_units_and_origin_change_nothing_but_rounding(x: np.ndarray, unit: float, origin: float, detrend: Any) -> None:
    x = x + 1e-3 * np.random.default_rng(0).standard_normal(x.size)  # without ties, that rounding would break
    one = detect(x, detrend=detrend, n_surrogates=0)
    two = detect(x * unit + origin, detrend=detrend, n_surrogates=0)
    size = np.abs(x).max() + abs(origin) / unit
    kept = origin if detrend is None else 0.0  # where nothing is taken out, the origin stays in
    np.testing.assert_allclose((two.residual - kept) / unit, one.residual, rtol=0, atol=1e-12 * size)
    for name in one.tau:
        values = one.indicators[name].values[one.config.window - 1 :]
        steps = np.abs(np.subtract.outer(values, values))[np.triu_indices(values.size, 1)]
        close = np.count_nonzero(steps < 1e-9 * size * np.nanmax(np.abs(values)))  # pairs that rounding may turn round
        assert abs(two.tau[name] - one.tau[name]) <= (2 * close + 1e-9) / steps.size


@QUICK
@given(series(), DETRENDS)
def test_a_mirror_turns_the_trend_of_skewness_and_no_other(x: np.ndarray, detrend: Any) -> None:
    assume(np.ptp(x) > 0)
    try:
        one = detect(x, detrend=detrend, n_surrogates=0)
    except errors.ValueRangeError:
        assume(False)
    two = detect(-x, detrend=detrend, n_surrogates=0)
    for name in ("variance", "ac1"):
        np.testing.assert_array_equal(two.tau[name], one.tau[name])
    np.testing.assert_array_equal(two.tau["skewness"], -one.tau["skewness"])


@QUICK
@given(series(), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6), st.booleans())
def test_the_clock_changes_no_trend(x: np.ndarray, step: float, start: float, backwards: bool) -> None:
    assume(np.ptp(x) > 0)
    time = start + step * np.arange(x.size)
    assume((np.diff(time) > 0.99 * step).all())
    assume((np.diff(time) < 1.01 * step).all())
    one = detect(x)
    two = detect(x[::-1], time=time[::-1]) if backwards else detect(x, time=time)
    assert two.tau == one.tau
    assert two.pvalue == one.pvalue
    np.testing.assert_array_equal(two.series.time, time)


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_columns_do_not_know_of_each_other(data: st.DataObject) -> None:
    rows = ews.nulls.AR1(0.4, 1.0, 50).draw(0, 4, seed=data.draw(st.integers(0, 99)))
    frame = pd.DataFrame(rows.T, columns=list("abcd"))
    order = data.draw(st.permutations(list("abcd")))
    kept = order[: data.draw(st.integers(2, 4))]
    all_of_them, some = ews.detect(frame, n_surrogates=SURROGATES), ews.detect(frame[kept], n_surrogates=SURROGATES)
    assert list(some) == kept  # type: ignore[arg-type]
    for name in kept:
        assert some[name].to_json() == all_of_them[name].to_json()  # type: ignore[index]


@QUICK
@given(series(), NULLS, st.sampled_from(["kendall", "spearman", "theil_sen"]), st.integers(0, 40))
def test_numbers_stay_in_their_ranges(x: np.ndarray, null: Any, trend: Any, n_surrogates: int) -> None:
    assume(np.ptp(x) > 0)
    found = detect(x, null=null, trend=trend, n_surrogates=n_surrogates)
    for name in found.indicators:
        tau, p, adjusted = found.tau[name], found.pvalue[name], found.pvalue_adjusted[name]
        low, high = found.tau_interval[name]
        assert found.surrogate_tau[name].shape == (n_surrogates,)
        if n_surrogates == 0:
            assert np.isnan([p, adjusted, low, high]).all()
        elif not np.isnan(tau):
            assert 2 / (1 + n_surrogates) <= p + 1e-12
            assert p <= adjusted <= 1
            assert np.isnan(low) or low <= tau <= high
        if trend != "theil_sen" and not np.isnan(tau):
            assert -1 <= tau <= 1
    assert found.power is None or 0 <= found.power <= 1


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.integers(0, 40),
        elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
        fill=st.nothing(),
    ),
    st.sampled_from(["raise", "interpolate", "drop"]),
)
@example(np.full(20, 5e-324), "raise")
@example(np.r_[np.zeros(19), 5e-324], "raise")
@example(np.r_[np.zeros(19), 1.7976931348623157e308], "raise")
@example(np.r_[np.full(10, np.nan), np.arange(12.0) ** 2], "interpolate")
def test_any_floats_give_an_answer_or_one_of_our_errors(x: np.ndarray, missing: Any) -> None:
    """Never numpy's own errors or warnings, never a half-built result."""
    before = x.copy()
    try:
        found = detect(x, missing=missing, n_surrogates=10)
    except errors.EWSError as error:
        assert str(error)  # noqa: PT017
    else:
        assert found.to_json()
        assert found.summary()
    np.testing.assert_array_equal(x, before)
