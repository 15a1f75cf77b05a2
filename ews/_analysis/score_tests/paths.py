"""Paths of drifting coefficients, with their bands: least squares with a heteroskedasticity-consistent covariance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.lazy import lazy_arrays

__all__ = ["Path", "instrumented_path", "memory_path", "modulus_path", "path", "path_between", "spread_path"]

FloatArray = npt.NDArray[np.float64]
Equations = Callable[[slice], tuple[FloatArray, FloatArray]]

_BLOCK = 8192  # equations that are looked at together


@lazy_arrays("value", "lower", "upper")
@dataclass(frozen=True, eq=False)
class Path:
    """What a coefficient did over the record, if it drifted by the shape."""

    shape: str  # name of the shape
    # (n,): estimate and its interval at each time.
    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    drift: float  # from the first time to the last, and its standard error
    drift_error: float


def memory_path(x: FloatArray, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """φ + β w[t] of r[t] = (φ + β w[t]) r[t−1] + e[t], `quantile` standard errors to either side."""

    def equations(block: slice) -> tuple[FloatArray, FloatArray]:
        before = x[:-1][block]
        return np.stack([before, w[1:][block] * before]), x[1:][block]

    return path(equations, x.size - 1, w, _MEMORY, shape, quantile)


def modulus_path(x: FloatArray, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """−(b + β w[t]) of r[t] = (a + α w[t]) r[t−1] + (b + β w[t]) r[t−2] + e[t]: the squared modulus of a complex pair.

    Minus the product of the two eigenvalues where they are real.
    """

    def equations(block: slice) -> tuple[FloatArray, FloatArray]:
        one, two, drift = x[1:-1][block], x[:-2][block], w[2:][block]
        return np.stack([one, two, drift * one, drift * two]), x[2:][block]

    return path(equations, x.size - 2, w, _MODULUS, shape, quantile)


def instrumented_path(x: FloatArray, w: FloatArray, *, order: int, shape: str, quantile: float) -> Path:
    """:func:`memory_path` (order 1) or :func:`modulus_path` (order 2) by instruments, as many steps further back.

    Measurement error, of whatever size at each time, does not bias them; the interval is by Newey and West's errors.
    """
    before = [x[2 * order - lag : x.size - lag] for lag in range(2 * order + 1)]
    seen = np.isfinite(sum(before))
    drift = np.where(seen, w[2 * order :], 0.0)
    target, *lagged = (np.where(seen, one, 0.0) for one in before)
    regressors = np.stack([*lagged[:order], *(drift * one for one in lagged[:order])])
    instruments = np.stack([*lagged[order:], *(drift * one for one in lagged[order:])])
    inverse = np.linalg.pinv(instruments @ regressors.T)
    coefficients = inverse @ (instruments @ target)
    instruments *= target - coefficients @ regressors
    middle = instruments @ instruments.T
    for lag in range(1, order + 1):
        product = instruments[:, lag:] @ instruments[:, :-lag].T
        middle += (1.0 - lag / (order + 1.0)) * (product + product.T)
    contrast = _MEMORY if order == 1 else _MODULUS
    return _banded(w, contrast @ coefficients, contrast @ inverse @ middle @ inverse.T @ contrast.T, shape, quantile)


def path_between(first: float, last: float, n: int, *, shape: str) -> Path:
    """The line through estimates of two halves of a record, at their middles; it has no interval."""
    u = (np.arange(n) + 0.5) / n
    value = np.clip(first + (last - first) * (u - 0.25) / 0.5, 0.0, 1.0)
    unknown = np.full(n, np.nan)
    return Path(shape, value, unknown, unknown, float(value[-1] - value[0]), float("nan"))


def spread_path(x: FloatArray, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """Standard deviation whose logarithm drifts by the shape: regression of log r² (Harvey 1976).

    The interval takes the residuals for independent.
    """
    size = float(np.mean(x * x))

    def equations(block: slice) -> tuple[FloatArray, FloatArray]:
        drift = w[block]
        return np.stack([np.ones_like(drift), drift]), np.log(x[block] ** 2 / size + 0.05)

    found = path(equations, x.size, w, _MEMORY, shape, quantile)
    # The path has the right shape, and the mean square that was measured.
    level = float(np.sqrt(size / np.mean(np.exp(found.value))))
    value, lower, upper = (partial(_spread, found, name, level) for name in ("value", "lower", "upper"))
    start, end = (level * math.exp(0.5 * one) for one in found.value[[0, -1]])
    # To first order, the error of the end where the start is given.
    return _path(shape, value, lower, upper, end - start, 0.5 * found.drift_error * end)


def _spread(logarithm: Path, part: str, level: float) -> FloatArray:
    found: FloatArray = getattr(logarithm, part)
    found *= 0.5
    np.exp(found, out=found)
    found *= level
    return found


# Level and drift of a path, in the coefficients of its regression.
_MEMORY = np.eye(2)
_MODULUS = np.array([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0]])


def path(equations: Equations, count: int, w: FloatArray, contrast: FloatArray, shape: str, quantile: float) -> Path:
    """A path level + drift · w[t], where `contrast` times the least-squares coefficients is (level, drift).

    ``equations(block)`` gives regressors, (coefficients, m), and targets, (m,), of those of `count` equations: a block
    at a time, so that a long record needs no copies of itself. What is not finite is left out. The interval is
    `quantile` of White's standard errors to either side.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    triangle = np.zeros((0, contrast.shape[1] + 1))
    for block in blocks:
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, _seen(*equations(block)).T]), mode="r"))
    root = np.linalg.pinv(triangle[:, :-1])
    coefficients, inverse = root @ triangle[:, -1], root @ root.T
    middle = np.zeros_like(inverse)
    for block in blocks:
        seen = _seen(*equations(block))
        weighted = seen[:-1] * (seen[-1] - coefficients @ seen[:-1])
        middle += weighted @ weighted.T
    covariance = contrast @ inverse @ middle @ inverse @ contrast.T  # White (1980), eq. 7
    return _banded(w, contrast @ coefficients, covariance, shape, quantile)


def _banded(w: FloatArray, estimate: FloatArray, covariance: FloatArray, shape: str, quantile: float) -> Path:
    """Level and drift that were estimated, with their covariance, as a path."""
    level, drift = (float(one) for one in estimate)
    value, lower, upper = (partial(_band, w, level, drift, covariance, side) for side in (0.0, -quantile, quantile))
    moved = float(w[-1] - w[0])
    error = abs(moved) * float(np.sqrt(max(covariance[1, 1], 0.0)))
    return _path(shape, value, lower, upper, float(drift * moved), error)


def _band(w: FloatArray, level: float, drift: float, covariance: FloatArray, side: float) -> FloatArray:
    """level + drift · w[t], and so many standard errors to one side, whose square is of second degree in w."""
    if not side:
        return np.asarray(level + drift * w)
    found = covariance[1, 1] * w
    found += 2.0 * covariance[0, 1]
    found *= w
    found += covariance[0, 0]
    np.sqrt(np.maximum(found, 0.0, out=found), out=found)
    found *= side
    found += drift * w
    found += level
    return np.asarray(found)


def _path(shape: str, value: Any, lower: Any, upper: Any, drift: float, drift_error: float) -> Path:
    """A path whose arrays are functions."""
    return Path(shape, value, lower, upper, drift, drift_error)


def _seen(regressors: FloatArray, target: FloatArray) -> FloatArray:
    """Regressors above targets, without what is not finite."""
    both = np.concatenate([regressors, target[None]])
    finite = np.isfinite(both).all(axis=0)
    return both if finite.all() else both[:, finite]
