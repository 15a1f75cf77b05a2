"""The median size of a row, or any rank, without sorting it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["largest_size", "median_size", "smallest"]

FloatArray = npt.NDArray[np.float64]

# Bits of doubles of one sign rank as their values do, and processors find the largest of many integers at once.
_SIZE, _INFINITY = 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000

_EXPECTED = 0.85  # the median of Gaussian sizes in units of their mean
_FEW = 24  # values that are compared with one another sooner than sorted
_LANES = 32  # partial sums side by side, so that they run in vector registers


@kernel
def largest_size(x: FloatArray) -> float:
    """Largest absolute value of those that are no NaN; 0 where there are none.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values.

    Returns
    -------
    float
        The largest.
    """
    largest = np.zeros(1, dtype=np.int64)
    most = np.int64(0)
    bits = x.view(np.int64)
    for t in range(x.size):
        size = bits[t] & _SIZE
        size = size if size <= _INFINITY else np.int64(0)
        most = max(most, size)
    largest[0] = most
    return np.float64(largest.view(np.float64)[0])


@kernel
def median_size(x: FloatArray, work: FloatArray) -> float:
    """Median of the absolute values that are no NaN; NaN where there are none.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values.
    work : ndarray of shape (n,)
        Overwritten.

    Returns
    -------
    float
        The mean of the middle two where their number is even.
    """
    lanes = np.zeros(_LANES)
    count = 0
    whole = x.size // _LANES * _LANES
    for start in range(0, whole, _LANES):
        part = x[start : start + _LANES]
        for lane in range(_LANES):
            size = abs(part[lane])
            lanes[lane] += size if size >= 0.0 else 0.0
    for t in range(whole, x.size):
        lanes[0] += abs(x[t]) if abs(x[t]) >= 0.0 else 0.0
    for t in range(x.size):
        count += 1 if abs(x[t]) >= 0.0 else 0
    if count == 0:
        return math.nan
    total = 0.0
    for lane in range(_LANES):
        total += lanes[lane]
    # Only what lies near where the median of noise is expected is looked at further: the rest is counted.
    mean, reach = total / count, max(0.06, min(0.4, 2.8 / math.sqrt(count)))
    low, high = (_EXPECTED - reach) * mean, (_EXPECTED + reach) * mean
    between, below = _between(x, x.size, low, high, work)
    lower, upper = (count - 1) // 2 - below, count // 2 - below
    if between > _FEW and lower >= 0 and upper < between:  # then among these, which lie about evenly
        width = (high - low) / between
        middle, reach = low + (lower + 1) * width, 1.4 * math.sqrt(between) * width
        between, below = _between(work, between, middle - reach, middle + reach, work)
        lower, upper = lower - below, upper - below
    if lower < 0 or upper >= between:
        between, below = _between(x, x.size, 0.0, math.inf, work)
        lower, upper = (count - 1) // 2, count // 2
    if between <= _FEW:
        return _middle(work, between, lower, upper)
    middle = smallest(work, between, upper)
    if lower == upper:
        return np.float64(middle)
    other = work[0]  # to the left of the upper one lie the smaller ones, in no order
    for t in range(1, upper):
        other = max(other, work[t])
    return np.float64(0.5 * (other + middle))


@kernel
def _between(x: FloatArray, count: int, low: float, high: float, found: FloatArray) -> tuple[int, int]:
    """Gather the sizes from `low` to `high` of the first `count` values: how many, and how many are smaller."""
    between, below = 0, 0
    for t in range(count):
        size = abs(x[t])
        found[between] = size
        between += 1 if low <= size <= high else 0
        below += 1 if size < low else 0
    return between, below


@kernel
def _middle(values: FloatArray, count: int, lower: int, upper: int) -> float:
    """Mean of two ranks of the first `count` sizes, all compared with all: nothing that has to be guessed."""
    low, high = 0.0, 0.0
    for i in range(count):
        value, below = values[i], 0
        for j in range(count):
            below += 1 if values[j] < value else 0
        low = max(low, value if below <= lower else 0.0)
        high = max(high, value if below <= upper else 0.0)
    return low if lower == upper else 0.5 * (low + high)


@kernel
def smallest(values: FloatArray, count: int, k: int) -> float:
    """Put number k (from 0) of the first `count` values in its place, smaller ones before it (Hoare's selection)."""
    left, right = 0, count - 1
    while left < right:
        pivot = values[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            break
    return np.float64(values[k])
