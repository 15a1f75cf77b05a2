"""Mean, variance, skewness, kurtosis and lag-k correlation of every window of many rows, in one O(N) pass.

How a window is summed. Neighbouring outputs form a tile. All windows of a tile share a middle part; its mean is the
tile's anchor, and powers of (x − anchor) are summed from the middle outwards: leftwards for what a window has before the
middle, rightwards for what it has after it. A window is the sum of the three parts. Nothing is ever subtracted out, so
that a window's result depends on that window alone, and because the middle is a fair share of every window, the
window's own mean lies within about one standard deviation of the anchor: the central moments lose no digits.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["rolling_moments", "rolling_moments_gappy"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LANES = 32  # partial sums of a tile's middle, side by side so that they run in vector registers


@kernel
def _statistic(code: int, count: float, mean: float, m2: float, m3: float, m4: float) -> float:
    """One statistic (codes 0 to 3) from the mean and the sums of the 2nd to 4th powers of the deviations from it."""
    if code == 0:
        return mean
    if code == 1:
        return m2 / (count - 1.0) if count > 1.0 else np.nan
    if m2 <= 0.0:
        return np.nan
    if code == 2:  # G1, Joanes & Gill (1998), eq. for G1
        if count < 3.0:
            return np.nan
        return math.sqrt(count * (count - 1.0)) / (count - 2.0) * math.sqrt(count) * (m3 / m2) / math.sqrt(m2)
    if count < 4.0:  # G2, Joanes & Gill (1998)
        return np.nan
    excess = (count + 1.0) * (count * (m4 / m2) / m2) - 3.0 * (count - 1.0)
    return (count - 1.0) / ((count - 2.0) * (count - 3.0)) * excess


@kernel
def _scale(x: FloatArray, start: int, stop: int) -> float:
    """A power of two that brings the spread of x[start:stop] near 1: fourth powers neither overflow nor vanish."""
    low, high = x[start], x[start]
    for i in range(start, stop):
        low = min(low, x[i])
        high = max(high, x[i])
    half = 0.5 * high - 0.5 * low
    if 2.0**-200 < half < 2.0**200 or half == 0.0:
        return 1.0
    return math.ldexp(1.0, -max(min(math.frexp(half)[1], 1000), -1000))


@kernel
def _window(x: FloatArray, start: int, stop: int, code: int) -> float:
    """One of the statistics 0 to 3 of the finite samples x[start:stop] by the two-pass definition."""
    count = float(stop - start)
    scale = _scale(x, start, stop)
    origin = x[start]
    mean = 0.0
    for i in range(start, stop):
        mean += (x[i] * scale - origin * scale) / count
    m1, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
    for i in range(start, stop):
        d = (x[i] * scale - origin * scale) - mean
        m1 += d
        m2 += d * d
        m3 += d * d * d
        m4 += d * d * d * d
    m2 -= m1 * m1 / count  # what rounding left in the mean
    value = _statistic(code, count, origin + mean / scale, m2, m3, m4)
    return value / scale / scale if code == 1 else value


@kernel
def _pair(x: FloatArray, y: FloatArray) -> float:
    """Pearson correlation of two arrays of finite samples by the two-pass definition."""
    n = x.size
    if n < 2:
        return np.nan
    a, b = _scale(x, 0, n), _scale(y, 0, n)
    x0, y0 = x[0] * a, y[0] * b
    mean_x, mean_y = 0.0, 0.0
    for i in range(n):
        mean_x += (x[i] * a - x0) / n
        mean_y += (y[i] * b - y0) / n
    xx, yy, xy = 0.0, 0.0, 0.0
    for i in range(n):
        u, v = (x[i] * a - x0) - mean_x, (y[i] * b - y0) - mean_y
        xx += u * u
        yy += v * v
        xy += u * v
    if xx <= 0.0 or yy <= 0.0:
        return np.nan
    return max(-1.0, min(1.0, xy / math.sqrt(xx) / math.sqrt(yy)))


@kernel
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
        Written; NaN before the first full window and in windows that hold a NaN or an infinity. A constant window has
        variance 0 and no skewness, kurtosis or correlation (NaN).
    """
    rows, n = x.shape
    for row in range(rows):
        values = x[row]
        last_bad, run = -1, 0
        for t in range(n):
            if not math.isfinite(values[t]):
                last_bad = t
            run = run + 1 if t > 0 and values[t] == values[t - 1] else 1
            start = t - window + 1
            for place in range(which.size):
                code = which[place]
                if start < 0 or last_bad >= start:
                    out[place, row, t] = np.nan
                elif code == 4:
                    out[place, row, t] = _pair(values[start + lag : t + 1], values[start : t + 1 - lag])
                else:
                    out[place, row, t] = _window(values, start, t + 1, code)


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
        Fewest finite samples in a window (for the correlation: in the window, not pairs). Windows at the start of the
        row that hold so many count too.
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
                    out[place, row, t] = _pair(first[:pairs], second[:pairs])
                else:
                    out[place, row, t] = _window(kept, 0, count, code)
