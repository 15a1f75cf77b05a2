"""The S-map Jacobian: the compiled fits against numpy's least squares, the kinds of bifurcation, its report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import ews
from ews._kernels.smap import local_maps
from ews.bifurcations import jacobian
from ews.bifurcations._jacobian.maps import choose_embedding, leading_eigenvalues
from ews.errors import (
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)


def autoregression(coefficients: list[float], n: int, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n + 50)
    for t in range(len(coefficients), n + 50):
        x[t] += sum(c * x[t - 1 - lag] for lag, c in enumerate(coefficients))
    return x[50:]


def maps_by_lstsq(z: np.ndarray, dimension: int, delay: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and predictions, one point at a time, as plainly as they can be written."""
    start = (dimension - 1) * delay
    vectors = np.stack([z[start - a * delay : z.size - 1 - a * delay] for a in range(dimension)], axis=1)
    target = z[start + 1 :]
    coefficients, predictions = [], []
    for i, here in enumerate(vectors):
        others = np.arange(target.size) != i
        distance = np.sqrt(((vectors[others] - here) ** 2).sum(axis=1))
        weight = np.exp(-theta * distance / distance.mean())
        design = np.column_stack([np.ones(distance.size), vectors[others]]) * weight[:, None]
        found = np.linalg.lstsq(design, target[others] * weight, rcond=None)[0]
        coefficients.append(found[1:])
        predictions.append(found[0] + here @ found[1:])
    return np.array(coefficients), np.array(predictions)


