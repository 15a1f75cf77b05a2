"""Cells → numbers: decimal sign, groups of thousands, codes for missing values; what is no number is named."""

from __future__ import annotations

import fnmatch
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.missing_codes import far_codes, is_weak, repeats_far_out
from ews._tables.cells import NUMBER, has_date, is_excel_error, is_missing, looks_like_number, plain_floats
from ews._tables.grid import Grid
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Codes", "Marks", "Notation", "codes", "decimal_sign", "notation", "numbers", "option"]

FloatArray = npt.NDArray[np.float64]
_OTHER = {".": ",", ",": "."}
_GROUPED = re.compile(r"[0-9]{1,3}(['’ .,])[0-9]{3}(?:\1[0-9]{3})*(?:([.,])[0-9]*)?")
# A decimal point that can be nothing else.
_POINT = re.compile(
    r"^[+-]?(?:[0-9]*\.(?:[0-9]{0,2}|[0-9]{4,})|(?:0[0-9]*|[0-9]{4,})?\.[0-9]+)(?:[eE][+-]?[0-9]+)?$", re.MULTILINE
)
_PERCENT = re.compile(r"(.*[0-9.,])\s*%")
_TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Codes:
    """What the user said stands for a missing value."""

    texts: tuple[str, ...]  # cells, or patterns with ``*``
    numbers: tuple[float, ...]  # those that are numbers: 999 is also 999.0

    def match(self, cell: str) -> bool:
        """Whether a cell stands for a missing value, in so many words or as the user said."""
        return is_missing(cell) or any(
            fnmatch.fnmatchcase(cell, text) if "*" in text else cell == text for text in self.texts
        )


@dataclass(frozen=True)
class Marks:
    """How numbers are written in one column."""

    decimal: str  # "." or ","
    # What stands between groups of thousands, as the user said; None for any other sign in its place.
    thousands: str | None


@dataclass(frozen=True)
class Notation:
    """How numbers are written in a file."""

    columns: Mapping[int, Marks]  # by place of the column
    unclear: Mapping[int, str]  # columns whose notation cannot be told, with what was found
    # Columns in which no cell tells, and the usual decimal sign of such a file was taken.
    usual: frozenset[int] = frozenset()


def option(name: str, value: str) -> str:
    """An option with its value, as in a call."""
    return f"{name}={value!r}"


def codes(na: Any) -> Codes:
    """Read the codes for missing values that the user named."""
    if na is None:
        return Codes((), ())
    listed = [na] if isinstance(na, str | int | float) else na
    try:
        listed = (na,) if isinstance(listed, Mapping | bytes) else tuple(listed)
    except TypeError:  # a number of numpy's, or nothing of the kind
        listed = (na[()] if isinstance(na, np.ndarray) else na,)
    texts, values = [], []
    for one in listed:
        if isinstance(one, bool) or not isinstance(one, str | int | float | np.number):
            raise InputTypeError("na", one, "a text or number that stands for a missing value, or several")
        text = str(one).strip()
        texts.append(text)
        try:
            values.append(float(text))
        except ValueError:
            pass
    return Codes(tuple(texts), tuple(value for value in values if math.isfinite(value)))


# ---- decimal sign and thousands -------------------------------------------------------------------------------------


def decimal_sign(decimal: Any, thousands: Any) -> str | None:
    """The decimal sign that the user named, or that follows from what separates thousands."""
    if decimal is not None and not (isinstance(decimal, str) and decimal in (".", ",")):
        raise ArgumentError("decimal", decimal, "'.' or ','")
    if thousands is not None:
        if not isinstance(thousands, str) or len(thousands) != 1 or thousands.isalnum() or thousands in '+-"':
            raise ArgumentError("thousands", thousands, "one sign that separates groups of thousands: , . ' or a space")
        if decimal == thousands:
            raise ArgumentError("thousands", thousands, "another sign than the decimal one")
        if decimal is None:
            decimal = _OTHER.get(thousands)
    return decimal if decimal is None else str(decimal)


@dataclass
class _Evidence:
    """What the cells of a column say of the two signs; each with the row where it was met first."""

    decimal: dict[str, int]  # signs that must be decimal, or whose other must separate thousands
    either: dict[str, int]  # 1.001 and 1,001
    small: bool = False  # whole numbers from 1 to 999
    large: bool = False  # whole numbers above it without groups


