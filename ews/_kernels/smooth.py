"""Convolution of many rows with one set of weights, or with one for each sample.

Samples side by side fill vector registers, without any change to the order in which a sample's terms are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.lanes import LANES, backwards, load, splat, spread, store

__all__ = [
    "ROWS",
    "TILE",
    "fill_halves",
    "fill_tiles",
    "smooth_fits",
    "smooth_mirrored",
    "smooth_reflect",
    "smooth_renormalised",
    "smooth_tiles",
    "weighted_sums",
]

FloatArray = npt.NDArray[np.float64]

IntArray = npt.NDArray[np.int64]

_BLOCK = 512  # samples of one sweep: 4 KiB of sums, which stay in the first-level cache
TILE = 2 * LANES  # neighbouring samples whose weights lie side by side
ROWS = 6  # what is summed at once: two registers of sums each, two of weights and one of a sample are 15 of 16
_TOGETHER = 9_000  # numbers for which the weights of a tile are read once: more than these gain nothing


@kernel
def _correlate(padded: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    """out[t] = sum over j of weights[j] · padded[t + j]."""
    n, taps = out.size, weights.size
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        sums = out[start:stop]
        sums[:] = 0.0
        count = stop - start
        j = 0
        while j + 8 <= taps:
            w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
            w4, w5, w6, w7 = weights[j + 4], weights[j + 5], weights[j + 6], weights[j + 7]
            x = padded[start + j : stop + j + 8]
            for t in range(count):
                low = multiply_add(w1, x[t + 1], multiply_add(w0, x[t], sums[t]))
                low = multiply_add(w3, x[t + 3], multiply_add(w2, x[t + 2], low))
                high = multiply_add(w5, x[t + 5], w4 * x[t + 4])
                high = multiply_add(w7, x[t + 7], multiply_add(w6, x[t + 6], high))
                sums[t] = low + high
            j += 8
        while j < taps:
            w0 = weights[j]
            x = padded[start + j : stop + j]
            for t in range(count):
                sums[t] = multiply_add(w0, x[t], sums[t])
            j += 1


@kernel
def smooth_reflect(x: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    """Convolve rows with symmetric weights, each row mirrored about its outer edges (… b a | a b c d | d c …).

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    weights : ndarray of shape (2 · half + 1,)
        Symmetric weights. `half` may exceed n: the mirrored row is then mirrored again.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    half = weights.size // 2
    padded = np.empty(n + 2 * half)
    for row in range(rows):
        for i in range(n + 2 * half):
            place = (i - half) % (2 * n)
            padded[i] = x[row, min(place, 2 * n - 1 - place)]
        _correlate(padded, weights, out[row])


@kernel
def smooth_renormalised(x: FloatArray, weights: FloatArray, left: int, out: FloatArray) -> None:
    """Weighted mean of the samples around t, over those weights that fall inside the row.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    weights : ndarray of shape (left + 1 + right,)
        Weights of the samples t − left … t + right. Causal where ``right == 0``.
    left : int
        How many weights lie before t.
    out : ndarray of shape (rows, n)
        Written: out[t] = sum of weights[j] · x[t − left + j] / sum of weights[j], over 0 <= t − left + j < n.
    """
    rows, n = x.shape
    taps = weights.size
    padded = np.zeros(n + taps - 1)
    total = np.empty(n)
    padded[left : left + n] = 1.0
    _correlate(padded, weights, total)
    for row in range(rows):
        padded[left : left + n] = x[row]
        _correlate(padded, weights, out[row])
        for t in range(n):
            out[row, t] /= total[t]


@kernel
def weighted_sums(x: FloatArray, weights: FloatArray, left: int, out: FloatArray) -> None:
    """Sums of the samples around t by several sets of weights.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Series.
    weights : ndarray of shape (sets, taps)
        Weights of the samples t − left … t + taps − 1 − left.
    left : int
        How many weights lie before t.
    out : ndarray of shape (sets, n)
        Written: out[k, t] = sum of weights[k, j] · x[t − left + j] over what falls inside the row.
    """
    n, taps = x.size, weights.shape[1]
    padded = np.zeros(n + taps - 1)
    padded[left : left + n] = x
    for k in range(weights.shape[0]):
        _correlate(padded, weights[k], out[k])


