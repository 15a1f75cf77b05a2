"""Kendall's tau-b by one sort, against all pairs and against scipy."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.stats

from ews._kernels import kendall
from ews._kernels.kendall import kendall_pair, kendall_rows
from ews._kernels.tallies import TALLIES, no_tallies, ones, raise_first, raised, tally
from tests.reference import naive


def _tau(*rows: np.ndarray) -> np.ndarray:
    out = np.full(len(rows), -2.0)
    kendall_rows(np.stack(rows), out)
    return out


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129])
@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_rows_equal_all_pairs(n: int, levels: int) -> None:
    rng = np.random.default_rng(n)
    rows = [rng.integers(0, levels, n).astype(float) for _ in range(4)]
    expected = [naive.kendall_tau_b(np.arange(n), row) for row in rows]
    np.testing.assert_allclose(_tau(*rows), expected, atol=1e-12)


@pytest.mark.jit
@pytest.mark.parametrize("n", [500, 1001, 4096, 5000])
def test_rows_equal_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    rows = [rng.normal(size=n), rng.normal(size=n).cumsum(), np.round(rng.normal(size=n), 1)]
    expected = [scipy.stats.kendalltau(np.arange(n), row).statistic for row in rows]
    np.testing.assert_allclose(_tau(*rows), expected, atol=1e-12)


def test_perfect_order_is_exactly_one() -> None:
    for n in (2, 5, 50, 333):
        np.testing.assert_array_equal(_tau(np.arange(n) * 0.1, -np.arange(n) * 0.1), [1.0, -1.0])


def test_nan_is_left_out_and_infinity_has_a_rank() -> None:
    x = np.random.default_rng(1).normal(size=40)
    x[[3, 20]] = np.inf, -np.inf
    gaps = np.insert(x, [0, 5, 5, 40], np.nan)
    np.testing.assert_array_equal(_tau(gaps), [naive.kendall_tau_b(np.arange(40), np.argsort(np.argsort(x)))])


@pytest.mark.parametrize("row", [[], [1.0], [np.nan, 1.0, np.nan], [2.0, 2.0, 2.0], [np.nan, np.nan]])
def test_nothing_to_rank_is_nan(row: list[float]) -> None:
    assert np.isnan(_tau(np.array(row))).all()


def test_rows_are_left_as_they_were() -> None:
    row = np.random.default_rng(2).normal(size=50)
    before = row.copy()
    _tau(row)
    np.testing.assert_array_equal(row, before)


@pytest.mark.parametrize("n", [2, 3, 10, 64, 150])
@pytest.mark.parametrize("levels", [2, 4, 10**6])
def test_pairs_equal_all_pairs(n: int, levels: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, levels, (2, n)).astype(float)
    np.testing.assert_allclose(kendall_pair(x, y), naive.kendall_tau_b(x, y), atol=1e-12)


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_pairs_with_times_equal_rows(way: float) -> None:
    y = np.round(np.random.default_rng(5).normal(size=90), 1)
    assert kendall_pair(way * np.arange(90.0) ** 2, y) == way * _tau(y)[0]


def test_pairs_without_variation_are_nan() -> None:
    assert np.isnan(kendall_pair(np.ones(5), np.arange(5.0)))
    assert np.isnan(kendall_pair(np.arange(5.0), np.ones(5)))
    assert np.isnan(kendall_pair(np.ones(1), np.ones(1)))


def _awkward(n: int) -> dict[str, np.ndarray]:
    """Rows whose places between the lowest and the highest value do not tell all of them apart, or do not exist."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=n)
    return {
        "one far out": np.where(np.arange(n) == n // 2, 1e12, x),
        "beyond all differences": rng.uniform(-1.0, 1.0, n) * 1.7e308,
        "beneath all differences": x * 1e-310,
        "infinite": np.where(np.arange(n) == 3, np.inf, x),
        "two equal": np.where(np.arange(n) == n - 1, x[0], x),
        "whole numbers": rng.integers(-5, 5, n).astype(float),
        "both zeros": np.where(rng.random(n) < 0.5, 0.0, -0.0) + np.where(rng.random(n) < 0.3, x, 0.0),
        "neighbouring numbers": 1.0 + np.spacing(1.0) * rng.integers(0, 2 * n, n),
        "falling": -np.arange(n) * 0.1,
        "one level": np.full(n, 0.3),
    }


@pytest.mark.parametrize("n", [4, 16, 17, 63, 129, 1030])
@pytest.mark.parametrize("name", _awkward(9))
def test_keys_of_few_bits_never_decide_what_they_do_not_tell_apart(n: int, name: str) -> None:
    row = _awkward(n)[name]
    expected = naive.kendall_tau_b(np.arange(n), np.unique(row, return_inverse=True)[1])
    np.testing.assert_allclose(_tau(row), [expected], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("n", [1, 2, 64, 65, 150])
def test_every_way_of_sorting_says_the_same_or_leaves_it_to_the_next(way: int, n: int) -> None:
    done = 0
    for name, row in {**_awkward(n), "plain": np.random.default_rng(n).normal(size=n)}.items():
        tau = np.empty(1)
        if kendall._rows(row[None], kendall._WAYS[way](row[None]), tau):
            done += 1
            expected = naive.kendall_tau_b(np.arange(n), np.unique(row, return_inverse=True)[1]) if n > 1 else np.nan
            np.testing.assert_allclose(tau, [expected], rtol=1e-13, atol=1e-15, err_msg=name)
    assert done >= (6, 9, 11)[way]


@pytest.mark.parametrize("way", range(3))
def test_every_way_of_sorting_leaves_out_what_is_missing(way: int) -> None:
    rng = np.random.default_rng(3)
    x = np.stack([rng.normal(size=40), -np.exp(rng.normal(size=40)), np.exp(rng.normal(size=40)), np.full(40, 1.0)])
    gaps = np.insert(x, [0, 7, 7, 30, 40], [np.nan, -np.nan, np.nan, np.nan, -np.nan], axis=1)
    tau = np.empty(5)
    rows = np.vstack([gaps, gaps[:1] * np.nan])
    assert kendall._rows(rows, kendall._WAYS[way](rows), tau)
    np.testing.assert_array_equal(tau, [*_tau(*x), np.nan])


@pytest.mark.jit
@pytest.mark.parametrize("n", [1024, 1025, 16384, 16385, 20000])
def test_levels_of_tallies_equal_a_merge_sort(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    for row in (x, np.sort(x), -np.sort(x), np.round(x, 1), np.where(x > 2.0, np.nan, x)):
        held = row[~np.isnan(row)]
        expected = scipy.stats.kendalltau(np.arange(held.size), held).statistic
        np.testing.assert_allclose(_tau(row), [expected], rtol=1e-13)


@pytest.mark.jit
def test_tallies_equal_their_plain_twins() -> None:
    @numba.njit
    def compiled(words: np.ndarray, places: np.ndarray, array: np.ndarray) -> tuple[int, int]:
        tallies, bits, taken = no_tallies(), 0, 0
        for word in words:
            bits += ones(word)
        for place in places:
            taken = 3 * taken + tally(tallies, place)
            tallies = raised(tallies, place)
            raise_first(array, place, place)
        return bits, taken

    rng = np.random.default_rng(4)
    words = rng.integers(0, 2**64, 50, dtype=np.uint64)
    places = rng.integers(0, TALLIES, 30)
    arrays = np.zeros((2, 2 * TALLIES), dtype=np.int32)
    assert compiled(words, places, arrays[0]) == compiled.py_func(words, places, arrays[1])
    np.testing.assert_array_equal(arrays[0], arrays[1])
    assert arrays[0].any()
