"""Any one-dimensional input → an evenly spaced, finite, sorted :class:`Series`; every change made to it is noted.

Lists, numpy arrays, pandas, polars and xarray objects come in; what leaves has no missing values, no duplicated times
and one step. Whatever had to be decided on the way (sorted, averaged, interpolated, dropped, cut) stands in
``Series.notes``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.ages import Ages, called_time, named_like_ages
from ews._common.calendar_steps import recognise
from ews._common.durations import steps_in
from ews._common.gaps import even, fill
from ews._common.labelled import one_series, refuse_dimensions
from ews._common.missing_codes import far_note
from ews._common.observations import Observations, Use, observed
from ews._common.sampling import Sampling, Seasonality
from ews._common.seasonality import seasonality
from ews._common.serial_times import serial_days
from ews._common.times import Times, last_instant, numeric, read_times, shown
from ews.errors import (
    DuplicatedTimesError,
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    TimeDirectionWarning,
    UnknownNameError,
    ValueRangeError,
    at,
    described,
)

__all__ = [
    "Duplicates",
    "Missing",
    "MissingKept",
    "Observations",
    "Sampling",
    "Seasonality",
    "Series",
    "as_series",
    "carried_times",
    "index_of_time",
    "real_numbers",
    "refuse_huge",
    "split_columns",
]

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.float64] | npt.NDArray[np.datetime64]
Missing = Literal["raise", "interpolate", "drop"]
MissingKept = Literal["raise", "interpolate", "drop", "keep"]  # where a method takes the times as they are
Duplicates = Literal["raise", "mean"]
LARGEST_VALUE = 1e290


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A finite series in time order: evenly spaced, or with ``missing="keep"`` at the times of observation.

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
        Mean distance between observations (median where gaps were dropped, that of the grid where they were kept): in
        units of `time`, or in days for dates.
    step_unit : str
        ``"days"`` for dates, else empty.
    notes : tuple of str
        What was done to the input to get here; empty where nothing was.
    sampling : Sampling
        The step of the calendar that was recognised, how many samples were filled in, and the cycle that the calendar
        suggests.
    observations : Observations or None
        What was observed, where that was not one observation at each even step: at which positions, how often, and what
        was made of it.
    """

    values: FloatArray
    time: TimeArray
    name: str | None
    time_name: str | None
    step: float
    step_unit: str
    notes: tuple[str, ...]
    sampling: Sampling = field(default_factory=Sampling)
    observations: Observations | None = None

    def __len__(self) -> int:
        return int(self.values.size)

    @property
    def positions(self) -> FloatArray:
        """Where each value stands, in steps from the first: 0, 1, 2, … unless observations were kept as they are."""
        if self.observations is not None and self.observations.use == "kept":
            return self.observations.positions
        return np.arange(self.values.size, dtype=np.float64)

    def steps(self, value: Any, *, argument: str = "window") -> Any:
        """How many steps a length of time such as "5y" or a timedelta has here, to the nearest.

        Parameters
        ----------
        value : object
            Text such as "5y", "6 months", "30D", "12h" or "P6M"; a timedelta; an offset of pandas.
        argument : str, default "window"
            What the user calls it, for messages.

        Returns
        -------
        object
            An int; `value` itself where it is no length of time, such as a number or None.

        Raises
        ------
        ews.errors.ArgumentError
            For text that says no length of time, one under a step, and times that are plain numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from ews.series import as_series
        >>> as_series(np.arange(48.0), time=np.arange("2000-01", "2004-01", dtype="datetime64[M]")).steps("2y")
        24
        """
        of = self.sampling
        return steps_in(argument, value, step=self.step, step_unit=self.step_unit, unit=of.unit, every=of.every)


