"""Lengths of time, such as "5y" or ``pandas.offsets.MonthEnd(6)``, in steps of a series."""

from __future__ import annotations

import datetime as dt
import re
import sys
from typing import Any

import numpy as np

from ews.errors import ArgumentError, described

__all__ = ["MONTH_DAYS", "duration", "steps_in"]

MONTH_DAYS = 365.2425 / 12
_SECOND = 1.0 / 86_400.0
# Months of the units that are whole ones, and days of the others; by what users write, in lower case.
_MONTHS = {
    ("y", "a", "ye", "ys", "yr", "yrs", "year", "years", "bye", "bys", "by", "as"): 12.0,
    ("q", "qe", "qs", "bq", "bqe", "bqs", "quarter", "quarters"): 3.0,
    ("mo", "me", "ms", "bm", "bme", "bms", "month", "months"): 1.0,
    ("decade", "decades"): 120.0,
    ("century", "centuries"): 1200.0,
}
_DAYS = {
    ("w", "wk", "wks", "week", "weeks"): 7.0,
    ("b", "c"): 1.4,
    ("d", "day", "days"): 1.0,
    ("h", "hr", "hrs", "hour", "hours"): 1.0 / 24.0,
    ("min", "mins", "minute", "minutes"): 1.0 / 1440.0,
    ("s", "sec", "secs", "second", "seconds"): _SECOND,
    ("ms", "millisecond", "milliseconds"): 1e-3 * _SECOND,
    ("us", "microsecond", "microseconds"): 1e-6 * _SECOND,
    ("ns", "nanosecond", "nanoseconds"): 1e-9 * _SECOND,
}
_NUMPY = {"Y": 12.0, "M": 1.0}
_TEXT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)?\s*([A-Za-z]+)(?:-[A-Za-z]{3})?\s*")
_ISO = re.compile(r"P(\d+(?:\.\d+)?)([YMWD])")
_ALLOWED = 'samples, a fraction, or a length of time such as "5y", "6 months", "30D", "12h" or a timedelta'
# Units of the calendar that a series' steps were recognised as: months, and days.
_STEP_MONTHS = {"year": 12.0, "quarter": 3.0, "month": 1.0, "half month": 0.5, "dekad": 1.0 / 3.0, "pentad": 1.0 / 6.0,
                "quarter of a month": 0.25}  # fmt: skip
_STEP_DAYS = {"8-day composite": 365.2425 / 46.0, "week": 7.0, "day": 1.0, "business day": 1.4, "hour": 1.0 / 24.0,
              "minute": 1.0 / 1440.0, "second": _SECOND}  # fmt: skip


def duration(argument: str, value: Any) -> tuple[float, float] | None:
    """A length of time as months and days (one of them 0); None where `value` is no length of time.

    Raises
    ------
    ews.errors.ArgumentError
        If it is text that says none, one of 0 or less, or "5m", which may be months or minutes.
    """
    if isinstance(value, str):
        found = _of_text(argument, value)
    elif isinstance(value, np.timedelta64):
        found = _of_numpy(argument, value)
    elif isinstance(value, dt.timedelta):  # those of pandas too
        found = 0.0, value.total_seconds() * _SECOND
    elif _is_offset(value):
        found = _of_offset(argument, value)
    else:
        return None
    if not sum(found) > 0.0:
        raise ArgumentError(argument, value, "a length of time above 0")
    return found


