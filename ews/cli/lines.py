"""Lines that arrive: CSV or JSON, read as far as they are there, each an observation."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from ews.errors import ArgumentError, described

__all__ = ["Batch", "LineReader", "arriving"]

_CHUNK = 1 << 16
_MISSING = ("", "na", "nan", "null", "none", "n/a")
_TIMES = re.compile(r"(?i)^(time|times|date|datetime|timestamp|year|day|age)$")


@dataclass
class Batch:
    """Observations that arrived together."""

    times: list[Any] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


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
    note : callable
        Told what could not be read.
    """

    def __init__(self, *, time: str | None, values: list[str], note: Callable[[str], None]) -> None:
        self.time, self.values, self._note = time, list(values), note
        self.separator: str | None = None  # of CSV; "" for JSON, None before the first line
        self.header: list[str] = []
        self.dates: bool | None = None  # whether times are dates
        self.line = 0
        self.offset = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings."""
        return {
            name: getattr(self, name) for name in ("separator", "header", "dates", "line", "offset", "time", "values")
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
            text = raw.decode("utf-8-sig" if self.line == 1 else "utf-8", errors="replace").strip()
            if not text or text.startswith("#"):
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
            row = _split(text, self.separator)
            if len(row) != len(self.header):
                self._note(f"line {self.line}: {len(row)} cells under {len(self.header)} columns: left out")
                return None
            return dict(zip(self.header, row, strict=True))
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._note(f"line {self.line}: no JSON object: left out")
            return None
        if not self.header:
            self._choose([str(name) for name in found], found)
        return found

    def _heading(self, text: str) -> dict[str, Any] | None:
        separator = next((one for one in ("\t", ";", ",") if one in text), ",")
        row = _split(text, separator)
        self.separator = separator
        numbers = [_as_number(cell) is not None for cell in row]
        if all(numbers):  # no heading: columns are counted
            self._choose([str(place + 1) for place in range(len(row))], None)
            return dict(zip(self.header, row, strict=True))
        if len(set(row)) < len(row) or "" in row:
            raise ArgumentError("FILE", described(f"the heading {text[:60]!r}"), "a name for each column, no two alike")
        self._choose(row, None)
        return None

    def _choose(self, header: list[str], first: dict[str, Any] | None) -> None:
        """Settle which columns are meant."""
        for name in (*([self.time] if self.time is not None else []), *self.values):
            if name not in header:
                raise ArgumentError(
                    "--time" if name == self.time else "--value", name, f"one of {', '.join(header)[:200]}"
                )
        if not self.values:
            unasked = [name for name in header if _TIMES.match(name) and name != self.time]
            if unasked:
                raise ArgumentError(
                    "--time", described("nothing"), f"--time {unasked[0]}; or --value, where {unasked[0]!r} is no time"
                )
            self.values = [name for name in header if name != self.time and _may_be_number(first, name)]
            if not self.values:
                raise ArgumentError("--value", described("no column of values"), "a file with one")
        self.header = header

    def _moment(self, cell: Any) -> Any:
        """The time of a line; None where there is none, which is said."""
        number = _as_number(cell)
        found: Any = number if number is not None and math.isfinite(number) else None
        if found is None and isinstance(cell, str) and re.match(r"-?\d{4}-\d\d?(-\d\d?)?", cell):
            found = _date(cell)
        dates = isinstance(found, np.datetime64)
        if found is None or (self.dates is not None and dates != self.dates):
            kind = "number or ISO date" if self.dates is None else "ISO date" if self.dates else "number"
            self._note(f"line {self.line}: the time {str(cell)[:40]!r} is no {kind}: left out")
            return None
        self.dates = dates
        return found

    def _number(self, name: str, cell: Any) -> float:
        number = _as_number(cell)
        if number is not None:
            return number
        if cell is not None and str(cell).strip().lower() not in _MISSING:
            self._note(f"line {self.line}: {name} is {str(cell)[:40]!r}, no number: taken as missing")
        return math.nan


def _split(text: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([text], delimiter=separator))]


def _as_number(cell: Any) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    if isinstance(cell, str) and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell.strip()):
        return None
    try:
        return float(cell)
    except OverflowError:
        return None


def _may_be_number(first: dict[str, Any] | None, name: str) -> bool:
    """Whether a member of the first object is a number, or missing."""
    return first is None or first[name] is None or _as_number(first[name]) is not None


def _date(cell: str) -> Any:
    """An ISO date, in universal time where it says its zone."""
    import datetime as dt

    try:
        found = dt.datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    if found.tzinfo is not None:
        found = found.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(found, "ns")
