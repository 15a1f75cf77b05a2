"""CSV files → the table that :func:`ews.detect` takes, with messages that name the column and the row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["Columns", "read_table", "sniff_separator", "time_option", "turned_round"]

_SEPARATORS = ",;\t|"
_NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "space": r"\s+", "pipe": "|", r"\t": "\t"}
# What a column of times is called where its numbers do not tell: those of a count, say, may increase as well.
_TIMES = ("time", "date", "year", "day")
_MISSING = ("", "na", "nan")


class Columns(NamedTuple):
    """What was read from a file.

    Attributes
    ----------
    values : pandas.DataFrame
        The columns of values, as numbers.
    time : pandas.Series or None
        The times, as numbers or dates.
    overlooked : str or None
        Where no times were asked for: a column that looks like them.
    """

    values: pd.DataFrame
    time: pd.Series[Any] | None
    overlooked: str | None


def read_table(path: Path, *, time: str | None, values: Sequence[str], separator: str | None) -> Columns:
    """Read the columns that were asked for.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8, with a heading.
    time : str or None
        Column of times; None for none.
    values : sequence of str
        Columns of values; empty for the only numeric one.
    separator : str or None
        What separates columns; None to find out from the heading.

    Returns
    -------
    Columns
        Values and times, and a column that may be times where none were asked for.

    Raises
    ------
    ews.errors.ArgumentError
        If the file is no table or has no heading, a column does not exist, or a column cannot be read as numbers or
        dates.
    OSError
        If the file cannot be opened.
    """
    table = _parse(path, separator)
    columns = list(map(str, table.columns))
    if time is not None and time not in columns:
        raise UnknownNameError("--time", time, columns)
    for value in values:
        if value not in columns:
            raise UnknownNameError("--value", value, columns)
        if value == time:
            raise ArgumentError("--value", value, "another column than --time")
    if len(set(values)) < len(values):
        raise ArgumentError("--value", described("the same column twice"), "each column once")
    chosen = list(values) or [_only_numeric(table, time)]
    numbers = table[chosen].copy()
    for column in chosen:
        numbers[column] = _as_numbers(table[column])
    if time is None:
        return Columns(numbers, None, _overlooked(table, chosen))
    return Columns(numbers, _as_times(table[time]), None)


def time_option(column: str) -> str:
    """What to add to the command line to use a column's times."""
    return f"add --time {_shell(column)}"


def sniff_separator(heading: str) -> str:
    """The separator that the heading has most of, text in quotes left out; a comma where it has none."""
    bare = re.sub(r'"[^"]*"', "", heading)
    return max(_SEPARATORS, key=bare.count)


def turned_round(ages: pd.Series[Any] | None, until: str | None) -> tuple[pd.Series[Any], str | None]:
    """Make ages before present into times that run forward: their negative.

    Parameters
    ----------
    ages : pandas.Series or None
        Ages, larger being earlier.
    until : str or None
        The youngest age to be used.

    Returns
    -------
    times : pandas.Series
        The negative ages.
    until : str or None
        The last time to be used.

    Raises
    ------
    ews.errors.InputTypeError
        If there are no times, or they are dates.
    """
    if ages is None or ages.dtype.kind not in "iuf":
        given = "no --time" if ages is None else "dates"
        raise InputTypeError("--ages", described(given), "a --time column of numbers")
    if until is None:
        return -ages.astype(float), None
    try:
        return -ages.astype(float), str(-float(until))
    except ValueError:
        raise InputTypeError("--until", until, "a number, as the ages are") from None


