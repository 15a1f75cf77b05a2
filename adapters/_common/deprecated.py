"""Names of the version before: they work on, and say what they are called now."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["renamed_attribute", "say_renamed"]


def say_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that something has another name now.

    Parameters
    ----------
    old, new : str
        The names.
    stacklevel : int, default 3
        Whose line the warning names, see :func:`warnings.warn`.
    """
    warnings.warn(
        f"{old} is now {new}; the old name goes with the next version", DeprecationWarning, stacklevel=stacklevel
    )


def renamed_attribute(old: str, new: str) -> Any:
    """A property under the old name of an attribute.

    Parameters
    ----------
    old, new : str
        The names.

    Returns
    -------
    property
        For the body of the class.
    """

    def read(self: object) -> Any:
        say_renamed(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        return getattr(self, new)

    return property(read, doc=f"The old name of `{new}`.")
