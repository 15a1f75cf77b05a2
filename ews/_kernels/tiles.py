"""The passes behind rolling moments: several tiles of windows at once, one in each lane of a vector register.

Neighbouring outputs share a tile, and all windows of a tile a middle part. Its mean is the tile's anchor, and powers of
(x − anchor) are summed from the middle outwards: leftwards for what a window has before the middle, rightwards for what
it has after it. A window is the sum of both. Nothing is ever subtracted out, so that a window's result depends on that
window alone; and as the middle is a quarter of the window (of the shortest, a tenth), the window's mean lies within two
(three) standard deviations of the anchor, so that central moments lose next to no digits.

From sums to statistics it goes in short loops, since the chain from one to the other is longer than what a processor
has in flight.
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
    LINE,
    clipped,
    expect,
    from_lanes,
    gather,
    inverse_roots,
    load,
    safe,
    safe_product,
    settle,
    splat,
    store,
    stream_lanes,
    to_lanes,
)

__all__ = ["BLOCK", "LONG", "SHORTEST", "place_tiles", "tile_begin", "tiled_moments", "tiled_pairs", "tiled_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCK = 64  # outputs of each tile whose sums lie in the first-level cache at once
LONG = 200_000  # numbers to write: they would drive each other out of the cache
SHORTEST = 10  # samples in a window: shorter ones have no tile of a line and a middle

# Rows of the work array for one step of all lanes: statistics 0 to 4 take the places of the sums they are made from.
_FIRST, _SECOND, _THIRD, _FOURTH, _PRODUCT, _SPREAD, _STEP = (LANES * k for k in range(7))


_PAGE = 512  # numbers, tiles of which would share the same few places of the first-level cache


def place_tiles(n: int, window: int) -> tuple[int, int]:
    """How long tiles are, and how many there are in a row; see :func:`tile_begin`.

    Of (n, window) alone, so that a row comes out the same, bit for bit, whatever other rows it is with.
    """
    outputs, around = n - window + 1, n - (window - 1) // LINE * LINE
    longest = max(LINE, 3 * (window - 1) // 4 // LINE * LINE)
    count = -(-around // longest)
    if around > 4096 and count < 64:  # a single row fills all lanes, however many
        count = -(-count // 8) * 8
    tile = -(-around // (count * LINE)) * LINE
    if tile > _PAGE // 2 and min(tile % _PAGE, -tile % _PAGE) < _PAGE // 8:
        tile -= _PAGE // 4
    tile = min(tile, outputs // LINE * LINE)
    return tile, -(-around // tile)


@kernel
def tile_begin(place: int, n: int, window: int, tile: int) -> int:
    """The first output of a tile: the first and the last meet the ends, those between begin at whole lines of cache.

    All are of one length, so that neighbours may overlap there.
    """
    if place == 0:
        return window - 1
    return min((window - 1) // LINE * LINE + place * tile, n - tile)


@kernel
def _work_array(size: int) -> FloatArray:
    """Memory from a whole line of cache on: vector registers are loaded fastest from there."""
    memory = np.empty(size + LINE)
    return memory[-(memory.ctypes.data // 8) % LINE :]


@kernel
def _place(
    first: int,
    rows: int,
    stride: int,
    n: int,
    window: int,
    tile: int,
    count: int,
    where: IntArray,
    width: int,
    base: IntArray,
    to: IntArray,
    taken: IntArray,
) -> int:
    """Where the windows of the next tiles begin, and their outputs go; the last tile stands in for those beyond.

    Of the outputs of a tile the first `taken` are those of the one before it, whichever of them is worked on first: the
    most of these are returned.
    """
    most = 0
    for lane in range(LANES):
        job = min(first + lane, rows * count - 1)
        row = job // count
        begin = tile_begin(job % count, n, window, tile)
        base[lane] = row * stride + begin - window + 1
        to[lane] = where[row] * width + begin
        place = job % count
        taken[lane] = tile_begin(place - 1, n, window, tile) + tile - begin if place > 0 else 0
        most = max(most, taken[lane])
    return most


@kernel
def _note(poison: FloatArray, first: int, jobs: int, block: int, unsafe: IntArray, found: int) -> int:
    """Add the tiles that hold a NaN in this block to the list (tile, block)."""
    for lane in range(LANES):
        if math.isnan(poison[lane]) and first + lane < jobs:
            unsafe[found, 0], unsafe[found, 1] = first + lane, block
            found += 1
    return found


@kernel
def _write(
    sums: FloatArray,
    count: int,
    slots: IntArray,
    starts: IntArray,
    out: FloatArray,
    to: IntArray,
    done: int,
    past_cache: int,
    taken: IntArray,
    shared: int,
) -> None:
    """Statistics of a block of each tile to where they belong, past the cache where asked for and where lines allow."""
    own = min(max(shared - done + LINE - 1, 0) // LINE * LINE, count)  # from here on all belong to their tiles
    for k in range(slots.size):
        for lane in range(LANES):
            for j in range(max(taken[lane] - done, 0), own):
                out[starts[k] + to[lane] + done + j] = sums[j * _STEP + slots[k] * LANES + lane]
        behind = 0
        for lane in range(LANES):
            behind |= past_cache + starts[k] + to[lane] + done
        if past_cache >= 0 and behind % LINE == 0:
            for j in range(own, count, LINE):
                stream_lanes(sums, j * _STEP + slots[k] * LANES, _STEP, out, to, starts[k] + done + j)
        else:
            for j in range(own, count, LINE):
                from_lanes(sums, j * _STEP + slots[k] * LANES, _STEP, out, to, starts[k] + done + j)


@cache
def tiled_moments(powers: int, paired: bool, levels: bool) -> Callable[..., int]:
    """The kernel for sums of so many powers (2 to 4), with the lag-1 correlation or without it.

    Parameters
    ----------
    powers : int
        Highest power: 2 for mean and variance, 3 for skewness, 4 for kurtosis.
    paired : bool
        Whether to sum products of neighbours for the correlation.
    levels : bool
        Whether means are asked for.

    Returns
    -------
    callable
        A kernel of ``(x, rows, stride, n, window, tile, count, slots, starts, where, width, past_cache, unsafe, out)``:
        `rows` rows of `n` samples begin every `stride` samples of `x`, with `count` tiles each (:func:`place_tiles`).
        Statistic slots[k] of row r and time t goes to out[starts[k] + where[r] width + t]; past the cache where
        `past_cache` is not negative, and then how many numbers `out` begins behind a whole line of it. It returns how
        many blocks it has listed in `unsafe`, as (tile, block): some windows in these are beyond the safe scale, their
        statistics NaN.
    """

    @kernel
    def tiled(
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
        blocks = (tile + BLOCK - 1) // BLOCK
        samples, sums = _work_array(BLOCK * LANES), _work_array((BLOCK + 1) * _STEP)
        kept, before = _work_array(blocks * _STEP), _work_array(tile * LANES)
        base, to = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
        taken = np.empty(LANES, dtype=np.int64)
        middle = window - 1 - tile
        size = float(window)
        per_n, per_n1 = splat(1.0 / size), splat(1.0 / (size - 1.0))
        # G1 = g1 sqrt(n(n−1))/(n−2), G2 = (n−1)/((n−2)(n−3)) ((n+1) g2 + 6): Joanes & Gill (1998),
        # J. R. Stat. Soc. D 47, 183.
        to_g1 = splat(math.sqrt(size * (size - 1.0) * size) / (size - 2.0))
        to_g2 = splat((size - 1.0) * (size + 1.0) * size / ((size - 2.0) * (size - 3.0)))
        offset = splat(-3.0 * (size - 1.0) * (size - 1.0) / ((size - 2.0) * (size - 3.0)))
        found = 0
        for first_tile in range(0, rows * count, LANES):
            shared = _place(first_tile, rows, stride, n, window, tile, count, where, width, base, to, taken)
            # The anchor, from the first sample of the middle, so that the mean of a constant is exact.
            origin = gather(x, base, tile)
            total, other = splat(0.0), splat(0.0)
            for done in range(0, middle, BLOCK):
                here = min(BLOCK, middle - done)
                to_lanes(x, base, tile + done, here, samples)
                for j in range(0, here - 1, 2):
                    total = total + (load(samples, j * LANES) - origin)
                    other = other + (load(samples, (j + 1) * LANES) - origin)
                if here % 2 == 1:
                    total = total + (load(samples, (here - 1) * LANES) - origin)
            anchor = multiply_add(splat(1.0 / middle), total + other, origin)
            # The middle.
            s1, s2, s3, s4, product, last = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for done in range(0, middle, BLOCK):
                here = min(BLOCK, middle - done)
                to_lanes(x, base, tile + done, here, samples)
                for j in range(here):
                    d = load(samples, j * LANES) - anchor
                    square = d * d
                    s1, s2 = s1 + d, s2 + square
                    if powers > 2:
                        s3 = multiply_add(square, d, s3)
                    if powers > 3:
                        s4 = multiply_add(square, square, s4)
                    if paired:
                        product = multiply_add(d, last, product)
                        last = d
            # What each block has on its right, up to the end of the middle: from the inside out.
            ahead = origin - anchor
            for block in range(blocks - 1, -1, -1):
                at = block * _STEP
                store(kept, at, s1)
                store(kept, at + _SECOND, s2)
                store(kept, at + _THIRD, s3)
                store(kept, at + _FOURTH, s4)
                store(kept, at + _PRODUCT, product)
                store(kept, at + _SPREAD, ahead)
                here = min(BLOCK, tile - block * BLOCK)
                to_lanes(x, base, block * BLOCK, here, before[block * BLOCK * LANES :])
                if block > 0:
                    for j in range(block * BLOCK + here - 1, block * BLOCK - 1, -1):
                        d = load(before, j * LANES) - anchor
                        square = d * d
                        s1, s2 = s1 + d, s2 + square
                        if powers > 2:
                            s3 = multiply_add(square, d, s3)
                        if powers > 3:
                            s4 = multiply_add(square, square, s4)
                        if paired:
                            product = multiply_add(d, ahead, product)
                            ahead = d
            r1, r2, r3, r4, right = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for block in range(blocks):
                here = min(BLOCK, tile - block * BLOCK)
                # Leftwards: the sums of each window up to the end of the middle.
                at = block * _STEP
                s1, s2, s3, s4 = (
                    load(kept, at),
                    load(kept, at + _SECOND),
                    load(kept, at + _THIRD),
                    load(kept, at + _FOURTH),
                )
                product, ahead = load(kept, at + _PRODUCT), load(kept, at + _SPREAD)
                store(sums, here * _STEP, s1)
                store(sums, here * _STEP + _SECOND, s2)
                # What the next tiles read for the first time, as much as is worked on here.
                for j in range(0, here * LANES, LINE):
                    expect(x, base[0] + window - 1 + (tile + block * BLOCK) * LANES + j)
                for j in range(here - 1, -1, -1):
                    d = load(before, (block * BLOCK + j) * LANES) - anchor
                    square = d * d
                    s1, s2 = s1 + d, s2 + square
                    at = j * _STEP
                    store(sums, at, s1)
                    store(sums, at + _SECOND, s2)
                    if powers > 2:
                        s3 = multiply_add(square, d, s3)
                        store(sums, at + _THIRD, s3)
                    if powers > 3:
                        s4 = multiply_add(square, square, s4)
                        store(sums, at + _FOURTH, s4)
                    if paired:
                        product = multiply_add(d, ahead, product)
                        ahead = d
                        store(sums, at + _PRODUCT, product)
                # Rightwards: what a window has after the middle, and central sums.
                to_lanes(x, base, window - 1 + block * BLOCK, here, samples)
                for j in range(here):
                    d = load(samples, j * LANES) - anchor
                    square = d * d
                    earlier1, earlier2 = r1, r2
                    r1, r2 = r1 + d, r2 + square
                    at = j * _STEP
                    left1, left2 = load(sums, at), load(sums, at + _SECOND)
                    sum1 = left1 + r1
                    mu = sum1 * per_n
                    first = mu * sum1
                    m2 = (left2 + r2) - first
                    if levels:
                        store(sums, at, anchor + mu)
                    store(sums, at + _SECOND, m2)
                    if powers > 2:
                        r3 = multiply_add(square, d, r3)
                        thrice = m2 + (m2 + m2)
                        inner = first + thrice
                        m3 = multiply_add(-mu, inner, load(sums, at + _THIRD) + r3)
                        store(sums, at + _THIRD, m3)
                        if powers > 3:
                            r4 = multiply_add(square, square, r4)
                            twice = m3 + m3
                            most = multiply_add(mu, inner + thrice, twice + twice)
                            m4 = multiply_add(-mu, most, load(sums, at + _FOURTH) + r4)
                            store(sums, at + _FOURTH, m4)
                    if paired:
                        right = multiply_add(d, last, right)
                        last = d
                        # The later members of the pairs, and the earlier ones.
                        u1, u2 = load(sums, at + _STEP) + r1, load(sums, at + _STEP + _SECOND) + r2
                        v1, v2 = left1 + earlier1, left2 + earlier2
                        mean_u = u1 * per_n1
                        uu = multiply_add(-mean_u, u1, u2)
                        vv = multiply_add(-(v1 * per_n1), v1, v2)
                        uv = multiply_add(-mean_u, v1, load(sums, at + _PRODUCT) + right)
                        store(sums, at + _SPREAD, safe_product(uu, vv))
                        store(sums, at + _PRODUCT, uv)
                # Statistics.
                poison = splat(0.0)
                for j in range(here):
                    at = j * _STEP
                    m2 = safe(load(sums, at + _SECOND))
                    poison = poison + m2
                    if levels:
                        store(sums, at, load(sums, at) + (m2 - m2))
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
                        at = j * _STEP
                        spread = load(sums, at + _SPREAD)
                        poison = poison + spread
                        store(sums, at + _PRODUCT, clipped(load(sums, at + _PRODUCT) * inverse_roots(spread)))
                store(samples, 0, poison)
                _write(sums, here, slots, starts, out, to, block * BLOCK, past_cache, taken, shared)
                found = _note(samples, first_tile, rows * count, block, unsafe, found)
        settle()
        return found

    return tiled


@cache
def tiled_rows(powers: int, paired: bool, levels: bool) -> Callable[..., IntArray]:
    """The kernel of :func:`tiled_moments` for whole rows: one call does all, since Python around it is what costs.

    Parameters
    ----------
    powers, paired, levels : int, bool, bool
        As there.

    Returns
    -------
    callable
        A kernel of ``(x, first_row, last_row, window, tile, count, slots, memory)``: statistic slots[k] of each row,
        NaN before the first whole window, goes to row k of `memory`, row by row. It returns the blocks that are listed.
    """
    tiled = tiled_moments(powers, paired, levels)

    @kernel
    def whole(
        x: FloatArray,
        first_row: int,
        last_row: int,
        window: int,
        tile: int,
        count: int,
        slots: IntArray,
        memory: FloatArray,
    ) -> IntArray:
        rows, n = last_row - first_row, x.shape[1]
        unsafe = np.empty((rows * count * -(-tile // BLOCK), 2), dtype=np.int64)
        for k in range(slots.size):
            for row in range(first_row, last_row):
                memory[k, row * n : row * n + window - 1] = math.nan
        out = memory.reshape(-1)
        starts, where = np.arange(slots.size) * memory.shape[1], np.arange(first_row, last_row)
        behind = out.ctypes.data // 8 % LINE if rows * n * slots.size >= LONG else -1
        part = x[first_row:last_row].reshape(-1)
        found = tiled(part, rows, n, n, window, tile, count, slots, starts, where, n, behind, unsafe, out)
        return unsafe[:found]

    return whole


@kernel
def tiled_pairs(
    x: FloatArray,
    rows: int,
    stride: int,
    n: int,
    window: int,
    lag: int,
    tile: int,
    count: int,
    starts: IntArray,
    where: IntArray,
    width: int,
    past_cache: int,
    unsafe: IntArray,
    out: FloatArray,
) -> int:
    """Correlation at any lag: as :func:`tiled_moments`, of pairs, each member with an anchor of its own.

    A window is one of pairs here, `window` its number of them, and `tile` and `count` those of n − lag pairs in such
    windows. Its one statistic goes to out[starts[0] + …].
    """
    pairs = window
    blocks = (tile + BLOCK - 1) // BLOCK
    earlier, later = _work_array(BLOCK * LANES), _work_array(BLOCK * LANES)
    sums, kept = _work_array(BLOCK * _STEP), _work_array(blocks * _STEP)
    base, to = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    taken = np.empty(LANES, dtype=np.int64)
    middle = pairs - 1 - tile
    per_pair, per_middle = splat(1.0 / pairs), splat(1.0 / middle)
    slot, later_starts = np.zeros(1, dtype=np.int64), starts + lag
    found = 0
    for first_tile in range(0, rows * count, LANES):
        shared = _place(first_tile, rows, stride, n - lag, pairs, tile, count, where, width, base, to, taken)
        origin_u, origin_v = gather(x, base, tile + lag), gather(x, base, tile)
        total_u, total_v = splat(0.0), splat(0.0)
        for done in range(0, middle, BLOCK):
            here = min(BLOCK, middle - done)
            to_lanes(x, base, tile + done, here, earlier)
            to_lanes(x, base, tile + done + lag, here, later)
            for j in range(here):
                total_u = total_u + (load(later, j * LANES) - origin_u)
                total_v = total_v + (load(earlier, j * LANES) - origin_v)
        anchor_u = multiply_add(per_middle, total_u, origin_u)
        anchor_v = multiply_add(per_middle, total_v, origin_v)
        u1, v1, u2, v2, uv = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for done in range(0, middle, BLOCK):
            here = min(BLOCK, middle - done)
            to_lanes(x, base, tile + done, here, earlier)
            to_lanes(x, base, tile + done + lag, here, later)
            for j in range(here):
                u, v = load(later, j * LANES) - anchor_u, load(earlier, j * LANES) - anchor_v
                u1, v1, u2, v2 = u1 + u, v1 + v, multiply_add(u, u, u2), multiply_add(v, v, v2)
                uv = multiply_add(u, v, uv)
        for block in range(blocks - 1, -1, -1):
            at = block * _STEP
            store(kept, at, u1)
            store(kept, at + _SECOND, u2)
            store(kept, at + _THIRD, v1)
            store(kept, at + _FOURTH, v2)
            store(kept, at + _PRODUCT, uv)
            if block > 0:
                here = min(BLOCK, tile - block * BLOCK)
                to_lanes(x, base, block * BLOCK, here, earlier)
                to_lanes(x, base, block * BLOCK + lag, here, later)
                for j in range(here - 1, -1, -1):
                    u, v = load(later, j * LANES) - anchor_u, load(earlier, j * LANES) - anchor_v
                    u1, v1, u2, v2 = u1 + u, v1 + v, multiply_add(u, u, u2), multiply_add(v, v, v2)
                    uv = multiply_add(u, v, uv)
        r1, r2, q1, q2, right = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for block in range(blocks):
            at = block * _STEP
            u1, u2, v1, v2 = load(kept, at), load(kept, at + _SECOND), load(kept, at + _THIRD), load(kept, at + _FOURTH)
            uv = load(kept, at + _PRODUCT)
            here = min(BLOCK, tile - block * BLOCK)
            to_lanes(x, base, block * BLOCK, here, earlier)
            to_lanes(x, base, block * BLOCK + lag, here, later)
            for j in range(here - 1, -1, -1):
                u, v = load(later, j * LANES) - anchor_u, load(earlier, j * LANES) - anchor_v
                u1, v1, u2, v2 = u1 + u, v1 + v, multiply_add(u, u, u2), multiply_add(v, v, v2)
                uv = multiply_add(u, v, uv)
                at = j * _STEP
                store(sums, at, u1)
                store(sums, at + _SECOND, u2)
                store(sums, at + _THIRD, v1)
                store(sums, at + _FOURTH, v2)
                store(sums, at + _PRODUCT, uv)
            to_lanes(x, base, pairs - 1 + block * BLOCK, here, earlier)
            to_lanes(x, base, pairs - 1 + block * BLOCK + lag, here, later)
            poison = splat(0.0)
            for j in range(here):
                u, v = load(later, j * LANES) - anchor_u, load(earlier, j * LANES) - anchor_v
                r1, q1, r2, q2 = r1 + u, q1 + v, multiply_add(u, u, r2), multiply_add(v, v, q2)
                right = multiply_add(u, v, right)
                at = j * _STEP
                sum_u, sum_v = load(sums, at) + r1, load(sums, at + _THIRD) + q1
                mean_u = sum_u * per_pair
                uu = multiply_add(-mean_u, sum_u, load(sums, at + _SECOND) + r2)
                vv = multiply_add(-(sum_v * per_pair), sum_v, load(sums, at + _FOURTH) + q2)
                spread = safe_product(uu, vv)
                poison = poison + spread
                both = multiply_add(-mean_u, sum_v, load(sums, at + _PRODUCT) + right)
                store(sums, at, clipped(both * inverse_roots(spread)))
            store(later, 0, poison)
            _write(sums, here, slot, later_starts, out, to, block * BLOCK, past_cache, taken, shared)
            found = _note(later, first_tile, rows * count, block, unsafe, found)
    settle()
    return found
