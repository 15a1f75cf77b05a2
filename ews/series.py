"""Any one-dimensional input → an evenly spaced, finite, sorted :class:`Series`; every change made to it is noted.

Lists, numpy arrays, pandas, polars and xarray objects come in; what leaves has no missing values, no duplicated times and
one step. Whatever had to be decided on the way (sorted, averaged, interpolated, dropped, cut) stands in ``Series.notes``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews.errors import (
    ArgumentError,
    DuplicatedTimesError,
    InputTypeError,
    IrregularSpacingError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    described,
)

__all__ = ["Duplicates", "Missing", "Series", "as_series", "split_columns"]

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.float64] | npt.NDArray[np.datetime64]
Missing = Literal["raise", "interpolate", "drop"]
Duplicates = Literal["raise", "mean"]

# Calendar months differ by up to 9.7 % from 31 days and count as even.
SPACING_TOLERANCE = 0.1
_DAY = np.timedelta64(86_400_000_000_000, "ns")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """An evenly spaced, finite series in time order.

    Attributes
    ----------
    values : ndarray of shape (n,), float64
        The observations, in the user's units.
    time : ndarray of shape (n,), float64 or datetime64[ns]
        When each was made; increasing.
    name : str or None
        Name of the series.
    time_name : str or None
        Name of the time axis.
    step : float
        Median distance between observations: in units of `time`, or in days for dates.
    step_unit : str
        ``"days"`` for dates, else empty.
    notes : tuple of str
        What was done to the input to get here; empty where nothing was.
    """

    values: FloatArray
    time: TimeArray
    name: str | None
    time_name: str | None
    step: float
    step_unit: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.values.size)


def split_columns(data: Any, *, time: Any = None) -> tuple[Mapping[str, Any] | None, Any]:
    """Split a table into its columns, or say that `data` is no table.

    Parameters
    ----------
    data : object
        A pandas or polars DataFrame; anything else is no table.
    time : object, optional
        The time argument; the name of a column takes that column out of the table.

    Returns
    -------
    columns : dict or None
        Column name → one-dimensional data; None where `data` is no table.
    time : object
        The times: the column named, or what was given, or the table's index.

    Raises
    ------
    ews.errors.UnknownNameError
        If `time` names no column.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        columns = {str(name): data[name] for name in data.columns}
    elif polars is not None and isinstance(data, polars.DataFrame):
        columns = {str(name): data[name] for name in data.columns}
    else:
        return None, time
    if isinstance(time, str):
        if time not in columns:
            raise UnknownNameError("time", time, columns)
        time = columns.pop(time)
    if not columns:
        raise InputTypeError("series", described("a table without a column of values"), "at least one numeric column")
    return columns, time


def as_series(
    data: Any,
    *,
    time: Any = None,
    name: str | None = None,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    causal: bool = False,
) -> Series:
    """Turn any one-dimensional input into an evenly spaced, finite, sorted series.

    Parameters
    ----------
    data : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray of real numbers.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the pandas index or the xarray coordinate, else 0, 1, 2, …). Descending times are
        sorted, and a note says so.
    name : str, optional
        Name of the series (default: the one that `data` carries).
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing: refuse; interpolate linearly onto an even grid of the median step;
        or leave the gaps out and take what remains as consecutive.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    causal : bool, default False
        Interpolate from the past only: gaps hold the last observation.

    Returns
    -------
    Series
        The cleaned series with notes on what was done.

    Raises
    ------
    ews.errors.InputTypeError
        For strings, complex numbers, or more than one dimension.
    ews.errors.SeriesTooShortError
        If nothing is left.
    ews.errors.MissingValuesError, ews.errors.DuplicatedTimesError, ews.errors.IrregularSpacingError
        Where the input has what was not asked to be handled.

    Examples
    --------
    >>> from ews.series import as_series
    >>> as_series([3.0, 1.0, 2.0], time=[2, 1, 0]).notes
    ('times were descending: sorted into ascending order',)
    """
    _one_of("missing", missing, ("raise", "interpolate", "drop"))
    _one_of("duplicates", duplicates, ("raise", "mean"))
    values, carried_time, carried_name, time_name = _unpack(data)
    values = _as_real("series", values)
    if values.size == 0:
        raise SeriesTooShortError("series", described("an empty series"), "at least one observation")
    stamps = _as_time(carried_time if time is None else time, values.size)
    notes: list[str] = []
    values, stamps = _sort(values, stamps, notes)
    values, stamps = _cut(values, stamps, until, notes)
    if np.isnan(values).all():
        raise SeriesTooShortError("series", described(f"{values.size} values, all NaN"), "finite observations")
    if np.isinf(values).any():
        where = int(np.flatnonzero(np.isinf(values))[0])
        raise MissingValuesError("series", described(f"an infinite value at position {where}"), "finite numbers or NaN")
    values, stamps = _merge_duplicates(values, stamps, duplicates, notes)
    values, stamps = _fill(values, stamps, missing, causal, notes)
    numbers = _numeric(stamps)
    step = float(np.median(np.diff(numbers))) if values.size > 1 else 1.0
    return Series(
        values=_frozen(values),
        time=_frozen(stamps),
        name=name if name is not None else carried_name,
        time_name=time_name if time is None else getattr(time, "name", None) or time_name,
        step=step,
        step_unit="days" if stamps.dtype.kind == "M" else "",
        notes=tuple(notes),
    )


