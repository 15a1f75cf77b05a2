"""The arrows point down: contracts of the package, and no module outside them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ews

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted((ROOT / "adapters").rglob("*.py"))
SOURCES = sorted((ROOT / "ews").rglob("*.py")) + ADAPTERS
# Read where the user has already loaded them, or in the module that an extra is for; never needed.
OPTIONAL = {"dask", "distributed", "polars", "xarray"}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _imported(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, wherever in the file the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_is_declared(path: Path) -> None:
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in _project()["project"]["dependencies"]}
    allowed = set(sys.stdlib_module_names) | declared | {"ews"}
    if path.is_relative_to(ROOT / "ews"):
        allowed |= OPTIONAL
    else:
        extra = _project()["project"]["optional-dependencies"]["llm"]
        allowed |= {re.split(r"[^\w-]", requirement)[0] for requirement in extra} | {"adapters", "xarray"}
    assert _imported(path) <= allowed


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_adapters_import_public_names_of_ews_only(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "ews":
            names = {"ews." + alias.name for alias in node.names} if node.module == "ews" else {node.module}
            found |= names
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("ews.")}
    public = {f"ews.{name}" for name in ews.__all__}
    # The class of figures, the base of results, and what both command lines do with files.
    assert found <= public | {"ews.plot", "ews.results", "ews.cli.files", "ews.cli.output"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_arithmetic_shortcut_in_a_kernel(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg in {"fastmath", "parallel"}:
            assert ast.unparse(node.value) == "False", f"{node.arg} at line {node.lineno}"
