"""Paths of drifting coefficients, with their bands: least squares with a heteroskedasticity-consistent covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Path", "memory_path", "modulus_path", "path", "spread_path"]

FloatArray = npt.NDArray[np.float64]


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
    design = np.column_stack([x[:-1], w[1:] * x[:-1]])
    contrast = np.column_stack([np.ones_like(w), w])
    return path(design, x[1:], contrast, shape, quantile)


def modulus_path(x: FloatArray, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """−(b + β w[t]) of r[t] = (a + α w[t]) r[t−1] + (b + β w[t]) r[t−2] + e[t]: the squared modulus of a complex pair.

    Minus the product of the two eigenvalues where they are real.
    """
    design = np.column_stack([x[1:-1], x[:-2], w[2:] * x[1:-1], w[2:] * x[:-2]])
    zero = np.zeros_like(w)
    contrast = np.column_stack([zero, np.full_like(w, -1.0), zero, -w])
    return path(design, x[2:], contrast, shape, quantile)


def spread_path(x: FloatArray, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """Standard deviation whose logarithm drifts by the shape: regression of log r² (Harvey 1976).

    The interval takes the residuals for independent.
    """
    size = float(np.mean(x * x))
    design = np.column_stack([np.ones_like(w), w])
    found = path(design, np.log(x * x / size + 0.05), design, shape, quantile)
    # The path has the right shape, and the mean square that was measured.
    level = float(np.sqrt(size / np.mean(np.exp(found.value))))
    value, lower, upper = (level * np.exp(0.5 * one) for one in (found.value, found.lower, found.upper))
    # To first order, the error of the end where the start is given.
    return Path(shape, value, lower, upper, float(value[-1] - value[0]), 0.5 * found.drift_error * float(value[-1]))


def path(design: FloatArray, target: FloatArray, contrast: FloatArray, shape: str, quantile: float) -> Path:
    """`contrast` times the least-squares coefficients, `quantile` of White's standard errors to either side."""
    seen = np.isfinite(target) & np.isfinite(design).all(axis=1)
    design, target = design[seen], target[seen]
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    error = target - design @ coefficients
    inverse = np.linalg.pinv(design.T @ design)
    covariance = inverse @ (design.T * error**2) @ design @ inverse  # White (1980), eq. 7
    value = contrast @ coefficients
    half = quantile * np.sqrt(np.maximum(np.einsum("ti,ij,tj->t", contrast, covariance, contrast), 0.0))
    moved = contrast[-1] - contrast[0]
    error_of_drift = float(np.sqrt(max(moved @ covariance @ moved, 0.0)))
    return Path(shape, value, value - half, value + half, float(moved @ coefficients), error_of_drift)
