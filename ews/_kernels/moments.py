"""Mean, variance, skewness, kurtosis and lag-k correlation of every window of many rows, in one O(N) pass.

The passes are in ``slides.py`` for long rows, and in ``tiles.py`` for others and for what the former cannot do. What
both leave to others is here: windows of extreme scale or without any variation,
which go by the two-pass definition; rows with a NaN or an infinity, which are worked on with a neighbour in its place,
their windows blanked; rows of fewer outputs than a line of cache; windows too short for a tile.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel, silence
from ews._kernels.lanes import LINE
from ews._kernels.sharing import LONG, place_tiles, tile_begin, whole_rows
from ews._kernels.slides import BLOCK as SLIDE
from ews._kernels.slides import given_up, longest_slide, slides, sliding_moments
from ews._kernels.tiles import BLOCK, SHORTEST, longest_tile, tiled_moments, tiled_pairs
from ews._kernels.two_pass import correlation, moments

__all__ = ["rolling_moments", "rolling_moments_gappy", "rolling_moments_of", "statistics_array"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_CORRELATION = 4


@kernel
def _mend(
    x: FloatArray,
    unsafe: IntArray,
    tile: int,
    count: int,
    window: int,
    lag: int,
    behind: int,
    codes: IntArray,
    starts: IntArray,
    where: IntArray,
    width: int,
    out: FloatArray,
) -> None:
    """The blocks in the list, where statistics are NaN: the two-pass definition of windows beyond the safe scale.

    A constant window has a mean and variance 0, and nothing else. Tiles are of windows that are `behind` shorter.
    """
    n, pairs = x.shape[1], window - lag
    for k in range(unsafe.shape[0]):
        row, place = unsafe[k, 0] // count, unsafe[k, 0] % count
        begin = tile_begin(place, n - behind, window - behind, tile) + behind
        first = begin + unsafe[k, 1] * BLOCK
        start = first - window + 1
        run, before = 0, 0  # equal values in a row that end at t, and at t − lag
        for t in range(start, min(first + BLOCK, begin + tile)):
            run = run + 1 if t > start and x[row, t] == x[row, t - 1] else 1
            if t - lag >= start:
                before = before + 1 if t - lag > start and x[row, t - lag] == x[row, t - lag - 1] else 1
            if t < first:
                continue
            for place in range(codes.size):
                at, code = starts[place] + where[row] * width + t, codes[place]
                if not math.isnan(out[at]):
                    continue
                if code == 4:
                    if run < pairs and before < pairs:
                        out[at] = correlation(x[row, t - pairs + 1 : t + 1], x[row, t - window + 1 : t - lag + 1])
                elif run < window:
                    out[at] = moments(x[row, t - window + 1 : t + 1], code)
                elif code == 0:
                    out[at] = x[row, t]
                elif code == 1:
                    out[at] = 0.0


@kernel
def _finite_copy(x: FloatArray, rows: IntArray, copy: FloatArray) -> None:
    """Rows with a neighbour in the place of each NaN or infinity; where the copy is longer, the last value goes on."""
    for k in range(rows.size):
        last = 0.0
        for t in range(copy.shape[1]):
            if t < x.shape[1] and math.isfinite(x[rows[k], t]):
                last = x[rows[k], t]
            copy[k, t] = last


@kernel
def _blank(x: FloatArray, rows: IntArray, window: int, places: IntArray, out: FloatArray) -> None:
    """NaN for the windows that hold a NaN or an infinity."""
    for row in rows:
        last = -1
        for t in range(x.shape[1]):
            if not math.isfinite(x[row, t]):
                last = t
            if last > t - window:
                for place in places:
                    out[place, row, t] = np.nan


@kernel
def _each_by_itself(
    x: FloatArray,
    first_row: int,
    last_row: int,
    window: int,
    lag: int,
    codes: IntArray,
    places: IntArray,
    out: FloatArray,
) -> None:
    """Window by window, for very short ones and very long lags."""
    for row in range(first_row, last_row):
        last_bad = -1
        for t in range(x.shape[1]):
            if not math.isfinite(x[row, t]):
                last_bad = t
            start = t - window + 1
            for k in range(codes.size):
                if start < 0 or last_bad >= start:
                    out[places[k], row, t] = np.nan
                elif codes[k] == 4:
                    out[places[k], row, t] = correlation(x[row, start + lag : t + 1], x[row, start : t + 1 - lag])
                else:
                    out[places[k], row, t] = moments(x[row, start : t + 1], codes[k])


@cache
def _kind(codes: tuple[int, ...]) -> tuple[int, bool, bool]:
    """What a pass has to sum: the highest power, products of neighbours, levels."""
    return max(2, *(1 + code for code in codes if code != _CORRELATION), 2), _CORRELATION in codes, 0 in codes


def _fill(
    x: FloatArray,
    window: int,
    lag: int,
    codes: IntArray,
    starts: IntArray,
    where: IntArray,
    width: int,
    out: FloatArray,
    *,
    finite: bool,
) -> IntArray:
    """Statistics of all rows of x, to out[starts[k] + where[row] width + t].

    Rows that turn out not to be finite are left as they are and returned; none is looked at where all are `finite`.
    """
    rows, n = x.shape
    behind = 0 if lag == 1 or (codes != _CORRELATION).any() else lag  # a longer lag has passes of its own, over pairs
    tile, count = place_tiles(n - behind, window - behind, longest_tile(window - behind))
    unsafe = np.empty((rows * count * -(-tile // BLOCK), 2), dtype=np.int64)
    past_cache = out.ctypes.data // 8 % LINE if rows * n * codes.size >= LONG else -1
    to = (starts, where, width, past_cache, unsafe, out)
    if behind:
        found = tiled_pairs(x.reshape(-1), rows, n, n, window - lag, lag, tile, count, *to)
    else:
        passes = tiled_moments(*_kind(tuple(codes.tolist())))
        found = passes(x.reshape(-1), rows, n, n, window, tile, count, codes, *to)
    return _mended(x, unsafe[:found], (tile, count), window, lag, behind, codes, starts, where, width, out, finite)


def _not_finite(x: FloatArray, rows: IntArray) -> IntArray:
    """Those of some rows that are not finite, in order."""
    listed: IntArray = np.unique(rows)
    return listed[~np.isfinite(x[listed]).all(axis=1)]


def _mended(
    x: FloatArray,
    unsafe: IntArray,
    placed: tuple[int, int],
    window: int,
    lag: int,
    behind: int,
    codes: IntArray,
    starts: IntArray,
    where: IntArray,
    width: int,
    out: FloatArray,
    finite: bool,
) -> IntArray:
    """Do what is listed by its definition, but for rows that are not finite, which are returned."""
    tile, count = placed
    left = np.empty(0, dtype=np.int64)
    if unsafe.size and not finite:
        left = _not_finite(x, unsafe[:, 0] // count)
        unsafe = np.ascontiguousarray(unsafe[~np.isin(unsafe[:, 0] // count, left)])
    if unsafe.size:
        _mend(x, unsafe, tile, count, window, lag, behind, codes, starts, where, width, out)
    return left


def _summed(
    x: FloatArray, first_row: int, last_row: int, window: int, codes: IntArray, memory: FloatArray
) -> IntArray | None:
    """Statistics of rows as they are, each window summed by itself; the rows that turn out not to be finite.

    None where there was nothing to look at: all are finite.
    """
    n = x.shape[1]
    placed = place_tiles(n, window, longest_tile(window))
    passes = whole_rows(tiled_moments(*_kind(tuple(codes.tolist()))), BLOCK)
    found, listed = passes(x, first_row, last_row, window, *placed, codes, memory)
    if not found:
        return None
    starts, where = np.arange(len(memory)) * memory.shape[1], np.arange(first_row, last_row)
    to = (starts, where, n, memory.reshape(-1))
    return _mended(x[first_row:last_row], listed, placed, window, 1, 0, codes, *to, finite=False)


def _slid(
    x: FloatArray, first_row: int, last_row: int, window: int, codes: IntArray, memory: FloatArray
) -> IntArray | None:
    """The same by sums that slide, and by :func:`_summed` where these lose digits."""
    n = x.shape[1]
    tile, count = place_tiles(n, window, longest_slide(window))
    passes = whole_rows(sliding_moments(*_kind(tuple(codes.tolist()))[:2]), SLIDE)
    found, listed = passes(x, first_row, last_row, window, tile, count, codes, memory)
    if not found:
        return None
    if found < 0:
        return _summed(x, first_row, last_row, window, codes, memory)
    x = x[first_row:last_row]
    row = listed[:, 0] // count
    left = _not_finite(x, row)
    listed = listed[~np.isin(row, left)]
    starts, where = np.arange(len(memory)) * memory.shape[1], np.arange(first_row, last_row)
    flat = memory.reshape(-1)
    stretches = _stretches(listed, n, window, tile, count)
    whole = np.flatnonzero(given_up(listed, stretches, len(x), n, window, tile, count))
    if whole.size:
        _fill(x[whole], window, 1, codes, starts, where[whole], n, flat, finite=True)
    for k, begin, end in stretches[~np.isin(stretches[:, 0], whole)].tolist():
        at = starts + (where[k] * n + begin - window + 1)
        part = x[k : k + 1, begin - window + 1 : end]
        _fill(part, window, 1, codes, at, np.zeros(1, dtype=np.int64), n, flat, finite=True)
    return left


def _stretches(blocks: IntArray, n: int, window: int, tile: int, count: int) -> IntArray:
    """The outputs of (tile, block) as (row, first, end), neighbours together."""
    found: list[list[int]] = []
    for job, block in blocks[np.lexsort((blocks[:, 1], blocks[:, 0]))].tolist():
        row, start = job // count, tile_begin(job % count, n, window, tile)
        begin, end = start + block * SLIDE, min(start + (block + 1) * SLIDE, start + tile)
        if found and found[-1][0] == row and begin <= found[-1][2]:
            found[-1][2] = max(end, found[-1][2])
        else:
            found.append([row, begin, end])
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _at_once(
    x: FloatArray,
    first_row: int,
    last_row: int,
    window: int,
    lag: int,
    codes: IntArray,
    places: IntArray,
    memory: FloatArray,
) -> bool:
    """Statistics that one pass computes together; whether it has seen that all samples are finite."""
    rows, n = x.shape
    out = memory[:, : rows * n].reshape(len(memory), rows, n)
    outputs = n - window + 1
    tiled = window - (0 if lag == 1 or (codes != _CORRELATION).any() else lag) >= SHORTEST
    starts, where = places * memory.shape[1], np.arange(first_row, last_row)
    flat = memory.reshape(-1)
    if lag == 1 and tiled and outputs >= LINE and places.size == len(memory) and first_row < last_row:
        rows_of = (x, first_row, last_row, window, codes, memory)
        bad = _slid(*rows_of) if slides(n, window) and 0 not in codes else _summed(*rows_of)
        if bad is None:
            return True
        bad = where[bad]
    else:
        for place in places:
            out[place, first_row:last_row, : window - 1] = np.nan
        if outputs < 1 or first_row == last_row:
            return False
        if not tiled:
            _each_by_itself(x, first_row, last_row, window, lag, codes, places, out)
            return False
        if outputs < LINE:  # a tile reaches beyond the end of the row
            copy = np.empty((where.size, window - 1 + LINE))
            _finite_copy(x, where, copy)
            beside = np.empty((places.size, where.size, LINE))
            offsets = np.arange(places.size) * (where.size * LINE) - (window - 1)
            _fill(copy, window, lag, codes, offsets, where - first_row, LINE, beside.reshape(-1), finite=True)
            out[places, first_row:last_row, window - 1 :] = beside[:, :, :outputs]
            _blank(x, where, window, places, out)
            return False
        # A long lag may pair a sample with none, so that a NaN does not show in what is computed.
        bad = where[_fill(x[first_row:last_row], window, lag, codes, starts, where, n, flat, finite=False)]
        if 2 * lag > n:
            bad = where[~np.isfinite(x[first_row:last_row]).all(axis=1)]
    if bad.size:
        copy = np.empty((bad.size, n))
        _finite_copy(x, bad, copy)
        _fill(copy, window, lag, codes, starts, bad, n, flat, finite=True)
        _blank(x, bad, window, places, out)
    return False


def statistics_array(count: int, rows: int, n: int) -> FloatArray:
    """Memory for so many statistics of each row and time, a row each, which begin with a line of cache."""
    each = -(-rows * n // LINE) * LINE
    memory = np.empty(count * each + LINE)
    return memory[-(memory.ctypes.data // 8) % LINE :][: count * each].reshape(count, each)


def rolling_moments_of(
    x: FloatArray, first_row: int, last_row: int, window: int, lag: int, which: IntArray, memory: FloatArray
) -> bool:
    """:func:`rolling_moments` of x[first_row:last_row] into a :func:`statistics_array`; threads may share the rows.

    It returns whether it has seen, by the way, that all samples are finite.
    """
    places = np.arange(which.size)
    with silence():
        if lag == 1:
            return _at_once(x, first_row, last_row, window, lag, which, places, memory)
        pairs = which == _CORRELATION
        for together in (places[~pairs], places[pairs]):
            if together.size:
                _at_once(x, first_row, last_row, window, lag, which[together], together, memory)
    return False


def rolling_moments(x: FloatArray, window: int, lag: int, which: IntArray, out: FloatArray) -> None:
    """Statistics of every full window of every row.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    window : int
        Window length in samples.
    lag : int
        Lag of the correlation in samples, 1 <= lag < window.
    which : ndarray of int64
        What to compute: 0 mean, 1 variance (ddof 1), 2 skewness (adjusted Fisher–Pearson G1), 3 kurtosis (adjusted
        excess G2), 4 Pearson correlation of x[t] and x[t − lag] over the window's window − lag pairs.
    out : ndarray of shape (which.size, rows, n)
        Written, C-contiguous; NaN before the first full window and in windows that hold a NaN or an infinity. A
        constant window has variance 0 and no skewness, kurtosis or correlation (NaN).
    """
    rolling_moments_of(x, 0, x.shape[0], window, lag, which, out.reshape(which.size, x.size))


@kernel
def rolling_moments_gappy(
    x: FloatArray, window: int, min_count: int, lag: int, which: IntArray, out: FloatArray
) -> None:
    """Statistics of every window that holds enough finite samples; missing ones (NaN) are skipped.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series, missing samples NaN.
    window : int
        Window length in samples.
    min_count : int
        Fewest finite samples in a window. Windows at the start of the row that hold so many count too.
    lag : int
        Lag of the correlation in samples; pairs count where both samples are present.
    which : ndarray of int64
        Codes as in :func:`rolling_moments`.
    out : ndarray of shape (which.size, rows, n)
        Written; NaN where a window holds an infinity or too few samples.
    """
    rows, n = x.shape
    kept = np.empty(window)
    first = np.empty(window)
    second = np.empty(window)
    for row in range(rows):
        for t in range(n):
            start = max(0, t - window + 1)
            count, pairs, infinite = 0, 0, 0
            for i in range(start, t + 1):
                value = x[row, i]
                if math.isnan(value):
                    continue
                infinite += 1 if math.isinf(value) else 0
                kept[count] = value
                count += 1
                if i - lag >= start and not math.isnan(x[row, i - lag]):
                    first[pairs] = value
                    second[pairs] = x[row, i - lag]
                    pairs += 1
            for place in range(which.size):
                code = which[place]
                if count < max(min_count, 1) or infinite > 0:
                    out[place, row, t] = np.nan
                elif code == 4:
                    out[place, row, t] = correlation(first[:pairs], second[:pairs])
                else:
                    out[place, row, t] = moments(kept[:count], code)
