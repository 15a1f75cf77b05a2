"""Trend statistics against scipy, at ties, gaps, dates and lengths that cannot list all pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ews import errors, trends

FUNCTIONS = {"kendall": trends.kendall, "spearman": trends.spearman, "theil_sen": trends.theil_sen}
EACH = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def _examples() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(11)
    even = np.arange(60.0)
    return {
        "noise": (generator.standard_normal(60), even),
        "walk": (generator.standard_normal(60).cumsum(), even),
        "ties": (generator.integers(0, 4, 60).astype(float), even),
        "uneven times": (generator.standard_normal(60), np.sort(generator.random(60))),
        "tied times": (generator.standard_normal(60), generator.integers(0, 9, 60).astype(float)),
        "two values": (generator.integers(0, 2, 60).astype(float), even),
        "short": (np.array([2.0, 1.0, 3.0]), np.arange(3.0)),
    }


EXAMPLES = _examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_statistics_are_those_of_scipy(name: str) -> None:
    y, t = EXAMPLES[name]
    assert trends.kendall(y, time=t).statistic == pytest.approx(stats.kendalltau(t, y).statistic, abs=1e-12)
    assert trends.spearman(y, time=t).statistic == pytest.approx(stats.spearmanr(t, y).statistic, abs=1e-12)
    assert trends.theil_sen(y, time=t).statistic == pytest.approx(stats.theilslopes(y, t).slope, abs=1e-12)


@pytest.mark.parametrize("method", trends.METHODS)
def test_rows_are_the_single_functions(method: trends.TrendMethod) -> None:
    generator = np.random.default_rng(2)
    table = generator.standard_normal((5, 40))
    table[1, 3:9] = np.nan
    table[2] = 1.0
    table[3] = np.round(table[3])
    table[4, 1:] = np.nan
    found = trends.rows(table, method=method)
    single = [FUNCTIONS[method](row).statistic for row in table]
    np.testing.assert_allclose(found, single, rtol=0, atol=1e-14)


@EACH
def test_values_that_are_not_finite_are_left_out(function: Callable[..., trends.Trend]) -> None:
    y = np.array([1.0, np.nan, 3.0, np.inf, 2.0, 8.0])
    kept = np.isfinite(y)
    found = function(y)
    assert found.n == 4
    assert found.statistic == function(y[kept], time=np.flatnonzero(kept)).statistic


@EACH
def test_no_variation_has_no_trend(function: Callable[..., trends.Trend]) -> None:
    for y in ([1.0], [np.nan, np.nan], [np.nan, 2.0]):
        assert np.isnan(function(y).statistic)
    assert np.isnan(function([1.0, 2.0, 3.0], time=[5, 5, 5]).statistic)
    flat = function([2.0, 2.0, 2.0]).statistic
    assert flat == 0 if function is trends.theil_sen else np.isnan(flat)


@EACH
@pytest.mark.parametrize("n", [2, 3, 7, 100, 1001])
def test_perfect_order_is_exactly_one(function: Callable[..., trends.Trend], n: int) -> None:
    assert function(np.arange(n)).statistic == 1.0
    assert function(-np.arange(n)).statistic == -1.0
    assert trends.rows(np.arange(n, dtype=float)[None], method=function(np.arange(3)).method)[0] == 1.0  # type: ignore[arg-type]


def test_rank_correlations_never_leave_their_range() -> None:
    generator = np.random.default_rng(8)
    table = np.round(np.arange(12.0) + generator.random((200, 12)), 1)
    for method in ("kendall", "spearman"):
        assert np.abs(trends.rows(table, method=method)).max() <= 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "short"])
def test_the_slope_by_bisection_is_the_median_of_all_slopes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    y, t = EXAMPLES[name]
    order = np.random.default_rng(3).permutation(60)
    expected = [trends.theil_sen(y, time=t).statistic, trends.theil_sen(y[1:], time=t[1:]).statistic]
    monkeypatch.setattr(trends, "MOST_LISTED", 10)
    assert trends.theil_sen(y[order], time=t[order]).statistic == pytest.approx(expected[0], abs=1e-14)
    assert trends.theil_sen(y[1:], time=t[1:]).statistic == pytest.approx(expected[1], abs=1e-14)


@pytest.mark.jit
def test_the_slope_of_a_long_series_needs_no_list_of_pairs() -> None:
    """100,000 values have 5e9 slopes: 40 GB."""
    y = 3.0 * np.arange(100_000.0)
    y[::1000] += 1e9
    assert trends.theil_sen(y).statistic == pytest.approx(3.0, rel=1e-12)


def test_slopes_over_dates_are_per_day() -> None:
    days = pd.date_range("2000-01-01", periods=5, freq="2D")
    assert trends.theil_sen(np.arange(5.0), time=days).statistic == 0.5
    assert trends.kendall(np.arange(5.0), time=days[::-1]).statistic == -1.0


@EACH
@pytest.mark.parametrize(
    ("values", "time", "expected"),
    [
        (["1", "2"], None, "values: got strings"),
        ([1j, 2], None, "values: got complex"),
        ([[1, 2], [3, 4]], None, r"values: got an array of shape \(2, 2\)"),
        ([], None, "values: got an empty series"),
        ([1, 2], [1, 2, 3], "time: got 3 times for 2 values"),
        ([1, 2], ["a", "b"], "time: got the text 'a', …; allowed: numbers, or dates"),
        ([1, 2], [1, np.nan], "time: got a missing time"),
    ],
)
def test_bad_input_is_refused(function: Callable[..., trends.Trend], values: Any, time: Any, expected: str) -> None:
    with pytest.raises(errors.ArgumentError, match=f"^{expected}"):
        function(values, time=time)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(errors.UnknownNameError, match="did you mean 'kendall'"):
        trends.rows(np.ones((1, 3)), method="kendal")  # type: ignore[arg-type]