def notation(grid: Grid, *, decimal: str | None, thousands: str | None, missing: Codes) -> Notation:
    """Find the decimal sign of each column of numbers.

    A cell such as ``1,5`` or ``1.234,5`` tells; ``1,001`` does not. A column in which no cell tells is read as the
    other columns of the file are, if they agree. What cannot be told is refused only where the column is used.
    """
    if decimal is not None:
        return Notation(dict.fromkeys(range(len(grid.names)), Marks(decimal, thousands)), {})
    found = {place: _evidence(cells, missing) for place, cells in enumerate(grid.columns)}
    if grid.typed:
        return _typed(grid, found, thousands)
    pooled = {sign for one in found.values() if one is not None and len(one.decimal) == 1 for sign in one.decimal}
    either = {sign for one in found.values() if one is not None for sign in one.either}
    columns, unclear, usual = {}, {}, set()
    for place, one in found.items():
        chosen = _decided(one, pooled, either, grid.separator)
        if isinstance(chosen, str) and one is not None:
            columns[place] = Marks(chosen, thousands)
            if one.either and not one.decimal and not pooled:
                usual.add(place)
        elif one is not None:
            unclear[place] = _contradiction(grid, place, one)
        else:
            columns[place] = Marks(next(iter(pooled)) if len(pooled) == 1 else ".", thousands)
    return Notation(columns, unclear, frozenset(usual))


def _typed(grid: Grid, found: Mapping[int, _Evidence | None], thousands: str | None) -> Notation:
    """The notation of a sheet: numbers have a point there, and text in the place of numbers what was typed."""
    columns, unclear = {}, {}
    for place, one in found.items():
        pointed = one is None or "." in one.decimal or "." in one.either
        if one is not None and not pointed and not one.decimal and one.either:
            unclear[place] = _contradiction(grid, place, one)
        else:
            columns[place] = Marks("." if pointed or not one or not one.decimal else ",", thousands)
    return Notation(columns, unclear)


def _decided(one: _Evidence | None, pooled: set[str], either: set[str], separator: str | None) -> str | None:
    """The decimal sign of a column, or None where it cannot be told."""
    if one is None:
        return None
    if one.decimal:
        return next(iter(one.decimal)) if len(one.decimal) == 1 else None
    if not one.either:
        return next(iter(pooled)) if len(pooled) == 1 else "."
    if pooled:
        return next(iter(pooled)) if len(pooled) == 1 else None
    if len(either) > 1:
        return None
    sign = next(iter(either))
    if one.small and not one.large:
        return None  # 984 beside 1,001
    # With three digits after every sign the two readings differ in unit only; the usual sign of such a file is taken.
    return sign if sign == ("," if separator == ";" else ".") else None


def _evidence(cells: Sequence[str], missing: Codes) -> _Evidence | None:
    """What a column says; None where it holds other things than numbers."""
    if (floats := plain_floats(cells)) is not None:
        joined = "\n".join(cells)
        if point := _POINT.search(joined):
            return _Evidence({".": joined.count("\n", 0, point.start())}, {})
        if "." not in joined:
            sizes = np.abs(floats[np.isfinite(floats)])
            small, large = bool(((sizes > 0) & (sizes < 1000)).any()), bool((sizes >= 1000).any())
            return _Evidence({}, {}, small, large) if sizes.size else None
    found = _Evidence({}, {})
    first: dict[str, int] = {}
    for row, cell in enumerate(cells):
        first.setdefault(cell, row)
    numbers = 0
    for cell, row in first.items():
        if missing.match(cell):
            continue
        bare = (percent[1] if (percent := _PERCENT.fullmatch(cell)) else cell).lstrip("+-<>≤≥~ ")
        if not NUMBER.fullmatch(bare):
            continue
        numbers += 1
        body, exponent, _ = bare.replace("E", "e").partition("e")
        for sign, kind in _signs(body, bool(exponent)):
            (found.decimal if kind == "decimal" else found.either).setdefault(sign, row)
        if body.isdigit():
            found.small |= len(body) <= 3 and body.strip("0") != ""
            found.large |= len(body) > 3
    # Dates such as 31.12.1999 and versions such as 1.2.3 are no numbers.
    return found if numbers and 2 * numbers >= sum(not missing.match(cell) for cell in first) else None


