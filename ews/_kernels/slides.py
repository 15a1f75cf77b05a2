"""The fast passes behind rolling moments: sums that slide, as long as what they have seen leaves their digits alone.

As in ``tiles.py``, each lane of a vector register has a tile of windows. Its sums of powers are those of the first
window; from one window to the next a sample is added and another taken off, half the work of what a tile does that is
summed outwards. Two things keep the digits. Powers are of distances from an anchor, which moves to the mean of the
window at hand every :data:`BLOCK` outputs. And what a sum has seen leaves rounding behind in it, so that the largest
sums since the beginning of the tile are held against the least central moments of each block: where they are too large
beside these (a spike has left, a step has passed, nothing varies any more, NaN), the block is listed, for others to do
it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.lanes import (
    LANES,
    LARGE,
    SMALL,
    clipped,
    gather,
    inverse_roots,
    least,
    load,
    settle,
    splat,
    store,
    to_lanes,
)
from ews._kernels.sharing import STEP, note, place_lanes, work_array, write

__all__ = ["BLOCK", "given_up", "longest_slide", "slides", "sliding_moments"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCK = 32  # outputs of each tile between two looks at its digits
_FEWEST = BLOCK + 1  # samples in a window: what enters during a block is still there at its end
_LONG = 4096  # outputs: in shorter rows the first window of each tile would be much of the work
# The largest sum of squares, and of fourth powers, in units of the least of a block. Over T steps a sum gathers the
# rounding of some sqrt(T) units in the last place of its largest value: after 4,000, a variance has 13 digits left.
_MOST_SQUARES, _MOST_FOURTHS = 16.0, 64.0
_PART = 8  # one in so many tiles of a row is tried first

_SECOND, _THIRD, _FOURTH, _PRODUCT, _SPREAD = (LANES * k for k in range(1, 6))
_LEAST, _LEAST_PAIRS, _LEAST_FOURTHS, _SQUARES, _FOURTHS = (LANES * k for k in range(5))


def slides(n: int, window: int) -> bool:
    """Whether sliding is worth while for rows of so many samples."""
    return window >= _FEWEST and n - window + 1 >= max(_LONG, 4 * window)


def longest_slide(window: int) -> int:
    """So many outputs that the first window of a tile is a small part of the work."""
    return max(512, 4 * window)


def given_up(
    listed: IntArray, stretches: IntArray, rows: int, n: int, window: int, tile: int, count: int
) -> npt.NDArray[np.bool_]:
    """Of which rows all is to be done again: each by itself, so that a row comes out the same with any others.

    Parameters
    ----------
    listed : ndarray of shape (blocks, 2), int
        (tile, block) of all that is to be done again.
    stretches : ndarray of shape (stretches, 3), int
        The same as (row, first output, end).
    rows, n, window, tile, count : int
        As of :func:`sliding_moments`.

    Returns
    -------
    ndarray of shape (rows,), bool
        True where the kernel would have given up on the row alone, or its stretches are as much work as all of it.
    """
    first = _tried(count)
    early = np.bincount(listed[listed[:, 0] % count < first, 0] // count, minlength=rows)
    work = np.bincount(stretches[:, 0], weights=stretches[:, 2] - stretches[:, 1] + window, minlength=rows)
    return np.asarray((2.0 * work > n) | np.array([first < count and _gives_up(k, first, tile) for k in early]))


@kernel
def _tried(count: int) -> int:
    """By how many of the tiles of a row it is judged whether sliding is worth while."""
    return -(-count // (_PART * LANES)) * LANES


@kernel
def _gives_up(found: int, tiles: int, tile: int) -> bool:
    """Whether so many blocks of the first tiles have to be done again that the whole row is."""
    return 32 * found > tiles * -(-tile // BLOCK)


@kernel
def _look(seen: FloatArray, largest: FloatArray, poison: FloatArray) -> None:
    """NaN for the lanes whose digits a block may have cost."""
    for lane in range(LANES):
        low, squares = min(seen[_LEAST + lane], seen[_LEAST_PAIRS + lane]), seen[_SQUARES + lane]
        largest[lane] = max(largest[lane], squares)
        largest[LANES + lane] = max(largest[LANES + lane], seen[_FOURTHS + lane])
        good = low > SMALL and squares < LARGE and largest[lane] <= _MOST_SQUARES * low
        good = good and largest[LANES + lane] <= _MOST_FOURTHS * seen[_LEAST_FOURTHS + lane]
        poison[lane] = 0.0 if good else math.nan


@cache
def sliding_moments(powers: int, paired: bool) -> Callable[..., int]:
    """The kernel for sums of so many powers (2 to 4), with the lag-1 correlation or without it.

    Parameters
    ----------
    powers : int
        Highest power: 2 for the variance, 3 for skewness, 4 for kurtosis.
    paired : bool
        Whether to sum products of neighbours for the correlation.

    Returns
    -------
    callable
        A kernel with the arguments and the result of :func:`ews._kernels.tiles.tiled_moments`, for all statistics but
        the mean. Blocks are of :data:`BLOCK` outputs, and a block in the list is to be done again. It gives up on a
        single row, and returns −1, where many of its first blocks are listed.
    """

    @kernel
    def sliding(
        x: FloatArray,
        rows: int,
        stride: int,
        n: int,
        window: int,
        tile: int,
        count: int,
        slots: IntArray,
        starts: IntArray,
        where: IntArray,
        width: int,
        past_cache: int,
        unsafe: IntArray,
        out: FloatArray,
    ) -> int:
        entering, leaving = work_array(BLOCK * LANES), work_array(BLOCK * LANES)
        sums, seen = work_array(BLOCK * STEP), work_array(5 * LANES)
        largest, poison = work_array(2 * LANES), work_array(LANES)
        base, to = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
        taken = np.empty(LANES, dtype=np.int64)
        size = float(window)
        per_n, per_n1 = splat(1.0 / size), splat(1.0 / (size - 1.0))
        held, pairs = splat(size - 1.0), splat(size - 2.0)
        # G1 = g1 sqrt(n(n−1))/(n−2), G2 = (n−1)/((n−2)(n−3)) ((n+1) g2 + 6): Joanes & Gill (1998),
        # J. R. Stat. Soc. D 47, 183.
        to_g1 = splat(math.sqrt(size * (size - 1.0) * size) / (size - 2.0))
        to_g2 = splat((size - 1.0) * (size + 1.0) * size / ((size - 2.0) * (size - 3.0)))
        offset = splat(-3.0 * (size - 1.0) * (size - 1.0) / ((size - 2.0) * (size - 3.0)))
        found = 0
        for first_tile in range(0, rows * count, LANES):
            if rows == 1 and first_tile == _tried(count) and _gives_up(found, first_tile, tile):
                return -1
            shared = place_lanes(first_tile, rows, stride, n, window, tile, count, where, width, base, to, taken)
            # The first anchor, from a few samples of the first window.
            oldest, newest = gather(x, base, 0), splat(0.0)
            anchor = oldest
            for k in range(1, 8):
                anchor = anchor + gather(x, base, k * (window - 2) // 7)
            anchor = splat(0.125) * anchor
            # All of the first window but its last sample.
            s1, s2, s3, s4, product, last = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for done in range(0, window - 1, BLOCK):
                here = min(BLOCK, window - 1 - done)
                to_lanes(x, base, done, here, entering)
                for j in range(here):
                    newest = load(entering, j * LANES)
                    d = newest - anchor
                    square = d * d
                    s1, s2 = s1 + d, s2 + square
                    if powers > 2:
                        s3 = multiply_add(square, d, s3)
                    if powers > 3:
                        s4 = multiply_add(square, square, s4)
                    if paired:
                        product = multiply_add(d, last, product)
                        last = d
            store(largest, 0, s2)
            store(largest, LANES, s4)
            for block in range((tile + BLOCK - 1) // BLOCK):
                done = block * BLOCK
                here = min(BLOCK, tile - done)
                to_lanes(x, base, window - 1 + done, here, entering)
                to_lanes(x, base, done + 1, here, leaving)
                # The anchor moves to the mean, and the sums with it.
                moved = anchor + s1 * per_n1
                shift = moved - anchor
                back = shift * held
                if paired:
                    ends = (oldest - anchor) + (last - (s1 + s1))
                    product = multiply_add(shift, multiply_add(shift, pairs, ends), product)
                if powers > 3:
                    inner = multiply_add(shift, back - 4.0 * s1, 6.0 * s2)
                    s4 = multiply_add(shift, multiply_add(shift, inner, -4.0 * s3), s4)
                if powers > 2:
                    s3 = multiply_add(shift, multiply_add(shift, 3.0 * s1 - back, -3.0 * s2), s3)
                s2 = multiply_add(shift, back - (s1 + s1), s2)
                s1 = s1 - back
                anchor = moved
                first, last = oldest - anchor, newest - anchor
                former = multiply_add(-(s1 * per_n1), s1, s2)
                low, low_pairs, low_fourths = splat(math.inf), splat(math.inf), splat(math.inf)
                if paired:
                    low_pairs = former
                store(seen, _SQUARES, s2)
                store(seen, _FOURTHS, s4)
                for j in range(here):
                    at = j * STEP
                    newest = load(entering, j * LANES)
                    d = newest - anchor
                    square = d * d
                    earlier1 = s1
                    s1, s2 = s1 + d, s2 + square
                    mu = s1 * per_n
                    squared = mu * s1
                    m2 = s2 - squared
                    low = least(m2, low)
                    store(sums, at + _SECOND, m2)
                    if powers > 2:
                        s3 = multiply_add(square, d, s3)
                        thrice = m2 + (m2 + m2)
                        inner = squared + thrice
                        m3 = multiply_add(-mu, inner, s3)
                        store(sums, at + _THIRD, m3)
                        if powers > 3:
                            s4 = multiply_add(square, square, s4)
                            twice = m3 + m3
                            most = multiply_add(mu, inner + thrice, twice + twice)
                            m4 = multiply_add(-mu, most, s4)
                            low_fourths = least(m4, low_fourths)
                            store(sums, at + _FOURTH, m4)
                    gone = first * first
                    s1, s2 = s1 - first, s2 - gone
                    if powers > 2:
                        s3 = multiply_add(-gone, first, s3)
                    if powers > 3:
                        s4 = multiply_add(-gone, gone, s4)
                    oldest = load(leaving, j * LANES)
                    following = oldest - anchor
                    if paired:
                        # The later members of the pairs are what is held now, the earlier ones what was held before.
                        product = multiply_add(d, last, product)
                        last = d
                        mean_u = s1 * per_n1
                        uu = multiply_add(-mean_u, s1, s2)
                        low_pairs = least(uu, low_pairs)
                        store(sums, at + _SPREAD, uu * former)
                        store(sums, at + _PRODUCT, multiply_add(-mean_u, earlier1, product))
                        former = uu
                        product = multiply_add(-first, following, product)
                    first = following
                store(seen, _LEAST, low)
                store(seen, _LEAST_PAIRS, low_pairs)
                store(seen, _LEAST_FOURTHS, low_fourths)
                store(seen, _SQUARES, load(seen, _SQUARES) + s2)
                store(seen, _FOURTHS, load(seen, _FOURTHS) + s4)
                _look(seen, largest, poison)
                found = note(poison, first_tile, rows * count, block, unsafe, found)
                # Statistics.
                for j in range(here):
                    at = j * STEP
                    m2 = load(sums, at + _SECOND)
                    store(sums, at + _SECOND, m2 * per_n1)
                    if powers > 2:
                        root = inverse_roots(m2)
                        per_m2 = root * root
                        store(sums, at + _THIRD, (to_g1 * load(sums, at + _THIRD)) * (root * per_m2))
                        if powers > 3:
                            scaled = to_g2 * load(sums, at + _FOURTH)
                            store(sums, at + _FOURTH, multiply_add(scaled, per_m2 * per_m2, offset))
                if paired:
                    for j in range(here):
                        at = j * STEP
                        root = inverse_roots(load(sums, at + _SPREAD))
                        store(sums, at + _PRODUCT, clipped(load(sums, at + _PRODUCT) * root))
                write(sums, here, slots, starts, out, to, done, past_cache, taken, shared)
        settle()
        return found

    return sliding
