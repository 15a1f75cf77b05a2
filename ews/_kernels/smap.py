"""S-map: a linear map from delay vector to next value, fitted anew at every point, near points counting more."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["local_maps", "rolling_local_maps"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A column that the others explain up to this share of its square adds nothing but rounding.
_ALIASED = 1e-11


@kernel
def _solve(normal: FloatArray, right: FloatArray, solution: FloatArray) -> None:
    """Solve symmetric normal equations by Cholesky; a column that repeats others gets the coefficient 0.

    Only the lower triangle of `normal` is read; it and `right` are overwritten. Rows and columns are brought to one
    scale first.
    """
    size = right.size
    scale = np.empty(size)
    for a in range(size):
        scale[a] = 1.0 / math.sqrt(normal[a, a]) if normal[a, a] > 0.0 else 0.0
    for a in range(size):
        right[a] *= scale[a]
        for b in range(a + 1):
            normal[a, b] *= scale[a] * scale[b]
    for a in range(size):
        for b in range(a + 1):
            total = normal[a, b]
            for c in range(b):
                total -= normal[a, c] * normal[b, c]
            if b < a:
                normal[a, b] = total * normal[b, b]  # the diagonal holds reciprocals, 0 for a column left out
            else:
                normal[a, a] = 1.0 / math.sqrt(total) if total > _ALIASED else 0.0
    for a in range(size):
        total = right[a]
        for c in range(a):
            total -= normal[a, c] * right[c]
        right[a] = total * normal[a, a]
    for a in range(size - 1, -1, -1):
        total = right[a]
        for c in range(a + 1, size):
            total -= normal[c, a] * right[c]
        right[a] = total * normal[a, a]
    for a in range(size):
        solution[a] = right[a] * scale[a]


@kernel
def _relative_distances(z: FloatArray, dimension: int, delay: int, out: FloatArray) -> None:
    """Distance of delay vectors j and i over the mean distance of i from the others, in row j and column i."""
    points = out.shape[0]
    start = (dimension - 1) * delay
    for j in range(points):
        for i in range(j):
            square = 0.0
            for a in range(dimension):
                difference = z[start + j - a * delay] - z[start + i - a * delay]
                square += difference * difference
            out[j, i] = math.sqrt(square)
            out[i, j] = out[j, i]
        out[j, j] = 0.0
    mean = np.zeros(points)
    for j in range(points):
        for i in range(points):
            mean[i] += out[j, i]
    for i in range(points):
        mean[i] = (points - 1.0) / mean[i] if mean[i] > 0.0 else 0.0
    for j in range(points):
        for i in range(points):
            out[j, i] *= mean[i]


@kernel
def _products(z: FloatArray, dimension: int, delay: int, out: FloatArray) -> None:
    """What the normal equations sum: for each a ≤ E, products of regressor a with those up to it and with the target.

    Regressor 0 is 1, regressor a is z[t−(a−1)τ], the target z[t+1].
    """
    points = out.shape[1]
    start = (dimension - 1) * delay
    row = np.empty(dimension + 1)
    for j in range(points):
        row[0] = 1.0
        for a in range(dimension):
            row[a + 1] = z[start + j - a * delay]
        q = 0
        for a in range(dimension + 1):
            for b in range(a + 1):
                out[q, j] = row[a] * row[b]
                q += 1
            out[q, j] = row[a] * z[start + j + 1]
            q += 1


@kernel
def local_maps(
    z: FloatArray,
    dimension: int,
    delay: int,
    first: float,
    spacing: float,
    coefficients: FloatArray,
    predictions: FloatArray,
) -> None:
    """Fit, at every point and for every strength of localisation, the next value on the delay vector.

    The point itself takes no part in its own fit. Row j of the regression at point i is scaled by
    exp(−θ d(i, j) / mean of d(i, ·)), d the Euclidean distance of the delay vectors (Sugihara 1994, eq. 2.3–2.4), so
    that its square counts with the square of that.

    Parameters
    ----------
    z : ndarray of shape (n,)
        The series, finite, about 0 and of order 1.
    dimension, delay : int
        E and τ: point i is (z[t], z[t−τ], …, z[t−(E−1)τ]), t = i + (E−1)τ.
    first, spacing : float
        θ[k] = first + k spacing.
    coefficients : ndarray of shape (strengths, points, E)
        Filled: ∂z[t+1]/∂z[t−aτ] of the fit at each point. There are n − 1 − (E−1)τ points.
    predictions : ndarray of shape (strengths, points)
        Filled: the fit's value at the point.
    """
    strengths, points = predictions.shape
    start = (dimension - 1) * delay
    columns = dimension + 1
    product = np.empty((columns * (columns + 1) // 2 + columns, points))
    _products(z, dimension, delay, product)
    factor = np.empty((points, points))
    _relative_distances(z, dimension, delay, factor)
    weight = np.empty((points, points))
    for j in range(points):
        for i in range(points):
            weight[j, i] = math.exp(-2.0 * first * factor[j, i]) if first > 0.0 else 1.0
            if strengths > 1:
                factor[j, i] = math.exp(-2.0 * spacing * factor[j, i])
        weight[j, j] = 0.0
    sums = np.empty((product.shape[0], points))
    normal = np.empty((columns, columns))
    right = np.empty(columns)
    solution = np.empty(columns)
    for k in range(strengths):
        sums[:] = 0.0
        for j in range(points):  # all points at once: the innermost loop runs over them, in registers of several
            for q in range(product.shape[0]):
                value = product[q, j]
                for i in range(points):
                    sums[q, i] += weight[j, i] * value
            for i in range(points):
                weight[j, i] *= factor[j, i]
        for i in range(points):
            q = 0
            for a in range(columns):
                for b in range(a + 1):
                    normal[a, b] = sums[q, i]
                    q += 1
                right[a] = sums[q, i]
                q += 1
            _solve(normal, right, solution)
            predicted = solution[0]
            for a in range(dimension):
                coefficients[k, i, a] = solution[a + 1]
                predicted += solution[a + 1] * z[start + i - a * delay]
            predictions[k, i] = predicted


@kernel
def _correlation(x: FloatArray, z: FloatArray, skipped: int) -> float:
    """Pearson correlation of x with z after its first samples; −2 where one of them does not vary."""
    count = x.size
    mean_x = 0.0
    mean_y = 0.0
    for i in range(count):
        mean_x += x[i]
        mean_y += z[skipped + i]
    mean_x /= count
    mean_y /= count
    xx = 0.0
    yy = 0.0
    xy = 0.0
    for i in range(count):
        dx = x[i] - mean_x
        dy = z[skipped + i] - mean_y
        xx += dx * dx
        yy += dy * dy
        xy += dx * dy
    if not (xx > 1e-24 * count and yy > 1e-24 * count):  # z-scored: rounding is about 1e-16
        return -2.0
    return xy / math.sqrt(xx * yy)


@kernel
def rolling_local_maps(
    x: FloatArray,
    window: int,
    ends: IntArray,
    dimension: int,
    delay: int,
    first: float,
    spacing: float,
    strengths: int,
    coefficients: FloatArray,
    chosen: FloatArray,
) -> None:
    """Local maps in windows of a series, each window z-scored, with the localisation that predicts best.

    Parameters
    ----------
    x : ndarray of shape (n,)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    ends : ndarray of shape (windows,), int64
        Last sample of each window.
    dimension, delay : int
        E and τ.
    first, spacing : float
        θ[k] = first + k spacing.
    strengths : int
        How many θ to try.
    coefficients : ndarray of shape (windows, points, E)
        Filled with the fits of the best θ: the highest correlation of predicted and observed values.
    chosen : ndarray of shape (windows, 2)
        Filled: the best θ and its correlation.
    """
    points = coefficients.shape[1]
    start = (dimension - 1) * delay
    z = np.empty(window)
    fits = np.empty((strengths, points, dimension))
    predictions = np.empty((strengths, points))
    coefficients[:] = np.nan
    chosen[:] = np.nan
    for place in range(ends.size):
        begin = ends[place] - window + 1
        finite = True
        total = 0.0
        for i in range(window):
            if not np.isfinite(x[begin + i]):
                finite = False
                break
            total += x[begin + i] - x[begin]
        if not finite:
            continue
        centre = total / window
        squares = 0.0
        largest = 0.0
        for i in range(window):
            z[i] = (x[begin + i] - x[begin]) - centre
            squares += z[i] * z[i]
            largest = max(largest, abs(x[begin + i]))
        deviation = math.sqrt(squares / (window - 1.0))
        if not deviation > 1e-14 * largest:
            continue
        for i in range(window):
            z[i] /= deviation
        local_maps(z, dimension, delay, first, spacing, fits, predictions)
        best = -1
        highest = -2.0
        for k in range(strengths):
            skill = _correlation(predictions[k], z, start + 1)
            if skill > highest:
                highest = skill
                best = k
        if best < 0:
            continue
        for i in range(points):
            for a in range(dimension):
                coefficients[place, i, a] = fits[best, i, a]
        chosen[place, 0] = first + best * spacing
        chosen[place, 1] = highest