def split_columns(data: Any, *, time: Any = None) -> tuple[Mapping[str, Any] | None, Any]:
    """Split a table into its columns, or say that `data` is no table.

    Parameters
    ----------
    data : object
        A pandas or polars DataFrame, or a data set of several series; anything else is no table.
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
    ews.errors.InputTypeError
        If no column is left, or two have the same name.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        columns = {readable(name): data.iloc[:, place] for place, name in enumerate(data.columns)}
    elif polars is not None and isinstance(data, polars.LazyFrame):
        raise InputTypeError("series", described("a lazy table"), "data.collect()")
    elif polars is not None and isinstance(data, polars.DataFrame):
        columns = {name: data[name] for name in data.columns}
    else:
        return None, time
    if len(columns) < data.shape[1]:
        names = [readable(name) for name in data.columns]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputTypeError("series", described(f"two columns named {twice!r}"), "a name of its own for each column")
    named = time.values if isinstance(time, Ages) else time
    if isinstance(named, str):
        if named not in columns:
            raise UnknownNameError("time", named, columns)
        column = columns.pop(named)
        time = Ages(column, time.unit) if isinstance(time, Ages) else column
    if time is None:
        _refuse_times(columns)
    if not columns:
        raise InputTypeError("series", described("a table without a column of values"), "at least one numeric column")
    return columns, time


def _refuse_times(columns: dict[str, Any]) -> None:
    """Refuse a table whose columns hold times that were not named: they are no series."""
    for name, column in columns.items():
        values = checks.array(f"series, column {name!r}", column, "numbers")
        if values.dtype.kind in "Mm":
            held = "dates" if values.dtype.kind == "M" else "durations"
        elif called_time(name) and values.dtype.kind in "fiu" and values.size > 1:
            steps = np.diff(values.astype(np.float64))
            if not ((steps > 0).all() or (named_like_ages(name) and (steps < 0).all())):
                continue
            held = "numbers in one direction"
        elif called_time(name) and values.dtype.kind in "OUT":
            held = "text"
        else:
            continue
        raise InputTypeError(
            "time", described(f"None, and a column {name!r} of {held}"),
            f"time={name!r}, or a table without that column: times are never analysed as a series",
        )  # fmt: skip


def as_series(
    data: Any,
    *,
    time: Any = None,
    name: str | None = None,
    until: Any = None,
    missing: MissingKept = "raise",
    duplicates: Duplicates = "raise",
    causal: bool = False,
    timed: bool = False,
) -> Series:
    """Turn any one-dimensional input into a finite, sorted series: evenly spaced, unless its times are to be kept.

    Parameters
    ----------
    data : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray of real numbers.
    time : array_like of shape (n,), optional
        Numbers, dates, or :class:`ews.Ages` (default: the pandas index or the xarray coordinate, else 0, 1, 2, …).
        Descending times are sorted, time zones turned into UTC, whole numbers such as 199901 read as months, and a note
        says so. Steps of the calendar (months, quarters, years, weeks, working days; decimal years even where they were
        rounded) count as even.
    name : str, optional
        Name of the series (default: the one that `data` carries).
    until : number or date, optional
        Last time used, for example a known transition. A date without a time of day stands for the whole of its day,
        month or year.
    missing : {"raise", "interpolate", "drop", "keep"}, default "raise"
        What to do with NaN and with uneven spacing: refuse; interpolate linearly onto an even grid of the median step;
        leave the gaps out and take what remains as consecutive; or, with `timed`, leave out what is missing and keep
        the observations at their own times (``Series.positions``).
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time: an average has less noise the more it is of, so that how many
        there were stands in ``Series.observations``, and tests that know of it average their surrogates alike.
    causal : bool, default False
        Interpolate from the past only: gaps hold the last observation. (The step of an even grid is the median over the
        whole record.)
    timed : bool, default False
        The caller uses the times of what is left as they are, rather than take it as consecutive: the notes with
        ``missing="drop"`` say so, and ``missing="keep"`` needs it.

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
    checks.choice("missing", missing, ("raise", "interpolate", "drop", "keep")[: 4 if timed else 3])
    checks.choice("duplicates", duplicates, ("raise", "mean"))
    values, carried_time, carried_name, time_name, unpacked = _unpack(data, time)
    if isinstance(time, str) and hasattr(data, "dims"):  # a coordinate of an xarray object, now read
        time = None
    values = real_numbers("series", values)
    if values.size == 0:
        raise SeriesTooShortError("series", described("an empty series"), "at least one observation")
    times = _carried_times(carried_time, values.size) if time is None else read_times(time, values.size)
    time_name = time_name if time is None else _name_of(time) or time_name
    notes = [*unpacked, *times.notes]
    _note_ages(times, time_name, notes)
    if not named_like_ages(time_name) and (serial := serial_days(times)):
        notes.append(serial)
    if far := far_note(values):
        notes.append(far)
    values, stamps = _sort(values, times.values, notes)
    values, stamps = _cut(values, stamps, until, notes, times)
    if np.isnan(values).all():
        raise SeriesTooShortError("series", described(f"{values.size} values, all NaN"), "finite observations")
    if np.isinf(values).any():
        where = int(np.flatnonzero(np.isinf(values))[0])
        raise MissingValuesError("series", described(f"an infinite value {at(where)}"), "finite numbers or NaN")
    refuse_huge("series", values)
    steps = recognise(stamps, clock=times.clock, calendar=times.calendar, repeated=True) if _ties(stamps) else None
    if steps is not None:  # rounding made times equal
        stamps = steps.stamp(steps.index)
        notes.append(f"times that rounding made equal were told apart as {steps.read_as}")
    before = values, stamps
    values, stamps = _merge_duplicates(values, stamps, duplicates, notes)
    merged = values, stamps
    duplicated = before[0].size - values.size
    steps = steps or recognise(stamps, clock=times.clock, calendar=times.calendar)
    gaps = int(np.isnan(values).sum())
    values, stamps, filled = fill(values, stamps, missing, causal, notes, steps, timed)
    use: Use = _USES.get(missing, "held" if causal else "interpolated")
    observations = observed(*before, *merged, steps, even=even(merged[1]), use=use, n=values.size)
    kept = None if missing == "drop" and filled else steps
    at_times = observations is not None and use == "kept"
    sampling = Sampling(
        unit=kept.unit if kept else "",
        every=kept.every if kept else 1,
        read_as=times.read_as or (steps.read_as if steps else ""),
        absent=steps.absent if steps else 0,
        missing=gaps,
        filled=0 if missing in ("drop", "keep") else filled,
        duplicates=duplicated,
        season=seasonality(values, kept.unit, kept.every) if kept and not at_times else None,
    )
    numbers = numeric(stamps)
    step = _step(numbers, kept is not None)
    if observations is not None and at_times and values.size > 1:
        step = float((numbers[-1] - numbers[0]) / observations.positions[-1])
    return Series(
        values=_frozen(values),
        time=_frozen(stamps),
        name=_text(name if name is not None else carried_name),
        time_name=time_name,
        step=step,
        step_unit="days" if stamps.dtype.kind == "M" else "",
        notes=tuple(notes),
        sampling=sampling,
        observations=observations,
    )


