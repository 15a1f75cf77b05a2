"""Weights of STL's smoothers for a record of one length, and their application to many rows."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ews.detrend.result import FloatArray

__all__ = ["stl_season"]

IntArray = npt.NDArray[np.int64]

# The defaults of statsmodels' STL: neighbours in the smoother over cycles, passes of the inner loop without robustness.
_CYCLES = 7
_PASSES = 5


def stl_season(n: int, period: int) -> partial[FloatArray]:
    """Seasonal component of STL for rows of `n` samples, by the defaults of statsmodels (not robust).

    Cleveland, Cleveland, McRae and Terpenning (1990), J. Off. Stat. 6, 3.
    """
    longest = -(-n // period)
    ones = np.ones(period) / period
    average = np.convolve(np.convolve(ones, ones), np.ones(3) / 3)
    # Smallest odd lengths: above the period for the low-pass, at least 1.5 period / (1 - 1.5 / 7) for the trend.
    low = _loess(n, (period + 1) | 1)
    trend = _loess(n, math.ceil(1.5 * period / (1 - 1.5 / _CYCLES)) | 1)
    weights = _Weights(*_beyond_both_ends(longest), *_beyond_both_ends(longest - 1), average, *low, *trend)
    return partial(_season, period=period, weights=weights)


class _Weights(NamedTuple):
    """In the order in which the kernel takes them."""

    cycle_start: IntArray
    cycle: FloatArray
    short_start: IntArray
    short: FloatArray
    average: FloatArray
    low: FloatArray
    low_first: FloatArray
    low_last: FloatArray
    trend: FloatArray
    trend_first: FloatArray
    trend_last: FloatArray


def _season(x: FloatArray, *, period: int, weights: _Weights) -> FloatArray:
    from ews._kernels.stl import stl_season_rows

    out = np.empty_like(x)
    stl_season_rows(x, period, _PASSES, *weights, out)
    return out


def _loess(n: int, length: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights of a local line inside the record, at its first and at its last samples."""
    if length >= n:
        _, first = _lines(n, length, np.arange(n))
        return np.zeros(1), first, np.zeros((0, 1))
    half = length // 2
    _, first = _lines(n, length, np.arange(half))
    _, last = _lines(n, length, np.arange(n - half, n))
    _, inner = _lines(n, length, np.array([half]))
    return inner[0], first, last


def _beyond_both_ends(n: int) -> tuple[IntArray, FloatArray]:
    return _lines(n, _CYCLES, np.arange(-1, n + 1))


def _lines(n: int, length: int, at: IntArray) -> tuple[IntArray, FloatArray]:
    """Weights of the line fitted to the `length` samples nearest to each position, in its value there.

    Returns the first sample of each neighbourhood and the weights, of shape (positions, min(length, n)).
    """
    width = min(length, n)
    start = np.clip(at - length // 2, 0, n - width)
    samples = start[:, None] + np.arange(width)
    distance = np.abs(samples - at[:, None])
    # Where the record is shorter than the neighbourhood the kernel keeps its width (Cleveland et al. 1990, p. 10).
    radius = distance.max(axis=1, keepdims=True) + max(length - n, 0) // 2
    weight = np.where(distance <= 0.999 * radius, (1 - (distance / np.maximum(radius, 1)) ** 3) ** 3, 0.0)
    weight[distance <= 0.001 * radius] = 1.0
    weight /= weight.sum(axis=1, keepdims=True)
    centre = (weight * samples).sum(axis=1, keepdims=True)
    away = samples - centre
    spread = (weight * away**2).sum(axis=1, keepdims=True)
    # Too narrow for a slope, relative to the record, as in the published code: a local mean.
    sloped = np.sqrt(spread) > 0.001 * (n - 1)
    slope = np.where(sloped, (at[:, None] - centre) / np.where(sloped, spread, 1.0), 0.0)
    return start, weight * (1 + slope * away)
