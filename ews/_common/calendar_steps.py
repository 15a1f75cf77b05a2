"""Times → the step of the calendar that they follow, and which of its steps each observation stands at.

Months, quarters and years are uneven in days, decimal years are rounded, working days leave weekends out: all are even
on an axis of their own. A step is recognised where every time stands at a whole number of steps on such an axis, to
within what rounding and the lengths of months make of it, and where chance would hardly do that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.clock import Clock
from ews._common.restarting_steps import Restarting, restarting, without_leap_days

__all__ = ["MONTH_LENGTHS", "Steps", "days_after", "days_since", "decimals", "recognise", "year_length"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_DAY = np.timedelta64(86_400_000_000_000, "ns")
# Years within which numbers with decimals are taken for decimal years.
YEARS = (1500.0, 2300.0)
MONTH_LENGTHS = {
    "noleap": (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    "all_leap": (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    "360_day": (30,) * 12,
}
# A month end is the 28th to the 31st, mid-month the 15th or 16th: 0.05 months about their mean.
MONTH_SLACK = 0.06
STEP_SLACK = 0.1


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps that times follow."""

    unit: str  # see :class:`ews.series.Sampling`; empty for plain numbers
    every: int  # units in a step
    index: IntArray  # (n,): which step each time stands at, from 0; increasing
    stamp: Callable[[IntArray], Any]  # from steps to their times
    read_as: str = ""  # what the times were taken for, where that was not plain

    @property
    def absent(self) -> int:
        """Steps without an observation."""
        return int(self.index[-1] + 1 - self.index.size)


def recognise(time: Any, *, clock: Clock | None = None, calendar: str = "", repeated: bool = False) -> Steps | None:
    """The steps that sorted times (float64 or datetime64[ns]) follow, or None.

    Days and months begin at the midnight of the `clock` that the times were written with; decimal years belong to the
    `calendar` of a climate model. With `repeated`, times may be equal and only decimal years that rounding made equal
    are looked for.
    """
    if time.size < 3:
        return None
    if time.dtype.kind == "M":
        return None if repeated else _of_dates(time, clock or Clock())
    if calendar or _like_years(time):
        found = _of_years(time, calendar, repeated)
        if found is not None or repeated:
            return found
    return None if repeated else _of_numbers(time)


def decimals(values: FloatArray, most: int = 6) -> int | None:
    """Decimals to which all of `values` were rounded; None for more than `most`."""
    for digits in range(most + 1):
        scaled = values * 10.0**digits
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-5):
            return digits
    return None


def year_length(year: npt.NDArray[Any], calendar: str) -> npt.NDArray[Any]:
    """Days of a year in a calendar."""
    if calendar in MONTH_LENGTHS:
        return np.full(year.shape, sum(MONTH_LENGTHS[calendar]))
    leap = year % 4 == 0
    if calendar != "julian":
        leap &= (year % 100 != 0) | (year % 400 == 0)
    return np.where(leap, 366, 365)


# ---- dates ----------------------------------------------------------------------------------------------------------


