"""The slope of the Langevin drift: its posterior against definitions, its behaviour on models, its report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

import ews
from ews.bifurcations import langevin
from ews.errors import (
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)


def linear(n: int, coefficient: float = 0.7, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += coefficient * x[i - 1]
    return x


def posterior_by_draws(part: np.ndarray, step: float, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Slope at the mean and noise by drawing σ² and then the coefficients of 1, x, x², x³, in the series' own units."""
    rng = np.random.default_rng(8)
    mean, sd = part.mean(), part.std()
    change, state = np.diff(part), part[:-1]
    design = np.stack([np.ones(state.size), state, state**2, state**3], axis=1)
    # The prior is on u = (x - mean)/sd: coefficients of u² and u³ as linear functions of those of x² and x³.
    prior = np.zeros((2, 4))
    prior[0, 2:] = np.array([sd**2, 3.0 * mean * sd**2]) * np.sqrt(3.0) / sd
    prior[1, 3] = sd**3 * np.sqrt(15.0) / sd
    # In units of u the increments are Δx / sd; the error variance of Δx is sd² times theirs.
    precision = design.T @ design + sd**2 * prior.T @ prior
    location = np.linalg.solve(precision, design.T @ change)
    squares = float(change @ change - location @ precision @ location)
    variance = squares / rng.chisquare(state.size - 4 + 2, draws)
    factor = np.linalg.cholesky(np.linalg.inv(precision))
    coefficients = location[:, None] + np.sqrt(variance) * (factor @ rng.standard_normal((4, draws)))
    slope = coefficients[1] + 2.0 * coefficients[2] * mean + 3.0 * coefficients[3] * mean**2
    return slope / step, np.sqrt(variance / step)


def test_the_exact_posterior_is_what_draws_give() -> None:
    x, step = 2.0 + linear(60), 0.5
    result = langevin(x, time=step * np.arange(60), detrend=None, window=50, n_surrogates=0)
    slope, noise = posterior_by_draws(x[-50:], step, 200_000)
    lower, upper = np.quantile(slope, [0.025, 0.975])
    tolerance = 6.0 * slope.std() / np.sqrt(slope.size)  # quantiles in the tails: about 2.7 standard errors of a mean
    assert abs(result.slope[-1] - slope.mean()) < tolerance
    assert abs(result.slope_lower[-1] - lower) < 3 * tolerance
    assert abs(result.slope_upper[-1] - upper) < 3 * tolerance
    assert abs(result.probability_unstable[-1] - np.mean(slope >= 0)) < 0.002
    for ours, level in ((result.noise_lower, 0.025), (result.noise, 0.5), (result.noise_upper, 0.975)):
        assert abs(ours[-1] / np.quantile(noise, level) - 1.0) < 0.003


def test_posterior_is_that_of_numpys_least_squares() -> None:
    """With the prior written as observations, location and scale are those of an ordinary regression."""
    x = linear(80)
    result = langevin(x, detrend=None, window=64, n_surrogates=0, alpha=0.1)
    part = x[-64:]
    u = (part - part.mean()) / part.std()
    design = np.vander(u[:-1], 4, increasing=True)
    design = np.vstack([design, [0, 0, np.sqrt(3), 0], [0, 0, 0, np.sqrt(15)]])
    target = np.append(np.diff(u), [0.0, 0.0])
    coefficients, squares, *_ = np.linalg.lstsq(design, target, rcond=None)
    freedom = 63 - 4 + 2
    scale = np.sqrt(squares[0] / freedom * np.linalg.inv(design.T @ design)[1, 1])
    assert abs(result.slope[-1] - coefficients[1]) < 1e-12
    assert abs(result.slope_upper[-1] - coefficients[1] - student.isf(0.05, freedom) * scale) < 1e-12
    assert abs(result.probability_unstable[-1] - student.cdf(coefficients[1] / scale, freedom)) < 1e-12


