"""Weighted polynomials through observations at any times: weights depend on the times only, sums on the rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["fit_weights", "packed_sums", "smooth_fits_at"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def _fit(positions: FloatArray, i: int, first: int, end: int, sd: float, degree: int, weights: FloatArray) -> None:
    """Fill weights[: end − first] with what each observation counts for in the line or parabola at observation i."""
    flat, tilt, bend, third, fourth = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(first, end):
        distance = (positions[j] - positions[i]) / sd
        weight = math.exp(-0.5 * distance * distance)
        weights[j - first] = weight
        flat += weight
        tilt += weight * distance
        squared = weight * distance * distance
        bend += squared
        third += squared * distance
        fourth += squared * distance * distance
    spread = flat * bend - tilt * tilt
    line = end - first >= 2 and spread > 1e-12 * flat * bend
    level = bend / spread if line else 1.0 / flat
    slope = -tilt / spread if line else 0.0
    curve = 0.0
    if degree == 2 and line and end - first >= 3:
        of_level = bend * fourth - third * third
        of_slope, of_curve = third * bend - tilt * fourth, tilt * third - bend * bend
        spread = flat * of_level + tilt * of_slope + bend * of_curve
        if spread > 1e-12 * flat * bend * fourth:
            level, slope, curve = of_level / spread, of_slope / spread, of_curve / spread
    for j in range(first, end):
        distance = (positions[j] - positions[i]) / sd
        weights[j - first] *= level + distance * (slope + distance * curve)


@kernel
def fit_weights(
    positions: FloatArray, first: IntArray, end: IntArray, sd: float, degree: int, start: IntArray, packed: FloatArray
) -> None:
    """Weights of local polynomials with a Gaussian kernel, one after the other.

    Parameters
    ----------
    positions : ndarray of shape (n,)
        Increasing times.
    first, end : ndarray of int64, of shape (n,)
        From which observation to before which one the polynomial at each reaches.
    sd : float
        Standard deviation of the kernel.
    degree : {1, 2}
        Of the polynomials.
    start : ndarray of int64, of shape (n,)
        Where the weights of each begin.
    packed : ndarray
        Filled. Where all weight lies at one or two times, the degree is lower.
    """
    for i in range(positions.size):
        _fit(positions, i, first[i], end[i], sd, degree, packed[start[i] : start[i] + end[i] - first[i]])


@kernel
def _dot(x: FloatArray, weights: FloatArray) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    size = weights.size
    j = 0
    while j + 4 <= size:
        a += x[j] * weights[j]
        b += x[j + 1] * weights[j + 1]
        c += x[j + 2] * weights[j + 2]
        d += x[j + 3] * weights[j + 3]
        j += 4
    while j < size:
        a += x[j] * weights[j]
        j += 1
    return (a + b) + (c + d)


@kernel
def packed_sums(
    x: FloatArray, first: IntArray, end: IntArray, start: IntArray, packed: FloatArray, out: FloatArray
) -> None:
    """Weighted sums of rows by the weights of :func:`fit_weights`.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    first, end, start, packed
        As there.
    out : ndarray of shape (rows, n)
        Written.
    """
    for row in range(x.shape[0]):
        for i in range(x.shape[1]):
            stop = start[i] + end[i] - first[i]
            out[row, i] = _dot(x[row, first[i] : end[i]], packed[start[i] : stop])


@kernel
def smooth_fits_at(
    x: FloatArray, positions: FloatArray, first: IntArray, end: IntArray, sd: float, degree: int, out: FloatArray
) -> None:
    """The sums of :func:`packed_sums` where there are too many weights to keep: one polynomial's at a time.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    positions, first, end, sd, degree
        See :func:`fit_weights`.
    out : ndarray of shape (rows, n)
        Written.
    """
    weights = np.empty(np.max(end - first))
    for i in range(positions.size):
        count = end[i] - first[i]
        _fit(positions, i, first[i], end[i], sd, degree, weights[:count])
        for row in range(x.shape[0]):
            out[row, i] = _dot(x[row, first[i] : end[i]], weights[:count])
