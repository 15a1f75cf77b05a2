"""Names of the version before work on, and say what they are called now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adapters
from adapters.policies.fixed import FixedExitPolicy
from adapters.texts.replaying import replay
from tests.adapters.fitting import model_of, written


@pytest.mark.parametrize(
    ("old", "new"), [("Assessment", "Suitability"), ("dense_continuations", "full_model_continuations")]
)
def test_public_names(old: str, new: str) -> None:
    for _ in range(2):  # each time, not only the first
        with pytest.warns(DeprecationWarning, match=f"adapters.{old} is now adapters.{new}") as told:
            assert getattr(adapters, old) is getattr(adapters, new)
        assert told[0].filename == __file__
    assert old not in adapters.__all__


def test_attributes_of_a_replay() -> None:
    found: Any = replay(model_of("llama"), FixedExitPolicy(depth=5), written("llama"))
    for old, new in (
        ("feeds", "ffn_blocks"),
        ("dense_log_likelihood", "full_model_log_likelihood"),
        ("dense_perplexity", "full_model_perplexity"),
    ):
        with pytest.warns(DeprecationWarning, match=f"Replay.{old} is now Replay.{new}") as told:
            assert np.all(getattr(found, old) == getattr(found, new))
        assert told[0].filename == __file__
