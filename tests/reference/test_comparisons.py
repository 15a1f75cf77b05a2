"""Every comparison that the benchmarks time: ours and the peer's give the same numbers, at a small size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.comparisons import COMPARISONS, Comparison, noise

# A thousand surrogates take minutes in plain Python.
CASES = [
    pytest.param(each, id=f"{each.peer}: {each.task}", marks=[pytest.mark.jit] if each.peer_share < 1 else [])
    for each in COMPARISONS
]


@pytest.mark.parametrize("comparison", CASES)
def test_ours_gives_the_numbers_of_the_peer(comparison: Comparison) -> None:
    if not comparison.installed:
        pytest.skip(f"needs {comparison.peer}")
    assert comparison.difference(noise(comparison.small)) <= comparison.tolerance


def test_a_peer_that_every_environment_has_is_among_them() -> None:
    assert sum(each.peer == "pandas" and each.installed for each in COMPARISONS) >= 6


@pytest.mark.parametrize(
    "change",
    [
        lambda values: {"variance": values["variance"] * (1 + 1e-6)},
        lambda values: {"variance": values["variance"][1:]},
        lambda values: {"variance": np.append(values["variance"][1:], 0.0)},
        lambda values: {"variance": np.full(len(values["variance"]), np.nan)},
        lambda values: {"sd": values["variance"]},
    ],
    ids=["a wrong digit", "another length", "another first window", "nothing defined", "another name"],
)
def test_a_difference_is_seen(change: object) -> None:
    assert callable(change)
    comparison = next(each for each in COMPARISONS if each.task.startswith("variance in") and each.peer == "pandas")
    wrong = replace(comparison, theirs=lambda x: change(dict(comparison.theirs(x))))
    assert wrong.difference(noise(wrong.small)) > wrong.tolerance
