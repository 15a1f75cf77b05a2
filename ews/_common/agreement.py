"""Whether the fields of a result that was read fit one another: lengths, order in time, and ranges."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ews._common.plain import ALLOWED
from ews.errors import ArgumentError, described

__all__ = ["refuse_contradictions"]

# By their names, in every result: shares and probabilities, from 0 to 1 or NaN; and counts.
_SHARES = re.compile(
    r"pvalue|^(alpha|confidence|false_alarm_rate|probability.*|history_probability|auc(_[ab])?|[ft]pr|r_squared)$"
)
_COUNTS = re.compile(r"^n_|^(window|season|horizon)$")
_TIMES = ("time", "history_time")
_LARGEST = 1e307  # of what is finite: an axis that reaches further has no ticks


def refuse_contradictions(result: Any) -> None:
    """Refuse a result whose fields are each of their kind, and yet not of one result.

    Its class says which fields are as long as one another: the columns of its table are, and those of one shape are
    that stand in ``_shapes``. The mappings in ``_named_alike`` have the same names. Times increase, shares are from 0
    to 1 and counts at least 0, wherever they stand; what is in ``_positive`` is at least 1, and what is in ``_filled``
    holds something.
    """
    sizes: dict[str, tuple[int, str]] = {}
    series = getattr(result, "series", None)
    if series is not None:
        sizes["n"] = (len(series), "series")
    shapes = [("n", "series.values series.time")] if series is not None else []
    shapes += result._shapes.items()
    if result._axis:
        shapes.insert(0, ("axis", result._axis))
    shapes.append(("axis,..." if result._axis else "n,...", " ".join(result._table)))
    _match_names({name: getattr(result, name) for name in result._named_alike.split()})
    for shape, names in shapes:
        for name in names.split():
            for where, one in _reached(result, name.split("."), ""):
                _match(shape.split(","), one, where, sizes)
    for name in result._positive.split():
        _within(getattr(result, name), name, 1.0, math.inf)
    for name in result._filled.split():
        if not len(getattr(result, name)):
            raise ArgumentError(name, described("nothing"), f"one entry at least: {ALLOWED}")
    _walk(result, "")


def _reached(value: Any, path: list[str], where: str) -> Iterator[tuple[str, Any]]:
    """What stands at a path of fields, each entry of a mapping or a tuple by itself."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _reached(one, path, f"{where}.{key}")
    elif path:
        yield from _reached(getattr(value, path[0]), path[1:], f"{where}.{path[0]}" if where else path[0])
    elif value is not None:
        yield where, value


def _match_names(mappings: Mapping[str, Mapping[Any, Any]]) -> None:
    """Mappings hold the same names; some have none, as surrogates that were not asked for."""
    filled = {where: one for where, one in mappings.items() if one}
    for where, one in filled.items():
        first = next(iter(filled))
        if set(one) != set(filled[first]):
            given = described(f"the names {', '.join(map(str, one))[:80]}")
            raise ArgumentError(where, given, f"those of {first}, {', '.join(map(str, filled[first]))[:80]}: {ALLOWED}")


def _match(shape: list[str], value: Any, where: str, sizes: dict[str, tuple[int, str]]) -> None:
    found = value.shape if isinstance(value, np.ndarray) else (len(value),)
    fixed = [symbol for symbol in shape if symbol != "..."]
    if len(found) < len(fixed) or (len(found) > len(fixed) and "..." not in shape):
        raise ArgumentError(where, described(f"an array of {len(found)} axes"), f"{len(fixed)} axes: {ALLOWED}")
    found = found[-len(fixed) :] if shape[0] == "..." else found[: len(fixed)]
    for symbol, size in zip(fixed, found, strict=True):
        expected, of = (int(symbol), "") if symbol.isdigit() else sizes.setdefault(symbol, (size, where))
        if size != expected:
            as_many = f"{expected}, as {of} has" if of else f"{expected}"
            raise ArgumentError(where, described(f"{size} values"), f"{as_many}: {ALLOWED}")


def _walk(value: Any, where: str) -> None:
    """Times, shares and counts, however deep."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            one, path = getattr(value, field.name), f"{where}.{field.name}" if where else field.name
            if field.name in _TIMES and isinstance(one, np.ndarray):
                _in_order(one, path)
                values = getattr(value, "values", None)
                if isinstance(values, np.ndarray):
                    _match(["n", "..."], values, f"{where}.values" if where else "values", {"n": (one.size, path)})
            elif _SHARES.search(field.name):
                _within(one, path, 0.0, 1.0)
            elif _COUNTS.search(field.name):
                _within(one, path, 0.0, math.inf)
            else:
                _walk(one, path)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _walk(one, f"{where}.{key}")
    elif isinstance(value, float | np.ndarray) and _too_large(value):
        given = described("numbers too large to be drawn")
        raise ArgumentError(where, given, f"at most {_LARGEST:g}, or infinite: {ALLOWED}")
    elif isinstance(value, tuple):
        for one in value:
            _walk(one, where)


def _too_large(numbers: float | np.ndarray[Any, Any]) -> bool:
    """Whether finite numbers are so large that their axis cannot be drawn."""
    array = np.asarray(numbers)
    return array.dtype.kind == "f" and bool((np.isfinite(array) & (np.abs(array) > _LARGEST)).any())


def _in_order(time: np.ndarray[Any, Any], where: str) -> None:
    missing = np.isnat(time) if time.dtype.kind == "M" else ~np.isfinite(time)
    if (
        time.ndim != 1
        or missing.any()
        or (time.dtype.kind == "f" and _too_large(time))
        or (time[1:] <= time[:-1]).any()
    ):
        raise ArgumentError(where, described("times that do not increase"), ALLOWED)


def _within(value: Any, where: str, least: float, most: float) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            _within(one, f"{where}.{key}", least, most)
    elif isinstance(value, tuple):
        for one in value:
            _within(one, where, least, most)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in "fiu" and ((value < least) | (value > most + 1e-9)).any():
            wrong = value[(value < least) | (value > most + 1e-9)].flat[0]
            _within(wrong.item(), where, least, most)
    elif isinstance(value, int | float) and not isinstance(value, bool) and (value < least or value > most + 1e-9):
        allowed = f"at least {least:g}" if math.isinf(most) else f"{least:g} to {most:g}"
        raise ArgumentError(where, value, f"{allowed}: {ALLOWED}")
