"""The pooled null: surrogates of pixels spread over a map, together, with the gaps and the memory of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.detect.controls import CONTROLS, Fitted, draw_control
from ews._analysis.many.smoothing import Smoothing, scored
from ews._analysis.many.table import WARNS, held, ordered
from ews._analysis.score_tests.shapes import weights
from ews._significance.pipeline import in_chunks
from ews.errors import SeriesTooShortError, described

__all__ = ["PIXELS", "Pool", "pool_of"]

FloatArray = npt.NDArray[np.float64]

PIXELS = 1_000  # of the map, at most, that surrogates are drawn of
_CONTROLS = 200  # of each kind
_LARGEST = 0.99  # coefficient that is drawn with


@dataclass(frozen=True, eq=False)
class Pool:
    """Surrogates of many pixels as one table, and what a test against them sees."""

    smoothing: Smoothing
    shapes: FloatArray
    statistics: FloatArray  # (1, k, count), ascending
    smallest: FloatArray  # (sides, 1, 2^k, count), ascending
    power: float  # share of controls that warn, of the kind that is seen least

    def adjusted(self, values: FloatArray, _memory: FloatArray, likeness: FloatArray) -> FloatArray:
        """Family-wise p of each row and test, the same whatever the memory."""
        return _held(values, likeness, self.statistics, self.smallest)

    def seen(self, memory: FloatArray, _alpha: float) -> FloatArray:
        """The power, of every row."""
        return np.full(memory.shape, self.power)


def _held(values: FloatArray, likeness: FloatArray, statistics: FloatArray, smallest: FloatArray) -> FloatArray:
    only = np.zeros(len(values), dtype=np.int64)
    return held(values, likeness, only, np.zeros(len(values)), statistics, smallest)


def pool_of(rows: FloatArray, smoothing: Smoothing, *, count: int, seed: int, alpha: float) -> Pool:
    """The pool of `count` surrogates of rows that can be tested, (pixels, n): as many of each, but for one."""
    if not len(rows):
        given = described("a map of whose chunks looked at none holds a series that can be tested")
        raise SeriesTooShortError("data", given, "some that can be, for null='pooled'; or null='table'")
    n, shapes = smoothing.n, weights(smoothing.n)
    lacking = np.isnan(rows)
    memory = np.clip(np.nan_to_num(scored(smoothing, shapes, rows).memory), -_LARGEST, _LARGEST)

    def draw(first: int, size: int) -> FloatArray:
        """Surrogates from number `first` on: of the first row, of the next …, and again from the first on."""
        numbers = np.arange(first, first + size)
        made = np.empty((size, n))
        for place, number in enumerate(numbers):
            made[place] = nulls.AR1(float(memory[number % len(rows)]), 1.0, n).draw(int(number), 1, seed=seed)[0]
        made[lacking[numbers % len(rows)]] = np.nan
        return scored(smoothing, shapes, made).values

    statistics, smallest = ordered(np.concatenate(in_chunks(draw, count, n=n)))
    powers = []
    chosen = np.linspace(0, len(rows) - 1, _CONTROLS).round().astype(np.int64)
    for kind in CONTROLS:
        made = np.empty((_CONTROLS, n))
        for place, pixel in enumerate(chosen):
            fitted = Fitted(float(memory[pixel]), 1.0, 0.5, math.pi / 4.0, 1.0)
            made[place] = draw_control(kind, fitted, n, seed=seed)(place, 1)[0]
        made[lacking[chosen]] = np.nan
        have = scored(smoothing, shapes, made)
        p = _held(have.values, have.likeness, statistics[None], smallest[:, None])
        powers.append(float(np.mean((p[:, WARNS] <= alpha).any(axis=1))))
    return Pool(smoothing, shapes, statistics[None], smallest[:, None], min(powers))
