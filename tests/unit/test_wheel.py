"""The built wheel, not the checkout, holds everything that the library needs to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(target), str(wheel)], check=True, capture_output=True)
    return target


def _outside(installed: Path, folder: Path, *arguments: str) -> str:
    """Run Python in an empty folder with the installed wheel first on its path."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "ews", "adapters"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout: nothing to compare the wheel with")
    assert set(tracked) <= packed
    assert {name.partition("/")[0] for name in packed} == {"ews", "adapters"}
    licences = {name.partition(".dist-info/licenses/")[2] for name in names if "/licenses/" in name}
    assert {"LICENSE", *(f"ews/datasets/records/LICENSE-{of}.txt" for of in ("chick-heart", "glaciation"))} == licences
    assert {"ews/py.typed", "adapters/py.typed"} <= set(packed)


def test_detect_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = """
import json, ews, adapters, numpy as np
x = np.random.default_rng(1).normal(size=200)
assert ews.datasets.load("chick_heart_flip").transition == 440.0
first, second = (ews.detect(x, n_surrogates=50, seed=3) for _ in range(2))
assert first.to_json() == second.to_json()
files = {"ews": ews.__file__, "adapters": adapters.__file__}
print(json.dumps({**files, "verdict": first.verdict, "n": len(first.pvalue)}))
"""
    said = json.loads(_outside(installed, tmp_path, "-c", code))
    assert Path(said["ews"]).is_relative_to(installed)
    assert Path(said["adapters"]).is_relative_to(installed)
    assert said["verdict"] in {"warning", "no warning", "inconclusive"}
    assert said["n"] >= 2


def test_command_line_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{(i * 7919 % 101) / 101}" for i in range(200))
    (tmp_path / "series.csv").write_text("t,x\n" + rows + "\n")
    arguments = ["detect", "series.csv", "--time", "t", "--value", "x", "--json", "out.json"]
    _outside(installed, tmp_path, str(installed / "bin" / "ews"), *arguments)
    assert json.loads((tmp_path / "out.json").read_text())


def test_a_policy_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = """
import adapters, torch
from transformers import LlamaConfig, LlamaForCausalLM
sizes = dict(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2)
model = LlamaForCausalLM(LlamaConfig(eos_token_id=None, pad_token_id=0, **sizes)).eval()
policy = adapters.policy_named("fixed", depth=2)
model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=4, custom_generate=policy)
print(adapters.__file__, policy.report().layers_per_token)
"""
    where, layers = _outside(installed, tmp_path, "-c", code).split()
    assert Path(where).is_relative_to(installed)
    assert float(layers) == 2.0


def test_commands_for_language_models_come_with_the_wheel(installed: Path, tmp_path: Path) -> None:
    said = _outside(installed, tmp_path, str(installed / "bin" / "ews"), "llm", "--help")
    assert all(name in said for name in ("assess", "calibrate", "generate", "bench"))