_USES: dict[str, Use] = {"drop": "consecutive", "keep": "kept"}


def _name_of(time: Any) -> str | None:
    return _text(getattr(time.values if isinstance(time, Ages) else time, "name", None))


def _note_ages(times: Times, name: str | None, notes: list[str]) -> None:
    """Say aloud that what is called an age was taken for a time that runs forward."""
    if times.form == "ages" or times.values.dtype.kind == "M" or not named_like_ages(name):
        return
    if np.median(times.values) <= 0:  # turned round already
        return
    text = (
        f"CAUTION: the times are called {name!r}, as ages before present or depths are, but were taken to run forward; "
        "where larger is earlier, give time=ews.Ages(…), or --ages on the command line: every trend changes its sign"
    )
    notes.insert(0, text)
    warnings.warn(text[9:], TimeDirectionWarning, stacklevel=2)


def _frozen(array: Any) -> Any:
    array = np.array(array, copy=True)
    array.setflags(write=False)
    return array


def _unpack(data: Any, time: Any) -> tuple[Any, Any, str | None, str | None, tuple[str, ...]]:
    """Values, the times that they carry, their name, the name of the times, and what had to be decided."""
    pandas, polars, xarray = (sys.modules.get(library) for library in ("pandas", "polars", "xarray"))
    if pandas is not None and isinstance(data, pandas.Series):
        if pandas.api.types.is_numeric_dtype(data.dtype) and not pandas.api.types.is_complex_dtype(data.dtype):
            values = data.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = data.to_numpy()
        index = data.index
        if time is None and isinstance(index, pandas.MultiIndex):
            index = index_of_time("series", index)
        return values, index, _text(data.name), _text(index.name), ()
    if polars is not None and isinstance(data, polars.Series):
        values = data.to_numpy() if data.dtype.is_numeric() else np.asarray(data.to_list(), dtype=object)
        return values, None, data.name or None, None, ()
    if xarray is not None and isinstance(data, xarray.DataArray | xarray.Dataset):
        read = one_series(data, time)
        return read.values, read.time, read.name, read.time_name, read.notes
    if isinstance(data, np.ma.MaskedArray) and data.dtype.kind in "fiub":
        return np.ma.filled(data.astype(np.float64), np.nan), None, None, None, ()
    if isinstance(data, str | bytes | Mapping):
        way = "; ews.read_table reads files" if isinstance(data, str) else ""
        raise InputTypeError("series", data, f"a one-dimensional series of real numbers{way}")
    own_name = getattr(data, "name", getattr(data, "model", None))
    return data, getattr(data, "time", None), own_name if isinstance(own_name, str) else None, None, ()


