"""Sums over the windows of one tile of neighbouring outputs, each window summed from the tile's middle outwards.

All windows of a tile share a middle part; its mean is the tile's anchor, and powers of (x − anchor) are summed from the
middle outwards: leftwards for what a window has before the middle, rightwards for what it has after it. A window is the
sum of the three parts. Nothing is ever subtracted out, so that a window's result depends on that window alone; and as
the middle is a fair share of every window, the window's mean lies within about one standard deviation of the anchor, so
that central moments lose no digits.

Running sums are kept two by two, as the parts of a complex number: the loops that make them are bound by stores, and a
pair is one store.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel

__all__ = ["LANES", "accumulate", "accumulate_high", "shared_mean", "shared_powers", "shared_product"]

FloatArray = npt.NDArray[np.float64]
PairArray = npt.NDArray[np.complex128]

LANES = 32  # partial sums of the middle, side by side, so that they run in vector registers
_SECOND, _THIRD, _FOURTH = LANES, 2 * LANES, 3 * LANES


@kernel
def shared_mean(x: FloatArray, start: int, stop: int, lanes: FloatArray) -> float:
    """Mean of x[start:stop]: its first value plus the mean deviation from it, so that a constant comes out exact."""
    origin = x[start]
    length = stop - start
    total, place = 0.0, start
    if length >= LANES:
        for lane in range(LANES):
            lanes[lane] = 0.0
        while place + LANES <= stop:
            part = x[place : place + LANES]
            for lane in range(LANES):
                lanes[lane] += part[lane] - origin
            place += LANES
        for lane in range(LANES):
            total += lanes[lane]
    for i in range(place, stop):
        total += x[i] - origin
    return np.float64(origin + total / length)


@kernel
def shared_powers(x: FloatArray, start: int, stop: int, anchor: float, lanes: FloatArray, middle: FloatArray) -> None:
    """Sums of the first four powers of x[start:stop] − anchor, into the first four places of `middle`."""
    s1, s2, s3, s4, place = 0.0, 0.0, 0.0, 0.0, start
    if stop - start >= 2 * LANES:
        for lane in range(4 * LANES):
            lanes[lane] = 0.0
    while place + 2 * LANES <= stop:
        part = x[place : place + 2 * LANES]
        for lane in range(LANES):
            d, e = part[lane] - anchor, part[lane + LANES] - anchor
            dd, ee = d * d, e * e
            lanes[lane] += d + e
            lanes[lane + _SECOND] += dd + ee
            lanes[lane + _THIRD] = multiply_add(dd, d, multiply_add(ee, e, lanes[lane + _THIRD]))
            lanes[lane + _FOURTH] = multiply_add(dd, dd, multiply_add(ee, ee, lanes[lane + _FOURTH]))
        place += 2 * LANES
    if place > start:
        for lane in range(LANES):
            s1 += lanes[lane]
            s2 += lanes[lane + _SECOND]
            s3 += lanes[lane + _THIRD]
            s4 += lanes[lane + _FOURTH]
    for i in range(place, stop):
        d = x[i] - anchor
        dd = d * d
        s1 += d
        s2 += dd
        s3 += dd * d
        s4 += dd * dd
    middle[0], middle[1], middle[2], middle[3] = s1, s2, s3, s4


@kernel
def shared_product(x: FloatArray, start: int, stop: int, lag: int, anchor: float, lanes: FloatArray) -> float:
    """Sum of (x[i] − anchor)(x[i + lag] − anchor) over i in [start, stop)."""
    total, place = 0.0, start
    if stop - start >= LANES:
        for lane in range(LANES):
            lanes[lane] = 0.0
    while place + LANES <= stop:
        part = x[place : place + LANES]
        later = x[place + lag : place + lag + LANES]
        for lane in range(LANES):
            lanes[lane] = multiply_add(part[lane] - anchor, later[lane] - anchor, lanes[lane])
        place += LANES
    if place > start:
        for lane in range(LANES):
            total += lanes[lane]
    for i in range(place, stop):
        total += (x[i] - anchor) * (x[i + lag] - anchor)
    return total


@kernel
def accumulate(
    ahead: FloatArray,
    partner: FloatArray,
    anchor: float,
    count: int,
    state: FloatArray,
    low: PairArray,
    product: FloatArray,
) -> None:
    """Running sums of d, d² and of d times its partner's deviation, where d = ahead[j] − anchor and j runs outwards.

    `state` holds the five sums before and after. `ahead` and `partner` are views that begin at the middle and go left
    or right; so are `low` and `product`, where the sums are kept.
    """
    s1, s2, uv = state[0], state[1], state[4]
    for j in range(count):
        d = ahead[j] - anchor
        s1 += d
        s2 += d * d
        uv += d * (partner[j] - anchor)
        low[j] = complex(s1, s2)
        product[j] = uv
    state[0], state[1], state[4] = s1, s2, uv


@kernel
def accumulate_high(
    ahead: FloatArray,
    partner: FloatArray,
    anchor: float,
    count: int,
    state: FloatArray,
    low: PairArray,
    high: PairArray,
    product: FloatArray,
) -> None:
    """The same, with the third and fourth powers."""
    s1, s2, s3, s4, uv = state[0], state[1], state[2], state[3], state[4]
    for j in range(count):
        d = ahead[j] - anchor
        dd = d * d
        s1 += d
        s2 += dd
        s3 += dd * d
        s4 += dd * dd
        uv += d * (partner[j] - anchor)
        low[j] = complex(s1, s2)
        high[j] = complex(s3, s4)
        product[j] = uv
    state[0], state[1], state[2], state[3], state[4] = s1, s2, s3, s4, uv
