"""Kendall's tau-b in O(n log n): discordant pairs are the inversions that a merge sort undoes.

Reference: Knight (1966), J. Am. Stat. Assoc. 61, 436.

Rows of a few hundred values are not sorted at all: their pairs are compared, each with each, as whole numbers of 32
bits. Longer ones are sorted as whole numbers of the same order: blocks of a few by counting, all against all, in vector
registers and without a branch, then by merging runs from both ends at once.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.pair_counts import WIDTH, falling_pairs

__all__ = ["kendall_pair", "kendall_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK = 32  # values sorted by counting before merging starts
_CHUNK = 2**15  # values that are sorted within the second-level cache
_LAST = 2**63 - 1  # above the key of every number: fills the last block
_FEW = 1024  # values whose pairs are compared, each with each, sooner than they are sorted
_MOST = 2**31 - 32  # largest key of 32 bits
_FAR = 1e300  # differences of what lies beyond may overflow


@kernel
def _to_keys(values: FloatArray, keys: IntArray, first: int, last: int) -> None:
    """Turn numbers into integers of the same order, in the same memory."""
    for k in range(first, last):
        values[k] += 0.0  # −0 and 0 are equal
    for k in range(first, last):
        bits = keys[k]
        keys[k] = bits ^ ((bits >> 63) & _LAST)  # below 0, a larger magnitude comes first


@kernel
def _sort_block(source: IntArray, target: IntArray, rank: IntArray) -> int:
    """Sort _BLOCK keys into `target` by their ranks; return the inversions.

    The rank of a key is how many before it are no larger and how many after it are smaller; the latter are its
    inversions.
    """
    for j in range(_BLOCK):
        rank[j] = 0
        rank[_BLOCK + j] = 0
    for i in range(_BLOCK):
        key = source[i]
        for j in range(_BLOCK):
            rank[j] += (key < source[j]) & (i > j)
            rank[_BLOCK + j] += (key <= source[j]) & (i < j)
    inversions = 0
    for j in range(_BLOCK):
        inversions += rank[j]
        target[np.uint64(rank[j] + rank[_BLOCK + j])] = source[j]
    return inversions


@kernel
def _merge_equal(source: IntArray, target: IntArray, width: int) -> int:
    """Merge two sorted runs of `width` keys into `target` from both ends at once; return the inversions between them.

    The smaller half comes from the front and the larger from the back, each in `width` steps, so that neither end can
    run out of keys, no step branches, and the two ends do not wait for each other.

    A key of the first run has as many inversions as keys of the second run come before it. Their number before *every*
    step is summed; that of the steps that take a key of the second run is then taken off: m from the front, where it
    goes 0…m−1, the others from the back, where it goes width…m+1, in all width(width+1)/2 − m.
    """
    i, j = 0, width
    p, q = width - 1, 2 * width - 1
    before = 0
    for k in range(width):
        # Unsigned places need no look at whether they count from the end.
        a, b = source[np.uint64(i)], source[np.uint64(j)]
        c, d = source[np.uint64(p)], source[np.uint64(q)]
        before += j + q
        passes, stays = int(b < a), int(c <= d)
        target[np.uint64(k)] = min(a, b)
        target[np.uint64(2 * width - 1 - k)] = max(c, d)
        i += 1 - passes
        j += passes
        p -= 1 - stays
        q -= stays
    return before - width * (2 * width - 1) - width * (width + 1) // 2 + (j - width)


@kernel
def _merge_two(source: IntArray, target: IntArray, width: int) -> int:
    """:func:`_merge_equal` of two pairs of runs in a row: each has the steps that the other waits for."""
    far = 2 * width
    i, j, p, q = 0, width, width - 1, far - 1
    r, s, u, v = far, far + width, far + width - 1, 2 * far - 1
    before = 0
    for k in range(width):
        a, b, c, d = source[np.uint64(i)], source[np.uint64(j)], source[np.uint64(p)], source[np.uint64(q)]
        e, f, g, h = source[np.uint64(r)], source[np.uint64(s)], source[np.uint64(u)], source[np.uint64(v)]
        before += j + q + s + v
        passes, stays = int(b < a), int(c <= d)
        others, remain = int(f < e), int(g <= h)
        target[np.uint64(k)] = min(a, b)
        target[np.uint64(far - 1 - k)] = max(c, d)
        target[np.uint64(far + k)] = min(e, f)
        target[np.uint64(2 * far - 1 - k)] = max(g, h)
        i += 1 - passes
        j += passes
        p -= 1 - stays
        q -= stays
        r += 1 - others
        s += others
        u -= 1 - remain
        v -= remain
    return before - width * (4 * far - 2) - width * (width + 1) + (j - width) + (s - far - width)


@kernel
def _merge(source: IntArray, target: IntArray, middle: int) -> int:
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
def _merge_pass(source: IntArray, target: IntArray, first: int, last: int, width: int) -> int:
    """Merge neighbouring runs of `width` keys from source[first:last] into `target`; return their inversions."""
    falling = 0
    whole = (last - first) // (4 * width) * 4 * width
    for start in range(first, first + whole, 4 * width):
        falling += _merge_two(source[start : start + 4 * width], target[start : start + 4 * width], width)
    for start in range(first + whole, last, 2 * width):
        stop = min(start + 2 * width, last)
        if stop - start == 2 * width:
            falling += _merge_equal(source[start:stop], target[start:stop], width)
        else:
            falling += _merge(source[start:stop], target[start:stop], min(width, stop - start))
    return falling


@kernel
def _falling_and_tied(
    values: FloatArray, keys: IntArray, spare: IntArray, rank: IntArray, count: int
) -> tuple[int, int]:
    """How many pairs of the first `count` values are in strictly falling order, and how many are equal.

    `keys` is the memory of `values`, which is overwritten; it and `spare` have room for whole blocks.
    """
    size = (count + _BLOCK - 1) // _BLOCK * _BLOCK
    falling, width, source, target = 0, _BLOCK, spare, keys
    for first in range(0, size, _CHUNK):
        last = min(first + _CHUNK, size)
        _to_keys(values, keys, first, min(last, count))
        for k in range(count, last):
            keys[k] = _LAST
        for start in range(first, last, _BLOCK):
            falling += _sort_block(keys[start : start + _BLOCK], spare[start : start + _BLOCK], rank)
        source, target = spare, keys
        width = _BLOCK
        while width < min(_CHUNK, size):
            falling += _merge_pass(source, target, first, last, width)
            source, target = target, source
            width *= 2
    while width < size:
        falling += _merge_pass(source, target, 0, size, width)
        source, target = target, source
        width *= 2
    return falling, _tied_pairs(source[:count])


@kernel
def _order_of(bits: int) -> int:
    """The bits of a number as an integer of the same order, and back."""
    return bits ^ ((bits >> 63) & _LAST)


@kernel
def _falling_of_few(values: FloatArray, bits: IntArray, small: npt.NDArray[np.int32], count: int) -> int:
    """How many pairs of a few values fall; −1 where two of them share a key of 32 bits, and may be equal.

    `bits` is the memory of `values`. Keys are places between the lowest value and the highest.
    """
    low, high = _LAST, -_LAST
    for k in range(count):
        key = _order_of(bits[k])
        low, high = min(low, key), max(high, key)
    ends = np.empty(2)
    ends.view(np.int64)[0], ends.view(np.int64)[1] = _order_of(low), _order_of(high)
    if not (ends[0] > -_FAR and ends[1] < _FAR and ends[1] - ends[0] > 1.0 / _FAR):
        return -1
    lowest, scale = ends[0], _MOST / (ends[1] - ends[0])
    for k in range(count):
        small[k] = np.int32((values[k] - lowest) * scale)
    size = (count + WIDTH - 1) // WIDTH * WIDTH
    for k in range(count, size):
        small[k] = _MOST + 1 + k - count  # what fills the last vector rises
    return falling_pairs(small, size)


@kernel
def _tied_pairs(keys: IntArray) -> int:
    """Number of pairs of equal keys in a sorted array."""
    neighbours = 0
    for i in range(1, keys.size):
        neighbours += keys[i] == keys[i - 1]
    if neighbours == 0:
        return 0
    pairs = 0
    run = 0
    for i in range(1, keys.size):
        run = run + 1 if keys[i] == keys[i - 1] else 0
        pairs += run
    return pairs


@kernel
def _rows(y: FloatArray, work: FloatArray, out: FloatArray) -> None:
    """:func:`kendall_rows` in `work`, of two rows in whole blocks."""
    rows, n = y.shape
    kept = work[: n + _BLOCK]
    keys, spare = kept.view(np.int64), work[n + _BLOCK :].view(np.int64)
    rank = np.empty(2 * _BLOCK, dtype=np.int64)
    small = np.empty(_FEW + WIDTH, dtype=np.int32)
    for row in range(rows):
        count = 0
        for t in range(n):
            value = y[row, t]
            kept[count] = value
            count += 0 if math.isnan(value) else 1
        pairs = count * (count - 1) // 2
        falling, tied = -1, 0
        if 2 <= count <= _FEW:
            falling = _falling_of_few(kept, keys, small, count)
        if falling < 0:
            falling, tied = _falling_and_tied(kept, keys, spare, rank, count)
        untied = pairs - tied
        if untied <= 0:
            out[row] = np.nan
        else:  # no ties in time: tau-b = (concordant − discordant) / sqrt(pairs · untied pairs)
            # One root of the product: perfect order is then exactly 1, and nothing lies beyond.
            out[row] = (untied - 2 * falling) / math.sqrt(float(pairs) * float(untied))


def kendall_rows(y: FloatArray, out: FloatArray) -> None:
    """Kendall's tau-b of each row against its time index.

    Parameters
    ----------
    y : ndarray of shape (rows, n)
        Values; NaN are left out.
    out : ndarray of shape (rows,)
        Written: tau-b, NaN where fewer than two values are left or all are equal.
    """
    # NumPy's memory comes in large pages where it is much, compiled code's in small ones that take as long as a sort.
    _rows(y, np.empty(2 * (y.shape[1] + _BLOCK)), out)


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
    if n < 2:
        return float("nan")
    # Not a kernel itself: NumPy sorts as fast, and the kernel below is compiled for rows already.
    order = np.lexsort((y, x))  # by x, ties in x by y
    xs = x[order]
    kept, spare, rank = np.empty(n + _BLOCK), np.empty(n + _BLOCK, dtype=np.int64), np.empty(2 * _BLOCK, dtype=np.int64)
    kept[:n] = y[order]
    tied_x = _pairs_in_runs(xs[1:] == xs[:-1])
    tied_both = _pairs_in_runs((xs[1:] == xs[:-1]) & (kept[1:n] == kept[: n - 1]))
    pairs = n * (n - 1) // 2
    falling, tied_y = _falling_and_tied(kept, kept.view(np.int64), spare, rank, n)
    if pairs in (tied_x, tied_y):
        return float("nan")
    difference = pairs - tied_x - tied_y + tied_both - 2 * falling
    return difference / math.sqrt(float(pairs - tied_x) * float(pairs - tied_y))


def _pairs_in_runs(equal: npt.NDArray[np.bool_]) -> int:
    """Number of pairs of equal values, where `equal` says which neighbours in a sorted array are."""
    different = np.flatnonzero(~equal)
    runs = np.diff(different, prepend=-1, append=equal.size)
    return int((runs * (runs - 1) // 2).sum())
