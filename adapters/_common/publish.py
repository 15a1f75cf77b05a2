"""The public path of a class, wherever it is defined: pickles, reprs and pages never carry a private one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["public"]

T = TypeVar("T", bound=type)


def public(package: str) -> Callable[[T], T]:
    """Set ``__module__`` of a class to the package that users import it from.

    The decorator stands outermost: ``dataclass`` looks up annotations in the module where the class was written.
    """

    def publish(cls: T) -> T:
        cls.__module__ = package
        return cls

    return publish
