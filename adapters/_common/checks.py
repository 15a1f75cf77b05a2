"""Checks of what policies are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from ews.errors import ArgumentError, InputTypeError, ValueRangeError

__all__ = ["read_count", "read_depth", "read_depths", "read_early_depths", "read_layers", "read_share", "require_cache"]


def read_count(argument: str, value: object, *, least: int = 1) -> int:
    """Read a whole number of `least` or more."""
    allowed = f"a whole number of {least} or more"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueRangeError(argument, value, allowed)
    number: Any = value
    if number < least:
        raise ValueRangeError(argument, value, allowed)
    return int(number)


def read_depth(argument: str, depth: object, layers: int) -> int:
    """A number of layers that a model of `layers` layers can run."""
    if not isinstance(depth, Integral) or isinstance(depth, bool):
        raise InputTypeError(argument, depth, f"a whole number from 1 to {layers}")
    number: Any = depth  # what Integral compares with has no type
    if not 1 <= number <= layers:
        raise ValueRangeError(argument, depth, f"1 to {layers}, the layers of this model")
    return int(number)


def read_depths(argument: str, depths: Sequence[int], layers: int) -> tuple[int, ...]:
    """Several of them, each once, rising."""
    return tuple(sorted({read_depth(argument, depth, layers) for depth in depths}))


def read_early_depths(argument: str, depths: Sequence[int] | None, layers: int, *, first: int = 1) -> tuple[int, ...]:
    """Where a policy asks whether to leave: `depths`, or all from `first` on, without the last, where all do."""
    if depths is None:
        return tuple(range(first, layers))
    read = read_depths(argument, depths, layers)
    if read and read[0] < first:
        raise ValueRangeError(argument, read[0], f"{first} to {layers}")
    return tuple(depth for depth in read if depth < layers)


def read_layers(argument: str, given: object, layers: int) -> tuple[int, ...]:
    """Indices of some layers, each once, rising."""
    if isinstance(given, Integral) and not isinstance(given, bool):  # one, as from a command line
        given = (given,)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise InputTypeError(argument, given, f"indices of layers, from 0 to {layers - 1}")
    found: set[int] = set()
    for each in given:
        index = read_count(argument, each, least=0)
        if index >= layers:
            raise ValueRangeError(argument, each, f"0 to {layers - 1}, the layers of this model")
        found.add(index)
    return tuple(sorted(found))


def read_share(argument: str, value: object, *, low: float = 0.0, high: float = 1.0) -> float:
    """A number within bounds, which are allowed."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InputTypeError(argument, value, f"a number from {low:g} to {high:g}")
    number: Any = value
    if not low <= number <= high:
        raise ValueRangeError(argument, value, f"{low:g} to {high:g}")
    return float(number)


def require_cache(cache: str, caches: Sequence[str], what: str) -> None:
    """Refuse a way to keep the cache that a policy can never be run with, where the policy is made."""
    if cache not in caches:
        allowed = ", ".join(repr(each) for each in caches)
        raise ArgumentError("cache", cache, f"{allowed} for a policy that leaves out {what}")
