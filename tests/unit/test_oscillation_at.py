"""Records that oscillate and have gaps or uneven times: recognised, held against their like, damping seen."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from ews._analysis.score_tests.modes_at import modes_at
from ews._analysis.score_tests.shapes import weights_at
from ews.nulls import AR1AtTimes
from ews.nulls.modes_at_times import ModesAtTimes

N = 150


def oscillation(at: np.ndarray, *, period: float = 12.0, ratio: float = 0.1, noise: float = 0.01) -> ModesAtTimes:
    """A damped oscillation that never changes."""
    frequency = 2.0 * np.pi / period
    return ModesAtTimes(np.array([[ratio * frequency, frequency, 1.0, 1.0]]), np.full(at.size, noise), at)


def times(how: str, rng: np.random.Generator, n: int = N) -> np.ndarray:
    """Times of observation, in order, from 0."""
    if how == "at random":
        at = np.sort(rng.uniform(0.0, n, n))
    elif how == "ever denser":
        at = n * np.sort(rng.random(n)) ** 0.5
    elif how == "jittered":
        at = np.arange(n) + rng.uniform(-0.3, 0.3, n)
    elif how == "gaps":
        at = np.flatnonzero(rng.random(n) < 0.7).astype(float)
    elif how == "gaps early":
        at = np.flatnonzero(rng.random(n) > np.where(np.arange(n) < n // 2, 0.6, 0.0)).astype(float)
    else:
        at = np.delete(np.arange(float(n)), slice(40, 80))
    return at - at[0]


SAMPLINGS = ("at random", "ever denser", "jittered", "gaps", "gaps early", "one gap")


@pytest.mark.parametrize("how", SAMPLINGS)
def test_oscillations_are_found_at_any_times_and_red_noise_is_none(how: str) -> None:
    rng, mistaken = np.random.default_rng(5), 0
    for seed in range(2):
        at = times(how, rng)
        x = oscillation(at).draw(0, 1, seed=seed)[0]
        found = modes_at(x, at, weights_at(at)[0], np.zeros(at.size))
        assert found is not None
        assert found.mode.period == pytest.approx(12.0, rel=0.2)
        assert found.mode.damping == pytest.approx(0.1, abs=0.09)
        assert found.mode.share > 0.7
        for phi in (0.05, 0.8):
            red = AR1AtTimes(phi, 1.0, at).draw(0, 1, seed=seed)[0]
            mistaken += modes_at(red, at, weights_at(at)[0], np.zeros(at.size)) is not None
    assert mistaken <= 1  # of four: some 0.02 are


@pytest.mark.parametrize(
    ("how", "missing"), [("ever denser", "keep"), ("ever denser", "interpolate"), ("gaps early", "keep")]
)
def test_still_oscillations_do_not_warn(how: str, missing: str) -> None:
    warned = 0
    for seed in range(16):
        at = times(how, np.random.default_rng(seed))
        x = oscillation(at, ratio=0.06).draw(0, 1, seed=seed)[0]
        warned += ews.score_tests(x, time=at, missing=missing, n_surrogates=99, seed=seed).warning
    assert warned <= 3  # at a rate of 0.06, more come in 0.014 of runs


@pytest.mark.parametrize("how", ["at random", "gaps"])
def test_lost_damping_is_seen_at_any_times(how: str) -> None:
    seen = 0
    for seed in range(6):
        at = times(how, np.random.default_rng(seed), 400)
        ratio, dense = 0.3 * (1.0 - np.arange(3200) / 3200), 400 / 3200
        rng, state, x = np.random.default_rng(seed), 0.0, np.empty(3200)
        frequency = 2.0 * np.pi / 10.0
        for t in range(3200):
            state = state * np.exp((1j - ratio[t]) * frequency * dense) + complex(*rng.standard_normal(2))
            x[t] = state.real
        found = ews.score_tests(x[np.round(at / dense).astype(int)], time=at, n_surrogates=199)
        assert found["damping"].end > found["damping"].start or "damping" not in found.kinds
        seen += "damping" in found.kinds
    assert seen >= 5


@pytest.mark.parametrize("how", ["ever denser", "gaps"])
def test_unit_offset_and_zero_of_time_change_nothing(how: str) -> None:
    at = times(how, np.random.default_rng(2))
    x = oscillation(at).draw(0, 1, seed=1)[0]
    plain = ews.detect(x, time=at, n_surrogates=99)
    assert "oscillation" in plain.null_sentence
    for values, time in ((x * 1e6 + 1e9, at), (1e-9 * x, at + 4096.0)):
        other = ews.detect(values, time=time, n_surrogates=99)
        assert other.verdict == plain.verdict
        assert other.scores["damping"].score == pytest.approx(plain.scores["damping"].score, abs=2e-3)
        assert other.powers == pytest.approx(plain.powers, abs=0.03)


def test_the_report_names_the_oscillation_and_its_choice() -> None:
    at = times("gaps", np.random.default_rng(3))
    found = ews.score_tests(oscillation(at).draw(0, 1, seed=4)[0], time=at, n_surrogates=99)
    said = " ".join(found.summary().split())
    assert "damped oscillation at the times of the record (period 1" in said
    assert "chosen over red noise by BIC" in said
    assert np.all(found.modulus_lower <= found.modulus)
    assert np.all(found.modulus <= found.modulus_upper)
    assert found.modulus.size == at.size
    filled = ews.score_tests(oscillation(at).draw(0, 1, seed=4)[0], time=at, missing="interpolate", n_surrogates=99)
    assert filled.modulus.size == filled.series.values.size > at.size
    assert "filled in where the record was" in " ".join(filled.summary().split())
