"""Which columns and rows of a table are meant: names, patterns, conditions, groups."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from ews._common.ages import called_time, named_like_ages
from ews._tables.cells import has_date, looks_like_number
from ews._tables.dates import month_number
from ews._tables.grid import Grid
from ews._tables.numbers import Codes, Marks, Notation, is_numeric, number, option
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described

__all__ = [
    "blocks",
    "column",
    "columns",
    "filtered",
    "groups",
    "listed",
    "months_of",
    "overlooked",
    "telling",
    "values_of",
]

_OPERATORS = ("!=", ">=", "<=", "==", "=", ">", "<")
_MANY = 12
_TITLE = 50  # rows in which a heading is looked for that was not taken for one
_WIDE = 5  # columns called times that make a table which lies on its side
_YEAR = re.compile(r"[A-Za-z]{0,3}[._]?(1[6-9]|20)[0-9]{2}")


def listed(argument: str, given: Any) -> tuple[str, ...]:
    """One name, several, or None for none."""
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else given
    if isinstance(names, Mapping | bytes | set | frozenset) or not isinstance(names, Iterable):
        raise InputTypeError(argument, given, "the name of a column, or several")
    try:
        names = tuple(names)
    except TypeError:  # an array without a dimension
        raise InputTypeError(argument, given, "the name of a column, or several") from None
    if not all(isinstance(name, str) for name in names):
        raise InputTypeError(argument, given, "the name of a column, or several")
    return names


def column(grid: Grid, argument: str, name: str) -> int:
    """The place of a column; a name that stands twice is refused."""
    places = [place for place, one in enumerate(grid.names) if one == name]
    if not places:
        line = _heading_below(grid, name)
        if line is not None:
            where = f"{'row' if grid.typed else 'line'} {line}, which holds it, is the heading"
            raise ArgumentError(argument, name, f"{_quoted(grid.names)}; or skip={line - 1}, if {where}")
        raise UnknownNameError(argument, name, dict.fromkeys(grid.names))
    if len(places) > 1:
        where = " and ".join(str(place + 1) for place in places)
        raise ArgumentError(
            argument,
            described(f"{name!r}, the name of columns {where}"),
            "a name that one column has: rename the others",
        )
    return places[0]


def _heading_below(grid: Grid, name: str) -> int | None:
    """The line of a heading with that name, below what was taken for the heading."""
    for row in range(min(len(grid), _TITLE)):
        if any(one[row] == name for one in grid.columns):
            return grid.lines[row]
    for said in grid.left_out:
        found = re.fullmatch(r"(?:row|line) (\d+) below the heading, without a number: '(.*)'", said)
        if found is not None and name in found[2].split(", "):
            return int(found[1])
    return None


def columns(grid: Grid, argument: str, names: Sequence[str]) -> list[int]:
    """Places of several columns, each once."""
    places = [column(grid, argument, name) for name in names]
    _once(argument, names)
    return places


def _once(argument: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise ArgumentError(argument, described("the same column twice"), "each column once")


# ---- values ---------------------------------------------------------------------------------------------------------


def values_of(
    grid: Grid, value: tuple[str, ...], time: Sequence[int], taken: Sequence[int], missing: Codes, remarks: list[str]
) -> list[int]:
    """Places of the columns of values: those named, or the only one of numbers.

    Columns of times are never taken for values without being asked for.
    """
    if not value:
        return [_only(grid, time, taken, missing)]
    places: list[int] = []
    for name in value:
        if name in grid.names or not re.search(r"[*?\[]", name):
            place = column(grid, "value", name)
            if place in time:
                raise ArgumentError("value", name, "another column than that of times")
            if place in taken:
                raise ArgumentError("value", name, "another column than those of groups")
            if place in places:
                raise ArgumentError("value", described("the same column twice"), "each column once")
            places.append(place)
            continue
        found = [
            place
            for place, one in enumerate(grid.names)
            if fnmatch.fnmatchcase(one, name) and place not in (*time, *taken)
        ]
        if not found:
            raise UnknownNameError("value", name, dict.fromkeys(grid.names))
        for place in found:
            column(grid, "value", grid.names[place])
        text = [place for place in found if not is_numeric(grid.columns[place], missing)]
        if text:
            remarks.append(
                f"of {name!r}, without numbers and left out: {_quoted([grid.names[place] for place in text])}"
            )
        fitting = [place for place in found if place not in text]
        if not fitting:
            raise InputTypeError("value", described(f"{name!r}, columns without a number"), "columns of numbers")
        places += [place for place in fitting if place not in places]
    return places


def _only(grid: Grid, time: Sequence[int], taken: Sequence[int], missing: Codes) -> int:
    others = [place for place in range(len(grid.names)) if place not in (*time, *taken)]
    numeric = [place for place in others if is_numeric(grid.columns[place], missing)]
    names = [grid.names[place] for place in others]
    if not numeric:
        if not names:
            raise InputTypeError("value", described("a file without another column"), "a column of values")
        held = [_held(grid, place, missing) for place in others if _odd(grid, place, missing) is not None]
        given = described("; ".join(("a file without a column of numbers", *held[:3])))
        raise InputTypeError("value", given, f"numbers alone in {_quoted(names)}: units belong into the heading")
    likely = [place for place in numeric if not _timely(grid, place, alone=len(others) == 1)]
    if len(numeric) == 1 and not likely:
        name = grid.names[numeric[0]]
        without = [one for one in names if one != name]
        given = described(f"no column, and the only one of numbers, {name!r}, looks like times")
        held = [_held(grid, place, missing) for place in others if grid.names[place] != name]
        given = described(f"{given}; {', '.join(held[:3])}") if held else given
        allowed = f"numbers in {_quoted(without)}, or " if without else ""
        raise InputTypeError("value", given, f"{allowed}{option('value', name)} if it holds the values")
    if len(numeric) == 1:
        column(grid, "value", grid.names[numeric[0]])
        return numeric[0]
    shown = [grid.names[place] for place in (likely or numeric)]
    shown = [name for name in shown if not called_time(name)] or shown
    allowed = f"one or more of {_quoted([grid.names[place] for place in numeric])} (as in {option('value', shown[0])})"
    if len(numeric) >= _WIDE and all(has_date(name) or _YEAR.fullmatch(name) for name in shown):
        called = f"the columns {_quoted(shown[:3])}, … are called times, so turn the table"
        allowed = f"a row for each time: {called}; or {allowed}"
    elif not time:
        allowed += ", and time=… for the column of times"
    held = [_held(grid, place, missing) for place in numeric if _odd(grid, place, missing) is not None]
    given = "".join(("no column, and the file has several", *(f"; {one}" for one in held[:3])))
    raise ArgumentError("value", described(given), allowed)


def _held(grid: Grid, place: int, missing: Codes) -> str:
    """What keeps a column from being one of numbers."""
    row = _odd(grid, place, missing)
    name = grid.names[place]
    if row is None:
        return f"column {name!r} is empty"
    return f"column {name!r} holds {grid.columns[place][row]!r} in row {grid.numbers[row]}"


def _odd(grid: Grid, place: int, missing: Codes) -> int | None:
    """The first row whose cell is neither a number nor missing."""
    point, comma = Marks(".", None), Marks(",", None)
    cells = grid.columns[place]
    present = [row for row, cell in enumerate(cells) if not missing.match(cell)]
    return next((row for row in present if number(cells[row], point) is number(cells[row], comma) is None), None)


def _timely(grid: Grid, place: int, *, alone: bool) -> bool:
    """Whether a column's numbers always rise or always fall, and it is called a time or counts in even steps."""
    values = _plain_numbers(grid.columns[place])
    if values is None or len(values) < 2:
        return False
    steps = [after - before for before, after in pairwise(values)]
    if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
        return False
    even = max(steps) - min(steps) <= 1e-6 * max(map(abs, steps))
    return called_time(grid.names[place]) or (even and not alone)


