"""What is public is importable, documented, shown by example and cheap to import."""

from __future__ import annotations

import ast
import doctest
import importlib.metadata
import inspect
import pickle
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import adapters
import ews
from adapters.families import Family
from ews.results import Report, Result

ROOT = Path(__file__).resolve().parents[2]
API_PAGES = ROOT / "docs" / "api"
HEAVY = ("matplotlib", "numba", "pandas", "pooch", "rich", "ruptures", "scipy", "statsmodels", "torch", "typer")


PACKAGES = (ews, adapters)
both = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


def _public(package: types.ModuleType) -> dict[str, object]:
    """Every public object by its full name: those of a package and those of its public namespaces."""
    found: dict[str, object] = {}
    for name in set(package.__all__) - {"__version__"}:
        value, full = getattr(package, name), f"{package.__name__}.{name}"
        if isinstance(value, types.ModuleType):
            found |= {f"{full}.{inner}": getattr(value, inner) for inner in getattr(value, "__all__", ())}
        else:
            found[full] = value
    return found


PUBLIC = {name: value for package in PACKAGES for name, value in sorted(_public(package).items())}
# What all results share, under the path that results are saved with, and what an architecture of one's own begins with.
PUBLIC |= {f"ews.results.{one.__name__}": one for one in (Result, Report)} | {"adapters.families.Family": Family}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
DESCRIBED = FUNCTIONS | CLASSES


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@both
def test_public_names_are_sorted_once_and_all_there(package: types.ModuleType) -> None:
    assert list(package.__all__) == sorted(set(package.__all__))
    assert set(package.__all__) <= set(dir(package))


@both
def test_public_modules_list_their_names(package: types.ModuleType) -> None:
    modules = [name for name in package.__all__ if isinstance(getattr(package, name), types.ModuleType)]
    assert [name for name in modules if not hasattr(getattr(package, name), "__all__")] == []


@both
def test_type_checkers_can_read_the_public_names(package: types.ModuleType) -> None:
    """They follow no calls: a computed ``__all__`` exports nothing to a user's mypy --strict."""
    tree = ast.parse((ROOT / package.__name__ / "__init__.py").read_text())
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node).split("=")[0]
    ]
    assert [ast.literal_eval(value) for value in values if value is not None] == [list(package.__all__)]


def test_version_is_that_of_the_distribution() -> None:
    assert ews.__version__ == importlib.metadata.version("earlywarning")


@both
def test_an_unknown_name_is_an_attribute_error(package: types.ModuleType) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018


def test_api_pages_list_the_public_names_and_no_others() -> None:
    listed = re.findall(
        r"^ {3,}~?((?:ews|adapters)\.[\w.]+)$", "\n".join(p.read_text() for p in API_PAGES.glob("*.rst")), re.M
    )
    assert len(listed) == len(set(listed)), "a name stands on two pages"
    assert set(listed) == set(PUBLIC)


@pytest.mark.parametrize("name", DESCRIBED)
def test_public_docstrings(name: str) -> None:
    assert inspect.getdoc(DESCRIBED[name]), f"{name} has no docstring"


@pytest.mark.parametrize("name", CLASSES)
def test_public_classes_carry_their_public_path(name: str) -> None:
    assert f"{CLASSES[name].__module__}.{CLASSES[name].__name__}" == name
    assert pickle.loads(pickle.dumps(CLASSES[name])) is CLASSES[name]


def test_examples_of_public_classes_run() -> None:
    """``--doctest-modules`` looks where a class says it is from, and finds no module of examples there."""
    run = 0
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    packaged = {name: value for name, value in CLASSES.items() if hasattr(sys.modules[value.__module__], "__path__")}
    for name, value in packaged.items():
        for example in doctest.DocTestFinder().find(value, name, module=False, globs={}):
            run += len(example.examples)
            runner.run(example)
    assert runner.failures == 0
    assert run > 20


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


@both
def test_importing_loads_none_of_the_heavy_dependencies(package: types.ModuleType) -> None:
    loaded = _run(f"import sys, {package.__name__}; print(*sys.modules)").split()
    assert sorted({name.partition(".")[0] for name in loaded} & set(HEAVY)) == []


# Run first in a new process: what is hidden is not there, as far as an import can tell.
HIDE = """
import sys
from importlib.machinery import PathFinder

class Hide(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hide
"""

# What neither the core dependencies need nor those of one extra; empty for none.
OUTSIDE = """
import importlib.metadata as metadata, re
from packaging.requirements import Requirement

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

needed, todo = set(), [("earlywarning", extra)]
while todo:
    name, wanted = todo.pop()
    if (normal(name), wanted) in needed:
        continue
    needed.add((normal(name), wanted))
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
            todo += [(requirement.name, each) for each in ("", *requirement.extras)]

kept = {name for name, _ in needed}
hidden = {top for top, owners in metadata.packages_distributions().items() if not kept & set(map(normal, owners))}
hidden -= {"ews", "adapters", "packaging"}
assert {"pytest", "hypothesis", "polars", "xarray"} <= hidden, hidden
assert extra or {"torch", "transformers"} <= hidden, hidden
"""

IMPORT_ALL = """
import importlib, pkgutil
import ews, adapters
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
    print(module.name)
"""


@pytest.mark.parametrize(("package", "extra"), [("ews", ""), ("adapters", "llm")])
def test_every_module_imports_with_what_is_declared_for_it(package: str, extra: str) -> None:
    """``ews`` with the core dependencies only, as ``import adapters`` itself, and the rest of it with the extra."""
    code = f"extra = {extra!r}\n{OUTSIDE}{HIDE}{IMPORT_ALL.replace('package.', package + '.')}"
    imported = _run(code).split()
    expected = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / package).rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    }
    assert expected <= set(imported)


DECODE = """
import adapters
import torch
from transformers import LlamaConfig, LlamaForCausalLM

sizes = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=8, num_attention_heads=2)
model = LlamaForCausalLM(LlamaConfig(vocab_size=32, eos_token_id=None, pad_token_id=0, **sizes)).eval()
prompt = torch.tensor([[1, 2, 3], [4, 5, 6]])

def written(policy):
    model.generate(prompt, max_new_tokens=8, custom_generate=policy)
    return policy.report().tokens

eager = dict(window=4, warmup=1, threshold=0.0)
print(written(adapters.EWSExitPolicy(**eager)), written(adapters.EWSExitPolicy(unit="ffn", window=4, warmup=1)))
guarded = adapters.Guarded(adapters.EWSExitPolicy(**eager))
guarded.calibrate(model, [[1, token] for token in range(2, 14)], max_new_tokens=16, false_alarm_rate=0.5)
print(written(guarded))
"""


def test_decoding_needs_torch_and_numpy_only() -> None:
    """Where a model is served, nothing that compiles, draws, tabulates or parses options need be installed."""
    hidden = {*HEAVY, "llvmlite", "xarray"} - {"torch"}
    code = f"hidden = {hidden!r}\n{HIDE}{DECODE}"
    assert _run(code).split() == ["14", "14", "14"]
