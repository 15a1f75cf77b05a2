"""Lines that arrive: CSV or JSON, read as far as they are there, each an observation."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from ews._tables.numbers import codes
from ews.errors import ArgumentError, described

__all__ = ["Batch", "LineReader", "Notes", "arriving"]

_CHUNK = 1 << 16
_SHOWN = 5  # notes of a kind; what comes after is counted
_TRIED = 20  # lines without a time that can be read before the first that has one
_BINARY = re.compile(rb"PK\x03\x04|\xd0\xcf\x11\xe0|\x1f\x8b|CDF|\x89HDF|PAR1|\xff\xfe|\xfe\xff")
_TIMES = re.compile(r"(?i)^(time|times|date|datetime|timestamp|year|day|age)$")


@dataclass
class Batch:
    """Observations that arrived together."""

    times: list[Any] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


class Notes:
    """What could not be read: the first lines of a kind are said, the others counted.

    Parameters
    ----------
    say : callable
        Told each note.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.counts: Counter[str] = Counter()

    def take(self, kind: str, message: str) -> None:
        """Say it, or count it."""
        self.counts[kind] += 1
        if self.counts[kind] <= _SHOWN:
            more = "; more of this kind are counted, not shown" if self.counts[kind] == _SHOWN else ""
            self._say(message + more)

    def summary(self) -> str:
        """How many of each kind there were, where not all were shown."""
        return "".join(f"; {count} {kind}" for kind, count in self.counts.items() if count > _SHOWN)


def arriving(stream: IO[bytes], wait: Callable[[], bool]) -> Iterator[list[bytes]]:
    """Whole lines as they come; at the end of what is there, `wait` says whether to look again."""
    rest = b""
    while True:
        chunk = stream.read1(_CHUNK) if hasattr(stream, "read1") else stream.read(_CHUNK)
        if not chunk:
            if wait():
                continue
            if rest:
                yield [rest]
            return
        *whole, rest = (rest + chunk).split(b"\n")
        if whole:
            yield [line + b"\n" for line in whole]


