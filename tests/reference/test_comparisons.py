"""Every comparison that the benchmarks time: ours and the peer's give the same numbers, at a small size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory, side_by_side, speed_figure
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


@pytest.mark.parametrize("statistic", side_by_side.STATISTICS)
def test_packages_that_stand_side_by_side_give_the_same_numbers(statistic: str) -> None:
    times = side_by_side.beside(statistic, 900, 60, 0.0)
    assert {"ews"} < times.keys() <= set(side_by_side.PACKAGES)
    assert all(time.calls >= side_by_side.FEWEST for time in times.values())


def test_a_package_that_gives_other_numbers_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = {"ews": lambda x, _: {"variance": x}, "pandas": lambda x, _: {"variance": x + 1e-6}}
    monkeypatch.setattr(side_by_side, "STATISTICS", {"variance": ways})
    with pytest.raises(ValueError, match="pandas and ews give another variance"):
        side_by_side.beside("variance", 100, 10, 0.0)


@pytest.mark.parametrize("curve", side_by_side.CURVES)
def test_curves_begin_with_all_that_they_compare(curve: str, tmp_path: Path) -> None:
    times, samples = side_by_side.along(curve, side_by_side.CURVES[curve][0], 0.0)
    assert len(times) > 1
    assert samples > 0
    points = [(size, {name: time.processor + 1.0 for name, time in times.items()}) for size in (1, 10)]
    speed_figure.draw({f"{curve} {k}": points for k in range(4)}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell a peak of memory")
def test_peaks_of_memory_hold_the_answer() -> None:
    taken = memory.peak("variance", "ews", 500_000)
    assert taken is not None
    assert 0.9 * 8 * 500_000 < taken < 10 * 8 * 500_000
    assert memory.peak("variance", "scipy", 500_000) is None
