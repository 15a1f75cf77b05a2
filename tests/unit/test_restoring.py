"""The trend of the restoring rate and its extrapolation: definitions, coverage, unbounded cases, its report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import ews
from ews.bifurcations import restoring
from ews.bifurcations._restoring.threshold import Line, Noise, fit_line, fit_noise, simulate, time_to_threshold
from ews.errors import (
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)


def driven(first: float, last: float, n: int, rows: int = 1, seed: int = 3, memory: float = 0.0) -> np.ndarray:
    """x[t] = φ[t] x[t−1] + η[t] with φ along a straight line and autoregressive noise η."""
    rng = np.random.default_rng(seed)
    x, noise = np.zeros((n, rows)), np.zeros(rows)
    state = np.zeros(rows)
    for _ in range(50):
        noise = memory * noise + rng.standard_normal(rows)
        state = first * state + noise
    for t, coefficient in enumerate(np.linspace(first, last, n)):
        noise = memory * noise + rng.standard_normal(rows)
        state = coefficient * state + noise
        x[t] = state
    return np.ascontiguousarray(x.T)


def test_rates_are_those_of_the_indicator() -> None:
    x = driven(0.4, 0.8, 150)[0]
    result = restoring(x, time=0.5 * np.arange(150), window=60, detrend=None, n_surrogates=0, n_bootstrap=0)
    np.testing.assert_array_equal(result.rate, ews.restoring_rate(x, window=60, step=0.5))


def test_white_errors_are_ordinary_least_squares() -> None:
    x = driven(0.4, 0.8, 120)[0]
    result = restoring(x, window=50, detrend=None, errors="white", n_surrogates=0, n_bootstrap=0)
    at = np.arange(50)
    for end in (50, 83, 120):
        part = x[end - 50 : end]
        part = part - np.polyval(np.polyfit(at, part, 1), at)
        assert abs(result.rate[end - 1] - np.polyfit(part[:-1], np.diff(part), 1)[0]) < 1e-12


def test_line_is_numpys_against_the_middles_of_the_windows() -> None:
    rates = np.random.default_rng(2).standard_normal((3, 40))
    rates[1, 7] = np.nan
    n, window = 69, 30
    middles = np.arange(window - 1, n) - 0.5 * (window - 1)
    for row, (level, slope) in zip(rates, fit_line(rates, window), strict=True):
        known = np.isfinite(row)
        theirs = np.polyfit(middles[known], row[known], 1)
        assert abs(slope - theirs[0]) < 1e-12
        assert abs(level - np.polyval(theirs, n - 1)) < 1e-12


def test_time_to_threshold_of_every_kind_of_line() -> None:
    level = np.array([-1.0, -1.0, -1.0, 0.5, 0.5, 0.0])
    slope = np.array([0.25, 0.0, -0.1, 0.1, -0.1, 0.0])
    np.testing.assert_array_equal(time_to_threshold(level, slope), [4.0, np.inf, np.inf, 0.0, 0.0, 0.0])


def test_simulated_series_have_the_line_and_the_noise() -> None:
    line, noise = Line(-0.2, 0.0), Noise(0.5, np.random.default_rng(1).standard_normal(500))
    rows = simulate(line, noise, 4000, 0, 3, blocks=False, seed=9)
    np.testing.assert_array_equal(rows[2:], simulate(line, noise, 4000, 2, 1, blocks=False, seed=9))
    for row in rows:
        found = fit_noise(row, line, correlated=True)
        assert abs(found.memory - 0.5) < 0.06  # four standard errors of 0.014
        assert abs(found.innovations.std() - noise.innovations.std()) < 0.06
        increments = np.diff(row[1:]) - found.memory * np.diff(row[:-1])  # quasi-differenced: white errors
        state = row[1:-1] - found.memory * row[:-2]
        assert abs(np.polyfit(state, increments, 1)[0] + 0.2) < 0.06
    blocks = simulate(line, noise, 4000, 0, 1, blocks=True, seed=9)[0]
    innovations = fit_noise(blocks, line, correlated=True).innovations
    assert innovations.std() == pytest.approx(noise.innovations.std(), rel=0.05)


@pytest.mark.jit
def test_interval_covers_the_time_at_which_the_true_line_reaches_0() -> None:
    n, first, last = 300, 0.3, 0.85
    true = (1.0 - last) / ((last - first) / (n - 1))
    rows = driven(first, last, n, rows=40, seed=21)
    covered, level, uncorrected = [], [], []
    for row in rows:
        result = restoring(row, errors="white", n_surrogates=0, n_bootstrap=100)
        low, high = result.time_interval
        covered.append(low <= true <= high)
        level.append(result.line[0])
        uncorrected.append(result.line_uncorrected[0])
    assert np.mean(covered) >= 0.85  # 95 % nominal; 0.85 is three standard errors below
    assert abs(np.median(level) + 0.15) < abs(np.median(uncorrected) + 0.15)


@pytest.mark.jit
def test_without_a_trend_the_interval_is_unbounded_or_says_never() -> None:
    unbounded = []
    for row in driven(0.5, 0.5, 250, rows=12, seed=5):
        result = restoring(row, errors="white", n_surrogates=0, n_bootstrap=60)
        unbounded.append(np.isinf(result.time_interval[1]))
    assert np.mean(unbounded) >= 0.75
    falling = restoring(driven(0.8, 0.1, 400)[0], errors="white", n_surrogates=0, n_bootstrap=60)
    assert falling.time_to_threshold == np.inf
    assert falling.time_interval == (np.inf, np.inf)
    assert falling.probability_reached < 0.025
    assert "does not reach 0" in falling.summary()
    assert "unbounded" in falling.summary()


def test_memory_of_the_noise_is_not_taken_for_memory_of_the_system() -> None:
    """Noise whose memory rises raises the ordinary estimate; λ with correlated errors stays where it is."""
    rng = np.random.default_rng(7)
    taus = {"ar1": [], "white": []}
    for _ in range(6):
        n = 600
        x, noise = np.zeros(n), 0.0
        for t in range(1, n):
            noise = 0.5 * t / n * noise + rng.standard_normal()
            x[t] = 0.8 * x[t - 1] + noise
        for errors, found in taus.items():
            found.append(restoring(x, errors=errors, detrend=None, n_surrogates=0, n_bootstrap=0).line[1])
    assert np.median(taus["ar1"]) < 0.5 * np.median(taus["white"])


@pytest.mark.jit
def test_every_null_gives_its_p_and_the_largest_counts() -> None:
    x = driven(0.2, 0.9, 300, seed=8)[0]
    result = restoring(x, n_surrogates=99, n_bootstrap=0)
    assert set(result.pvalues) == {"ar1", "fourier"}
    assert result.pvalue == max(result.pvalues.values())
    assert result.warning == (result.pvalue <= 0.05)
    one = restoring(x, null="ar1", n_surrogates=99, n_bootstrap=0)
    assert one.pvalues["ar1"] == result.pvalues["ar1"]


def test_result_is_recorded_and_repeats() -> None:
    x = pd.Series(driven(0.3, 0.8, 120)[0], index=pd.date_range("2020-01-01", periods=120, freq="D"), name="lake")
    result = restoring(x, window=50, n_surrogates=20, n_bootstrap=30, innovations="blocks", seed=11)
    again = restoring(x, window=50, n_surrogates=20, n_bootstrap=30, innovations="blocks", seed=11)
    np.testing.assert_array_equal(result.line_replicates, again.line_replicates)
    assert result.line_replicates.shape == (30, 2)
    text = result.summary()
    assert "'lake'" in text
    assert max(map(len, text.splitlines())) <= 120
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert stored["config"]["null"] == ["ar1", "fourier"]
    assert stored["rate"][-1] == result.rate[-1]
    assert len(result.plot().axes) == 3


def test_units_of_time() -> None:
    """Rates go with 1/time, times with time, whatever the clock."""
    x = driven(0.3, 0.8, 150)[0]
    options = {"n_surrogates": 0, "n_bootstrap": 30}
    samples = restoring(x, **options)
    hours = restoring(x, time=24.0 * np.arange(150), **options)
    np.testing.assert_allclose(hours.rate, samples.rate / 24.0, rtol=1e-12)
    np.testing.assert_allclose(hours.time_interval, 24.0 * np.array(samples.time_interval), rtol=1e-9)
    assert hours.line[1] == pytest.approx(samples.line[1] / 24.0**2, rel=1e-9)


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        (["a", "b"], {}, InputTypeError),
        ([1.0, np.nan, 2.0] * 10, {}, MissingValuesError),
        (np.ones(50), {}, ValueRangeError),
        (np.arange(12.0), {}, SeriesTooShortError),
        (driven(0.5, 0.5, 50)[0], {"window": 5}, WindowError),
        (driven(0.5, 0.5, 50)[0], {"null": "ar2"}, UnknownNameError),
        (driven(0.5, 0.5, 50)[0], {"null": ()}, ValueRangeError),
        (driven(0.5, 0.5, 50)[0], {"null": ("ar1", "ar1")}, ValueRangeError),
        (driven(0.5, 0.5, 50)[0], {"errors": "red"}, UnknownNameError),
        (driven(0.5, 0.5, 50)[0], {"innovations": "block"}, UnknownNameError),
        (driven(0.5, 0.5, 50)[0], {"n_bootstrap": 1.5}, ValueRangeError),
    ],
)
def test_bad_input_is_refused_by_name(series: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        restoring(series, **options)
