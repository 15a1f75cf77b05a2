"""The tree of exceptions and warnings that the library raises.

Every error is an :class:`EWSError`; those about an argument also derive from :class:`ValueError`, so that code written
against plain Python keeps working. A message names the argument, what was given and what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ArgumentError",
    "DatasetError",
    "DuplicatedTimesError",
    "EWSError",
    "EWSWarning",
    "InputTypeError",
    "IrregularSpacingError",
    "KernelCacheWarning",
    "MissingExtraError",
    "MissingValuesError",
    "SeriesTooShortError",
    "TimeDirectionWarning",
    "UnknownNameError",
    "ValueRangeError",
    "WindowError",
]


class EWSError(Exception):
    """Base of every error that this library raises on purpose."""


class ArgumentError(EWSError, ValueError):
    """An argument cannot be used; the message names it, what was given and what is allowed.

    Parameters
    ----------
    argument : str
        Name of the argument.
    given : object
        What was given, or a short description of it.
    allowed : str
        What would have been accepted.
    """

    def __init__(self, argument: str, given: object, allowed: str) -> None:
        self.argument = argument
        self.given = given
        self.allowed = allowed
        super().__init__(f"{argument}: got {_short(given)}; allowed: {allowed}")

    def __reduce__(self) -> tuple[type[ArgumentError], tuple[str, object, str]]:
        return (type(self), (self.argument, self.given, self.allowed))


class InputTypeError(ArgumentError, TypeError):
    """The data are of a kind that has no numerical series in it (strings, complex numbers, wrong dimensions)."""


class ValueRangeError(ArgumentError):
    """A number lies outside the range that the argument allows."""


class WindowError(ValueRangeError):
    """A window is not a whole number of samples, or a fraction, that fits the series."""


class SeriesTooShortError(ArgumentError):
    """The series is empty, all missing, or too short for the window or the method."""


class MissingValuesError(ArgumentError):
    """The series has missing or infinite values and nobody said what to do with them."""


class DuplicatedTimesError(ArgumentError):
    """Two observations carry the same time."""


class IrregularSpacingError(ArgumentError):
    """The observations are not evenly spaced in time."""


class DatasetError(EWSError):
    """A data set is not known, cannot be fetched, or does not match its checksum."""


class MissingExtraError(EWSError, ImportError):
    """A package that an extra brings is needed and not installed."""


class UnknownNameError(ArgumentError):
    """A name is not registered; the message suggests the nearest one that is.

    Parameters
    ----------
    argument : str
        Name of the argument.
    given : object
        The unknown name.
    names : iterable of str
        The names that are known.
    """

    def __init__(self, argument: str, given: object, names: Iterable[str]) -> None:
        self.names = tuple(names)
        close = difflib.get_close_matches(_text(given), self.names, n=3, cutoff=0.5)
        # Of names that are as close, the first that is listed: "ac" means "ac1" rather than "ac3".
        nearest = max(close, key=lambda name: (_closeness(given, name), -self.names.index(name)), default=None)
        hint = f" (did you mean {nearest!r}?)" if nearest else ""
        known = f"one of {', '.join(map(repr, self.names))}{hint}" if self.names else "no name: there is none to choose"
        super().__init__(argument, given, known)

    def __reduce__(self) -> tuple[type[ArgumentError], tuple[str, object, tuple[str, ...]]]:  # type: ignore[override]
        return (type(self), (self.argument, self.given, self.names))


class EWSWarning(UserWarning):
    """Base of every warning of this library."""


class KernelCacheWarning(EWSWarning):
    """Compiled kernels cannot be kept on disk, so each new process compiles them again."""


class TimeDirectionWarning(EWSWarning):
    """Times are called ages before present, but were taken to run forward."""


def _closeness(given: object, name: str) -> float:
    return difflib.SequenceMatcher(None, _text(given), name).ratio()


def _text(given: object) -> str:
    """What names are compared with: only a string can be near one, and not one of thousands of characters."""
    return given[:100] if isinstance(given, str) else ""


def _short(given: object) -> str:
    try:
        text = given if isinstance(given, _Description) else " ".join(repr(given).split())
    except Exception:  # noqa: BLE001 - an integer of over 4,300 digits, or a repr of the user's that fails
        text = f"a value of type {type(given).__name__}"
    return text if len(text) <= 120 else text[:117] + "..."


class _Description(str):
    """A description of what was given, shown without quotes."""

    __slots__ = ()


def at(place: object) -> str:
    """Where an array holds something: files count rows from 1, arrays from 0, and the message says which."""
    return f"at position {place} (counted from 0)"


def described(text: str) -> str:
    """Mark `text` as a description, so that a message shows it without quotes.

    Parameters
    ----------
    text : str
        For example ``"an array of shape (3, 4)"``.

    Returns
    -------
    str
        The same text, marked.
    """
    return _Description(text)
