"""Random streams and the autoregressions drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from ews._kernels import random
from ews._kernels.autoregression import draw_ar1
from ews._kernels.random import fill_normal, new_state
from tests.reference import naive


def _normals(count: int, seed: int = 1, stream: int = 0) -> np.ndarray:
    out = np.empty(count)
    fill_normal(new_state(np.uint64(seed), stream), out)
    return out


def test_the_reference_generators_give_the_published_words() -> None:
    """First outputs of the authors' own C code, for the states that their ports test with."""
    assert naive.splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert naive.xoshiro256pp([1, 2, 3, 4], 4) == [41943041, 58720359, 3588806011781223, 3591011842654386]


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_words_are_those_of_xoshiro(seed: int) -> None:
    state = new_state(np.uint64(seed), 3)
    expected = naive.xoshiro256pp([int(word) for word in state], 50)
    assert [int(random._next(state)) for _ in range(50)] == expected


def test_states_are_words_of_splitmix() -> None:
    """Four consecutive words from a place that hashes seed and stream."""
    state = [int(word) for word in new_state(np.uint64(7), 0)]
    (place,) = naive.splitmix64(naive.splitmix64(7, 1)[0] - 0x9E3779B97F4A7C15, 1)
    assert state == naive.splitmix64(place, 4)


def test_layers_have_equal_area_and_end_at_the_mode() -> None:
    """The defining property of the ziggurat: x[i] (f(x[i+1]) − f(x[i])) is the area of the base strip with its tail."""
    edge, height = random._EDGE, random._HEIGHT
    assert edge.size == 257
    assert edge[256] == 0.0
    base = edge[1] * height[1] + np.sqrt(2 * np.pi) * scipy.stats.norm.sf(edge[1])
    np.testing.assert_allclose(edge[1:256] * np.diff(height[1:]), base, rtol=1e-10)
    np.testing.assert_allclose(edge[1], 3.6541528853610088, rtol=1e-12)  # Marsaglia & Tsang (2000), r for 256 layers


@pytest.mark.jit
def test_deviates_are_normal_to_the_tails() -> None:
    n = 2_000_000
    x = _normals(n)
    for power, moment in enumerate([0.0, 1.0, 0.0, 3.0, 0.0, 15.0], start=1):
        spread = np.sqrt(scipy.stats.norm.moment(2 * power) / n)
        assert abs(np.mean(x**power) - moment) < 4 * spread
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    # Every layer's edge and the tail beyond the last, each side: observed against expected counts.
    cuts = np.concatenate([-random._EDGE[1:256], random._EDGE[255:0:-1]])
    counts = np.histogram(x, np.concatenate([[-np.inf], np.unique(cuts), [np.inf]]))[0]
    shares = np.diff(scipy.stats.norm.cdf(np.concatenate([[-np.inf], np.unique(cuts), [np.inf]])))
    assert scipy.stats.chisquare(counts, shares * n).pvalue > 1e-3
    tail = x[np.abs(x) > random._TAIL]
    assert (
        scipy.stats.kstest(scipy.stats.norm.sf(np.abs(tail)) / scipy.stats.norm.sf(random._TAIL), "uniform").pvalue
        > 1e-3
    )


@pytest.mark.jit
def test_streams_and_neighbouring_deviates_are_unrelated() -> None:
    rows = np.stack([_normals(20_000, seed, stream) for seed in (0, 1, 2) for stream in range(20)])
    correlations = np.corrcoef(rows)[np.triu_indices(60, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(20_000)
    assert scipy.stats.kstest(correlations * np.sqrt(20_000), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(rows[:, 0], "norm").pvalue > 1e-3
    lagged = [np.mean(rows[:, :-k] * rows[:, k:]) for k in (1, 2, 3)]
    assert np.abs(lagged).max() < 5 / np.sqrt(60 * 20_000)


def test_filling_in_parts_gives_the_same_deviates() -> None:
    state = new_state(np.uint64(5), 2)
    parts = [np.empty(k) for k in (1, 400, 99)]
    for part in parts:
        fill_normal(state, part)
    np.testing.assert_array_equal(np.concatenate(parts), _normals(500, 5, 2))


def _ar1(phi: np.ndarray, sigma: np.ndarray, rows: int, first: int = 0, seed: int = 9) -> np.ndarray:
    out = np.empty((rows, phi.size))
    draw_ar1(phi, sigma, np.uint64(seed), first, out)
    return out


def test_rows_do_not_depend_on_the_chunks() -> None:
    phi, sigma = np.linspace(0.2, 0.9, 40), np.linspace(1.0, 3.0, 40)
    whole = _ar1(phi, sigma, 12)
    chunks = [_ar1(phi, sigma, rows, first) for first, rows in ((0, 5), (5, 1), (6, 6))]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)
    assert len(np.unique(whole[:, 0])) == 12


def test_rows_follow_the_recursion() -> None:
    phi, sigma = np.linspace(-0.5, 0.9, 30), np.linspace(1.0, 3.0, 30)
    (row,) = _ar1(phi, sigma, 1)
    e = _normals(30, 9, 0)
    expected = [sigma[0] / np.sqrt(1 - phi[0] ** 2) * e[0]]
    for t in range(1, 30):
        expected.append(phi[t] * expected[-1] + sigma[t] * e[t])
    np.testing.assert_allclose(row, expected, rtol=1e-12)


@pytest.mark.jit
def test_the_first_sample_has_the_stationary_law() -> None:
    rows = _ar1(np.full(50, 0.9), np.full(50, 0.5), 40_000)
    stationary = 0.25 / (1 - 0.81)
    np.testing.assert_allclose(rows.var(axis=0), stationary, rtol=0.05)
    np.testing.assert_allclose(np.mean(rows[:, 1:] * rows[:, :-1], axis=0), 0.9 * stationary, rtol=0.05)


def test_a_random_walk_starts_at_one_innovation() -> None:
    (row,) = _ar1(np.ones(5), np.full(5, 2.0), 1)
    np.testing.assert_allclose(row, 2.0 * np.cumsum(_normals(5, 9, 0)), rtol=1e-12)
