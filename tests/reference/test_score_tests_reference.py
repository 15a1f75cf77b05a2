"""Score statistics against slow, obvious regressions by statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from ews._analysis.score_tests.paths import memory_path, modulus_path
from ews._analysis.score_tests.shapes import SHAPES, weights
from ews._analysis.score_tests.statistics import STATISTICS, bounded, score
from ews._kernels.score import score_rows

ROWS, N = 6, 120


def sample(seed: int = 1) -> np.ndarray:
    """Autoregressions of different memory, one of them oscillating, whose noise grows."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((ROWS, N)) * np.linspace(1.0, 2.0, N)
    x = noise.copy()
    first, second = np.array([-0.8, 0.0, 0.3, 0.7, 0.95, 1.2]), np.array([0.0, 0.0, 0.0, 0.0, 0.0, -0.8])
    for t in range(2, N):
        x[:, t] += first * x[:, t - 1] + second * x[:, t - 2]
    return x


def studentised(target: np.ndarray, drift: np.ndarray, nuisance: np.ndarray) -> float:
    """Score of a drifting coefficient, what the nuisance takes up left out, over White's standard error."""
    error = sm.OLS(target, nuisance).fit().resid
    regressor = sm.OLS(drift, nuisance).fit().resid
    terms = regressor * error
    return float(terms.sum() / np.sqrt((terms**2).sum()))