def _signs(body: str, exponent: bool) -> list[tuple[str, str]]:
    """What one number tells of the decimal sign: ("," , "decimal") that it must be the comma, "either" that it may."""
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return []
    grouped = _GROUPED.fullmatch(body)
    if points and commas:
        last = "." if body.rfind(".") > body.rfind(",") else ","
        return [(last, "decimal")]
    sign = "." if points else ","
    if grouped and grouped[1] in "'’ ":
        return [(sign, "decimal")]
    if body.count(sign) > 1:
        return [(_OTHER[sign], "decimal")] if grouped else [(sign, "decimal"), (_OTHER[sign], "decimal")]
    if not exponent and re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", body):
        return [(sign, "either")]
    return [(sign, "decimal")]


def _contradiction(grid: Grid, place: int, one: _Evidence) -> str:
    cells, name = grid.columns[place], grid.names[place]
    rows = sorted({**one.either, **one.decimal}.values())
    if len(rows) > 1:
        shown = " and ".join(f"{cells[row]!r} (row {grid.numbers[row]})" for row in rows[:2])
        return f"{shown} in column {name!r}"
    return f"{cells[rows[0]]!r} in {grid.place(name, rows[0])}, whose sign may be decimal or separate thousands"


# ---- cells → floats -------------------------------------------------------------------------------------------------


def number(cell: str, marks: Marks) -> float | None:
    """One number, or None where the cell holds something else."""
    if not NUMBER.fullmatch(cell):
        if marks.thousands is None:
            return None
        cell = cell.replace(marks.thousands, "")
        if not NUMBER.fullmatch(cell):
            return None
    sign = cell[:1] if cell[:1] in "+-" else ""
    body, mark, exponent = cell[len(sign) :].replace("E", "e").partition("e")
    whole, _, fraction = body.partition(marks.decimal)
    if marks.thousands is not None:
        whole = whole.replace(marks.thousands, "")
    elif re.fullmatch(r"[0-9]{1,3}([.,'’ ])[0-9]{3}(?:\1[0-9]{3})*", whole):
        whole = re.sub(r"[.,'’ ]", "", whole)
    if not (whole + fraction).isdigit():
        return None
    value = float(f"{sign}{whole or '0'}.{fraction or '0'}{mark}{exponent}")
    return value if math.isfinite(value) else None


def numbers(
    grid: Grid, place: int, argument: str, how: Notation, missing: Codes, counted: Counter[str], remarks: list[str]
) -> FloatArray:
    """Read a column as numbers, NaN where a value is missing.

    Missing cells are added to `counted`, by what stood in them, and what else had to be decided to `remarks`.
    `argument` is what named the column. Refused are cells that are no number, a decimal sign that cannot be told, and a
    number that looks like a code for a missing value.
    """
    name, cells = grid.names[place], grid.columns[place]
    if place in how.unclear:
        allowed = (
            "numbers written in one way; say which sign is which, as in decimal=',' (then a point separates "
            "thousands) or thousands=',' (then the point is decimal)"
        )
        raise ArgumentError(argument, described(how.unclear[place]), allowed)
    marks = how.columns[place]
    if place in how.usual:
        remarks.append(
            f"in column {name!r} three digits follow every {marks.decimal!r}, which was taken for the decimal sign; "
            f"{option('thousands', marks.decimal)} if it separates thousands"
        )
    usual = marks == Marks(".", None) and not any(map(looks_like_number, missing.texts))
    floats = plain_floats(cells) if usual else None
    if floats is not None:
        counted.update({"empty": int(np.isnan(floats).sum())} if np.isnan(floats).any() else {})
        _check_codes(grid, place, argument, floats, missing, remarks)
        return floats
    present = {cell for cell in set(cells) if not missing.match(cell)}
    read = {cell: number(cell, marks) for cell in present}
    if present and all(_PERCENT.fullmatch(cell) for cell in present):
        read = {cell: number(_PERCENT.sub(r"\1", cell), marks) for cell in present}
        remarks.append(f"column {name!r} is in per cent")
    if present and all(cell.lower() in _TRUTHS for cell in present):
        read = {cell: _TRUTHS[cell.lower()] for cell in present}
        remarks.append(f"in column {name!r}, true is 1 and false is 0")
    wrong = {cell for cell, value in read.items() if value is None}
    if wrong:
        rows = [row for row, cell in enumerate(cells) if cell in wrong]
        raise InputTypeError(argument, described(_first_wrong(grid, name, cells, rows)), _remedy(cells[rows[0]], marks))
    coded = {cell for cell, value in read.items() if value in missing.numbers}
    values = np.array([np.nan if (v := read.get(cell)) is None or cell in coded else v for cell in cells], np.float64)
    counted.update(cell or "empty" for cell in cells if cell not in read or cell in coded)
    _check_codes(grid, place, argument, values, missing, remarks)
    return values


