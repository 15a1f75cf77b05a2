"""A heading and rows of cells, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Grid", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of cells."""

    line: int  # its line in the file, or its row in the sheet, counted from 1
    cells: list[str]  # without spaces around them

    def filled(self) -> int:
        """How many cells hold something."""
        return sum(map(bool, self.cells))

    def width(self) -> int:
        """Cells up to the last one that holds something."""
        return next((place for place in range(len(self.cells), 0, -1) if self.cells[place - 1]), 0)


@dataclass(frozen=True, eq=False)
class Grid:
    """A heading and columns of cells."""

    names: tuple[str, ...]  # of the columns, as in the file; they may repeat
    columns: list[list[str]]  # the cells, by column
    lines: list[int]  # the line of each row in the file
    numbers: list[int]  # the number of each row below the heading, counted from 1
    separator: str | None  # what separates cells; None for a sheet or a single column
    typed: bool  # whether numbers come from a sheet, so that their decimal sign is known
    left_out: tuple[str, ...]  # what was left out, and where
    remarks: tuple[str, ...]  # what else had to be decided

    def __len__(self) -> int:
        return len(self.lines)

    def keep(self, rows: list[int]) -> Grid:
        """Take some rows, by position."""
        return replace(
            self,
            columns=[[column[row] for row in rows] for column in self.columns],
            lines=[self.lines[row] for row in rows],
            numbers=[self.numbers[row] for row in rows],
        )

    def place(self, name: str, row: int) -> str:
        """Where a cell stands, in words."""
        return f"column {name!r}, row {self.numbers[row]}"

    def line(self, row: int) -> str:
        """The line of a row, in words."""
        return f"{'row' if self.typed else 'line'} {self.lines[row]} of the {'sheet' if self.typed else 'file'}"
