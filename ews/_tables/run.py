"""``ews.read_table``: from a file to series with times; orchestration only."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ews._common import checks
from ews._common.ages import named_like_ages
from ews._common.times import FIRST_YEAR, LAST_YEAR
from ews._tables import choosing
from ews._tables.dates import Times, read_times
from ews._tables.decoding import Source, decoded, opened
from ews._tables.grid import Grid
from ews._tables.heading import grid as laid_out
from ews._tables.numbers import Codes, Notation, codes, decimal_sign, notation, numbers, option
from ews._tables.result import Recognised, Table, ways_apart
from ews._tables.splitting import rows_of_text
from ews.errors import ArgumentError, InputTypeError, described

if TYPE_CHECKING:
    import os

    import pandas as pd

__all__ = ["read_table"]


def read_table(
    path: str | os.PathLike[str] | IO[str] | IO[bytes],
    *,
    time: str | Sequence[str] | None = None,
    value: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    where: str | Sequence[str] | Mapping[str, Any] | None = None,
    ages: bool | None = None,
    encoding: str | None = None,
    sep: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    na: Any = None,
    skip: int | None = None,
    comment: str | None = None,
    date_format: str | None = None,
    sheet: str | int | None = None,
) -> Table:
    """Read time series from a file of cells: CSV and its kin, or a sheet of a workbook.

    What can be read in one way is read, and recorded in ``Table.recognised``; what cannot is refused with the option
    that says which way is meant. Nothing is guessed in silence: a cell that is no number stops the reading, and a
    column of times is never taken for values.

    Parameters
    ----------
    path : str, path or buffer
        A text file with a heading, an .xlsx or .ods file (with the extra ``excel``), or a buffer of text or bytes.
    time : str or sequence of str, optional
        Column of times, as numbers or dates; or several that make one time together: year and month, year and quarter,
        year and day of year, year and month and day (and hour and minute), date and time of day. Without it rows are
        consecutive.
    value : str or sequence of str, optional
        Columns of values, by name or pattern (``"chl*"``); default: the only column of numbers that are no times, or
        the twelve months of a table with a row for each year.
    by : str or sequence of str, optional
        Columns that name groups in a long table: one series for each group.
    where : str, sequence of str or mapping, optional
        Conditions on rows, such as ``"lake=Peter"``, ``"year>1990"`` or ``{"lake": "Peter"}``: all must hold; several
        values asked of one column are alternatives.
    ages : bool, optional
        Whether times are ages, larger being earlier; the series runs over their negative. By default a column that is
        called an age (age, BP, ka, …) is refused until this is said.
    encoding : str, optional
        Encoding of the text (default: by its mark, else UTF-8, else Windows-1252 where that is clear, with a remark).
    sep : str, optional
        What separates cells: a text, or one of "comma", "semicolon", "tab", "space", "pipe" (default: found in the
        file).
    decimal, thousands : str, optional
        Decimal sign, and what separates groups of thousands (default: as the cells tell; ``1,001`` alone tells
        neither).
    na : str, number or sequence of them, optional
        What stands for a missing value, besides an empty cell, NA, N/A, n.a., NaN and null; ``*`` stands for any text.
        A number also counts where it is written otherwise (−999 and -999.0). Numbers that are usual codes and lie far
        outside the others are refused until they are named here, or ``""`` says that they were measured.
    skip : int, optional
        Lines above the heading (default: found).
    comment : str, optional
        What comments begin with (default: lines that begin with ``#``).
    date_format : str, optional
        Format of dates, as in :meth:`datetime.datetime.strptime`, where they could be read in two ways.
    sheet : str or int, optional
        Sheet of a workbook, by name or place counted from 1 (default: the only one that holds something).

    Returns
    -------
    Table
        The series, with what was recognised; :func:`ews.detect` takes it as it is.

    Raises
    ------
    ews.errors.ArgumentError
        If the file can be read in two ways, or not at all; the message names the cell and the option.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import io, ews
    >>> text = "lake;date;chl\\nPeter;31.12.1999;1,5\\nPeter;01.01.2000;n.a.\\nPaul;31.12.1999;0,25\\n"
    >>> table = ews.read_table(io.StringIO(text), time="date", value="chl", by="lake")
    >>> list(table), table["Paul"].tolist()
    (['Paul', 'Peter'], [0.25])
    >>> for line in table.recognised.lines():
    ...     print(line)
    read from a buffer: cells separated by semicolons, decimal comma, times: dates written as %d.%m.%Y, 3 rows
    cells without a value: 1 × 'n.a.'
    """
    named_time, named_value, named_by = (
        choosing.listed(argument, given) for argument, given in (("time", time), ("value", value), ("by", by))
    )
    if ages is not None:
        ages = checks.flag("ages", ages)
    if skip is not None:
        skip = checks.whole("skip", skip, least=0)
    decimal = decimal_sign(decimal, thousands)
    missing = codes(na)
    source = opened(path)
    cells, encoded, sheet_name = _cells(source, encoding, sep, decimal, skip, comment, sheet)
    remarks = list(cells.remarks)
    how = notation(cells, decimal=decimal, thousands=thousands, missing=missing)
    used = choosing.filtered(cells, where, how, remarks)
    times = choosing.columns(used, "time", named_time)
    keys = choosing.columns(used, "by", named_by)
    _check_apart(used, times, keys)
    counted: Counter[str] = Counter()
    wide = None if named_value or keys else choosing.months_of(used, times)
    read: Times | None
    told: tuple[str, ...] = ()
    missed = None
    if wide is not None:
        _require_no_other_times(used.names[wide[0]], date_format, ages)
        series, read, rows, places = _unrolled(source, used, wide, how, missing, counted, remarks)
    else:
        used = _without_empty(used, times, keys, remarks)
        places = choosing.values_of(used, named_value, times, keys, missing, remarks)
        read = _times(used, times, date_format, ages, how, missing, remarks)
        columns = {used.names[place]: numbers(used, place, "value", how, missing, counted, remarks) for place in places}
        if read is None:
            _note_total(columns, remarks)
        series, rows = _series(used, columns, read, keys)
        missed = None if read else choosing.overlooked(used, [*places, *keys], missing)
        if read is not None:
            instants = list(zip(read.values.tolist(), *(used.columns[place] for place in keys), strict=True))
            told = choosing.telling(used, instants, [*places, *times, *keys])
            if told:
                repeated = len(instants) - len(set(instants))
                remarks.append(f"{repeated} rows share a time with another; {ways_apart(told, read.name)}")
        elif not keys and (block := choosing.blocks(used, places)):
            remarks.append(f"rows are taken as one series, though column {block!r} groups them: {option('by', block)}")
        if missed is not None:
            remarks.append(f"rows are taken as consecutive, though column {missed!r} looks like their times")
    marks = [how.columns[place] for place in places if place in how.columns]
    recognised = Recognised(
        source=source.name,
        encoding=encoded,
        sheet=sheet_name,
        separator=cells.separator,
        decimal=_decimal(used, places, marks),
        thousands=_thousands(used, places, marks),
        dates=None if read is None else read.notation,
        missing=dict(counted.most_common()),
        rows=len(cells),
        rows_used=len(used),
        left_out=cells.left_out,
        remarks=tuple(dict.fromkeys(remarks)),
    )
    return Table(series, recognised, None if read is None else read.name, ages if read else None, rows, missed, told)


def _cells(
    source: Source, encoding: str | None, sep: str | None, decimal: str | None, skip: int | None, comment: str | None,
    sheet: str | int | None,
) -> tuple[Grid, str | None, str | None]:  # fmt: skip
    """The cells; and the encoding of a text, or the name of a sheet."""
    if source.is_sheet:
        from ews._tables.sheets import rows_of_sheet

        assert isinstance(source.content, bytes)
        rows, name = rows_of_sheet(source.content, sheet=sheet, decimal=decimal or ".")
        left_out = []
        if skip:
            left_out.append(f"the first {skip} rows" if skip > 1 else "the first row")
        found = laid_out(
            rows[skip or 0 :], name=source.name, separator=None, typed=True, fixed=skip is not None, comments=(),
            left_out=left_out,
        )  # fmt: skip
        return found, None, name
    if sheet is not None:
        raise ArgumentError("sheet", sheet, f"an .xlsx or .ods file; {source.name} is text")
    text = decoded(source, encoding)
    split = rows_of_text(text.text, sep=sep, decimal=decimal, skip=skip, comment=comment)
    found = laid_out(
        split.rows, name=source.name, separator=split.separator, typed=False, fixed=skip is not None,
        comments=split.comments, left_out=split.left_out,
    )  # fmt: skip
    if text.remark is not None:
        from dataclasses import replace

        found = replace(found, remarks=(*found.remarks, text.remark))
    return found, text.encoding, None


def _check_apart(grid: Grid, times: Sequence[int], keys: Sequence[int]) -> None:
    both = next((place for place in keys if place in times), None)
    if both is not None:
        raise ArgumentError("by", grid.names[both], "another column than that of times")


def _without_empty(grid: Grid, times: Sequence[int], keys: Sequence[int], remarks: list[str]) -> Grid:
    """Rows with nothing in them go where times tell what is consecutive; elsewhere they are missing values."""
    empty = [row for row in range(len(grid)) if not any(column[row] for column in grid.columns)]
    if not empty or not (times or keys):
        return grid
    first = grid.line(empty[0])
    remarks.append(
        f"{len(empty)} empty row{'s' * (len(empty) > 1)} left out ({'the first in ' * (len(empty) > 1)}{first})"
    )
    gone = set(empty)
    return grid.keep([row for row in range(len(grid)) if row not in gone])


def _times(
    grid: Grid, places: Sequence[int], date_format: str | None, ages: bool | None, how: Notation, missing: Codes,
    remarks: list[str],
) -> Times | None:  # fmt: skip
    """Times of the rows; ages become times that run forward."""
    if not places:
        if ages:
            raise InputTypeError("ages", described("no time=…"), "a time column of numbers")
        if date_format is not None:
            raise ArgumentError("date_format", date_format, "a time column, whose dates it describes")
        return None
    read = read_times(grid, places, date_format=date_format, how=how, missing=missing, remarks=remarks)
    is_number = read.values.dtype.kind in "iuf"
    if ages and not is_number:
        raise InputTypeError("ages", described("dates"), "a time column of numbers")
    if ages:
        return Times(-read.values, read.name, "ages, larger being earlier")
    if ages is None and is_number and named_like_ages(read.name) and float(np.median(read.values)) > 0:
        given = described(f"{read.name!r}, whose name speaks of ages or depths, which run against time")
        allowed = f"{option('ages', 'x').split('=')[0]}=True if larger is earlier, ages=False if larger is later"
        raise ArgumentError("time", given, allowed)
    return read


def _series(
    grid: Grid, columns: Mapping[str, Any], read: Times | None, keys: Sequence[int]
) -> tuple[dict[str, pd.Series[Any]], dict[str, Any]]:
    """One series for each column of values, and for each group where rows are grouped; and the rows of the file."""
    import pandas as pd

    index: Any = None if read is None else pd.Index(read.values, name=read.name)
    whole = {name: pd.Series(values, index=index, name=name) for name, values in columns.items()}
    lines = np.array(grid.numbers)
    if not keys:
        return whole, dict.fromkeys(whole, lines)
    found, numbered = {}, {}
    for group, rows in choosing.groups(grid, keys).items():
        for name, values in whole.items():
            one = values.iloc[rows] if read is not None else values.iloc[rows].reset_index(drop=True)
            title = group if len(whole) == 1 else f"{name} {group}"
            found[title], numbered[title] = one.rename(title), lines[rows]
    return found, numbered


def _require_no_other_times(year: str, date_format: str | None, ages: bool | None) -> None:
    """Refuse what would say that the times of a table of years and months are something else."""
    what = f"a table with years in column {year!r} and a column for each month"
    if ages:
        raise InputTypeError("ages", described(what), "a time column of numbers")
    if date_format not in (None, "%Y"):
        raise ArgumentError("date_format", date_format, f"'%Y' or none for {what}")


def _unrolled(
    source: Source, grid: Grid, wide: tuple[int, list[int]], how: Notation, missing: Codes, counted: Counter[str],
    remarks: list[str],
) -> tuple[dict[str, pd.Series[Any]], Times, dict[str, Any], list[int]]:  # fmt: skip
    """A table with a row for each year and a column for each month, as one series of months."""
    import pandas as pd

    year, months = wide
    years = [int(cell) for cell in grid.columns[year]]
    found: Counter[str] = Counter()
    values = np.stack([numbers(grid, place, "value", how, missing, found, remarks) for place in months], axis=1)
    order = np.argsort(years, kind="stable")
    flat, stamps = values[order].ravel(), _months([years[row] for row in order])
    present = np.flatnonzero(np.isfinite(flat))
    rows = slice(int(present[0]), int(present[-1]) + 1) if present.size else slice(None)
    ends = flat.size - (rows.stop - rows.start if present.size else flat.size)
    counted.update(found)
    other = [name for place, name in enumerate(grid.names) if place not in (year, *months)]
    remarks.append(f"twelve columns of months make one series of {flat.size - ends} months")
    if other:
        remarks.append(f"beside the months and left out: {', '.join(map(repr, other))}")
    if ends:
        remarks.append(f"{ends} months without a value at the ends left out")
    name = PurePath(source.name).stem if source.name != "a buffer" else "value"
    index = pd.Index(stamps[rows], name=grid.names[year])
    read = Times(index, grid.names[year], "years in rows and months in columns")
    numbered = np.repeat(np.array(grid.numbers)[order], 12)[rows]
    return {name: pd.Series(flat[rows], index=index, name=name)}, read, {name: numbered}, months


def _months(years: Sequence[int]) -> list[Any]:
    """The first day of each month as a date; decimal years where dates do not reach all of them."""
    months = [(year, month) for year in years for month in range(1, 13)]
    if min(years) >= FIRST_YEAR and max(years) <= LAST_YEAR:
        return [np.datetime64(dt.date(year, month, 1), "ns") for year, month in months]
    return [year + (month - 1) / 12 for year, month in months]


def _note_total(columns: Mapping[str, Any], remarks: list[str]) -> None:
    """Say of a last value that is the sum or the mean of all others: a row of totals has slipped in."""
    for name, values in columns.items():
        others = values[:-1]
        if values.size < 5 or not np.isfinite(values).all() or np.ptp(others) == 0:
            continue
        for word, total in (("sum", float(others.sum())), ("mean", float(others.mean()))):
            exact = word == "sum" or values[-1] not in others
            if exact and abs(values[-1]) > 0 and abs(total - values[-1]) <= 1e-6 * abs(total):
                last = f"the last value of column {name!r}, {values[-1]:g}, is the {word} of all others"
                remarks.append(f"{last}: if it is a total, leave its row out of the file")


def _decimal(grid: Grid, places: Sequence[int], marks: Sequence[Any]) -> str | None:
    """The decimal sign met in the values."""
    found = {
        one.decimal
        for place, one in zip(places, marks, strict=False)
        if any(one.decimal in cell for cell in grid.columns[place])
    }
    return found.pop() if len(found) == 1 else "." if found else None


def _thousands(grid: Grid, places: Sequence[int], marks: Sequence[Any]) -> str | None:
    """The sign between groups of thousands met in the values."""
    for place, one in zip(places, marks, strict=False):
        signs = "".join(sign for sign in ".,'’ " if sign != one.decimal)
        if found := re.search(
            rf"^[+-]?[0-9]{{1,3}}([{signs}])[0-9]{{3}}", "\n".join(grid.columns[place]), re.MULTILINE
        ):
            return found[1]
    return None
