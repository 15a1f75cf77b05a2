"""Values as JSON knows them, and back: the one writer and reader of every result.

NaN becomes null, an infinity ``"inf"`` or ``"-inf"``, a date an ISO text in its full resolution; tuples and arrays
become lists, dataclasses and mappings objects. What has no such form is refused, never turned into text by its repr.
Reading goes by the annotations of a dataclass's fields, so that the JSON needs no types of its own.
"""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
import enum
import functools
import importlib
import inspect
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["field_types", "plain", "read", "same"]

ALLOWED = "what to_json or to_dict of a result gave"
_INFINITIES = ("inf", "-inf")


def plain(value: Any) -> Any:
    """Turn a value into what :func:`json.dumps` writes without loss: never NaN or an infinity.

    None, truth values, numbers, text, dates and enums are taken; arrays, sequences, mappings and dataclasses of them;
    anything with a ``to_dict``. Else InputTypeError.
    """
    if value is None or (isinstance(value, bool | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.datetime64):
        return _instant(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if callable(to_dict := getattr(value, "to_dict", None)) and not isinstance(value, type):
        return to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        if any(isinstance(key, tuple) for key in value):  # JSON has no keys of several parts: pairs
            return [[plain(key), plain(one)] for key, one in value.items()]
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return [plain(one) for one in value]
    raise InputTypeError(
        "value", described(f"a {type(value).__name__}"), "numbers, text, dates and collections of them"
    )


def _plain_array(array: npt.NDArray[Any]) -> Any:
    if array.size == 0 and array.ndim > 1:  # a list cannot say how wide no rows are
        return {"shape": list(array.shape)}
    if array.dtype.kind in "biuU" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return array.tolist()
    if array.dtype.kind == "f":
        found = array.astype(object)
        found[np.isnan(array)] = None
        for infinity in _INFINITIES:
            found[array == float(infinity)] = infinity
        return found.tolist()
    return plain(array[()]) if array.ndim == 0 else [plain(one) for one in array]


def _instant(time: np.datetime64) -> str | None:
    return None if np.isnat(time) else str(time.astype("datetime64[ns]")).removesuffix(".000000000")


def read(hint: Any, saved: Any, *, where: str = "saved") -> Any:
    """Read what :func:`plain` wrote of a value annotated with `hint`; arrays cannot be written to.

    A union is read as the first of its members that fits. A message calls the value `where`.
    """
    try:
        return _read(hint, saved, where)
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise _refused(where, saved) from None


def _refused(where: str, saved: Any) -> ArgumentError:
    return ArgumentError(where, saved, ALLOWED)


def _read(hint: Any, saved: Any, where: str) -> Any:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return saved
    if origin is Literal:
        if saved in parts:
            return saved
        raise _refused(where, saved)
    if origin in (typing.Union, types.UnionType):
        return _read_union(parts, saved, where)
    if origin is np.ndarray:
        return _read_array(typing.get_args(parts[1])[0], saved, where)
    if origin is tuple:
        if not isinstance(saved, list):
            raise _refused(where, saved)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(_read(parts[0], one, where) for one in saved)
        return tuple(_read(part, one, where) for part, one in zip(parts, saved, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        pairs = saved.items() if isinstance(saved, dict) else [(key, one) for key, one in saved]
        return {_read_key(parts[0], key): _read(parts[1], one, f"{where}.{key}") for key, one in pairs}
    if isinstance(hint, type):
        return _read_as(hint, saved, where)
    raise TypeError(f"{where}: no way to read {hint}")


def _read_as(kind: type, saved: Any, where: str) -> Any:
    """A value of one class."""
    if hasattr(kind, "from_dict") and kind is not float:
        return kind.from_dict(saved)
    if dataclasses.is_dataclass(kind):
        hints = field_types(kind)
        if not isinstance(saved, dict) or (absent := [name for name in hints if name not in saved]):
            raise _refused(where, described(f"something without {absent[0]!r}") if isinstance(saved, dict) else saved)
        return kind(**{name: _read(part, saved[name], f"{where}.{name}") for name, part in hints.items()})
    if kind is float:
        if saved is None:
            return math.nan
        if isinstance(saved, str) and saved in _INFINITIES:
            return float(saved)
        if isinstance(saved, int | float) and not isinstance(saved, bool):
            return saved  # an int stays one: samples, not a fraction
    elif kind is np.datetime64 and _is_date(saved):
        return np.datetime64(saved, "ns")
    elif kind is type(None) and saved is None:
        return None
    elif kind is int and isinstance(saved, bool):
        pass
    elif isinstance(saved, kind):
        if isinstance(saved, str):
            saved.encode()  # half of a surrogate pair is no text: neither a file nor a figure takes it
        return saved
    raise _refused(where, saved)


def _read_union(parts: tuple[Any, ...], saved: Any, where: str) -> Any:
    if saved is None and type(None) in parts:
        return None
    if all(typing.get_origin(part) is np.ndarray for part in parts):  # times: dates are text, the others numbers
        dates = isinstance(saved, list) and saved and isinstance(saved[0], str) and saved[0] not in _INFINITIES
        return _read_array(np.datetime64 if dates else np.float64, saved, where)
    for part in parts:
        try:
            return _read(part, saved, where)
        except (ArgumentError, TypeError, ValueError):
            continue
    raise _refused(where, saved)


def _read_key(hint: Any, key: Any) -> Any:
    return int(key) if hint is int else tuple(key) if isinstance(key, list) else key


def _read_array(kind: type, saved: Any, where: str) -> npt.NDArray[Any]:
    if isinstance(saved, dict):
        if 0 not in saved["shape"] or len(saved["shape"]) < 2:
            raise _refused(where, saved)
        array = np.empty(saved["shape"], "datetime64[ns]" if kind is np.datetime64 else kind)
    elif not isinstance(saved, list):
        raise _refused(where, saved)
    elif kind is np.datetime64:
        if not all(map(_is_date, saved)):
            raise _refused(where, saved)
        array = np.array(saved, dtype="datetime64[ns]")
    else:
        array = np.array(saved)
        allowed = {np.bool_: "b", np.float64: "iuf"}.get(kind, "iu")
        if array.dtype.kind == "O" or (array.dtype.kind == "U" and kind is np.float64):
            array = np.array(_numbers(saved, where), dtype=kind)
        elif array.size and array.dtype.kind not in allowed:
            raise _refused(where, saved)
        array = array.astype(kind)
    array.setflags(write=False)
    return array


def _is_date(saved: Any) -> bool:
    """Whether a date is written out: numpy reads "now" and "NaT" as well."""
    return isinstance(saved, str) and re.match(r"-?\d{4}-\d\d-\d\d", saved) is not None


def _numbers(saved: Any, where: str) -> Any:
    return [_numbers(one, where) for one in saved] if isinstance(saved, list) else _read_as(float, saved, where)


class _Public(dict[str, Any]):
    """Public names of the package, for annotations whose import stands under TYPE_CHECKING, in their module."""

    def __missing__(self, name: str) -> Any:
        if name in self or name in vars(builtins):
            raise KeyError(name)
        found = getattr(importlib.import_module("ews"), name, None)
        if found is None:
            raise KeyError(name)
        return found


@functools.cache
def field_types(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields, as they were meant where each class was written.

    :func:`typing.get_type_hints` would look in the module that a class says it is from, which is the public one.
    """
    found: dict[str, Any] = {}
    own = {field.name for field in dataclasses.fields(kind)}
    for base in reversed(kind.__mro__):
        if "__dataclass_fields__" not in vars(base):
            continue
        written = inspect.get_annotations(base)
        holder: Any = types.SimpleNamespace(__annotations__={name: written[name] for name in written if name in own})
        written_in = vars(base)["__init__"].__globals__
        found |= typing.get_type_hints(holder, globalns=written_in, localns=_Public(written_in))
    return {field.name: found[field.name] for field in dataclasses.fields(kind)}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal all the way down; NaN equals NaN, a list is no array."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
            return False
        if one.dtype.kind != other.dtype.kind and (one.size or other.size):  # of nothing, no list says what it is
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fcM"))
    if isinstance(one, float | np.floating) and isinstance(other, float | np.floating):
        return bool(one == other or (one != one and other != other))
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)
        )
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
