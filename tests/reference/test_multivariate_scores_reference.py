"""The scores of several variables against regressions spelled out with statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from scipy.linalg import eigh

from ews._analysis.multivariate.modes import modes_of, projected
from ews._analysis.multivariate.run import resolve
from ews._analysis.multivariate.scoring import MultivariateScoring
from ews.multivariate.nulls import draw_vector_autoregression

N = 240


def record() -> np.ndarray:
    """Two variables that turn about each other, losing damping, and a third that is slow; outliers none."""
    maps = np.zeros((N, 3, 3))
    modulus = np.linspace(0.5, 0.95, N)
    turn = np.array([[np.cos(0.9), -np.sin(0.9)], [np.sin(0.9), np.cos(0.9)]])
    maps[:, :2, :2] = modulus[:, None, None] * turn
    maps[:, 2, 2] = 0.6
    mixed = np.array([[1.0, 0.2, 0.4], [0.0, 1.0, 0.5], [0.1, 0.0, 1.0]])
    return mixed @ draw_vector_autoregression(maps, np.eye(3), 0, 1, seed=8)[0]


def scoring() -> MultivariateScoring:
    return MultivariateScoring(
        resolve(
            (3, N), step=1.0, detrend=None, bandwidth=None, window=0.5, indicators="mean_variance", trend="kendall",
            causal=False, season=None, standardize=True,
        )
    )  # fmt: skip


def slope_score(before: np.ndarray, after: np.ndarray, w: np.ndarray) -> float:
    """Score of a drift of the coefficient: w r[t−1], cleared of r[t−1], against the residual, White's denominator."""
    error = sm.OLS(after, before).fit().resid
    middle = np.average(w, weights=before**2)
    terms = (w - middle) * before * error
    return float(terms.sum() / np.sqrt((terms**2).sum()))


def standard() -> np.ndarray:
    x = scoring().standard(record()[None])
    # What goes into the scores: outliers pulled in, mean 0, variance 1.
    np.testing.assert_allclose(x.mean(axis=2), 0.0, atol=1e-12)
    np.testing.assert_allclose(x.var(axis=2), 1.0)
    return x


def test_modes_are_generalised_eigenvectors() -> None:
    x = standard()
    modes = modes_of(x)
    covariance = x[0] @ x[0].T
    for along, sign in ((modes.slow[0], -1.0), (modes.fast[0], 1.0)):
        step = x[0, :, 1:] + sign * x[0, :, :-1]
        expected = eigh(step @ step.T, covariance)[1][:, 0]
        expected = expected / np.linalg.norm(expected)
        assert abs(along @ expected) > 1 - 1e-10
    rows = x[0].T
    fitted = sm.OLS(rows[1:], rows[:-1]).fit().params.T
    value = np.linalg.eigvals(fitted)
    np.testing.assert_allclose(abs(modes.value[0]), max(abs(value[value.imag > 0])), rtol=1e-12)
    np.testing.assert_allclose(modes.pair[0] @ fitted, modes.value[0] * modes.pair[0], atol=1e-8)


def test_scores_are_those_of_regressions() -> None:
    x, test = standard(), scoring()
    modes = modes_of(x)
    found, memory = test.scores(x, modes)
    w = test.shapes[:, 1:]
    # Along the modes outliers are pulled in once more, which moves a score a little.
    slow = projected(modes.slow, x)[0]
    expected = [slope_score(slow[:-1], slow[1:], one) for one in w]
    np.testing.assert_allclose(memory[0, 0], expected, atol=0.15)
    assert found[0, 0] == memory[0, 0].max()
    # The amplitude of the pair, turned back by its angle at each step, as a plain complex autoregression.
    amplitude = modes.pair[0] @ x[0]
    angle = np.angle(modes.value[0])
    before = np.abs(amplitude[:-1])
    along = np.real(amplitude[1:] * np.exp(-1j * (angle + np.angle(amplitude[:-1]))))
    np.testing.assert_allclose(found[2, 0], slope_score(before, along, w[0]), atol=1e-9)
    assert found[2, 0] > 1.5
    logs = np.log(x[0] ** 2 / (x[0] ** 2).mean(axis=1, keepdims=True) + 0.05)
    np.testing.assert_allclose(found[3, 0], (logs @ test.shapes[0]).sum(), atol=0.6)


def test_what_does_not_alternate_or_oscillate_has_no_score() -> None:
    steady = np.broadcast_to(np.diag([0.9, 0.6, 0.3]), (N, 3, 3))
    x = scoring().standard(draw_vector_autoregression(steady, np.eye(3), 0, 40, seed=2))
    modes = modes_of(x)
    found = scoring().scores(x, modes)[0]
    assert np.mean(found[1] == 0.0) > 0.95
    assert np.mean(found[2] == 0.0) > 0.95
    assert (found[0] != 0.0).all()
