"""Where the tests find real series and other systems' numbers, and what every test shares."""

from __future__ import annotations

import os
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
