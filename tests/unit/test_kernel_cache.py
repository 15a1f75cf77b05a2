"""The kernels' disk cache: kept between processes, renewed when any kernel file changes, dispensable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ews._kernels
from ews._kernels import jit
from ews.errors import KernelCacheWarning

pytestmark = pytest.mark.jit

_PACKAGE = Path(ews._kernels.__file__).parents[1]

_RUN = """
import warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from ews._kernels.two_pass import moments
    assert moments(np.array([1.0, 3.0, 2.0]), 1) == 1.0
hits = sum(moments.stats.cache_hits.values())
print(hits, sum(moments.stats.cache_misses.values()), [w.category.__name__ for w in caught])
"""


def _tree(folder: Path) -> Path:
    """A copy of the kernels alone, so that the test may edit them."""
    package = folder / "ews"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(_PACKAGE / "errors.py", package)
    shutil.copytree(_PACKAGE / "_kernels", package / "_kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _run(tree: Path, cache: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree), "EWS_CACHE_DIR": str(cache)}
    environment.pop("NUMBA_DISABLE_JIT", None)
    done = subprocess.run(
        [sys.executable, "-c", _RUN], capture_output=True, text=True, env=environment, cwd=tree, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_second_process_compiles_nothing_until_a_kernel_file_changes(tmp_path: Path) -> None:
    tree, cache = _tree(tmp_path / "tree"), tmp_path / "cache"
    assert _run(tree, cache) == "0 1 []"
    assert _run(tree, cache) == "1 0 []"
    assert len(list(cache.iterdir())) == 1
    other = tree / "ews" / "_kernels" / "smooth.py"  # a file that the kernel does not even call
    other.write_text(other.read_text() + "# changed\n")
    assert _run(tree, cache) == "0 1 []"
    assert len(list(cache.iterdir())) == 2


def test_without_a_writable_folder_kernels_work_and_warn_once(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    assert _run(_tree(tmp_path / "tree"), file / "below") == "0 1 ['KernelCacheWarning']"


# ---- what lies in the folder is run as code: whose is it? -----------------------------------------------------------


def _add_one(x: float) -> float:
    return x + 1.0


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[int, int, int]]]:
    """Use a small kernel as a new process would; gives (taken from disk, compiled, warnings)."""
    monkeypatch.setenv("EWS_CACHE_DIR", str(tmp_path / "open" / "cache"))

    def use() -> tuple[int, int, int]:
        jit.cache_folder.cache_clear()
        jit._warned.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function: Any = jit.kernel(_add_one)
            assert function(1.0) == 2.0
        assert all(issubclass(each.category, KernelCacheWarning) for each in caught)
        stats = function.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), len(caught)

    yield use
    jit.cache_folder.cache_clear()
    jit._warned.clear()


def _with_others(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o022)


def _given_away(path: Path) -> None:
    os.chown(path, 12345, 12345)


def _everyone_above(path: Path) -> None:
    path.parent.parent.chmod(0o777)


@pytest.mark.parametrize("change", [_with_others, _given_away, _everyone_above])
@pytest.mark.parametrize("below", [False, True])
def test_a_folder_that_others_can_write_to_is_not_used(change, below: bool, used, tmp_path: Path) -> None:
    if change is _given_away and os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    assert used() == (0, 1, 0)
    cache = tmp_path / "open" / "cache"
    (folder,) = cache.iterdir()
    change(folder if below else cache)
    before = [path.stat().st_mtime_ns for path in folder.iterdir()]
    assert used() == (0, 1, 1)
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == before


def test_a_pickle_of_another_origin_does_not_run(used, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    assert used() == (0, 1, 0)
    for file in tmp_path.glob("open/cache/*/*.nb*"):
        file.write_bytes(f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode())
    assert used() == (0, 1, 1)
    assert not marker.exists()


def _flipped(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)


DAMAGE = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "cut by a byte": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file: file.write_bytes(b""),
    "flipped": lambda file: file.write_bytes(_flipped(file.read_bytes())),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"more"),
    "with others": _with_others,
}


@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_files_are_compiled_anew_with_one_warning_and_mended(kind: str, change, used, tmp_path: Path) -> None:
    assert used() == (0, 1, 0)
    for file in tmp_path.glob(f"open/cache/*/{kind}"):
        DAMAGE[change](file)
    assert used() == (0, 1, 1)
    assert used() == (1, 0, 0)


def test_files_that_cannot_be_read_do_no_harm(used, tmp_path: Path) -> None:
    assert used() == (0, 1, 0)
    for file in tmp_path.glob("open/cache/*/*.nb*"):
        file.unlink()
        file.mkdir()
    assert used() == (0, 1, 1)


def test_the_folder_is_the_users_alone_whatever_the_umask(used, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert used() == (0, 1, 0)
    finally:
        os.umask(before)
    assert used() == (1, 0, 0)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "open").rglob("*"))