def _one_of(argument: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise UnknownNameError(argument, given, allowed)


def _frozen(array: Any) -> Any:
    array = np.array(array, copy=True)
    array.setflags(write=False)
    return array


def _unpack(data: Any) -> tuple[Any, Any, str | None, str | None]:
    """Values, the times that they carry, their name and the name of the times."""
    pandas, polars, xarray = (sys.modules.get(library) for library in ("pandas", "polars", "xarray"))
    if pandas is not None and isinstance(data, pandas.Series):
        index = data.index
        plain = isinstance(index, pandas.RangeIndex) or not (
            pandas.api.types.is_numeric_dtype(index) or isinstance(index, pandas.DatetimeIndex | pandas.PeriodIndex)
        )
        if isinstance(index, pandas.PeriodIndex):
            index = index.to_timestamp()
        if pandas.api.types.is_numeric_dtype(data.dtype) and not pandas.api.types.is_complex_dtype(data.dtype):
            values = data.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = data.to_numpy()
        return values, None if plain else index, _text(data.name), _text(index.name)
    if polars is not None and isinstance(data, polars.Series):
        values = data.to_numpy() if data.dtype.is_numeric() else np.asarray(data.to_list(), dtype=object)
        return values, None, data.name or None, None
    if xarray is not None and isinstance(data, xarray.DataArray):
        if data.ndim == 1 and data.dims[0] in data.coords:
            return data.values, data.coords[data.dims[0]].values, _text(data.name), str(data.dims[0])
        return data.values, None, _text(data.name), None
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(np.float64), np.nan), None, None, None
    if isinstance(data, str | bytes | Mapping):
        raise InputTypeError("series", data, "a one-dimensional series of real numbers")
    own_name = getattr(data, "name", None)
    return data, getattr(data, "time", None), own_name if isinstance(own_name, str) else None, None


def _text(name: Any) -> str | None:
    return None if name is None else str(name)


def _as_real(argument: str, values: Any) -> FloatArray:
    """A one-dimensional float64 array, or an error that says what was given instead."""
    try:
        array = np.asarray(values)
    except ValueError:  # ragged lists
        raise InputTypeError(argument, described("a ragged sequence"), "a one-dimensional series of numbers") from None
    if array.ndim != 1:
        hint = "a one-dimensional series (for several variables pass a pandas or polars DataFrame)"
        raise InputTypeError(argument, described(f"an array of shape {array.shape}"), hint)
    if array.dtype.kind == "O":
        if any(isinstance(value, str | bytes | complex) for value in array):
            raise InputTypeError(argument, described("values that are not real numbers"), "real numbers")
        try:
            array = np.array([np.nan if value is None else value for value in array], dtype=np.float64)
        except (TypeError, ValueError):
            raise InputTypeError(argument, described("values that are not real numbers"), "real numbers") from None
    if array.dtype.kind not in "fiub":
        kinds = {"c": "complex numbers", "U": "strings", "S": "bytes", "M": "dates", "m": "time differences"}
        given = kinds.get(array.dtype.kind, f"values of type {array.dtype}")
        raise InputTypeError(argument, described(given), "real numbers")
    return array.astype(np.float64)


def _as_time(time: Any, n: int) -> Any:
    """Times as float64 or datetime64[ns], as many as there are values."""
    if time is None:
        return np.arange(n, dtype=np.float64)
    array = np.asarray(time.to_list() if type(time).__module__.startswith("polars") else time)
    if array.ndim != 1 or array.size != n:
        given = described(f"{'x'.join(map(str, array.shape)) or 'one'} time(s) for {n} values")
        raise ArgumentError("time", given, "one time for each value")
    if array.dtype.kind in "OUS":
        array = _parse_dates(array)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[ns]")
        bad = np.isnat(array)
    elif array.dtype.kind in "fiu":
        array = array.astype(np.float64)
        bad = ~np.isfinite(array)
    else:
        raise InputTypeError("time", described(f"values of type {array.dtype}"), "numbers or dates")
    if bad.any():
        given = described(f"a missing time at position {int(np.flatnonzero(bad)[0])}")
        raise ArgumentError("time", given, "a finite number or a date for each value")
    return array


def _parse_dates(array: npt.NDArray[Any]) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(pd.Series(array)).to_numpy()
    except (ValueError, TypeError):
        raise InputTypeError("time", described(f"{array[0]!r}, …"), "numbers, or dates such as 1990-01-31") from None


def _numeric(time: Any) -> FloatArray:
    """Times as numbers: themselves, or days since the first."""
    numbers = (time - time[0]) / _DAY if time.dtype.kind == "M" else time
    return np.asarray(numbers, dtype=np.float64)


