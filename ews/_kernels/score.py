"""Score tests of an autoregression whose coefficients drift: one pass over rows, any number of drift shapes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["DAMPING", "INNOVATIONS", "MEMORY", "VARIANCE", "score_rows", "winsorise_rows"]

FloatArray = npt.NDArray[np.float64]

# Rows of the output, by statistic.
MEMORY, DAMPING, VARIANCE, INNOVATIONS = 0, 1, 2, 3

# Added to a squared residual, in units of the variance, before its logarithm: one near 0 would outweigh all others.
_FLOOR = 0.05


@kernel
def winsorise_rows(residual: FloatArray, limit: float, far: float, out: FloatArray) -> None:
    """Pull in what lies further out than `limit` robust standard deviations, and leave out what lies beyond `far`.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        NaN where nothing was observed.
    limit : float
        In units of 1.4826 times the median absolute residual; infinity for none.
    far : float
        In the same units; what lies beyond becomes NaN.
    out : ndarray of shape (rows, n)
        Filled with the result.
    """
    n = residual.shape[1]
    size = np.empty(n)
    for i in range(residual.shape[0]):
        count = 0
        for t in range(n):
            if not math.isnan(residual[i, t]):
                size[count] = abs(residual[i, t])
                count += 1
        scale = math.inf
        if count > 0 and limit < math.inf:
            scale = 1.4826 * np.median(size[:count])
            if scale == 0.0:  # more than half are equal: there is no robust scale to judge by
                scale = math.inf
        bound, most = limit * scale, far * scale
        for t in range(n):
            if math.isnan(residual[i, t]) or abs(residual[i, t]) > most:
                out[i, t] = math.nan
            else:
                out[i, t] = min(max(residual[i, t], -bound), bound)


@kernel
def _solve(a: FloatArray, b: FloatArray, size: int) -> bool:
    """Solve the positive definite system a x = b in place by Cholesky; False where it is singular to rounding."""
    for j in range(size):
        pivot = a[j, j]
        least = 1e-12 * pivot
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        if not pivot > least:
            return False
        a[j, j] = math.sqrt(pivot)
        for i in range(j + 1, size):
            below = a[i, j]
            for k in range(j):
                below -= a[i, k] * a[j, k]
            a[i, j] = below / a[j, j]
    for column in range(b.shape[0]):
        for i in range(size):
            value = b[column, i]
            for k in range(i):
                value -= a[i, k] * b[column, k]
            b[column, i] = value / a[i, i]
        for i in range(size - 1, -1, -1):
            value = b[column, i]
            for k in range(i + 1, size):
                value -= a[k, i] * b[column, k]
            b[column, i] = value / a[i, i]
    return True


@kernel
def _log_score(values: FloatArray, weights: FloatArray) -> float:
    """Sum of centred weights times the logarithm of squares in units of their mean; NaN values are left out."""
    n = values.size
    total, centre, count = 0.0, 0.0, 0
    for t in range(n):
        if not math.isnan(values[t]):
            total += values[t] * values[t]
            centre += weights[t]
            count += 1
    if count == 0 or not total > 0.0:
        return math.nan
    mean = total / count
    centre /= count
    score = 0.0
    for t in range(n):
        if not math.isnan(values[t]):
            score += (weights[t] - centre) * math.log(values[t] * values[t] / mean + _FLOOR)
    return score


@kernel
def score_rows(residual: FloatArray, bounded: FloatArray, shapes: FloatArray, z: FloatArray) -> None:
    """Studentised scores of drifting coefficients, and scores of drifting variance, of each row and shape.

    Memory: r[t] = (φ + β w[t]) r[t−1] + e[t]. Damping: r[t] = (a + α w[t]) r[t−1] + (b − β w[t]) r[t−2] + e[t], in
    which α is a nuisance too, so that a drift of the first coefficient alone is not taken for one of the second.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        Evenly spaced; NaN where nothing was observed: each term needs two (damping: three) samples in a row.
    bounded : ndarray of shape (rows, n)
        The same, outliers pulled in: what memory and damping are measured on.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    z : ndarray of shape (rows, 4, shapes)
        Filled with scores of memory (White's denominator; positive towards +1), damping (the same; positive where it is
        lost), log-variance of the residual and of the innovations (sums, not studentised). NaN where not defined.
    """
    rows, n = residual.shape
    innovation = np.empty(n)
    gram = np.empty((3, 3))
    right = np.empty((2, 3))
    term = np.empty(3)
    for i in range(rows):
        x = bounded[i]
        power, product = 0.0, 0.0
        for t in range(1, n):
            step = x[t - 1] * x[t]
            if not math.isnan(step):
                power += x[t - 1] * x[t - 1]
                product += step
        phi = product / power if power > 0.0 else math.nan
        innovation[0] = math.nan
        for t in range(1, n):
            innovation[t] = x[t] - phi * x[t - 1]
        for k in range(shapes.shape[0]):
            w = shapes[k]
            # ---- memory: the part of w x that a constant coefficient cannot take up
            weighted = 0.0
            for t in range(1, n):
                if not math.isnan(innovation[t]):
                    weighted += w[t] * x[t - 1] * x[t - 1]
            middle = weighted / power if power > 0.0 else math.nan
            score, spread = 0.0, 0.0
            for t in range(1, n):
                if not math.isnan(innovation[t]):
                    regressor = (w[t] - middle) * x[t - 1]
                    score += regressor * innovation[t]
                    spread += (regressor * innovation[t]) ** 2
            z[i, MEMORY, k] = score / math.sqrt(spread) if spread > 0.0 else math.nan
            # ---- damping
            gram[:] = 0.0
            right[:] = 0.0
            for t in range(2, n):
                term[0], term[1], term[2] = x[t - 1], x[t - 2], w[t] * x[t - 1]
                target = w[t] * x[t - 2]
                if math.isnan(term[0] + term[1] + x[t]):
                    continue
                for a in range(3):
                    for b in range(a + 1):
                        gram[a, b] += term[a] * term[b]
                    right[0, a] += term[a] * target
                    right[1, a] += term[a] * x[t]
            defined = _solve(gram, right, 3)
            score, spread = 0.0, 0.0
            if defined:
                for t in range(2, n):
                    if math.isnan(x[t - 1] + x[t - 2] + x[t]):
                        continue
                    drift = w[t] * x[t - 1]
                    regressor = w[t] * x[t - 2] - right[0, 0] * x[t - 1] - right[0, 1] * x[t - 2] - right[0, 2] * drift
                    error = x[t] - right[1, 0] * x[t - 1] - right[1, 1] * x[t - 2] - right[1, 2] * drift
                    score += regressor * error
                    spread += (regressor * error) ** 2
            z[i, DAMPING, k] = -score / math.sqrt(spread) if spread > 0.0 else math.nan
            z[i, VARIANCE, k] = _log_score(residual[i], w)
            z[i, INNOVATIONS, k] = _log_score(innovation, w)
