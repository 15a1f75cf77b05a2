"""Kendall's tau-b in O(n log n): discordant pairs are the inversions that a merge sort undoes.

Reference: Knight (1966), J. Am. Stat. Assoc. 61, 436.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["kendall_pair", "kendall_rows"]

FloatArray = npt.NDArray[np.float64]

_BASE = 8  # runs of this length are sorted by insertion before merging starts


@kernel
def _sort_counting(y: FloatArray, spare: FloatArray, n: int) -> int:
    """Sort the first n values of `y` in place and return how many pairs were in strictly falling order."""
    inversions = 0
    for start in range(0, n, _BASE):
        for i in range(start + 1, min(start + _BASE, n)):
            value = y[i]
            j = i
            while j > start and y[j - 1] > value:
                y[j] = y[j - 1]
                j -= 1
            y[j] = value
            inversions += i - j
    source, target = y, spare
    width = _BASE
    while width < n:
        for start in range(0, n, 2 * width):
            middle = min(start + width, n)
            stop = min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, stop):
                if j >= stop or (i < middle and source[i] <= source[j]):
                    target[k] = source[i]
                    i += 1
                else:  # source[j] passes everything that is left in the first run
                    target[k] = source[j]
                    j += 1
                    inversions += middle - i
        source, target = target, source
        width *= 2
    if width > _BASE:
        for k in range(n):
            y[k] = source[k]
    return inversions


@kernel
def _tied_pairs(y: FloatArray, n: int) -> int:
    """Number of pairs of equal values among the first n of a sorted array."""
    pairs = 0
    run = 0
    for i in range(1, n):
        run = run + 1 if y[i] == y[i - 1] else 0
        pairs += run
    return pairs


@kernel
def kendall_rows(y: FloatArray, out: FloatArray) -> None:
    """Kendall's tau-b of each row against its time index.

    Parameters
    ----------
    y : ndarray of shape (rows, n)
        Values; NaN are left out.
    out : ndarray of shape (rows,)
        Written: tau-b, NaN where fewer than two values are left or all are equal.
    """
    rows, n = y.shape
    kept = np.empty(n)
    spare = np.empty(n)
    for row in range(rows):
        count = 0
        for t in range(n):
            value = y[row, t]
            kept[count] = value
            count += 0 if math.isnan(value) else 1
        pairs = count * (count - 1) // 2
        falling = _sort_counting(kept, spare, count)
        untied = pairs - _tied_pairs(kept, count)
        if untied <= 0:
            out[row] = np.nan
        else:  # no ties in time: tau-b = (concordant − discordant) / sqrt(pairs · untied pairs)
            # One root of the product: perfect order is then exactly 1, and nothing lies beyond.
            out[row] = (untied - 2 * falling) / math.sqrt(float(pairs) * float(untied))


@kernel
def kendall_pair(x: FloatArray, y: FloatArray) -> float:
    """Kendall's tau-b of two arrays.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Values without NaN.

    Returns
    -------
    float
        tau-b, NaN where fewer than two values are given or one array does not vary.
    """
    n = x.size
    # Sorted by x, ties in x by y: a stable sort by y first, then by x.
    order = np.argsort(y, kind="mergesort")
    order = order[np.argsort(x[order], kind="mergesort")]
    xs, ys = x[order], y[order]
    tied_both = 0
    run = 0
    for i in range(1, n):
        run = run + 1 if xs[i] == xs[i - 1] and ys[i] == ys[i - 1] else 0
        tied_both += run
    pairs = n * (n - 1) // 2
    tied_x = _tied_pairs(xs, n)
    falling = _sort_counting(ys, np.empty(n), n)
    tied_y = _tied_pairs(ys, n)
    if pairs in (tied_x, tied_y):
        return np.nan
    difference = pairs - tied_x - tied_y + tied_both - 2 * falling
    return difference / math.sqrt(float(pairs - tied_x) * float(pairs - tied_y))
