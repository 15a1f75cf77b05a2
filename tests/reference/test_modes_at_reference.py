"""Damped modes at any times against the dense Gaussian likelihood, and states integrated by matrix exponentials."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import cholesky, expm, solve_continuous_lyapunov, solve_triangular
from scipy.optimize import minimize

from ews._analysis.score_tests.modes_at import ModesAt
from ews._analysis.score_tests.shapes import weights_at
from ews._kernels.modes_at import MODE, SMOOTH, deviance, fit_modes
from ews.nulls.modes_at_times import ModesAtTimes

RNG = np.random.default_rng(6)
UNEVEN = np.cumsum(RNG.exponential(size=60))
UNEVEN -= UNEVEN[0]
GAPS = np.sort(RNG.choice(90, 60, replace=False)).astype(float)
GAPS -= GAPS[0]
# Decay, frequency, variance, share of the drive that the second coordinate alone gets.
MODES = np.array([[0.1, 0.9, 2.0, 1.0], [0.3, 2.0, 0.5, 0.0], [0.2, 0.0, 1.0, 0.0], [0.4, 1.3, 0.7, 0.6]])


def covariance(modes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of damped modes at rest, by the formula."""
    d = np.abs(at[:, None] - at)
    total = np.zeros_like(d)
    for decay, frequency, variance, smooth in modes:
        sine = smooth * decay / frequency * np.sin(frequency * d) if frequency else 0.0
        total += variance * np.exp(-decay * d) * (np.cos(frequency * d) + sine)
    return total


def drifting(mode: np.ndarray, at: np.ndarray, drift: np.ndarray) -> np.ndarray:
    """Of one mode whose decay is another on the way to each observation, driven as ever: a state, step by step."""
    decay, frequency, variance, smooth = mode

    def matrix(rate: float) -> np.ndarray:
        return np.array([[-rate, -frequency], [frequency, -rate]])

    ratio = decay / frequency
    rest = variance * np.array([[1.0, -smooth * ratio], [-smooth * ratio, 1.0 + 2.0 * smooth * ratio**2]])
    drive = -(matrix(decay) @ rest + rest @ matrix(decay).T)
    blocks = np.zeros((at.size, at.size, 2, 2))
    blocks[0, 0] = rest
    for i in range(1, at.size):
        a = matrix(decay + drift[i])
        turn = expm(a * (at[i] - at[i - 1]))
        still = solve_continuous_lyapunov(a, -drive)
        blocks[i, i] = turn @ (blocks[i - 1, i - 1] - still) @ turn.T + still
        for j in range(i):
            blocks[i, j] = turn @ blocks[i - 1, j]
            blocks[j, i] = blocks[i, j].T
    return blocks[:, :, 0, 0]


@pytest.mark.parametrize("at", [UNEVEN, GAPS])
@pytest.mark.parametrize("which", [[0], [1, 2], [0, 1], [3, 0, 2]])
def test_the_filter_has_the_dense_gaussian_likelihood(at: np.ndarray, which: list[int]) -> None:
    modes, noise = MODES[which], 0.1 + np.arange(at.size) / 100
    dense = covariance(modes, at) + np.diag(noise)
    x = np.linalg.cholesky(dense) @ RNG.standard_normal(at.size)
    wanted = np.linalg.slogdet(dense)[1] + x @ np.linalg.solve(dense, x)
    np.testing.assert_allclose(deviance(x, np.diff(at), modes, noise), wanted, rtol=1e-10)


@pytest.mark.jit
def test_surrogates_have_the_covariance_of_the_modes() -> None:
    at = UNEVEN[:12]
    null = ModesAtTimes(MODES, np.full(12, 0.3), at)
    drawn = null.draw(0, 40_000, seed=3)
    dense = covariance(MODES, at) + 0.3 * np.eye(12)
    assert np.abs(np.cov(drawn.T) - dense).max() < 0.04 * dense[0, 0]
    np.testing.assert_array_equal(null.draw(100, 5, seed=3), drawn[100:105])
    over_one = covariance(MODES, np.array([0.0, 1.0]))
    assert null.memory == pytest.approx(over_one[0, 1] / over_one[0, 0])


@pytest.mark.parametrize("kind", [MODE, SMOOTH])
@pytest.mark.parametrize("at", [UNEVEN, GAPS])
def test_the_score_is_that_of_the_likelihood_of_a_drifting_mode(at: np.ndarray, kind: int) -> None:
    theta = np.log([0.12, 0.8, 0.7, 0.3])  # damping ratio, frequency, variance, noise
    at = at[:30]
    w = weights_at(at)[0]
    fitted = ModesAt((kind,), theta, 1.0, np.zeros(at.size), at, w)
    rows = fitted.null.draw(0, 2, seed=1)

    def terms(x: np.ndarray, theta: np.ndarray, drift: float, power: float) -> tuple[np.ndarray, np.ndarray]:
        """Log likelihood of each observation given those before, and its standardised innovation squared."""
        ratio, frequency, variance, noise = np.exp(theta)
        mode = np.array([ratio * frequency, frequency, variance, float(kind == SMOOTH)])
        dense = drifting(mode, at, drift * w) + noise * np.eye(at.size)
        root = cholesky(dense, lower=True)
        square = solve_triangular(root, x, lower=True) ** 2
        return -np.log(np.diag(root)) - 0.5 * square / power, square

    for row, z in zip(rows, fitted.damping(rows), strict=True):
        x = row - row.mean()
        power = float(terms(x, theta, 0.0, 1.0)[1].mean())
        step, others = 1e-5, []
        for k in range(4):
            up, down = theta.copy(), theta.copy()
            up[k] += step
            down[k] -= step
            others.append(terms(x, up, 0.0, power)[0] - terms(x, down, 0.0, power)[0])
        others.append(w * (terms(x, theta, 0.0, power)[1] / power - 1.0))
        drift = terms(x, theta, step, power)[0] - terms(x, theta, -step, power)[0]
        design = np.stack(others).T
        design /= np.linalg.norm(design, axis=0)
        left = drift - design @ np.linalg.lstsq(design, drift, rcond=None)[0]
        np.testing.assert_allclose(z, -left.sum() / np.linalg.norm(left), atol=2e-3)


@pytest.mark.parametrize("kind", [MODE, SMOOTH])
def test_the_search_ends_where_the_dense_likelihood_is_largest(kind: int) -> None:
    low, high = np.log([1e-3, 0.2, 1e-4, 1e-6]), np.log([0.7, 3.0, 9.0, 9.0])
    truth = np.log([0.12, 0.8, 0.7, 0.3])
    null = ModesAt((kind,), truth, 1.0, np.zeros(60), UNEVEN, weights_at(UNEVEN)[0]).null

    def dense(theta: np.ndarray, x: np.ndarray) -> float:
        ratio, frequency, variance, noise = np.exp(theta)
        mode = np.array([[ratio * frequency, frequency, variance, float(kind == SMOOTH)]])
        matrix = covariance(mode, UNEVEN) + noise * np.eye(60)
        return float(np.linalg.slogdet(matrix)[1] + x @ np.linalg.solve(matrix, x))

    for x in null.draw(0, 5, seed=2):
        theta = np.clip(truth + np.array([0.3, -0.1, 0.2, -0.3]), low, high)
        found = fit_modes(x, np.diff(UNEVEN), np.array([kind]), np.zeros(60), low, high, theta)
        assert found == pytest.approx(dense(theta, x), rel=1e-9)
        best = minimize(dense, truth, args=(x,), method="Nelder-Mead", bounds=list(zip(low, high, strict=True)))
        assert found <= best.fun + 0.02
