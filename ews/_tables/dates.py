"""Cells → times: numbers, dates in one notation, or one column each for year, month, day, day of year and clock."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from ews._common.encoded_times import from_text
from ews._common.times import FIRST_YEAR, LAST_YEAR
from ews._tables.grid import Grid
from ews._tables.numbers import Codes, Notation, numbers, option
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Times", "parts_of_time", "read_times"]

_CLOCK = r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[ap]\.?m\.?)?(?:Z| ?[+-][0-9]{2}:?[0-9]{2})?)?"
_ISO = re.compile(rf"[0-9]{{4}}-[0-9]{{1,2}}(?:-[0-9]{{1,2}})?{_CLOCK}|[0-9]{{8}}T[0-9]{{6}}Z?", re.IGNORECASE)
# 1990.5 is a number.
_YEAR_FIRST = re.compile(
    rf"(?:[0-9]{{4}}/[0-9]{{1,2}}(?:/[0-9]{{1,2}})?|[0-9]{{4}}\.[0-9]{{1,2}}\.[0-9]{{1,2}}){_CLOCK}", re.IGNORECASE
)
_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2([0-9]{{4}}|[0-9]{{2}}){_CLOCK}", re.IGNORECASE)
_QUARTER = re.compile(r"([0-9]{4})[- ]?Q([1-4])|Q([1-4])[- /]?([0-9]{4})", re.IGNORECASE)
_TWO_DIGITS = re.compile(
    r"(?:.*[- ./'])?[a-z]{3,}\.?[- ./']*[0-9]{2}|[0-9]{1,2}([-/.])[0-9]{1,2}\1[0-9]{2}", re.IGNORECASE
)
# 01.2000 is a month, 1.2000 a number.
_MONTH_DOT_YEAR = re.compile(r"(?:0[1-9]|1[0-2])\.(?:1[6-9]|20)[0-9]{2}")
_LABELLED_YEAR = re.compile(r"(?:[FW]Y|AD|CE)? ?([0-9]{3,4})(?: ?(?:AD|CE))?", re.IGNORECASE)
# Notations that a message proposes.
_FORMATS = (
    "%b-%y", "%b %y", "%b%y", "%y-%b", "%d-%b-%y", "%d %b %y", "%d%b%Y", "%d%b%y", "%a %d %b %Y", "%a, %d %b %Y",
    "%A, %d %B %Y", "%A %d %B %Y", "%a %b %d %Y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%Y_%m_%d", "%Y:%m:%d",
    "%Y:%m:%d %H:%M:%S", "%Y-%m-%d_%H:%M", "%Y-%m-%d_%H:%M:%S", "%d/%m/%Y-%H:%M", "%Y%m%d_%H%M", "%Y%m%dT%H%M",
    "%d%m%Y", "A%Y%j", "%Y.%j", "%Y/%j", "%H:%M", "%H:%M:%S",
)  # fmt: skip
# Month by name: the formats in which one is written, all cells alike.
_WORDED = (
    "%d-%b-%Y", "%d %b %Y", "%d. %b %Y", "%d %b, %Y", "%b %d, %Y", "%b %d %Y", "%d.%b.%Y", "%d/%b/%Y", "%Y-%b-%d",
    "%Y %b %d", "%b %Y", "%b-%Y", "%b/%Y", "%Y %b", "%Y-%b", "%Y%b", "%b %d, %Y %H:%M", "%d %b %Y %H:%M",
    "%d-%b-%Y %H:%M", "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M:%S",
)  # fmt: skip
_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr) for number, name in enumerate(names) if name
} | {"sept": 9}  # fmt: skip
_ALLOWED = "numbers, or dates such as 2015-06-01"
_OTHER_LANGUAGE = "months are read in English: put their numbers, as in 2015-03"


class Times(NamedTuple):
    """Times of the rows."""

    values: Any  # numbers or dates
    name: str  # of the axis
    notation: str  # what was recognised, in words


def month_number(name: str) -> int | None:
    """The month that a name stands for: January, jan, Jan., …"""
    return _MONTHS.get(name.strip().rstrip(".").lower())


def read_times(
    grid: Grid, places: Sequence[int], *, date_format: str | None, how: Notation, missing: Codes, remarks: list[str]
) -> Times:
    """Read one column as times, or several that make one together; what else had to be decided goes to `remarks`.

    Refused are a row without a time, a cell that is neither number nor date, and dates that can be read in two ways.
    """
    for place in places:
        absent = next((row for row, cell in enumerate(grid.columns[place]) if missing.match(cell)), None)
        if absent is not None:
            given = described(f"no time in {grid.place(grid.names[place], absent)} ({grid.line(absent)})")
            raise InputTypeError("time", given, "a time in every row")
    if date_format is not None:
        return _by_format(grid, places, date_format)
    if len(places) == 1:
        return _one(grid, places[0], how, missing, remarks)
    return _several(grid, places, how, missing, remarks)


# ---- one column -----------------------------------------------------------------------------------------------------


def _by_format(grid: Grid, places: Sequence[int], date_format: Any) -> Times:
    import pandas as pd

    if not isinstance(date_format, str) or "%" not in date_format:
        raise ArgumentError("date_format", date_format, "a format such as '%d/%m/%Y' (day/month/year)")
    cells = [" ".join(parts) for parts in zip(*(grid.columns[place] for place in places), strict=True)]
    name = " ".join(grid.names[place] for place in places)
    try:
        values = pd.to_datetime(pd.Series(cells, dtype=object), format=date_format, errors="coerce")
    except (ValueError, re.error, KeyError, IndexError):
        raise ArgumentError("date_format", date_format, "a format such as '%d/%m/%Y' (day/month/year)") from None
    if values.isna().any():
        row = int(values.isna().to_numpy().argmax())
        given = described(
            f"{date_format!r}, which does not fit {cells[row]!r} in {grid.place(name, row)} ({grid.line(row)})"
        )
        raise ArgumentError(
            "date_format", given, "the format of every date: %d day, %m month, %Y year, %y its two digits"
        )
    return Times(values, name, f"dates written as {date_format}")


def _one(grid: Grid, place: int, how: Notation, missing: Codes, remarks: list[str]) -> Times:
    import pandas as pd

    name, cells = grid.names[place], grid.columns[place]
    if all(re.fullmatch(r"(1[6-9]|2[0-2])[0-9]{2}(0[1-9]|1[0-2])[0-9]{2}", cell) for cell in cells):
        values = pd.to_datetime(pd.Series(cells, dtype=object), format="%Y%m%d", errors="coerce")
        if values.notna().all():
            return Times(values, name, "dates written as year, month and day in eight digits")
    dates = _dates(grid, place)
    if dates is not None:
        return Times(dates[0], name, dates[1])
    if all(_MONTH_DOT_YEAR.fullmatch(cell) for cell in cells) and any(cell[0] == "0" for cell in cells):
        values = pd.to_datetime(pd.Series(cells, dtype=object), format="%m.%Y")
        return Times(values, name, "months written as %m.%Y")
    if all(year := [_LABELLED_YEAR.fullmatch(cell) for cell in cells]) and not cells[0].isdecimal():
        return Times(pd.Series([float(one[1]) for one in year if one]), name, f"years written as {cells[0]}")
    try:
        found = pd.Series(numbers(grid, place, "time", how, missing, Counter(), remarks))
    except InputTypeError as error:
        written = from_text(np.array(cells, dtype=object))
        if written is not None:
            return Times(pd.Series(written.astype("datetime64[ns]")), name, f"dates written as {cells[0]}")
        raise InputTypeError("time", error.given, f"{_ALLOWED}, alike in all rows; {_way(cells)}") from None
    return Times(found, name, "numbers")


def _dates(grid: Grid, place: int) -> tuple[Any, str] | None:
    """Dates of one notation, with the notation in words; None where the cells are none."""
    cells = grid.columns[place]
    _refuse_seasons(grid, place)
    if _mostly(cells, _ISO):
        return _iso(grid, place, cells), "dates in ISO 8601"
    if _mostly(cells, _YEAR_FIRST):
        return _iso(
            grid, place, [re.sub(r"^(\d{4})[/.](\d+)(?:[/.](\d+))?", _dashed, cell) for cell in cells]
        ), "dates with the year first"
    if _mostly(cells, _YEAR_LAST):
        return _year_last(grid, place)
    if _mostly(cells, _QUARTER):
        return _quarters(grid, place), "quarters"
    if sum(re.search(r"[A-Za-z]{3}", cell) is not None for cell in cells) > len(cells) / 2:
        return _worded(grid, place)
    return None


def _mostly(cells: Sequence[str], shape: re.Pattern[str]) -> bool:
    """Whether most cells have the shape, so that the others are mistakes in such a column."""
    return 2 * sum(shape.fullmatch(cell) is not None for cell in cells) >= len(cells)


def _dashed(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    return f"{year}-{int(month):02d}" + (f"-{int(day):02d}" if day else "")


def _refuse_seasons(grid: Grid, place: int) -> None:
    """Refuse 2001/02, 2002/03, …: winters that look like months."""
    cells = grid.columns[place]
    parts = [re.fullmatch(r"([0-9]{4}) ?([-/–]) ?([0-9]{2}|[0-9]{4})", cell) for cell in cells]
    if len(cells) > 1 and all(one and (int(one[1]) + 1 - int(one[3])) % 100 == 0 for one in parts):
        said = f"{cells[0]!r}, {cells[1]!r}, …, which "
        if any(one and (len(one[3]) == 4 or one[2] == "–") for one in parts):
            raise ValueRangeError("time", described(f"{said}are two years each"), "one year in a cell, as in 2001")
        allowed = f"one year, or {option('date_format', f'%Y{cells[0][4]}%m')} if they are months"
        raise ValueRangeError("time", described(f"{said}may be months, or years that begin in another month"), allowed)


def _iso(grid: Grid, place: int, cells: Sequence[str]) -> Any:
    import pandas as pd

    padded = [re.sub(r"^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?!\d)", _dashed, cell) for cell in cells]
    padded = [re.sub(r"(?<=\d) +(?=[+-]\d\d:?\d\d$)", "", re.sub(r"(?<=:\d\d),", ".", cell)) for cell in padded]
    told = [
        "Y" if re.fullmatch(r"\d{4}", cell) else "M" if re.fullmatch(r"\d{4}-\d\d", cell) else "D" for cell in padded
    ]
    usual = Counter(told).most_common(1)[0][0]  # a year among days is a mistake
    padded = [cell if one == usual else "" for one, cell in zip(told, padded, strict=True)]
    utc = pd.to_datetime(pd.Series(padded, dtype=object), errors="coerce", format="ISO8601", utc=True)
    _refuse_none(grid, place, utc)
    zones = {found[0] for cell in padded if (found := re.search(r"(?<=:\d\d)\S*?(Z|[+-]\d\d:?\d\d)$", cell))}
    zoned = sum(re.search(r":\d\d\S*(Z|[+-]\d\d:?\d\d)$", cell, re.IGNORECASE) is not None for cell in padded)
    if not zoned:
        return utc.dt.tz_localize(None)
    if zoned < len(padded):
        row = next(row for row, cell in enumerate(padded) if not re.search(r":\d\d\S*(Z|[+-]\d\d:?\d\d)$", cell, re.I))
        given = described(
            f"{cells[row]!r} without a time zone in {grid.place(grid.names[place], row)}, among times with one"
        )
        raise InputTypeError("time", given, "a time zone in every row, or in none")
    if len(zones) == 1:
        local = pd.to_datetime(pd.Series(padded, dtype=object), format="ISO8601", errors="coerce")
        if local.dtype.kind == "M":
            return local
    return utc.dt.tz_localize(None)


def _year_last(grid: Grid, place: int) -> tuple[Any, str]:
    """31/12/1999 and 12/31/1999: a cell in which one number cannot be a month tells for all."""
    import pandas as pd

    cells, name = grid.columns[place], grid.names[place]
    parts = [_YEAR_LAST.fullmatch(cell) for cell in cells]
    short = next((row for row, found in enumerate(parts) if found and len(found[4]) == 2), None)
    if short is not None:
        given = described(f"{cells[short]!r} in {grid.place(name, short)}, a year of two digits")
        raise ValueRangeError(
            "time", given, f"years of four digits, or the format, as in {option('date_format', '%d/%m/%y')}"
        )
    day_first = next((row for row, found in enumerate(parts) if found and int(found[1]) > 12), None)
    month_first = next((row for row, found in enumerate(parts) if found and int(found[3]) > 12), None)
    if day_first is not None and month_first is not None:
        shown = " and ".join(f"{cells[row]!r} (row {grid.numbers[row]})" for row in (day_first, month_first))
        raise ValueRangeError(
            "time", described(f"{shown} in column {name!r}"), "the day first in every row, or the month"
        )
    mark = next(found[2] for found in parts if found)
    same = all(found is None or found[1] == found[3] for found in parts)
    if day_first is None and month_first is None and not same:
        row = next(row for row, found in enumerate(parts) if found and found[1] != found[3])
        given = described(f"{cells[row]!r} in {grid.place(name, row)}, with the day or the month first")
        formats = " or ".join(option("date_format", f"%{a}{mark}%{b}{mark}%Y") for a, b in ("dm", "md"))
        raise ValueRangeError(
            "time", given, f"dates that can be read in one way, such as 1999-12-31; or the format: {formats}"
        )
    order = "%m{0}%d{0}%Y" if month_first is not None else "%d{0}%m{0}%Y"
    day, month = (1, 3) if month_first is None else (3, 1)
    iso = [
        cell if found is None else f"{found[4]}-{int(found[month]):02d}-{int(found[day]):02d}{_clock(cell)}"
        for cell, found in zip(cells, parts, strict=True)
    ]
    values = pd.to_datetime(pd.Series(iso, dtype=object), errors="coerce", format="ISO8601")
    _refuse_none(grid, place, values)
    return values, f"dates written as {order.format(mark)}"


def _clock(cell: str) -> str:
    """The time of day in a cell, on a clock of 24 hours."""
    found = re.search(
        r"[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:[.,][0-9]+)?))?(?: ?([ap])\.?m\.?)?", cell, re.IGNORECASE
    )
    if found is None:
        return ""
    hour = int(found[1])
    if found[4]:
        hour = hour % 12 + 12 * (found[4].lower() == "p") if 1 <= hour <= 12 else 99
    return f"T{hour:02d}:{found[2]}:{(found[3] or '00').replace(',', '.')}"


def _quarters(grid: Grid, place: int) -> Any:
    import pandas as pd

    found = [_QUARTER.fullmatch(cell) for cell in grid.columns[place]]
    starts = [None if one is None else f"{one[1] or one[4]}-{3 * int(one[2] or one[3]) - 2:02d}-01" for one in found]
    values = pd.to_datetime(pd.Series(starts, dtype=object), errors="coerce", format="ISO8601")
    _refuse_none(grid, place, values)
    return values


def _worded(grid: Grid, place: int) -> tuple[Any, str] | None:
    import pandas as pd

    cells, name = grid.columns[place], grid.names[place]
    bare = [re.sub(r"\bsept\b", "Sep", re.sub(r"([A-Za-z]{3,})\.", r"\1", cell), flags=re.IGNORECASE) for cell in cells]
    for shape in _WORDED:
        for one in (shape, shape.replace("%b", "%B")):
            values = pd.to_datetime(pd.Series(bare, dtype=object), errors="coerce", format=one)
            if values.notna().all():
                return values, f"dates written as {one}"
            if 2 * values.notna().sum() > len(cells):
                _refuse_none(grid, place, values)
    named = [cell for cell in cells if any(word[:3].lower() in _MONTHS for word in re.findall(r"[A-Za-z]{3,}", cell))]
    if 2 * len(named) <= len(cells):
        return None
    shape = _format_of(named, "%d-%b-%y")
    years = "a year of two digits or none" if _TWO_DIGITS.fullmatch(named[0]) else "in a notation that is not known"
    given = described(f"{named[0]!r} in column {name!r}, {years}")
    raise ValueRangeError("time", given, f"{_ALLOWED}, or the format, as in {option('date_format', shape)}")


def _way(cells: Sequence[str]) -> str:
    """What can be done about cells that are neither numbers nor dates."""
    if any(re.search(r"\b(BCE?|v\. ?Chr)\b", cell, re.IGNORECASE) for cell in cells):
        return "years before the first are negative numbers"
    if any(map(_has_words, cells)):
        return _OTHER_LANGUAGE
    return f"{option('date_format', _format_of(cells))} names another notation"


def _has_words(cell: str) -> bool:
    """Whether a cell has a word in it that is no month of ours."""
    words = re.findall(r"[^\W\d_]{2,}", cell)
    return any(len(word) > 2 or word.upper().strip("IVX") == "" for word in words if word[:3].lower() not in _MONTHS)


def _format_of(cells: Sequence[str], otherwise: str = "%d/%m/%Y") -> str:
    """The first notation that every cell fits."""
    for shape in _FORMATS:
        try:
            for cell in cells:
                dt.datetime.strptime(cell, shape)
        except ValueError:
            continue
        return shape
    return otherwise


def parts_of_time(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the order of the parts of a time that they are called after; empty where they are no such parts."""
    roles = [next((role for role in _ROLES if role != "date" and _called(name, role)), "") for name in names]
    kinds = next((kinds for kinds in _SETS if sorted(kinds) == sorted(roles)), ())
    return tuple(names[roles.index(role)] for role in kinds)