def _text(name: Any) -> str | None:
    return None if name is None else readable(name)


def readable(name: Any) -> str:
    """A name as text that can be written: halves of surrogate pairs, which no encoding has, become �."""
    return str(name).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _carried_times(index: Any, n: int) -> Times:
    """Times of the index that the data carry; where that is a list of labels, positions."""
    try:
        return read_times(index, n)
    except InputTypeError:
        note = "the index holds labels, not times: observations are numbered from 0"
        return Times(np.arange(n, dtype=np.float64), (note,))


def index_of_time(argument: str, index: Any) -> Any:
    """The only level of a pandas index of several that varies; refused where several do: these are several series.

    Parameters
    ----------
    argument : str
        What the user calls the data.
    index : pandas.MultiIndex
        Their index.

    Returns
    -------
    pandas.Index
        That level.

    Raises
    ------
    ews.errors.InputTypeError
        If several levels vary, or none of several observations does.
    """
    varies = [place for place in range(index.nlevels) if index.get_level_values(place).nunique(dropna=False) > 1]
    if len(varies) == 1 or (not varies and len(index) < 2):
        return index.get_level_values(varies[0] if varies else -1)
    levels = [place if name is None else readable(name) for place, name in enumerate(index.names)]
    given = f"an index of {index.nlevels} levels ({', '.join(map(repr, levels))})"
    series = [name for name, values in zip(levels, index.levels, strict=True) if values.dtype.kind != "M"] or levels
    way = "ews.detect_many(data.reset_index(), by=…, time=…) reads them one below the other"
    allowed = f"an index of times: data.unstack({series[-1]!r}) makes a column of each series, and {way}"
    raise InputTypeError(argument, described(given), allowed)


def _ties(stamps: Any) -> bool:
    return stamps.dtype.kind == "f" and bool((np.diff(stamps) == 0).any())


def carried_times(data: Any, time: Any, *, argument: str = "series") -> tuple[Any, Callable[[int], Any]]:
    """The values of any one-dimensional input, and the times of so many of them: those given, else those carried.

    Parameters
    ----------
    data, time : object
        As the user gave them; see :func:`as_series`.
    argument : str, default "series"
        What the user calls the data.

    Returns
    -------
    values : object
        For :func:`real_numbers`.
    read : callable
        From the number of values to their times, float64 or datetime64[ns].
    """
    if time is not None and not isinstance(time, str):
        return data, lambda n: read_times(time, n).values
    try:
        values, carried, *_ = _unpack(data, time)
    except InputTypeError as error:
        raise InputTypeError(argument, error.given, error.allowed) from None
    if isinstance(time, str) and not hasattr(data, "dims"):
        carried = time
    return values, lambda n: (read_times(time, n) if carried is time else _carried_times(carried, n)).values


