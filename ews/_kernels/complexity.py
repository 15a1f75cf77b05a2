"""Kernels for the complexity of a window: scaling of fluctuations, entropies, and the number of phrases it takes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.deviations import deviations
from ews._kernels.jit import kernel

__all__ = [
    "rolling_fluctuation_exponent",
    "rolling_lempel_ziv",
    "rolling_permutation_entropy",
    "rolling_rescaled_range_exponent",
    "rolling_sample_entropy",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def _squares_about_line(profile: FloatArray, first: int, size: int) -> float:
    """Sum of squares of a segment of the profile about its own straight line."""
    middle = 0.5 * (size - 1)
    centre = 0.0
    for i in range(size):
        centre += profile[first + i]
    centre /= size
    tilt = 0.0
    for i in range(size):
        tilt += (i - middle) * (profile[first + i] - centre)
    tilt /= size * (size * float(size) - 1.0) / 12.0  # the sum of (i - middle)**2
    left = 0.0
    for i in range(size):
        deviation = profile[first + i] - centre - tilt * (i - middle)
        left += deviation * deviation
    return left


@kernel
def rolling_fluctuation_exponent(
    x: FloatArray, window: int, sizes: IntArray, across: FloatArray, out: FloatArray
) -> None:
    """Slope of log fluctuation on log segment size per window: detrended fluctuation analysis with straight lines.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    sizes : ndarray of shape (scales,), int64
        Segment sizes. Where they do not divide the window, it is cut from its start and once more from its end.
    across : ndarray of shape (scales,)
        Weights whose products with the logarithms sum to the slope.
    out : ndarray of shape (rows, n)
        Filled, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            whole = state[0] * state[0]
            for i in range(1, window):
                state[i] += state[i - 1]
                whole += state[i] * state[i]
            slope = 0.0
            for scale in range(sizes.size):
                size = sizes[scale]
                segments = window // size
                rest = window - segments * size
                squares = 0.0
                for k in range(segments):
                    squares += _squares_about_line(state, k * size, size)
                    if rest > 0:
                        squares += _squares_about_line(state, rest + k * size, size)
                count = segments * (2 if rest > 0 else 1)
                if not squares > 1e-28 * whole:  # rounding is all that is left: each segment is constant
                    slope = np.nan
                    break
                slope += across[scale] * 0.5 * math.log(squares / (count * size))
            out[row, t] = slope


@kernel
def _rescaled_range(state: FloatArray, first: int, size: int) -> float:
    """Range of the cumulated deviations of a segment over its standard deviation (ddof 0); NaN if it is constant."""
    anchor = state[first]
    centre = 0.0
    varies = False
    for i in range(size):
        centre += state[first + i] - anchor
        if state[first + i] != anchor:
            varies = True
    if not varies:
        return np.nan
    centre /= size
    walk = low = high = squares = 0.0
    for i in range(size):
        deviation = state[first + i] - anchor - centre
        walk += deviation
        low = min(low, walk)
        high = max(high, walk)
        squares += deviation * deviation
    return (high - low) / math.sqrt(squares / size)


@kernel
def rolling_rescaled_range_exponent(
    x: FloatArray, window: int, sizes: IntArray, across: FloatArray, out: FloatArray
) -> None:
    """Slope of the log mean rescaled range on log segment size per window.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    sizes : ndarray of shape (scales,), int64
        Segment sizes. Where they do not divide the window, it is cut from its start and once more from its end.
        Constant segments are left out.
    across : ndarray of shape (scales,)
        Weights whose products with the logarithms sum to the slope.
    out : ndarray of shape (rows, n)
        Filled, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            slope = 0.0
            for scale in range(sizes.size):
                size = sizes[scale]
                segments = window // size
                rest = window - segments * size
                total = 0.0
                count = 0
                for k in range(segments):
                    value = _rescaled_range(state, k * size, size)
                    if np.isfinite(value):
                        total += value
                        count += 1
                    if rest > 0:
                        value = _rescaled_range(state, rest + k * size, size)
                        if np.isfinite(value):
                            total += value
                            count += 1
                slope += across[scale] * (math.log(total / count) if count > 0 else np.nan)
            out[row, t] = slope


@kernel
def rolling_sample_entropy(x: FloatArray, window: int, dimension: int, tolerance: float, out: FloatArray) -> None:
    """Sample entropy per window: -ln of the share of matching templates that still match one sample later.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    dimension : int
        Length of a template.
    tolerance : float
        Largest distance of a match, in standard deviations (ddof 1) of the window.
    out : ndarray of shape (rows, n)
        Filled, at the right edge of each window; ln of the number of pairs where none matches one sample later.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    templates = window - dimension
    close = np.empty(window, dtype=np.int64)  # 1 where a sample matches the one `lag` later
    chain = np.empty(window, dtype=np.int64)  # 1 where so many in a row do
    highest = math.log(0.5 * templates * (templates - 1.0))
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            squares = 0.0
            for i in range(window):
                squares += state[i] * state[i]
            radius = tolerance * math.sqrt(squares / (window - 1))
            matches = longer = 0
            for lag in range(1, templates):
                for i in range(window - lag):
                    close[i] = abs(state[i] - state[i + lag]) <= radius
                pairs = templates - lag
                chain[:pairs] = close[:pairs]
                for k in range(1, dimension):
                    for i in range(pairs):
                        chain[i] &= close[i + k]
                for i in range(pairs):
                    matches += chain[i]
                    longer += chain[i] & close[i + dimension]
            out[row, t] = math.log(matches / longer) if longer > 0 else highest