def steps_in(argument: str, value: Any, *, step: float, step_unit: str, unit: str = "", every: int = 1) -> Any:
    """How many steps of a series a length of time has, to the nearest; what is no length of time comes back as it is.

    Parameters
    ----------
    argument : str
        Name of the argument, for messages.
    value : object
        A number, None, or a length of time: text such as "5y", "30D" or "P6M"; a timedelta; an offset of pandas.
    step, step_unit : float, str
        ``Series.step`` and ``Series.step_unit``.
    unit, every : str, int
        ``Series.sampling.unit`` and ``.every``: months go into months exactly, whatever their lengths.

    Returns
    -------
    object
        The nearest whole number of steps; `value` where it is no length of time.

    Raises
    ------
    ews.errors.ArgumentError
        If the times are plain numbers, which have no unit, or the length is under one step.

    Examples
    --------
    >>> steps_in("window", "5y", step=30.4, step_unit="days", unit="month")
    60
    >>> steps_in("window", 0.5, step=1.0, step_unit="")
    0.5
    """
    found = duration(argument, value)
    if found is None:
        return value
    months, days = found
    if months and unit in _STEP_MONTHS:
        steps = months / (_STEP_MONTHS[unit] * every)
    else:
        days += months * MONTH_DAYS
        if unit in _STEP_DAYS:
            steps = days / (_STEP_DAYS[unit] * every)
        elif step_unit == "days":
            steps = days / step
        elif unit in _STEP_MONTHS:
            steps = days / (_STEP_MONTHS[unit] * every * MONTH_DAYS)
        else:
            given = described(f"{value!r} for times that are numbers")
            raise ArgumentError(argument, given, "samples or a fraction there; a length of time needs dates")
    if not 0.5 < steps < 1e15:
        raise ArgumentError(argument, described(f"{value!r}, which is {steps:.3g} steps"), "at least one step")
    return round(steps)


def _of_text(argument: str, value: str) -> tuple[float, float]:
    iso = _ISO.fullmatch(value.strip())
    if iso:
        count, letter = float(iso[1]), iso[2]
        return (count * _NUMPY[letter], 0.0) if letter in _NUMPY else (0.0, count * (7.0 if letter == "W" else 1.0))
    match = _TEXT.fullmatch(value)
    if match is None:
        return _of_clock(argument, value)
    count = float(match[1]) if match[1] else 1.0
    if match[2] == "M":  # as pandas and numpy have it
        return count, 0.0
    if match[2] == "m":
        raise ArgumentError(argument, value, f'"{count:g} months" or "{count:g}min"')
    if match[2] in ("MS", "BMS"):  # beginnings of months; milliseconds are in lower case
        return count, 0.0
    name = match[2].lower()
    for names, days in _DAYS.items():
        if name in names:
            return 0.0, count * days
    for names, months in _MONTHS.items():
        if name in names:
            return count * months, 0.0
    return _of_clock(argument, value)


def _of_clock(argument: str, value: str) -> tuple[float, float]:
    """What pandas reads beside one unit: "1 days 12:00:00", "P1DT6H"."""
    import pandas as pd

    try:
        found: Any = pd.Timedelta(value)
    except ValueError:
        raise ArgumentError(argument, value, _ALLOWED) from None
    if pd.isna(found) or not re.search(r"[A-Za-z]", value):  # pandas reads a bare number as nanoseconds
        raise ArgumentError(argument, value, _ALLOWED)
    return 0.0, found.total_seconds() * _SECOND


def _of_numpy(argument: str, value: np.timedelta64) -> tuple[float, float]:
    unit, size = np.datetime_data(value.dtype)
    if np.isnat(value) or unit == "generic":
        raise ArgumentError(argument, value, _ALLOWED)
    if unit in _NUMPY:
        return float(value.astype(np.int64)) * size * _NUMPY[unit], 0.0
    return 0.0, float(value / np.timedelta64(1, "ns")) * 1e-9 * _SECOND


def _is_offset(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.tseries.offsets.BaseOffset)


def _of_offset(argument: str, value: Any) -> tuple[float, float]:
    import pandas as pd

    if isinstance(value, pd.offsets.Tick):
        return 0.0, pd.Timedelta(value).total_seconds() * _SECOND
    parts = value.kwds if type(value) is pd.DateOffset else {}
    if parts:
        months = {"years": 12.0, "months": 1.0}
        days = {"weeks": 7.0, "days": 1.0, "hours": 1 / 24, "minutes": 1 / 1440, "seconds": _SECOND}
        if set(parts) <= set(months):
            return value.n * sum(months[name] * count for name, count in parts.items()), 0.0
        if set(parts) <= set(months) | set(days):
            each = {name: size * MONTH_DAYS for name, size in months.items()} | days
            return 0.0, value.n * sum(each[name] * count for name, count in parts.items())
        raise ArgumentError(argument, value, _ALLOWED)
    return _of_text(argument, value.freqstr) if value.n > 0 else (0.0, 0.0)
