"""Numbers that usually stand for a missing value (−999, 9999.99, 1e20): which of them lie far outside the others."""

from __future__ import annotations

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
    counts : dict of float to int
        How often each finite value stands, in ascending order.
    usual : tuple of float
        Values that are usual codes.
    rest : ndarray
        The others, each once.
    found : tuple of float
        Those of `usual` that lie far outside `rest`.
    """

    counts: dict[float, int]
    usual: tuple[float, ...]
    rest: FloatArray
    found: tuple[float, ...]


def is_weak(value: float) -> bool:
    """Whether a code of few digits may well have been measured."""
    return abs(value) < 99 or (value > 0 and abs(value) == 99)


def far_codes(values: FloatArray) -> Codes:
    """Look for usual codes far outside the other values."""
    unique, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    times = dict(zip(unique.tolist(), counts.tolist(), strict=True))
    usual = np.isin(unique, _CODES) | (np.abs(unique) >= _HUGE)
    rest = unique[~usual]
    found = []
    if counts[~usual].sum() >= FEW:
        low, high = float(rest[0]), float(rest[-1])
        spread = (high - low) or abs(high) or 1.0
        for value in unique[usual].tolist():
            away, alien = max(low - value, value - high) / spread, value < 0 <= low
            if is_weak(value):
                far = (alien and away > 0.5) or (away > 3 and times[value] > 1)
            else:
                far = away > 1 or alien
            if far:
                found.append(value)
    return Codes(times, tuple(unique[usual].tolist()), rest, tuple(found))


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
    count = sum(codes.counts[value] for value in found)
    others = [value for value in codes.counts if value not in found]
    shown = " and ".join(f"{value:g}" for value in found)
    text = (
        f"{shown} in {count} of {values.size} places, far from the other values "
        f"({others[0]:g} to {others[-1]:g}): if that stands for a missing value"
    )
    return f"CAUTION: {text}, as it usually does, put NaN there" if codes.found else f"{text}, put NaN there"
