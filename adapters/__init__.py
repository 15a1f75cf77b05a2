"""Early-warning signals over the layers of language models: what reads a model and hands its trajectory to ``ews``.

This package will hold the readers of hidden states and the exit policies built on them. It has no public names yet:
version 0.1 of the distribution ``earlywarning`` is the statistics library :mod:`ews`. Importing this package loads no
deep-learning framework.
"""

from __future__ import annotations

import importlib.metadata
import warnings

__all__: list[str] = []


class NameClashWarning(UserWarning):
    """Another distribution that installs a package named ``adapters`` is present beside this one."""


def _warn_of_clash() -> None:
    """Warn where the unrelated distribution ``adapters`` is installed: both write into one folder of this name."""
    try:
        version = importlib.metadata.version("adapters")
    except importlib.metadata.PackageNotFoundError:
        return
    warnings.warn(
        f"the distribution 'adapters' {version} is installed beside 'earlywarning'; it is unrelated and installs a "
        f"package of the same name, so files of one may have replaced files of the other. This is {__file__!r}. "
        "Install the two in separate environments.",
        NameClashWarning,
        stacklevel=3,
    )


_warn_of_clash()
