"""Any times → float64 numbers or UTC datetime64[ns]; what can be read in two ways is refused, never guessed."""

from __future__ import annotations

import datetime as dt
import numbers
import re
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["as_times", "last_instant", "numeric", "shown", "time_zone"]

_DAY = np.timedelta64(86_400_000_000_000, "ns")
# datetime64[ns] ends here; numpy wraps around silently beyond.
FIRST_YEAR, LAST_YEAR = 1678, 2261
_ALLOWED = "numbers, or dates such as 1990-01-31"
_ZONE = re.compile(r"\d[ T]\d\d:?\d\d.*([zZ]|[+-]\d\d:?\d\d)$")


def as_times(time: Any, n: int) -> tuple[Any, tuple[str, ...]]:
    """Read the times of `n` values.

    Parameters
    ----------
    time : array_like of shape (n,) or None
        Numbers, dates, durations or periods of any library, or ISO strings; None stands for 0, 1, 2, ….
    n : int
        Number of values.

    Returns
    -------
    times : ndarray of shape (n,), float64 or datetime64[ns]
        As given, not sorted.
    notes : tuple of str
        What had to be decided.

    Raises
    ------
    ews.errors.InputTypeError
        If they are neither numbers nor dates.
    ews.errors.ArgumentError
        If there are not `n` of them, one is missing, or a date can be read in two ways.
    """
    if time is None:
        return np.arange(n, dtype=np.float64), ()
    if isinstance(time, str):
        raise ArgumentError("time", time, "one time for each value; the name of a column needs a DataFrame that has it")
    array, notes = _array(time)
    if array.ndim != 1 or array.size != n:
        shape = "one time" if array.ndim == 0 else f"{' x '.join(map(str, array.shape))} times"
        raise ArgumentError("time", described(f"{shape} for {n} values"), "one time for each value")
    if array.dtype.kind in "OUST":
        array, more = _from_objects(array)
        notes += more
    if array.dtype.kind == "m":
        array = np.where(np.isnat(array), np.nan, array / _DAY)
        notes += ("durations are counted in days",)
    if array.dtype.kind == "M":
        times, bad = _nanoseconds(array), np.isnat(array)
    elif array.dtype.kind in "fiu":
        times = array.astype(np.float64)
        bad = ~np.isfinite(times)
    else:
        raise InputTypeError("time", described(f"values of type {array.dtype}"), _ALLOWED)
    if bad.any():
        given = described(f"a missing time at position {int(np.flatnonzero(bad)[0])}")
        raise ArgumentError("time", given, "a finite number or a date for each value")
    return times, notes


def numeric(time: Any) -> npt.NDArray[np.float64]:
    """Times as numbers: themselves, or days since the first."""
    numbers = (time - time[0]) / _DAY if time.dtype.kind == "M" else time
    return np.asarray(numbers, dtype=np.float64)


def shown(time: Any) -> str:
    """A time as a message says it: dates without the part that is all zeros."""
    if isinstance(time, np.datetime64):
        return re.sub(r"(T00:00:00)?\.0+$", "", str(time.astype("datetime64[ns]")))
    return f"{time:.10g}"


def time_zone(time: Any) -> Any:
    """Time zone that a pandas index or series of dates carries, or None."""
    return getattr(time, "tz", None) or getattr(getattr(time, "dtype", None), "tz", None)


def last_instant(until: Any, *, dates: bool, zone: Any = None) -> Any:
    """The last time that `until` lets through: a number, or a datetime64[ns].

    Parameters
    ----------
    until : object
        As the user gave it. A date without a time of day stands for the whole of its day, month or year.
    dates : bool
        Whether the series has dates, so that `until` must be one.
    zone : datetime.tzinfo, optional
        Time zone of the dates, in which an `until` without one is meant.

    Returns
    -------
    float or numpy.datetime64
        To be compared with the times.

    Raises
    ------
    ews.errors.InputTypeError
        If it is not of the kind that the times are.
    """
    truth = isinstance(until, bool | np.bool_)
    try:
        if not dates and not truth and isinstance(until, str | numbers.Real):
            return float(until)
        if dates and not isinstance(until, numbers.Real):
            return _last_date(until, zone)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputTypeError("until", until, "a date, as the times are" if dates else "a number, as the times are")


