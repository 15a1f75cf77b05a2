"""Options that say how a file is read, as :func:`ews.read_table` has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ews.cli.output import note, quoted

if TYPE_CHECKING:
    from ews import Table

__all__ = [
    "Ages", "By", "Comment", "DateFormat", "Decimal", "Encoding", "File", "Missing", "Sheet", "Skip", "Separator",
    "Thousands", "Time", "Value", "Where", "note_overlooked", "read",
]  # fmt: skip

_DATA, _FILE = "Data", "File"

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A table with a heading: CSV and its kin, .xlsx or .ods.", show_default=False
    ),
]  # fmt: skip
Time = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of times: numbers or dates; repeat it for year, month, …", show_default="row number",
        rich_help_panel=_DATA,
    ),
]  # fmt: skip
Ages = Annotated[
    bool | None,
    typer.Option(
        "--ages/--no-ages", help="Times are ages, larger being earlier; or are not, whatever their name.",
        show_default="asked where the name says so", rich_help_panel=_DATA,
    ),
]  # fmt: skip
Value = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of values, or a pattern such as 'chl*'; repeat it for several series.",
        show_default="the only numeric column", rich_help_panel=_DATA,
    ),
]  # fmt: skip
By = Annotated[
    list[str] | None,
    typer.Option(
        help="Column that names groups: one series for each; repeat it for several.", show_default="none",
        rich_help_panel=_DATA,
    ),
]  # fmt: skip
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A=B", help="Rows used, as in lake=Peter, year>1990; repeat it.", show_default="all",
        rich_help_panel=_DATA,
    ),
]  # fmt: skip
Separator = Annotated[
    str | None,
    typer.Option(
        "--sep", "--separator", help="What separates cells: , ; | tab space.", show_default="found in the file",
        rich_help_panel=_FILE,
    ),
]  # fmt: skip
Decimal = Annotated[
    str | None,
    typer.Option(help="Decimal sign: . or ,", show_default="found in the cells", rich_help_panel=_FILE),
]  # fmt: skip
Thousands = Annotated[
    str | None,
    typer.Option(
        help="What separates groups of thousands.", show_default="found in the cells", rich_help_panel=_FILE
    ),
]  # fmt: skip
Missing = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", help="What stands for a missing value, as -999 or '<*'; repeat it.",
        show_default="nothing, NA, n.a., NaN, null", rich_help_panel=_FILE,
    ),
]  # fmt: skip
Skip = Annotated[int | None, typer.Option(help="Lines above the heading.", show_default="found", rich_help_panel=_FILE)]
Comment = Annotated[
    str | None,
    typer.Option(help="What comments begin with.", show_default="lines that begin with #", rich_help_panel=_FILE),
]  # fmt: skip
DateFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="How dates are written, as %d/%m/%Y.", show_default="found where one way fits",
        rich_help_panel=_FILE,
    ),
]  # fmt: skip
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding, as latin-1 or utf-16.", show_default="UTF-8 and what is clear", rich_help_panel=_FILE),
]  # fmt: skip
Sheet = Annotated[
    str | None,
    typer.Option(help="Sheet of a workbook, by name or number.", show_default="the only one", rich_help_panel=_FILE),
]  # fmt: skip


# The options above, as `ews.read_table` names them.
OPTIONS = (
    "time", "value", "by", "where", "ages", "encoding", "sep", "decimal", "thousands", "na", "skip", "comment",
    "date_format", "sheet",
)  # fmt: skip


def read(file: Path, options: dict[str, Any]) -> Table:
    """Read a file with the options of the command line; None and empty lists are defaults of :func:`ews.read_table`."""
    from ews import read_table

    return read_table(file, **{name: value for name, value in options.items() if value is not None and value != []})


def note_overlooked(table: Table) -> None:
    """Say which column may hold the times that were not asked for."""
    column = table.overlooked
    if column is not None:
        way = f"add --time {quoted(column)}"
        note(f"rows are taken as consecutive; if column {column!r} holds their times, {way}")
