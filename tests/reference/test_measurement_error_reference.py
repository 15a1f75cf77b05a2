"""Scores by instruments against two-stage least squares and Newey and West's covariance, both by statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.sandbox.regression.gmm import IV2SLS
from statsmodels.stats.sandwich_covariance import S_hac_simple

from ews._analysis.score_tests.measurement import instrumented
from ews._analysis.score_tests.paths import instrumented_path
from ews._analysis.score_tests.paths_at import instrumented_path_at
from ews._analysis.score_tests.scores_at import scorer
from ews._analysis.score_tests.shapes import SHAPES, weights, weights_at
from ews._kernels.score_instruments import instrument_rows

ROWS, N = 6, 150


def sample(seed: int = 1) -> np.ndarray:
    """Autoregressions of different memory, one of them oscillating, under measurement error that grows."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((ROWS, N))
    first, second = np.array([-0.8, 0.2, 0.5, 0.7, 0.95, 1.2]), np.array([0.0, 0.0, 0.0, 0.0, 0.0, -0.8])
    for t in range(2, N):
        x[:, t] += first * x[:, t - 1] + second * x[:, t - 2]
    return x + rng.standard_normal((ROWS, N)) * np.linspace(0.1, 1.0, N)


def drift(r: np.ndarray, w: np.ndarray, order: int) -> tuple[float, float]:
    """Drift of the last coefficient and its standard error, by the slow and obvious way."""
    lagged = np.column_stack([r[2 * order - lag : r.size - lag] for lag in range(2 * order + 1)])
    seen = np.isfinite(lagged).all(axis=1)
    weight = w[2 * order :, None]
    target, near, far = lagged[:, 0], lagged[:, 1 : order + 1], lagged[:, order + 1 :]
    regressors, instruments = np.hstack([near, weight * near]), np.hstack([far, weight * far])
    fitted = IV2SLS(target[seen], regressors[seen], instruments[seen]).fit()
    terms = np.zeros_like(instruments)
    terms[seen] = instruments[seen] * (target[seen] - regressors[seen] @ fitted.params)[:, None]
    bread = np.linalg.inv(instruments[seen].T @ regressors[seen])
    covariance = bread @ S_hac_simple(terms, nlags=order) @ bread.T
    return float(fitted.params[-1]), float(np.sqrt(covariance[-1, -1]))


def kernel(x: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    z = np.empty((len(x), 2, len(shapes)))
    instrument_rows(x, shapes, z)
    return z


@pytest.mark.parametrize("gaps", [(), (0, 40, 41, 77, 149)])
def test_scores_are_those_of_two_stage_least_squares(gaps: tuple[int, ...]) -> None:
    x, shapes = sample(), weights(N)
    x[:, list(gaps)] = np.nan
    found = kernel(x, shapes)
    for row, r in zip(found, x, strict=True):
        for k, w in enumerate(shapes):
            estimate, error = drift(r, w, 1)
            np.testing.assert_allclose(row[0, k], estimate / error, rtol=1e-7)
        estimate, error = drift(r, shapes[0], 2)
        np.testing.assert_allclose(row[1, 0], -estimate / error, rtol=1e-6)
    assert np.isnan(found[:, 1, 1:]).all()


@pytest.mark.parametrize("order", [1, 2])
def test_paths_are_those_of_two_stage_least_squares(order: int) -> None:
    x, shapes = sample(), weights(N)
    x[:, [40, 77]] = np.nan
    sign = 1.0 if order == 1 else -1.0
    for r, z in zip(x, kernel(x, shapes)[:, order - 1, 0], strict=True):
        path = instrumented_path(r, shapes[0], order=order, shape=SHAPES[0], quantile=2.0)
        estimate, error = drift(r, shapes[0], order)
        moved = shapes[0, -1] - shapes[0, 0]
        np.testing.assert_allclose(path.drift, sign * estimate * moved, rtol=1e-6)
        np.testing.assert_allclose(path.drift_error, error * moved, rtol=1e-6)
        np.testing.assert_allclose(path.drift / path.drift_error, z, rtol=1e-6)
        np.testing.assert_allclose(path.value[-1] - path.value[0], path.drift, rtol=1e-9)
        assert (path.lower < path.value).all()
        assert (path.value < path.upper).all()


def test_on_a_grid_with_gaps_they_are_those_of_the_grid() -> None:
    at = np.delete(np.arange(200.0), [3, 4, 90, 150])
    x, shapes = np.random.default_rng(2).standard_normal((2, at.size)).cumsum(axis=1), weights_at(at)
    there = scorer(at, shapes)
    grid, drifts = np.full((2, 200), np.nan), np.zeros((3, 200))
    grid[:, at.astype(int)], drifts[:, at.astype(int)] = x, shapes
    found = kernel(there.apart(x, np.nan), there.apart(shapes, 0.0))
    np.testing.assert_allclose(found[:, 0], kernel(grid, drifts)[:, 0], rtol=1e-9)
    path = instrumented_path_at(x[0], there, shapes[0], order=1, shape=SHAPES[0], quantile=2.0)
    assert path.value.shape == at.shape
    np.testing.assert_allclose(path.drift / path.drift_error, found[0, 0, 0], rtol=1e-7)


@pytest.mark.parametrize("unit", [-3e7, 1e-120, 1e120])
def test_scores_do_not_depend_on_the_unit(unit: float) -> None:
    x, shapes = sample(), weights(N)
    plain, found = np.full((2, ROWS, 3, 3), 9.0)
    instrumented(x, shapes, plain)
    instrumented(unit * x, shapes, found)
    np.testing.assert_allclose(found, plain, rtol=1e-8)
    assert (found[:, 2] == 9.0).all()  # the variance is left as it is


def test_what_tells_nothing_has_no_score() -> None:
    assert np.isnan(kernel(np.zeros((1, N)), weights(N))).all()
    assert np.isnan(kernel(np.random.default_rng(1).standard_normal((1, 6)), weights(6))).all()


@pytest.mark.jit
def test_error_whose_size_drifts_is_no_drift_of_memory() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((300, 1000))
    for t in range(1, 1000):
        x[:, t] += 0.8 * x[:, t - 1]
    w = weights(1000)
    falling = kernel(x + 2.0 * np.linspace(1.0, 0.1, 1000) * rng.standard_normal(x.shape), w)[:, 0, 0]
    assert abs(falling.mean()) < 0.2
    assert 0.7 < falling.std() < 1.1
    rising = np.linspace(0.5, 0.9, 1000)
    for t in range(1, 1000):
        x[:, t] = rising[t] * x[:, t - 1] + rng.standard_normal(300)
    assert kernel(x + rng.standard_normal(x.shape), w)[:, 0, 0].mean() > 1.5
