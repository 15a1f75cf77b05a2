"""Text → rows of cells: lines left out, separator, quotation marks."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ews._tables.cells import is_excel_error, is_missing, is_observation, plain
from ews._tables.grid import Row
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["SEPARATORS", "Rows", "rows_of_text"]

NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "pipe": "|", r"\t": "\t", r"\s+": " "}
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "spaces"}
_UNIT = "\x1f"  # stands between cells where the separator is not one character
_SAMPLE = 200


class Rows(NamedTuple):
    """Rows of cells before the heading is found."""

    rows: list[Row]  # all of them; blank lines have no cells
    separator: str | None  # what separates cells; None where a line is one cell
    left_out: list[str]  # lines left out
    comments: list[Row]  # lines left out because they begin with ``#``, without it: the last may be the heading


def rows_of_text(text: str, *, sep: str | None, decimal: str | None, skip: int | None, comment: str | None) -> Rows:
    """Split text into rows of cells, by the separator, the decimal and comment signs named or found out."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    left_out: list[str] = []
    if skip:
        if skip >= len(lines):
            raise ValueRangeError("skip", skip, f"less than the {len(lines)} lines of the file")
        left_out.append(f"the first {skip} lines" if skip > 1 else "the first line")
        lines[:skip] = [""] * skip
    chosen = _named(sep)
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is not None and (found := re.fullmatch(r'"?sep=(.)"?[\s,;]*', lines[first], re.IGNORECASE)):
        chosen = chosen or found[1]
        left_out.append(f"line {first + 1}, which names the separator")
        lines[first] = ""
    lines, comments = _without_comments(lines, comment, left_out)
    if chosen is None:
        chosen = _sniffed([line for line in lines if line.strip()][:_SAMPLE], decimal)
    if chosen is not None and comment is not None and comment in chosen:
        raise ArgumentError("comment", comment, "another text than the separator")
    rows = list(_parsed(lines, chosen))
    _check_quotes(rows, lines)
    return Rows(rows, chosen, left_out, [Row(line, _cells(text, chosen)) for line, text in comments])


def _named(sep: Any) -> str | None:
    if sep is None:
        return None
    chosen = NAMED.get(sep, sep) if isinstance(sep, str) else ""
    if not chosen or re.search(r'["\n\r]|^[\w.+-]+$', chosen):
        allowed = "one of , ; | tab space, or another text that separates cells (no letters, digits or quotation marks)"
        raise ArgumentError("sep", sep, allowed)
    return chosen