def _plain_numbers(cells: Sequence[str]) -> list[float] | None:
    marks = Marks("," if any("," in cell for cell in cells) else ".", None)
    values = [number(cell, marks) for cell in cells]
    return None if any(value is None for value in values) else [value for value in values if value is not None]


def overlooked(grid: Grid, taken: Sequence[int], missing: Codes) -> str | None:
    """The first column beside those taken that reads as dates, or is called a time and runs in one direction."""
    for place, name in enumerate(grid.names):
        cells = grid.columns[place]
        if place in taken or any(map(missing.match, cells)):
            continue
        if all(map(has_date, cells)):
            return name
        values = _plain_numbers(cells) if called_time(name) else None
        if values is None or len(values) < 2:
            continue
        pairs = list(pairwise(values))
        if all(a < b for a, b in pairs) or (named_like_ages(name) and all(a > b for a, b in pairs)):
            return name
    return None


def months_of(grid: Grid, time: Sequence[int]) -> tuple[int, list[int]] | None:
    """Year and twelve months, where each row is a year: the places, or None."""
    months: dict[int, int] = {}
    for place, name in enumerate(grid.names):
        month = month_number(name) or (int(name) if re.fullmatch(r"0?[1-9]|1[0-2]", name) else None)
        if month is not None:
            if month in months:
                return None
            months[month] = place
    if len(months) < 12:
        return None
    places = [months[month] for month in range(1, 13)]
    years = [place for place in (time or range(len(grid.names))) if place not in places and _years(grid.columns[place])]
    return (years[0], places) if len(years) == 1 else None


