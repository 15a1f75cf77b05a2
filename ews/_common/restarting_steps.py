"""Dates → steps that begin anew with each month or year: dekads, composites of 8 or 16 days, days without 29 February.

The last step of each month or year is longer or shorter than the others, so that no number of days fits them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Restarting", "restarting", "steps_of_year", "without_leap_days"]

IntArray = npt.NDArray[np.int64]
_PARTS = {2: "half month", 3: "dekad", 4: "quarter of a month", 6: "pentad"}  # of a month
MONTH, YEAR = 30.44, 365
FEWEST = 6


@dataclass(frozen=True, eq=False)
class Restarting:
    """Steps that begin anew."""

    unit: str  # what one step is called
    index: IntArray  # (n,): which step each date stands at, from 0
    stamp: Callable[[IntArray], npt.NDArray[Any]]  # from steps to dates (datetime64[D])
    read_as: str = ""  # what the dates were taken for


def restarting(days: npt.NDArray[Any]) -> Restarting | None:
    """The steps that begin anew with each month or year, or None.

    Parameters
    ----------
    days : ndarray of shape (n,), datetime64[D]
        Increasing.
    """
    if days.size < FEWEST:
        return None
    return _of_months(days) or _of_years(days)


def without_leap_days(days: npt.NDArray[Any]) -> Restarting | None:
    """Every day but 29 February, as models without leap years and many archives write them; else None."""
    if days.size < FEWEST or np.median(np.diff(days).astype(np.int64)) != 1:
        return None
    year, place = _year_and_day(days)
    leap = _leap_days(int(year[0]), int(year[-1]))
    leap = leap[(leap > days[0]) & (leap < days[-1])]
    beside = np.isin(leap - 1, days) & np.isin(leap + 1, days)
    if not leap.size or np.isin(leap, days).any() or not beside.all():
        return None
    at = place - ((place > 59) & _is_leap(year))  # the day of the year, from 0, of a year of 365
    first = YEAR * int(year[0]) + int(at[0])

    def stamp(index: IntArray) -> npt.NDArray[Any]:
        years, day = np.divmod(first + index, YEAR)
        return _starts(years) + day + ((day >= 59) & _is_leap(years))

    return Restarting("day", YEAR * year + at - first, stamp, "days of a calendar without 29 February")


def _of_months(days: npt.NDArray[Any]) -> Restarting | None:
    month = days.astype("datetime64[M]")
    place = (days - month.astype("datetime64[D]")).astype(np.int64) + 1
    last = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    for shown in (place, np.where(place == last, 31, place)):  # an end of the month is one place
        places, counts = np.unique(shown, return_counts=True)
        parts = places.size
        gaps = np.diff(places, append=places[0] + MONTH)
        if parts not in _PARTS or counts.min() < 2 or not _alike(gaps, MONTH / parts):
            continue
        months = month.astype(np.int64)
        at = months * parts + np.searchsorted(places, shown)
        first = int(at[0])
        if np.median(np.diff(at)) == 1:
            return Restarting(_PARTS[parts], at - first, lambda index: _month_days(first + index, places))  # noqa: B023
    return None


def _month_days(at: IntArray, places: IntArray) -> npt.NDArray[Any]:
    months, part = np.divmod(at, places.size)
    month = months.astype("datetime64[M]")
    last = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return np.asarray(month.astype("datetime64[D]") + np.minimum(places[part], last) - 1)


def _of_years(days: npt.NDArray[Any]) -> Restarting | None:
    length = int(np.median(np.diff(days).astype(np.int64)))
    year, place = _year_and_day(days)
    start = int(place[0] % length)
    if not 2 <= length <= YEAR // 2 or year[0] == year[-1] or (place % length != start).any():
        return None
    count = steps_of_year(length, start)
    if (place // length >= count).any():
        return None
    at = year * count + place // length
    first = int(at[0])
    if (np.diff(at) < 1).any():
        return None

    def stamp(index: IntArray) -> npt.NDArray[Any]:
        years, part = np.divmod(first + index, count)
        return np.asarray(_starts(years) + start + length * part)

    return Restarting(f"{length}-day composite", at - first, stamp, f"steps of {length} days that begin anew each year")


def steps_of_year(length: int, start: int = 0) -> int:
    """Steps of so many days from a day of the year to its end; a stump shorter than half a step is part of the last."""
    whole, rest = divmod(YEAR - start, length)
    return whole + (2 * rest >= length)


def _alike(gaps: npt.NDArray[Any], length: float) -> bool:
    return bool(np.all((gaps >= 0.5 * length) & (gaps <= 1.5 * length)))


def _year_and_day(days: npt.NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Years, and days of the year from 0."""
    years = days.astype("datetime64[Y]")
    return years.astype(np.int64) + 1970, (days - years.astype("datetime64[D]")).astype(np.int64)


def _starts(years: IntArray) -> npt.NDArray[Any]:
    return (years - 1970).astype("datetime64[Y]").astype("datetime64[D]")


def _is_leap(years: IntArray) -> npt.NDArray[np.bool_]:
    return np.asarray((years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0)))


def _leap_days(first: int, last: int) -> npt.NDArray[Any]:
    years = np.arange(first, last + 1)
    return np.asarray(_starts(years[_is_leap(years)]) + 59)
