"""Rows of cells → a heading and columns: titles, units, repeated headings, totals and notes are told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ews._tables.cells import TOTAL, has_date, is_missing, is_observation, looks_like_number
from ews._tables.grid import Grid, Row
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["grid"]

_TOP = 50  # a heading stands within so many rows
_UNIT_ROWS = 3  # units, instruments and kinds of mean, as loggers write them


def grid(
    rows: Sequence[Row], *, name: str, separator: str | None, typed: bool, fixed: bool, comments: Sequence[Row],
    left_out: Iterable[str],
) -> Grid:  # fmt: skip
    """Find the heading and lay the rows below it out as columns.

    `typed` cells come from a sheet; `fixed` says that the user chose how many lines to skip, so that the next one is
    the heading. `comments` are lines that begin with ``#``, without it.
    """
    said, remarks = list(left_out), []
    rows = list(rows)
    while rows and not rows[-1].filled():
        rows.pop()
    present = [place for place, row in enumerate(rows) if row.filled()]
    if not present:
        raise ArgumentError("path", described(f"{name} without any cell"), "a table with a heading")
    commented = _commented_heading(rows[present[0]], comments)
    if commented is not None:
        heading, body = commented, rows[present[0] :]
        remarks.append(f"line {heading.line}, which begins with '#', was taken for the heading")
    else:
        place = present[0] if fixed else _heading(rows, present)
        heading, body = rows[place], rows[place + 1 :]
        said += [f"{_line(rows[one], typed)} above the heading: {_shown(rows[one])}" for one in present if one < place]
        _check_heading(heading, separator)
    names = _names(heading)
    body = _without_blank(body, len(names), said, typed)
    if commented is None:
        body = _without_units(body, names, said, typed)
    body = _without_ends(body, len(names), said, typed)
    body, names = _fitted(body, names, heading, separator, said, remarks, typed)
    numbers, kept = [], []
    repeated = []
    for number, row in enumerate((row for row in body), 1):
        if row.cells[: len(names)] == names and len(names) > 1:
            repeated.append(row)
            continue
        kept.append(row)
        numbers.append(number)
    if repeated:
        said.append(f"{_rows(repeated, typed)} that repeats the heading")
    if not kept:
        raise ValueRangeError("path", described(f"{name} without any rows"), "a heading and at least one row")
    columns = [list(column) for column in zip(*(row.cells for row in kept), strict=True)]
    return Grid(
        tuple(names), columns, [row.line for row in kept], numbers, separator, typed, tuple(said), tuple(remarks)
    )


def _heading(rows: Sequence[Row], present: Sequence[int]) -> int:
    """The place of the heading: the fullest of the rows above the first observations."""
    top = present[:_TOP]
    widths = Counter(rows[place].width() for place in present[: 4 * _TOP])
    width = max(widths, key=lambda one: (widths[one], one))
    # A row of words that is the first full one: lines of facts above it hold fewer cells.
    full = next((place for place in top if rows[place].filled() >= width), None)
    if full is not None and not any(map(is_observation, rows[full].cells)):
        return full
    first = next((place for place in top if _is_observed(rows[place], width)), None)
    if first is None:
        return next((place for place in top if rows[place].filled() > width / 2), top[0])
    above = [place for place in top if place < first]
    if not above:
        return first
    most = max(rows[place].filled() for place in above)
    return next(place for place in above if rows[place].filled() == most)


def _is_observed(row: Row, width: int) -> bool:
    filled = [cell for cell in row.cells if cell]
    good = sum(map(is_observation, filled))
    return len(filled) > width / 2 and good > 0 and good + sum(map(is_missing, filled)) >= len(filled) / 2


def _commented_heading(first: Row, comments: Sequence[Row]) -> Row | None:
    """The last comment, where the rows begin at once and it names as many columns as they have."""
    if not comments or comments[-1].line > first.line or len(comments[-1].cells) != len(first.cells):
        return None
    names = comments[-1].cells
    observed = any(map(is_observation, first.cells)) and not any(map(is_observation, names))
    return comments[-1] if observed and all(names) else None


def _check_heading(heading: Row, separator: str | None) -> None:
    """Refuse observations where the heading should be: the first one would be lost without a word."""
    known = [cell for cell in heading.cells if not is_missing(cell)]
    if not known or not all(map(is_observation, known)):
        return
    count = len(heading.cells)
    names = ["value"] if count == 1 else ["time", "value"]
    names += [f"value{place}" for place in range(2, count)]
    between = separator or ","
    example = between.join(names[:4]) + (between + "…" if len(names) > 4 else "")
    line = between.join(heading.cells).strip()[:60]
    given = described(f"a file without a heading: its first line is {line!r}")
    raise ArgumentError("path", given, f"column names in the first line: add a line such as {example!r} above it")


def _names(heading: Row) -> list[str]:
    return [" ".join(cell.split()) for cell in heading.cells]


def _without_units(body: list[Row], names: Sequence[str], said: list[str], typed: bool) -> list[Row]:
    """Leave out rows of words under the heading, above columns of numbers or dates."""
    for _ in range(_UNIT_ROWS):
        if not body or not body[0].filled() or any("<" in cell or is_observation(cell) for cell in body[0].cells):
            break
        worded = [place for place, cell in enumerate(body[0].cells[: len(names)]) if cell and not is_missing(cell)]
        below = [row for row in body[1:_TOP] if row.filled()]
        if not worded or not below or not any(_observed_below(below, place) for place in worded):
            break
        said.append(f"{_line(body[0], typed)} below the heading, without a number: {_shown(body[0])}")
        body = body[1:]
    return body


def _without_blank(body: list[Row], count: int, said: list[str], typed: bool) -> list[Row]:
    """Leave out blank lines; in a single column they are missing values."""
    blank = [row for row in body if not row.cells]
    if count == 1 or not blank:
        return body
    where = "the first in " * (len(blank) > 1) + _line(blank[0], typed)
    said.append(f"{len(blank)} blank line{'s' * (len(blank) > 1)} ({where})")
    return [row for row in body if row.cells]


def _observed_below(below: Sequence[Row], place: int) -> bool:
    cells = [row.cells[place] for row in below if place < len(row.cells) and not is_missing(row.cells[place])]
    return bool(cells) and sum(looks_like_number(cell) or has_date(cell) for cell in cells) >= 0.8 * len(cells)


def _without_ends(body: list[Row], count: int, said: list[str], typed: bool) -> list[Row]:
    """Leave out notes and rows of totals below the table."""
    ends = []
    while body:
        filled = [cell for cell in body[-1].cells if cell]
        note = count > 1 and len(filled) == 1 and not is_observation(filled[0]) and not is_missing(filled[0])
        note = note and body[-1].cells[0] == filled[0]
        total = count > 1 and any(TOTAL.fullmatch(cell) for cell in filled[:2]) and not _is_label(body, filled)
        if filled and not note and not total:
            break
        if filled:
            ends.append(f"{_line(body[-1], typed)} below the table: {_shown(body[-1])}")
        body = body[:-1]
    said += reversed(ends)
    return body


def _is_label(body: Sequence[Row], filled: Sequence[str]) -> bool:
    """Whether the word of a total stands in other rows too, as a group of a long table does."""
    word = next(cell for cell in filled if TOTAL.fullmatch(cell))
    return sum(word in row.cells for row in body) > 1


def _fitted(
    body: list[Row], names: list[str], heading: Row, separator: str | None, said: list[str], remarks: list[str],
    typed: bool,
) -> tuple[list[Row], list[str]]:  # fmt: skip
    """Rows as long as the heading: what stands beyond it is empty, or refused."""
    count = len(names)
    longer = [row for row in body if row.width() > count]
    filled = [row for row in body if row.filled()]
    cut = separator in (" ", "\t") and longer and all(len(row.cells) == count + 1 for row in filled)
    if cut and [row.cells[0] for row in filled] == [str(place) for place in range(1, len(filled) + 1)]:
        said.append("the first cell of each row, which counts the rows and has no name in the heading")
        return [Row(row.line, row.cells[1:] or [""] * count) for row in body], names
    if longer:
        _refuse_longer(longer[0], count, heading, separator, typed)
    beyond = sum(len(row.cells) > count for row in body)
    if beyond and not typed:
        said.append(f"an empty cell at the end of {beyond} rows")
    shorter = [row for row in filled if len(row.cells) < count]
    if shorter:
        remarks.append(f"{_rows(shorter, typed)} with fewer cells than the heading: the rest is taken as missing")
    body = [Row(row.line, (row.cells + [""] * count)[:count]) for row in body]
    nameless = [place for place, name in enumerate(names) if not name]
    empty = [place for place in nameless if not any(row.cells[place] for row in body)]
    named = [name or f"column {place + 1}" for place, name in enumerate(names)]
    kept = [place for place in range(count) if place not in empty]
    return [Row(row.line, [row.cells[place] for place in kept]) for row in body], [named[place] for place in kept]


def _refuse_longer(row: Row, count: int, heading: Row, separator: str | None, typed: bool) -> None:
    columns = f"{count} columns" if count > 1 else f"one column ({heading.cells[0]!r})"
    given = described(f"{row.width()} cells in {_line(row, typed)} below a heading of {columns}")
    if separator == "," and count == 1:
        ways = "decimal=',' if the comma is the decimal sign, "
    elif separator == ",":
        ways = "decimal commas in quotation marks or between other separators, "
    else:
        ways = "sep=… for what separates cells, "
    names = "or a name for each column"
    if row.width() == count + 1:
        names += ", the first too where it holds the names of rows, as R writes them"
    allowed = f"as many cells as the heading names: {ways}skip=… for lines above the heading, {names}"
    raise ArgumentError("path", given, allowed)


def _rows(rows: Sequence[Row], typed: bool) -> str:
    where = f"the first in {_line(rows[0], typed)}" if len(rows) > 1 else _line(rows[0], typed)
    return f"{len(rows)} row{'s' * (len(rows) > 1)} ({where})"


def _line(row: Row, typed: bool) -> str:
    return f"{'row' if typed else 'line'} {row.line}"


def _shown(row: Row, most: int = 60) -> str:
    text = ", ".join(cell for cell in row.cells if cell)
    return repr(text if len(text) <= most else text[: most - 1] + "…")
