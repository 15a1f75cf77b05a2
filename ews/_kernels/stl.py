"""Seasonal-trend decomposition by local regression (STL), not robust: every step is a fixed set of weights.

Cleveland, Cleveland, McRae and Terpenning (1990), J. Off. Stat. 6, 3; step numbers as in section 2.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.local_regression import _dot
from ews._kernels.smooth import _correlate

__all__ = ["stl_season_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def _loess(x: FloatArray, inner: FloatArray, first: FloatArray, last: FloatArray, out: FloatArray) -> None:
    """Local lines at every sample: `inner` weights where the neighbourhood is whole, rows of weights at both ends."""
    n = x.size
    start, stop = first.shape[0], n - last.shape[0]
    for t in range(start):
        out[t] = _dot(first[t], x[: first.shape[1]])
    if stop > start:
        _correlate(x, inner, out[start:stop])
    for t in range(stop, n):
        out[t] = _dot(last[t - stop], x[n - last.shape[1] :])


@kernel
def stl_season_rows(
    x: FloatArray,
    period: int,
    iterations: int,
    cycle_start: IntArray,
    cycle: FloatArray,
    short_start: IntArray,
    short: FloatArray,
    average: FloatArray,
    low: FloatArray,
    low_first: FloatArray,
    low_last: FloatArray,
    trend: FloatArray,
    trend_first: FloatArray,
    trend_last: FloatArray,
    out: FloatArray,
) -> None:
    """Seasonal component of each row.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    period : int
        Samples in a cycle.
    iterations : int
        Passes of the inner loop.
    cycle_start, short_start : ndarray of shape (cycles + 2,)
        First cycle of each neighbourhood in the subseries of a phase, one position beyond both ends included: for the
        phases that have a sample in the last cycle, and for those that have none.
    cycle, short : ndarray of shape (cycles + 2, neighbours)
        Weights of these neighbourhoods.
    average : ndarray of shape (2 · period + 1,)
        Moving averages of period, period and 3 samples in one.
    low, trend : ndarray of shape (neighbours,)
        Weights of the low-pass and the trend smoother inside the record.
    low_first, low_last, trend_first, trend_last : ndarray of shape (samples, neighbours)
        Their weights at its ends.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    phase = np.empty(n // period + 1)
    extended = np.empty(n + 2 * period)
    rest = np.empty(n)
    smooth = np.empty(n)
    level = np.empty(n)
    for row in range(rows):
        for t in range(n):
            level[t] = 0.0
        for _ in range(iterations):
            for j in range(period):  # steps 1 and 2: each phase of the detrended series, smoothed over the cycles
                count = (n - 1 - j) // period + 1
                for i in range(count):
                    t = i * period + j
                    phase[i] = (x[row, t] - x[row, 0]) - level[t]
                start, weights = (cycle_start, cycle) if count + 2 == cycle_start.size else (short_start, short)
                for i in range(count + 2):
                    extended[i * period + j] = _dot(weights[i], phase[start[i] : start[i] + weights.shape[1]])
            _correlate(extended, average, rest)  # step 3: what the phases share is no season
            _loess(rest, low, low_first, low_last, smooth)
            for t in range(n):  # steps 4 and 5
                out[row, t] = extended[period + t] - smooth[t]
                rest[t] = (x[row, t] - x[row, 0]) - out[row, t]
            _loess(rest, trend, trend_first, trend_last, level)  # step 6