def _called(name: str, role: str) -> bool:
    return re.fullmatch(_ROLES[role], re.sub(r"[^a-zéñ]+", " ", name.lower()).strip()) is not None


def _refuse_none(grid: Grid, place: int, values: Any) -> None:
    """Refuse what is no date, or one out of reach."""
    outside = values.isna() | (values.dt.year < FIRST_YEAR) | (values.dt.year > LAST_YEAR)
    if not outside.any():
        return
    cells, name = grid.columns[place], grid.names[place]
    bad = np.flatnonzero(outside.to_numpy())
    more = f" and {bad.size - 1} more like it" if bad.size > 1 else ""
    row = int(bad[0])
    given = described(f"{cells[row]!r} in {grid.place(name, row)}{more} ({grid.line(row)})")
    words = f"; {_OTHER_LANGUAGE}" if _has_words(cells[row]) else ""
    raise InputTypeError(
        "time", given, f"{_ALLOWED} (ISO dates), alike in all rows, from {FIRST_YEAR} to {LAST_YEAR}{words}"
    )


# ---- several columns ------------------------------------------------------------------------------------------------

_ROLES = {
    "year": r"y|yr|year|years|jahr|ann[eé]e|anno|a[nñ]o|yyyy",
    "month": r"m|mo|mon|month|months|monat|mois|mese|mes|mm",
    "doy": r"doy|yday|jday|julian|julian ?day|day ?of ?(the )?year|yearday|jd|dayofyear|\w* ?doy",
    "day": r"d|dd|day|dom|tag|jour|day ?of ?(the )?month|mday",
    "week": (
        r"(iso ?|epi ?)?(w|wk|ww|week|weeks|kw|woche|kalenderwoche|semaine|semana|settimana)( ?(no|nr|number|of year))?"
    ),
    "quarter": r"q|qtr|quarter|quartal",
    "hour": r"h|hh|hr|hour|hours|stunde",
    "minute": r"min|minute|minutes|mi",
    "date": r"date|datum|fecha|data|day",
    "clock": r"time|clock|uhrzeit|zeit|hora|hour|heure|ora",
}
_SETS = (
    ("year", "month"), ("year", "quarter"), ("year", "week"), ("year", "doy"), ("year", "month", "day"),
    ("year", "doy", "hour"),
    ("year", "month", "day", "hour"), ("year", "month", "day", "hour", "minute"), ("year", "doy", "hour", "minute"),
)  # fmt: skip


