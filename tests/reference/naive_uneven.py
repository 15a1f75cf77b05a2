"""Scores, smoothers and draws at any times, slowly and obviously."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from scipy.optimize import minimize_scalar


def variance(phi: float, d: np.ndarray) -> np.ndarray:
    """Of the innovation over d steps, in units of that over one."""
    return np.ones_like(d) if phi == 0 else (1 - np.abs(phi) ** (2 * d)) / (1 - phi**2)


def power(phi: float, d: np.ndarray) -> np.ndarray:
    return np.sign(phi) ** np.round(d) * np.abs(phi) ** d if phi < 0 else phi**d


def likelihood(phi: float, x: np.ndarray, at: np.ndarray) -> float:
    """Gaussian log-likelihood of an AR(1) seen at these times, given the first value, the best variance put in."""
    d = np.diff(at)
    error, v = x[1:] - power(phi, d) * x[:-1], variance(phi, d)
    seen = np.isfinite(error)
    return -0.5 * seen.sum() * np.log(np.mean(error[seen] ** 2 / v[seen])) - 0.5 * np.log(v[seen]).sum()


def roughly(x: np.ndarray, at: np.ndarray, low: float) -> float:
    """Where the likelihood is largest."""
    grid = np.linspace(low, 0.995, 400)
    best = grid[np.argmax([likelihood(phi, x, at) for phi in grid])]
    found = minimize_scalar(
        lambda phi: -likelihood(phi, x, at), bounds=(max(best - 0.02, low), best + 0.02), method="bounded"
    )
    return float(found.x)


def mean_of(beta: float, phi: float, x: np.ndarray, at: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Conditional means where φ drifts by β w."""
    return np.array([power(phi + beta * w[i], np.diff(at)[i - 1]) * x[i - 1] for i in range(1, x.size)])


def memory_score(phi: float, x: np.ndarray, at: np.ndarray, w: np.ndarray) -> float:
    """White's score of β, by numerical derivatives of conditional means and variances, that of φ regressed out.

    What the variances say is taken relative to ten neighbours on either side, or a tenth of the record.
    """
    d, h = np.diff(at), 1e-6
    v = variance(phi, d)
    error = (x[1:] - mean_of(0.0, phi, x, at, w)) / np.sqrt(v)
    seen = np.isfinite(error)
    drift = (mean_of(h, phi, x, at, w) - mean_of(-h, phi, x, at, w)) / (2 * h) / np.sqrt(v)
    constant = (mean_of(0.0, phi + h, x, at, w) - mean_of(0.0, phi - h, x, at, w)) / (2 * h) / np.sqrt(v)
    growth = (np.log(variance(phi + h, d)) - np.log(variance(phi - h, d))) / (2 * h)
    reach = max(10, x.size // 10)
    near = [[k for k in range(d.size) if abs(k - i) <= reach and seen[k]] for i in range(d.size)]
    ratio = np.array([error[i] ** 2 / np.mean(error[near[i]] ** 2) for i in range(d.size)])
    beyond = np.array([growth[i] - growth[near[i]].mean() for i in range(d.size)])
    weight = 1.0 / max(np.mean(ratio[seen] ** 2) - 1.0, 0.5)
    sigma = np.sqrt(np.mean(error[seen] ** 2))
    # Two observations of each: its mean, and its variance.
    stacked = np.concatenate([error / sigma, np.sqrt(weight) * (ratio - 1.0)])
    of_drift = np.concatenate([drift / sigma, np.sqrt(weight) * w[1:] * beyond])
    of_constant = np.concatenate([constant / sigma, np.sqrt(weight) * beyond])
    both = np.concatenate([seen, seen])
    regressor = np.zeros(2 * d.size)
    regressor[both] = sm.OLS(of_drift[both], of_constant[both]).fit().resid
    terms = (regressor * np.where(both, stacked, 0.0)).reshape(2, -1).sum(axis=0)
    return float(terms.sum() / np.sqrt((terms**2).sum()))


def fit_at(x: np.ndarray, at: np.ndarray, sd: float, *, causal: bool, degree: int) -> np.ndarray:
    """A polynomial through the neighbours of each observation, by weighted least squares; of lower degree where few."""
    trend = np.empty_like(x)
    for i in range(x.size):
        away = at - at[i]
        near = (np.abs(away) <= 4 * sd) & ((away <= 0) | (not causal))
        weight = np.exp(-0.5 * (away[near] / sd) ** 2)
        design = np.vander(away[near] / sd, min(degree, near.sum() - 1) + 1, increasing=True)
        trend[i] = sm.WLS(x[near], design, weights=weight).fit().params[0]
    return trend
