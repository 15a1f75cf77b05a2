"""Arrays of a result that are made when they are asked for, where a few numbers give as many as a long record has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["lazy_arrays"]

Kind = TypeVar("Kind", bound=type)


class _Lazy:
    """A field: an array, or a function without arguments that makes it anew each time."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            raise AttributeError(self._name)  # a field without a default
        given = instance.__dict__[self._name]
        return given() if callable(given) else given

    def __set__(self, instance: Any, given: Any) -> None:
        instance.__dict__[self._name] = given


def lazy_arrays(*names: str) -> Callable[[Kind], Kind]:
    """Decorate a dataclass, which has no slots: these fields may be given as functions that make the array.

    A pickle holds the arrays: it names no function that a later version may call otherwise.
    """

    def state(self: Any) -> dict[str, Any]:
        return {**self.__dict__, **{name: getattr(self, name) for name in names}}

    def decorate(kind: Kind) -> Kind:
        for name in names:
            setattr(kind, name, _Lazy(name))
        setattr(kind, "__getstate__", state)  # noqa: B010  # not of any class that mypy knows
        return kind

    return decorate
