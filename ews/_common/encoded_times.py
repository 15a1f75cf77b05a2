"""Dates written as numbers or short text (199901, 1999.01, 1999Q1, 1999-W05), and those of climate models."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ews._common.calendar_steps import MONTH_LENGTHS, recognise, year_length

__all__ = ["FORMS", "Form", "end_of", "from_model_calendar", "from_numbers", "from_text", "is_model_date"]

FloatArray = npt.NDArray[np.float64]
_FIRST, _LAST = 1678, 2261  # datetime64[ns]
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Form(NamedTuple):
    """One way to write a date as a number."""

    text: str  # what a note calls it
    # From numbers to dates (datetime64, in the unit that the number gives), or None where one is no date.
    read: Callable[[FloatArray], npt.NDArray[Any] | None]


def _year_month(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(numbers)
    return None if whole is None else _months(whole // 100, whole % 100)


def _year_dot_month(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(np.round(numbers * 100, 6))
    return None if whole is None else _months(whole // 100, whole % 100)


def _year_month_day(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(numbers)
    months = None if whole is None else _months(whole // 10_000, whole // 100 % 100)
    if whole is None or months is None:
        return None
    days = months.astype("datetime64[D]") + (whole % 100 - 1)
    return days if (whole % 100 >= 1).all() and (days.astype("datetime64[M]") == months).all() else None


def _year_day(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(numbers)
    years = None if whole is None else _years(whole // 1000)
    if whole is None or years is None:
        return None
    days = years.astype("datetime64[D]") + (whole % 1000 - 1)
    return days if (whole % 1000 >= 1).all() and (days.astype("datetime64[Y]") == years).all() else None


def _year_quarter(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(numbers)
    if whole is None or not ((whole % 10 >= 1) & (whole % 10 <= 4)).all():
        return None
    return _months(whole // 10, 3 * (whole % 10) - 2)


def _year_week(numbers: FloatArray) -> npt.NDArray[Any] | None:
    whole = _whole(numbers)
    if whole is None or _years(whole // 100) is None or not ((whole % 100 >= 1) & (whole % 100 <= 53)).all():
        return None
    return _weeks_of(whole // 100, whole % 100, np.ones_like(whole))


def _clock(numbers: FloatArray, digits: int) -> npt.NDArray[Any] | None:
    """Days in eight digits, and hours, minutes and seconds in two each."""
    whole = _whole(numbers, below=10.0**digits)
    if whole is None or whole.min() < 10 ** (digits - 1):
        return None
    dates = _year_month_day((whole // 10 ** (digits - 8)).astype(np.float64))
    for unit, most, place in (("h", 23, 10), ("m", 59, 12), ("s", 59, 14)):
        if dates is not None and place <= digits:
            part = whole // 10 ** (digits - place) % 100
            dates = dates.astype(f"datetime64[{unit}]") + part if (part <= most).all() else None
    return dates


FORMS = {
    "YYYYMM": Form("months written as YYYYMM", _year_month),
    "YYYYMMDD": Form("days written as YYYYMMDD", _year_month_day),
    "YYYYDDD": Form("days of the year written as YYYYDDD", _year_day),
    "YYYYMMDDhh": Form("hours written as YYYYMMDDhh", lambda numbers: _clock(numbers, 10)),
    "YYYYMMDDhhmm": Form("minutes written as YYYYMMDDhhmm", lambda numbers: _clock(numbers, 12)),
    "YYYYMMDDhhmmss": Form("seconds written as YYYYMMDDhhmmss", lambda numbers: _clock(numbers, 14)),
    "YYYYQ": Form("quarters written as YYYYQ", _year_quarter),
    "YYYYWW": Form("weeks of ISO 8601 written as YYYYWW", _year_week),
    "YYYY.MM": Form("months written as YYYY.MM", _year_dot_month),
}


def from_numbers(numbers: FloatArray) -> tuple[str, npt.NDArray[Any]] | None:
    """The form in which `numbers` write dates, and the dates; None where they are plain numbers.

    Numbers are taken for dates where all of them are dates in one form and, as plain numbers, their steps are not one:
    they jump at the end of each year. Whole months within one year are dates too.
    """
    if numbers.size < 2 or not np.isfinite(numbers).all():
        return None
    ordered = np.unique(numbers)
    gaps = np.diff(ordered)
    plain = gaps.size < 2 or bool(np.allclose(gaps, gaps[0]))
    if numbers.min() >= 1e5:
        for name in ("YYYYMM", "YYYYMMDD", "YYYYDDD"):
            dates = FORMS[name].read(numbers)
            if dates is not None and not (plain and name == "YYYYDDD"):
                return name, dates
        for name in ("YYYYMMDDhh", "YYYYMMDDhhmm", "YYYYMMDDhhmmss"):
            dates = FORMS[name].read(numbers)
            if dates is not None:
                return name, dates
    name = "YYYYQ" if numbers.max() < 1e5 else "YYYYWW"
    if not plain and ordered.size >= 8 and numbers.min() >= 1e4:
        dates = FORMS[name].read(ordered)
        if dates is not None and recognise(dates.astype("datetime64[ns]")) is not None:
            return name, np.asarray(FORMS[name].read(numbers))
        return None
    if plain or ordered.size < 8 or not _like_year_months(ordered):
        return None
    dates = _year_dot_month(numbers)
    if dates is None or recognise(np.unique(dates).astype("datetime64[ns]")) is None:
        return None
    return "YYYY.MM", dates


def from_text(texts: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Months, quarters and weeks written as text that date parsers do not know; None where one is none of these."""
    given = [str(one).strip() for one in texts.tolist()]
    if all(re.fullmatch(r"\d{6}", one) for one in given):
        return _year_month(np.array(given, dtype=np.float64))
    for pattern, read in _TEXTS:
        found = [pattern.fullmatch(one) for one in given]
        if all(found):
            return read([one for one in found if one])
    return None


