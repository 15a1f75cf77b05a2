"""Plain text laid out for a terminal: labelled sections that wrap, and tables as wide as a page."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["WIDTH", "by_column", "fitting_table", "section", "shortened", "table", "wrap"]

WIDTH = 96


def shortened(text: str, width: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def section(label: str, text: str) -> list[str]:
    """A label in the margin and a text beside it."""
    return wrap(text, first=f"{label:<12}", rest=" " * 12)


def by_column(label: str, said: Mapping[str, Sequence[str]]) -> list[str]:
    """A section that says once what holds for all columns, and names the columns of anything else."""
    columns: dict[str, list[str]] = {}
    for column, texts in said.items():
        for text in texts:
            columns.setdefault(text, []).append(shortened(column, 24))
    lines: list[str] = []
    for text, names in columns.items():
        whose = "" if len(names) == len(said) else f"{', '.join(names)}: "
        lines += section("" if lines else label, whose + text)
    return lines


def wrap(text: str, *, first: str, rest: str) -> list[str]:
    """Lines of at most a page's width, with what stands before the first and before the others."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns aligned: the first to the left, the others to the right; rules as in a paper."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    text = [
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, len(header)))]) for row in cells
    ]
    rule = "-" * len(text[0])
    return [rule, text[0], rule, *(line.rstrip() for line in text[1:]), rule]


def fitting_table(header: list[str], rows: list[list[str]], *, fixed: int) -> list[str]:
    """A table, cut into blocks of columns where it is wider than a page; the first `fixed` columns head each block."""
    widths = [max(len(row[i]) for row in [header, *rows]) + 2 for i in range(len(header))]
    blocks: list[list[int]] = [[]]
    used = sum(widths[:fixed])
    for i in range(fixed, len(header)):
        if blocks[-1] and used + widths[i] > WIDTH:
            blocks.append([])
            used = sum(widths[:fixed])
        blocks[-1].append(i)
        used += widths[i]
    lines: list[str] = []
    for block in blocks:
        columns = [*range(fixed), *block]
        lines += [""] if lines else []
        lines += table([header[i] for i in columns], [[row[i] for i in columns] for row in rows])
    return lines
