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

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "ews").rglob("*.py")) + sorted((ROOT / "adapters").rglob("*.py"))
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


def test_every_module_has_a_layer() -> None:
    layers = _project()["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    present = {f"ews.{path.stem}" for path in (ROOT / "ews").glob("*.py") if path.name != "__init__.py"}
    present |= {f"ews.{path.parent.name}" for path in (ROOT / "ews").glob("*/__init__.py")}
    assert present <= placed, f"not in the layers contract of pyproject.toml: {sorted(present - placed)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_is_declared(path: Path) -> None:
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in _project()["project"]["dependencies"]}
    allowed = set(sys.stdlib_module_names) | declared | {"ews"}
    if path.is_relative_to(ROOT / "ews"):
        allowed |= OPTIONAL
    assert _imported(path) <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_arithmetic_shortcut_in_a_kernel(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg in {"fastmath", "parallel"}:
            assert ast.unparse(node.value) == "False", f"{node.arg} at line {node.lineno}"
