"""Workbooks (.xlsx, .ods) → rows of cells."""

from __future__ import annotations

import datetime as dt
import io
import math
import warnings
from typing import Any, Literal

from ews._tables.cells import plain
from ews._tables.grid import Row
from ews.errors import ArgumentError, UnknownNameError, described

__all__ = ["rows_of_sheet"]


def rows_of_sheet(content: bytes, *, sheet: str | int | None, decimal: str) -> tuple[list[Row], str]:
    """Read one sheet of a workbook, by name or by place counted from 1; by default the only one that holds something.

    Numbers come in plain notation with the sign `decimal`, which is that of cells of text, and dates in ISO 8601; with
    them the name of the sheet.
    """
    import pandas as pd

    engine: Literal["odf", "openpyxl"] = "odf" if b"opendocument" in content[:200] else "openpyxl"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a workbook has besides cells: styles, validation, …
            with pd.ExcelFile(io.BytesIO(content), engine=engine) as book:
                names = [str(name) for name in book.sheet_names]
                wanted = _named(names, sheet)
                tables = {
                    name: book.parse(name, header=None, dtype=object, keep_default_na=False, na_values=[])
                    for name in ([wanted] if wanted else names)
                }
    except ImportError:
        allowed = "pip install 'earlywarning[excel]', or the sheet saved as CSV"
        raise ArgumentError("path", described("a workbook, whose reader is not installed"), allowed) from None
    except ArgumentError:
        raise
    except Exception:  # noqa: BLE001  # a broken archive fails in any way
        given = described("a workbook that cannot be read")
        raise ArgumentError("path", given, "an .xlsx or .ods file that opens, or the sheet saved as CSV") from None
    filled = [name for name, table in tables.items() if not table.empty]
    if len(filled) > 1:
        shown = ", ".join(map(repr, filled))
        raise ArgumentError("sheet", described("none, and several sheets hold something"), f"one of {shown}")
    name = filled[0] if filled else next(iter(tables))
    rows = tables[name].itertuples(index=False, name=None)
    return [Row(place, [_cell(value, decimal) for value in row]) for place, row in enumerate(rows, 1)], name


def _named(names: list[str], sheet: str | int | None) -> str | None:
    if sheet is None or sheet in names:
        return None if sheet is None else str(sheet)
    place = int(sheet) if isinstance(sheet, int) or str(sheet).isdecimal() else 0
    if not 1 <= place <= len(names):
        raise UnknownNameError("sheet", sheet, names)
    return names[place - 1]


def _cell(value: Any, decimal: str) -> str:
    """A cell as text that reads in one way."""
    if value is None or value != value or isinstance(value, bool):  # NaN is not itself
        return "" if not isinstance(value, bool) else str(value).upper()
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ").removesuffix(" 00:00:00")
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = plain(" ".join(str(value).split()))
    return text.replace(".", decimal) if isinstance(value, float) else text
