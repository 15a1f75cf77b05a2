"""Multivariate indicators against their definitions, written out window by window in plain numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.special import digamma
from scipy.stats import norm, rankdata

import ews
from ews.multivariate import MULTIVARIATE

WINDOW = 20
SIZE = (1.5, 1.0, 2.0)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def leading(w: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(np.cov(w.T))[-1])


def pairs(w: np.ndarray, relation: Callable[[np.ndarray, np.ndarray], float]) -> float:
    v = w.shape[1]
    return float(np.mean([relation(w[:, i], w[:, j]) for i in range(v) for j in range(i)]))


def copula_information(a: np.ndarray, b: np.ndarray) -> float:
    scores = [norm.ppf(rankdata(one) / (one.size + 1)) for one in (a, b)]
    bias = (digamma((a.size - 1) / 2) - digamma((a.size - 2) / 2)) / 2
    return float(-0.5 * np.log(1 - pearson(*scores) ** 2) - bias)


def first_factor(w: np.ndarray) -> tuple[float, np.ndarray]:
    """The generalised eigenproblem that whitening solves: D u = κ C u, smallest first."""
    values, vectors = eigh(np.cov(np.diff(w, axis=0).T), np.cov(w.T))
    return float(values[0]), vectors[:, 0] / np.linalg.norm(vectors[:, 0])


def transition(w: np.ndarray) -> np.ndarray:
    """x[t] on x[t−1] with a constant, by numpy's least squares."""
    design = np.column_stack([np.ones(len(w) - 1), w[:-1]])
    return np.linalg.lstsq(design, w[1:], rcond=None)[0][1:].T


def fisher(w: np.ndarray, size: tuple[float, ...]) -> float:
    levels = []
    for level in range(1, 101):
        free, amplitudes = list(range(len(w))), [0.0]
        while free:
            founder = free[0]
            state = [
                t
                for t in free
                if t == founder
                or sum(abs(w[t, i] - w[founder, i]) <= size[i] for i in range(w.shape[1])) >= level / 100 * w.shape[1]
            ]
            free = [t for t in free if t not in state]
            amplitudes.append(np.sqrt(len(state) / len(w)))
        levels.append(4 * np.sum(np.diff([*amplitudes, 0.0]) ** 2))
    return float(np.mean(levels))


def projected(w: np.ndarray, direction: np.ndarray) -> float:
    return pearson((w @ direction)[1:], (w @ direction)[:-1])


ORACLE: dict[str, Callable[[np.ndarray], float]] = {
    "covariance_eigenvalue": leading,
    "covariance_share": lambda w: leading(w) / float(np.var(w, axis=0, ddof=1).sum()),
    "variability_index": lambda w: np.sqrt(leading(w)),
    "mean_variance": lambda w: float(np.var(w, axis=0, ddof=1).mean()),
    "largest_variance": lambda w: float(np.var(w, axis=0, ddof=1).max()),
    "cross_correlation": lambda w: pairs(w, lambda a, b: abs(pearson(a, b))),
    "mutual_information": lambda w: pairs(w, copula_information),
    "mean_autocorrelation": lambda w: float(np.mean([pearson(x[1:], x[:-1]) for x in w.T])),
    "largest_autocorrelation": lambda w: max(pearson(x[1:], x[:-1]) for x in w.T),
    "pca_autocorrelation": lambda w: projected(w, np.linalg.svd(w - w.mean(axis=0))[2][0]),
    "maf_autocorrelation": lambda w: projected(w, first_factor(w)[1]),
    "maf_variance": lambda w: float(np.var(w @ first_factor(w)[1], ddof=1)),
    "maf_eigenvalue": lambda w: first_factor(w)[0],
    "jacobian_eigenvalue": lambda w: float(np.abs(np.linalg.eigvals(transition(w))).max()),
    "jacobian_index": lambda w: float(np.log(np.abs(np.linalg.eigvals(transition(w)))).max()),
    "fisher_information": lambda w: fisher(w, SIZE),
}


