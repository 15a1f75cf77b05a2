"""The kernel of the BDS test: correlation sums of rows, and the statistic that compares them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["bds_statistics"]

FloatArray = npt.NDArray[np.float64]


@kernel
def _statistic(one: float, many: float, triple: float, dimension: int, count: int) -> float:
    """(C_m - C_1^m) over its standard error, Brock et al. (1996) section 2, with C_1 and K estimated."""
    variance = triple**dimension
    for j in range(1, dimension):
        variance += 2.0 * triple ** (dimension - j) * one ** (2 * j)
    variance += (dimension - 1.0) ** 2 * one ** (2 * dimension)
    variance -= dimension**2 * triple * one ** (2 * dimension - 2)
    return (many - one**dimension) / math.sqrt(4.0 * variance / count) if variance > 0.0 else np.nan


@kernel
def bds_statistics(x: FloatArray, distances: FloatArray, highest: int, out: FloatArray) -> None:
    """BDS statistics of rows, in dimensions 2 to `highest`.

    All correlation sums, in one dimension too, are taken over the first n - highest + 1 samples, so that every
    dimension sees the same points (LeBaron's program, and R tseries).

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        The series; finite.
    distances : ndarray of shape (distances,)
        Two samples are close if they differ by no more than this.
    highest : int
        Highest dimension.
    out : ndarray of shape (rows, highest - 1, distances)
        Filled; NaN where no two, or all, samples are close.
    """
    rows, n = x.shape
    count = n - highest + 1
    pairs = 0.5 * count * (count - 1.0)
    close = np.empty(n, dtype=np.int64)  # 1 where a sample is close to the one `lag` later
    chain = np.empty(n, dtype=np.int64)  # 1 where so many in a row are
    near = np.empty(n, dtype=np.int64)  # how many others are close to each sample
    sums = np.empty(highest + 1, dtype=np.int64)
    for row in range(rows):
        for d in range(distances.size):
            distance = distances[d]
            near[:] = 0
            sums[:] = 0
            for lag in range(1, count):
                for i in range(n - lag):
                    close[i] = abs(x[row, i] - x[row, i + lag]) <= distance
                here = count - lag
                total = 0
                for i in range(here):
                    near[i] += close[i]
                    total += close[i]
                for i in range(here):
                    near[i + lag] += close[i]
                sums[1] += total
                for i in range(here):
                    chain[i] = close[i]
                for dimension in range(2, highest + 1):
                    total = 0
                    for i in range(here):
                        chain[i] &= close[i + dimension - 1]
                        total += chain[i]
                    sums[dimension] += total
            # K: the share of triples with the middle one close to both others.
            triples = 0.0
            for i in range(count):
                triples += near[i] * (near[i] - 1.0)
            triple = triples / (count * (count - 1.0) * (count - 2.0))
            one = sums[1] / pairs
            for dimension in range(2, highest + 1):
                value = _statistic(one, sums[dimension] / pairs, triple, dimension, count)
                out[row, dimension - 2, d] = value
