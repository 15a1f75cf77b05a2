"""Drift, diffusion and jumps: the formulas, a known jump process, the trends, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import ews
import ews.bifurcations
from ews.bifurcations._jumps.moments import NAMES, components
from ews.errors import ArgumentError, UnknownNameError, ValueRangeError


def naive(x: np.ndarray, grid: np.ndarray, bandwidth: float, step: float) -> dict[str, np.ndarray]:
    """The formulas as they stand."""
    dx, before, after = np.diff(x), x[:-1], x[1:]
    weight = np.exp(-0.5 * ((grid[:, None] - before) / bandwidth) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    m1, m2, m4, m6 = (weight @ dx**k / step for k in (1, 2, 4, 6))
    jump_variance = np.mean(m6 / m4) / 5
    intensity = m4 / (3 * jump_variance**2)
    return {
        "drift": m1,
        "conditional_variance": weight @ after**2 - (weight @ after) ** 2,
        "total_variance": m2,
        "diffusion": np.maximum(m2 - intensity * jump_variance, 0),
        "jump_intensity": intensity,
    }


def test_components_are_those_of_the_formulas() -> None:
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.standard_normal(40)) + 3 * (rng.random(40) < 0.1)
    found = components(x[None, :], bandwidth=0.4, points=60, step=0.25)
    expected = naive(x, found.grid[0], 0.4 * x.std(ddof=1), 0.25)
    np.testing.assert_allclose(found.grid[0, [0, -1]], [x.min(), x.max()])
    np.testing.assert_allclose(found.drift[0], expected["drift"], rtol=1e-9, atol=1e-12)
    for k, name in enumerate(NAMES):
        np.testing.assert_allclose(found.values[k, 0], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.jit
def test_gaussian_increments_count_as_one_jump_a_step() -> None:
    """What the notes say: increments N(0, s²) give σ_Z² = s², λ = 1/Δ and D = 0."""
    x = np.random.default_rng(2).standard_normal(20000).cumsum() * 0.3
    result = ews.bifurcations.jumps(x, time=0.5 * np.arange(x.size), n_surrogates=0)
    assert result.jump_variance == pytest.approx(0.09, rel=0.05)
    assert np.median(result.by_state["jump_intensity"]) == pytest.approx(2.0, rel=0.1)
    assert np.median(result.by_state["diffusion"]) < 0.02
    assert np.median(result.by_state["total_variance"]) == pytest.approx(0.18, rel=0.05)


@pytest.mark.jit
def test_rare_large_jumps_are_told_from_the_diffusion() -> None:
    rng = np.random.default_rng(3)
    n, rate = 40000, 0.02
    noise = 0.1 * rng.standard_normal(n) + np.where(rng.random(n) < rate, 2.0 * rng.standard_normal(n), 0.0)
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = 0.9 * x[t - 1] + noise[t]
    result = ews.bifurcations.jumps(x, n_surrogates=0)
    # Averaged over the grid, as the method has it, states reached by jumps alone weigh as much as all others, and the
    # size is taken for too small and the rate for too high; both are still far from the 0.1 and 1 of the diffusion.
    assert np.median(result.by_state["jump_intensity"]) < 0.15
    assert 1.0 < result.jump_variance < 5.0


@pytest.mark.jit
def test_trend_of_a_component_is_tested() -> None:
    """Noise that grows with the state, and a state that climbs: a rise that red noise does not show."""
    rng = np.random.default_rng(4)
    x = np.zeros(300)
    for t in range(1, 300):
        x[t] = 0.02 * t + (0.2 + 0.004 * t) * rng.standard_normal()
    result = ews.bifurcations.jumps(x, n_surrogates=199, seed=1)
    assert result.tau["total_variance"] > 0.3
    assert result.pvalue_adjusted["total_variance"] >= result.pvalue["total_variance"]
    assert result.warning == any(result.tau[name] > 0 and result.pvalue_adjusted[name] <= 0.05 for name in result.tau)


@pytest.mark.slow
@pytest.mark.jit
def test_red_noise_has_a_trend_at_the_level_only() -> None:
    """Of 500 records, the smallest of four adjusted p-values is at most 0.05 in no more than 0.075."""
    found = 0
    for seed in range(500):
        x = ews.models.ar1(n=100, coefficient=0.7, seed=seed)
        result = ews.bifurcations.jumps(x, n_surrogates=99, points=100, seed=seed)
        found += min(result.pvalue_adjusted.values()) <= 0.05
    assert 0.005 <= found / 500 <= 0.075


def test_results_tell_everything() -> None:
    x = np.random.default_rng(5).standard_normal(40)
    result = ews.bifurcations.jumps(x, detrend="difference", points=20, n_surrogates=9, seed=6)
    for values in result.in_time.values():
        assert values.shape == (40,)
        assert np.isnan(values[0])  # the sample that differencing costs
        assert np.isfinite(values[1:]).all()
    assert all(taus.shape == (9,) for taus in result.surrogate_tau.values())
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["config"]["seed"] == 6
    text = result.summary()
    assert "seed 6" in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(result.plot().axes) == 9


@pytest.mark.jit
def test_the_seed_decides_the_surrogates_and_threads_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(5).standard_normal(60).cumsum()

    def taus(threads: str, seed: int) -> np.ndarray:
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        found = ews.bifurcations.jumps(x, n_surrogates=600, points=50, seed=seed)
        return np.stack(list(found.surrogate_tau.values()))

    np.testing.assert_array_equal(taus("1", 5), taus("2", 5))
    assert not np.array_equal(taus("1", 5), taus("1", 6))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kernel_bandwidth": 0.0}, ValueRangeError),
        ({"kernel_bandwidth": float("inf")}, ValueRangeError),
        ({"points": 5}, ValueRangeError),
        ({"points": 50.0}, ValueRangeError),
        ({"n_surrogates": 1.5}, ValueRangeError),
        ({"alpha": 2}, ValueRangeError),
        ({"null": "ar2"}, UnknownNameError),
        ({"causal": "yes"}, ArgumentError),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, object], error: type[ArgumentError]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        ews.bifurcations.jumps(np.random.default_rng(1).standard_normal(60), **options)


@pytest.mark.parametrize("series", [np.ones(60), np.arange(12.0), [], np.full(60, np.nan), ["a"] * 60])
def test_series_that_cannot_be_used(series: object) -> None:
    with pytest.raises(ArgumentError, match="series"):
        ews.bifurcations.jumps(series)
