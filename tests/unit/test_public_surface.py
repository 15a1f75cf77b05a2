"""What is public is importable, documented, shown by example and cheap to import."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import ews

ROOT = Path(__file__).resolve().parents[2]
API_PAGES = ROOT / "docs" / "api"
HEAVY = ("matplotlib", "numba", "pandas", "pooch", "rich", "ruptures", "scipy", "statsmodels", "torch", "typer")


def _public() -> dict[str, object]:
    """Every public object by its full name: those of ``ews`` and those of its public namespaces."""
    found: dict[str, object] = {}
    for name in set(ews.__all__) - {"__version__"}:
        value = getattr(ews, name)
        if isinstance(value, types.ModuleType):
            found |= {f"ews.{name}.{inner}": getattr(value, inner) for inner in getattr(value, "__all__", ())}
        else:
            found[f"ews.{name}"] = value
    return found


PUBLIC = dict(sorted(_public().items()))
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
DESCRIBED = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value) or inspect.isclass(value)}


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_public_names_are_sorted_once_and_all_there() -> None:
    assert list(ews.__all__) == sorted(set(ews.__all__))
    assert set(ews.__all__) <= set(dir(ews))


def test_public_modules_list_their_names() -> None:
    modules = [name for name in ews.__all__ if isinstance(getattr(ews, name), types.ModuleType)]
    assert [name for name in modules if not hasattr(getattr(ews, name), "__all__")] == []


def test_type_checkers_can_read_the_public_names() -> None:
    """They follow no calls: a computed ``__all__`` exports nothing to a user's mypy --strict."""
    tree = ast.parse((ROOT / "ews" / "__init__.py").read_text())
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node).split("=")[0]
    ]
    assert [ast.literal_eval(value) for value in values if value is not None] == [list(ews.__all__)]


def test_version_is_that_of_the_distribution() -> None:
    assert ews.__version__ == importlib.metadata.version("earlywarning")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        ews.no_such_name  # noqa: B018


def test_api_pages_list_the_public_names_and_no_others() -> None:
    listed = re.findall(r"^ {3,}~?(ews\.[\w.]+)$", "\n".join(p.read_text() for p in API_PAGES.glob("*.rst")), re.M)
    assert len(listed) == len(set(listed)), "a name stands on two pages"
    assert set(listed) == set(PUBLIC)


@pytest.mark.parametrize("name", DESCRIBED)
def test_public_docstrings(name: str) -> None:
    assert inspect.getdoc(DESCRIBED[name]), f"{name} has no docstring"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_show_an_example(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert re.search(r"^Examples\n-+$", text, re.M), f"{name} has no Examples section"
    assert ">>> " in text, f"{name} has no doctest"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_documented_and_typed(name: str) -> None:
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        label = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "") + parameter.name
        assert re.search(rf"^[\w, *]*(?<!\w){re.escape(label)}(?!\w)[\w, *]*( :|$)", text, re.M), f"{name}: {label}"
        assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {label} has no type"
    assert signature.return_annotation is not inspect.Signature.empty


def test_importing_ews_loads_none_of_its_heavy_dependencies() -> None:
    loaded = _run("import sys, ews; print(*sys.modules)").split()
    assert sorted({name.partition(".")[0] for name in loaded} & set(HEAVY)) == []


def test_every_module_imports_with_the_core_dependencies_only() -> None:
    """Distributions outside the closure of the core dependencies are hidden, then every module is imported."""
    hide = """
import importlib, importlib.metadata as metadata, pkgutil, re, sys
from packaging.requirements import Requirement

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

core, todo = set(), ["earlywarning"]
while todo:
    name = normal(todo.pop())
    if name in core:
        continue
    core.add(name)
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            todo.append(requirement.name)

hidden = {top for top, owners in metadata.packages_distributions().items() if not core & set(map(normal, owners))}
hidden -= set(sys.modules) | {"ews", "adapters"}
assert {"pytest", "hypothesis", "polars", "xarray"} <= hidden, hidden

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)

sys.meta_path.insert(0, Hide())
import ews, adapters
for package in (ews, adapters):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        print(module.name)
"""
    imported = _run(hide).split()
    expected = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("ews", "adapters")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    }
    assert expected <= set(imported)
