"""The one decorator behind every kernel: numba without fastmath, without the GIL, kept on disk under one key.

numba's own disk cache looks at one file only: a kernel that calls into another file would go stale when that file
changes. Here the folder of the cache carries a digest of *all* kernel files and of numba's version (numba itself
keeps processors apart), so that a change to any of them starts a fresh folder. Where no folder is writable the
kernels still work, compiled anew in each process, with one warning.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import caching

from ews.errors import KernelCacheWarning

__all__ = ["announce_compilation", "cache_folder", "kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

_log = logging.getLogger("ews")


@cache
def kernel_digest() -> str:
    """Digest of every kernel source file and of numba's version."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(numba.__version__.encode())
    return digest.hexdigest()[:16]


def _candidates() -> list[Path]:
    chosen = os.environ.get("EWS_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    home = os.environ.get("XDG_CACHE_HOME")
    folders = [Path(home)] if home else []
    try:
        folders.append(Path.home() / ".cache")
    except RuntimeError:  # no home folder at all
        pass
    return [folder / "earlywarning" / "kernels" for folder in folders]


@cache
def cache_folder() -> Path | None:
    """The folder that holds compiled kernels, or None where none is writable (one warning is given)."""
    tried = []
    for root in _candidates():
        folder = root / kernel_digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as problem:
            tried.append(f"{folder} ({problem.strerror or problem})")
    warnings.warn(
        "compiled kernels cannot be kept: no writable folder among "
        f"{', '.join(tried) or 'none known'}; set EWS_CACHE_DIR to a writable folder to compile once only",
        KernelCacheWarning,
        stacklevel=2,
    )
    return None


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any], source: str) -> None:
        self._function = function
        self._source = source

    @classmethod
    def from_function(cls, function: Callable[..., Any], source: str) -> _Locator | None:
        return cls(function, source) if cache_folder() is not None else None

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return kernel_digest()

    def get_disambiguator(self) -> str:
        return hashlib.sha256(self._source.encode()).hexdigest()[:10]


class _CacheImplementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImplementation

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except OSError as problem:  # a full or vanished disk must not break a computation
            _log.debug("kernel not kept on disk: %s", problem)


def kernel(function: Function) -> Function:
    """Compile `function` with numba on first use: no fastmath, GIL released, kept on disk.

    Parameters
    ----------
    function : callable
        Plain Python over contiguous float64 arrays. It stays reachable as ``.py_func``: the plain twin.

    Returns
    -------
    callable
        The compiled function, or the plain one where ``NUMBA_DISABLE_JIT=1``.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    if hasattr(compiled, "_cache") and cache_folder() is not None:
        compiled._cache = _KernelCache(function)
    return cast(Function, compiled)


@cache
def announce_compilation() -> None:
    """Say once a process, through the ``ews`` logger, that the first use compiles, if nothing is kept on disk yet."""
    if numba.config.DISABLE_JIT:
        return
    folder = cache_folder()
    if folder is None or not any(folder.glob("*.nbi")):
        where = f"kept in {folder}" if folder else "not kept, because no folder is writable"
        _log.warning("compiling numerical kernels: a few seconds, once (%s)", where)
