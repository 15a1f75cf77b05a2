"""When a record was observed and what was done to it, so that the same can be done to whatever it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common.calendar_steps import Steps
from ews._common.publish import public
from ews._common.times import numeric

__all__ = ["Cells", "Observations", "Use", "cells_of", "observed"]

FloatArray = npt.NDArray[np.float64]
Use = Literal["kept", "consecutive", "interpolated", "held"]
_SPARSEST = 20  # cells for each observation, at most


@public("ews.series")
@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What was observed of a record that is not even and complete, or that has repeats.

    Attributes
    ----------
    positions : ndarray of shape (m,)
        Distinct times at which something was observed, in steps from the first: whole numbers on a grid with gaps, else
        in units of the median step.
    counts : ndarray of shape (m,)
        How many observations were averaged at each.
    values : ndarray of shape (counts.sum(),)
        All of them before they were averaged, in order of time.
    use : {"kept", "consecutive", "interpolated", "held"}
        What is analysed: the observations at their times, the observations as if their times were even, or an even grid
        between them (linear, or the last observation).
    n : int
        How many samples are analysed.
    """

    positions: FloatArray
    counts: FloatArray
    values: FloatArray
    use: Use
    n: int

    @property
    def first(self) -> npt.NDArray[np.intp]:
        """Where the observations of each time begin among all of them."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.intp)

    @property
    def which(self) -> npt.NDArray[np.intp]:
        """Which of the times each observation belongs to."""
        return np.repeat(np.arange(self.positions.size), self.counts.astype(np.intp))

    def averaged(self, rows: FloatArray) -> FloatArray:
        """From observations as rows, (rows, all of them), to their averages at each time, (rows, m)."""
        if rows.shape[1] == self.positions.size:
            return rows
        return np.asarray(np.add.reduceat(rows, self.first, axis=1) / self.counts)

    def filled(self, rows: FloatArray) -> FloatArray:
        """From averages at the times of observation as rows, (rows, m), to what is analysed, (rows, n)."""
        if self.use in ("kept", "consecutive") or self.positions.size == self.n:
            return rows
        grid = np.arange(self.n, dtype=np.float64)
        last = np.searchsorted(self.positions, grid + 1e-6, side="right") - 1
        if self.use == "held":
            return np.ascontiguousarray(rows[:, last])
        following = np.minimum(last + 1, self.positions.size - 1)
        width = self.positions[following] - self.positions[last]
        into = np.clip((grid - self.positions[last]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
        return np.asarray(rows[:, last] * (1.0 - into) + rows[:, following] * into)


def observed(
    all_values: FloatArray,
    all_times: Any,
    merged: FloatArray,
    times: Any,
    steps: Steps | None,
    *,
    even: bool,
    use: Use,
    n: int,
) -> Observations | None:
    """What was observed, from all observations and from the merged ones (NaN where there was none), both sorted.

    `even` says that the merged times have one step. None where all of it is analysed as it is: one observation at each
    time, and none absent.
    """
    finite = ~np.isnan(all_values)
    present = np.flatnonzero(~np.isnan(merged))
    distinct = times[present]
    counts = np.bincount(np.searchsorted(distinct, all_times[finite]), minlength=distinct.size).astype(np.float64)
    if steps is not None:
        positions = (steps.index[present] - steps.index[present[0]]).astype(np.float64)
    elif even:
        positions = (present - present[0]).astype(np.float64)
    else:
        numbers = numeric(distinct)
        step = float(np.median(np.diff(numbers))) if numbers.size > 1 else 1.0
        positions = (numbers - numbers[0]) / step
    whole = positions.size == n and bool((positions == np.arange(n)).all())
    if whole and int(finite.sum()) == n:  # NaN before the first observation and after the last are no gaps
        return None
    arrays = positions, counts, all_values[finite].copy()
    for array in arrays:
        array.setflags(write=False)
    return Observations(*arrays, use, n)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid of one step that holds each observation in a cell of its own, for windows that are stretches of time."""

    index: npt.NDArray[np.int64]  # (n,): which cell each observation is in
    size: int

    def blank(self, rows: FloatArray) -> FloatArray:
        """Rows of observations, (rows, n), on the grid, (rows, size), NaN where nothing was observed."""
        grid = np.full((rows.shape[0], self.size), np.nan)
        grid[:, self.index] = rows
        return grid

    def fewest(self, window: int, *, shortest: int) -> int:
        """How many observations a window of so many cells needs: a quarter of those it would hold."""
        return min(window, max(shortest, round(0.25 * window * self.index.size / self.size)))


def cells_of(positions: FloatArray) -> Cells | None:
    """The grid of observations at these positions, in steps: their own, or the nearest whole positions.

    None where two would share a cell, or the grid would be over twenty times the record: windows are then so many
    observations.
    """
    index = np.floor(positions - positions[0] + 0.5).astype(np.int64)
    size = int(index[-1]) + 1
    if (np.diff(index) < 1).any() or size > _SPARSEST * positions.size:
        return None
    return Cells(index, size)
