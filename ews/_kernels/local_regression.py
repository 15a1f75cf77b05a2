"""Local regression on an even grid: weighted polynomials fitted to the neighbours of each sample.

On an even grid the neighbourhood weights depend on the distance only, so they are worked out once for all samples that
have a full neighbourhood on both sides.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.select import smallest
from ews._kernels.smooth import _correlate

__all__ = ["blend_vertices", "lowess_past_rows", "lowess_rows", "polynomial_past_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SMALLEST_WEIGHT = 1e-12  # a neighbour of less weight does not count, nor a spread in time of less (as in statsmodels)


@kernel
def _dot(a: FloatArray, b: FloatArray) -> float:
    """Sum of products, in four interleaved parts: four independent chains of additions."""
    s0 = s1 = s2 = s3 = 0.0
    j = 0
    while j + 4 <= a.size:
        s0 += a[j] * b[j]
        s1 += a[j + 1] * b[j + 1]
        s2 += a[j + 2] * b[j + 2]
        s3 += a[j + 3] * b[j + 3]
        j += 4
    while j < a.size:
        s0 += a[j] * b[j]
        j += 1
    return (s0 + s1) + (s2 + s3)


@kernel
def blend_vertices(
    x: FloatArray,
    start: IntArray,
    value: FloatArray,
    slope: FloatArray,
    cell: IntArray,
    basis: FloatArray,
    out: FloatArray,
) -> None:
    """Fit at a few vertices, and cubic Hermite blending between them.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    start : ndarray of shape (vertices,)
        First sample of each vertex's neighbourhood.
    value, slope : ndarray of shape (vertices, neighbours)
        Weights of the neighbours in the fitted value and slope at each vertex.
    cell : ndarray of shape (n,)
        Number of the vertex to the left of each sample.
    basis : ndarray of shape (4, n)
        Weights of left value, right value, left slope and right slope at each sample.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    vertices, neighbours = value.shape
    shifted = np.empty(n)
    height = np.empty(vertices)
    rise = np.empty(vertices)
    for row in range(rows):
        level = x[row, 0]  # differences from one sample, so that an offset of 1e8 costs no digits
        for t in range(n):
            shifted[t] = x[row, t] - level
        for v in range(vertices):
            around = shifted[start[v] : start[v] + neighbours]
            height[v] = _dot(value[v], around)
            rise[v] = _dot(slope[v], around)
        for t in range(n):
            left = cell[t]
            right = left + 1
            out[row, t] = level + (
                (basis[0, t] * height[left] + basis[1, t] * height[right])
                + (basis[2, t] * rise[left] + basis[3, t] * rise[right])
            )