def sample(n: int = 50, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = np.array([[0.7, 0.2, 0.0], [0.0, 0.5, 0.3], [-0.2, 0.0, 0.4]])
    x = rng.standard_normal((n, 3))
    for t in range(1, n):
        x[t] += a @ x[t - 1]
    return x + np.array([5.0, 0.0, -100.0])


def test_every_indicator_has_an_oracle() -> None:
    assert set(ORACLE) == set(MULTIVARIATE)


@pytest.mark.parametrize("name", MULTIVARIATE)
def test_agrees_with_its_definition(name: str) -> None:
    x = sample()
    options = {"size_of_state": SIZE} if name == "fisher_information" else {}
    values = getattr(ews.multivariate, name)(x, window=WINDOW, **options)
    assert np.isnan(values[: WINDOW - 1]).all()
    expected = [ORACLE[name](x[t - WINDOW + 1 : t + 1]) for t in range(WINDOW - 1, len(x))]
    np.testing.assert_allclose(values[WINDOW - 1 :], expected, rtol=1e-8)


def test_rounded_data_share_ranks() -> None:
    x = np.round(sample())
    values = ews.multivariate.mutual_information(x, window=WINDOW)
    expected = [ORACLE["mutual_information"](x[t - WINDOW + 1 : t + 1]) for t in range(WINDOW - 1, len(x))]
    np.testing.assert_allclose(values[WINDOW - 1 :], expected, rtol=1e-8)


def test_default_size_of_state_is_twice_the_first_windows_deviation() -> None:
    x = sample()
    size = 2.0 * np.std(x[:WINDOW], axis=0, ddof=1)
    np.testing.assert_array_equal(
        ews.multivariate.fisher_information(x, window=WINDOW),
        ews.multivariate.fisher_information(x, window=WINDOW, size_of_state=size),
    )


def test_jacobian_of_a_known_map_is_recovered() -> None:
    """With Γ₁ transposed, as in one package, the entries of this matrix come out wrong: 0.3 stands in row 0."""
    a = np.array([[0.6, 0.3], [0.0, 0.5]])
    x = np.random.default_rng(0).standard_normal((40_000, 2))
    for t in range(1, len(x)):
        x[t] += a @ x[t - 1]
    found = ews.multivariate.jacobian(x, window=len(x))[-1]
    np.testing.assert_allclose(found, a, atol=0.02)  # standard error 0.004 to 0.005
    np.testing.assert_allclose(found, transition(x), rtol=1e-7, atol=1e-9)
    assert abs(ews.multivariate.jacobian_eigenvalue(x, window=len(x))[-1] - 0.6) < 0.02
    assert abs(ews.multivariate.jacobian_index(x, window=len(x), step=0.1)[-1] - np.log(0.6) / 0.1) < 0.4


def test_oscillating_map_has_the_modulus_of_its_pair() -> None:
    turn, modulus = 0.7, 0.9
    a = modulus * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    x = np.random.default_rng(1).standard_normal((20_000, 2))
    for t in range(1, len(x)):
        x[t] += a @ x[t - 1]
    values = np.linalg.eigvals(ews.multivariate.jacobian(x, window=len(x))[-1])
    np.testing.assert_allclose(np.abs(values), modulus, atol=0.01)
    np.testing.assert_allclose(np.abs(np.angle(values)), turn, atol=0.01)


def test_long_windows_are_measured_in_blocks_with_the_same_result() -> None:
    """More numbers than are laid out side by side at once."""
    x = np.random.default_rng(4).standard_normal((2100, 2)).cumsum(axis=0)
    x -= x.mean(axis=0)
    information = ews.multivariate.mutual_information(x, window=1500)
    order = ews.multivariate.fisher_information(x, window=1500, size_of_state=[5.0, 5.0])
    for t in (1499, 1800, 2099):
        w = x[t - 1499 : t + 1]
        assert abs(information[t] - ORACLE["mutual_information"](w)) < 1e-9
        alone = ews.multivariate.fisher_information(w, window=1500, size_of_state=[5.0, 5.0])[-1]
        assert order[t] == pytest.approx(alone, rel=1e-12)
