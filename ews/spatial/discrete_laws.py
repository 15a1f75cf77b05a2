"""Four laws of whole numbers from a smallest one on: their likelihood, its maximum, and the share above a size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LAWS", "Law"]

FloatArray = npt.NDArray[np.float64]
Parameters = dict[str, float]

STEEPEST = 50.0
# Terms of the sum of the truncated power law that are added one by one; an integral stands for the others.
SUMMED = 2000
NODES = 120
# Stands for the logarithm of a sum that does not converge: finite, so that a search can take differences.
DIVERGENT = 700.0


@dataclass(frozen=True)
class Law:
    """A discrete distribution."""

    # What it is called, in code and in a figure.
    name: str
    label: str
    # ``fit(values, counts, smallest)`` gives the parameters of greatest likelihood and its logarithm.
    fit: Callable[[FloatArray, FloatArray, int], tuple[Parameters, float]]
    # ``survival(x, parameters, smallest)`` gives the probability of x or more.
    survival: Callable[[FloatArray, Parameters, int], FloatArray]


def _fit_power_law(values: FloatArray, counts: FloatArray, smallest: int) -> tuple[Parameters, float]:
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    n, logs = counts.sum(), float(counts @ np.log(values))

    def loss(exponent: float) -> float:  # Clauset et al. (2009), eq. 3.5
        return float(n * np.log(zeta(exponent, smallest)) + exponent * logs)

    found = minimize_scalar(loss, bounds=(1.0 + 1e-6, STEEPEST), method="bounded", options={"xatol": 1e-10})
    return {"exponent": float(found.x)}, -float(found.fun)


def _power_law_survival(x: FloatArray, parameters: Parameters, smallest: int) -> FloatArray:
    from scipy.special import zeta

    exponent = parameters["exponent"]
    return np.asarray(zeta(exponent, x) / zeta(exponent, smallest), dtype=np.float64)


def _fit_exponential(values: FloatArray, counts: FloatArray, smallest: int) -> tuple[Parameters, float]:
    n, excess = counts.sum(), float(counts @ (values - smallest))
    rate = float(np.log1p(n / excess))  # of a geometric distribution from `smallest` on
    return {"rate": rate}, float(n * np.log(-np.expm1(-rate)) - rate * excess)


def _exponential_survival(x: FloatArray, parameters: Parameters, smallest: int) -> FloatArray:
    return np.exp(-parameters["rate"] * (x - smallest))


def _fit_truncated(values: FloatArray, counts: FloatArray, smallest: int) -> tuple[Parameters, float]:
    from scipy.optimize import minimize

    n = float(counts.sum())
    logs, excess = float(counts @ np.log(values / smallest)), float(counts @ (values - smallest))

    def loss(at: FloatArray) -> float:
        power, rate = float(at[0]), float(at[1])
        return float(_log_sum(power, rate, smallest) + (power * logs + rate * excess) / n)

    start_power = _fit_power_law(values, counts, smallest)[0]["exponent"]
    start_rate = _fit_exponential(values, counts, smallest)[0]["rate"]
    bounds = [(0.0, STEEPEST), (0.0, STEEPEST)]
    # The two laws that it holds are starts, so that it is never worse than either.
    starts = [(start_power, 0.0), (0.0, start_rate), (1.0, 0.1 * start_rate), (0.5 * start_power, 0.5 * start_rate)]
    best, least = np.array(starts[0]), np.inf
    for start in starts:
        found = minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds)
        for candidate in (np.asarray(start), found.x):
            if (value := loss(candidate)) < least:
                best, least = candidate, value
    return {"exponent": float(best[0]), "rate": float(best[1])}, -least * n


def _truncated_survival(x: FloatArray, parameters: Parameters, smallest: int) -> FloatArray:
    exponent, rate = parameters["exponent"], parameters["rate"]
    whole = _log_sum(exponent, rate, smallest)
    logs = np.array(
        [
            _log_sum(exponent, rate, int(each)) - exponent * np.log(each / smallest) - rate * (each - smallest)
            for each in np.atleast_1d(x)
        ]
    )
    return np.exp(logs - whole)


def _log_sum(exponent: float, rate: float, smallest: int) -> float:
    """Logarithm of the sum over k ≥ m of (k/m)^(−a) exp(−b (k − m)): scaled by its first term, so that it is ≥ 0."""
    terms = np.arange(smallest, smallest + SUMMED, dtype=np.float64)
    total = float(np.exp(-exponent * np.log(terms / smallest) - rate * (terms - smallest)).sum())
    # The rest by the midpoint rule read backwards: the sum over k ≥ K is the integral from K − 1/2, to O(K^-2) of it.
    edge = smallest + SUMMED - 0.5
    if rate == 0.0:
        if exponent <= 1.0:
            return DIVERGENT
        tail = smallest**exponent * edge ** (1.0 - exponent) / (exponent - 1.0)
        return float(np.log(total + tail))
    furthest = np.log1p(60.0 / (rate * edge))  # where the exponential has lost a factor e^60
    nodes, weights = _gauss_legendre()
    u = 0.5 * furthest * (nodes + 1.0)
    x = edge * np.exp(u)
    integrand = x * np.exp(-exponent * np.log(x / smallest) - rate * (x - smallest))
    return float(np.log(total + 0.5 * furthest * float(weights @ integrand)))


@functools.cache
def _gauss_legendre() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


def _fit_lognormal(values: FloatArray, counts: FloatArray, smallest: int) -> tuple[Parameters, float]:
    from scipy.optimize import minimize

    logs, n = np.log(values), float(counts.sum())
    mean = float(counts @ logs / n)
    spread = max(float(np.sqrt(counts @ (logs - mean) ** 2 / n)), 0.05)

    def loss(at: FloatArray) -> float:
        masses = _lognormal_log_mass(values, float(at[0]), float(np.exp(at[1])), smallest)
        return -float(counts @ masses / n)

    bounds = [(-60.0, 60.0), (np.log(1e-3), np.log(60.0))]
    starts = [(mean, np.log(spread)), (mean - 2 * spread, np.log(2 * spread)), (mean - 8 * spread, np.log(4 * spread))]
    runs = [minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(runs, key=lambda run: float(run.fun))
    return {"location": float(best.x[0]), "scale": float(np.exp(best.x[1]))}, -float(best.fun) * n


def _lognormal_log_mass(values: FloatArray, location: float, scale: float, smallest: int) -> FloatArray:
    """Log probability of each value: the upper tails on both sides, whose difference keeps its digits."""
    from scipy.special import log_ndtr

    low = log_ndtr(-(np.log(values - 0.5) - location) / scale)
    high = log_ndtr(-(np.log(values + 0.5) - location) / scale)
    whole = log_ndtr(-(np.log(smallest - 0.5) - location) / scale)
    with np.errstate(divide="ignore"):
        inside = np.log(-np.expm1(np.minimum(high - low, 0.0)))
    return np.asarray(np.maximum(low + inside - whole, -1e6), dtype=np.float64)


def _lognormal_survival(x: FloatArray, parameters: Parameters, smallest: int) -> FloatArray:
    from scipy.special import log_ndtr

    location, scale = parameters["location"], parameters["scale"]
    upper = log_ndtr(-(np.log(x - 0.5) - location) / scale)
    whole = log_ndtr(-(np.log(smallest - 0.5) - location) / scale)
    return np.asarray(np.exp(upper - whole), dtype=np.float64)


LAWS: tuple[Law, ...] = (
    Law("power_law", "power law", _fit_power_law, _power_law_survival),
    Law("truncated_power_law", "truncated power law", _fit_truncated, _truncated_survival),
    Law("exponential", "exponential", _fit_exponential, _exponential_survival),
    Law("lognormal", "lognormal", _fit_lognormal, _lognormal_survival),
)
