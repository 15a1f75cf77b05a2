"""Missing values and uneven spacing: refused, filled, or left out, as the user asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.times import numeric
from ews.errors import IrregularSpacingError, MissingValuesError, described

__all__ = ["even", "fill"]

FloatArray = npt.NDArray[np.float64]

# Calendar months differ by up to 9.7 % from 31 days and count as even.
SPACING_TOLERANCE = 0.1


def fill(values: FloatArray, time: Any, missing: str, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
    """Handle NaN and uneven spacing as asked; raise where nothing was asked."""
    gaps = int(np.isnan(values).sum())
    if gaps and missing == "raise":
        first = int(np.flatnonzero(np.isnan(values))[0])
        given = described(f"{_missing(gaps)}, the first at position {first}")
        raise MissingValuesError("series", given, 'no NaN, or missing="interpolate" or missing="drop"')
    if missing == "drop":
        present = ~np.isnan(values)
        if gaps:
            notes.append(f"{_missing(gaps)} left out; what remains is taken as consecutive")
        if not even(time[present]) and not even(time):
            notes.append("uneven spacing ignored: observations are taken as consecutive")
        return values[present], time[present]
    if gaps:
        values, time = _interpolate_gaps(values, time, causal, notes)
    if not even(time):
        if missing == "raise":
            steps = np.diff(numeric(time))
            given = described(f"steps from {steps.min():.6g} to {steps.max():.6g} (median {np.median(steps):.6g})")
            allowed = (
                f"steps within {SPACING_TOLERANCE:.0%} of their median, or "
                'missing="interpolate" (even grid) or missing="drop" (order only)'
            )
            raise IrregularSpacingError("time", given, allowed)
        values, time = _regrid(values, time, causal, notes)
    return values, time


def even(time: Any) -> bool:
    if time.size < 3:
        return True
    steps = np.diff(numeric(time))
    median = np.median(steps)
    return bool(np.all(np.abs(steps - median) <= SPACING_TOLERANCE * median))


def _interpolate_gaps(values: FloatArray, time: Any, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
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
    return values, time


def _regrid(values: FloatArray, time: Any, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
    """Interpolate onto an even grid of the median step that starts at the first observation."""
    numbers = numeric(time)
    step = float(np.median(np.diff(numbers)))
    count = int(np.floor((numbers[-1] - numbers[0]) / step + 1e-9)) + 1
    if count > 20 * values.size:
        given = described(f"a median step of {step:.6g} over a record of {numbers[-1] - numbers[0]:.6g}")
        raise IrregularSpacingError("time", given, "gaps of moderate length; cut the record or resample it first")
    grid = numbers[0] + step * np.arange(count)
    filled = _interpolate(grid, numbers, values, causal)
    stamps: Any = time[0] + (grid * 86_400e9).astype("timedelta64[ns]") if time.dtype.kind == "M" else grid
    notes.append(
        f"uneven spacing: {values.size} observations {_how(causal)} onto {count} even steps of {step:.6g}; "
        "interpolation raises autocorrelation where observations are sparse"
    )
    return filled, stamps


def _interpolate(grid: FloatArray, at: FloatArray, values: FloatArray, causal: bool) -> FloatArray:
    if causal:  # the last observation is all that was known at the time; grid points carry rounding errors
        last = np.searchsorted(at, grid + 1e-6 * (grid[1] - grid[0]), side="right") - 1
        return np.asarray(values[last], dtype=np.float64)
    return np.interp(grid, at, values)


def _how(causal: bool) -> str:
    return "held at the last observation" if causal else "interpolated linearly"


def _missing(count: int) -> str:
    return "1 missing value" if count == 1 else f"{count} missing values"