def scores(x: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """What the kernel gives for the first of the shapes."""
    found = np.empty((len(x), 3, len(shapes)))
    score_rows(x, shapes, np.inf, np.inf, found)
    return found[:, :, 0]


def log_score(values: np.ndarray, w: np.ndarray) -> float:
    logarithm = np.log(values**2 / np.mean(values**2) + 0.05)
    return float(sm.OLS(logarithm, sm.add_constant(w)).fit().params[1] * np.sum((w - w.mean()) ** 2))


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_scores_are_those_of_regressions(shape: int) -> None:
    x, w = sample(), weights(N)[shape]
    found = scores(x, weights(N)[[shape]])
    np.testing.assert_array_equal(score(x, weights(N), np.inf)[1][:, 0, shape], found[:, 0])
    for row, r in zip(found, x, strict=True):
        np.testing.assert_allclose(row[0], studentised(r[1:], w[1:] * r[:-1], r[:-1, None]), rtol=1e-9)
        nuisance = np.column_stack([r[1:-1], r[:-2], w[2:] * r[1:-1]])
        np.testing.assert_allclose(row[1], -studentised(r[2:], w[2:] * r[:-2], nuisance), rtol=1e-8)
        np.testing.assert_allclose(row[2], log_score(r, w), rtol=1e-9)


def test_each_statistic_is_the_largest_score_over_its_shapes_in_its_direction() -> None:
    statistics, scores = score(sample(), weights(N), 2.5)
    tame = score(bounded(sample(), 2.5, far=5.0), weights(N), np.inf)[1]
    np.testing.assert_array_equal(scores[:, :2], tame[:, :2])
    assert [one.name for one in STATISTICS] == ["memory towards +1", "memory towards −1", "damping", "variance"]
    linear = SHAPES.index("linear")
    np.testing.assert_array_equal(statistics[0], scores[:, 0].max(axis=1))
    np.testing.assert_array_equal(statistics[1], -scores[:, 0, linear])
    np.testing.assert_array_equal(statistics[2], scores[:, 1, linear])
    np.testing.assert_array_equal(statistics[3], scores[:, 2, linear])


def test_a_gap_leaves_out_the_terms_that_need_it() -> None:
    x, w = sample(), weights(N)
    gappy = x.copy()
    gappy[:, [0, 40, 41, 77]] = np.nan
    found = score(gappy, w, np.inf)[1][:, :, 0]
    for row, r in zip(found, gappy, strict=True):
        pairs = np.isfinite(r[1:] * r[:-1])
        late, early = r[1:][pairs], r[:-1][pairs]
        np.testing.assert_allclose(row[0], studentised(late, w[0, 1:][pairs] * early, early[:, None]), rtol=1e-9)
        three = np.isfinite(r[2:] * r[1:-1] * r[:-2])
        target, one, two, weight = r[2:][three], r[1:-1][three], r[:-2][three], w[0, 2:][three]
        nuisance = np.column_stack([one, two, weight * one])
        np.testing.assert_allclose(row[1], -studentised(target, weight * two, nuisance), rtol=1e-8)
        seen = np.isfinite(r)
        np.testing.assert_allclose(row[2], log_score(r[seen], w[0, seen]), rtol=1e-9)


def test_outliers_are_pulled_in_to_the_limit() -> None:
    x = sample()
    x[2, 50] = 1e9
    found = bounded(x, 2.5)
    scale = 1.4826 * np.median(np.abs(x), axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.clip(x, -2.5 * scale, 2.5 * scale), rtol=1e-12)
    np.testing.assert_array_equal(bounded(x, np.inf), x)
    left = bounded(x, 2.5, far=5.0)
    np.testing.assert_array_equal(np.isnan(left), np.abs(x) > 5.0 * scale)
    np.testing.assert_array_equal(left[np.isfinite(left)], found[np.isfinite(left)])


@pytest.mark.parametrize("row", range(ROWS))
def test_paths_are_those_of_regressions_with_whites_covariance(row: int) -> None:
    r, w = sample()[row], weights(N)[0]
    fitted = sm.OLS(r[1:], np.column_stack([r[:-1], w[1:] * r[:-1]])).fit(cov_type="HC0")
    found = memory_path(r, w, shape="linear", quantile=2.0)
    contrast = np.column_stack([np.ones(N), w])
    error = np.sqrt(np.diag(contrast @ fitted.cov_params() @ contrast.T))
    np.testing.assert_allclose(found.value, contrast @ fitted.params, rtol=1e-7)
    np.testing.assert_allclose(found.upper - found.value, 2.0 * error, rtol=1e-7)
    np.testing.assert_allclose(found.value - found.lower, 2.0 * error, rtol=1e-7)
    design = np.column_stack([r[1:-1], r[:-2], w[2:] * r[1:-1], w[2:] * r[:-2]])
    fitted = sm.OLS(r[2:], design).fit(cov_type="HC0")
    contrast = -np.column_stack([np.zeros(N), np.ones(N), np.zeros(N), w])
    found = modulus_path(r, w, shape="linear", quantile=2.0)
    np.testing.assert_allclose(found.value, contrast @ fitted.params, rtol=1e-6)
    error = np.sqrt(np.diag(contrast @ fitted.cov_params() @ contrast.T))
    np.testing.assert_allclose(found.upper - found.value, 2.0 * error, rtol=1e-6)


def test_scores_do_not_depend_on_the_unit_and_are_undefined_for_nothing() -> None:
    x = sample()
    plain = score(x, weights(N), 2.5)[1]
    np.testing.assert_allclose(score(-3e7 * x, weights(N), 2.5)[1], plain, rtol=1e-9)
    assert score(np.zeros((1, N)), weights(N), 2.5)[0].shape == (4, 1)
    assert np.isnan(score(np.zeros((1, N)), weights(N), 2.5)[0]).all()


def test_long_rows_are_scored_block_by_block() -> None:
    """The same scores where a row is one block and where it is many, with gaps at the seams."""
    n = 9000
    rng = np.random.default_rng(4)
    x = rng.standard_normal(n) * np.linspace(1.0, 2.0, n)
    for t in range(2, n):
        x[t] += 0.9 * x[t - 1] - 0.4 * x[t - 2]
    x[[4095, 8193]] = np.nan
    w = weights(n)
    found = scores(x[None], w)[0]
    pairs, three = np.isfinite(x[1:] * x[:-1]), np.isfinite(x[2:] * x[1:-1] * x[:-2])
    expected = studentised(x[1:][pairs], (w[0, 1:] * x[:-1])[pairs], x[:-1][pairs][:, None])
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    target, one, two, weight = x[2:][three], x[1:-1][three], x[:-2][three], w[0, 2:][three]
    nuisance = np.column_stack([one, two, weight * one])
    np.testing.assert_allclose(found[1], -studentised(target, weight * two, nuisance), rtol=1e-8)
    seen = np.isfinite(x)
    np.testing.assert_allclose(found[2], log_score(x[seen], w[0, seen]), rtol=1e-9)