def _years(cells: Sequence[str]) -> bool:
    return all(re.fullmatch(r"[0-9]{3,4}", cell) for cell in cells) and len(set(cells)) == len(cells)


# ---- rows -----------------------------------------------------------------------------------------------------------


def filtered(grid: Grid, where: Any, how: Notation, remarks: list[str]) -> Grid:
    """Keep the rows that fulfil every condition; several values asked of one column are alternatives."""
    conditions = _conditions(grid, where)
    if not conditions:
        return grid
    kept = set(range(len(grid)))
    equal: dict[int, list[str]] = {}
    for place, operator, wanted in conditions:
        if operator == "=":
            equal.setdefault(place, []).append(wanted)
    for place, operator, wanted in conditions:
        marks = how.columns.get(place, Marks(".", None))
        if operator == "=":
            _check_known(grid, place, wanted, marks)
            kept &= {row for row in kept if any(_same(grid.columns[place][row], one, marks) for one in equal[place])}
        elif operator == "!=":
            _check_known(grid, place, wanted, marks)
            kept -= {row for row in kept if _same(grid.columns[place][row], wanted, marks)}
        else:
            kept &= {row for row in kept if _ordered(grid, place, row, operator, wanted, marks)}
    shown = ", ".join(f"{grid.names[place]} {operator} {wanted}" for place, operator, wanted in conditions)
    if not kept:
        raise ValueRangeError("where", described(f"{shown}, which no row fulfils"), "conditions that some rows fulfil")
    remarks.append(f"rows with {shown}")
    return grid.keep(sorted(kept))


def _conditions(grid: Grid, where: Any) -> list[tuple[int, str, str]]:
    if where is None:
        return []
    if isinstance(where, Mapping):
        pairs = [
            (name, one)
            for name, given in where.items()
            for one in ([given] if isinstance(given, str) or not isinstance(given, Iterable) else given)
        ]
        return [(column(grid, "where", str(name)), "=", str(one)) for name, one in pairs]
    found = []
    for text in listed("where", where):
        for place, operator in ((found.start(), found[0]) for found in re.finditer("|".join(_OPERATORS), text)):
            name = text[:place].strip()
            if name in grid.names or operator not in text[place + len(operator) :]:
                wanted = text[place + len(operator) :].strip()
                found.append((column(grid, "where", name), "=" if operator == "==" else operator, wanted))
                break
        else:
            raise ArgumentError("where", text, "a column, one of = != < <= > >=, and a value, as in 'lake=Peter'")
    return found


