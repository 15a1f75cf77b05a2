"""How much of a series repeats with the calendar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._common.restarting_steps import steps_of_year
from ews._common.sampling import NOTABLE_SHARE, Seasonality

__all__ = ["seasonality"]

FloatArray = npt.NDArray[np.float64]
# Mean lengths of a year and a week in steps of one unit: the cycles that a unit suggests.
_CYCLES: dict[str, tuple[tuple[str, float], ...]] = {
    "quarter": (("year", 4.0),),
    "month": (("year", 12.0),),
    "half month": (("year", 24.0),),
    "dekad": (("year", 36.0),),
    "quarter of a month": (("year", 48.0),),
    "pentad": (("year", 72.0),),
    "week": (("year", 365.2425 / 7),),
    "day": (("year", 365.2425), ("week", 7.0)),
    "business day": (("year", 365.2425 * 5 / 7), ("week", 5.0)),
    "hour": (("day", 24.0),),
    "minute": (("day", 1440.0),),
    "second": (("day", 86_400.0),),
}
SHIFTS = 99
FEWEST_CYCLES = 3


def seasonality(values: FloatArray, unit: str, every: int) -> Seasonality | None:
    """The strongest cycle of the calendar in an even series; None where none has two samples and three repetitions."""
    found = [
        _share(values, length / every, cycle)
        for cycle, length in _cycles(unit)
        if length / every >= 2 and values.size >= FEWEST_CYCLES * length / every
    ]
    return max(found, key=lambda one: (one.notable, one.share), default=None)


def _cycles(unit: str) -> tuple[tuple[str, float], ...]:
    if unit.endswith("-day composite"):
        return (("year", float(steps_of_year(int(unit.removesuffix("-day composite"))))),)
    return _CYCLES.get(unit, ())


def _share(values: FloatArray, length: float, cycle: str) -> Seasonality:
    """Variance component of the phase, as a share, about a moving average of one cycle.

    Searle, S. R., Casella, G. & McCulloch, C. E. (1992). Variance components, ch. 3: one-way, random.
    """
    period = round(length)
    half = period // 2
    weights = np.ones(2 * half + 1)
    if period % 2 == 0:
        weights[[0, -1]] = 0.5
    about = values[half : values.size - half] - np.convolve(values, weights / weights.sum(), mode="valid")
    scale = np.abs(about).max()
    if not scale > 1e-12 * np.abs(values).max():
        return Seasonality(period, cycle, 0.0, 1.0)
    about = about / scale
    at = np.arange(about.size) % length
    phase = np.minimum((at * period / length).astype(np.int64), period - 1)
    turn = (np.arange(about.size) / length).astype(np.int64)
    observed = _component(about, phase, period)
    if observed < NOTABLE_SHARE:
        return Seasonality(period, cycle, observed, 1.0)
    generator = np.random.default_rng(0)
    shifts = generator.integers(period, size=(SHIFTS, int(turn[-1]) + 1))
    at_least = sum(_component(about, (phase + shift[turn]) % period, period) >= observed for shift in shifts)
    return Seasonality(period, cycle, observed, (1 + at_least) / (1 + SHIFTS))


def _component(values: FloatArray, phase: npt.NDArray[np.int64], period: int) -> float:
    count = np.bincount(phase, minlength=period)
    used = count > 0
    groups = int(used.sum())
    means = np.bincount(phase, weights=values, minlength=period)[used] / count[used]
    squares = float(((values - values.mean()) ** 2).sum())
    between = float((count[used] * (means - values.mean()) ** 2).sum())
    if groups < 2 or values.size <= groups:
        return 0.0
    mean_between = between / (groups - 1)
    mean_within = (squares - between) / (values.size - groups)
    size = (values.size - float((count[used] ** 2).sum()) / values.size) / (groups - 1)
    component = (mean_between - mean_within) / size * (groups - 1) / groups  # the phases are all there are
    total = component + mean_within
    return float(max(0.0, component / total)) if total > 0 else 0.0
