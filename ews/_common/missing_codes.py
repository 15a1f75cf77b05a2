"""Numbers that usually stand for a missing value (−999, 9999.99, 1e20): which of them lie far outside the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FEW", "Codes", "far_codes", "far_note", "is_weak", "repeats_far_out"]

FloatArray = npt.NDArray[np.float64]
FEW = 4  # values that must be left beside a code for its distance to be judged
# Nines, with and without decimals, and the ends of the ranges of whole numbers.
_NINES = {float(f"{'9' * whole}.{'9' * fraction or '0'}") for whole in range(1, 11) for fraction in range(4)}
_CODES = np.array(sorted({*_NINES, *(-nines for nines in _NINES), -32768.0, 32767.0, 65535.0, -(2.0**31), 2.0**31 - 1}
                         | {-888.0, -7777.0, -8888.0}))  # fmt: skip
_HUGE = 1e20  # what netCDF writes is 1e20 and more


@dataclass(frozen=True, eq=False)
class Codes:
    """The usual codes among some values.

    Attributes
    ----------
    ordered : ndarray
        The finite values, ascending.
    usual : dict of float to int
        Values that are usual codes, ascending, and how often each stands.
    found : tuple of float
        Those of `usual` that lie far outside the others.
    """

    ordered: FloatArray
    usual: dict[float, int]
    found: tuple[float, ...]

    @property
    def rest(self) -> FloatArray:
        """The values that are no usual codes, each once, ascending."""
        unique = np.unique(self.ordered)
        return np.asarray(unique[~np.isin(unique, list(self.usual))])

    def count(self, value: float) -> int:
        """How often a value stands."""
        return count_in(self.ordered, value)


def count_in(ordered: FloatArray, value: float) -> int:
    """How often a value stands among ascending ones."""
    return int(np.searchsorted(ordered, value, side="right") - np.searchsorted(ordered, value, side="left"))


def ends_without(ordered: FloatArray, left_out: Collection[float]) -> tuple[float, float]:
    """The least and the largest of ascending values that are not left out; of which there has to be one."""
    first, last = 0, ordered.size - 1
    while float(ordered[first]) in left_out:
        first = int(np.searchsorted(ordered, ordered[first], side="right"))
    while float(ordered[last]) in left_out:
        last = int(np.searchsorted(ordered, ordered[last], side="left")) - 1
    return float(ordered[first]), float(ordered[last])


def is_weak(value: float) -> bool:
    """Whether a code of few digits may well have been measured."""
    return abs(value) < 99 or (value > 0 and abs(value) == 99)


def far_codes(values: FloatArray) -> Codes:
    """Look for usual codes far outside the other values."""
    # Sorted once and searched: a table of all values would take many times their memory.
    ordered = np.sort(values[np.isfinite(values)])
    low_end, high_end = np.searchsorted(ordered, -_HUGE, side="right"), np.searchsorted(ordered, _HUGE, side="left")
    candidates = np.unique(np.concatenate([ordered[:low_end], _CODES, ordered[high_end:]]))
    ends, starts = (np.searchsorted(ordered, candidates, side=side) for side in ("right", "left"))
    usual = {value: count for value, count in zip(candidates.tolist(), (ends - starts).tolist(), strict=True) if count}
    found = []
    if ordered.size - sum(usual.values()) >= FEW:
        low, high = ends_without(ordered, usual)
        spread = (high - low) or abs(high) or 1.0
        for value, count in usual.items():
            away, alien = max(low - value, value - high) / spread, value < 0 <= low
            if is_weak(value):
                far = (alien and away > 0.5) or (away > 3 and count > 1)
            else:
                far = away > 1 or alien
            if far:
                found.append(value)
    return Codes(ordered, usual, tuple(found))


def repeats_far_out(values: FloatArray) -> tuple[float, ...]:
    """The least and the largest value where they stand more than once and far from all others."""
    found = []
    for way in (1.0, -1.0):
        turned = way * values[np.isfinite(values)]
        edge = turned.min() if turned.size else 0.0
        others = turned[turned > edge]
        if turned.size - others.size < 2 or others.size < FEW:  # a single extreme may well be one
            continue
        edge, nearest = float(edge), float(others.min())
        reach = float(others.max()) - nearest
        alone = way > 0 and edge < 0 < nearest and edge % 1 == 0  # −1 among lengths or counts
        if (alone or nearest - edge > 3 * (reach or abs(nearest))) and np.unique(others).size >= FEW:
            found.append(float(way * edge))
    return tuple(found)


def far_note(values: FloatArray) -> str:
    """What is said of an array that holds what may stand for missing values, far from its others; else empty."""
    codes = far_codes(values)
    found = codes.found or repeats_far_out(values)
    if not found:
        return ""
    count = sum(codes.count(value) for value in found)
    low, high = ends_without(codes.ordered, found)
    shown = " and ".join(f"{value:g}" for value in found)
    text = (
        f"{shown} in {count} of {values.size} places, far from the other values "
        f"({low:g} to {high:g}): if that stands for a missing value"
    )
    return f"CAUTION: {text}, as it usually does, put NaN there" if codes.found else f"{text}, put NaN there"
