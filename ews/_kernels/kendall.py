"""Kendall's tau-b from one sort: NumPy's, which has vector code for every processor.

Each value becomes a whole number: the upper bits say where it lies between the lowest value and the highest, the lower
bits when it came. Sorted, these are the times in the order of their values. Falling pairs are counted along that order:
at each time, how many later ones have come already, whose values are smaller.

The upper bits have no room for all digits of a value. Where neighbours share them, the values decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.tallies import TALLIES, no_tallies, ones, raise_first, raised, tally

__all__ = ["kendall_pair", "kendall_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Order = npt.NDArray[np.int32] | IntArray

_SHORT = 1024  # values that steps of 32 bits, sorted in half the time, mostly tell apart
_TOGETHER = 2**15  # numbers that stay within the second-level cache from one step to the next
_WORD = 64
_LAST = 2**63 - 1
_INFINITY = 0x7FF << 52  # its bits
_FAR = 1e300  # differences of what lies beyond may overflow
_UNDONE = 2.0  # written for a row that has to be sorted by its values


@kernel
def _place_bits(n: int) -> int:
    """How many bits the places of n values take."""
    bits = 1
    while n > 1 << bits:
        bits += 1
    return bits


@kernel
def _order_of(bits: int) -> int:
    """The bits of a number as a whole number of the same order, 0 for both zeros; NaN are beyond infinity."""
    sign = bits >> 63
    return ((bits & _LAST) ^ sign) - sign


@kernel
def _ends(bits: IntArray) -> tuple[int, int]:
    """The lowest and the highest :func:`_order_of` numbers with these bits, NaN left out; 0, 0 of none."""
    low, high = _INFINITY, -_INFINITY
    for k in range(bits.size):
        key = _order_of(bits[k])
        none = (bits[k] & _LAST) > _INFINITY
        low = min(low, _INFINITY if none else key)
        high = max(high, -_INFINITY if none else key)
    return (low, high) if low <= high else (0, 0)


@kernel
def _pack_steps(y: FloatArray, packed: npt.NDArray[np.int32]) -> None:
    """Value above, in steps of one size from the lowest, and time below; −1 in a row where no size will do."""
    bits = _place_bits(y.shape[1])
    missing = (1 << (31 - bits)) - 1
    ends = np.empty(2)
    for row in range(y.shape[0]):
        values, target = y[row], packed[row]
        for end, key in enumerate(_ends(values.view(np.int64))):
            ends.view(np.int64)[end] = abs(key)
            ends[end] = math.copysign(ends[end], key)
        low, high = ends[0], ends[1]
        span = high - low if low > -_FAR and high < _FAR else np.inf
        if span == np.inf or 0.0 < span < 1.0 / _FAR:
            target[:] = -1
            continue
        scale = (missing - 2) / span if span > 0.0 else 0.0
        for k in range(values.size):
            none = math.isnan(values[k])
            step = np.int32(((low if none else values[k]) - low) * scale)
            target[k] = ((missing if none else step) << bits) | k


@kernel
def _pack_bits(y: FloatArray, packed: IntArray) -> None:
    """Value above, as many of its bits as there is room for from the first that differs, and time below."""
    bits = _place_bits(y.shape[1])
    missing = (1 << (63 - bits)) - 1
    for row in range(y.shape[0]):
        source, target = y[row].view(np.int64), packed[row]
        low, high = _ends(source)
        left_off = 0
        if (high >> 1) - (low >> 1) >= missing >> 1:  # halves, because the difference may overflow
            left_off = 1
            while (high >> left_off) - (low >> left_off) >= missing:
                left_off += 1
        lowest = low >> left_off
        for k in range(source.size):
            none = (source[k] & _LAST) > _INFINITY
            step = ((low if none else _order_of(source[k])) >> left_off) - lowest
            target[k] = ((missing if none else step) << bits) | k


@kernel
def _settle(values: FloatArray, order: Order, count: int, mask: int) -> int:
    """Sort those that share their upper bits by their values; return the pairs of equal values.

    −1 where that would take more steps than there are values.
    """
    sharing = 0
    for k in range(1, count):
        sharing += (order[k - 1] ^ order[k]) <= mask
    if sharing == 0:
        return 0
    left = count
    tied = 0
    k = 1
    while k < count:
        first = k - 1
        while k < count and (order[k] ^ order[first]) <= mask:
            one = order[k]
            value = values[one & mask]
            j = k
            while j > first and values[order[j - 1] & mask] > value:
                order[j] = order[j - 1]
                j -= 1
            order[j] = one
            left -= k - j
            if left < 0:
                return -1
            k += 1
        run = 0
        for j in range(first + 1, k):
            run = run + 1 if values[order[j] & mask] == values[order[j - 1] & mask] else 0
            tied += run
        k += 1
    return tied


@kernel
def _inversions(order: Order, count: int, mask: int, n: int) -> int:
    """How many pairs of the first `count` places below n stand in falling order.

    One bit for each place says whether it has come. For each word of them a tally says how many have come in the
    words after it, as far as its group of TALLIES words goes; for each group, how many in the groups after it; and so
    on up to one group, whose tallies no step has to wait for, since they stay in a register.
    """
    size = (n + _WORD * TALLIES - 1) // (_WORD * TALLIES) * TALLIES
    levels, groups = 0, size // TALLIES
    while groups > 1:
        groups = (groups + TALLIES - 1) // TALLIES
        levels += 1
    come = np.zeros(size, dtype=np.uint64)
    lower = np.zeros(levels * size, dtype=np.int32)
    top = no_tallies()
    falling = 0
    for k in range(count):
        place = order[k] & mask
        at = place >> 6
        bit = np.uint64(place & (_WORD - 1))
        # Unsigned places need no look at whether they count from the end.
        word = come[np.uint64(at)]
        falling += ones(word >> bit)
        come[np.uint64(at)] = word | (np.uint64(1) << bit)
        for level in range(levels):
            falling += lower[np.uint64(level * size + at)]
            raise_first(lower, level * size + (at & -TALLIES), at & (TALLIES - 1))
            at >>= 4
        falling += tally(top, at)
        top = raised(top, at)
    return falling


@kernel
def _falling_and_tied(values: FloatArray, order: Order) -> tuple[int, int, int]:
    """How many values are not NaN, how many pairs of them fall strictly, and how many are equal.

    The lower bits of `order` are their times, sorted. −1 for the pairs where that left too much to settle.
    """
    n = values.size
    mask = (1 << _place_bits(n)) - 1
    if n > 0 and order[0] < 0:
        return 0, -1, -1
    count = n
    while count > 0 and math.isnan(values[order[count - 1] & mask]):
        count -= 1
    tied = _settle(values, order, count, mask)
    return count, _inversions(order, count, mask, n) if tied >= 0 else -1, tied


@kernel
def _rows(y: FloatArray, order: Order, out: FloatArray) -> bool:
    """:func:`kendall_rows`; whether every row is done."""
    done = True
    for row in range(y.shape[0]):
        count, falling, tied = _falling_and_tied(y[row], order[row])
        pairs = count * (count - 1) // 2
        untied = pairs - tied
        if tied < 0:
            out[row] = _UNDONE
            done = False
        elif untied <= 0:
            out[row] = np.nan
        else:  # no ties in time: tau-b = (concordant − discordant) / sqrt(pairs · untied pairs)
            # One root of the product: perfect order is then exactly 1, and nothing lies beyond.
            out[row] = (untied - 2 * falling) / math.sqrt(float(pairs) * float(untied))
    return done


def _by_steps(y: FloatArray) -> Order:
    packed = np.empty(y.shape, dtype=np.int32)
    _pack_steps(y, packed)
    packed.sort()
    return packed


def _by_bits(y: FloatArray) -> Order:
    packed = np.empty(y.shape, dtype=np.int64)
    _pack_bits(y, packed)
    packed.sort()
    return packed


def _by_values(y: FloatArray) -> Order:
    return np.argsort(y, kind="stable")


Way = Callable[[FloatArray], Order]
_WAYS: tuple[Way, ...] = (_by_steps, _by_bits, _by_values)  # each slower than the last, and for rows that it left over


def _ways(n: int) -> tuple[Way, ...]:
    return _WAYS if n <= _SHORT else _WAYS[1:]


def _write(y: FloatArray, out: FloatArray, ways: tuple[Way, ...]) -> None:
    """:func:`kendall_rows`, the first way first."""
    if not _rows(y, ways[0](y), out):
        for row in np.flatnonzero(out == _UNDONE):
            _write(y[row : row + 1], out[row : row + 1], ways[1:])


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
    if rows * n <= _TOGETHER:
        _write(y, out, _ways(n))
        return
    together = max(1, _TOGETHER // n)
    for first in range(0, rows, together):
        _write(y[first : first + together], out[first : first + together], _ways(n))


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
    ys, tied_x, tied_both = y, 0, 0
    if not np.all(x[1:] > x[:-1]):  # times do rise, and need no sort
        order = np.lexsort((y, x))  # by x, ties in x by y
        xs, ys = x[order], y[order]
        tied_x = _pairs_in_runs(xs[1:] == xs[:-1])
        tied_both = _pairs_in_runs((xs[1:] == xs[:-1]) & (ys[1:] == ys[:-1]))
    pairs = n * (n - 1) // 2
    falling, tied_y = -1, -1
    for way in _ways(n):
        _, falling, tied_y = _falling_and_tied(ys, way(ys[None])[0])
        if tied_y >= 0:
            break
    if pairs in (tied_x, tied_y):
        return float("nan")
    difference = pairs - tied_x - tied_y + tied_both - 2 * falling
    return difference / math.sqrt(float(pairs - tied_x) * float(pairs - tied_y))


def _pairs_in_runs(equal: npt.NDArray[np.bool_]) -> int:
    """Number of pairs of equal values, where `equal` says which neighbours in a sorted array are."""
    different = np.flatnonzero(~equal)
    runs = np.diff(different, prepend=-1, append=equal.size)
    return int((runs * (runs - 1) // 2).sum())
