"""Rolling statistics beside the least that they can take: NumPy writing as many numbers into fresh memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

import ews
from benchmarks.comparisons import FOUR, noise
from benchmarks.timing import Timing, interleaved

__all__ = ["panel", "series"]


def series(n: int, window: int, seconds: float) -> tuple[Timing, Timing]:
    """Four statistics of one series, and writing four rows."""
    return _beside(noise(n), window, seconds)


def panel(seconds: float) -> tuple[Timing, Timing]:
    """Four statistics of 10,000 series of 500 samples in windows of 250, and writing as much."""
    return _beside(np.random.default_rng(1).normal(size=(10_000, 500)), 250, seconds)


def _beside(x: npt.NDArray[np.float64], window: int, seconds: float) -> tuple[Timing, Timing]:
    cases: dict[str, Callable[[], object]] = {
        "ours": partial(ews.rolling, x, window=window, indicators=FOUR),
        "numpy": lambda: [np.full(x.shape, 1.0) for _ in FOUR],
    }
    times = interleaved(cases, seconds=seconds, fewest=7)
    return times["ours"], times["numpy"]