def _several(grid: Grid, places: Sequence[int], how: Notation, missing: Codes, remarks: list[str]) -> Times:
    names = [grid.names[place] for place in places]
    if len(places) == 2 and (found := _date_and_clock(grid, places)) is not None:
        return found
    columns = [_parts(grid, place, how, missing, remarks) for place in places]
    roles = _roles(names, columns)
    parts = dict(zip(roles, columns, strict=True))
    _check_parts(grid, places, roles, parts)
    title = "-".join(role if role != "doy" else "day of year" for role in roles)
    values = _combined(parts)
    return Times(values, " ".join(names), f"{title} in columns {', '.join(map(repr, names))}")


def _parts(grid: Grid, place: int, how: Notation, missing: Codes, remarks: list[str]) -> Any:
    months = [month_number(cell) for cell in grid.columns[place]]
    if all(month is not None for month in months):
        return np.array(months, np.float64)
    return numbers(grid, place, "time", how, missing, Counter(), remarks)


def _roles(names: Sequence[str], columns: Sequence[Any]) -> tuple[str, ...]:
    """Which part of a time each column holds: by its name, and where that tells nothing, by what only it can hold."""
    called = [[role for role in _ROLES if _called(name, role)] for name in names]
    fitting = []
    for roles in (order for kinds in _SETS if len(kinds) == len(names) for order in permutations(kinds)):
        sure = 0
        for role, known, values in zip(roles, called, columns, strict=True):
            low, high = float(np.min(values)), float(np.max(values))
            if not _holds(role, low, high):
                break
            if role in known:
                sure += 1
            elif (known and not (role == "doy" and "day" in known and high > 31)) or (
                not known and not _only(role, low, high)
            ):
                break
        else:
            fitting.append((sure, roles))
    if not fitting:
        allowed = (
            "year and month; year and quarter; year and week; year and day of year; year, month and day (and hour, "
            "minute); date and time of day"
        )
        raise ArgumentError("time", described(f"the columns {', '.join(map(repr, names))}"), f"so named: {allowed}")
    return max(fitting)[1]


