"""Score tests of an autoregression whose coefficients drift: rows one by one, sums side by side."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.logarithm import logarithms
from ews._kernels.select import largest_size, median_size

__all__ = ["DAMPING", "MEMORY", "VARIANCE", "far_rows", "score_rows", "solve", "winsorise_rows"]

FloatArray = npt.NDArray[np.float64]

# Rows of the output, by statistic.
MEMORY, DAMPING, VARIANCE = 0, 1, 2

# Added to a squared residual, in units of the variance, before its logarithm: one near 0 would outweigh all others.
_FLOOR = 0.05
_ROBUST = 1.4826  # median absolute values of Gaussian noise that make a standard deviation
# Rows are scaled where squares of squares would leave the range of numbers.
_SMALL, _LARGE = 1e-70, 1e70

_LANES = 32  # partial sums side by side, so that they run in vector registers
_PRODUCTS = 15  # sums of products
_BLOCK = 4096  # samples of a long row that are looked at together


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
def solve(a: FloatArray, b: FloatArray, size: int) -> bool:
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
    """Add all products that the regressions of memory and damping need, for one shape."""
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
def _weighted_power(x: FloatArray, seen: FloatArray, w: FloatArray, lanes: FloatArray) -> None:
    """Add w x[t − 1]² over pairs."""
    for start in range(0, w.size, _LANES):
        x1, s0 = x[start + 1 : start + 1 + _LANES], seen[start + 2 : start + 2 + _LANES]
        weight = w[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add(s0[i] * x1[i], weight[i] * x1[i], lanes[i])


@kernel
def _memory(x: FloatArray, seen: FloatArray, w: FloatArray, phi: float, middle: float, lanes: FloatArray) -> None:
    """Add the score of a drift of the first coefficient, and its square, of what a constant one cannot take up."""
    for start in range(0, w.size, _LANES):
        x0, x1 = x[start + 2 : start + 2 + _LANES], x[start + 1 : start + 1 + _LANES]
        s0, weight = seen[start + 2 : start + 2 + _LANES], w[start : start + _LANES]
        for i in range(_LANES):
            term = (weight[i] - middle) * x1[i] * ((x0[i] - phi * x1[i]) * s0[i])
            lanes[i] += term
            lanes[i + _LANES] = multiply_add(term, term, lanes[i + _LANES])


@kernel
def _damping(x: FloatArray, seen: FloatArray, w: FloatArray, right: FloatArray, lanes: FloatArray) -> None:
    """Add the score of a drift of the second coefficient, that of the first a nuisance, and its square."""
    a, b, c = right[0, 0], right[0, 1], right[0, 2]
    d, e, f = right[1, 0], right[1, 1], right[1, 2]
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


@kernel
def _studentised(lanes: FloatArray) -> float:
    """A sum of scores over the root of the sum of their squares."""
    spread = _total(lanes, 1)
    return np.float64(_total(lanes, 0) / math.sqrt(spread)) if spread > 0.0 else math.nan


@kernel
def _squares(x: FloatArray, seen: FloatArray, w: FloatArray, lanes: FloatArray) -> None:
    """Add squares, weights and numbers of samples."""
    for start in range(0, w.size, _LANES):
        x0, s0 = x[start + 2 : start + 2 + _LANES], seen[start + 2 : start + 2 + _LANES]
        weight = w[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add(x0[i], x0[i], lanes[i])
            lanes[i + _LANES] = multiply_add(weight[i], s0[i], lanes[i + _LANES])
            lanes[i + 2 * _LANES] += s0[i]


@kernel
def _logarithms(
    x: FloatArray,
    seen: FloatArray,
    w: FloatArray,
    mean: float,
    centre: float,
    work: FloatArray,
    logarithm: FloatArray,
    lanes: FloatArray,
) -> None:
    """Add centred weights times the logarithm of squares in units of their mean."""
    share, square, value = 1.0 / mean, work[: w.size], x[2 : 2 + w.size]
    for t in range(w.size):
        square[t] = multiply_add(value[t] * value[t], share, _FLOOR)
    logarithms(square, logarithm[w.size :], logarithm[: w.size])
    for start in range(0, w.size, _LANES):
        s0, weight = seen[start + 2 : start + 2 + _LANES], w[start : start + _LANES]
        part = logarithm[start : start + _LANES]
        for i in range(_LANES):
            lanes[i] = multiply_add((weight[i] - centre) * s0[i], part[i], lanes[i])


@kernel
def _fill(row: FloatArray, start: int, unit: float, x: FloatArray, seen: FloatArray) -> None:
    """Take a block of a row with the two samples before it; zeros where there are none."""
    count = min(x.size - 2, row.size - start)
    for t in range(2):
        there = start + t >= 2 and row[start + t - 2] == row[start + t - 2]
        x[t] = row[start + t - 2] * unit if there else 0.0
        seen[t] = 1.0 if there else 0.0
    part, inner, counts = row[start : start + count], x[2 : count + 2], seen[2 : count + 2]
    for t in range(count):
        there = part[t] == part[t]
        inner[t] = part[t] * unit if there else 0.0
        counts[t] = 1.0 if there else 0.0
    x[count + 2 :] = 0.0
    seen[count + 2 :] = 0.0


@kernel
def _bound(x: FloatArray, seen: FloatArray, bound: float, most: float) -> None:
    """Pull outliers in, and leave far ones out."""
    for t in range(x.size):
        near = abs(x[t]) <= most
        x[t] = min(max(x[t], -bound), bound) if near else 0.0
        seen[t] = seen[t] if near else 0.0


@kernel
def _cut(shapes: FloatArray, start: int, w: FloatArray) -> None:
    """Take a block of the shapes; zeros behind it."""
    count = min(w.shape[1], shapes.shape[1] - start)
    w[:, :count] = shapes[:, start : start + count]
    w[:, count:] = 0.0


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
    block = min((n + _LANES - 1) // _LANES * _LANES, _BLOCK)
    x, seen, w = np.zeros(block + 2), np.zeros(block + 2), np.zeros((shapes.shape[0], block))
    work, square, logarithm = np.empty(n), np.empty(block), np.empty(2 * block)
    squares, products, drift = np.empty(3 * _LANES), np.empty(_PRODUCTS * _LANES), np.empty(2 * _LANES)
    logs, powers, memory = np.empty(_LANES), np.empty((len(shapes), _LANES)), np.empty((len(shapes), 2 * _LANES))
    gram, right, sums, middle = np.empty((3, 3)), np.empty((2, 3)), np.empty(_PRODUCTS), np.empty(len(shapes))
    for i in range(rows):
        row = residual[i]
        largest, unit = largest_size(row), 1.0
        if largest > 0.0 and (largest < _SMALL or largest > _LARGE):  # a power of two costs no digits
            unit = 2.0 ** min(max(-math.frexp(largest)[1], -1022), 1022)
        scale = _scale(row, limit, work) * unit
        bound, most = limit * scale, far * scale
        squares[:], products[:], powers[:] = 0.0, 0.0, 0.0
        logs[:], memory[:], drift[:] = 0.0, 0.0, 0.0
        for start in range(0, n, block):
            if n > block or i == 0:
                _cut(shapes, start, w)
            _fill(row, start, unit, x, seen)
            _squares(x, seen, w[0], squares)  # of the variance: outliers and all
            _bound(x, seen, bound, most)
            _products(x, seen, w[0], products)
            for k in range(1, len(shapes)):
                _weighted_power(x, seen, w[k], powers[k])
        for k in range(_PRODUCTS):
            sums[k] = _total(products, k)
        power = sums[0]
        phi = sums[1] / power if power > 0.0 else math.nan
        for k in range(len(shapes)):
            weighted = sums[2] if k == 0 else _total(powers[k], 0)
            middle[k] = weighted / power if power > 0.0 else math.nan
        gram[0, 0], gram[1, 0], gram[1, 1] = sums[3], sums[4], sums[5]
        gram[2, 0], gram[2, 1], gram[2, 2] = sums[6], sums[7], sums[8]
        right[0, 0], right[0, 1], right[0, 2] = sums[7], sums[9], sums[10]
        right[1, 0], right[1, 1], right[1, 2] = sums[11], sums[12], sums[13]
        # No fewer terms than coefficients, or they fit without error.
        damped = sums[14] > 4.5 and solve(gram, right, 3)
        count = _total(squares, 2)
        mean, centre = 0.0, 0.0
        if count > 0.0:
            mean, centre = _total(squares, 0) / count, _total(squares, 1) / count
        for start in range(0, n, block):
            if n > block:
                _cut(shapes, start, w)
            _fill(row, start, unit, x, seen)
            if mean > 0.0:
                _logarithms(x, seen, w[0], mean, centre, square, logarithm, logs)
            _bound(x, seen, bound, most)
            for k in range(len(shapes)):
                _memory(x, seen, w[k], phi, middle[k], memory[k])
            if damped:
                _damping(x, seen, w[0], right, drift)
        z[i] = math.nan
        if power > 0.0:
            for k in range(len(shapes)):
                z[i, MEMORY, k] = _studentised(memory[k])
        if damped:
            z[i, DAMPING, 0] = -_studentised(drift)
        if mean > 0.0:
            z[i, VARIANCE, 0] = _total(logs, 0)
