"""The package ``adapters`` loads nothing heavy and says so when a stranger shares its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def _import_adapters(beside: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "import sys, adapters; print(*sorted({'ews', 'numba', 'numpy', 'torch', 'transformers'} & set(sys.modules)))"
    environment = dict(os.environ)
    if beside is not None:
        environment["PYTHONPATH"] = str(beside)
    command = [sys.executable, "-W", "always", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True)


def test_importing_loads_nothing_heavy_and_says_nothing() -> None:
    done = _import_adapters()
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_the_unrelated_distribution_of_that_name_is_named_in_a_warning(tmp_path: Path) -> None:
    record = tmp_path / "adapters-1.2.3.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.2.3\n")
    said = _import_adapters(beside=tmp_path).stderr
    assert "NameClashWarning" in said
    assert "'adapters' 1.2.3" in said
    assert "separate environments" in said
