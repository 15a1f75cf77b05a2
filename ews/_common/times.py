"""Any times → float64 numbers or UTC datetime64[ns]; what can be read in two ways is refused, never guessed."""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.ages import Ages
from ews._common.calendar_steps import days_since
from ews._common.clock import Clock
from ews._common.encoded_times import FORMS, end_of, from_model_calendar, from_numbers, from_text, is_model_date
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, at, described

__all__ = ["Times", "as_times", "last_instant", "numeric", "read_times", "shown"]

FloatArray = npt.NDArray[np.float64]
_DAY = np.timedelta64(86_400_000_000_000, "ns")
# datetime64[ns] ends here; numpy wraps around silently beyond.
FIRST_YEAR, LAST_YEAR = 1678, 2261
_ALLOWED = "numbers, or dates such as 1990-01-31"
_ZONE = re.compile(r"(?<=\d)\s*([zZ]|[+-]\d\d(:?\d\d)?)$")
_CLOCKED = re.compile(r"\d[ T]\d\d:?\d\d.*?([zZ]|[+-]\d\d(:?\d\d)?)$")
# What netCDF writes where nothing was measured.
FILL_VALUES = (1e20, float(np.float32(1e20)), 9.969209968386869e36)


@dataclass(frozen=True, eq=False)
class Times:
    """Times as they were read."""

    values: Any  # (n,): as given, not sorted
    notes: tuple[str, ...] = ()  # what had to be decided
    clock: Clock = field(default_factory=Clock)  # the time zone that they were written with
    form: str = ""  # how numbers wrote dates (see :data:`ews._common.encoded_times.FORMS`), or ``"ages"``; else empty
    calendar: str = ""  # calendar of a climate model that the values are decimal years of; else empty

    @property
    def read_as(self) -> str:
        """What the times were taken for, where that was not plain."""
        if self.form in FORMS:
            return FORMS[self.form].text
        return f"decimal years of the {self.calendar} calendar" if self.calendar else ""


def as_times(time: Any, n: int) -> tuple[Any, tuple[str, ...]]:
    """:func:`read_times` without looking for dates that are written as numbers: the times, and the notes."""
    times = read_times(time, n, encoded=False)
    return times.values, times.notes


def read_times(time: Any, n: int, *, encoded: bool = True) -> Times:
    """Read the times of `n` values: numbers, dates, durations or periods of any library, or text; None for 0, 1, 2, ….

    `encoded` says whether whole numbers such as 199901 may be dates. Refused are what is neither number nor date,
    another number of times, missing ones, and dates that can be read in two ways.
    """
    if time is None:
        return Times(np.arange(n, dtype=np.float64))
    if isinstance(time, Ages):
        return _of_ages(time, n)
    if isinstance(time, str):
        raise ArgumentError("time", time, "one time for each value; the name of a column needs a DataFrame that has it")
    array, notes, clock = _array(time)
    if array.ndim != 1 or array.size != n:
        shape = "one time" if array.ndim == 0 else f"{' x '.join(map(str, array.shape))} times"
        raise ArgumentError("time", described(f"{shape} for {n} values"), "one time for each value")
    calendar = form = ""
    if array.dtype.kind == "O" and any(map(is_model_date, array.tolist())):
        array, calendar = _of_model(array)
        if calendar:
            notes += (f"dates of the {calendar} calendar were turned into decimal years of that calendar",)
    if array.dtype.kind in "OUST":
        array, more, clock = _from_objects(array)
        notes += more
    if array.dtype.kind == "m":
        array = np.where(np.isnat(array), np.nan, array / _DAY)
        notes += ("durations are counted in days",)
    if array.dtype.kind == "M":
        times, bad = _nanoseconds(array), np.isnat(array)
    elif array.dtype.kind in "fiu":
        times = array.astype(np.float64)
        bad = ~np.isfinite(times) | np.isin(times, FILL_VALUES)
    else:
        raise InputTypeError("time", described(f"values of type {array.dtype}"), _ALLOWED)
    if bad.any():
        given = described(f"a missing time {at(np.flatnonzero(bad)[0])}")
        raise ArgumentError("time", given, "a finite number or a date for each value")
    found = from_numbers(times) if encoded and times.dtype.kind == "f" and not calendar else None
    if found is not None:
        form, dates = found
        times = dates.astype("datetime64[ns]")
        notes += (f"times were read as {FORMS[form].text}",)
    return Times(times, notes, clock, form, calendar)


def numeric(time: Any) -> npt.NDArray[np.float64]:
    """Times as numbers: themselves, or days since the first."""
    return days_since(time) if time.dtype.kind == "M" else np.asarray(time, dtype=np.float64)