class LineReader:
    """What the columns are, from the first line, and what each further line says.

    Parameters
    ----------
    time : str or None
        Column of times.
    values : sequence of str
        Columns of values; all but the time where there are none.
    notes : Notes
        Told what could not be read.
    sep, decimal : str, optional
        What separates cells, and the decimal sign; found in the lines where they are not given.
    na : sequence of str
        What stands for a missing value.
    skip : int
        Lines above the heading.
    date_format : str, optional
        How times are written.
    """

    def __init__(
        self,
        *,
        time: str | None,
        values: list[str],
        notes: Notes,
        sep: str | None = None,
        decimal: str | None = None,
        na: Sequence[str] = (),
        skip: int = 0,
        date_format: str | None = None,
    ) -> None:
        if decimal not in (None, ".", ","):
            raise ArgumentError("--decimal", decimal, "'.' or ','")
        if date_format is not None and "%" not in date_format:
            raise ArgumentError("--date-format", date_format, "a format such as '%d/%m/%Y' (day/month/year)")
        self.time, self.values, self._notes = time, list(values), notes
        self.separator: str | None = None  # of CSV; "" for JSON, None before the first line
        self.header: list[str] = []
        self.dates: bool | None = None  # whether times are dates
        self.decimal = decimal
        self.line = 0
        self.offset = 0
        self._asked = {"tab": "\t", "space": " "}.get(str(sep), sep)
        self._codes, self._skip, self._format = codes(list(na)), skip, date_format
        self._unread: list[str] = []  # times that could not be read, before the first that could

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings."""
        return {
            name: getattr(self, name)
            for name in ("separator", "header", "dates", "decimal", "line", "offset", "time", "values")
        }

    def resume(self, saved: Any) -> None:
        """Go on where another stopped."""
        known = self.to_dict()
        if not isinstance(saved, dict) or set(saved) != set(known):
            raise ArgumentError("--state", described("a file of another kind"), "what ews watch wrote")
        for name in ("time", "values"):
            if known[name] and known[name] != saved[name]:
                raise ArgumentError(f"--{name.rstrip('s')}", known[name], f"{saved[name]}, as the state was made with")
        for name, value in saved.items():
            setattr(self, name, value)

    def read(self, lines: list[bytes]) -> Batch:
        """The observations of some lines."""
        batch = Batch()
        for raw in lines:
            self.line += 1
            self.offset += len(raw)
            if self.line == 1 and (_BINARY.match(raw) or b"\0" in raw):
                given = described("a file that is no text in UTF-8")
                raise ArgumentError("FILE", given, "lines of text, such as CSV in UTF-8; ews detect reads workbooks")
            text = self._text(raw)
            if self.line <= self._skip or not text or text.startswith("#"):
                continue
            cells = self._cells(text)
            if cells is None:
                continue
            moment = self._moment(cells.get(self.time)) if self.time is not None else None
            if self.time is not None and moment is None:
                continue
            batch.times.append(moment)
            batch.rows.append([self._number(name, cells.get(name)) for name in self.values])
            batch.lines.append(self.line)
        return batch

    def _cells(self, text: str) -> dict[str, Any] | None:
        """The cells of a line by column; None for the heading, and for what cannot be read."""
        if self.separator is None:
            if text.startswith("{"):
                self.separator = ""
            else:
                return self._heading(text)
        if self.separator:
            row = self._split(text)
            if len(row) != len(self.header):
                self._notes.take(
                    "lines of other lengths left out",
                    f"line {self.line}: {len(row)} cells under {len(self.header)} columns: left out",
                )
                return None
            cells = dict(zip(self.header, row, strict=True))
            if not self.values:
                self._choose_values(cells)
            return cells
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._notes.take("lines without an object left out", f"line {self.line}: no JSON object: left out")
            return None
        if not self.header:
            self._choose([str(name) for name in found])
            if not self.values:
                self._choose_values(found)
        return found

    def _text(self, raw: bytes) -> str:
        """A line as text; letters beyond ASCII that are no UTF-8 are taken for Windows-1252, and that is said."""
        try:
            return raw.decode("utf-8-sig" if self.line == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            self._notes.take("lines read as Windows-1252", f"line {self.line}: no UTF-8: read as Windows-1252")
            return raw.decode("cp1252", errors="replace").strip()

    def _heading(self, text: str) -> dict[str, Any] | None:
        """The columns, from the first line; its cells where it is no heading."""
        named = re.fullmatch(r"(?i)sep=(.)?", text)
        if named is not None:  # written by Excel; of a tab nothing is left
            self._asked = self._asked or named[1] or "\t"
            return None
        self.separator = self._asked or next((one for one in ("\t", ";", ",", "|") if one in text), ",")
        row = self._split(text)
        if all(_as_number(cell.replace(",", ".")) is not None for cell in row):  # no heading: columns are counted
            self._choose([str(place + 1) for place in range(len(row))])
            if len(row) > 1 and not self.values and self.time is None:
                raise ArgumentError(
                    "--value",
                    described("nothing, and the file has no heading"),
                    f"columns by number, as in --time 1 --value {len(row)}",
                )
            self.values = self.values or [name for name in self.header if name != self.time]
            return dict(zip(self.header, row, strict=True))
        if len(set(row)) < len(row) or "" in row:
            raise ArgumentError("FILE", described(f"the heading {text[:60]!r}"), "a name for each column, no two alike")
        self._choose(row)
        return None

    def _choose(self, header: list[str]) -> None:
        """Settle which columns were asked for."""
        for name in (*([self.time] if self.time is not None else []), *self.values):
            if name not in header:
                above = "" if self.separator == "" else f" (in line {self.line}; --skip {self.line} if that is a title)"
                raise ArgumentError(
                    "--time" if name == self.time else "--value", name, f"one of {', '.join(header)[:200]}{above}"
                )
        if not self.values:
            unasked = [name for name in header if _TIMES.match(name) and name != self.time]
            if unasked:
                if self.time is not None:
                    given = described(f"nothing, and {unasked[0]!r} may hold times beside {self.time!r}")
                    raise ArgumentError("--value", given, "the columns that are watched, one or more")
                raise ArgumentError(
                    "--time", described("nothing"), f"--time {unasked[0]}; or --value, where {unasked[0]!r} is no time"
                )
        self.header = header

    def _choose_values(self, first: dict[str, Any]) -> None:
        """All columns of numbers, by the first line of them."""
        self.values = [name for name in self.header if name != self.time and self._may_be_number(first[name])]
        if not self.values:
            raise ArgumentError("--value", described("no column of values"), "a file with one")

    def _moment(self, cell: Any) -> Any:
        """The time of a line; None where there is none, which is said."""
        found: Any
        if self._format is not None:
            found = _by_format(cell, self._format)
        else:
            number = self._parsed(cell)
            found = number if number is not None and math.isfinite(number) else None
            if found is None and isinstance(cell, str) and re.match(r"-?\d{4}-\d\d?(-\d\d?)?", cell):
                found = _date(cell)
        dates = isinstance(found, np.datetime64)
        if found is None or (self.dates is not None and dates != self.dates):
            kind = "number or ISO date" if self.dates is None else "date" if self.dates else "number"
            kind = kind if self._format is None else f"date written as {self._format}"
            self._notes.take(
                "lines without a time left out", f"line {self.line}: the time {str(cell)[:40]!r} is no {kind}: left out"
            )
            if self.dates is None:
                self._unread.append(str(cell)[:40])
                if len(self._unread) == _TRIED:
                    self.finish()
            return None
        self.dates = dates
        return found

    def finish(self) -> None:
        """Refuse lines of which none has a time that can be read."""
        if self.dates is None and self._unread:
            raise ArgumentError(
                "--time",
                described(f"{self._unread[-1]!r} in line {self.line}, and no time before that could be read"),
                "numbers or ISO dates such as 2015-06-01; or --date-format, as in --date-format %d.%m.%Y",
            )

    def _number(self, name: str, cell: Any) -> float:
        number = self._parsed(cell)
        if number is not None and not (self._codes.numbers and number in self._codes.numbers):
            return number
        if number is None and cell is not None and not self._codes.match(str(cell).strip()):
            self._notes.take(
                "cells taken as missing",
                f"line {self.line}: {name} is {str(cell)[:40]!r}, no number: taken as missing",
            )
        return math.nan

    def _parsed(self, cell: Any) -> float | None:
        """A number, with the decimal sign of the lines, which the first cell that tells settles."""
        if not isinstance(cell, str) or self.separator == "":
            return _as_number(cell)
        if self.decimal is None and _as_number(cell) is not None and "." in cell:
            self.decimal = "."
        if self.decimal == ".":
            return _as_number(cell)
        point = _as_number(cell.strip().replace(",", ".")) if "." not in cell else None
        if self.decimal is None and point is not None and "," in cell:
            if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", cell.strip()):
                given = described(f"{cell.strip()!r} in line {self.line}, with a decimal comma or in thousands")
                raise ArgumentError("--decimal", given, "--decimal , if that is a decimal comma")
            self.decimal = ","
        return point

    def _may_be_number(self, cell: Any) -> bool:
        """Whether a cell is a number, or missing."""
        return cell is None or self._codes.match(str(cell).strip()) or self._parsed(cell) is not None

    def _split(self, text: str) -> list[str]:
        if self.separator == " ":
            return text.split()
        return [cell.strip() for cell in next(csv.reader([text], delimiter=self.separator or ","))]


def _as_number(cell: Any) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    if isinstance(cell, str) and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell.strip()):
        return None
    try:
        return float(cell)
    except OverflowError:
        return None


def _by_format(cell: Any, form: str) -> Any:
    """A date in a format, in universal time where it says its zone."""
    import datetime as dt

    try:
        return _instant(dt.datetime.strptime(str(cell).strip(), form))  # without a zone there is none
    except ValueError:
        return None


def _date(cell: str) -> Any:
    """An ISO date, in universal time where it says its zone."""
    import datetime as dt

    try:
        return _instant(dt.datetime.fromisoformat(cell.strip()))
    except ValueError:
        return None


def _instant(found: Any) -> Any:
    import datetime as dt

    if found.tzinfo is not None:
        found = found.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(found, "ns")