@kernel
def rolling_permutation_entropy(x: FloatArray, window: int, order: int, delay: int, out: FloatArray) -> None:
    """Shannon entropy of the ordinal patterns of a window, over its highest value ln(order!).

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    order : int
        Samples in a pattern.
    delay : int
        Distance between them.
    out : ndarray of shape (rows, n)
        Filled, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    kinds = 1
    for k in range(2, order + 1):
        kinds *= k
    reach = (order - 1) * delay
    patterns = window - reach
    codes = np.empty(n, dtype=np.int64)
    counts = np.empty(kinds, dtype=np.int64)
    for row in range(rows):
        for start in range(n - reach):
            # Number of the pattern in the factorial system; of equal values the earlier one counts as the smaller.
            code = 0
            for a in range(order - 1):
                smaller = 0
                for b in range(a + 1, order):
                    if x[row, start + b * delay] < x[row, start + a * delay]:
                        smaller += 1
                code = code * (order - a) + smaller
            codes[start] = code
        for t in range(window - 1, n):
            first = t - window + 1
            varies = False
            whole = True
            for i in range(first, t + 1):
                if not np.isfinite(x[row, i]):
                    whole = False
                    break
                if x[row, i] != x[row, first]:
                    varies = True
            if not (whole and varies):
                continue
            counts[:] = 0
            for i in range(first, first + patterns):
                counts[codes[i]] += 1
            entropy = 0.0
            for k in range(kinds):
                if counts[k] > 0:
                    share = counts[k] / patterns
                    entropy -= share * math.log(share)
            out[row, t] = abs(entropy) / math.log(kinds)  # abs: one pattern alone gives -0.0


@kernel
def _phrases(symbols: IntArray) -> int:
    """Number of phrases of a sequence, each the shortest that has not occurred before (Lempel & Ziv 1976).

    The exhaustive parsing of Kaspar & Schuster (1987): a phrase grows while it can be copied from what lies before its
    last symbol.
    """
    n = symbols.size
    count = 1
    begin = 1  # of the phrase
    while begin < n:
        longest = 0
        for source in range(begin):
            length = 0
            while begin + length < n and symbols[source + length] == symbols[begin + length]:
                length += 1
            if length > longest:
                longest = length
                if begin + longest >= n:
                    break
        count += 1
        begin += longest + 1
    return count


@kernel
def rolling_lempel_ziv(x: FloatArray, window: int, level: FloatArray, out: FloatArray) -> None:
    """Lempel-Ziv complexity per window, of which samples lie above a level, over that of random symbols.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    level : ndarray of shape (rows, n)
        The level of the window that ends here.
    out : ndarray of shape (rows, n)
        Filled, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    symbols = np.empty(window, dtype=np.int64)
    for row in range(rows):
        for t in range(window - 1, n):
            first = t - window + 1
            varies = False
            whole = True
            for i in range(window):
                value = x[row, first + i]
                if not np.isfinite(value):
                    whole = False
                    break
                if value != x[row, first]:
                    varies = True
                symbols[i] = value > level[row, t]
            if whole and varies:
                out[row, t] = _phrases(symbols) * math.log2(window) / window
