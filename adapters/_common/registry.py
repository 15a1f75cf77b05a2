"""Classes by name: those of this package, those that a user registers, and those that other packages install."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from adapters._common.plugins import installed
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["Registry"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """Subclasses of one class by name.

    Attributes
    ----------
    held : dict of str to type
        Those that are here already.
    base : type
        What each is a subclass of.
    group : str
        Entry points of other packages, each loaded when its name is asked for.
    """

    held: dict[str, type[T]]
    base: type
    group: str

    def make(self, name: str, options: dict[str, Any]) -> T:
        """One of that name."""
        if name not in self.held:
            found = installed(self.group)
            if name not in found:
                raise UnknownNameError("policy", name, self.names())
            self.add(name, found[name].load())
        return self.held[name](**options)

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*self.held, *installed(self.group)}))

    def add(self, name: object, policy: Any) -> None:
        """Register one under a name that is free, or its own."""
        if not isinstance(name, str) or not name.isidentifier():
            raise ArgumentError("name", name, "a name of letters, digits and underscores")
        if not (isinstance(policy, type) and issubclass(policy, self.base)):
            raise InputTypeError("policy", policy, f"a subclass of {self.base.__module__}.{self.base.__name__}")
        if inspect.isabstract(policy):
            missing = ", ".join(sorted(getattr(policy, "__abstractmethods__", ())))
            given = described(f"{policy.__name__}, which has no {missing}")
            raise InputTypeError("policy", given, "a policy that decides")
        if self.held.get(name, policy) is not policy:
            raise ArgumentError("name", name, f"another one: it is that of {self.held[name].__name__}")
        kind: Any = policy
        self.held[name] = kind

    def name_of(self, policy: T) -> str | None:
        """The name under which an instance's class is registered."""
        return next((name for name, kind in self.held.items() if type(policy) is kind), None)
