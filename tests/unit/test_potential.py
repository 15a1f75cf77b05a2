"""Potential analysis: known landscapes, the merging of wells, how sure their number is, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import ews
import ews.bifurcations
from ews.bifurcations._potential.wells import find_wells, kernel_density, rule_of_thumb
from ews.errors import ArgumentError, ValueRangeError, WindowError


def merged(potential: np.ndarray, barrier: float, ceiling: float) -> tuple[int, float]:
    """Wells by flooding: raise the water from the lowest point, and join basins as they meet (the slow way)."""
    order = np.argsort(potential, kind="stable")
    basin: dict[int, int] = {}
    joins = []
    for k in order:
        beside = sorted({basin[j] for j in (k - 1, k + 1) if j in basin}, key=lambda b: potential[b])
        if not beside:
            basin[k] = int(k)
            continue
        basin[k] = beside[0]
        for shallower in beside[1:]:
            if potential[shallower] - potential.min() <= ceiling:
                joins.append(potential[k] - potential[shallower])
            for j in [j for j, b in basin.items() if b == shallower]:
                basin[j] = beside[0]
    return 1 + sum(join >= barrier for join in joins), max(joins, default=0.0)


@pytest.mark.parametrize("seed", range(12))
def test_wells_are_those_of_flooding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.choice([-4.0, 0.0, 1.5, 5.0], 60) + rng.standard_normal(60) * rng.uniform(0.1, 1.2)
    width = float(rng.uniform(0.15, 0.6))
    found = find_wells(x[None, :], width, 0.1)
    span = np.ptp(x) + 6 * width
    points = int(np.clip(np.ceil(span / width * 8), 64, 8192))
    density = kernel_density(x, np.linspace(x.min() - 3 * width, x.max() + 3 * width, points), width)
    potential = -np.log(np.maximum(density / density.max(), 1e-12))
    wells, highest = merged(potential, 0.1, np.log(10))
    assert found.count[0] == wells
    # Basins above the ceiling are filled first here and left out there: the barriers of the others are the same.
    assert found.barrier[0] == pytest.approx(highest, rel=1e-6, abs=1e-9)


def test_density_is_the_mean_of_gaussians() -> None:
    x = np.random.default_rng(1).standard_t(2, 50)
    at = np.linspace(x.min() - 1, x.max() + 1, 300)
    naive = np.exp(-0.5 * ((at[:, None] - x) / 0.3) ** 2).mean(axis=1) / (0.3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(kernel_density(x, at, 0.3), naive, rtol=1e-10, atol=1e-15)


def test_bandwidth_falls_back_on_the_sd_where_half_of_the_values_are_equal() -> None:
    x = np.r_[np.zeros(15), -1.0, 1.0, 2.0]
    assert rule_of_thumb(x) == pytest.approx(1.06 * x.std(ddof=1) * 18**-0.2)
    even = np.arange(30.0)
    assert rule_of_thumb(even) == pytest.approx(1.06 * even.std(ddof=1) * 30**-0.2)  # here the SD is the smaller


@pytest.mark.jit
def test_two_states_are_found_where_they_are_and_when_they_are() -> None:
    rng = np.random.default_rng(3)
    switching = np.where(rng.random(300) < 0.08, -1.0, 1.0).cumprod()
    x = np.r_[np.ones(300), switching] + 0.25 * rng.standard_normal(600)
    result = ews.bifurcations.potential(x, window=200, seed=1)
    assert result.n_wells == 2
    np.testing.assert_allclose(result.wells, [-1, 1], atol=0.15)
    assert -0.8 < result.saddles[0] < 0.8
    assert (result.rolling_wells[199:300] == 1).all()
    assert (result.rolling_wells[-100:] == 2).all()
    np.testing.assert_allclose(result.rolling_places[-1, :3:2], [-1, 1], atol=0.2)
    assert result.several
    assert result.well_share[2] > 0.9
    assert sum(result.well_share.values()) == pytest.approx(1.0)


def test_potential_is_minus_half_the_log_of_the_density() -> None:
    x = np.random.default_rng(2).standard_normal(80)
    result = ews.bifurcations.potential(x, noise=3.0, n_bootstrap=0, n_surrogates=0)
    np.testing.assert_allclose(result.potential, -4.5 * np.log(result.density))
    spacing = result.grid[1] - result.grid[0]
    assert result.density.sum() * spacing == pytest.approx(1.0, abs=2e-3)  # the rest lies beyond three bandwidths
    assert result.well_share == {}
    assert np.isnan(result.pvalue)
    assert not result.several


@pytest.mark.jit
def test_slow_noise_in_one_well_is_rarely_taken_for_two() -> None:
    """A record of strong memory shows several dips; the p-value allows for it."""
    dips, called = 0, 0
    for seed in range(60):
        x = ews.models.ar1(n=150, coefficient=0.95, seed=seed)
        result = ews.bifurcations.potential(x, n_bootstrap=0, n_surrogates=99, seed=seed)
        dips += result.n_wells > 1
        called += result.several
    assert dips > 5
    assert called <= 8  # of 60 at level 0.05: more than 8 has a chance of 1 in 200


def test_results_tell_everything() -> None:
    x = np.random.default_rng(4).standard_normal(60)
    result = ews.bifurcations.potential(x, window=40, n_bootstrap=5, n_surrogates=9, seed=8)
    assert result.rolling_wells.shape == (60,)
    assert np.isnan(result.rolling_wells[:39]).all()
    assert np.isfinite(result.rolling_wells[39:]).all()
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["config"]["seed"] == 8
    text = result.summary()
    assert "seed 8" in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(result.plot().axes) == 4


def test_a_constant_window_has_no_potential() -> None:
    x = np.r_[np.zeros(30), np.random.default_rng(1).standard_normal(40)]
    result = ews.bifurcations.potential(x, window=25, n_bootstrap=0, n_surrogates=0)
    assert np.isnan(result.rolling_wells[:30]).all()
    assert np.isfinite(result.rolling_wells[30:]).all()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kernel_bandwidth": 0.0}, ValueRangeError),
        ({"kernel_bandwidth": "nrd"}, ValueRangeError),
        ({"barrier": -1.0}, ValueRangeError),
        ({"barrier": float("nan")}, ValueRangeError),
        ({"noise": 0}, ValueRangeError),
        ({"noise": True}, ValueRangeError),
        ({"n_bootstrap": 2.5}, ValueRangeError),
        ({"n_surrogates": -1}, ValueRangeError),
        ({"window": 10}, WindowError),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, object], error: type[ArgumentError]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        ews.bifurcations.potential(np.random.default_rng(1).standard_normal(60), **options)


@pytest.mark.parametrize("series", [np.ones(60), np.arange(12.0), [], np.full(60, np.nan), ["a"] * 60])
def test_series_that_cannot_be_used(series: object) -> None:
    with pytest.raises(ArgumentError, match="series"):
        ews.bifurcations.potential(series)
