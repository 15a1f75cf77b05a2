"""What a saved monitor is made of, as JSON has it: each part is read in one way, or refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.transforms import NAMES, Transform, name_of
from ews.errors import ArgumentError, InputTypeError, described

__all__ = [
    "array", "count", "entries", "instant", "number", "number_in", "of_another_kind", "ordered", "part", "parts",
    "transform", "unusable",
]  # fmt: skip

FloatArray = npt.NDArray[np.float64]

_ALLOWED = "what to_dict of a monitor gave"
_MOST_COUNTED = 2**53  # what a float counts in whole numbers


def number(where: str, saved: Any) -> float:
    """A number; None is NaN, and infinities are text."""
    if saved is None:
        return math.nan
    if checks.is_number(saved) or (isinstance(saved, str) and saved in ("inf", "-inf")):
        return float(saved)
    raise unusable(where, saved)


def number_in(where: str, saved: Any, accepts: Callable[[float], bool]) -> float:
    """A finite number for which `accepts` holds."""
    if not checks.is_number(saved) or not math.isfinite(saved) or not accepts(float(saved)):
        raise unusable(where, saved)
    return float(saved)


def count(where: str, saved: Any, least: int = 0) -> int:
    """A whole number."""
    if isinstance(saved, bool) or not isinstance(saved, int) or not least <= saved <= _MOST_COUNTED:
        raise unusable(where, saved)
    return saved


def instant(where: str, saved: Any) -> Any:
    """A number, or a date that is written out: numpy reads "now" and "NaT" as well."""
    if not isinstance(saved, str):
        return number(where, saved)
    found: Any
    try:
        found = np.datetime64(saved, "ns")
    except ValueError:
        found = np.datetime64("NaT", "ns")
    if np.isnat(found) or not re.match(r"-?\d", saved):
        raise unusable(where, saved)
    return found


def array(where: str, saved: Any, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of a shape."""

    def numbers(given: Any, depth: int) -> Any:
        if depth == len(shape):
            return number(where, given)
        if not isinstance(given, list) or len(given) != shape[depth]:
            raise unusable(where, described(f"something else than numbers of shape {shape}"))
        return [numbers(item, depth + 1) for item in given]

    return np.array(numbers(saved, 0), np.float64).reshape(shape)


def ordered(where: str, saved: Any, n: int) -> FloatArray:
    """Numbers that rise, none missing."""
    found = array(where, saved, (n,))
    if not bool(np.all(found[1:] >= found[:-1])) or np.isnan(found).any():
        raise unusable(where, described("numbers that are not sorted"))
    return found


def entries(where: str, saved: Any, n: int | None = None) -> list[Any]:
    """A list, of n entries where that is known."""
    if not isinstance(saved, list) or (n is not None and len(saved) != n):
        raise unusable(where, described("something else than a list" + ("" if n is None else f" of {n}")))
    return saved


def parts(saved: Any, names: Iterable[str], where: str) -> dict[str, Any]:
    """The values under these names, which must be all that there are."""
    found = {name: part(saved, name, where) for name in names}
    if len(saved) > len(found):
        more = next(name for name in saved if name not in found)
        raise unusable("saved", described(f"{where} with {more!r}, which is not known"))
    return found


def part(saved: Any, name: str, where: str) -> Any:
    """The value under a name."""
    if not isinstance(saved, dict) or name not in saved:
        raise unusable("saved", described(f"{where} without {name!r}"))
    return saved[name]


def transform(name: Any, given: Transform) -> Transform:
    """The transform of that name; a function cannot be saved, and must be given again."""
    if name is None or name in NAMES:
        known: Transform = name
        return known
    if name_of(given) != name:
        said = "no function" if given is None else str(name_of(given))
        raise ArgumentError("transform", described(said), f"{name}, the function that this monitor had")
    return given


def of_another_kind(given: object) -> InputTypeError:
    """What is raised of something that no monitor saves."""
    return InputTypeError("saved", described(f"a {type(given).__name__} of another kind"), _ALLOWED)


def unusable(where: str, given: object) -> ArgumentError:
    """What is raised of a part that no monitor saves."""
    return ArgumentError(where, given, _ALLOWED)
