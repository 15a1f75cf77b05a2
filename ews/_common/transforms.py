"""Variance-stabilising transforms: applied to the values before anything is taken out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described

__all__ = ["NAMES", "Transform", "name_of", "transformed"]

FloatArray = npt.NDArray[np.float64]
TransformName: TypeAlias = Literal["log", "log1p", "sqrt", "anscombe"]
Transform: TypeAlias = "TransformName | Callable[[FloatArray], FloatArray] | None"


@dataclass(frozen=True, slots=True)
class _Known:
    apply: Callable[[FloatArray], FloatArray]
    words: str
    allowed: Callable[[FloatArray], npt.NDArray[np.bool_]]
    domain: str


_KNOWN = {
    "log": _Known(np.log, "the natural logarithm of the values", lambda x: x > 0, "values above 0"),
    "log1p": _Known(np.log1p, "the natural logarithm of 1 + the values", lambda x: x > -1, "values above -1"),
    "sqrt": _Known(np.sqrt, "the square root of the values", lambda x: x >= 0, "values of 0 or more"),
    "anscombe": _Known(
        lambda x: 2.0 * np.sqrt(x + 0.375), "the Anscombe transform of the values, 2 √(x + 3/8)", lambda x: x >= 0,
        "values of 0 or more",
    ),
}  # fmt: skip
NAMES: tuple[str, ...] = tuple(_KNOWN)


def name_of(transform: Any) -> str | None:
    """What a config records: the name, or the qualified name of a function; refused where it is neither."""
    if transform is None:
        return None
    if isinstance(transform, str):
        if transform not in _KNOWN:
            raise UnknownNameError("transform", transform, NAMES)
        return str(transform)
    if not callable(transform):
        raise InputTypeError("transform", transform, f"None, one of {', '.join(map(repr, NAMES))}, or a function")
    if isinstance(transform, np.ufunc):
        return f"numpy.{transform.__name__}"
    home = getattr(transform, "__module__", None) or type(transform).__module__
    own = getattr(transform, "__qualname__", None) or type(transform).__qualname__
    return f"{home}.{own}"


def transformed(values: FloatArray, transform: Transform, *, argument: str = "series") -> tuple[FloatArray, str]:
    """The transformed values, a new array, and a note for the report on what was done; NaN where one is missing."""
    name = name_of(transform)
    if isinstance(transform, str):
        known = _KNOWN[transform]
        present = ~np.isnan(values)
        if (present & ~known.allowed(np.where(present, values, 1.0))).any():
            raise ValueRangeError(argument, described(_bad(values)), _allowed(values, name, known))
        return np.asarray(known.apply(values), dtype=np.float64), f"analysed: {known.words} (transform={name!r})"
    assert callable(transform)  # as name_of has seen
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            found = transform(values.copy())
    except Exception as error:
        given = described(f"{name}, which raised {type(error).__name__}: {error}")
        raise ArgumentError("transform", given, "a function of an array of values") from error
    array = checks.array(
        "transform", found, "a function of an array of values", ragged=f"{name}, which gives a ragged sequence"
    )
    if array.shape != values.shape or array.dtype.kind not in "fiub":
        given = described(f"{name}, which gives an array of type {array.dtype}, shape {array.shape}")
        raise ArgumentError("transform", given, f"a function that gives {values.size} real numbers for {values.size}")
    new = array.astype(np.float64)
    if (lost := int((~np.isfinite(new) & ~np.isnan(values)).sum())) > 0:
        given = described(f"{name}, which gives {lost} values that are not finite")
        raise ArgumentError("transform", given, f"a function that is finite for all {values.size} values")
    return new, f"analysed: the values as {name} gives them (transform)"


def _bad(values: FloatArray) -> str:
    zeros, negative = int((values == 0).sum()), int((values < 0).sum())
    parts = [f"{zeros} zero{'s' * (zeros != 1)}"] * bool(zeros)
    parts += [f"{negative} negative value{'s' * (negative != 1)}"] * bool(negative)
    return f"{' and '.join(parts)} among {values.size} values"


def _allowed(values: FloatArray, name: str | None, known: _Known) -> str:
    """What this transform needs, and what to do instead."""
    text = f"{known.domain} for transform={name!r}"
    least = float(np.nanmin(values))
    if least >= 0:
        return f"{text}; 'log1p' takes zeros (in a unit in which 1 is small), 'sqrt' and 'anscombe' take counts"
    if least > -1 and name != "log1p":
        return f"{text}; 'log1p' takes values above -1, or give a function that shifts them"
    return f"{text}; negative values have no such scale: analyse them as they are, or give a function that shifts them"