def _of_dates(time: Any, clock: Clock) -> Steps | None:
    wall = clock.wall(time)
    months, into = _months(wall)
    placed = _place(months + into, MONTH_SLACK, lengths=range(1, 1201))
    if placed is not None:
        index, every, offset = placed
        unit, count = _named_months(every)
        return Steps(unit, count, index, _month_stamps(wall, months + into, every, offset, clock))
    days = wall.astype("datetime64[D]")
    hours = wall - days
    if np.is_busday(days).all() and (hours == hours[0]).all():
        at = np.busday_count(days[0], days)
        gaps = np.diff(days).astype(np.int64)
        over_weekends = int((gaps == 3).sum())
        if np.median(gaps) == 1 and over_weekends >= 3:
            start, hour = days[0], hours[0]

            def working(index: IntArray) -> Any:
                return _utc((np.busday_offset(start, index) + hour).astype("datetime64[ns]"), clock)

            return Steps("business day", 1, at.astype(np.int64), working)
    same_hour = bool((hours == hours[0]).all())
    found = without_leap_days(days) if same_hour else None
    if found is not None:
        return _beginning_anew(found, hours[0], clock)
    since = days_since(wall)
    placed = _place(since, STEP_SLACK, lengths=range(1, 10_001))
    if placed is not None:
        index, every, offset = placed
        unit, count = ("week", every // 7) if every % 7 == 0 else ("day", every)

        def daily(index: IntArray) -> Any:
            return _utc(days_after(wall[0], offset + every * index), clock)

        return Steps(unit, count, index, daily)
    found = restarting(days) if same_hour else None
    if found is not None:
        return _beginning_anew(found, hours[0], clock)
    plain = _of_numbers(days_since(time))
    if plain is None:
        return None
    step = float(plain.stamp(np.array([1]))[0] - plain.stamp(np.array([0]))[0])
    for unit, per_day in (("hour", 24), ("minute", 1440), ("second", 86_400)):
        every = round(step * per_day)
        if every >= 1 and abs(step * per_day - every) < 0.02 * every:
            return Steps(unit, every, plain.index, lambda index: days_after(time[0], plain.stamp(index)))
    return Steps("", 1, plain.index, lambda index: days_after(time[0], plain.stamp(index)))


def _beginning_anew(found: Restarting, hour: Any, clock: Clock) -> Steps:
    def stamp(index: IntArray) -> Any:
        return _utc((found.stamp(index) + hour).astype("datetime64[ns]"), clock)

    return Steps(found.unit, 1, found.index, stamp, found.read_as)


def _utc(wall: Any, clock: Clock) -> Any:
    return np.array([clock.to_utc(one) for one in wall], dtype="datetime64[ns]") if clock.aware else wall


def days_since(time: Any) -> FloatArray:
    """Days since the first of some dates; differences of datetime64[ns] would wrap around after 292 years."""
    day = time.astype("datetime64[D]")
    part = (time - day.astype("datetime64[ns]")) / _DAY
    return np.asarray((day - day[0]).astype(np.float64) + (part - part[0]))


def days_after(first: Any, days: Any) -> Any:
    """Dates so many days after the first."""
    whole = np.floor(np.asarray(days, dtype=np.float64))
    part = np.round((np.asarray(days) - whole) * 86_400e9).astype("timedelta64[ns]")
    day = first.astype("datetime64[D]")
    stamps = (day + whole.astype(np.int64)).astype("datetime64[ns]")
    return stamps + (first - day.astype("datetime64[ns]")) + part


def _months(wall: Any) -> tuple[IntArray, FloatArray]:
    """Months since 1970, and how much of the month had gone by."""
    month = wall.astype("datetime64[M]")
    start, end = month.astype("datetime64[ns]"), (month + 1).astype("datetime64[ns]")
    return month.astype(np.int64), (wall - start) / (end - start)


def _named_months(every: int) -> tuple[str, int]:
    if every % 12 == 0:
        return "year", every // 12
    return ("quarter", 1) if every == 3 else ("month", every)


def _month_stamps(wall: Any, months: FloatArray, every: int, offset: float, clock: Clock) -> Callable[[IntArray], Any]:
    """Times of steps of months: on the day of the month that all share, else at the same part of it."""
    day = (wall.astype("datetime64[D]") - wall.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    hours = wall - wall.astype("datetime64[D]")
    last = _month_days(wall.astype("datetime64[M]")) - 1
    common = 30 if (day == last).all() else int(day.max())
    whole = (hours == hours[0]).all() and (day == np.minimum(common, last)).all()
    first = int(np.floor(months[0]))

    def stamp(at: IntArray) -> Any:
        if whole:
            month = (first + every * at).astype("datetime64[M]")
            days = np.minimum(common, _month_days(month) - 1)
            return _utc((month.astype("datetime64[D]") + days + hours[0]).astype("datetime64[ns]"), clock)
        position = months[0] + offset + every * at
        month = np.floor(position).astype(np.int64).astype("datetime64[M]")
        into = position - np.floor(position)
        start = month.astype("datetime64[ns]")
        return _utc(start + np.round(into * _month_days(month) * 86_400e9).astype("timedelta64[ns]"), clock)

    return stamp


def _month_days(month: Any) -> IntArray:
    return np.asarray(((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64))


# ---- numbers --------------------------------------------------------------------------------------------------------


def _like_years(time: FloatArray) -> bool:
    return bool(time[0] >= YEARS[0] and time[-1] <= YEARS[1] and np.any(time != np.floor(time)))


def _of_years(time: FloatArray, calendar: str, repeated: bool) -> Steps | None:
    """Decimal years: months, weeks or days that rounding or the calendar made uneven."""
    digits = decimals(time)
    rounding = 10.0**-digits if digits else 0.0  # the width of what rounds to one number; whole years are exact
    written = "decimal years" if digits is None else f"decimal years rounded to {digits} decimal{'s' * (digits != 1)}"
    for unit, axis, back, slack, lengths in _year_axes(calendar):
        u = axis(time)
        per_year = float(axis(np.array([2001.0]))[0] - axis(np.array([2000.0]))[0])
        placed = _place(u, slack, lengths=lengths, width=rounding * per_year, repeated=repeated)
        if placed is None:
            continue
        index, every, offset = placed
        name, count = _named_months(every) if unit == "month" else (unit, every)
        start = float(u[0])

        def stamp(at: IntArray, back: Any = back, start: float = start, every: int = every, o: float = offset) -> Any:
            return back(start + o + every * at)

        even = float(np.abs(np.diff(time) / np.median(np.diff(time)) - 1).max()) <= 1e-6 if not repeated else False
        return Steps(name, count, index, stamp, "" if even else written)
    return None


def _year_axes(calendar: str) -> Iterator[tuple[str, Any, Any, float, range]]:
    months = range(1, 13)
    yield "month", lambda t: 12 * t, lambda u: u / 12, 1e-3, months
    yield (
        "month",
        lambda t: _months_of_years(t, calendar),
        lambda u: _years_of_months(u, calendar),
        MONTH_SLACK,
        months,
    )
    yield "week", lambda t: 52 * t, lambda u: u / 52, 1e-3, range(1, 3)
    yield "week", lambda t: t * 365.2425 / 7, lambda u: u * 7 / 365.2425, STEP_SLACK, range(1, 3)
    yield "day", lambda t: _days_of_years(t, calendar), lambda u: _years_of_days(u, calendar), STEP_SLACK, range(1, 2)
    yield "day", lambda t: 365.0 * t, lambda u: u / 365.0, 1e-3, range(1, 2)


def _month_starts(year: IntArray, calendar: str) -> FloatArray:
    """Day of the year at which each month begins, and the year's length, of shape (n, 13)."""
    if calendar in MONTH_LENGTHS:
        table = np.cumsum((0, *MONTH_LENGTHS[calendar])).astype(np.float64)
        return np.broadcast_to(table, (year.size, 13))
    plain, leap = (np.cumsum((0, *MONTH_LENGTHS[name])).astype(np.float64) for name in ("noleap", "all_leap"))
    return np.where((year_length(year, calendar) == 366)[:, None], leap, plain)


def _months_of_years(t: FloatArray, calendar: str) -> FloatArray:
    year = np.floor(t).astype(np.int64)
    day = (t - year) * year_length(year, calendar)
    starts = _month_starts(year, calendar)
    month = np.clip((starts[:, 1:] <= day[:, None] + 1e-7).sum(axis=1), 0, 11)
    rows = np.arange(t.size)
    into = (day - starts[rows, month]) / (starts[rows, month + 1] - starts[rows, month])
    return np.asarray(12.0 * year + month + into)


def _years_of_months(u: FloatArray, calendar: str) -> FloatArray:
    whole = np.floor(u + 1e-9).astype(np.int64)
    year, month = whole // 12, whole % 12
    starts = _month_starts(year, calendar)
    rows = np.arange(u.size)
    day = starts[rows, month] + (u - whole) * (starts[rows, month + 1] - starts[rows, month])
    return np.asarray(year + day / year_length(year, calendar))


def _days_of_years(t: FloatArray, calendar: str) -> FloatArray:
    year = np.floor(t + 1e-9).astype(np.int64)
    return np.asarray(_days_before(year, calendar) + (t - year) * year_length(year, calendar), dtype=np.float64)


def _years_of_days(u: FloatArray, calendar: str) -> FloatArray:
    year = np.floor(u / 365.2425).astype(np.int64)
    for _ in range(3):
        year = year + (_days_before(year + 1, calendar) <= u + 1e-6) - (_days_before(year, calendar) > u + 1e-6)
    return np.asarray(year + (u - _days_before(year, calendar)) / year_length(year, calendar))


def _days_before(year: IntArray, calendar: str) -> IntArray:
    """Days from the year 0 to the beginning of `year`."""
    if calendar in MONTH_LENGTHS:
        return year * sum(MONTH_LENGTHS[calendar])
    leaps = (year + 3) // 4
    if calendar != "julian":
        leaps = leaps - (year + 99) // 100 + (year + 399) // 400
    return np.asarray(365 * year + leaps)


def _of_numbers(time: FloatArray) -> Steps | None:
    """A constant step of plain numbers, some of which may be absent; rounding to a third of the step is allowed."""
    with np.errstate(over="ignore"):
        reach = float(time[-1] - time[0])
    if not np.all(time[1:] > time[:-1]) or not np.isfinite(reach):
        return None
    gaps = np.diff(time)
    first = float(gaps[0])
    if np.all(gaps == first):  # as most are: no line has to be fitted
        return Steps("", 1, np.arange(time.size, dtype=np.int64), lambda at: time[0] + first * at)
    digits = decimals(time)
    width = 0.0 if not digits else 10.0**-digits
    position = np.arange(time.size)
    step = float(np.polynomial.polynomial.polyfit(position, time - time[0], 1)[1])
    left = time - time[0] - step * position
    if 0 < width <= step / 3 and time.size >= 6 and np.ptp(left) <= 1.05 * width:
        return Steps("", 1, position.astype(np.int64), lambda index: time[0] + step * index)
    median = float(np.median(gaps))
    if not median > 0 or (time[-1] - time[0]) / median > 1e9:
        return None
    step = median
    for _ in range(3):  # where rounding hides it, the median is not quite the step, and long gaps miscount
        counts = np.maximum(np.round(gaps / step), 1)
        step = float(gaps.sum() / counts.sum())
    index = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    intercept, step = (float(one) for one in np.polynomial.polynomial.polyfit(index, time - time[0], 1))
    slack = max(STEP_SLACK / 2 * step, 0.55 * width if width <= step / 3 and time.size >= 12 else 0.0)
    if np.abs(time - time[0] - intercept - step * index).max() > slack:
        return None
    if np.allclose(gaps, median * np.diff(index), rtol=1e-9):  # plain numbers give plain numbers
        return Steps("", 1, index, lambda at: time[0] + median * at)
    return Steps("", 1, index, lambda at: time[0] + intercept + step * at)


# ---- any axis -------------------------------------------------------------------------------------------------------


def _place(
    u: FloatArray, slack: float, *, lengths: range, width: float = 0.0, repeated: bool = False
) -> tuple[IntArray, int, float] | None:
    """Which step each point stands at, how many units make a step, and where step 0 lies from the first point.

    A step is a whole number on the axis of `u`; a point may be off it by the share `slack`, and rounding adds `width`
    to the range of the points. With `repeated`, only a complete run is looked for, in which rounding made times equal.
    """
    u = u - u[0]
    n = u.size
    mean = round(float(u[-1]) / (n - 1))
    if mean in lengths:  # nothing absent: the run as a whole tells the step, even where rounding is coarse
        left = u - mean * np.arange(n)
        allowed = 2 * slack * mean + width
        if np.ptp(left) <= allowed * (1 + 1e-6) and (not width or n >= 10 * allowed / mean + 4):
            middle = (left.max() + left.min()) / 2
            return np.arange(n, dtype=np.int64), mean, float(middle)
    if repeated:
        return None
    median = float(np.median(np.diff(u)))
    near = {round(median), int(np.floor(median)), int(np.ceil(median))} if width else {round(median)}
    for every in sorted(near, key=lambda each: abs(each - median)):
        if every in lengths and (placed := _at_steps(u, slack, every, width)) is not None:
            return placed
    return None


def _at_steps(u: FloatArray, slack: float, every: int, width: float) -> tuple[IntArray, int, float] | None:
    """:func:`_place` for one length of a step, some of which may be absent."""
    allowed = (2 * slack * every + width) / every
    if allowed > 0.75 or (width and u.size * allowed ** (u.size - 1) > 1e-3):
        return None
    turned = np.sort(u / every % 1.0)
    gaps = np.diff(turned, append=turned[0] + 1.0)
    widest = int(gaps.argmax())
    if 1.0 - gaps[widest] > allowed * (1 + 1e-6):
        return None
    middle = float(turned[widest] + gaps[widest] + (1.0 - gaps[widest]) / 2)
    index = np.round(u / every - middle).astype(np.int64)
    offset = every * (middle + float(index[0]))
    index -= index[0]
    if (np.diff(index) < 1).any():
        return None
    return index, every, offset
