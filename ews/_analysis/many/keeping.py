"""What was drawn for tables, on disk, for other processes of this user and for the next run: arrays, never pickles.

A file lies in the folder of compiled kernels, which only its owner can write to. Its name is a digest of what was asked
for and of the sources of this package: what any change might alter is drawn again. A file that is not whole, or holds
something else, is too.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["kept"]

FloatArray = npt.NDArray[np.float64]

_MOST = 1_000  # files, of some 300 kB where 10,000 surrogates were drawn; the oldest go first


@cache
def _sources() -> str:
    """Digest of this package, of numpy and of whether kernels are compiled."""
    import numba

    found = hashlib.sha256(f"{np.__version__} {numba.__version__} {numba.config.DISABLE_JIT}".encode())
    root = Path(__file__).parents[2]
    for path in sorted(root.rglob("*.py")):
        found.update(str(path.relative_to(root)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def kept(
    key: object, shapes: Mapping[str, tuple[int, ...]], make: Callable[[], dict[str, FloatArray]]
) -> dict[str, FloatArray]:
    """The arrays for a key, whose shapes are known; made, and written, where there are none."""
    from ews._kernels.jit import cache_folder

    root = cache_folder()
    if root is None:
        return make()
    name = hashlib.sha256(f"{_sources()} {key!r}".encode()).hexdigest()[:32]
    folder = root / "tables"
    file = folder / f"{name}.npz"
    found = _read(file, shapes)
    if found is not None:
        return found
    found = make()
    try:
        _write(folder, file, found)
    except OSError:  # a full or vanished disk must not break a computation
        pass
    return found


def _read(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray] | None:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError):
        return None
    alike = {name: one.shape for name, one in found.items()} == dict(shapes)
    return found if alike and all(one.dtype == np.float64 for one in found.values()) else None


def _write(folder: Path, file: Path, arrays: Mapping[str, FloatArray]) -> None:
    """Write under another name first, so that what bears the name is whole."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as draft:
        try:
            np.savez(draft, **arrays)  # type: ignore[arg-type]
            draft.close()
            Path(draft.name).replace(file)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    files = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in files[: max(len(files) - _MOST, 0)]:
        old.unlink(missing_ok=True)