def _holds(role: str, low: float, high: float) -> bool:
    bounds = {
        "month": (1, 12), "quarter": (1, 4), "week": (1, 53), "day": (1, 31), "doy": (0, 367), "hour": (0, 24),
        "minute": (0, 60),
    }  # fmt: skip
    least, most = bounds.get(role, (-np.inf, np.inf))
    return bool(least <= low and high <= most)


def _only(role: str, low: float, high: float) -> bool:
    """Whether numbers in this range can be no other part."""
    return (role == "year" and low > 366) or (role == "doy" and high > 31)


def _check_parts(grid: Grid, places: Sequence[int], roles: Sequence[str], parts: dict[str, Any]) -> None:
    for place, role in zip(places, roles, strict=True):
        broken = np.flatnonzero(parts[role] % 1 != 0)
        if broken.size and role not in ("doy", "minute"):
            row = int(broken[0])
            given = described(f"{grid.columns[place][row]!r} in {grid.place(grid.names[place], row)}")
            raise ValueRangeError("time", given, f"a whole number for the {role}")


def _combined(parts: dict[str, Any]) -> Any:
    """Dates; or, for years that dates do not reach, decimal years."""
    import pandas as pd

    year = parts["year"]
    month = parts.get("month", 3 * parts["quarter"] - 2 if "quarter" in parts else np.ones_like(year))
    if year.min() < FIRST_YEAR or year.max() > LAST_YEAR:
        if set(parts) - {"year", "month", "quarter"}:
            raise ValueRangeError(
                "time",
                described(f"years from {year.min():g} to {year.max():g}"),
                f"years from {FIRST_YEAR} to {LAST_YEAR}, or year and month",
            )
        return pd.Series(year + (month - 1) / 12)
    if "week" in parts:
        return _weeks(year, parts["week"])
    day = parts.get("day", np.ones_like(year))
    start = pd.Series(
        pd.to_datetime(
            pd.DataFrame({"year": year.astype(int), "month": month.astype(int), "day": day.astype(int)}),
            errors="coerce",
        )
    )
    if start.isna().any():
        row = int(start.isna().to_numpy().argmax())
        given = described(f"year {year[row]:g}, month {month[row]:g}, day {day[row]:g} in row {row + 1}")
        raise ValueRangeError("time", given, "days that the calendar has")
    if "doy" in parts:
        start = start + pd.to_timedelta(parts["doy"] - 1, unit="D")
    for unit in ("hour", "minute"):
        if unit in parts:
            start = start + pd.to_timedelta(parts[unit], unit="h" if unit == "hour" else "min")
    return start.dt.round("ms")