def _parse(path: Path, separator: str | None) -> pd.DataFrame:
    import pandas as pd

    if path.is_dir():
        raise ArgumentError("FILE", described(f"the folder {path}"), "a CSV file")
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = [line for _, line in zip(range(50), file, strict=False)]
            heading = head[0] if head else ""
            chosen = sniff_separator(heading) if separator is None else _NAMED.get(separator, separator)
            # Where columns are separated by semicolons, "3,14" is a number, as in most of Europe.
            comma = chosen != "," and any(re.search(r"\d,\d", line) for line in head[1:])
            file.seek(0)
            table = pd.read_csv(
                path, sep=chosen, decimal="," if comma else ".", encoding="utf-8-sig", skipinitialspace=True,
                engine="python" if len(chosen) > 1 else "c",
            )  # fmt: skip
    except UnicodeDecodeError as error:
        raise ArgumentError("FILE", described(f"bytes that are not UTF-8 at position {error.start}"), "UTF-8") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ArgumentError("FILE", described(reason), "a CSV file with a heading, or another --separator") from None
    _check_heading(table, heading, "," if len(chosen) > 1 else chosen)
    if table.empty:
        raise ValueRangeError("FILE", described(f"{path.name} without any rows"), "a heading and at least one row")
    table.columns = table.columns.map(lambda name: str(name).strip())
    return table


def _check_heading(table: pd.DataFrame, heading: str, separator: str) -> None:
    """Refuse observations where the heading should be: the first one would be lost without a word."""
    cells = [str(name).strip() for name in table.columns]
    known = [cell for cell in cells if cell.lower() not in _MISSING]
    if not known or not all(map(_is_observation, known)):
        return
    names = ["value"] if len(cells) == 1 else ["time", "value"]
    names += [f"value{place}" for place in range(2, len(cells))]
    example = separator.join(names[:4]) + (separator + "…" if len(names) > 4 else "")
    given = described(f"a file without a heading: its first line is {heading.strip()[:60]!r}")
    raise ArgumentError("FILE", given, f"column names in the first line: add a line such as {example!r} above it")


def _is_observation(cell: str) -> bool:
    """Whether a cell of the first line is a number or a date, not a name."""
    if re.match(r"\d{4}-\d{2}(-\d{2})?\b", cell):
        return True
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _overlooked(table: pd.DataFrame, chosen: Sequence[str]) -> str | None:
    """The first column beside the chosen ones that reads as dates, or is called a time and increases."""
    import pandas as pd

    for name in map(str, table.columns):
        column = table[name]
        if name in chosen or column.isna().any() or column.dtype.kind == "b":
            continue
        if column.dtype.kind in "iuf":
            if name.lower() in _TIMES and column.is_monotonic_increasing and column.is_unique:
                return name
        elif pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True).notna().all():
            return name
    return None


def _only_numeric(table: pd.DataFrame, time: str | None) -> str:
    names = [str(name) for name in table.columns if name != time]
    numeric = [name for name in names if table[name].dtype.kind in "iuf" and not table[name].isna().all()]
    if len(numeric) == 1:
        return numeric[0]
    if not numeric:
        raise InputTypeError("--value", described("a file without a column of numbers"), f"numbers in {_quoted(names)}")
    allowed = f"one or more of {_quoted(numeric)} (as in --value {_shell(numeric[0])})"
    if time is None:
        allowed += ", and --time for the column of times"
    raise ArgumentError("--value", described("no column, and the file has several"), allowed)


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    if column.dtype.kind in "iuf":
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column.notna() & numbers.isna()
    if column.dtype.kind == "b":
        return column.astype(float)
    if wrong.any():
        raise InputTypeError(
            "--value", _first_wrong(column, wrong), "numbers, or nothing or NA where a value is missing"
        )
    return numbers


def _as_times(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise InputTypeError("--time", described(f"no time in {_place(column, row)}"), "a time in every row")
    if column.dtype.kind in "iuf":
        return column
    times = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    wrong = times.isna()
    if wrong.any():
        raise InputTypeError("--time", _first_wrong(column, wrong), "numbers, or ISO dates such as 2015-06-01")
    return times


def _first_wrong(column: pd.Series[Any], wrong: pd.Series[bool]) -> str:
    row = int(wrong.to_numpy().argmax())
    more = int(wrong.sum()) - 1
    others = f" and {more} more like it" if more else ""
    return described(f"{column.iloc[row]!r} in {_place(column, row)}{others}")


def _place(column: pd.Series[Any], row: int) -> str:
    return f"column {str(column.name)!r}, row {row + 1}"


def _quoted(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _shell(name: str) -> str:
    return name if re.fullmatch(r"[\w.]+", name) else f'"{name}"'
