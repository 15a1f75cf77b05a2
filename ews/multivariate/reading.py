"""Any table of several variables → its columns; what every function on them checks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ews._common import checks
from ews._common.labelled import filled, time_dimension, times_along
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described
from ews.indicators.building import read_step, read_window
from ews.multivariate.windows import FloatArray, Windows
from ews.series import real_numbers, split_columns

__all__ = ["as_columns", "measure", "of_variable"]

ALLOWED = "a table (time × variables) of at least two variables; for one, ews.detect and the indicators in ews"


def as_columns(data: Any, *, time: Any = None) -> tuple[dict[str, Any], Any]:
    """Split several variables into named columns.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Pandas or polars DataFrame; numpy array or nested list; xarray DataArray of two dimensions (time first) or
        Dataset; mapping from names to columns; data set.
    time : object, optional
        Times; the name of a column takes that column out.

    Returns
    -------
    columns : dict
        Name → one-dimensional data, at least two.
    time : object
        The times: the column named, or what was given, or those that the data carry.

    Raises
    ------
    ews.errors.InputTypeError
        For data that are no table of at least two variables.
    ews.errors.UnknownNameError
        If `time` names no column.
    """
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(data, polars.LazyFrame):
        raise InputTypeError("data", described("a lazy table"), "data.collect()")
    try:
        columns, time = split_columns(data, time=time)
    except ArgumentError as error:
        if error.argument != "series":
            raise
        raise type(error)("data", error.given, error.allowed) from None
    if columns is None:
        columns, time = _other_columns(data, time)
    if len(columns) < 2:
        raise InputTypeError("data", described(f"{len(columns)} variable{'s' * (len(columns) != 1)}"), ALLOWED)
    return dict(columns), time


def _other_columns(data: Any, time: Any) -> tuple[Mapping[str, Any], Any]:
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(data, xarray.Dataset):
        return _named({str(name): data[name] for name in data.data_vars}, time)
    if xarray is not None and isinstance(data, xarray.DataArray):
        if data.ndim != 2:
            raise InputTypeError("data", described(f"a DataArray of {data.ndim} dimension(s)"), ALLOWED)
        if (along := time_dimension(data)) is not None:
            data = data.transpose(along, ...)
        data = filled(data)
        first, second = data.dims
        labels = data.coords[second].values if second in data.coords else range(1, data.shape[1] + 1)
        names = [str(label) if second in data.coords else f"x{label}" for label in labels]
        index = times_along(data, first)[0] if time is None else time
        return dict(zip(names, np.asarray(data.values).T, strict=True)), index
    if isinstance(data, Mapping):
        return _named({str(name): column for name, column in data.items()}, time)
    columns = getattr(data, "columns", None)
    if isinstance(columns, tuple) and hasattr(data, "to_frame"):  # a data set of this library
        return as_columns(data.to_frame(), time=time)
    array = checks.array("data", data, ALLOWED)
    if array.ndim != 2:
        raise InputTypeError("data", described(f"an array of shape {array.shape}"), ALLOWED)
    if isinstance(data, np.ma.MaskedArray) and data.dtype.kind in "fiub":
        array = np.ma.filled(data.astype(np.float64), np.nan)
    return {f"x{place + 1}": array[:, place] for place in range(array.shape[1])}, time


def _named(columns: dict[str, Any], time: Any) -> tuple[dict[str, Any], Any]:
    if isinstance(time, str):
        if time not in columns:
            raise UnknownNameError("time", time, columns)
        time = columns.pop(time)
    return columns, time


_SMALLEST, _LARGEST = 1e-130, 1e130


def of_variable(name: str, error: ArgumentError) -> ArgumentError:
    """The same error, said of one variable."""
    if error.argument not in ("series", "data"):
        return error
    return type(error)(f"data, variable {name!r}", error.given, error.allowed)


def _check_size(name: str, values: FloatArray) -> None:
    """Refuse a variable whose variance overflows or vanishes: no other number would tell."""
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        reach = float(np.abs(finite - finite[:1]).max(initial=0.0))
    if reach and not _SMALLEST <= reach <= _LARGEST:
        allowed = f"ranges from {_SMALLEST:g} to {_LARGEST:g}: choose another unit"
        raise ValueRangeError(f"data, variable {name!r}", described(f"values that vary by {reach:.3g}"), allowed)


def measure(
    data: Any,
    compute: Callable[[Windows], FloatArray],
    *,
    window: Any,
    shortest: Callable[[int], int],
    step: Any = 1.0,
) -> Any:
    """Read the table, compute one statistic in every window, and give it the table's index where it has one."""
    columns, _ = as_columns(data)
    arrays = []
    for name, column in columns.items():
        try:
            arrays.append(real_numbers("data", column))
        except ArgumentError as error:
            raise of_variable(name, error) from None
    lengths = {array.size for array in arrays}
    if len(lengths) > 1:
        raise ValueRangeError("data", described(f"variables of {sorted(lengths)} observations"), "one length for all")
    rows = np.stack(arrays)[None]
    for name, array in zip(columns, arrays, strict=True):
        _check_size(name, array)
    length = read_window(window, rows.shape[2], shortest=shortest(rows.shape[1]))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = compute(Windows(rows, window=length, step=read_step(step)))[0]
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame) and values.ndim == 1:
        return pandas.Series(values, index=data.index)
    return values