@pytest.mark.parametrize(("dimension", "delay"), [(1, 1), (2, 1), (3, 2), (5, 1)])
def test_local_maps_are_weighted_least_squares(dimension: int, delay: int) -> None:
    z = autoregression([0.9, -0.3], 70)
    z = (z - z.mean()) / z.std(ddof=1)
    points = 69 - (dimension - 1) * delay
    coefficients, predictions = np.empty((3, points, dimension)), np.empty((3, points))
    local_maps(z, dimension, delay, 0.4, 0.7, coefficients, predictions)
    for k, theta in enumerate((0.4, 1.1, 1.8)):
        theirs = maps_by_lstsq(z, dimension, delay, theta)
        # Normal equations square the condition number, here up to about 1e3.
        np.testing.assert_allclose(coefficients[k], theirs[0], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(predictions[k], theirs[1], rtol=1e-9, atol=1e-10)


def test_collinear_delays_do_not_break_the_fit() -> None:
    """On a cycle of period 2 the second delay repeats the first: its coefficient is 0 and the eigenvalue -1."""
    z = np.tile([1.0, -1.0], 20)
    coefficients, predictions = np.empty((1, 38, 2)), np.empty((1, 38))
    local_maps(z, 2, 1, 0.0, 0.0, coefficients, predictions)
    np.testing.assert_allclose(predictions[0], z[2:], atol=1e-12)
    np.testing.assert_allclose(leading_eigenvalues(coefficients[0], 1), -1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("coefficients", "delay", "expected"),
    [
        ([0.7], 1, 0.7),
        ([-0.7], 1, -0.7),
        ([0.5, 0.14], 1, 0.7),
        ([-0.5, 0.14], 1, -0.7),
        ([1.0, -0.5], 1, 0.5 + 0.5j),
        ([0.0, 0.64], 1, 0.8),
        ([0.6, -0.11, 0.006], 1, 0.3),
        ([0.0, 0.0, 0.512], 1, 0.8 * np.exp(1j * 2 * np.pi / 3)),  # three of one modulus: one with Im > 0
        ([0.0, -0.512], 2, 0.8 * np.exp(1j * np.pi / 3)),  # x[t+1] = −0.512 x[t−2]
    ],
)
def test_leading_eigenvalue_of_known_maps(coefficients: list[float], delay: int, expected: complex) -> None:
    found = leading_eigenvalues(np.array([coefficients]), delay)[0]
    assert abs(found - expected) < 1e-9


def test_smallest_sufficient_embedding_is_chosen() -> None:
    candidates = np.arange(1, 7), np.arange(1, 4)
    assert choose_embedding(autoregression([0.7], 400), *candidates) == (1, 1)
    assert choose_embedding(autoregression([1.3, -0.8], 400), *candidates) == (2, 1)
    assert choose_embedding(autoregression([0.0, 0.9], 400), *candidates)[0] == 2
    assert choose_embedding(autoregression([0.7], 400), np.array([3]), np.array([2])) == (3, 2)


def test_linear_system_gives_its_own_eigenvalue() -> None:
    """With θ = 0 and one delay the eigenvalue is the lag-1 regression slope, the same at every point but for one."""
    x = autoregression([0.6], 400)
    result = jacobian(x, detrend=None, dimension=1, delay=1, theta=0.0, n_surrogates=0)
    part = x[-200:]
    assert abs(result.real[-1] - np.polyfit(part[:-1], part[1:], 1)[0]) < 1e-4
    assert result.kind == "fold, transcritical or pitchfork"
    assert (result.theta == 0.0).all()


@pytest.mark.jit
@pytest.mark.parametrize(
    ("model", "kind", "place"),
    [
        ("ricker", "period doubling", -1.0),
        ("harvested_population", "fold, transcritical or pitchfork", 1.0),
        ("pitchfork", "fold, transcritical or pitchfork", 1.0),
        ("hopf", "Hopf or Neimark-Sacker", None),
    ],
)
def test_eigenvalue_moves_to_the_place_of_the_bifurcation(model: str, kind: str, place: float | None) -> None:
    for seed in (1, 2, 3):
        simulation = getattr(ews.models, model)(n=500, seed=seed)
        result = jacobian(simulation, until=simulation.transition, n_surrogates=0)
        assert result.kind == kind
        half = result.index.size // 2
        if place is not None:
            assert place * result.real[-1] > 0.6
            assert place * (result.real[-1] - result.real[half]) > 0.0
        assert result.modulus[-1] > result.modulus[0]
        assert 0.6 < result.modulus[-1] < 1.05


@pytest.mark.jit
@pytest.mark.parametrize(("model", "still"), [("hopf", {"attack": 9.0}), ("ricker", {"growth": 0.5})])
def test_trend_counts_before_a_bifurcation_and_not_in_its_null(model: str, still: dict[str, float]) -> None:
    simulation = getattr(ews.models, model)(n=400, seed=1)
    assert jacobian(simulation, until=simulation.transition, n_surrogates=99).warning
    assert not jacobian(getattr(ews.models, model)(n=400, seed=1, **still), n_surrogates=99).warning


@pytest.mark.jit
def test_what_is_tested_is_the_approach_to_the_place_of_the_last_window() -> None:
    simulation = ews.models.ricker(n=300, seed=1)
    result = jacobian(simulation, until=simulation.transition, n_surrogates=9)
    np.testing.assert_array_equal(result.approach, -result.real)
    assert result.tau == ews.trends.kendall(result.approach).statistic
    assert result.modulus_tau == ews.trends.kendall(result.modulus).statistic
    assert result.tau > 0.8 > result.modulus_tau  # |ν| falls while ν goes from above 0 to 0


def test_result_is_recorded_and_repeats() -> None:
    times = pd.date_range("2020-01-01", periods=80, freq="D")
    x = pd.Series(autoregression([0.5], 80), index=times, name="lake")
    result = jacobian(x, window=30, stride=10, n_surrogates=9, seed=4)
    np.testing.assert_array_equal(result.index, [29, 39, 49, 59, 69, 79])
    np.testing.assert_array_equal(result.time, times.to_numpy()[result.index])
    again = jacobian(x, window=30, stride=10, n_surrogates=9, seed=4)
    np.testing.assert_array_equal(result.surrogate_tau, again.surrogate_tau)
    np.testing.assert_allclose(result.shares.sum(axis=1), 1.0)
    text = result.summary()
    assert "'lake'" in text
    assert max(map(len, text.splitlines())) <= 120
    stored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert stored["config"]["stride"] == 10
    assert stored["modulus"][-1] == result.modulus[-1]
    assert len(result.plot().axes) == 4


def test_constant_windows_are_nan_and_have_no_kind() -> None:
    x = np.r_[autoregression([0.5], 60), np.zeros(40)]
    result = jacobian(x, detrend=None, window=30, stride=10, n_surrogates=0)
    assert np.isfinite(result.modulus[:4]).all()
    assert np.isnan(result.modulus[-1])
    assert result.kind is None
    assert "Eigenvalue" in result.summary()


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        (["a", "b"], {}, InputTypeError),
        ([1.0, np.nan, 2.0] * 20, {}, MissingValuesError),
        (np.ones(80), {}, ValueRangeError),
        (np.arange(20.0), {}, SeriesTooShortError),
        (autoregression([0.5], 80), {"window": 10}, WindowError),
        (autoregression([0.5], 80), {"null": "ar2"}, UnknownNameError),
        (autoregression([0.5], 80), {"dimension": 0}, ValueRangeError),
        (autoregression([0.5], 80), {"dimension": 30}, SeriesTooShortError),
        (autoregression([0.5], 80), {"delay": 1.5}, ValueRangeError),
        (autoregression([0.5], 80), {"theta": -1.0}, ValueRangeError),
        (autoregression([0.5], 80), {"stride": 0}, ValueRangeError),
        (autoregression([0.5], 80), {"companion": "puplished"}, UnknownNameError),
    ],
)
def test_bad_input_is_refused_by_name(series: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        jacobian(series, **options)