@kernel
def polynomial_past_rows(x: FloatArray, weights: FloatArray, coefficients: FloatArray, out: FloatArray) -> None:
    """Local polynomial at the end of each sample's past: sum over p of coefficients[p, t] · (moment p of the past).

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    weights : ndarray of shape (degree + 1, neighbours)
        Weights of the moments, the oldest neighbour first and the present last.
    coefficients : ndarray of shape (degree + 1, n)
        How much of each moment enters at t.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    terms, neighbours = weights.shape
    padded = np.zeros(n + neighbours - 1)
    moment = np.empty(n)
    for row in range(rows):
        level = x[row, 0]
        for t in range(n):
            padded[neighbours - 1 + t] = x[row, t] - level
            out[row, t] = level
        for p in range(terms):
            _correlate(padded, weights[p], moment)
            for t in range(n):
                out[row, t] += coefficients[p, t] * moment[t]


@kernel
def _median(values: FloatArray) -> float:
    """Median by selection; reorders `values`."""
    n = values.size
    k = n // 2
    smallest(values, n, k)
    if n % 2:
        return float(values[k])
    below = values[0]
    for i in range(1, k):
        below = max(below, values[i])
    return float(0.5 * (below + values[k]))


@kernel
def _tricube(distance: float) -> float:
    rest = 1.0 - distance * distance * distance
    return rest * rest * rest


@kernel
def _line_at(y: FloatArray, trust: FloatArray, left: int, right: int, at: int, radius: float) -> float:
    """Value at `at` of the line fitted to y[left:right] by tricube weights times `trust`; y[at] where none can be."""
    s0 = s1 = t0 = 0.0
    count = 0
    for j in range(left, right):
        w = _tricube(min(abs(j - at) / radius, 1.0)) * trust[j]
        count += w > _SMALLEST_WEIGHT
        s0 += w
        s1 += w * (j - at)
        t0 += w * y[j]
    if count < 2:
        return float(y[at])
    centre, level = s1 / s0, t0 / s0
    spread = 0.0
    together = 0.0
    for j in range(left, right):
        w = _tricube(min(abs(j - at) / radius, 1.0)) * trust[j]
        away = j - at - centre
        spread += w * away * away
        together += w * away * (y[j] - level)
    return level - centre * (together / s0) / max(spread / s0, _SMALLEST_WEIGHT)


@kernel
def _distrust(y: FloatArray, fitted: FloatArray, scratch: FloatArray, trust: FloatArray) -> None:
    """Bisquare weights of the residuals in units of six times their median size (Cleveland 1979, eq. for delta_k)."""
    n = y.size
    for t in range(n):
        scratch[t] = abs(y[t] - fitted[t])
    scale = 6.0 * _median(scratch)
    for t in range(n):
        size = abs(y[t] - fitted[t])
        if scale == 0.0:
            ratio = 1.0 if size > 0.0 else 0.0
        else:
            ratio = min(size / scale, 1.0)
        rest = 1.0 - ratio * ratio
        trust[t] = rest * rest


@kernel
def _lines(
    y: FloatArray, trust: FloatArray, neighbours: int, weight: FloatArray, sums: FloatArray, fitted: FloatArray
) -> None:
    """One pass of local lines. `weight` holds the tricube at distances 0…radius − 1, `sums` has shape (5, n)."""
    n = y.size
    radius = neighbours // 2
    product = np.empty(n)
    for t in range(n):
        product[t] = trust[t] * y[t]
    first, last = radius, n - neighbours + radius  # samples whose neighbourhood is not cut: first <= t <= last
    if last >= first:
        count = last - first + 1
        for t in range(count):
            w = weight[0] * trust[first + t]
            sums[0, t] = w
            sums[1, t] = 0.0
            sums[2, t] = 0.0
            sums[3, t] = weight[0] * product[first + t]
            sums[4, t] = 0.0
        s0, s1, s2, t0, t1 = sums[0], sums[1], sums[2], sums[3], sums[4]
        for d in range(1, radius):
            w, wd, wdd = weight[d], weight[d] * d, weight[d] * d * d
            after, before = trust[first + d :], trust[first - d :]
            after_y, before_y = product[first + d :], product[first - d :]
            for t in range(count):
                both = after[t] + before[t]
                s0[t] += w * both
                s1[t] += wd * (after[t] - before[t])
                s2[t] += wdd * both
                t0[t] += w * (after_y[t] + before_y[t])
                t1[t] += wd * (after_y[t] - before_y[t])
    for t in range(n):
        i = t - first
        # Few trusted neighbours, close together: the sums about t have lost digits, so fit about their own mean.
        if first <= t <= last and sums[0, i] > 1e-3:
            centre, level = sums[1, i] / sums[0, i], sums[3, i] / sums[0, i]
            spread = sums[2, i] / sums[0, i] - centre * centre
            if spread > 1e-3 * radius * radius:
                fitted[t] = level - centre * (sums[4, i] / sums[0, i] - centre * level) / spread
                continue
        left = min(max(t - radius, 0), n - neighbours)
        reach = max(t - left, left + neighbours - 1 - t)
        fitted[t] = _line_at(y, trust, left, left + neighbours, t, reach)


@kernel
def lowess_rows(x: FloatArray, neighbours: int, iterations: int, out: FloatArray) -> None:
    """Cleveland's robust locally weighted lines, of each row.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    neighbours : int
        Samples in a neighbourhood, at most n.
    iterations : int
        Robust passes after the first.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    radius = neighbours // 2
    weight = np.empty(radius)
    for d in range(radius):
        weight[d] = _tricube(d / radius)
    sums = np.empty((5, n))
    trust = np.empty(n)
    scratch = np.empty(n)
    fitted = np.empty(n)
    y = np.empty(n)
    for row in range(rows):
        for t in range(n):
            scratch[t] = x[row, t]
        level = _median(scratch)  # a constant becomes exactly 0, and a spike costs the other samples no digits
        for t in range(n):
            y[t] = x[row, t] - level
            trust[t] = 1.0
        _lines(y, trust, neighbours, weight, sums, fitted)
        for _ in range(iterations):
            _distrust(y, fitted, scratch, trust)
            _lines(y, trust, neighbours, weight, sums, fitted)
        for t in range(n):
            out[row, t] = fitted[t] + level


@kernel
def lowess_past_rows(x: FloatArray, neighbours: int, iterations: int, out: FloatArray) -> None:
    """At each sample, a robust line fitted to it and the samples before it, evaluated at it.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    neighbours : int
        Samples in a neighbourhood, at least 3; fewer where the record starts.
    iterations : int
        Robust passes after the first; the residuals are those of the neighbours from their own line.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    near = np.empty(neighbours)  # tricube by age
    for age in range(neighbours):
        near[age] = _tricube(age / (neighbours - 1))
    w = np.empty(neighbours)
    y = np.empty(neighbours)
    trust = np.empty(neighbours)
    fitted = np.empty(neighbours)
    scratch = np.empty(neighbours)
    for row in range(rows):
        for t in range(n):
            count = min(t + 1, neighbours)
            for j in range(count):
                y[j] = x[row, t - count + 1 + j] - x[row, t]
                trust[j] = 1.0
            for robust in range(iterations + 1):
                s0 = s1 = t0 = 0.0
                trusted = 0
                for j in range(count):
                    w[j] = near[count - 1 - j] * trust[j]
                    trusted += w[j] > _SMALLEST_WEIGHT
                    s0 += w[j]
                    s1 += w[j] * j
                    t0 += w[j] * y[j]
                if trusted < 2:
                    if robust == 0:
                        fitted[count - 1] = y[count - 1]
                    break  # too few to refit: the last line stands
                centre, level = s1 / s0, t0 / s0
                spread = together = 0.0
                for j in range(count):
                    spread += w[j] * (j - centre) ** 2
                    together += w[j] * (j - centre) * (y[j] - level)
                slope = together / max(spread, _SMALLEST_WEIGHT * s0)
                for j in range(count):
                    fitted[j] = level + slope * (j - centre)
                if robust < iterations:
                    _distrust(y[:count], fitted[:count], scratch[:count], trust[:count])
            out[row, t] = fitted[count - 1] + x[row, t]
