"""Missing values and uneven spacing: refused, filled, or left out, as the user asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.calendar_steps import Steps, days_after, recognise
from ews._common.sampling import Sampling
from ews._common.times import numeric, shown
from ews.errors import IrregularSpacingError, MissingValuesError, at, described

__all__ = ["consecutive", "even", "fill"]

FloatArray = npt.NDArray[np.float64]

# Calendar months differ by up to 9.7 % from 31 days and count as even.
SPACING_TOLERANCE = 0.1
# Samples of an even grid for each observation, at most.
MOST_FILLED = 20


def fill(
    values: FloatArray,
    time: Any,
    missing: str,
    causal: bool,
    notes: list[str],
    steps: Steps | None,
    timed: bool = False,
) -> tuple[FloatArray, Any, int]:
    """Handle NaN and uneven spacing as asked; raise where nothing was asked.

    With `timed` the caller goes by the times of what is left, where others take it as consecutive: notes say which.

    Returns
    -------
    values, time : ndarray
        Without gaps.
    count : int
        Samples that were filled in; with ``missing="drop"`` and ``"keep"``, those that were left out.
    """
    gaps = int(np.isnan(values).sum())
    if gaps and missing == "raise":
        first = int(np.flatnonzero(np.isnan(values))[0])
        given = described(f"{_missing(gaps)}, the first {at(first)}")
        raise MissingValuesError("series", given, 'no NaN, or missing="interpolate" or missing="drop"')
    whole = steps.absent == 0 if steps is not None else even(time)
    if missing in ("drop", "keep"):
        present = ~np.isnan(values)
        absent = 0 if steps is None else steps.absent
        if gaps:
            rest = "the times of the others are used as they are" if timed else "what remains is taken as consecutive"
            notes.append(f"{_missing(gaps)} left out; {rest}")
        if not whole and not even(time[present]):
            notes.append(
                "uneven spacing: the times are used as they are"
                if timed
                else "uneven spacing ignored: observations are taken as consecutive"
            )
        return values[present], time[present], gaps + absent
    count = 0
    if gaps:
        values, time, count, first = _interpolate_gaps(values, time, causal, notes)
        if steps is not None:
            index = steps.index[first : first + time.size]
            steps, start = replace(steps, index=index - index[0]), int(index[0])
            stamp = steps.stamp
            steps = replace(steps, stamp=lambda at: stamp(at + start))
            whole = steps.absent == 0
        else:
            whole = even(time)
    if whole:
        return values, time, count
    if missing == "raise":
        raise IrregularSpacingError("time", described(_unevenness(time, steps)), _EVEN)
    values, time, more = _regrid(values, time, causal, notes, steps)
    return values, time, count + more


_EVEN = (
    f"steps within {SPACING_TOLERANCE:.0%} of their median, or "
    'missing="interpolate" (even grid) or missing="drop" (order only)'
)


def _unevenness(time: Any, steps: Steps | None) -> str:
    gaps = np.diff(numeric(time))
    text = f"steps from {gaps.min():.6g} to {gaps.max():.6g} (median {np.median(gaps):.6g})"
    if steps is None:
        return text
    before = time[int(np.argmax(np.diff(steps.index) > 1))]
    counted = Sampling(steps.unit, steps.every).counted(steps.absent)
    return f"{text}: {counted} without an observation, the first after {shown(before)}"


def even(time: Any) -> bool:
    """Whether the steps, in units or days, are within a tenth of their median."""
    if time.size < 3:
        return True
    steps = np.diff(numeric(time))
    median = np.median(steps)
    return bool(np.all(np.abs(steps - median) <= SPACING_TOLERANCE * median))


def consecutive(time: Any) -> bool:
    """Whether no step of the calendar, or of an even axis, is without an observation."""
    steps = recognise(time)
    return even(time) if steps is None else steps.absent == 0


def _interpolate_gaps(
    values: FloatArray, time: Any, causal: bool, notes: list[str]
) -> tuple[FloatArray, Any, int, int]:
    """Values and times without NaN, how many were filled, and how many were cut off at the beginning."""
    present = np.flatnonzero(~np.isnan(values))
    first, last = int(present[0]), int(present[-1])
    ends = values.size - (last - first + 1)
    values, time = values[first : last + 1], time[first : last + 1]
    holes = np.isnan(values)
    if ends:
        notes.append(f"{_missing(ends)} at the ends cut off")
    if holes.any():
        numbers = numeric(time)
        values = _interpolate(numbers, numbers[~holes], values[~holes], causal)
        notes.append(f"{_missing(int(holes.sum()))} {_how(causal)}")
    return values, time, int(holes.sum()), first


def _regrid(
    values: FloatArray, time: Any, causal: bool, notes: list[str], steps: Steps | None
) -> tuple[FloatArray, Any, int]:
    """Interpolate onto the steps that were recognised, else onto even ones of the median step from the first time."""
    numbers = numeric(time)
    step = float(np.median(np.diff(numbers)))
    count = int(np.floor((numbers[-1] - numbers[0]) / step + 1e-9)) + 1 if steps is None else int(steps.index[-1]) + 1
    if count > MOST_FILLED * values.size:
        given = described(f"a median step of {step:.6g} over a record of {numbers[-1] - numbers[0]:.6g}")
        raise IrregularSpacingError("time", given, "gaps of moderate length; cut the record or resample it first")
    if steps is None:
        grid = numbers[0] + step * np.arange(count)
        stamps: Any = days_after(time[0], grid) if time.dtype.kind == "M" else grid
        filled = _interpolate(grid, numbers, values, causal)
        each = f"{step:.6g}{' days' if time.dtype.kind == 'M' else ''}"
        near = np.abs(grid[:, None] - numbers[np.clip(np.searchsorted(numbers, grid)[:, None] - [1, 0], 0, None)
                      .clip(max=numbers.size - 1)]).min(axis=1)  # fmt: skip
        added = int((near > step / 2).sum())
    else:  # what was observed stays as it was, at its own time
        stamps = steps.stamp(np.arange(count))
        stamps[steps.index] = time
        filled = _interpolate(numeric(stamps), numeric(stamps)[steps.index], values, causal)
        each = Sampling(steps.unit, steps.every).step_text or f"{step:.6g}"
        added = steps.absent
    notes.append(
        f"uneven spacing: {values.size} observations {_how(causal)} onto {count} even steps of {each}; "
        "interpolation raises autocorrelation where observations are sparse"
    )
    return filled, stamps, added


def _interpolate(grid: FloatArray, at: FloatArray, values: FloatArray, causal: bool) -> FloatArray:
    if causal:  # the last observation is all that was known at the time; grid points carry rounding errors
        last = np.searchsorted(at, grid + 1e-6 * (grid[1] - grid[0]), side="right") - 1
        return np.asarray(values[last], dtype=np.float64)
    return np.interp(grid, at, values)


def _how(causal: bool) -> str:
    return "held at the last observation" if causal else "interpolated linearly"


def _missing(count: int) -> str:
    return "1 missing value" if count == 1 else f"{count} missing values"
