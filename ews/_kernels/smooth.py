"""Convolution of many rows with one set of weights.

The loop over taps is outside and the loop over samples inside, so that it runs in vector registers without any change
to the order in which a sample's terms are added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel

__all__ = [
    "TILE",
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
TILE = 64  # neighbouring samples whose weights lie side by side
_TOGETHER = 16  # rows for which the weights of a tile are read once


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
def _products(rows: FloatArray, r: int, first: int, taps: int, table: FloatArray, sums: FloatArray) -> None:
    """Sums of four rows from `r` on, over `taps` samples from `first` on, by the weights of a tile; four at a time."""
    sums[:] = 0.0
    a, b = rows[r, first : first + taps], rows[r + 1, first : first + taps]
    c, d = rows[r + 2, first : first + taps], rows[r + 3, first : first + taps]
    for j in range(0, taps, 4):
        w = table[j * TILE : (j + 4) * TILE]
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
        c0, c1, c2, c3 = c[j], c[j + 1], c[j + 2], c[j + 3]
        d0, d1, d2, d3 = d[j], d[j + 1], d[j + 2], d[j + 3]
        for i in range(TILE):
            w0, w1, w2, w3 = w[i], w[i + TILE], w[i + 2 * TILE], w[i + 3 * TILE]
            low = multiply_add(w1, a1, multiply_add(w0, a0, sums[i]))
            sums[i] = multiply_add(w3, a3, multiply_add(w2, a2, low))
            low = multiply_add(w1, b1, multiply_add(w0, b0, sums[i + TILE]))
            sums[i + TILE] = multiply_add(w3, b3, multiply_add(w2, b2, low))
            low = multiply_add(w1, c1, multiply_add(w0, c0, sums[i + 2 * TILE]))
            sums[i + 2 * TILE] = multiply_add(w3, c3, multiply_add(w2, c2, low))
            low = multiply_add(w1, d1, multiply_add(w0, d0, sums[i + 3 * TILE]))
            sums[i + 3 * TILE] = multiply_add(w3, d3, multiply_add(w2, d2, low))


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

    Four rows and four weights are taken at once, so that what is loaded is used four times. A row is summed in the same
    order whatever lies beside it.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    observed : ndarray of shape (n,), bool
        What is not observed is never looked at.
    origin : int
        A sample that is observed, from which differences are taken. The weights of each sum must add up to 1.
    table : ndarray of shape (weights · TILE,)
        Weights: of the first sample that a tile looks at for each sample in the tile, then of the second, and so on.
    tiles : ndarray of shape (tiles, 5), int
        Of each tile: its first weights in the table, the first sample that it looks at and how many (a multiple of 4;
        up to 3 may lie beyond the row, with weights 0), its first sample and how many.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    centred = np.zeros((_TOGETHER, n + 4))
    sums = np.empty(4 * TILE)
    for start in range(0, rows, _TOGETHER):
        count = min(_TOGETHER, rows - start)
        for r in range(count):
            base = x[start + r, origin]
            for t in range(n):
                centred[r, t] = x[start + r, t] - base if observed[t] else 0.0
        for k in range(tiles.shape[0]):
            weights, first, taps, place, size = tiles[k, 0], tiles[k, 1], tiles[k, 2], tiles[k, 3], tiles[k, 4]
            for r in range(0, count, 4):
                _products(centred, r, first, taps, table[weights * TILE : (weights + taps) * TILE], sums)
                for q in range(min(4, count - r)):
                    base = x[start + r + q, origin]
                    for i in range(size):
                        out[start + r + q, place + i] = base + sums[q * TILE + i]


@kernel
def smooth_mirrored(x: FloatArray, origin: int, even: FloatArray, odd: FloatArray, out: FloatArray) -> None:
    """Weighted sums of rows by a matrix of weights that is the same when both ends are swapped.

    What is even and what is odd about the middle of a row stay apart: half as many products as :func:`smooth_tiles`
    takes where weights reach across the record. A row is summed in the same order whatever lies beside it.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    origin : int
        The sample from which differences are taken. The weights of each sum must add up to 1.
    even, odd : ndarray of shape (tiles · taps · TILE,)
        Weights of x[j] + x[n − 1 − j] (of the middle sample alone) and of x[j] − x[n − 1 − j], for the samples of the
        first half, a tile of them after another: of the first j for each sample in the tile, then of the second, and so
        on, padded with zeros to multiples of 4.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = x.shape
    half = (n + 1) // 2
    taps, tiles = -(-half // 4) * 4, -(-half // TILE)
    size = taps * TILE
    added, taken = np.zeros((_TOGETHER, taps)), np.zeros((_TOGETHER, taps))
    sums, differences = np.empty(4 * TILE), np.empty(4 * TILE)
    for start in range(0, rows, _TOGETHER):
        count = min(_TOGETHER, rows - start)
        for r in range(count):
            base = x[start + r, origin]
            for t in range(n // 2):
                low, high = x[start + r, t] - base, x[start + r, n - 1 - t] - base
                added[r, t], taken[r, t] = low + high, low - high
            if n % 2:
                added[r, half - 1] = x[start + r, half - 1] - base
        for k in range(tiles):
            stop = min(TILE, half - k * TILE)
            for r in range(0, count, 4):
                _products(added, r, 0, taps, even[k * size : (k + 1) * size], sums)
                _products(taken, r, 0, taps, odd[k * size : (k + 1) * size], differences)
                for q in range(min(4, count - r)):
                    base = x[start + r + q, origin]
                    for i in range(stop):
                        t = k * TILE + i
                        one, other = sums[q * TILE + i], differences[q * TILE + i]
                        out[start + r + q, t] = base + (one + other)
                        out[start + r + q, n - 1 - t] = base + (one - other)