@kernel
def smooth_fits(x: FloatArray, weights: FloatArray, left: int, counts: FloatArray, out: FloatArray) -> None:
    """Weighted polynomial through the samples around t, evaluated at t.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    weights : ndarray of shape (degree + 1, taps)
        Weights of the samples t − left …, times each power of their distance from t.
    left : int
        How many weights lie before t.
    counts : ndarray of shape (degree + 1, n)
        What the sums count for, from the normal equations at t.
    out : ndarray of shape (rows, n)
        Written: the sums by these weights, each times what it counts for.
    """
    n = x.shape[1]
    sums = np.empty((weights.shape[0], n))
    for row in range(x.shape[0]):
        weighted_sums(x[row], weights, left, sums)
        for t in range(n):
            out[row, t] = counts[0, t] * sums[0, t]
        for power in range(1, weights.shape[0]):
            for t in range(n):
                out[row, t] += counts[power, t] * sums[power, t]


@kernel
def _fill(weights: FloatArray, left: int, counts: FloatArray, t: int, near: int, step: int, column: FloatArray) -> None:
    """Weights in the fit at t of the samples near, near + step, …, each TILE numbers from the one before."""
    taps, width = (column.size + TILE - 1) // TILE, weights.shape[1]
    shift = near - t + left  # the place of the weight of the first sample, and step from there
    low, high = (max(0, -shift), width - shift) if step > 0 else (max(0, shift - width + 1), shift + 1)
    low, high = min(low, taps), min(high, taps)
    for power in range(weights.shape[0]):
        count, one = counts[power, t], weights[power]
        for j in range(low, high):
            column[j * TILE] += count * one[shift + step * j]


@kernel
def fill_tiles(
    weights: FloatArray,
    left: int,
    counts: FloatArray,
    observed: npt.NDArray[np.bool_],
    tiles: IntArray,
    table: FloatArray,
) -> None:
    """Write the table of weights that :func:`smooth_tiles` takes.

    Parameters
    ----------
    weights : ndarray of shape (degree + 1, taps)
        Weights of the samples t − left …, times each power of their distance from t.
    left : int
        How many weights lie before t.
    counts : ndarray of shape (degree + 1, n)
        What sums by these weights count for in the fit at t.
    observed, tiles
        As :func:`smooth_tiles` takes them.
    table : ndarray
        Zeros, written.
    """
    for k in range(tiles.shape[0]):
        at, first, taps, place = tiles[k, 0], tiles[k, 1], tiles[k, 2], tiles[k, 3]
        block = table[at : at + taps * TILE]
        for i in range(min(TILE, observed.size - place)):
            t = place + i
            _fill(weights, left, counts, t, first, 1, block[i:])
            none = 0.0 if math.isfinite(counts[0, t]) else math.nan  # nothing in reach
            for j in range(taps):
                block[j * TILE + i] = block[j * TILE + i] if observed[first + j] else none


