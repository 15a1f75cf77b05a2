"""The kernels' disk cache: kept between processes, renewed when any kernel file changes, dispensable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ews._kernels

pytestmark = pytest.mark.jit

_PACKAGE = Path(ews._kernels.__file__).parents[1]

_RUN = """
import warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from ews._kernels.kendall import kendall_rows
    out = np.empty(1)
    kendall_rows(np.array([[1.0, 3.0, 2.0]]), out)
    assert abs(out[0] - 1 / 3) < 1e-15
hits = sum(kendall_rows.stats.cache_hits.values())
print(hits, sum(kendall_rows.stats.cache_misses.values()), [w.category.__name__ for w in caught])
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
