"""What the values allow: how many are zero, equal or distinct, and how their spread goes with their level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.publish import public

__all__ = ["SpreadWithLevel", "ValueCounts", "count_values", "spread_with_level"]

FloatArray = npt.NDArray[np.float64]

# So few different values leave indicators that jump between a few numbers themselves.
HANDFUL = 5
# Fewer samples have no standard deviation to speak of; more blocks than this add little.
SHORTEST_BLOCK, BLOCKS = 8, 20
# The level of a fifth of the record: what moved it is a trend rather than the memory of the noise.
LEVELS = 5
# A standard deviation that the level alone multiplies by this moves an indicator that divides by nothing.
MATTERS = 1.5
# 95 % point of the range of five normal means, in standard errors.
STUDENTIZED_RANGE = 3.86


@public("ews")
@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How many of the values are zero, equal and distinct.

    Attributes
    ----------
    n : int
        How many values.
    zeros : int
        How many are exactly 0.
    distinct : int
        How many different ones there are.
    commonest : float
        The value that stands most often.
    share : float
        Its share of all values.
    longest_run : int
        Length of the longest run of one value.
    run_value : float
        The value of that run.
    """

    n: int
    zeros: int
    distinct: int
    commonest: float
    share: float
    longest_run: int
    run_value: float

    def obstacles(self, window: int) -> tuple[str, ...]:
        """Why nothing can be told from values like these in windows of this length; empty where something can."""
        found = []
        if self.distinct <= HANDFUL:
            found.append(f"only {self.distinct} distinct values among {self.n}: too few for indicators to be told")
        if self.share > 0.5:
            others = self.n - round(self.share * self.n)
            found.append(
                f"{self.n - others} of {self.n} values are {self.commonest:g}, so that only {others} say anything: "
                "nothing can be told from them"
            )
        elif self.longest_run >= max(window / 2, 3):
            found.append(
                f"{self.longest_run} values in a row are {self.run_value:g}, at least half of a window of {window}: "
                "indicators there follow the run (a sensor at its limit, a gap filled with one value?)"
            )
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What the report says of them, where there is anything to say."""
        found = []
        if self.zeros and self.zeros >= 0.05 * self.n:
            found.append(f"{self.zeros} of {self.n} values ({100 * self.zeros / self.n:.0f} %) are 0")
        if self.share >= 0.1 and self.commonest != 0 and self.distinct > 1:
            found.append(f"{round(self.share * self.n)} of {self.n} values are {self.commonest:g}")
        if self.distinct <= min(20, self.n // 4):
            found.append(f"{self.distinct} distinct values among {self.n}")
        if self.longest_run >= max(10, self.n // 20):
            found.append(f"the longest run of one value ({self.run_value:g}) has {self.longest_run} observations")
        return tuple(found)


@public("ews")
@dataclass(frozen=True, slots=True)
class SpreadWithLevel:
    """How the spread of the residual scales with the level of the series: Taylor's power law, SD ∝ level^b.

    Attributes
    ----------
    exponent : float
        b, the slope of log SD against log mean over blocks: 0 where the spread does not depend on the level, 0.5 for
        Poisson counts, 1 where the spread is a share of the level.
    low, high : float
        Its central 95 % interval.
    blocks : int
        How many blocks it was fitted to.
    level_ratio : float
        The largest mean of a fifth of the record over the smallest.
    matters : bool
        Whether the exponent is above 0 beyond its interval and the level moved, by more than the memory of the noise
        moves it, enough to multiply the spread by 1.5.
    suggestion : str or None
        The transform under which the spread would depend on the level least, where it matters.

    References
    ----------
    Taylor, L. R. (1961). Aggregation, variance and the mean. Nature 189, 732–735.
    """

    exponent: float
    low: float
    high: float
    blocks: int
    level_ratio: float
    matters: bool
    suggestion: str | None

    def sentence(self) -> str:
        """What a reason says of it."""
        return (
            f"spread grows with the level (Taylor exponent {self.exponent:.2f}, 95 % interval {self.low:.2f} to "
            f"{self.high:.2f}) and the level changed by a factor of {self.level_ratio:.2g}, so that variance moves "
            f"without any change in resilience: look again with transform={self.suggestion!r}"
        )


def count_values(values: FloatArray) -> ValueCounts:
    """Count zeros, ties and distinct values."""
    distinct, counts = np.unique(values, return_counts=True)
    edges = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [values.size]])
    runs = np.diff(edges)
    most, longest = int(np.argmax(counts)), int(np.argmax(runs))
    return ValueCounts(
        n=int(values.size),
        zeros=int((values == 0).sum()),
        distinct=int(distinct.size),
        commonest=float(distinct[most]),
        share=float(counts[most] / values.size),
        longest_run=int(runs[longest]),
        run_value=float(values[edges[longest]]),
    )


def spread_with_level(values: FloatArray, residual: FloatArray) -> SpreadWithLevel | None:
    """Fit Taylor's power law to blocks of a series; None where it has no level (negative values) or too few blocks."""
    length = max(SHORTEST_BLOCK, values.size // BLOCKS)
    count = values.size // length
    if count < LEVELS or not (values >= 0).all():
        return None
    first = values.size - count * length  # blocks end with the record
    means = values[first:].reshape(count, length).mean(axis=1)
    spreads = np.nanstd(residual[first:].reshape(count, length), axis=1, ddof=1)
    used = (means > 0) & (spreads > 0)
    if used.sum() < LEVELS:
        return None
    exponent, low, high = _slope(np.log(means[used]), np.log(spreads[used]))
    ratio, moved = _level_moved(values)
    matters = bool(moved and low > 0 and exponent * math.log(ratio) >= math.log(MATTERS))
    suggestion = None
    if matters:
        strong = exponent >= 0.75
        counts = bool((values == np.round(values)).all())
        zeros = bool((values == 0).any())
        suggestion = ("log1p" if zeros else "log") if strong else "anscombe" if counts else "sqrt"
    return SpreadWithLevel(exponent, low, high, int(used.sum()), ratio, matters, suggestion)


def _level_moved(values: FloatArray) -> tuple[float, bool]:
    """Largest over smallest mean of a fifth of the record, and whether memory in the noise would not give as much."""
    parts = np.array_split(values, LEVELS)
    fifths = np.array([part.mean() for part in parts])
    if fifths.min() <= 0:
        return float("inf"), True
    ratio = float(fifths.max() / fifths.min())
    away = np.concatenate([part / mean - 1.0 for part, mean in zip(parts, fifths, strict=True)])
    memory = float(np.clip(away[1:] @ away[:-1] / max(away @ away, 1e-300), 0.0, 0.95))
    error = float(np.sqrt(np.mean(away**2) * (1 + memory) / (1 - memory) * LEVELS / values.size))
    return ratio, math.log(ratio) >= STUDENTIZED_RANGE * error


def _slope(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Least-squares slope and its central 95 % interval."""
    from scipy.stats import t

    centred = x - x.mean()
    size: Any = centred @ centred
    if not size > 1e-12 * max(1.0, float(x @ x)):
        return float("nan"), float("nan"), float("nan")
    slope = float(centred @ y / size)
    left = y - y.mean() - slope * centred
    reach = float(t.isf(0.025, x.size - 2)) * float(np.sqrt(left @ left / (x.size - 2) / size))
    return slope, slope - reach, slope + reach
