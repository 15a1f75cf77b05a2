"""Is the last half of a record in two states? Shapes of its distribution and of its changes, row by row."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["MEMORY", "OBSERVED", "PERSISTENT", "SMOOTH", "STATES", "STATES_SCORES", "two_state_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Columns of the output.
PERSISTENT, STATES, STATES_SCORES, SMOOTH, MEMORY, OBSERVED = 0, 1, 2, 3, 4, 5


@kernel
def _log_moments(values: FloatArray, count: int) -> tuple[float, float]:
    """Logarithms of the kurtosis, and of the kurtosis less the squared skewness, which is 1 for any two points."""
    mean, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    for i in range(count):
        mean += values[i]
    mean /= max(count, 1)
    for i in range(count):
        square = (values[i] - mean) * (values[i] - mean)
        second += square
        third += square * (values[i] - mean)
        fourth += square * square
    if not second > 0.0:
        return math.nan, math.nan
    kurtosis = count * fourth / (second * second)
    skewness = count * third * third / (second * second * second)
    return math.log(kurtosis), math.log(max(kurtosis - skewness, 1.0))


@kernel
def _normal_scores(x: FloatArray, table: FloatArray, scores: FloatArray) -> None:
    """Normal quantile of each value's rank among those observed; ties share their mean rank, NaN stays."""
    n = x.size
    place = np.empty(n, np.int64)
    values = np.empty(n)
    count = 0
    for t in range(n):
        scores[t] = math.nan
        if not math.isnan(x[t]):
            place[count] = t
            values[count] = x[t]
            count += 1
    order = np.argsort(values[:count])
    first = 0
    while first < count:
        last = first
        while last + 1 < count and values[order[last + 1]] == values[order[first]]:
            last += 1
        for k in range(first, last + 1):
            scores[place[order[k]]] = table[first + last + 1]
        first = last + 1


@kernel
def _unit_spread(x: FloatArray, width: int, out: FloatArray) -> None:
    """Values in units of the root mean square of those observed within `width` samples."""
    n = x.size
    total, count = 0.0, 0
    largest = 0.0
    for t in range(n):
        if not math.isnan(x[t]):
            largest = max(largest, abs(x[t]))
    if not largest > 0.0:
        out[:] = math.nan
        return
    for t in range(-width, n):
        entering, leaving = t + width, t - width - 1
        if entering < n and not math.isnan(x[entering]):
            total += (x[entering] / largest) ** 2
            count += 1
        if leaving >= 0 and not math.isnan(x[leaving]):
            total -= (x[leaving] / largest) ** 2
            count -= 1
        if t >= 0:
            # What is left of a running sum where all that was in it has gone again is rounding.
            out[t] = x[t] / largest / math.sqrt(total / count) if count > 0 and total > 1e-12 * count else math.nan


@kernel
def _correlation(x: FloatArray, start: int, lag: int) -> float:
    """Mean product at a lag over the mean square, about the mean, from `start` on; NaN is left out."""
    n = x.size
    mean, count = 0.0, 0
    for t in range(start, n):
        if not math.isnan(x[t]):
            mean += x[t]
            count += 1
    mean /= max(count, 1)
    square, product, pairs = 0.0, 0.0, 0
    for t in range(start, n):
        if not math.isnan(x[t]):
            square += (x[t] - mean) ** 2
            if t >= start + lag and not math.isnan(x[t - lag]):
                product += (x[t] - mean) * (x[t - lag] - mean)
                pairs += 1
    return product / pairs / (square / count) if pairs > 0 and square > 0.0 else math.nan


@kernel
def two_state_rows(
    rows: FloatArray, tables: FloatArray, table: IntArray, width: int, fewest: int, out: FloatArray
) -> None:
    """What two states leave in the last half of each row.

    Parameters
    ----------
    rows : ndarray of shape (rows, n)
        NaN where nothing was observed.
    tables : ndarray of shape (tables, 2 n + 1)
        Normal quantiles of j / (2 count), by j.
    table : ndarray of shape (rows,), int64
        Which table has the row's count.
    width : int
        How far the local spread reaches, in samples.
    fewest : int
        Observations in the half, and steps between two of them, below which nothing is said.
    out : ndarray of shape (rows, 6)
        Filled: log kurtosis of the steps, less what it is of differences between independent values of the same
        kurtosis; logarithms of kurtosis less squared skewness of the values in units of the local spread, and of their
        normal scores; partial correlation of the scores at lag 2; lag-1 correlation of all scores; observations in the
        half.
    """
    n = rows.shape[1]
    start = n // 2
    scores, local, kept = np.empty(n), np.empty(n), np.empty(n)
    for i in range(rows.shape[0]):
        x = rows[i]
        out[i] = math.nan
        count, steps = 0, 0
        for t in range(start, n):
            if not math.isnan(x[t]):
                count += 1
                if t > start and not math.isnan(x[t - 1]):
                    steps += 1
        out[i, OBSERVED] = count
        if steps < fewest or count < fewest:
            continue
        _normal_scores(x, tables[table[i]], scores)
        _unit_spread(x, width, local)
        steps = 0
        for t in range(start + 1, n):
            step = local[t] - local[t - 1]
            if not math.isnan(step):
                kept[steps] = step
                steps += 1
        of_steps = _log_moments(kept, steps)[0]
        count = 0
        for t in range(start, n):
            if not math.isnan(local[t]):
                kept[count] = local[t]
                count += 1
        of_values, out[i, STATES] = _log_moments(kept, count)
        out[i, PERSISTENT] = of_steps - math.log(0.5 * (math.exp(of_values) + 3.0))
        count = 0
        for t in range(start, n):
            if not math.isnan(scores[t]):
                kept[count] = scores[t]
                count += 1
        out[i, STATES_SCORES] = _log_moments(kept, count)[1]
        first, second = _correlation(scores, start, 1), _correlation(scores, start, 2)
        out[i, SMOOTH] = (second - first * first) / (1.0 - first * first) if abs(first) < 1.0 else math.nan
        out[i, MEMORY] = _correlation(scores, 0, 1)
