"""``ews.detect_multivariate`` by score tests: which modes drift and where they lead; and noise is no drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ews
from ews._analysis.multivariate.controls import towards
from ews._analysis.multivariate.modes import modes_of
from ews.multivariate.nulls import VAR1, draw_vector_autoregression

SLANTED = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
NOISE = np.array([[1.0, 0.4, 0.0], [0.4, 1.0, 0.4], [0.0, 0.4, 1.0]])
N = 300


def drawn(maps: Any, seed: int, n: int = N) -> np.ndarray:
    coefficients = np.broadcast_to(np.asarray(maps), (n, 3, 3))
    return draw_vector_autoregression(coefficients, NOISE, 0, 1, seed=seed)[0].T


def slanted(*values: float) -> np.ndarray:
    return SLANTED @ np.diag(values) @ SLANTED.T


def turning(modulus: float) -> np.ndarray:
    block = np.zeros((3, 3))
    block[:2, :2] = modulus * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    block[2, 2] = 0.4
    return SLANTED @ block @ SLANTED.T


def answer(data: Any, **options: Any) -> ews.MultivariateDetection:
    return ews.detect_multivariate(data, **{"n_surrogates": 199, **options})


@pytest.mark.parametrize(
    ("test", "bifurcation", "path", "values"),
    [
        ("memory towards +1", None, slanted, np.linspace(0.2, 0.97, N)),
        ("memory towards −1", "flip", slanted, np.linspace(-0.2, -0.97, N)),
        ("damping", "hopf", turning, np.linspace(0.4, 0.98, N)),
    ],
)
def test_a_mode_that_loses_stability_warns_and_says_where_it_goes(
    test: str, bifurcation: str | None, path: Any, values: np.ndarray
) -> None:
    maps = np.stack([path(value, 0.3, 0.1) if path is slanted else path(value) for value in values])
    found = answer(drawn(maps, seed=5))
    assert found.verdict == "warning"
    assert (found.kind, found.bifurcation) == ("slowing down", bifurcation)
    assert found.scores is not None
    assert test in found.scores.kinds
    one = found.scores[test]
    sign = -1.0 if bifurcation == "flip" else 1.0
    assert sign * (one.end - one.start) > 0.3
    assert sign * (one.drift_low if sign > 0 else one.drift_high) > 0
    assert set(found.powers) <= {"fold", "flip", "hopf"}
    assert found.power == min(found.powers.values())
    assert ("Hopf" if bifurcation == "hopf" else bifurcation or "+1") in found.summary()
    assert "drift of" in " ".join(axes.get_title(loc="right") for axes in found.plot().axes)
    if bifurcation is None:  # the direction whose memory grew leads, though the others vary as much
        weights = np.array(list(found.direction.values()))
        inside = weights / np.linalg.norm(weights)
        deviation = found.residual.std(axis=0)
        expected = SLANTED[:, 0] * deviation
        assert abs(inside @ expected) / np.linalg.norm(expected) > 0.9


@pytest.mark.parametrize(
    "growth",
    [np.linspace(1.0, 3.0, N)[:, None], np.where(np.arange(N) < 150, 1.0, 3.0)[:, None]],
    ids=["steady", "step"],
)
def test_noise_that_grows_is_no_warning(growth: np.ndarray) -> None:
    found = answer(drawn(slanted(0.5, 0.3, 0.1), seed=2) * growth)
    assert found.verdict != "warning"
    assert found.kind == "variance only"
    assert found.bifurcation is None
    assert "Variance only" in found.summary()


def test_steady_systems_rarely_warn() -> None:
    warned = [
        answer(drawn(slanted(0.7, 0.4, -0.5), seed=seed, n=80), n_surrogates=99).verdict == "warning"
        for seed in range(60)
    ]
    assert sum(warned) <= 8  # of 60 at 0.05, by chance more in 0.01 of runs


@pytest.mark.parametrize(
    "changed",
    [
        lambda x: x * [1e-6, 1e5, 3.0],
        lambda x: x + np.array([1e6, 0.0, -1e3]),
        lambda x: x @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -2.0], [0.3, 0.0, 1.0]]),
    ],
    ids=["units", "offsets", "mixtures"],
)
def test_modes_do_not_depend_on_how_variables_are_measured(changed: Any) -> None:
    x = drawn(slanted(0.7, 0.3, -0.4), seed=9, n=120)
    found, other = (
        answer(one, n_surrogates=0, indicators="jacobian_eigenvalue", detrend="linear") for one in (x, changed(x))
    )
    pairs = list(zip(found.tests, other.tests, strict=True))
    # Outliers are pulled in variable by variable: a mixture has others.
    tolerance = 0.5 if changed(np.eye(3))[0, 1] else 1e-6
    for one, same in pairs[:3]:
        assert same.score == pytest.approx(one.score, abs=tolerance)


def test_the_order_of_variables_changes_nothing() -> None:
    x = drawn(slanted(0.7, 0.3, -0.4), seed=9, n=120)
    found, other = (answer(one, n_surrogates=0) for one in (x, x[:, ::-1]))
    for one, same in zip(found.tests, other.tests, strict=True):
        assert same.score == pytest.approx(one.score, abs=1e-8)
    assert list(found.direction.values()) == pytest.approx(list(other.direction.values())[::-1])


def test_few_outliers_neither_make_nor_hide_a_warning() -> None:
    still, moving = slanted(0.5, 0.3, 0.1), np.linspace(0.2, 0.97, N)
    hit = np.random.default_rng(4).choice(N, 6, replace=False)
    for maps, warns in ((still, False), (np.stack([slanted(one, 0.3, 0.1) for one in moving]), True)):
        x = drawn(maps, seed=5)
        x[hit, np.arange(6) % 3] += 12.0 * x.std()
        assert (answer(x).verdict == "warning") == warns


def test_threads_and_null_and_copies() -> None:
    x = drawn(slanted(0.5, 0.3, 0.1), seed=1, n=90)
    kept = x.copy()
    found = answer(x, n_surrogates=60)
    np.testing.assert_array_equal(x, kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EWS_NUM_THREADS", "1")
        assert answer(x, n_surrogates=60) == found
    assert "Fourier" in answer(x, n_surrogates=60, null="fourier").null_sentence
    assert found.scores is not None
    np.testing.assert_allclose(found.scores.trend + found.scores.residual, found.scores.series.values)


def test_collinear_and_many_variables_are_taken() -> None:
    x = drawn(slanted(0.5, 0.3, 0.1), seed=1, n=120)
    double = answer(np.column_stack([x, x[:, 0]]), n_surrogates=39)
    assert np.isfinite([one.score for one in double.tests]).all()
    wide = np.random.default_rng(1).standard_normal((80, 20))
    assert answer(wide, n_surrogates=39).verdict != "warning"


def test_controls_have_the_memory_that_they_claim() -> None:
    null = VAR1(slanted(0.6, 0.3, -0.4), NOISE, 200, False)
    long = draw_vector_autoregression(np.broadcast_to(null.coefficients, (20_000, 3, 3)), NOISE, 0, 1, seed=1)
    modes = modes_of(long - long.mean(axis=2, keepdims=True))
    for kind, along, end in (("fold", modes.slow[0], 0.95), ("flip", modes.fast[0], -0.95)):
        maps = towards(null, kind)
        assert maps is not None
        # Along the mode the map is a number: l'A(t) = φ(t) l'.
        moved = along @ maps
        slope = moved @ along / (along @ along)
        np.testing.assert_allclose(moved, slope[:, None] * along, atol=0.06)
        assert slope[-1] / end >= 1.0
        assert (np.abs(np.linalg.eigvals(maps)).max(axis=1) < 1.0).all()
    assert towards(null, "hopf") is None
    pair = towards(VAR1(turning(0.5), NOISE, 200, False), "hopf")
    assert pair is not None
    modulus = np.abs(np.linalg.eigvals(pair)).max(axis=1)
    assert modulus[0] == pytest.approx(0.5, abs=0.01)
    assert modulus[-1] > 0.99
    assert (np.diff(modulus) >= 0).all()
