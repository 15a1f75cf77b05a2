"""The expanding-window composite: its definition, its alarm, its test, its report."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

import ews
from ews.errors import (
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
)
from tests.reference import naive_spatial as naive


def noise(n: int = 60, coefficient: float = 0.6, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += coefficient * x[i - 1]
    return x


def growing(n: int = 120, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) * np.r_[np.ones(n // 2), np.linspace(1, 8, n - n // 2)]


def test_indicators_are_measured_on_all_observations_so_far() -> None:
    x = noise(40)
    found = ews.composite(x, n_surrogates=0)
    for t in (4, 10, 39):
        part = x[: t + 1]
        assert found.indicators["variance"].values[t] == pytest.approx(np.var(part, ddof=1), rel=1e-12)
        expected = np.corrcoef(part[:-1], part[1:])[0, 1]
        assert found.indicators["ac1"].values[t] == pytest.approx(expected, rel=1e-10)
    assert np.isnan(found.indicators["variance"].values[:4]).all()


@pytest.mark.jit
def test_score_and_alarm_are_their_definition() -> None:
    x = growing()
    found = ews.composite(x, n_surrogates=0)
    table = [found.indicators[name].values.tolist() for name in found.config.indicators]
    total, strength = naive.composite(table)
    np.testing.assert_allclose(found.score, total, rtol=1e-9, atol=1e-12)
    crossed = [value > 2.0 for value in strength]
    assert found.crossed.tolist() == crossed
    in_a_row = [t for t in range(1, len(x)) if crossed[t] and crossed[t - 1]]
    assert found.alarm_time == in_a_row[0]
    held = max(min(a, b) for a, b in itertools.pairwise(strength) if a == a and b == b)
    assert found.statistic == pytest.approx(held, rel=1e-9)


@pytest.mark.jit
def test_alarm_needs_as_many_crossings_in_a_row_as_asked_for() -> None:
    x = growing()
    alarms = [ews.composite(x, n_surrogates=0, consecutive=k).alarm_time for k in (1, 2, 5)]
    crossed = ews.composite(x, n_surrogates=0).crossed
    for k, alarm in zip((1, 2, 5), alarms, strict=True):
        assert crossed[int(alarm) - k + 1 : int(alarm) + 1].all()
    assert alarms == sorted(alarms)
    assert ews.composite(x, n_surrogates=0, threshold=50.0).alarm_time is None


@pytest.mark.parametrize("options", [{}, {"window": 12}, {"detrend": "gaussian", "bandwidth": 10}])
@pytest.mark.jit
def test_the_future_changes_nothing(options: dict[str, object]) -> None:
    x = growing(80)
    whole = ews.composite(x, n_surrogates=0, **options)  # type: ignore[arg-type]
    part = ews.composite(x[:60], n_surrogates=0, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(part.score, whole.score[:60], rtol=1e-12)
    np.testing.assert_array_equal(part.crossed, whole.crossed[:60])


def test_a_falling_return_rate_counts_as_a_rise() -> None:
    x = noise(60)
    down = ews.composite(x, indicators="return_rate", n_surrogates=0)
    values = down.indicators["return_rate"].values
    history = values[:31][np.isfinite(values[:31])]  # it is undefined where AC1 is negative
    assert 20 < history.size < 27
    expected = -(values[30] - history.mean()) / history.std(ddof=1)
    assert down.zscores["return_rate"][30] == pytest.approx(expected, rel=1e-10)


def test_a_rolling_window_is_that_of_rolling() -> None:
    x = noise(60)
    found = ews.composite(x, window=20, n_surrogates=0)
    expected = ews.rolling(x, window=20, indicators="variance")["variance"]
    # One row and many share no tiles, so that last digits differ.
    np.testing.assert_allclose(found.indicators["variance"].values, expected, rtol=1e-13)


@pytest.mark.jit
def test_growing_noise_warns_and_steady_noise_does_not() -> None:
    driven = ews.composite(growing(), n_surrogates=199)
    assert driven.warning
    assert driven.pvalue <= 0.02
    still = [ews.composite(noise(80, seed=seed), n_surrogates=99) for seed in range(8)]
    assert sum(one.warning for one in still) <= 2
    assert any(one.alarm_time is not None and not one.warning for one in still)  # the rule alone cries wolf


@pytest.mark.jit
def test_result_is_laid_out_like_the_series() -> None:
    x = pd.Series(growing(60), index=pd.date_range("2020-01-01", periods=60, freq="D"), name="lake")
    found = ews.composite(x, n_surrogates=20, seed=np.random.default_rng(1))
    for values in (found.score, found.score_mean, found.score_sd, found.crossed, found.residual):
        assert values.shape == (60,)
    text = found.summary()
    assert "'lake'" in text
    assert str(found.config.seed) in text
    assert max(map(len, text.splitlines())) <= 100
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["score"][0] is None
    assert stored["pvalue"] == found.pvalue
    assert len(found.plot().axes) == 3
    assert found.to_frame().shape == (60, 2 + 3 + 3 + 4)
    again = ews.composite(x, n_surrogates=20, seed=found.config.seed)
    np.testing.assert_array_equal(again.surrogate_statistic, found.surrogate_statistic)


@pytest.mark.jit
def test_without_surrogates_there_is_no_warning() -> None:
    found = ews.composite(growing(), n_surrogates=0)
    assert found.alarm_time is not None
    assert np.isnan(found.pvalue)
    assert not found.warning
    assert "no p-value" in found.summary()


@pytest.mark.jit
def test_differences_cost_one_sample() -> None:
    x = growing(60)
    found = ews.composite(x, detrend="difference", n_surrogates=10)
    direct = ews.composite(np.diff(x), n_surrogates=0)
    np.testing.assert_allclose(found.score[1:], direct.score, rtol=1e-9)


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        (["a", "b"], {}, InputTypeError),
        ([1.0, np.nan, 2.0] * 10, {}, MissingValuesError),
        (np.ones(50), {}, ValueRangeError),
        (np.arange(8.0), {}, SeriesTooShortError),
        (noise(50), {"burn_in": 1}, ValueRangeError),
        (noise(50), {"burn_in": 2.5}, ValueRangeError),
        (noise(50), {"consecutive": 0}, ValueRangeError),
        (noise(50), {"threshold": "two"}, ValueRangeError),
        (noise(50), {"window": 2}, ValueRangeError),
        (noise(50), {"window": 60}, ValueRangeError),
        (noise(50), {"burn_in": 60}, ValueRangeError),
        (noise(50), {"indicators": "ac"}, UnknownNameError),
        (noise(50), {"null": "ar2"}, UnknownNameError),
        (noise(50), {"alpha": 0.0}, ValueRangeError),
        (noise(50), {"n_surrogates": 1.5}, ValueRangeError),
        (noise(50), {"causal": 1}, InputTypeError),
    ],
)
def test_bad_input_is_refused_by_name(series: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        ews.composite(series, **options)  # type: ignore[arg-type]


def test_nothing_is_measured_before_the_burn_in_in_windows_either() -> None:
    found = ews.composite(noise(), window=10, burn_in=30, n_surrogates=0)
    assert found.config.burn_in == 30
    for one in (*found.indicators.values(), *found.zscores.values()):
        values = getattr(one, "values", one)
        assert np.isnan(values[:29]).all()
    whole = ews.composite(noise(), window=10, burn_in=5, n_surrogates=0)
    np.testing.assert_array_equal(found.indicators["ac1"].values[29:], whole.indicators["ac1"].values[29:])
