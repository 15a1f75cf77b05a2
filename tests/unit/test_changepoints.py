"""Change points: shifts are found where they are, at any scale; red noise and gradual change mostly have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ews import errors, nulls
from ews.changepoints import change_points

NOISE = np.random.default_rng(1).standard_normal(200)
SHIFTED = NOISE + np.repeat([0.0, 6.0], 100)


@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 0.0), (-1.0, 0.0), (1.0, 1e9), (1e-8, 1e6), (1e-200, 0.0), (1e200, 0.0), (1.0, 1e12)]
)
def test_a_shift_is_found_at_any_scale_and_offset(scale: float, offset: float) -> None:
    np.testing.assert_array_equal(change_points(SHIFTED * scale + offset).index, [100])


def test_several_shifts_are_found_in_order() -> None:
    found = change_points(NOISE + np.repeat([0.0, 6.0, -3.0, 8.0], 50))
    np.testing.assert_array_equal(found.index, [50, 100, 150])
    assert len(found) == 3


def test_times_are_those_of_the_first_sample_after() -> None:
    days = pd.date_range("1990-01-01", periods=200)
    assert change_points(pd.Series(SHIFTED, index=days)).time[0] == np.datetime64("1990-04-11")
    assert change_points(SHIFTED, time=np.arange(200) * 0.5 + 10).time[0] == 60.0


@pytest.mark.parametrize(("coefficient", "most"), [(0.0, 1), (0.5, 10), (0.8, 36), (0.9, 60)])
def test_red_noise_mostly_has_none(coefficient: float, most: int) -> None:
    """Of 200 series; a penalty made for white noise finds shifts in all of those at 0.8."""
    rows = nulls.AR1(coefficient, 1.0, 300).draw(0, 200, seed=1)
    assert sum(len(change_points(row)) > 0 for row in rows) <= most


@pytest.mark.parametrize("size", [0.0, 1e-9, 0.02])
def test_gradual_change_has_none(size: float) -> None:
    assert len(change_points(np.linspace(0, 5, 200) + size * NOISE)) == 0


def test_noiseless_series() -> None:
    assert len(change_points(np.ones(50))) == 0
    assert len(change_points(np.tile([0.0, 1.0], 50))) == 0
    np.testing.assert_array_equal(change_points(np.repeat([0.0, 1.0], 50)).index, [50])


def test_segments_are_not_shorter_than_asked() -> None:
    spiky = NOISE.copy()
    spiky[50:54] += 30.0
    for size in (3, 5, 20):
        edges = np.r_[0, change_points(spiky, min_size=size, penalty=0.01).index, 200]
        assert np.diff(edges).min() >= size


def test_a_high_penalty_finds_nothing() -> None:
    assert len(change_points(SHIFTED, penalty=1e6)) == 0
    assert change_points(SHIFTED, penalty=3.5).penalty == 3.5


@pytest.mark.jit
def test_long_series_are_searched_in_blocks_and_placed_to_the_sample() -> None:
    x = np.random.default_rng(2).standard_normal(100_000)
    x[33_333:] += 8.0
    x[70_001:] -= 8.0
    np.testing.assert_array_equal(change_points(x).index, [33_333, 70_001])


@pytest.mark.parametrize("given", [0, -1.0, np.nan, np.inf, True, "1", [1.0]], ids=str)
def test_bad_penalties_are_refused(given: Any) -> None:
    with pytest.raises(errors.ValueRangeError, match=r"^penalty: got .* a positive number"):
        change_points(SHIFTED, penalty=given)


@pytest.mark.parametrize("given", [0, 2, -5, 5.0, True, "5", None], ids=str)
def test_bad_sizes_are_refused(given: Any) -> None:
    with pytest.raises(errors.ValueRangeError, match=r"^min_size: got .* an integer of 3 or more"):
        change_points(SHIFTED, min_size=given)


def test_short_and_broken_series_are_refused() -> None:
    with pytest.raises(errors.SeriesTooShortError, match="9 values; allowed: at least 10"):
        change_points(np.arange(9.0))
    with pytest.raises(errors.MissingValuesError):
        change_points([1.0, np.nan] * 10)


GENERATOR = np.random.default_rng(12)
TIED: dict[str, tuple[Any, list[int]]] = {
    "two levels without noise": (np.repeat([500.0, 1100.0], [22, 13]), [22]),
    "down": (np.repeat([1100.0, 500.0], [9, 30]), [9]),
    "three levels": (np.repeat([5.0, 9.0, 2.0], 10), [10, 20]),
    "a short stay": (np.repeat([5.0, 9.0, 5.0], [40, 6, 40]), [40, 46]),
    "a small step on a large offset": (np.repeat([1e8, 1e8 + 1.0], 50), [50]),
    "zeros, then counts": (np.concatenate([np.zeros(30), GENERATOR.poisson(10.0, 30)]), [30]),
    "counts, then zeros": (np.concatenate([np.tile([9.0, 12.0, 8.0, 10.0, 11.0, 10.0], 5), np.zeros(40)]), [30]),
    "few values beside the levels": (
        np.where(GENERATOR.random(100) < 0.2, GENERATOR.integers(-1, 2, 100), 0) + np.repeat([5.0, 9.0], 50),
        [50],
    ),
    "rarely, then often": ((GENERATOR.random(120) < np.repeat([0.02, 0.98], 60)).astype(float), [60]),
}


@pytest.mark.parametrize("kind", TIED)
def test_shifts_are_found_where_most_steps_are_ties(kind: str) -> None:
    x, expected = TIED[kind]
    assert change_points(x).index.tolist() == expected


def test_ties_without_a_shift_have_none() -> None:
    spikes = np.zeros(200)
    spikes[[50, 120]] = 3.0, 5.0
    assert len(change_points(spikes)) == 0
    kinds: tuple[Any, ...] = (
        lambda generator: (generator.random(150) < 0.3).astype(float),
        lambda generator: generator.poisson(0.3, 150).astype(float),
        lambda generator: np.where(generator.random(150) < 0.7, 0.0, generator.lognormal(size=150)),
        lambda generator: np.round(0.5 * generator.standard_normal(150)),
    )
    for make in kinds:
        found = [len(change_points(make(np.random.default_rng([13, seed])))) > 0 for seed in range(60)]
        assert np.mean(found) <= 0.1


def test_counts_after_zeros_are_found_whatever_the_draw() -> None:
    draws = [np.random.default_rng([14, seed]).poisson(10.0, 30) for seed in range(100)]
    found = [change_points(np.concatenate([np.zeros(30), counts])).index for counts in draws]
    assert np.mean([one.size == 1 and one[0] in (30, 31) for one in found]) >= 0.85
