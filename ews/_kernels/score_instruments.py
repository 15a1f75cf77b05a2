"""Scores of drifting coefficients by instruments from further back, which measurement error does not reach."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["instrument_rows"]

FloatArray = npt.NDArray[np.float64]

_SINGULAR = 1e-12  # of the largest entry, below which a pivot is rounding


@kernel
def _reduce(a: FloatArray, right: FloatArray) -> bool:
    """Solve a x = right in place of `right` by elimination with row pivots; `a` is lost. False where it is singular."""
    size = a.shape[0]
    least = 0.0
    for i in range(size):
        for j in range(size):
            least = max(least, _SINGULAR * abs(a[i, j]))
    for j in range(size):
        best = j
        for i in range(j + 1, size):
            if abs(a[i, j]) > abs(a[best, j]):
                best = i
        if not abs(a[best, j]) > least:
            return False
        for k in range(size):
            a[j, k], a[best, k] = a[best, k], a[j, k]
        right[j], right[best] = right[best], right[j]
        for i in range(j + 1, size):
            factor = a[i, j] / a[j, j]
            for k in range(j, size):
                a[i, k] -= factor * a[j, k]
            right[i] -= factor * right[j]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right[i] -= a[i, k] * right[k]
        right[i] /= a[i, i]
    return True


@kernel
def _score(x: FloatArray, w: FloatArray, order: int, work: FloatArray) -> float:
    """Drift of the last coefficient over its standard error."""
    n, size, scale = x.size, 2 * order, math.sqrt(x.size)
    gram, moments, inverse = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    regressor, instrument = work[:size], work[size : 2 * size]
    count = 0
    for t in range(2 * order, n):
        total = x[t]
        for k in range(order):
            regressor[k], instrument[k] = x[t - 1 - k], x[t - 1 - order - k]
            total += regressor[k] + instrument[k]
            regressor[order + k], instrument[order + k] = scale * w[t] * regressor[k], scale * w[t] * instrument[k]
        if total == total:
            count += 1
            for i in range(size):
                moments[i] += instrument[i] * x[t]
                for j in range(size):
                    gram[i, j] += instrument[i] * regressor[j]
    if count <= size + 2:  # no fewer terms than coefficients and lags, or they fit without error
        return math.nan
    transposed = gram.T.copy()
    inverse[size - 1] = 1.0
    if not (_reduce(gram, moments) and _reduce(transposed, inverse)):
        return math.nan
    # Bartlett's weights on as many lags as the error of measurement reaches, so that the sum is no less than 0.
    spread = 0.0
    before = work[2 * size : 2 * size + order]
    before[:] = 0.0
    for t in range(2 * order, n):
        error, term, total = x[t], 0.0, x[t]
        for k in range(order):
            one, far = x[t - 1 - k], x[t - 1 - order - k]
            total += one + far
            error -= (moments[k] + scale * w[t] * moments[order + k]) * one
            term += (inverse[k] + scale * w[t] * inverse[order + k]) * far
        term = term * error if total == total else 0.0
        spread += term * term
        for k in range(order):
            spread += 2.0 * (1.0 - (k + 1.0) / (order + 1.0)) * term * before[k]
        for k in range(order - 1, 0, -1):
            before[k] = before[k - 1]
        before[0] = term
    return np.float64(moments[size - 1] / math.sqrt(spread)) if spread > 0.0 else math.nan


@kernel
def instrument_rows(x: FloatArray, shapes: FloatArray, z: FloatArray) -> None:
    """Studentised drifts of the coefficients of an autoregression seen with measurement error.

    Where r[t] is seen with error e[t], r[t] − φ r[t−1] holds e[t] − φ e[t−1], which correlates with r[t−1] and not with
    r[t−2]. So (φ, β) of r[t] = (φ + β w[t]) r[t−1] + u[t] solve Σ (1, w[t]) r[t−2] u[t] = 0, whatever the size of the
    error is at each time; and likewise those of the second order with r[t−3] and r[t−4]. A drift is divided by its
    standard error, which lets products a step (second order: two) apart correlate.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Evenly spaced, of ordinary size; NaN where nothing was observed: a term needs three (damping: five) samples in
        a row.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    z : ndarray of shape (rows, 2, shapes)
        Filled with the scores of memory for each shape, positive towards +1, and for the first shape of damping,
        positive where it is lost. NaN where not defined, or not asked for.
    """
    work = np.empty(10)
    for i in range(x.shape[0]):
        z[i] = math.nan
        for k in range(shapes.shape[0]):
            z[i, 0, k] = _score(x[i], shapes[k], 1, work)
        z[i, 1, 0] = -_score(x[i], shapes[0], 2, work)
