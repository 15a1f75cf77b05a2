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
    gather,
    inverse_roots,
    load,
    safe,
    safe_product,
    settle,
    splat,
    store,
    to_lanes,
)
from ews._kernels.sharing import STEP, note, place_lanes, work_array, write

__all__ = ["BLOCK", "SHORTEST", "longest_tile", "tiled_moments", "tiled_pairs"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCK = 64  # outputs of each tile whose sums lie in the first-level cache at once
SHORTEST = 10  # samples in a window: shorter ones have no tile of a line and a middle

# Places in a work array, within the numbers of one step.
_SECOND, _THIRD, _FOURTH, _PRODUCT, _SPREAD = (LANES * k for k in range(1, 6))


def longest_tile(window: int) -> int:
    """So many outputs that their windows share a quarter of a window, or a little less of a short one."""
    return 3 * (window - 1) // 4


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
        samples, sums = work_array(BLOCK * LANES), work_array((BLOCK + 1) * STEP)
        kept, before = work_array(blocks * STEP), work_array(tile * LANES)
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
            shared = place_lanes(first_tile, rows, stride, n, window, tile, count, where, width, base, to, taken)
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
                at = block * STEP
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
                at = block * STEP
                s1, s2, s3, s4 = (
                    load(kept, at),
                    load(kept, at + _SECOND),
                    load(kept, at + _THIRD),
                    load(kept, at + _FOURTH),
                )
                product, ahead = load(kept, at + _PRODUCT), load(kept, at + _SPREAD)
                store(sums, here * STEP, s1)
                store(sums, here * STEP + _SECOND, s2)
                # What the next tiles read for the first time, as much as is worked on here.
                for j in range(0, here * LANES, LINE):
                    expect(x, base[0] + window - 1 + (tile + block * BLOCK) * LANES + j)
                for j in range(here - 1, -1, -1):
                    d = load(before, (block * BLOCK + j) * LANES) - anchor
                    square = d * d
                    s1, s2 = s1 + d, s2 + square
                    at = j * STEP
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
                    at = j * STEP
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
                        u1, u2 = load(sums, at + STEP) + r1, load(sums, at + STEP + _SECOND) + r2
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
                    at = j * STEP
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
                        at = j * STEP
                        spread = load(sums, at + _SPREAD)
                        poison = poison + spread
                        store(sums, at + _PRODUCT, clipped(load(sums, at + _PRODUCT) * inverse_roots(spread)))
                store(samples, 0, poison)
                write(sums, here, slots, starts, out, to, block * BLOCK, past_cache, taken, shared)
                found = note(samples, first_tile, rows * count, block, unsafe, found)
        settle()
        return found

    return tiled


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
    earlier, later = work_array(BLOCK * LANES), work_array(BLOCK * LANES)
    sums, kept = work_array(BLOCK * STEP), work_array(blocks * STEP)
    base, to = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    taken = np.empty(LANES, dtype=np.int64)
    middle = pairs - 1 - tile
    per_pair, per_middle = splat(1.0 / pairs), splat(1.0 / middle)
    slot, later_starts = np.zeros(1, dtype=np.int64), starts + lag
    found = 0
    for first_tile in range(0, rows * count, LANES):
        shared = place_lanes(first_tile, rows, stride, n - lag, pairs, tile, count, where, width, base, to, taken)
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
            at = block * STEP
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
            at = block * STEP
            u1, u2, v1, v2 = load(kept, at), load(kept, at + _SECOND), load(kept, at + _THIRD), load(kept, at + _FOURTH)
            uv = load(kept, at + _PRODUCT)
            here = min(BLOCK, tile - block * BLOCK)
            to_lanes(x, base, block * BLOCK, here, earlier)
            to_lanes(x, base, block * BLOCK + lag, here, later)
            for j in range(here - 1, -1, -1):
                u, v = load(later, j * LANES) - anchor_u, load(earlier, j * LANES) - anchor_v
                u1, v1, u2, v2 = u1 + u, v1 + v, multiply_add(u, u, u2), multiply_add(v, v, v2)
                uv = multiply_add(u, v, uv)
                at = j * STEP
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
                at = j * STEP
                sum_u, sum_v = load(sums, at) + r1, load(sums, at + _THIRD) + q1
                mean_u = sum_u * per_pair
                uu = multiply_add(-mean_u, sum_u, load(sums, at + _SECOND) + r2)
                vv = multiply_add(-(sum_v * per_pair), sum_v, load(sums, at + _FOURTH) + q2)
                spread = safe_product(uu, vv)
                poison = poison + spread
                both = multiply_add(-mean_u, sum_v, load(sums, at + _PRODUCT) + right)
                store(sums, at, clipped(both * inverse_roots(spread)))
            store(later, 0, poison)
            write(sums, here, slot, later_starts, out, to, block * BLOCK, past_cache, taken, shared)
            found = note(later, first_tile, rows * count, block, unsafe, found)
    settle()
    return found
