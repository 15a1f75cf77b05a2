"""Score tests of an autoregression whose coefficients drift: rows one by one, sums side by side."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.logarithm import logarithms
from ews._kernels.select import largest_size, median_size

__all__ = ["DAMPING", "MEMORY", "VARIANCE", "far_rows", "score_rows", "winsorise_rows"]

FloatArray = npt.NDArray[np.float64]

# Rows of the output, by statistic.
MEMORY, DAMPING, VARIANCE = 0, 1, 2

# Added to a squared residual, in units of the variance, before its logarithm: one near 0 would outweigh all others.
_FLOOR = 0.05
_ROBUST = 1.4826  # median absolute values of Gaussian noise that make a standard deviation
# Rows are scaled where squares of squares would leave the range of numbers.
_SMALL, _LARGE = 1e-70, 1e70

_LANES = 32  # partial sums side by side, so that they run in vector registers
_SUMS = 16  # most sums of one sweep


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
    work = np.empty(n)
    for i in range(residual.shape[0]):
        x, pulled = residual[i], out[i]
        scale = _scale(x, limit, work)
        bound, most = limit * scale, far * scale
        for t in range(n):
            size = abs(x[t])
            pulled[t] = math.copysign(min(size, bound), x[t]) if size <= most else math.nan


@kernel
def far_rows(residual: FloatArray, far: float, found: npt.NDArray[np.bool_]) -> None:
    """Whether a value of a row lies further out than `far` robust standard deviations.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        NaN where nothing was observed.
    far : float
        In units of 1.4826 times the median absolute residual.
    found : ndarray of shape (rows,), bool
        Written.
    """
    n = residual.shape[1]
    work = np.empty(n)
    for i in range(residual.shape[0]):
        x = residual[i]
        largest = largest_size(x)
        # Where more than half are at least so large, so is the median: no need to look for it.
        near, enough, seen = largest / (far * _ROBUST) * (1.0 + 1e-12), 0, 0
        for t in range(n):
            size = abs(x[t])
            enough += 1 if size >= near else 0
            seen += 1 if size >= 0.0 else 0
        found[i] = not 2 * enough > seen and largest > far * _scale(x, far, work)


@kernel
def _scale(x: FloatArray, limit: float, work: FloatArray) -> float:
    """Robust standard deviation; infinity where nothing is to be judged by it."""
    if not limit < math.inf:
        return math.inf
    scale = _ROBUST * median_size(x, work)
    return scale if scale > 0.0 else math.inf  # more than half are equal: there is no robust scale to judge by


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
def _total(lanes: FloatArray, place: int) -> float:
    """Sum number `place` over its lanes."""
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    for lane in range(place * _LANES, (place + 1) * _LANES, 4):
        first += lanes[lane]
        second += lanes[lane + 1]
        third += lanes[lane + 2]
        fourth += lanes[lane + 3]
    return (first + second) + (third + fourth)


# In the sweeps below a row has two zeros before it and some behind it, up to whole groups of lanes: x[t + 2] is its
# sample t, and `seen` is 1 where a sample counts, else 0, as x is there.


@kernel
def _products(x: FloatArray, seen: FloatArray, w: FloatArray, lanes: FloatArray) -> None:
    """All sums of products that the regressions of memory and damping need, for one shape."""
    lanes[:] = 0.0
    for start in range(0, w.size, _LANES):
        x0, x1, x2 = x[start + 2 : start + 2 + _LANES], x[start + 1 : start + 1 + _LANES], x[start : start + _LANES]
        s0, s1 = seen[start + 2 : start + 2 + _LANES], seen[start + 1 : start + 1 + _LANES]
        s2, weight = seen[start : start + _LANES], w[start : start + _LANES]
        for i in range(_LANES):
            one, drift = x1[i], weight[i] * x1[i]
            pair = s0[i] * one
            lanes[i] = multiply_add(pair, one, lanes[i])
            lanes[i + _LANES] = multiply_add(x0[i], one, lanes[i + _LANES])
            lanes[i + 2 * _LANES] = multiply_add(pair, drift, lanes[i + 2 * _LANES])
            three = s0[i] * s2[i]
            two = x2[i] * s0[i] * s1[i]
            one *= three
            drift *= three
            late = weight[i] * two
            lanes[i + 3 * _LANES] = multiply_add(one, one, lanes[i + 3 * _LANES])
            lanes[i + 4 * _LANES] = multiply_add(one, two, lanes[i + 4 * _LANES])
            lanes[i + 5 * _LANES] = multiply_add(two, two, lanes[i + 5 * _LANES])
            lanes[i + 6 * _LANES] = multiply_add(drift, one, lanes[i + 6 * _LANES])
            lanes[i + 7 * _LANES] = multiply_add(drift, two, lanes[i + 7 * _LANES])
            lanes[i + 8 * _LANES] = multiply_add(drift, drift, lanes[i + 8 * _LANES])
            lanes[i + 9 * _LANES] = multiply_add(late, two, lanes[i + 9 * _LANES])
            lanes[i + 10 * _LANES] = multiply_add(late, drift, lanes[i + 10 * _LANES])
            lanes[i + 11 * _LANES] = multiply_add(x0[i], one, lanes[i + 11 * _LANES])
            lanes[i + 12 * _LANES] = multiply_add(x0[i], two, lanes[i + 12 * _LANES])
            lanes[i + 13 * _LANES] = multiply_add(x0[i], drift, lanes[i + 13 * _LANES])
            lanes[i + 14 * _LANES] = multiply_add(three, s1[i], lanes[i + 14 * _LANES])


@kernel
def _weighted_power(x: FloatArray, seen: FloatArray, w: FloatArray, lanes: FloatArray) -> float:
    """Sum of w x[t − 1]² over pairs."""
    lanes[:_LANES] = 0.0
    for start in range(0, w.size, _LANES):
        x1, s0 = x[start + 1 : start + 1 + _LANES], seen[start + 2 : start + 2 + _LANES]
        weight = w[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add(s0[i] * x1[i], weight[i] * x1[i], lanes[i])
    return _total(lanes, 0)


@kernel
def _memory(x: FloatArray, seen: FloatArray, w: FloatArray, phi: float, middle: float, lanes: FloatArray) -> float:
    """Studentised score of a drift of the first coefficient: (w − middle) x is what a constant one cannot take up."""
    lanes[: 2 * _LANES] = 0.0
    for start in range(0, w.size, _LANES):
        x0, x1 = x[start + 2 : start + 2 + _LANES], x[start + 1 : start + 1 + _LANES]
        s0, weight = seen[start + 2 : start + 2 + _LANES], w[start : start + _LANES]
        for i in range(_LANES):
            term = (weight[i] - middle) * x1[i] * ((x0[i] - phi * x1[i]) * s0[i])
            lanes[i] += term
            lanes[i + _LANES] = multiply_add(term, term, lanes[i + _LANES])
    spread = _total(lanes, 1)
    return _total(lanes, 0) / math.sqrt(spread) if spread > 0.0 else math.nan


@kernel
def _damping(x: FloatArray, seen: FloatArray, w: FloatArray, right: FloatArray, lanes: FloatArray) -> float:
    """Studentised score of a drift of the second coefficient, that of the first a nuisance; positive where it falls."""
    a, b, c = right[0, 0], right[0, 1], right[0, 2]
    d, e, f = right[1, 0], right[1, 1], right[1, 2]
    lanes[: 2 * _LANES] = 0.0
    for start in range(0, w.size, _LANES):
        x0, x1, x2 = x[start + 2 : start + 2 + _LANES], x[start + 1 : start + 1 + _LANES], x[start : start + _LANES]
        s0, s1 = seen[start + 2 : start + 2 + _LANES], seen[start + 1 : start + 1 + _LANES]
        s2, weight = seen[start : start + _LANES], w[start : start + _LANES]
        for i in range(_LANES):
            drift = weight[i] * x1[i]
            regressor = weight[i] * x2[i] - a * x1[i] - b * x2[i] - c * drift
            error = x0[i] - d * x1[i] - e * x2[i] - f * drift
            term = regressor * error * (s0[i] * s1[i] * s2[i])
            lanes[i] += term
            lanes[i + _LANES] = multiply_add(term, term, lanes[i + _LANES])
    spread = _total(lanes, 1)
    return -_total(lanes, 0) / math.sqrt(spread) if spread > 0.0 else math.nan


@kernel
def _variance(
    x: FloatArray, seen: FloatArray, w: FloatArray, work: FloatArray, logarithm: FloatArray, lanes: FloatArray
) -> float:
    """Sum of centred weights times the logarithm of squares in units of their mean."""
    lanes[: 3 * _LANES] = 0.0
    for start in range(0, w.size, _LANES):
        x0, s0 = x[start + 2 : start + 2 + _LANES], seen[start + 2 : start + 2 + _LANES]
        weight = w[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add(x0[i], x0[i], lanes[i])
            lanes[i + _LANES] = multiply_add(weight[i], s0[i], lanes[i + _LANES])
            lanes[i + 2 * _LANES] += s0[i]
    count = _total(lanes, 2)
    mean = _total(lanes, 0) / count
    if not mean > 0.0:
        return math.nan
    centre, share = _total(lanes, 1) / count, 1.0 / mean
    square = work[: w.size]
    value = x[2 : 2 + w.size]
    for t in range(w.size):
        square[t] = multiply_add(value[t] * value[t], share, _FLOOR)
    logarithms(square, logarithm[w.size :], logarithm[: w.size])
    lanes[:_LANES] = 0.0
    for start in range(0, w.size, _LANES):
        s0, weight = seen[start + 2 : start + 2 + _LANES], w[start : start + _LANES]
        part = logarithm[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add((weight[i] - centre) * s0[i], part[i], lanes[i])
    return _total(lanes, 0)


@kernel
def score_rows(residual: FloatArray, shapes: FloatArray, limit: float, far: float, z: FloatArray) -> None:
    """Studentised scores of drifting coefficients, and scores of drifting variance, of each row and shape.

    Memory: r[t] = (φ + β w[t]) r[t−1] + e[t]. Damping: r[t] = (a + α w[t]) r[t−1] + (b − β w[t]) r[t−2] + e[t], in
    which α is a nuisance too, so that a drift of the first coefficient alone is not taken for one of the second.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        Evenly spaced; NaN where nothing was observed: each term needs two (damping: three) samples in a row.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    limit, far : float
        Memory and damping are measured on what :func:`winsorise_rows` makes of the residual with these.
    z : ndarray of shape (rows, 3, shapes)
        Filled with scores of memory (White's denominator; positive towards +1) for each shape, and for the first shape
        of damping (the same; positive where it is lost) and log-variance of the residual (a sum, not studentised). NaN
        where not defined, or not asked for.
    """
    rows, n = residual.shape
    padded = (n + _LANES - 1) // _LANES * _LANES
    x, seen = np.zeros(padded + 2), np.zeros(padded + 2)
    work, logarithm, lanes = np.empty(padded), np.empty(2 * padded), np.empty(_SUMS * _LANES)
    w = np.zeros((shapes.shape[0], padded))
    w[:, :n] = shapes
    gram, right, sums = np.empty((3, 3)), np.empty((2, 3)), np.empty(_SUMS)
    for i in range(rows):
        row, inner, counts = residual[i], x[2 : n + 2], seen[2 : n + 2]
        largest, unit = largest_size(row), 1.0
        if largest > 0.0 and (largest < _SMALL or largest > _LARGE):  # a power of two costs no digits
            unit = 2.0 ** min(max(-math.frexp(largest)[1], -1022), 1022)
        scale = _scale(row, limit, work) * unit
        bound, most = limit * scale, far * scale
        # ---- variance, outliers and all
        for t in range(n):
            there = row[t] == row[t]
            inner[t] = row[t] * unit if there else 0.0
            counts[t] = 1.0 if there else 0.0
        z[i] = math.nan
        z[i, VARIANCE, 0] = _variance(x, seen, w[0], work, logarithm, lanes)
        # ---- memory and damping, without
        for t in range(n):
            near = abs(inner[t]) <= most
            inner[t] = min(max(inner[t], -bound), bound) if near else 0.0
            counts[t] = counts[t] if near else 0.0
        _products(x, seen, w[0], lanes)
        for k in range(15):
            sums[k] = _total(lanes, k)
        power = sums[0]
        if power > 0.0:
            phi = sums[1] / power
            for k in range(shapes.shape[0]):
                weighted = sums[2] if k == 0 else _weighted_power(x, seen, w[k], lanes)
                z[i, MEMORY, k] = _memory(x, seen, w[k], phi, weighted / power, lanes)
        gram[0, 0], gram[1, 0], gram[1, 1] = sums[3], sums[4], sums[5]
        gram[2, 0], gram[2, 1], gram[2, 2] = sums[6], sums[7], sums[8]
        right[0, 0], right[0, 1], right[0, 2] = sums[7], sums[9], sums[10]
        right[1, 0], right[1, 1], right[1, 2] = sums[11], sums[12], sums[13]
        if sums[14] > 4.5 and _solve(gram, right, 3):  # no fewer terms than coefficients, or they fit without error
            z[i, DAMPING, 0] = _damping(x, seen, w[0], right, lanes)
