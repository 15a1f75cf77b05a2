"""Surrogates that are drawn for one record and kept for the next: the same answer, whatever was asked before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ews
from ews import nulls
from ews._analysis.detect.controls import CLOSED, SEEN
from ews._analysis.score_tests.table import TABLES, rounded, surrogate_table, table_key
from ews._analysis.score_tests.testing import Scoring
from ews._common.kept import Kept
from ews._significance.resolve import resolve_pipeline


def scoring(
    n: int,
    detrend: str = "local_linear",
    season: int | None = None,
    limit: float | None = 2.5,
    bandwidth: float | None = 1,
) -> Scoring:
    pipeline = resolve_pipeline(
        n=n, step=1.0, level=np.zeros(n), detrend=detrend, bandwidth=bandwidth, window=0.5, indicators=("variance",),
        trend="kendall", causal=False, season=season,
    )  # fmt: skip
    return Scoring(pipeline, limit)


def red(n: int, count: int, coefficient: float = 0.5) -> np.ndarray:
    return nulls.AR1(coefficient, 1.0, n).draw(0, count, seed=8)


def test_what_was_asked_before_changes_nothing() -> None:
    rows = red(120, 6)
    later = [ews.detect(row, n_surrogates=99) for row in rows]
    for row, one in zip(rows[::-1], later[::-1], strict=True):
        TABLES.clear()
        SEEN.clear()
        CLOSED.clear()
        assert ews.detect(row, n_surrogates=99) == one


def test_surrogates_are_drawn_once_for_records_of_one_length_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    TABLES.clear()
    drawn: list[tuple[int, float]] = []
    draw = nulls.AR1.draw

    def counted(null: nulls.AR1, first: int, count: int, *, seed: int) -> np.ndarray:
        drawn.append((count, null.coefficient))
        return draw(null, first, count, seed=seed)

    monkeypatch.setattr(nulls.AR1, "draw", counted)
    measure = scoring(80).statistics
    one, other = (
        surrogate_table(measure, scoring(80).alike, nulls.AR1(phi, sd, 80), 50, n=80, seed=1)
        for phi, sd in ((0.5, 1.0), (0.505, 7.0))
    )
    assert one is other
    assert drawn == [(50, rounded(0.5))]
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 1.0


@pytest.mark.parametrize(
    "other",
    [
        {"n": 81},
        {"limit": 3.0},
        {"bandwidth": 1.0},  # the whole record, not a sample
        {"bandwidth": None},
        {"null": nulls.AR1(0.7, 1.0, 80)},
        {"count": 51},
        {"seed": 2},
        {"detrend": "gaussian"},
        {"season": 12},
        {"null": nulls.fit(red(80, 1)[0], null="fourier")},
    ],
)
def test_what_measures_otherwise_shares_nothing(other: dict[str, Any]) -> None:
    how = {"n": 80, "null": nulls.AR1(0.5, 1.0, 80), "count": 50, "seed": 1}

    def key(how: dict[str, Any]) -> Any:
        how = dict(how)
        null, count, seed = (how.pop(name) for name in ("null", "count", "seed"))
        return table_key(scoring(**how).alike, null, count, seed)

    assert key(how) == key(dict(how)) is not None
    assert key(how | other) is None or key(how | other) != key(how)


def test_a_rounded_coefficient_moves_no_p() -> None:
    """Half a step from the grid, over 20,000 surrogates: each tail within 0.01."""
    measure = scoring(100).statistics
    for z in (-0.025, 0.575, 1.525):
        phi = float(np.tanh(z + 1e-9))
        near = surrogate_table(measure, scoring(100).alike, nulls.AR1(phi, 1.0, 100), 20_000, n=100, seed=3)
        own = surrogate_table(measure, None, nulls.AR1(phi, 1.0, 100), 20_000, n=100, seed=3)
        for level in (0.01, 0.05, 0.2):
            tail = (near >= np.quantile(own, 1.0 - level, axis=1)[:, None]).mean(axis=1)
            np.testing.assert_allclose(tail, level, atol=0.01)


def test_the_oldest_goes_first() -> None:
    kept: Kept[int] = Kept(2)
    asked: list[str] = []

    def get(key: str | None) -> int:
        def make() -> int:
            asked.append(str(key))
            return len(asked)

        return kept.get(key, make)

    assert [get(key) for key in ("a", "b", "a", "c", "a", None, None, "b")] == [1, 2, 1, 3, 1, 4, 5, 6]
    assert asked == ["a", "b", "c", "None", "None", "b"]
