"""Names of the version before: they work on, and say what they are called now."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["adopt_renamed_methods", "by_new_name", "renamed_attribute", "say_renamed"]


def say_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that something has another name now; `stacklevel` as of :func:`warnings.warn`."""
    warnings.warn(
        f"{old} is now {new}; the old name goes with the next version", DeprecationWarning, stacklevel=stacklevel
    )


def renamed_attribute(old: str, new: str) -> Any:
    """A property under the old name of an attribute, for the body of a class."""

    def read(self: object) -> Any:
        say_renamed(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        return getattr(self, new)

    return property(read, doc=f"The old name of `{new}`.")


def adopt_renamed_methods(cls: type, names: Mapping[str, str]) -> None:
    """Let a subclass, as soon as it is made, that overrides a method by its old name be asked by the new one."""
    # Where the old name was overridden later than the new one.
    found = {old: new for old, new in names.items() if _place(cls, old) < _place(cls, new)}
    for old, new in found.items():
        setattr(cls, new, _asking(old))
    if found:
        say_renamed(f"{' and '.join(found)} of {cls.__name__}", " and ".join(found.values()), stacklevel=4)


def by_new_name(held: object, new: str) -> Callable[..., Any]:
    """The nearest method that was written by its new name, whatever overrides it by the old one; bound to `held`."""
    written = (vars(kind)[new] for kind in type(held).__mro__ if new in vars(kind))
    found: Callable[..., Any] = next(each for each in written if not hasattr(each, "_asks_old")).__get__(held)
    return found


def _place(cls: type, name: str) -> int:
    """How far up a name is defined."""
    return next(place for place, kind in enumerate(cls.__mro__) if name in vars(kind))


def _asking(old: str) -> Callable[..., Any]:
    def ask(self: object, *given: Any) -> Any:
        return getattr(self, old)(*given)

    ask._asks_old = old  # type: ignore[attr-defined]
    return ask