def shown(time: Any) -> str:
    """A time as a message says it: dates without the part that is all zeros."""
    if isinstance(time, np.datetime64):
        return re.sub(r"(T00:00:00)?\.0+$", "", str(time.astype("datetime64[ns]")))
    return f"{time:.10g}"


def last_instant(until: Any, *, dates: bool, clock: Clock | None = None, form: str = "", calendar: str = "") -> Any:
    """The last time that `until` lets through: a number, or a datetime64[ns].

    A date without a time of day stands for the whole of its day, month or year; one without a time zone is read on the
    `clock` of the dates. `form` and `calendar` say how the times were written: `until` may be written in the same way.
    """
    truth = isinstance(until, bool | np.bool_)
    try:
        encoded = form in FORMS and not truth and isinstance(until, str | numbers.Real)
        if encoded and (written := _written(until, form)) is not None:
            return _last_date(written, clock or Clock())
        if calendar and is_model_date(until):
            return float(_of_model(np.array([until], dtype=object))[0][0])
        if calendar and isinstance(until, str) and (last := _last_of_calendar(until, calendar)) is not None:
            return last
        if not dates and not truth and isinstance(until, str | numbers.Real):
            return -float(until) if form == "ages" else float(until)
        if dates and not isinstance(until, numbers.Real):
            return _last_date(until, clock or Clock())
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputTypeError("until", until, "a date, as the times are" if dates else "a number, as the times are")


def _written(until: Any, form: str) -> Any:
    """The date that a number such as 200012 writes; None where it is none."""
    try:
        found = FORMS[form].read(np.array([float(until)]))
    except ValueError:
        return None
    if found is None:
        return None
    return found[0] + 2 if form == "YYYYQ" else found[0]  # the quarter's last month


