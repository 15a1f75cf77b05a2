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
    """White's score of β by numerical derivatives of the conditional means, that of φ regressed out."""
    v = variance(phi, np.diff(at))
    error = x[1:] - mean_of(0.0, phi, x, at, w)
    h = 1e-6
    drift = (mean_of(h, phi, x, at, w) - mean_of(-h, phi, x, at, w)) / (2 * h)
    constant = (mean_of(0.0, phi + h, x, at, w) - mean_of(0.0, phi - h, x, at, w)) / (2 * h)
    seen = np.isfinite(error)
    drift, constant, error = (one[seen] / np.sqrt(v[seen]) for one in (drift, constant, error))
    middle = sm.OLS(w[1:][seen] * constant, constant).fit().params[0]
    terms = (drift - middle * constant) * error
    return float(terms.sum() / np.sqrt((terms**2).sum()))


def line_at(x: np.ndarray, at: np.ndarray, sd: float, *, causal: bool) -> np.ndarray:
    """A line through the neighbours of each observation, by weighted least squares."""
    trend = np.empty_like(x)
    for i in range(x.size):
        away = at - at[i]
        near = (np.abs(away) <= 4 * sd) & ((away <= 0) | (not causal))
        if near.sum() < 2:
            trend[i] = x[i]
            continue
        weight = np.exp(-0.5 * (away[near] / sd) ** 2)
        trend[i] = sm.WLS(x[near], sm.add_constant(away[near], has_constant="add"), weights=weight).fit().params[0]
    return trend
