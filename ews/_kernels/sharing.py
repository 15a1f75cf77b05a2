"""How many rows are shared out: tiles of outputs, one in each lane of a vector register, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.lanes import LANES, LINE, from_lanes, stream_lanes

__all__ = ["LONG", "STEP", "note", "place_lanes", "place_tiles", "tile_begin", "whole_rows", "work_array", "write"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Numbers in a work array for one step of all lanes: seven vectors, in which statistics 0 to 4 take the places of the
# sums they are made from.
STEP = 7 * LANES
LONG = 200_000  # numbers to write: they would drive each other out of the cache

_PAGE = 512  # numbers, tiles of which would share the same few places of the first-level cache


def place_tiles(n: int, window: int, longest: int) -> tuple[int, int]:
    """How long tiles are, `longest` at most, and how many there are in a row; see :func:`tile_begin`.

    Of (n, window) alone, so that a row comes out the same, bit for bit, whatever other rows it is with.
    """
    outputs, around = n - window + 1, n - (window - 1) // LINE * LINE
    longest = max(LINE, longest // LINE * LINE)
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
def work_array(size: int) -> FloatArray:
    """Memory from a whole line of cache on: vector registers are loaded fastest from there."""
    memory = np.empty(size + LINE)
    return memory[-(memory.ctypes.data // 8) % LINE :]


@kernel
def place_lanes(
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
def note(poison: FloatArray, first: int, jobs: int, block: int, unsafe: IntArray, found: int) -> int:
    """Add the tiles that hold a NaN in this block to the list (tile, block)."""
    for lane in range(LANES):
        if math.isnan(poison[lane]) and first + lane < jobs:
            unsafe[found, 0], unsafe[found, 1] = first + lane, block
            found += 1
    return found


@kernel
def write(
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
                out[starts[k] + to[lane] + done + j] = sums[j * STEP + slots[k] * LANES + lane]
        behind = 0
        for lane in range(LANES):
            behind |= past_cache + starts[k] + to[lane] + done
        if past_cache >= 0 and behind % LINE == 0:
            for j in range(own, count, LINE):
                stream_lanes(sums, j * STEP + slots[k] * LANES, STEP, out, to, starts[k] + done + j)
        else:
            for j in range(own, count, LINE):
                from_lanes(sums, j * STEP + slots[k] * LANES, STEP, out, to, starts[k] + done + j)


@cache
def whole_rows(passes: Callable[..., int], block: int) -> Callable[..., tuple[int, IntArray]]:
    """One call that does all for rows as they are, since Python around a kernel costs more than many of its samples.

    Parameters
    ----------
    passes : callable
        A kernel with the arguments of :func:`ews._kernels.tiles.tiled_moments`.
    block : int
        How many outputs of a tile its blocks have.

    Returns
    -------
    callable
        A kernel of ``(x, first_row, last_row, window, tile, count, slots, memory)``: statistic slots[k] of each row,
        NaN before the first whole window, goes to row k of `memory`, row by row. It returns how many blocks were
        listed, negative where `passes` gave up, and the list.
    """

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
    ) -> tuple[int, IntArray]:
        rows, n = last_row - first_row, x.shape[1]
        unsafe = np.empty((rows * count * -(-tile // block), 2), dtype=np.int64)
        for k in range(slots.size):
            for row in range(first_row, last_row):
                memory[k, row * n : row * n + window - 1] = math.nan
        out = memory.reshape(-1)
        starts, where = np.arange(slots.size) * memory.shape[1], np.arange(first_row, last_row)
        behind = out.ctypes.data // 8 % LINE if rows * n * slots.size >= LONG else -1
        part = x[first_row:last_row].reshape(-1)
        found = passes(part, rows, n, n, window, tile, count, slots, starts, where, n, behind, unsafe, out)
        return found, unsafe[: max(found, 0)]

    return whole