def _last_date(until: Any, zone: Any) -> Any:
    import pandas as pd

    if isinstance(until, pd.Period):
        return until.end_time.to_datetime64().astype("datetime64[ns]")
    if isinstance(until, str) and _ZONE.search(until):
        until = pd.Timestamp(until)
    if isinstance(until, dt.datetime) and until.tzinfo is not None:
        until, zone = pd.Timestamp(until).tz_convert("UTC").tz_localize(None), None
    date = np.datetime64(until)
    if np.isnat(date):
        raise ValueError("no date")
    unit = np.datetime_data(date.dtype)[0]
    year = int(date.astype("datetime64[Y]").astype(np.int64)) + 1970
    if not FIRST_YEAR <= year <= LAST_YEAR:  # before or after every time there can be
        return np.datetime64(f"{FIRST_YEAR if year < FIRST_YEAR else LAST_YEAR + 1}-01-01", "ns")
    if unit in ("Y", "M", "W", "D"):
        instant = (date + 1).astype("datetime64[ns]") - np.timedelta64(1, "ns")
    else:
        instant = date.astype("datetime64[ns]")
    if zone is None:
        return instant
    # Where clocks are turned, the earlier reading: an `until` must not let in what came later.
    local = pd.Timestamp(instant).tz_localize(zone, ambiguous=True, nonexistent="shift_backward")
    return local.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[ns]")


def _array(time: Any) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """A numpy array of what `time` holds, time zones turned into UTC."""
    library = type(time).__module__.partition(".")[0]
    if library == "polars":
        return np.asarray(time.to_list()), ()
    if library == "pandas":
        import pandas as pd

        index = pd.Index(time)
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
            notes = () if str(index.tz) == "UTC" else (f"times in {index.tz} were turned into UTC",)
            return index.tz_convert("UTC").tz_localize(None).to_numpy(), notes
        return np.asarray(index), ()
    try:
        return np.asarray(time), ()
    except ValueError:
        raise InputTypeError("time", described("a ragged sequence"), _ALLOWED) from None


def _from_objects(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Numbers, dates, periods or text, from Python objects or strings."""
    import pandas as pd

    given = [one for one in array.tolist() if not (one is None or one is pd.NA or one is pd.NaT)]
    if given and all(isinstance(one, numbers.Real) and not isinstance(one, bool) for one in given):
        return pd.to_numeric(pd.Series(array.tolist()).astype("Float64")).to_numpy(np.float64, na_value=np.nan), ()
    if given and all(isinstance(one, pd.Period) for one in given):
        return pd.PeriodIndex(array).to_timestamp().to_numpy(), ()
    zones = any(
        one.tzinfo is not None if isinstance(one, dt.datetime) else bool(_ZONE.search(str(one))) for one in given
    )
    notes = ("times with a time zone were turned into UTC",) if zones else ()
    parsed = _parsed(array, format="ISO8601")
    if parsed is not None:
        return parsed, notes
    month_first, day_first = _parsed(array, dayfirst=False), _parsed(array, dayfirst=True)
    if month_first is None and day_first is None:
        raise InputTypeError("time", described(f"{str(array[0])!r}, …"), _ALLOWED)
    if month_first is not None and day_first is not None and (month_first != day_first).any():
        allowed = "dates that can be read in one way only, such as 1990-01-31"
        raise ValueRangeError("time", described(f"{str(array[0])!r}, …, with the day or the month first"), allowed)
    return (day_first if month_first is None else month_first), notes


def _parsed(array: npt.NDArray[Any], **how: Any) -> Any:
    """Dates in UTC without a time zone, or None where they cannot be read in this way."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # day or month first: both are tried
        warnings.filterwarnings("error", message="Could not infer format")  # one by one, each as it may be
        try:
            return pd.to_datetime(pd.Series(array, dtype=object), utc=True, **how).dt.tz_localize(None).to_numpy()
        except (ValueError, TypeError, OverflowError, UserWarning):
            return None


def _nanoseconds(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    years = array[~np.isnat(array)].astype("datetime64[Y]").astype(np.int64) + 1970
    if years.size and not (years.min() >= FIRST_YEAR and years.max() <= LAST_YEAR):
        given = described(f"dates from the year {years.min()} to {years.max()}")
        allowed = f"dates from {FIRST_YEAR} to {LAST_YEAR}; give others as numbers, for example decimal years"
        raise ValueRangeError("time", given, allowed)
    return array.astype("datetime64[ns]")