def _last_of_calendar(until: str, calendar: str) -> float | None:
    """The end of a year, month or day of a climate model's calendar, as a decimal year."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d\d)(?:-(\d\d))?)?", until.strip())
    if match is None:
        return None
    year, month, day = (None if part is None else int(part) for part in match.groups())
    if year is None or month is None:
        return None if year is None else float(np.nextafter(year + 1, 0))
    return float(np.nextafter(end_of(year, month, day, calendar), 0))


def _last_date(until: Any, clock: Clock) -> Any:
    import pandas as pd

    if isinstance(until, pd.Period):
        until = until.end_time
    if isinstance(until, str):
        until = _date_of_text(until)
    if isinstance(until, dt.datetime) and until.tzinfo is not None:
        until, clock = pd.Timestamp(until).tz_convert("UTC").tz_localize(None), Clock()
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
    return clock.to_utc(instant)


def _date_of_text(until: str) -> Any:
    """A date as numpy reads it, which keeps how much of it was said: a quarter, a named month, an instant in a zone."""
    import pandas as pd

    if _CLOCKED.search(until):
        return pd.Timestamp(until)
    found = from_text(np.array([until], dtype=object))
    if found is None:
        return until
    return found[0] + 2 if re.search(r"Q[1-4]", until, re.IGNORECASE) else found[0]  # the quarter's last month


def _array(time: Any) -> tuple[npt.NDArray[Any], tuple[str, ...], Clock]:
    """A numpy array of what `time` holds, time zones turned into UTC."""
    library = type(time).__module__.partition(".")[0]
    if library == "polars" and hasattr(time, "to_list"):
        return np.asarray(time.to_list()), (), Clock()
    if library == "pandas" and getattr(time, "ndim", None):  # a single time is refused as what is no row of them
        import pandas as pd

        if isinstance(time, pd.DataFrame):
            given = described(f"a table of {time.shape[1]} column{'s' * (time.shape[1] != 1)}")
            raise InputTypeError("time", given, "one of its columns")
        if not isinstance(time, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):  # what groups them, say
            raise InputTypeError("time", described(f"a {type(time).__name__}"), _ALLOWED)
        index: Any = pd.Index(time)
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
            notes = () if str(index.tz) == "UTC" else (f"times in {index.tz} were turned into UTC",)
            return index.tz_convert("UTC").tz_localize(None).to_numpy(), notes, Clock(index.tz)
        return np.asarray(index), (), Clock()
    if library == "xarray":
        time = time.values
    array = checks.array("time", time, _ALLOWED)
    masked = np.ma.getmaskarray(time) if isinstance(time, np.ma.MaskedArray) else np.zeros(array.shape, bool)
    if masked.any():
        given = described(f"a masked time {at(np.flatnonzero(masked)[0])}")
        raise ArgumentError("time", given, "a finite number or a date for each value: leave out what has no time")
    return array, (), Clock()


def _of_ages(ages: Ages, n: int) -> Times:
    read = read_times(ages.values, n, encoded=False)
    if read.values.dtype.kind != "f":
        raise InputTypeError("time", described("ages that are dates"), "numbers of years before present")
    unit = f" in {ages.unit}" if ages.unit else ""
    note = f"times are ages{unit}: turned round, so that time runs from the oldest to the youngest"
    return Times(-read.values, (*read.notes, note), form="ages")


def _of_model(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    given = array.tolist()
    absent = [place for place, one in enumerate(given) if not is_model_date(one)]
    if absent:
        what = described(f"{given[absent[0]]!r} {at(absent[0])} among dates of cftime")
        raise ArgumentError("time", what, "a date of one calendar for each value")
    if len(calendars := sorted({one.calendar for one in given})) > 1:
        raise ArgumentError("time", described(f"dates of the calendars {' and '.join(calendars)}"), "one calendar")
    return from_model_calendar(given)


def _from_objects(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[str, ...], Clock]:
    """Numbers, dates, periods or text, from Python objects or strings."""
    import pandas as pd

    given = [one for one in array.tolist() if not (one is None or one is pd.NA or one is pd.NaT)]
    plain = [isinstance(one, numbers.Real | decimal.Decimal) and not isinstance(one, bool) for one in given]
    if any(plain) and not all(plain):
        what = described(f"numbers and others together, as {given[0]!r} and {given[plain.index(not plain[0])]!r}")
        raise InputTypeError("time", what, "numbers for all values, or dates for all")
    if given and all(plain):
        try:
            floats = [float(one) if isinstance(one, decimal.Decimal) else one for one in array.tolist()]
            read = pd.to_numeric(pd.Series(floats).astype("Float64")).to_numpy(np.float64, na_value=np.nan)
        except OverflowError:
            raise ValueRangeError("time", described("numbers too large for a float"), "numbers up to 1e308") from None
        return read, (), Clock()
    if given and all(isinstance(one, pd.Period) for one in given):
        return pd.PeriodIndex(array).to_timestamp().to_numpy(), (), Clock()
    zoned = [
        one.tzinfo is not None if isinstance(one, dt.datetime) else bool(_CLOCKED.search(str(one))) for one in given
    ]
    if any(zoned) and not all(zoned):
        what = described(f"times with a time zone and times without, as {str(given[zoned.index(False)])!r}")
        raise ValueRangeError("time", what, "a time zone for all of them, or for none")
    if given and len(given) == array.size and not any(zoned) and (found := from_text(array)) is not None:
        return found, _text_notes(given), Clock()
    notes = ("times with a time zone were turned into UTC",) if any(zoned) else ()
    parsed = _parsed(array, format="ISO8601")
    if parsed is not None:
        return parsed, notes, _clock(array, parsed) if any(zoned) else Clock()
    month_first, day_first = _parsed(array, dayfirst=False), _parsed(array, dayfirst=True)
    if month_first is None and day_first is None:
        raise InputTypeError("time", described(f"the text {str(array[0])!r}, …"), _ALLOWED)
    if month_first is not None and day_first is not None and (month_first != day_first).any():
        allowed = "dates that can be read in one way only, such as 1990-01-31"
        raise ValueRangeError("time", described(f"{str(array[0])!r}, …, with the day or the month first"), allowed)
    read = day_first if month_first is None else month_first
    return read, notes, _clock(array, read) if any(zoned) else Clock()


def _text_notes(given: list[Any]) -> tuple[str, ...]:
    digits = all(re.fullmatch(r"\d{6}", str(one).strip()) for one in given)
    return (f"times were read as {FORMS['YYYYMM'].text}",) if digits else ()


def _clock(array: npt.NDArray[Any], utc: npt.NDArray[Any]) -> Clock:
    """The clock that zoned times were written with: one zone of all, or the offset beside each."""
    given = array.tolist()
    zones = {str(one.tzinfo): one.tzinfo for one in given if isinstance(one, dt.datetime)}
    if len(zones) == 1 and all(isinstance(one, dt.datetime) for one in given):
        return Clock(next(iter(zones.values())))
    wall = _parsed(
        np.array(
            [one.replace(tzinfo=None) if isinstance(one, dt.datetime) else _ZONE.sub("", str(one)) for one in given],
            dtype=object,
        ),
        format="ISO8601",
    )
    if wall is None or np.isnat(wall).any() or np.isnat(utc).any():
        return Clock()
    utc = utc.astype("datetime64[ns]")
    return Clock(offsets=wall.astype("datetime64[ns]") - utc, utc=utc)


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
