"""Moments and correlation of one window by their two-pass definitions, for any scale: slow, short, never wrong.

The tiled kernel falls back on these where fourth powers would overflow or vanish, and windows with gaps use them alone.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["correlation", "moments", "statistic"]

FloatArray = npt.NDArray[np.float64]


@kernel
def statistic(code: int, count: float, mean: float, m2: float, m3: float, m4: float) -> float:
    """One statistic (codes 0 to 3) from the mean and the sums of the 2nd to 4th powers of the deviations from it."""
    if code == 0:
        return mean
    if code == 1:
        return m2 / (count - 1.0) if count > 1.0 else np.nan
    if m2 <= 0.0:
        return np.nan
    if code == 2:  # G1 of Joanes & Gill (1998), J. R. Stat. Soc. D 47, 183
        if count < 3.0:
            return np.nan
        return math.sqrt(count * (count - 1.0)) / (count - 2.0) * math.sqrt(count) * (m3 / m2) / math.sqrt(m2)
    if count < 4.0:  # G2 of the same paper
        return np.nan
    excess = (count + 1.0) * (count * (m4 / m2) / m2) - 3.0 * (count - 1.0)
    return (count - 1.0) / ((count - 2.0) * (count - 3.0)) * excess


@kernel
def _scale(x: FloatArray) -> float:
    """A power of two that brings the spread of `x` near 1: fourth powers neither overflow nor vanish."""
    low, high = x[0], x[0]
    for i in range(x.size):
        low = min(low, x[i])
        high = max(high, x[i])
    half = 0.5 * high - 0.5 * low
    if 2.0**-200 < half < 2.0**200 or half == 0.0:
        return 1.0
    return math.ldexp(1.0, -max(min(math.frexp(half)[1], 1000), -1000))


@kernel
def moments(x: FloatArray, code: int) -> float:
    """One of the statistics 0 to 3 of an array of finite samples, none empty."""
    count = float(x.size)
    scale = _scale(x)
    origin = x[0]
    mean = 0.0
    for i in range(x.size):
        mean += (x[i] * scale - origin * scale) / count
    m1, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
    for i in range(x.size):
        d = (x[i] * scale - origin * scale) - mean
        m1 += d
        m2 += d * d
        m3 += d * d * d
        m4 += d * d * d * d
    m2 -= m1 * m1 / count  # what rounding left in the mean
    value = statistic(code, count, origin + mean / scale, m2, m3, m4)
    return value / scale / scale if code == 1 else value


@kernel
def correlation(x: FloatArray, y: FloatArray) -> float:
    """Pearson correlation of two arrays of finite samples; NaN where one does not vary."""
    n = x.size
    if n < 2:
        return np.nan
    a, b = _scale(x), _scale(y)
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
