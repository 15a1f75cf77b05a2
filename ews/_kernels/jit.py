"""The one decorator behind every kernel: numba without fastmath, without the GIL, kept on disk under one key.

numba's own disk cache looks at one file only: a kernel that calls into another file would go stale when that file
changes. Here the folder of the cache carries a digest of *all* kernel files and of numba's version (numba itself
keeps processors apart), so that a change to any of them starts a fresh folder. What lies there is run as code: a folder
or file that others can write to is not read, nor one that was cut short or changed (each ends in its SHA-256). Where no
folder can be used the kernels still work, compiled anew in each process, with one warning.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import caching

from ews.errors import KernelCacheWarning

__all__ = ["announce_compilation", "cache_folder", "kernel", "silence"]

Function = TypeVar("Function", bound=Callable[..., Any])

_SEAL = hashlib.sha256().digest_size
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
    """The folder that holds compiled kernels, or None where none is safe and writable (one warning is given)."""
    tried = []
    for root in _candidates():
        folder = root / kernel_digest()
        try:
            _make(folder)
            danger = _danger(root, folder)
            if danger is None:
                with tempfile.TemporaryFile(dir=folder):
                    return folder
            tried.append(danger)
        except OSError as problem:
            tried.append(f"{folder} ({problem.strerror or problem})")
    warnings.warn(
        "compiled kernels cannot be kept: no folder that is writable, and by its owner alone, among "
        f"{', '.join(tried) or 'none known'}; set EWS_CACHE_DIR to such a folder to compile once only",
        KernelCacheWarning,
        stacklevel=2,
    )
    return None


def _make(folder: Path) -> None:
    """Make a folder and those above it, for this user alone."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _danger(root: Path, folder: Path) -> str | None:
    """Why others could put their code there; None where they cannot."""
    for own in (root, folder):
        reason = _not_ones_own(own.stat())
        if reason:
            return f"{own} ({reason})"
    for above in root.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:  # whoever can rename the root can replace it
            return f"{root} (in {above}, which everyone can write to)"
    return None


def _not_ones_own(found: os.stat_result) -> str:
    """Why a file or folder is not this user's alone; nothing where it is, or where the system has no such users."""
    if not hasattr(os, "geteuid"):
        return ""
    if found.st_uid != os.geteuid():
        return "of another user"
    return "others can write to it" if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


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


class _SealedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """numba's files, each with its SHA-256 behind what is pickled, which a reader of pickles overlooks."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BytesIO]:
        with super()._open_for_write(filepath) as file:
            written = BytesIO()
            yield written
            Path(file.name).chmod(0o600)  # whatever the umask
            file.write(written.getvalue() + hashlib.sha256(written.getvalue()).digest())

    def _load_index(self) -> Any:
        return super()._load_index() if _is_sound(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        return super()._load_data(name) if _is_sound(Path(self._data_path(name))) else None


def _is_sound(path: Path) -> bool:
    """Whether a file is there, whole, and this user's alone; a warning where it is there and is not."""
    try:
        with path.open("rb") as file:
            reason = _not_ones_own(os.fstat(file.fileno()))
            data = file.read()
    except FileNotFoundError:
        return False
    except OSError as problem:
        reason, data = problem.strerror or str(problem), b""
    if not reason and hashlib.sha256(data[:-_SEAL]).digest() != data[-_SEAL:]:
        reason = "cut short or changed"
    if reason:
        _warn_of_files(str(path.parent), f"{path.name}: {reason}")
    return not reason


_warned: set[str] = set()


def _warn_of_files(folder: str, reason: str) -> None:
    if folder not in _warned:  # one warning for all its files
        _warned.add(folder)
        warnings.warn(
            f"kernels kept in {folder} cannot be used and are compiled anew ({reason})",
            KernelCacheWarning,
            stacklevel=2,
        )


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImplementation
    _cache_file: Any

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        kept = self._cache_file
        base = kept._index_name.removesuffix(".nbi")
        self._cache_file = _SealedFiles(self._cache_path, base, kept._source_stamp)

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


def silence() -> AbstractContextManager[Any]:
    """Where kernels run as plain Python, which would speak of NaN where compiled code is silent, keep it from that."""
    return np.errstate(all="ignore") if numba.config.DISABLE_JIT else nullcontext()


@cache
def announce_compilation() -> None:
    """Say once a process, through the ``ews`` logger, that the first use compiles, if nothing is kept on disk yet."""
    if numba.config.DISABLE_JIT:
        return
    folder = cache_folder()
    if folder is None or not any(folder.glob("*.nbi")):
        where = f"kept in {folder}" if folder else "not kept, because no folder is writable"
        _log.warning("compiling numerical kernels: up to half a minute, once (%s)", where)