def _quarters(found: list[re.Match[str]]) -> npt.NDArray[Any] | None:
    return _months(_group(found, "y"), 3 * _group(found, "q") - 2)


def _numbered_months(found: list[re.Match[str]]) -> npt.NDArray[Any] | None:
    return _months(_group(found, "y"), _group(found, "m"))


def _named_months(found: list[re.Match[str]]) -> npt.NDArray[Any] | None:
    names = [one["m"][:3].lower() for one in found]
    if not all(name in _MONTHS for name in names):
        return None
    return _months(_group(found, "y"), np.array([_MONTHS.index(name) + 1 for name in names]))


def _weeks(found: list[re.Match[str]]) -> npt.NDArray[Any] | None:
    return _weeks_of(_group(found, "y"), _group(found, "w"), np.array([int(one["d"] or 1) for one in found]))


def _weeks_of(years: npt.NDArray[Any], weeks: npt.NDArray[Any], days: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    import datetime as dt

    parts = zip(years.tolist(), weeks.tolist(), days.tolist(), strict=True)
    try:
        return np.array([dt.date.fromisocalendar(*one) for one in parts], dtype="datetime64[D]")
    except ValueError:
        return None


def _days_of_years(found: list[re.Match[str]]) -> npt.NDArray[Any] | None:
    return _year_day((1000 * _group(found, "y") + _group(found, "d")).astype(np.float64))


_TEXTS: tuple[tuple[re.Pattern[str], Callable[[list[re.Match[str]]], npt.NDArray[Any] | None]], ...] = (
    (re.compile(r"(?P<y>\d{4})[-/. ]?Q(?P<q>[1-4])", re.I), _quarters),
    (re.compile(r"Q(?P<q>[1-4])[-/. ]?(?P<y>\d{4})", re.I), _quarters),
    (re.compile(r"(?P<y>\d{4})[-. ]?M(?P<m>\d{1,2})", re.I), _numbered_months),
    (re.compile(r"(?P<m>\d{1,2})[-./](?P<y>\d{4})"), _numbered_months),
    (re.compile(r"(?P<m>[A-Za-z]{3,9})\.?[-/ ](?P<y>\d{4})"), _named_months),
    (re.compile(r"(?P<y>\d{4})[-/ ](?P<m>[A-Za-z]{3,9})\.?"), _named_months),
    (re.compile(r"(?P<y>\d{4})-?W(?P<w>\d{2})(-?(?P<d>[1-7]))?", re.I), _weeks),
    (re.compile(r"(?P<y>\d{4})-(?P<d>\d{3})"), _days_of_years),
)


def is_model_date(one: Any) -> bool:
    """Whether `one` is a date of the library cftime."""
    return type(one).__module__.partition(".")[0] == "cftime" and hasattr(one, "calendar")


def from_model_calendar(dates: list[Any]) -> tuple[npt.NDArray[Any], str]:
    """Dates of cftime as datetime64[ns] and ``""``, or as decimal years and the name of their calendar."""
    calendar = {"365_day": "noleap", "366_day": "all_leap"}.get(dates[0].calendar, dates[0].calendar)
    ours = calendar in ("standard", "gregorian", "proleptic_gregorian", "")
    if ours and all(max(_FIRST, 1583) <= one.year <= _LAST for one in dates):
        return np.array([np.datetime64(one.isoformat(), "us") for one in dates]).astype("datetime64[ns]"), ""
    year = np.array([one.year for one in dates], dtype=np.int64)
    hours = [one.hour + (one.minute + (one.second + one.microsecond / 1e6) / 60) / 60 for one in dates]
    day = np.array([one.dayofyr - 1 + hour / 24 for one, hour in zip(dates, hours, strict=True)])
    length = year_length(year, "julian" if calendar == "standard" and year.max() < 1583 else calendar)
    name = calendar if calendar in MONTH_LENGTHS or calendar == "julian" else "proleptic_gregorian"
    return year + day / length, name


def end_of(year: int, month: int, day: int | None, calendar: str) -> float:
    """The end of a day, or of a month, of a calendar, as a decimal year."""
    leap = "all_leap" if year_length(np.array([year]), calendar)[0] == 366 else "noleap"
    lengths = MONTH_LENGTHS[calendar if calendar in MONTH_LENGTHS else leap]
    if not 1 <= month <= 12 or not 1 <= (day or 1) <= lengths[month - 1]:
        raise ValueError("no date")
    days = sum(lengths[: month - 1]) + (lengths[month - 1] if day is None else day)
    return year + days / sum(lengths)


def _whole(numbers: FloatArray, below: float = 1e9) -> npt.NDArray[np.int64] | None:
    return numbers.astype(np.int64) if np.all(numbers == np.floor(numbers)) and np.abs(numbers).max() < below else None


def _years(year: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    return (year - 1970).astype("datetime64[Y]") if ((year >= _FIRST) & (year <= _LAST)).all() else None


def _months(year: npt.NDArray[np.int64], month: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    years = _years(year)
    if years is None or not ((month >= 1) & (month <= 12)).all():
        return None
    return years.astype("datetime64[M]") + (month - 1)


def _like_year_months(ordered: FloatArray) -> bool:
    part = np.round((ordered - np.floor(ordered)) * 100, 6)
    return bool((part == np.round(part)).all() and part.min() >= 1 and part.max() <= 12 and np.unique(part).size >= 3)


def _group(found: list[re.Match[str]], name: str) -> npt.NDArray[np.int64]:
    return np.array([int(one[name]) for one in found], dtype=np.int64)
