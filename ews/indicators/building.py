"""What every public indicator function does around the numbers: read the data, check the window, restore the shape.

The functions in the families (``ews.variance``, ``ews.autocorrelation``, …) stay short because of this: they hand over
a function of :class:`~ews.indicators.fused.Windows`, and get back an array laid out like the input.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.labelled import filled, refuse_dimensions, time_dimension
from ews.errors import (
    ArgumentError,
    InputTypeError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
    described,
)
from ews.indicators.fused import Windows

__all__ = [
    "Rows",
    "measure",
    "read_min_count",
    "read_rows",
    "read_step",
    "read_window",
    "read_windows",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Any input as rows of float64 along time, and the way back to its shape.

    Attributes
    ----------
    values : ndarray of shape (rows, time)
        C-contiguous float64; never the caller's own memory where that could be written to.
    restore : callable
        ``restore(array of shape (rows, time))`` gives the values laid out like the input: an ndarray of its shape, or
        an object of pandas, polars or xarray with its index, coordinates and names.
    """

    values: FloatArray
    restore: Callable[[FloatArray], Any]


def read_rows(x: Any, axis: int = -1, *, argument: str = "x", dim: Any = None) -> Rows:
    """Read numbers of any shape as rows along time.

    Parameters
    ----------
    x : array_like
        Real numbers with at least one dimension: list, numpy array, pandas or polars Series or DataFrame (one column a
        series), xarray DataArray of one dimension.
    axis : int, default -1
        The axis of time in a numpy array or a list. A DataFrame has its time along the rows, whatever `axis` says.
    argument : str, default "x"
        Name of the argument, for messages.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates; where
        none is, one of several dimensions is refused, as their order does not tell which is time).

    Returns
    -------
    Rows
        The rows and the way back.

    Raises
    ------
    ews.errors.InputTypeError
        For strings, complex numbers, dates, ragged lists, a single number, or an axis that is no integer.
    ews.errors.ValueRangeError
        If `axis` is not one of the axes.
    ews.errors.SeriesTooShortError
        If there is no observation at all.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    frame = pandas is not None and isinstance(x, pandas.DataFrame)
    polar = polars is not None and isinstance(x, polars.DataFrame)
    named = _dimension(x, dim, argument)
    array = _as_real(filled(x) if hasattr(x, "dims") and hasattr(x, "coords") else x, argument)
    if array.ndim == 0:
        raise InputTypeError(argument, described("a single number"), "a series: at least one dimension")
    along = 0 if frame or polar else _read_axis(axis, array.ndim) if named is None else list(x.dims).index(named)
    last = along == array.ndim - 1
    moved = array if last else np.moveaxis(array, along, -1)
    if moved.shape[-1] == 0:
        raise SeriesTooShortError(argument, described("an empty series"), "at least one observation")
    shape = moved.shape

    def restore(rows: FloatArray) -> Any:
        values = rows.reshape(shape) if last else np.moveaxis(rows.reshape(shape), -1, along)
        if type(x) is np.ndarray:
            return values
        if pandas is not None and isinstance(x, pandas.Series):
            return pandas.Series(values, index=x.index, name=x.name)
        if pandas is not None and isinstance(x, pandas.DataFrame):
            return pandas.DataFrame(values, index=x.index, columns=x.columns)
        if polar:
            return type(x)(values, schema=x.columns)
        if polars is not None and isinstance(x, polars.Series):
            return type(x)(x.name, values)
        if hasattr(x, "dims") and hasattr(x, "coords"):
            return x.copy(data=values)
        return values

    return Rows(np.ascontiguousarray(moved.reshape(-1, shape[-1])), restore)


def _dimension(x: Any, dim: Any, argument: str) -> Any:
    """The dimension of time of a DataArray of several; None where an axis says which it is."""
    if dim is None and type(x) is np.ndarray:
        return None
    labelled = hasattr(x, "dims") and hasattr(x, "coords")
    if dim is None:
        several = labelled and not hasattr(x, "data_vars") and x.ndim > 1
        found = time_dimension(x) if several else None
        if found is None:
            refuse_dimensions(x, argument)
        return found
    if not labelled:
        raise ArgumentError("dim", dim, "None but for xarray objects; see axis")
    if hasattr(x, "data_vars"):
        refuse_dimensions(x, argument)
    if dim not in x.dims:
        raise UnknownNameError("dim", dim, map(str, x.dims))
    return dim


def _read_axis(axis: Any, dimensions: int) -> int:
    try:
        index = operator.index(axis)
    except TypeError:
        raise InputTypeError("axis", axis, "a whole number") from None
    if not -dimensions <= index < dimensions:
        raise ValueRangeError("axis", axis, f"from {-dimensions} to {dimensions - 1} for {dimensions} dimension(s)")
    return index % dimensions


def _as_real(x: Any, argument: str) -> FloatArray:
    """The numbers as float64, or an error that says what was given instead."""
    allowed = "real numbers"
    if isinstance(x, np.ma.MaskedArray) and x.dtype.kind in "fiub":
        return np.asarray(np.ma.filled(np.ma.asarray(x, dtype=np.float64), np.nan))
    array = checks.array(argument, x, "numbers in a regular shape")
    if array.dtype.kind == "O":
        # None and pandas.NA are missing values; text that happens to read as a number is not a number.
        if any(isinstance(value, str | bytes | complex) for value in array.flat):
            raise InputTypeError(argument, described("values that are not real numbers"), allowed)
        try:
            plain = [np.nan if value is None or _is_pandas_na(value) else float(value) for value in array.flat]
        except (TypeError, ValueError, OverflowError):
            raise InputTypeError(argument, described("values that are not real numbers"), allowed) from None
        return np.array(plain, dtype=np.float64).reshape(array.shape)
    if array.dtype.kind not in "fiub":
        kinds = {"c": "complex numbers", "U": "strings", "S": "bytes", "M": "dates", "m": "time differences"}
        given = kinds.get(array.dtype.kind, f"values of type {array.dtype}")
        raise InputTypeError(argument, described(given), allowed)
    if array.dtype == np.float64:
        return array
    with np.errstate(over="ignore"):  # a longer float beyond this range is infinite
        return array.astype(np.float64, copy=False)


def _is_pandas_na(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and value is pandas.NA


def read_window(window: Any, n: int, *, shortest: int = 1, argument: str = "window") -> int:
    """Turn a window given in samples or as a fraction of the series into samples.

    Parameters
    ----------
    window : int or float
        A whole number of samples, or a fraction of the series strictly between 0 and 1; a fraction is rounded to the
        nearest sample.
    n : int
        Length of the series in samples.
    shortest : int, default 1
        Fewest samples that the statistic needs.
    argument : str, default "window"
        Name of the argument, for messages.

    Returns
    -------
    int
        The window in samples, from `shortest` to `n`.

    Raises
    ------
    ews.errors.SeriesTooShortError
        If the series is shorter than the shortest usable window.
    ews.errors.WindowError
        If the window is not a whole number or a fraction, or does not fit.

    Examples
    --------
    >>> from ews.indicators.building import read_window
    >>> read_window(0.5, 860)
    430
    """
    if n < shortest:
        raise SeriesTooShortError("x", described(f"{n} observation(s)"), f"at least {shortest} for this statistic")
    allowed = f"a whole number of samples from {shortest} to {n}, or a fraction of the series between 0 and 1"
    length = checks.number(argument, window, allowed=allowed, error=WindowError)
    if 0.0 < length < 1.0:
        samples = round(length * n)
    elif length.is_integer():
        samples = int(length)
    else:
        raise WindowError(argument, window, allowed)
    if not shortest <= samples <= n:
        asked = (
            window if samples == window else described(f"{window} of {n} observations, which is {samples} sample(s)")
        )
        raise WindowError(argument, asked, allowed)
    return samples


def read_min_count(min_count: Any, window: int) -> int:
    """Check the fewest finite samples that a window must hold, from 1 to `window`; None stands for all of it."""
    if min_count is None:
        return window
    allowed = f"a whole number from 1 to the window of {window} samples"
    return checks.whole("min_count", min_count, least=1, most=window, allowed=allowed)


def read_step(step: Any) -> float:
    """Check the sampling step: positive and finite."""
    return checks.number("step", step, above=0.0, allowed="a positive, finite number")


def measure(
    x: Any,
    compute: Callable[[Windows], FloatArray],
    *,
    window: Any,
    min_count: Any,
    axis: int,
    shortest: int,
    raw: Any = None,
    step: Any = 1.0,
    dim: Any = None,
) -> Any:
    """Read the data, compute one statistic in every window, and lay the values out like the data.

    Parameters
    ----------
    x : array_like
        The series, see :func:`read_rows`.
    compute : callable
        From :class:`Windows` to an array of shape (rows, time).
    window, min_count, axis : object
        As the user gave them.
    shortest : int
        Fewest samples that the statistic needs.
    raw : array_like, optional
        The series before detrending, of the same shape as `x`.
    step : object, default 1.0
        The sampling step, as the user gave it.
    dim : object, optional
        The dimension of time, as the user gave it.

    Returns
    -------
    ndarray, pandas or xarray object
        Of the shape (and index) of `x`; lazy where `x` is made of chunks.
    """
    if getattr(x, "chunks", None) is not None and hasattr(x, "dims") and hasattr(x, "coords"):
        how = {"window": window, "min_count": min_count, "axis": -1, "shortest": shortest, "step": step}
        return _by_chunks(x, partial(_measured, compute=compute, **how), _dimension(x, dim, "x"), raw)
    windows, restore = read_windows(
        x, window=window, min_count=min_count, axis=axis, shortest=shortest, raw=raw, step=step, dim=dim
    )
    return restore(compute(windows))


def _by_chunks(x: Any, measured: Callable[..., FloatArray], along: Any, raw: Any) -> Any:
    """One statistic of a DataArray of chunks, which run over space: time is put into one."""
    apply = sys.modules["xarray"].apply_ufunc
    along = x.dims[0] if along is None else along
    given = [one.chunk({along: -1}) if hasattr(one, "dims") else one for one in (filled(x), raw) if one is not None]
    found = apply(
        measured, *given, input_core_dims=[[along]] * len(given), output_core_dims=[[along]], dask="parallelized",
        output_dtypes=[np.float64], keep_attrs=True,
    )  # fmt: skip
    return found.transpose(*x.dims)


def _measured(x: Any, raw: Any = None, **how: Any) -> FloatArray:
    """One block of it."""
    return np.asarray(measure(x, how.pop("compute"), raw=raw, **how))


def read_windows(
    x: Any,
    *,
    window: Any,
    min_count: Any,
    axis: int,
    shortest: int,
    raw: Any = None,
    step: Any = 1.0,
    moments: Sequence[str] = (),
    dim: Any = None,
) -> tuple[Windows, Callable[[FloatArray], Any]]:
    """Check data, window and step (see :func:`measure`) before anything is computed.

    The windows come with the way back from (rows, time) to the layout of `x`; `moments` are computed in one pass.
    """
    rows = read_rows(x, axis, dim=dim)
    length = read_window(window, rows.values.shape[1], shortest=shortest)
    count = read_min_count(min_count, length)
    spacing = read_step(step)
    before = None if raw is None else _read_raw(raw, axis, rows.values, dim)
    windows = Windows(rows.values, window=length, raw=before, step=spacing, min_count=count, moments=moments)
    return windows, rows.restore


def _read_raw(raw: Any, axis: int, values: FloatArray, dim: Any) -> FloatArray:
    before = read_rows(raw, axis, argument="raw", dim=dim if hasattr(raw, "dims") else None).values
    if before.shape != values.shape:
        given = described(f"{before.shape[0]} series of {before.shape[1]} observations")
        raise ArgumentError("raw", given, f"the shape of x: {values.shape[0]} series of {values.shape[1]} observations")
    return before