def _without_comments(lines: list[str], comment: Any, left_out: list[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """Lines with comments made blank; and those that begin with ``#``, with their places."""
    if comment is not None:
        if not isinstance(comment, str) or not comment.strip() or '"' in comment:
            raise ArgumentError("comment", comment, "a text with which comments begin, such as '#'")
        inside = re.compile(rf'((?:[^"]|"[^"]*")*?){re.escape(comment)}')
        shortened = [found[1] if comment in line and (found := inside.match(line)) else line for line in lines]
        cut = [place for place, line in enumerate(lines) if len(shortened[place]) < len(line)]
        if cut:
            left_out.append(f"{_count(len(cut), 'comment')} (from {comment!r} on, the first in line {cut[0] + 1})")
        return shortened, []
    kept, found_comments, quoted = list(lines), [], False
    for place, line in enumerate(lines):
        bare = line.lstrip().lstrip('"')
        if not quoted and bare.startswith("#") and not is_excel_error(bare):
            found_comments.append((place + 1, line.strip().strip('"').lstrip("#").strip()))
            kept[place] = ""
        elif line.count('"') % 2:
            quoted = not quoted
    if found_comments:
        count = len(found_comments)
        verb, places = ("begins", "in line") if count == 1 else ("begin", "the first in line")
        left_out.append(f"{_count(count, 'line')} that {verb} with '#' ({places} {found_comments[0][0]})")
    return kept, found_comments


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _parsed(lines: list[str], separator: str | None) -> Iterator[Row]:
    """Rows of cells; blank lines give rows without any."""
    between, delimiter = _delimited(lines, separator)
    reader = csv.reader((line + "\n" for line in between), delimiter=delimiter, skipinitialspace=True)
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell beyond what csv takes
            given = described(f"a cell of more than {csv.field_size_limit()} characters near line {reader.line_num}")
            raise ArgumentError("path", given, "cells of numbers; is a quotation mark never closed?") from None
        if cells and separator == " ":
            cells = cells[:-1] if cells[-1] == "" else cells
        yield Row(start, [plain(cell) for cell in cells] if any(map(str.strip, cells)) or len(cells) > 1 else [])
        start = reader.line_num + 1


def _delimited(lines: list[str], separator: str | None) -> tuple[list[str], str]:
    if separator is None:
        return lines, _UNIT
    if separator == " ":
        return [_UNIT.join(re.findall(r'"(?:[^"]|"")*"|\S+', line)) for line in lines], _UNIT
    if len(separator) > 1:
        return [line.replace(separator, _UNIT) for line in lines], _UNIT
    return lines, separator


def _cells(text: str, separator: str | None) -> list[str]:
    return next((row.cells for row in _parsed([text], separator)), [])


def _check_quotes(rows: list[Row], lines: list[str]) -> None:
    last = next((row for row in reversed(rows) if row.cells), None)
    if last is None or not any("\n" in cell for cell in last.cells) or sum(line.count('"') for line in lines) % 2 == 0:
        return
    given = described(f'a quotation mark (") in line {last.line} that is never closed')
    raise ArgumentError("path", given, "quotation marks in pairs")


def _sniffed(sample: list[str], decimal: str | None) -> str | None:
    """The separator that gives rows of one width and cells that are numbers; None for a single column."""
    scores: dict[str, float] = {}
    for separator in SEPARATORS:
        widths_and_numbers = _score(sample, separator)
        if widths_and_numbers is None:
            continue
        heading, score = widths_and_numbers
        if separator == "," and decimal == "," and not heading:
            continue  # they are those of numbers
        if separator == " " and (scores or not heading):
            continue  # spaces stand within names and dates too
        scores[separator] = score
    if not scores:
        return None
    best = max(scores.values())
    found = [separator for separator, score in scores.items() if score >= best - 1e-9]
    if len(found) > 1:
        most = max(sample[0].count(separator) for separator in found)
        clear = [separator for separator in found if sample[0].count(separator) == most]
        if len(clear) > 1:
            names = " and ".join(repr(separator) for separator in clear)
            raise ArgumentError("sep", described(f"a file that {names} divide alike"), "the one that separates cells")
        return clear[0]
    return found[0]


def _score(sample: list[str], separator: str) -> tuple[bool, float] | None:
    """Whether the first line has as many cells as most rows, and how table-like the rows are; None for one column."""
    try:
        rows = [row for row in _parsed(sample, separator) if row.cells]
    except ArgumentError:
        return None
    if len(rows) > 2 and len(sample) == _SAMPLE:
        rows.pop()  # it may go on in the next line
    if not rows:
        return None
    counts = Counter(len(row.cells) for row in rows)
    width = max(counts, key=lambda one: (counts[one], one))
    if width < 2:
        return None
    alike = [row for row in rows if len(row.cells) == width or (len(row.cells) == width + 1 and not row.cells[-1])]
    cells = [cell for row in alike[1:] for cell in row.cells if cell]
    good = sum(is_observation(cell) or is_missing(cell) for cell in cells) / len(cells) if cells else 1.0
    heading = _names_all(rows, width, separator)
    first = next((place for place, row in enumerate(rows) if any(map(is_observation, row.cells))), 0)
    above = len(rows[first - 1].cells) if first else width
    # Text in cells says nothing against a separator; a number that it cuts in two, or two that it leaves in one, does,
    # and so do rows with more cells than the one above the first observations.
    named = 1.0 if above > 1 and above >= width - 1 else 0.5
    return heading, len(alike) / len(rows) * (0.5 + 0.5 * good) * named


def _names_all(rows: list[Row], width: int, separator: str) -> bool:
    """Whether the first row has a name for each column; that of row numbers, as R writes them, may have none."""
    names = len(rows[0].cells)
    counted = [row.cells[0] for row in rows[1:]] == [str(place) for place in range(1, len(rows))]
    return names == width or (names == width - 1 and counted and separator in (" ", "\t"))
