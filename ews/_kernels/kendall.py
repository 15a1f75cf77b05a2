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

_BASE = 4  # runs of this length are sorted by insertion before merging starts


@kernel
def _merge_equal(source: FloatArray, target: FloatArray, width: int) -> int:
    """Merge two sorted runs of `width` values into `target` from both ends at once; return the inversions between them.

    The smaller half comes from the front and the larger from the back, each in `width` steps, so that neither end can
    run out of values, no step branches, and the two ends do not wait for each other.
    """
    i, j = 0, width
    p, q = width - 1, 2 * width - 1
    inversions = 0
    for k in range(width):
        a, b = source[i], source[j]
        passes = b < a  # b comes before all that is left of the first run
        target[k] = b if passes else a
        inversions += (width - i) if passes else 0
        i += not passes
        j += passes
        c, d = source[p], source[q]
        stays = c <= d  # d comes before all that the back has taken of the first run
        target[2 * width - 1 - k] = d if stays else c
        inversions += (width - 1 - p) if stays else 0
        p -= not stays
        q -= stays
    return inversions


@kernel
def _merge(source: FloatArray, target: FloatArray, middle: int) -> int:
    """Merge the sorted runs source[:middle] and source[middle:] into `target`; return the inversions between them."""
    stop = target.size
    i, j, k, inversions = 0, middle, 0, 0
    while i < middle and j < stop:
        passes = source[j] < source[i]
        target[k] = source[j] if passes else source[i]
        inversions += (middle - i) if passes else 0
        i += not passes
        j += passes
        k += 1
    while i < middle:
        target[k] = source[i]
        i += 1
        k += 1
    while j < stop:
        target[k] = source[j]
        j += 1
        k += 1
    return inversions


@kernel
def _sort_counting(y: FloatArray, spare: FloatArray) -> int:
    """Sort `y` in place, `spare` being as long, and return how many pairs were in strictly falling order."""
    n = y.size
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
    width = min(_BASE, n)
    while width < n:
        for start in range(0, n, 2 * width):
            stop = min(start + 2 * width, n)
            if stop - start == 2 * width:
                inversions += _merge_equal(source[start:stop], target[start:stop], width)
            else:
                inversions += _merge(source[start:stop], target[start:stop], min(width, stop - start))
        source, target = target, source
        width *= 2
    for k in range(n):
        y[k] = source[k]
    return inversions


@kernel
def _tied_pairs(y: FloatArray) -> int:
    """Number of pairs of equal values in a sorted array."""
    pairs = 0
    run = 0
    for i in range(1, y.size):
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
        values = kept[:count]
        falling = _sort_counting(values, spare[:count])
        untied = pairs - _tied_pairs(values)
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
    tied_x = _tied_pairs(xs)
    falling = _sort_counting(ys, np.empty(n))
    tied_y = _tied_pairs(ys)
    if pairs in (tied_x, tied_y):
        return np.nan
    difference = pairs - tied_x - tied_y + tied_both - 2 * falling
    return difference / math.sqrt(float(pairs - tied_x) * float(pairs - tied_y))
