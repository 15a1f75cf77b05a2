"""Packages of an extra: imported where they are needed, and named in the error where they are not there."""

from __future__ import annotations

import importlib
from typing import Any

from ews.errors import MissingExtraError

__all__ = ["importable", "needed"]


def needed(module: str, extra: str) -> Any:
    """A module that an extra of this package brings.

    Parameters
    ----------
    module : str
        Its name.
    extra : str
        The extra.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ews.errors.MissingExtraError
        Naming the extra, where it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(f"this needs {package}: pip install 'earlywarning[{extra}]'") from error


def importable(module: str) -> bool:
    """Whether a module can be imported, which it then is."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