def _weeks(year: Any, week: Any) -> Any:
    """The Mondays of weeks of ISO 8601."""
    import pandas as pd

    cells = pd.Series([f"{one:.0f}-{number:.0f}-1" for one, number in zip(year, week, strict=True)], dtype=object)
    found = pd.to_datetime(cells, format="%G-%V-%u", errors="coerce")
    if found.isna().any():
        row = int(found.isna().to_numpy().argmax())
        given = described(f"year {year[row]:g}, week {week[row]:g} in row {row + 1}")
        raise ValueRangeError("time", given, "weeks that the year has, after ISO 8601")
    return found


def _date_and_clock(grid: Grid, places: Sequence[int]) -> Times | None:
    """One column of dates and one of times of day, joined."""
    clocks = grid.columns[places[1]]
    if not all(
        re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[apAP]\.?[mM]\.?)?", cell) for cell in clocks
    ):
        return None
    if not all(
        _ISO.fullmatch(cell) or _YEAR_LAST.fullmatch(cell) or _YEAR_FIRST.fullmatch(cell)
        for cell in grid.columns[places[0]]
    ):
        return None
    names = [grid.names[place] for place in places]
    joined = [f"{date}{_clock(f' {clock}')}" for date, clock in zip(grid.columns[places[0]], clocks, strict=True)]
    one = Grid((" ".join(names),), [joined], grid.lines, grid.numbers, grid.separator, grid.typed, (), ())
    found = _dates(one, 0)
    return None if found is None else Times(found[0], one.names[0], f"{found[1]}, with a time of day")
