"""One rule for each kind of argument: numbers, whole numbers, levels, flags, names.

What is refused is refused alike everywhere: truth values are no numbers, strings are not read as numbers, NaN and what
a float cannot hold lie in no range, arrays of one element are arrays (a numpy scalar and a 0-d array are numbers), and
a name that stands twice is a slip.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described

__all__ = ["alpha", "array", "choice", "draws", "flag", "is_number", "is_whole", "names", "number", "whole"]

Name = TypeVar("Name", bound=str)
# Steps of 1e-6 in a p-value; more is a slip, and would neither fit into memory nor end.
MOST_DRAWS = 1_000_000


def is_number(given: Any) -> bool:
    """Whether `given` is one real number that a float can hold; NaN and ±∞ are, a truth value is not."""
    return _as_float(given) is not None


def is_whole(given: Any, *, least: int = -sys.maxsize, most: int = sys.maxsize) -> bool:
    """Whether `given` is an integer in the range; 2.0 is not."""
    if type(given) is int:  # by far the most, and the abstract classes below are slow
        return least <= given <= most
    value = _scalar(given)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return False
    return least <= int(value) <= most


def number(
    argument: str,
    given: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    allowed: str | None = None,
    error: type[ArgumentError] = ValueRangeError,
) -> float:
    """Check that `given` is one finite number from `least` to `most`, and strictly between `above` and `below`.

    `allowed` replaces what the message says is allowed, which is else the range.
    """
    value = _as_float(given)
    if value is None or not math.isfinite(value) or not (least <= value <= most and above < value < below):
        raise error(argument, given, allowed or _range(least, above, most, below))
    return value


def whole(
    argument: str,
    given: Any,
    *,
    least: int = -sys.maxsize,
    most: int = sys.maxsize,
    allowed: str | None = None,
    error: type[ArgumentError] = ValueRangeError,
) -> int:
    """Check that `given` is an integer from `least` to `most`; the rest as :func:`number`."""
    if not is_whole(given, least=least, most=most):
        if allowed is None:
            floor = "" if least == -sys.maxsize else f" of {least} or more"
            allowed = f"an integer{floor}" if most == sys.maxsize else f"an integer from {least} to {most}"
        raise error(argument, given, allowed)
    return int(_scalar(given))


def draws(argument: str, given: Any, *, least: int = 0) -> int:
    """Check a number of surrogates, simulations or resamples: bounded, so that a slip of the keyboard is refused."""
    floor = f"an integer of {least} or more"
    beyond = is_whole(given, least=MOST_DRAWS + 1, most=10**300)
    reason = f"{floor}, at most {MOST_DRAWS:,}: each costs time and memory, and p-values are fine enough with fewer"
    return whole(argument, given, least=least, most=MOST_DRAWS, allowed=reason if beyond else floor)


def alpha(given: Any, argument: str = "alpha") -> float:
    """Check the level of a test, of an interval, or a rate: a number between 0 and 1."""
    return number(argument, given, above=0.0, below=1.0)


def flag(argument: str, given: Any) -> bool:
    """Check that `given` is True or False; 1 and "yes" are neither."""
    value = _scalar(given)
    if not isinstance(value, bool):
        raise InputTypeError(argument, given, "True or False")
    return value


def choice(argument: str, given: Any, allowed: Iterable[Name]) -> Name:
    """Check that `given` is one of the names; the nearest one is suggested where it is not."""
    known = tuple(allowed)
    value = _scalar(given)
    if isinstance(value, str):
        for name in known:
            if name == value or name.replace("−", "-") == value:  # a keyboard has no minus sign, but a hyphen
                return name
    raise UnknownNameError(argument, given, known)


def names(argument: str, given: Any, known: Iterable[Name]) -> tuple[Name, ...]:
    """Check that `given` is a name, or several in order, each known and each once.

    A set has no order and a mapping more than names: both are refused.
    """
    value = _scalar(given)
    listed = [value] if isinstance(value, str) else value
    sequence = isinstance(listed, Iterable) and not isinstance(listed, bytes | bytearray | Mapping | set | frozenset)
    if not sequence or getattr(listed, "ndim", 1) != 1:
        raise InputTypeError(argument, given, "a sequence of names")
    known = tuple(known)
    found: list[Name] = []
    for one in listed:
        if not isinstance(one, str):
            raise InputTypeError(argument, given, "a sequence of names")
        name = choice(argument, one, known)
        if name in found:
            raise ValueRangeError(argument, described(f"{name!r} twice"), "each name once")
        found.append(name)
    if not found:
        raise ValueRangeError(argument, given, "at least one name")
    return tuple(found)


def array(argument: str, given: Any, allowed: str, *, ragged: str = "a ragged sequence") -> npt.NDArray[Any]:
    """Read an array of any type and shape; `ragged` is what nested sequences without a shape are called."""
    try:
        return np.asarray(given)
    except ValueError:
        raise InputTypeError(argument, described(ragged), allowed) from None
    except Exception as error:  # noqa: BLE001 - a tensor that wants gradients, a Dataset: each refuses in its own way
        what = f"a {type(given).__name__} that is no array ({str(error)[:120]})"
        raise InputTypeError(argument, described(what), allowed) from None


def _scalar(given: Any) -> Any:
    """The Python object in a numpy scalar or a 0-d array; anything else as it is."""
    if isinstance(given, np.generic) or (type(given) is np.ndarray and given.ndim == 0):
        return given.item()
    return given


def _as_float(given: Any) -> float | None:
    if type(given) is float:
        return given
    value = _scalar(given)
    # numpy's long double has no Python equal: item() returns it as it is.
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return None


def _range(least: float, above: float, most: float, below: float) -> str:
    if math.isfinite(least) and math.isfinite(most):
        return f"a number from {least:g} to {most:g}"
    if math.isfinite(above) and math.isfinite(below):
        return f"a number between {above:g} and {below:g}"
    bounds = [f"≥ {least:g}"] * math.isfinite(least) + [f"> {above:g}"] * math.isfinite(above)
    bounds += [f"≤ {most:g}"] * math.isfinite(most) + [f"< {below:g}"] * math.isfinite(below)
    return " ".join(["a finite number", " and ".join(bounds)]).strip()
