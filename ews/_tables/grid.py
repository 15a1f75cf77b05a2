"""A heading and rows of cells, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Grid", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of cells.

    Attributes
    ----------
    line : int
        Its line in the file, or its row in the sheet, counted from 1.
    cells : list of str
        Without spaces around them.
    """

    line: int
    cells: list[str]

    def filled(self) -> int:
        """How many cells hold something."""
        return sum(map(bool, self.cells))

    def width(self) -> int:
        """Cells up to the last one that holds something."""
        return next((place for place in range(len(self.cells), 0, -1) if self.cells[place - 1]), 0)


@dataclass(frozen=True, eq=False)
class Grid:
    """A heading and columns of cells.

    Attributes
    ----------
    names : tuple of str
        Of the columns, as in the file; they may repeat.
    columns : list of list of str
        The cells, by column.
    lines : list of int
        The line of each row in the file.
    numbers : list of int
        The number of each row below the heading, counted from 1.
    separator : str or None
        What separates cells; None for a sheet or a single column.
    typed : bool
        Whether numbers come from a sheet, so that their decimal sign is known.
    left_out : tuple of str
        What was left out, and where.
    remarks : tuple of str
        What else had to be decided.
    """

    names: tuple[str, ...]
    columns: list[list[str]]
    lines: list[int]
    numbers: list[int]
    separator: str | None
    typed: bool
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]

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