@pytest.mark.jit
def test_credible_bands_cover_the_slope_of_a_cubic_drift() -> None:
    """dx = (−a x − x³) dt + σ dW by the Euler scheme itself; the window's mean is near 0, where the slope is −a."""
    rng = np.random.default_rng(12)
    step, a, sigma, rows, n = 0.1, 1.5, 0.6, 200, 600
    x = np.zeros((n, rows))
    for i in range(1, n):
        before = x[i - 1]
        x[i] = before - step * (a * before + before**3) + sigma * np.sqrt(step) * rng.standard_normal(rows)
    covered, noise = [], []
    for row in x.T[:, 100:]:
        result = langevin(row, time=step * np.arange(row.size), detrend=None, window=492, n_surrogates=0)
        true = -a - 3.0 * result.fixed_point[-1] ** 2
        covered.append(result.slope_lower[-1] <= true <= result.slope_upper[-1])
        noise.append(result.noise[-1])
    # 95 % nominal; the bias of an autoregression towards stability costs some: [0.88, 0.99] is what 200 rows allow.
    assert 0.88 <= np.mean(covered) <= 0.99
    assert abs(np.mean(noise) / sigma - 1.0) < 0.01


@pytest.mark.jit
def test_slope_rises_before_a_fold_and_not_without_one() -> None:
    driven = ews.models.harvested_population(n=500, seed=4, replicates=12)
    still = ews.models.harvested_population(n=500, harvest=1.0, seed=4, replicates=12)
    until = int(driven.transition)
    rising = [langevin(row[:until], n_surrogates=0).tau for row in driven.values]
    level = [langevin(row[:until], n_surrogates=0).tau for row in still.values]
    assert np.median(rising) > 0.5
    assert abs(np.median(level)) < 0.35
    steepest = driven.values[int(np.argmax(rising)), :until]
    assert langevin(steepest, n_surrogates=199).warning


def test_result_is_laid_out_like_the_series() -> None:
    x = pd.Series(linear(90), index=pd.date_range("2020-01-01", periods=90, freq="2D"), name="lake")
    result = langevin(x, window=40, n_surrogates=20, seed=np.random.default_rng(1))
    for values in (result.slope, result.noise, result.slope_lower, result.probability_unstable, result.fixed_point):
        assert values.shape == (90,)
        assert np.isnan(values[:39]).all()
        assert np.isfinite(values[39:]).all()
    assert result.series.step == 2.0  # days
    text = result.summary()
    assert "'lake'" in text
    assert str(result.config.seed) in text
    assert max(map(len, text.splitlines())) <= 100
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert stored["config"]["window"] == 40
    assert stored["slope"][0] is None
    assert stored["slope"][-1] == result.slope[-1]
    assert len(result.plot().axes) == 3
    again = langevin(x, window=40, n_surrogates=20, seed=result.config.seed)
    np.testing.assert_array_equal(again.surrogate_tau, result.surrogate_tau)


def test_without_surrogates_there_is_no_warning() -> None:
    result = langevin(np.linspace(0, 1, 60) * linear(60), n_surrogates=0)
    assert np.isnan(result.pvalue)
    assert not result.warning
    assert "no p-value" in result.summary()


def test_constant_and_two_valued_windows_are_nan() -> None:
    x = np.r_[np.zeros(30), linear(60)]
    x[60:] = np.where(x[60:] > 0, 1.0, -1.0)  # two states: no cubic to fit, but for the prior
    result = langevin(x, detrend=None, window=20, n_surrogates=0)
    assert np.isnan(result.slope[:30]).all()
    assert np.isfinite(result.slope[45:60]).all()


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        (["a", "b"], {}, InputTypeError),
        ([1.0, np.nan, 2.0] * 10, {}, MissingValuesError),
        (np.ones(50), {}, ValueRangeError),
        (np.arange(12.0), {}, SeriesTooShortError),
        (linear(50), {"window": 5}, WindowError),
        (linear(50), {"null": "ar2"}, UnknownNameError),
        (linear(50), {"detrend": "spline"}, UnknownNameError),
        (linear(50), {"alpha": 1.5}, ValueRangeError),
        (linear(50), {"n_surrogates": -1}, ValueRangeError),
        (linear(50), {"seed": -1}, ValueRangeError),
        (linear(50), {"causal": "yes"}, InputTypeError),
    ],
)
def test_bad_input_is_refused_by_name(series: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        langevin(series, **options)
