"""Slow, obvious definitions, written without regard to speed: what the kernels are held against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Extended = np.longdouble


def extended_precision() -> bool:
    """Whether this machine's long double carries more digits than a double."""
    return bool(np.finfo(Extended).eps < 1e-18)


def windows(x: FloatArray, window: int) -> npt.NDArray[np.longdouble]:
    """Every full window of one series, in extended precision, of shape (windows, window)."""
    return np.lib.stride_tricks.sliding_window_view(x.astype(Extended), window)


def mean(x: FloatArray, window: int) -> npt.NDArray[np.longdouble]:
    """Mean of every full window."""
    return windows(x, window).mean(axis=1)


def variance(x: FloatArray, window: int) -> npt.NDArray[np.longdouble]:
    """Variance with divisor window − 1, by two passes."""
    deviation = _deviations(windows(x, window))
    return (deviation**2).sum(axis=1) / (window - 1)


def skewness(x: FloatArray, window: int) -> npt.NDArray[np.longdouble]:
    """Adjusted Fisher–Pearson coefficient G1 = sqrt(n(n−1))/(n−2) · m3/m2^1.5."""
    n = Extended(window)
    deviation = _deviations(windows(x, window))
    m2, m3 = (deviation**2).mean(axis=1), (deviation**3).mean(axis=1)
    return np.sqrt(n * (n - 1)) / (n - 2) * _divide(m3, m2**1.5)


def kurtosis(x: FloatArray, window: int) -> npt.NDArray[np.longdouble]:
    """Adjusted excess kurtosis G2 = (n−1)/((n−2)(n−3)) · ((n+1)(m4/m2² − 3) + 6)."""
    n = Extended(window)
    deviation = _deviations(windows(x, window))
    m2, m4 = (deviation**2).mean(axis=1), (deviation**4).mean(axis=1)
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (_divide(m4, m2**2) - 3) + 6)


def correlation(x: FloatArray, window: int, lag: int) -> npt.NDArray[np.longdouble]:
    """Pearson correlation of x[t] and x[t − lag] over the window's window − lag pairs."""
    every = windows(x, window)
    u, v = _deviations(every[:, lag:]), _deviations(every[:, : window - lag])
    return _divide((u * v).sum(axis=1), np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1)))


def _deviations(every: npt.NDArray[np.longdouble]) -> npt.NDArray[np.longdouble]:
    """Deviations of each row from its mean; the row's first value is taken off before: an offset costs no digits."""
    every = every - every[:, :1]
    return every - every.mean(axis=1, keepdims=True)


def _divide(above: npt.NDArray[np.longdouble], below: npt.NDArray[np.longdouble]) -> npt.NDArray[np.longdouble]:
    """Quotient, NaN over zero."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def kendall_tau_b(x: FloatArray, y: FloatArray) -> float:
    """Kendall's tau-b from the signs of all pairs."""
    first, second = np.triu_indices(len(x), 1)
    sign_x, sign_y = np.sign(x[second] - x[first]), np.sign(y[second] - y[first])
    untied_x, untied_y = np.count_nonzero(sign_x), np.count_nonzero(sign_y)
    if untied_x == 0 or untied_y == 0:
        return float("nan")
    return float((sign_x * sign_y).sum() / np.sqrt(float(untied_x) * float(untied_y)))


def smooth_reflected(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Convolution of one series with symmetric weights, mirrored about its outer edges as often as needed."""
    half = len(weights) // 2
    padded = np.pad(x, half, mode="symmetric")
    return np.array([np.sum(weights * padded[t : t + len(weights)]) for t in range(len(x))])


def smooth_renormalised(x: FloatArray, weights: FloatArray, left: int) -> FloatArray:
    """Weighted mean over the weights that fall inside the series."""
    out = np.empty(len(x))
    for t in range(len(x)):
        places = t - left + np.arange(len(weights))
        inside = (places >= 0) & (places < len(x))
        out[t] = np.sum(weights[inside] * x[places[inside]]) / np.sum(weights[inside])
    return out


def splitmix64(seed: int, count: int) -> list[int]:
    """First words of splitmix64 (Steele, Lea & Flood 2014), in Python's unbounded integers."""
    mask = 2**64 - 1
    words = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        words.append(z ^ (z >> 31))
    return words


def xoshiro256pp(state: list[int], count: int) -> list[int]:
    """First words of xoshiro256++ (Blackman & Vigna 2021) from a state of four words."""
    mask = 2**64 - 1

    def rotated(word: int, by: int) -> int:
        return ((word << by) | (word >> (64 - by))) & mask

    s = list(state)
    words = []
    for _ in range(count):
        words.append((rotated((s[0] + s[3]) & mask, 23) + s[0]) & mask)
        shifted = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 45)
    return words