def _first_wrong(grid: Grid, name: str, cells: Sequence[str], rows: Sequence[int]) -> str:
    more = f" and {len(rows) - 1} more like it" if len(rows) > 1 else ""
    cell = cells[rows[0]]
    shown = repr(cell if len(cell) <= 40 else cell[:39] + "…")
    return f"{shown} in {grid.place(name, rows[0])}{more} ({grid.line(rows[0])})"


def _remedy(cell: str, marks: Marks) -> str:
    plain = "numbers, or nothing or NA where a value is missing"
    short = cell if len(cell) <= 20 else cell[:19] + "*"
    if re.match(r"[<>≤≥~=]", cell):
        return (
            f"{plain}; a value beyond the limit of detection is no number: {option('na', cell[0] + '*')} takes all "
            f"such cells as missing, or put a number into the file, such as half of the limit"
        )
    if re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]+", cell):
        return f"{plain}; numbers are decimal, not hexadecimal"
    if is_excel_error(cell):
        return f"{plain}; {option('na', short)} takes the errors of the spreadsheet as missing"
    if NUMBER.fullmatch(cell):
        other = option("decimal", _OTHER[marks.decimal])
        return f"{plain}, with {marks.decimal!r} as the decimal sign; {other} for the other"
    if _PERCENT.fullmatch(cell):
        return f"{plain}; a per cent sign in each cell or in none"
    if re.fullmatch(r"[+-]?[0-9][0-9.,'’ ]*[0-9]", cell):
        return f"{plain}; {option('thousands', ',')} or another sign, if it separates groups of digits"
    if has_date(cell):
        return f"{plain}; a column of dates is named by time"
    return f"{plain}; {option('na', short)} if it stands for a missing value"


# ---- numbers that stand for nothing ---------------------------------------------------------------------------------


def _check_codes(grid: Grid, place: int, argument: str, values: FloatArray, missing: Codes, remarks: list[str]) -> None:
    """Refuse numbers far outside the others that are usual codes; say of any other that repeats there."""
    codes = far_codes(values)
    rest, found = codes.rest, codes.found
    if found:
        cells = [grid.columns[place][int(np.flatnonzero(values == value)[0])] for value in found]
        count = sum(codes.count(value) for value in found)
        first = grid.numbers[int(np.flatnonzero(np.isin(values, found))[0])]
        given = (
            f"{' and '.join(cells)} in {count} cell{'s' * (count > 1)} of column {grid.names[place]!r} (the first in "
            f"row {first}), far from the other values ({rest[0]:g} to {rest[-1]:g})"
        )
        if "" not in missing.texts:
            way = option("na", cells[0]) if len(cells) == 1 else f"na={tuple(cells)!r}"
            allowed = f"{way} if it is a code for a missing value; {option('na', '')} too if it was measured"
            raise ValueRangeError(argument, described(given), allowed)
        remarks.append(given)
    remarks += [
        f"{value:g} stands in {codes.count(value)} cells of column {grid.names[place]!r}, far from the others; "
        f"{option('na', f'{value:g}')} if it is a code for a missing value"
        for value in repeats_far_out(values[~np.isin(values, found)])
    ]
    # Among other values a code shows by repeating only, or by being whole.
    broken = bool((rest % 1 != 0).mean() > 0.9) if rest.size else False
    remarks += [
        f"{value:g} stands in {times} cell{'s' * (times > 1)} of column {grid.names[place]!r}; "
        f"{option('na', f'{value:g}')} if it is a code for a missing value"
        for value, times in codes.usual.items()
        if value not in found and not is_weak(value) and broken and value % 1 == 0
    ]


def is_numeric(cells: Sequence[str], missing: Codes) -> bool:
    """Whether a column may be meant to hold numbers: a cell looks like one, whatever the others hold."""
    if (floats := plain_floats(cells)) is not None:
        return bool(np.isfinite(floats).any())
    return any(looks_like_number(cell) and not missing.match(cell) for cell in cells)
