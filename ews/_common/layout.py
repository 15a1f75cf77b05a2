"""Reports, said once and set as text for a terminal or as HTML for a page: sections that wrap, tables, lists."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ews._common.publish import public
from ews._common.words import sentence, series_text

__all__ = ["WIDTH", "Report", "Table", "distinct", "fitting_table", "section", "shortened", "table", "wrap"]

WIDTH = 96


def shortened(text: str, width: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def distinct(names: Iterable[str], width: int) -> dict[str, str]:
    """Names of at most about `width` characters that still differ: cut in the middle, and less where they would not."""
    whole = list(names)
    while True:
        tail = width // 2
        short = {n: n if len(n) <= width else f"{n[: width - tail - 1]}…{n[len(n) - tail :]}" for n in whole}
        if len(set(short.values())) == len(short) or width >= max(map(len, whole)):
            return short
        width += 4


def section(label: str, text: str) -> list[str]:
    """A label in the margin and a text beside it."""
    return wrap(text, first=f"{label:<12}", rest=" " * 12)


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


@dataclass
class Table:
    """A table of a report.

    Attributes
    ----------
    header, rows : sequence
        Headings, and texts row by row.
    title : str
        What stands above it.
    fixed : int
        How many columns head each block where the table is wider than a page.
    strong : sequence of bool
        Rows that stand out on a page.
    below : str
        What stands below it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    fixed: int = 1
    strong: Sequence[bool] = ()
    below: str = ""

    def lines(self) -> list[str]:
        """The table as text."""
        title = [self.title] if self.title else []
        lines = fitting_table(list(self.header), [list(row) for row in self.rows], fixed=self.fixed)
        return title + lines + textwrap.wrap(self.below, WIDTH)


@public("ews.results")
@dataclass
class Report:
    """What a result says: a title, a verdict or answers, then sections and tables in their order.

    Blocks of a kind stand together; text sets a blank line between kinds.

    Attributes
    ----------
    title : str
        The heading.
    verdict : str
        One word or two that answer the question; empty where there are only answers.
    answers : sequence of str
        Findings, or reasons of the verdict; set as sentences.
    blocks : list
        Sections (label, text), tables and paragraphs, in their order.

    Examples
    --------
    >>> from ews.results import Report
    >>> report = Report("Lake", "no warning", ["nothing rises"])
    >>> report.section("Data", "60 observations.")
    >>> print(report.text())
    Lake
    ====
    <BLANKLINE>
    Verdict: NO WARNING
      - Nothing rises.
    <BLANKLINE>
    Data        60 observations.
    """

    title: str
    verdict: str = ""
    answers: Sequence[str] = ()
    blocks: list[Any] = field(default_factory=list)

    def section(self, label: str, text: str) -> None:
        """Add a labelled paragraph; without a label it goes on from the one before."""
        self.blocks.append((label, text))

    def notes(self, notes: Iterable[str]) -> None:
        """Add what was done to the input."""
        for note in notes:
            self.section("", sentence(f"Note: {note}"))

    def by_column(self, label: str, said: Mapping[str, Sequence[str]]) -> None:
        """Add once what holds for all columns, and name the columns of anything else."""
        columns: dict[str, list[str]] = {}
        names = distinct(said, 24)
        for column, texts in said.items():
            for text in texts:
                columns.setdefault(text, []).append(names[column])
        for place, (text, those) in enumerate(columns.items()):
            whose = "" if len(those) == len(said) else f"{', '.join(those)}: "
            self.section("" if place else label, whose + text)

    def data(self, series: Any, config: Any = None, *, step: str = "step") -> None:
        """Add how many observations there are, from when to when, how far apart, and what was done to them."""
        self.section("Data", series_text(series, config, step=step))
        self.notes(series.notes)

    def paragraph(self, text: str) -> None:
        """Add a text without a label."""
        self.blocks.append(text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], **options: Any) -> None:
        """Add a table (see :class:`Table`)."""
        self.blocks.append(Table(header, list(rows), **options))

    def text(self) -> str:
        """The report as plain text, at most a page wide."""
        title = shortened(self.title, WIDTH)
        groups: list[list[str]] = [[title, "=" * len(title)]]
        said = [f"Verdict: {self.verdict.upper()}"] if self.verdict else []
        for answer in self.answers:
            said += wrap(sentence(answer), first="  - ", rest="    ")
        groups += [said] if said else []
        for kind, blocks in groupby(self.blocks, type):
            if kind is tuple:
                groups.append([line for block in blocks for line in section(*block)])
            else:
                groups += [textwrap.wrap(one, WIDTH) if kind is str else one.lines() for one in blocks]
        return "\n\n".join("\n".join(lines) for lines in groups)