def _sort(values: FloatArray, time: Any, notes: list[str]) -> tuple[FloatArray, Any]:
    differences = np.diff(_numeric(time))
    if (differences < 0).any():
        descending = bool((differences <= 0).all())
        order = np.argsort(time, kind="stable")
        if descending:  # keep ties in the order in which they were observed
            values, time = values[::-1], time[::-1]
            order = np.argsort(time, kind="stable")
        was = "descending" if descending else "not in order"
        notes.append(f"times were {was}: sorted into ascending order")
        return values[order], time[order]
    return values, time


def _cut(values: FloatArray, time: Any, until: Any, notes: list[str]) -> tuple[FloatArray, Any]:
    if until is None:
        return values, time
    try:
        limit = np.datetime64(until).astype("datetime64[ns]") if time.dtype.kind == "M" else float(until)
    except (TypeError, ValueError):
        kind = "a date" if time.dtype.kind == "M" else "a number, as the times are"
        raise InputTypeError("until", until, kind) from None
    keep = time <= limit
    if not keep.any():
        raise ValueRangeError("until", until, f"a time from {time[0]} to {time[-1]}")
    if not keep.all():
        notes.append(f"cut after {until}: {int(keep.sum())} of {keep.size} observations used")
    return values[keep], time[keep]


def _merge_duplicates(values: FloatArray, time: Any, duplicates: str, notes: list[str]) -> tuple[FloatArray, Any]:
    unique, inverse = np.unique(time, return_inverse=True)
    surplus = time.size - unique.size
    if not surplus:
        return values, time
    if duplicates == "raise":
        first = time[1:][time[1:] == time[:-1]][0]
        allowed = 'each time once, or duplicates="mean" to average the observations that share a time'
        raise DuplicatedTimesError("time", described(f"{surplus} duplicated time(s), the first at {first}"), allowed)
    finite = np.isfinite(values)
    count = np.bincount(inverse[finite], minlength=unique.size)
    total = np.bincount(inverse[finite], weights=values[finite], minlength=unique.size)
    with np.errstate(invalid="ignore"):
        merged = total / count
    notes.append(f"{surplus} observations shared a time with another: averaged")
    return merged, unique


def _fill(values: FloatArray, time: Any, missing: str, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
    """Handle NaN and uneven spacing as asked; raise where nothing was asked."""
    gaps = int(np.isnan(values).sum())
    if gaps and missing == "raise":
        first = int(np.flatnonzero(np.isnan(values))[0])
        given = described(f"{gaps} missing value(s), the first at position {first}")
        raise MissingValuesError("series", given, 'no NaN, or missing="interpolate" or missing="drop"')
    if missing == "drop":
        present = ~np.isnan(values)
        if gaps:
            notes.append(f"{gaps} missing values left out; what remains is taken as consecutive")
        elif not _even(time):
            notes.append("uneven spacing ignored: observations are taken as consecutive")
        return values[present], time[present]
    if gaps:
        values, time = _interpolate_gaps(values, time, causal, notes)
    if not _even(time):
        if missing == "raise":
            steps = np.diff(_numeric(time))
            given = described(f"steps from {steps.min():.6g} to {steps.max():.6g} (median {np.median(steps):.6g})")
            allowed = (
                f"steps within {SPACING_TOLERANCE:.0%} of their median, or "
                'missing="interpolate" (even grid) or missing="drop" (order only)'
            )
            raise IrregularSpacingError("time", given, allowed)
        values, time = _regrid(values, time, causal, notes)
    return values, time


def _even(time: Any) -> bool:
    if time.size < 3:
        return True
    steps = np.diff(_numeric(time))
    median = np.median(steps)
    return bool(np.all(np.abs(steps - median) <= SPACING_TOLERANCE * median))


def _interpolate_gaps(values: FloatArray, time: Any, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
    present = np.flatnonzero(~np.isnan(values))
    first, last = int(present[0]), int(present[-1])
    ends = values.size - (last - first + 1)
    values, time = values[first : last + 1], time[first : last + 1]
    holes = np.isnan(values)
    if ends:
        notes.append(f"{ends} missing values at the ends cut off")
    if holes.any():
        numbers = _numeric(time)
        values = _interpolate(numbers, numbers[~holes], values[~holes], causal)
        notes.append(f"{int(holes.sum())} missing values {_how(causal)}")
    return values, time


def _regrid(values: FloatArray, time: Any, causal: bool, notes: list[str]) -> tuple[FloatArray, Any]:
    """Interpolate onto an even grid of the median step that starts at the first observation."""
    numbers = _numeric(time)
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
    if causal:  # the last observation is all that was known at the time
        last = np.searchsorted(at, grid + 1e-9 * (grid[-1] - grid[0]), side="right") - 1
        return np.asarray(values[last], dtype=np.float64)
    return np.interp(grid, at, values)


def _how(causal: bool) -> str:
    return "held at the last observation" if causal else "interpolated linearly"