def _same(cell: str, wanted: str, marks: Marks) -> bool:
    if cell == wanted:
        return True
    one, other = number(cell, marks), number(wanted, Marks(".", None))
    return one is not None and one == other


def _check_known(grid: Grid, place: int, wanted: str, marks: Marks) -> None:
    if not any(_same(cell, wanted, marks) for cell in set(grid.columns[place])):
        known = list(dict.fromkeys(grid.columns[place]))
        raise UnknownNameError("where", wanted, [cell or "''" for cell in known[:40]])


def _ordered(grid: Grid, place: int, row: int, operator: str, wanted: str, marks: Marks) -> bool:
    cell, bound = grid.columns[place][row], number(wanted, Marks(".", None))
    value = number(cell, marks)
    if bound is None:
        raise ArgumentError(
            "where",
            f"{grid.names[place]}{operator}{wanted}",
            "a number after < and >; dates and texts are only compared by = and !=",
        )
    if value is None:
        if cell and looks_like_number(cell):
            raise InputTypeError(
                "where",
                described(f"{cell!r} in {grid.place(grid.names[place], row)}"),
                "numbers in a column that is compared",
            )
        return False
    return {">": value > bound, "<": value < bound, ">=": value >= bound, "<=": value <= bound}[operator]


def groups(grid: Grid, by: Sequence[int]) -> dict[str, list[int]]:
    """Rows of each group, by the values of its columns, sorted: numbers by size, text by letter."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for row in range(len(grid)):
        key = tuple(grid.columns[place][row] for place in by)
        empty = next((place for place, cell in zip(by, key, strict=True) if not cell), None)
        if empty is not None:
            given = described(f"nothing in {grid.place(grid.names[empty], row)} ({grid.line(row)})")
            raise InputTypeError("by", given, "the name of a group in every row")
        rows.setdefault(key, []).append(row)
    return {" ".join(key): rows[key] for key in sorted(rows, key=_natural)}


def _natural(key: tuple[str, ...]) -> list[tuple[int, float, str]]:
    values = [(number(cell, Marks(".", None)), cell) for cell in key]
    return [(1, 0.0, cell) if value is None else (0, value, cell) for value, cell in values]


def telling(grid: Grid, times: Sequence[Any], taken: Sequence[int]) -> tuple[str, ...]:
    """The fewest columns whose values, with the time, tell all rows apart; empty where times do, or nothing does."""
    if len(set(times)) == len(times):
        return ()
    kinds = {place: len(set(cells)) for place, cells in enumerate(grid.columns)}
    others = [place for place, name in enumerate(grid.names) if place not in taken and grid.names.count(name) == 1]
    keys = [place for place in others if 1 < kinds[place] <= max(2, len(grid) // 2)]
    # Names tell better than numbers, and few values better than many.
    keys.sort(key=lambda place: (all(map(looks_like_number, grid.columns[place])), kinds[place]))
    for count in (1, 2, 3):
        for chosen in combinations(keys[:_MANY], count):
            rows = set(zip(times, *(grid.columns[place] for place in chosen), strict=True))
            if len(rows) == len(times):
                return tuple(grid.names[place] for place in chosen)
    return ()


def blocks(grid: Grid, taken: Sequence[int]) -> str | None:
    """A column of words each of which fills a stretch of several rows, as in tables of one series below the other."""
    for place, name in enumerate(grid.names):
        cells = grid.columns[place]
        if place in taken or any(looks_like_number(cell) or has_date(cell) for cell in set(cells)):
            continue
        stretches = 1 + sum(before != after for before, after in pairwise(cells))
        if 1 < stretches == len(set(cells)) <= len(cells) / 3:
            return name
    return None


def _quoted(names: Sequence[str], most: int = _MANY) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
