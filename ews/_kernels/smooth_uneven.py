"""Weighted lines through observations at any times: the weights depend on the times only, the sums on the rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["line_weights", "packed_sums", "smooth_lines_at"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def _line(positions: FloatArray, i: int, first: int, end: int, sd: float, weights: FloatArray) -> None:
    """Fill weights[: end − first] with what each observation counts for in the line at observation i."""
    flat, tilt, bend = 0.0, 0.0, 0.0
    for j in range(first, end):
        distance = (positions[j] - positions[i]) / sd
        weight = math.exp(-0.5 * distance * distance)
        weights[j - first] = weight
        flat += weight
        tilt += weight * distance
        bend += weight * distance * distance
    spread = flat * bend - tilt * tilt
    line = end - first >= 2 and spread > 1e-12 * flat * bend
    level = bend / spread if line else 1.0 / flat
    slope = tilt / spread if line else 0.0
    for j in range(first, end):
        weights[j - first] *= level - slope * (positions[j] - positions[i]) / sd


@kernel
def line_weights(
    positions: FloatArray, first: IntArray, end: IntArray, sd: float, start: IntArray, packed: FloatArray
) -> None:
    """Weights of local lines with a Gaussian kernel, one after the other.

    Parameters
    ----------
    positions : ndarray of shape (n,)
        Increasing times.
    first, end : ndarray of int64, of shape (n,)
        From which observation to before which one the line at each reaches.
    sd : float
        Standard deviation of the kernel.
    start : ndarray of int64, of shape (n,)
        Where the weights of each begin.
    packed : ndarray
        Filled. Where all weight lies at one time, it is a weighted mean.
    """
    for i in range(positions.size):
        _line(positions, i, first[i], end[i], sd, packed[start[i] : start[i] + end[i] - first[i]])


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
    """Weighted sums of rows by the weights of :func:`line_weights`.

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
def smooth_lines_at(
    x: FloatArray, positions: FloatArray, first: IntArray, end: IntArray, sd: float, out: FloatArray
) -> None:
    """The sums of :func:`packed_sums` where there are too many weights to keep: one line's at a time.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    positions, first, end, sd
        See :func:`line_weights`.
    out : ndarray of shape (rows, n)
        Written.
    """
    weights = np.empty(np.max(end - first))
    for i in range(positions.size):
        count = end[i] - first[i]
        _line(positions, i, first[i], end[i], sd, weights[:count])
        for row in range(x.shape[0]):
            out[row, i] = _dot(x[row, first[i] : end[i]], weights[:count])
