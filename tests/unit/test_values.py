"""What the values allow: zeros, ties and distinct values counted, and the spread held against the level."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews._common.values import SpreadWithLevel, count_values, spread_with_level

RNG = np.random.default_rng(11)
N = 200
NOISE = RNG.standard_normal(N)
FAST: dict[str, Any] = {"n_surrogates": 39}


def _with(places: list[int], values: list[float], rest: float = 0.0) -> Any:
    x = np.full(N, rest)
    x[places] = values
    return x


UNTELLABLE = {
    "two non-zero values": (_with([50, 120], [3.0, 5.0]), "198 of 200 values are 0"),
    "one spike": (_with([77], [5.1], 5.0), "199 of 200 values are 5"),
    "95 % zeros": (np.where(RNG.random(N) < 0.05, RNG.lognormal(size=N), 0.0), "of 200 values are 0, so that only"),
    "presence and absence": ((NOISE > 0).astype(float), "only 2 distinct values among 200"),
    "five levels": (np.clip(np.round(NOISE), -2, 2), "only 5 distinct values among 200"),
    "rare counts": (RNG.poisson(0.3, N).astype(float), "of 200 values are 0"),
    "a sensor at its limit": (np.minimum(NOISE + np.linspace(-1, 9, N), 3.0), "of 200 values are 3, so that only"),
    "a sensor stuck for a while": (
        np.where((np.arange(N) > 60) & (np.arange(N) < 125), 0.25, NOISE),
        "64 values in a row are 0.25",
    ),
    "a flat start": (np.where(np.arange(N) < 80, 1.0, 1.0 + NOISE), "80 values in a row are 1"),
}
TELLABLE = {
    "noise": NOISE,
    "30 % zeros": np.where(RNG.random(N) < 0.3, 0.0, RNG.lognormal(size=N)),
    "counts": RNG.poisson(10.0, N).astype(float),
    "one decimal": np.round(NOISE, 1),
    "a gap of one value": np.where((np.arange(N) > 90) & (np.arange(N) < 110), 0.5, NOISE),
}


@pytest.mark.parametrize("kind", UNTELLABLE)
def test_where_nothing_can_be_told_the_answer_is_open_and_says_so_with_numbers(kind: str) -> None:
    x, said = UNTELLABLE[kind]
    found = ews.detect(x, **FAST)
    assert found.verdict == "inconclusive"  # type: ignore[union-attr]
    assert any(said in reason for reason in found.reasons[:2])  # type: ignore[union-attr]
    assert said.split(",")[0][-20:] in " ".join(found.summary().split())


@pytest.mark.parametrize("kind", TELLABLE)
def test_other_values_are_answered_by_the_test(kind: str) -> None:
    assert count_values(TELLABLE[kind]).obstacles(N // 2) == ()


def test_one_such_variable_leaves_the_answer_for_all_open() -> None:
    table = pd.DataFrame({"fish": NOISE, "seen": (NOISE > 0).astype(float)})
    found = ews.detect_multivariate(table, indicators="mean_variance", **FAST)
    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("seen: only 2 distinct values")


def test_counts_are_exact_and_travel_with_the_result() -> None:
    x = np.array([0.0, 0.0, 3.0, 3.0, 3.0, 1.0, 0.0, 2.0, 5.0, 7.0])
    counted = count_values(x)
    assert (counted.n, counted.zeros, counted.distinct, counted.share) == (10, 3, 6, 0.3)
    assert (counted.longest_run, counted.run_value) == (3, 3.0)
    found = ews.detect(TELLABLE["30 % zeros"], **FAST)
    zeros = int((TELLABLE["30 % zeros"] == 0).sum())
    assert json.loads(found.to_json())["counts"]["zeros"] == found.counts.zeros == zeros  # type: ignore[union-attr]
    assert f"{zeros} of 200 values ({zeros / 2:.0f} %) are 0" in " ".join(found.summary().split())


def biomass(seed: int, *, last: float = 150.0, exponent: float = 1.0) -> Any:
    generator = np.random.default_rng(seed)
    level = np.geomspace(20.0, last, 150)
    noise = ews.nulls.AR1(0.5, 1.0, 150).draw(0, 1, seed=seed)[0]
    if exponent == 1.0:
        return level * np.exp(0.35 * noise)
    return generator.poisson(level).astype(float) if exponent == 0.5 else level + 5.0 * noise


def test_spread_that_grows_with_the_level_is_said_and_the_transform_that_mends_it() -> None:
    told = [ews.detect(biomass(seed), method="kendall", n_surrogates=199) for seed in range(6)]
    assert all(one.spread.matters and one.spread.suggestion == "log" for one in told)  # type: ignore[union-attr]
    assert all(one.spread.low < one.spread.exponent < one.spread.high for one in told)  # type: ignore[union-attr]
    assert 0.9 < np.mean([one.spread.exponent for one in told]) < 1.25  # type: ignore[union-attr]
    assert all("transform='log'" in one.reasons[-1] for one in told)  # type: ignore[union-attr]
    assert sum(one.verdict == "warning" for one in told) >= 5  # type: ignore[union-attr]
    mended = [ews.detect(biomass(seed), transform="log", method="kendall", n_surrogates=199) for seed in range(6)]
    assert sum(ews.detect(biomass(seed), n_surrogates=199).verdict == "warning" for seed in range(12)) <= 3
    assert sum(one.verdict == "warning" for one in mended) <= 1  # type: ignore[union-attr]
    assert all(one.spread is None for one in mended)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "matters"),
    [
        (lambda seed: biomass(seed, last=20.0), False),  # a level that does not move
        (lambda seed: biomass(seed, last=200.0, exponent=0.0), False),  # a spread that does not
        (lambda seed: biomass(seed, last=200.0, exponent=0.5), True),
    ],
)
def test_only_where_both_move_it_matters(make: Any, matters: bool) -> None:
    found = []
    for seed in range(40):
        x = np.maximum(make(seed), 0.0)
        found.append(spread_with_level(x, x - ews.detrend.gaussian(x).trend))
    share = np.mean([one is not None and one.matters for one in found])
    assert share >= 0.9 if matters else share <= 0.2
    if matters:
        assert {one.suggestion for one in found if one is not None and one.matters} <= {"anscombe", "log", "log1p"}


def test_values_without_a_level_have_no_exponent() -> None:
    assert spread_with_level(NOISE, NOISE) is None
    assert spread_with_level(np.abs(NOISE[:20]), NOISE[:20]) is None
    flat = spread_with_level(np.full(160, 4.0) + np.tile([0.0, 1.0], 80), np.tile([-0.5, 0.5], 80))
    assert flat is None or not flat.matters
    zeros = np.concatenate([np.zeros(80), np.arange(1.0, 81.0)])
    found = spread_with_level(zeros, zeros - zeros.mean())
    assert found is None or isinstance(found, SpreadWithLevel)
    assert json.loads(ews.detect(NOISE, **FAST).to_json())["spread"] is None
