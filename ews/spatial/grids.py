"""Any sequence of maps → an array of shape (time, y, x), its times and what was done to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.labelled import filled, time_dimension, times_along
from ews._common.publish import public
from ews.errors import (
    InputTypeError,
    IrregularSpacingError,
    MissingValuesError,
    SeriesTooShortError,
    ValueRangeError,
    described,
)
from ews.series import TimeArray, as_series

__all__ = ["Grids", "MissingCells", "as_cells", "as_grids", "blocks"]

FloatArray = npt.NDArray[np.float64]
MissingCells = Literal["raise", "drop"]

SHORTEST_SIDE = 2
_LARGEST = 1e150
LARGEST = 1e70  # fourth powers must not overflow
# Cells in a block of frames: 8 MiB, so that a long record of large maps is never copied as a whole.
BLOCK_CELLS = 1_048_576
_KINDS = {"c": "complex numbers", "U": "strings", "T": "strings", "S": "bytes", "M": "dates", "m": "durations"}


@public("ews.spatial")
@dataclass(frozen=True, eq=False)
class Grids:
    """Maps of one quantity at evenly spaced times.

    Attributes
    ----------
    values : ndarray of shape (time, y, x), float64
        The maps; NaN where a cell has no value and ``missing="drop"`` was asked for.
    time : ndarray of shape (time,), float64 or datetime64[ns]
        When each map was made; increasing.
    name, time_name : str or None
        Names of the quantity and of the time axis.
    step : float
        Distance between maps, in units of `time`, or in days for dates.
    step_unit : str
        ``"days"`` for dates, else empty.
    notes : tuple of str
        What was done to the input to get here.
    """

    values: FloatArray
    time: TimeArray
    name: str | None
    time_name: str | None
    step: float
    step_unit: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.time.size)


def as_cells(grids: Any, *, missing: MissingCells = "raise") -> FloatArray:
    """Read maps as float64 of shape (time, y, x), or say what was given instead; the user's array is never written to.

    Taken are an array, an xarray DataArray of three dimensions, or a sequence of two-dimensional arrays of one shape.
    Infinite values are always refused.
    """
    checks.choice("missing", missing, ("raise", "drop"))
    array = _array(grids)
    if array.ndim != 3:
        given = described(f"an array of shape {array.shape}" if array.ndim else f"a single {type(grids).__name__}")
        raise InputTypeError("grids", given, "three dimensions, (time, y, x); for one map pass grids[None]")
    if array.dtype.kind not in "fiub":
        given = described(_KINDS.get(array.dtype.kind, f"values of type {array.dtype}"))
        raise InputTypeError("grids", given, "real numbers or booleans")
    if array.shape[0] == 0 or min(array.shape[1:]) < SHORTEST_SIDE:
        given = described(f"maps of shape {array.shape}")
        raise SeriesTooShortError("grids", given, f"at least one map of {SHORTEST_SIDE} × {SHORTEST_SIDE} cells")
    values = np.asarray(array, dtype=np.float64)
    if np.isinf(values).any():
        raise MissingValuesError("grids", described("infinite values"), "finite numbers or NaN")
    if np.abs(values).max(initial=0.0, where=~np.isnan(values)) > _LARGEST:
        given = described(f"values of size {np.nanmax(np.abs(values)):.3g}")
        raise ValueRangeError("grids", given, f"values up to {_LARGEST:g}: squares of larger ones overflow")
    if missing == "raise" and (gaps := int(np.isnan(values).sum())):
        allowed = 'finite numbers, or missing="drop" where the definition allows for gaps'
        raise MissingValuesError("grids", described(f"{gaps} NaN cells"), allowed)
    return values


def as_grids(grids: Any, *, time: Any = None, until: Any = None, missing: MissingCells = "raise") -> Grids:
    """Turn maps and their times into :class:`Grids`: sorted, evenly spaced, cut at `until`.

    Times are by default the coordinate of the first dimension, else 0, 1, ….
    """
    values = as_cells(grids, missing=missing)
    carried, name, time_name = _labels(grids)
    places = np.arange(len(values), dtype=np.float64)
    try:
        order = as_series(places, time=carried if time is None else time, until=until)
    except IrregularSpacingError as error:
        raise IrregularSpacingError(
            "time", error.given, "maps at even times: the null model counts in maps, not in time"
        ) from None
    kept = values[order.values.astype(np.int64)]
    if not np.isfinite(kept).any():
        raise MissingValuesError("grids", described("maps without a finite value"), "finite numbers")
    if (size := float(np.nanmax(np.abs(kept)))) > LARGEST:
        given = described(f"values up to {size:.3g}")
        raise ValueRangeError("grids", given, f"at most {LARGEST:g}: change the unit")
    if np.nanmin(kept) == np.nanmax(kept):
        raise ValueRangeError("grids", described("equal values everywhere"), "values that vary")
    kept.setflags(write=False)
    notes = tuple(note.replace("observations", "maps") for note in order.notes)
    if gaps := int(np.isnan(kept).sum()):
        notes += (f"{gaps} NaN cells ({100 * gaps / kept.size:.2g} %) left out",)
    name_of_time = time_name if time is None else order.time_name
    return Grids(kept, order.time, name, name_of_time, order.step, order.step_unit, notes)


def blocks(values: FloatArray) -> list[FloatArray]:
    """Consecutive maps of `values`, a few megabytes at a time."""
    count = max(1, BLOCK_CELLS // (values.shape[1] * values.shape[2]))
    return [values[first : first + count] for first in range(0, values.shape[0], count)]


def _array(grids: Any) -> npt.NDArray[Any]:
    if isinstance(grids, str | bytes | Mapping):
        raise InputTypeError("grids", grids, "maps of shape (time, y, x)")
    if hasattr(grids, "dims") and hasattr(grids, "coords") and not hasattr(grids, "data_vars"):
        along = time_dimension(grids)
        if along is not None and along != str(grids.dims[0]):
            given = described(f"a DataArray of the dimensions {' × '.join(map(str, grids.dims))}")
            raise InputTypeError("grids", given, f"time first, as data.transpose({along!r}, ...) puts it")
        grids = filled(grids)
    if isinstance(grids, np.ma.MaskedArray) and grids.dtype.kind in "fiub":
        return np.asarray(np.ma.filled(grids.astype(np.float64), np.nan))
    return checks.array("grids", grids, "maps of one shape", ragged="maps of several shapes")


def _labels(grids: Any) -> tuple[Any, str | None, str | None]:
    """Times, name and name of the times that an xarray DataArray or a simulation carries."""
    xarray = sys.modules.get("xarray")
    if xarray is None or not isinstance(grids, xarray.DataArray):
        model = getattr(grids, "model", None)
        return getattr(grids, "time", None), model if isinstance(model, str) else None, None
    times, called = times_along(grids, grids.dims[0])
    return times, None if grids.name is None else str(grids.name), called