def real_numbers(argument: str, values: Any) -> FloatArray:
    """Read a one-dimensional float64 array, or say what was given instead.

    Parameters
    ----------
    argument : str
        Name of the argument, for the message.
    values : object
        What was given; None and pandas.NA become NaN, text that reads like a number is refused.

    Returns
    -------
    ndarray of shape (n,)
        A copy.

    Raises
    ------
    ews.errors.InputTypeError
        For strings, complex numbers, dates, or more than one dimension.
    """
    refuse_dimensions(values, argument)
    many = "; ews.detect_many tests every series of an array"
    if isinstance(shape := getattr(values, "shape", None), tuple) and len(shape) > 2:  # before a cube is computed
        raise InputTypeError(argument, described(f"an array of shape {shape}"), f"a one-dimensional series{many}")
    array = checks.array(argument, values, "a one-dimensional series of numbers")
    if array.ndim != 1:
        given = f"an array of shape {array.shape}" if array.ndim else f"a single {type(values).__name__}"
        way = "choose a column" if hasattr(values, "columns") else "ews.detect reads several as columns of a DataFrame"
        hint = f"a one-dimensional series ({way}{many if array.ndim > 1 else ''})"
        raise InputTypeError(argument, described(given), hint)
    if array.dtype.kind == "O":
        if any(isinstance(value, str | bytes | complex) for value in array):
            raise InputTypeError(argument, described("values that are not real numbers"), "real numbers")
        pandas = sys.modules.get("pandas")
        absent = (None,) if pandas is None else (None, pandas.NA)
        try:
            array = np.array([np.nan if any(value is one for one in absent) else value for value in array], np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InputTypeError(argument, described("values that are not real numbers"), "real numbers") from None
    if array.dtype.kind not in "fiub":
        kinds = {"c": "complex numbers", "U": "strings", "T": "strings", "S": "bytes", "M": "dates", "m": "durations"}
        given = kinds.get(array.dtype.kind, f"values of type {array.dtype}")
        raise InputTypeError(argument, described(given), "real numbers")
    with np.errstate(over="ignore"):  # a longer float beyond this range is infinite
        return array.astype(np.float64)


def refuse_huge(argument: str, values: FloatArray) -> None:
    """Refuse values whose differences, sums and surrogates would overflow.

    Parameters
    ----------
    argument : str
        Name of the argument, for the message.
    values : ndarray
        NaN where one is missing.

    Raises
    ------
    ews.errors.ValueRangeError
        If one is larger than 1e290, whatever its sign.
    """
    huge = np.abs(values) > LARGEST_VALUE
    if huge.any():
        largest = float(np.abs(values[huge]).max())
        raise ValueRangeError(
            argument, described(f"values up to {largest:.3g}"), f"at most {LARGEST_VALUE:g}: change the unit"
        )


def _sort(values: FloatArray, time: Any, notes: list[str]) -> tuple[FloatArray, Any]:
    differences = np.diff(numeric(time))
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


def _step(numbers: FloatArray, recognised: bool) -> float:
    """Mean step of even times (the median of months is 31 days); median step of uneven ones."""
    if numbers.size < 2:
        return 1.0
    mean = recognised or even(numbers)
    return float((numbers[-1] - numbers[0]) / (numbers.size - 1) if mean else np.median(np.diff(numbers)))


def _cut(values: FloatArray, time: Any, until: Any, notes: list[str], times: Times) -> tuple[FloatArray, Any]:
    if until is None:
        return values, time
    limit = last_instant(
        until, dates=time.dtype.kind == "M", clock=times.clock, form=times.form, calendar=times.calendar
    )
    keep = time <= limit
    if not keep.any():
        raise ValueRangeError("until", until, f"a time from {shown(time[0])} to {shown(time[-1])}")
    # 1886.54, not 1886.5446918421496
    last = f"{limit:.6g}" if isinstance(limit, float) and times.form != "ages" else str(until)
    if keep.all():
        distinct = np.unique(time)
        # There was room for another observation; an endless limit asks for no cut.
        beyond = distinct.size > 1 and distinct[-1] + (distinct[-1] - distinct[-2]) <= limit
        if beyond and not (isinstance(limit, float) and np.isinf(limit)):
            notes.append(f"nothing lies after {last}: the record ends at {_end(distinct[-1], times)}, and was not cut")
    else:
        notes.append(f"cut after {last}: {int(keep.sum())} of {keep.size} observations used")
    return values[keep], time[keep]


def _end(newest: Any, times: Times) -> str:
    """The newest time as it was given: ages are held as negative numbers."""
    return f"{-newest:.6g}" if times.form == "ages" else shown(newest)


def _merge_duplicates(values: FloatArray, time: Any, duplicates: str, notes: list[str]) -> tuple[FloatArray, Any]:
    unique, inverse = np.unique(time, return_inverse=True)
    surplus = time.size - unique.size
    if not surplus:
        return values, time
    if duplicates == "raise":
        first = time[1:][time[1:] == time[:-1]][0]
        allowed = 'each time once, or duplicates="mean" to average the observations that share a time'
        raise DuplicatedTimesError(
            "time", described(f"{surplus} duplicated time(s), the first at {shown(first)}"), allowed
        )
    finite = np.isfinite(values)
    count = np.bincount(inverse[finite], minlength=unique.size)
    total = np.bincount(inverse[finite], weights=values[finite], minlength=unique.size)
    with np.errstate(invalid="ignore"):
        merged = total / count
    notes.append(f"{surplus} observations shared a time with another: averaged")
    return merged, unique