@kernel
def fill_halves(
    weights: FloatArray, left: int, counts: FloatArray, even: IntArray, odd: IntArray, table: FloatArray
) -> None:
    """Write the table of weights that :func:`smooth_mirrored` takes.

    Parameters
    ----------
    weights, left, counts
        As :func:`fill_tiles` takes them.
    even, odd
        As :func:`smooth_mirrored` takes them.
    table : ndarray
        Zeros, written.
    """
    n = counts.shape[1]
    for k in range(even.shape[0]):
        first, numbers, place = even[k, 1], even[k, 2] * TILE, even[k, 3]
        near, far = table[even[k, 0] : even[k, 0] + numbers], table[odd[k, 0] : odd[k, 0] + numbers]
        across = odd[k, 0] != even[k, 0]
        for i in range(min(TILE, (n + 1) // 2 - place)):
            _fill(weights, left, counts, place + i, first, 1, near[i:])
            if across:  # the middle sample is its own mirror image
                _fill(weights, left, counts, place + i, n - 1 - first, -1, far[i:])
        for j in range(numbers):
            one, other = near[j], far[j] if across else 0.0
            far[j] = 0.5 * (one - other)
            near[j] = 0.5 * (one + other)


# In the loops below arrays are handed on whole, with places in them: a slice is counted as a reference, and costs as
# much as a few dozen products.


@kernel
def _sums_of_one(x: FloatArray, begin: int, taps: int, table: FloatArray, at: int, sums: FloatArray) -> None:
    """Sums of `taps` samples of a row, from x[begin] on, by the weights of a tile."""
    low, high = splat(0.0), splat(0.0)
    for j in range(taps):
        place, value = at + j * TILE, spread(x, begin + j)
        low = multiply_add(load(table, place), value, low)
        high = multiply_add(load(table, place + LANES), value, high)
    store(sums, 0, low)
    store(sums, LANES, high)


def _sums_of_six(step: int, gap: int) -> Callable[..., None]:
    """The same of six rows, `gap` numbers apart, whose samples are `step` apart."""

    @kernel
    def sums_of_six(x: FloatArray, begin: int, taps: int, table: FloatArray, at: int, sums: FloatArray) -> None:
        a, b, c, d, e, f = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        u, v, w, p, q, r = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for j in range(taps):
            low, high, k = load(table, at + j * TILE), load(table, at + j * TILE + LANES), begin + j * step
            one, two, three = spread(x, k), spread(x, k + gap), spread(x, k + 2 * gap)
            a, u = multiply_add(low, one, a), multiply_add(high, one, u)
            b, v = multiply_add(low, two, b), multiply_add(high, two, v)
            c, w = multiply_add(low, three, c), multiply_add(high, three, w)
            one, two, three = spread(x, k + 3 * gap), spread(x, k + 4 * gap), spread(x, k + 5 * gap)
            d, p = multiply_add(low, one, d), multiply_add(high, one, p)
            e, q = multiply_add(low, two, e), multiply_add(high, two, q)
            f, r = multiply_add(low, three, f), multiply_add(high, three, r)
        store(sums, 0, a)
        store(sums, LANES, u)
        store(sums, TILE, b)
        store(sums, TILE + LANES, v)
        store(sums, 2 * TILE, c)
        store(sums, 2 * TILE + LANES, w)
        store(sums, 3 * TILE, d)
        store(sums, 3 * TILE + LANES, p)
        store(sums, 4 * TILE, e)
        store(sums, 4 * TILE + LANES, q)
        store(sums, 5 * TILE, f)
        store(sums, 5 * TILE + LANES, r)

    return sums_of_six


_sums_of_rows, _sums_of_places = _sums_of_six(ROWS, 1), _sums_of_six(1, TILE)


@kernel
def _sums_of_run(x: FloatArray, begin: int, taps: int, table: FloatArray, at: int, run: int, sums: FloatArray) -> None:
    """Sums of a row alone in a run of tiles that weigh alike, in the same order as beside others."""
    if run > 1:
        _sums_of_places(x, begin, taps, table, at, sums)
    else:
        _sums_of_one(x, begin, taps, table, at, sums)


@kernel
def _take(
    sums: FloatArray, many: int, x: FloatArray, origin: int, i: int, down: int, place: int, along: int, out: FloatArray
) -> None:
    """Write the tiles that were summed at once, each so many rows and samples from the one before."""
    n = x.shape[1]
    for q in range(many):
        row, t = i + q * down, place + q * along
        base, to = x[row, origin], row * n + t
        if t + TILE <= n:
            store(out, to, base + load(sums, q * TILE))
            store(out, to + LANES, base + load(sums, q * TILE + LANES))
        else:
            for j in range(n - t):
                out[to + j] = base + sums[q * TILE + j]


@kernel
def _take_both(
    sums: FloatArray,
    differences: FloatArray,
    many: int,
    x: FloatArray,
    origin: int,
    i: int,
    down: int,
    place: int,
    along: int,
    out: FloatArray,
) -> None:
    """The same, and their mirror images."""
    n = x.shape[1]
    half = (n + 1) // 2
    for q in range(many):
        row, t = i + q * down, place + q * along
        base, to, last = x[row, origin], row * n + t, row * n + n - 1 - t
        if t + TILE <= half:
            low, high = load(sums, q * TILE), load(sums, q * TILE + LANES)
            other, beyond = load(differences, q * TILE), load(differences, q * TILE + LANES)
            store(out, to, base + (low + other))
            store(out, to + LANES, base + (high + beyond))
            store(out, last - LANES + 1, backwards(base + (low - other)))
            store(out, last - TILE + 1, backwards(base + (high - beyond)))
        else:
            for j in range(half - t):
                one, apart = sums[q * TILE + j], differences[q * TILE + j]
                out[to + j] = base + (one + apart)
                out[last - j] = base + (one - apart)


@kernel
def _together(rows: int, n: int) -> int:
    """How many of so many rows of `n` samples are taken together: whole groups, or one where they are long."""
    together = max(_TOGETHER // n // ROWS, 1) * ROWS
    return max(min(rows, together if n * together <= 4 * _TOGETHER else 1), 1)


@kernel
def _grouped(start: int, rows: int, together: int) -> tuple[int, int]:
    """How many rows are taken together from `start` on, and how many of these in groups, not alone."""
    count = min(together, rows - start)
    return count, count - 1 if count % ROWS == 1 else count


@kernel
def smooth_tiles(
    x: FloatArray,
    observed: npt.NDArray[np.bool_],
    origin: int,
    table: FloatArray,
    tiles: IntArray,
    out: FloatArray,
) -> None:
    """Weighted sums of rows by a banded matrix of weights, :data:`TILE` neighbouring samples at a time.

    Six rows are summed at once, or six tiles of a row alone that weigh alike, so that what is loaded is used by each
    and sums stay in registers. A row is summed in the same order whatever lies beside it.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    observed : ndarray of shape (n,), bool
        What is not observed is never looked at.
    origin : int
        A sample that is observed, from which differences are taken. The weights of each sum must add up to 1.
    table : ndarray of shape (numbers,)
        Weights of each tile: of the first sample that it looks at for each sample in the tile, then of the second, and
        so on.
    tiles : ndarray of shape (tiles, 5), int
        Of each tile: where its weights begin in the table, the first sample that it looks at and how many, its first
        sample, and how many tiles from it on are summed at once where a row lies alone: 1, or 6 that weigh alike, or 0
        where one before has seen to it.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    together = _together(rows, n)
    centred, sums, flat = np.zeros((together + ROWS - 1) * n), np.empty(ROWS * TILE), out.reshape(-1)
    for start in range(0, rows, together):
        count, grouped = _grouped(start, rows, together)
        for r in range(count):
            row, base, step = x[start + r], x[start + r, origin], ROWS if r < grouped else 1
            to = centred[r // ROWS * ROWS * n + r % ROWS :]
            for t in range(n):
                to[t * step] = row[t] - base if observed[t] else 0.0
        for k in range(tiles.shape[0]):
            at, first, taps, place, run = tiles[k, 0], tiles[k, 1], tiles[k, 2], tiles[k, 3], tiles[k, 4]
            for r in range(0, grouped, ROWS):
                _sums_of_rows(centred, r * n + first * ROWS, taps, table, at, sums)
                _take(sums, min(ROWS, grouped - r), x, origin, start + r, 1, place, 0, flat)
            if grouped < count and run > 0:
                _sums_of_run(centred, grouped * n + first, taps, table, at, run, sums)
                _take(sums, run, x, origin, start + grouped, 0, place, TILE, flat)


@kernel
def smooth_mirrored(
    x: FloatArray, origin: int, table: FloatArray, even: IntArray, odd: IntArray, out: FloatArray
) -> None:
    """Weighted sums of rows by a matrix of weights that is the same when both ends are swapped.

    What is even and what is odd about the middle of a row stay apart: fewer products than :func:`smooth_tiles` takes
    where weights reach across the middle. A row is summed in the same order whatever lies beside it.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    origin : int
        The sample from which differences are taken. The weights of each sum must add up to 1.
    table, even, odd : ndarray
        As :func:`smooth_tiles` takes tables and tiles, of the first half: weights of x[j] + x[n − 1 − j] (of the middle
        sample alone) and of x[j] − x[n − 1 − j]. A tile that sees nothing beyond the middle has one place for both.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    half, pairs = (n + 1) // 2, n // 2
    together = _together(rows, n)
    added, taken = np.zeros((together + ROWS - 1) * half), np.zeros((together + ROWS - 1) * half)
    sums, differences, flat = np.empty(ROWS * TILE), np.empty(ROWS * TILE), out.reshape(-1)
    for start in range(0, rows, together):
        count, grouped = _grouped(start, rows, together)
        for r in range(count):
            row, base, step = x[start + r], x[start + r, origin], ROWS if r < grouped else 1
            place = r // ROWS * ROWS * half + r % ROWS
            both, apart = added[place:], taken[place:]
            for t in range(pairs):
                low, high = row[t] - base, row[n - 1 - t] - base
                both[t * step], apart[t * step] = low + high, low - high
            if half > pairs:
                both[pairs * step], apart[pairs * step] = row[pairs] - base, 0.0
        for k in range(even.shape[0]):
            first, taps, place, run = even[k, 1], even[k, 2], even[k, 3], even[k, 4]
            for r in range(0, grouped, ROWS):
                begin = r * half + first * ROWS
                _sums_of_rows(added, begin, taps, table, even[k, 0], sums)
                _sums_of_rows(taken, begin, taps, table, odd[k, 0], differences)
                many = min(ROWS, grouped - r)
                _take_both(sums, differences, many, x, origin, start + r, 1, place, 0, flat)
            if grouped < count and run > 0:
                begin = grouped * half + first
                _sums_of_run(added, begin, taps, table, even[k, 0], run, sums)
                _sums_of_run(taken, begin, taps, table, odd[k, 0], run, differences)
                _take_both(sums, differences, run, x, origin, start + grouped, 0, place, TILE, flat)
