"""Flickering: two states raise the statistic; skewed, bounded, oscillating and growing noise does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from ews._analysis.score_tests.flickering import flickering
from ews.detrend.local_polynomial import plan_local_linear

SERIES, EASE = 300, 200


def filtered(noise: np.ndarray, *coefficients: float) -> np.ndarray:
    return signal.lfilter([1.0], np.r_[1.0, -np.array(coefficients)], noise, axis=1)[:, EASE:]


def residual(rows: np.ndarray) -> np.ndarray:
    """What the default smoother leaves."""
    rows = np.ascontiguousarray(rows)
    return rows - plan_local_linear(rows.shape[1], bandwidth=None, causal=False).rows(rows)


def raised(rows: np.ndarray) -> float:
    return float((flickering(residual(rows)) > 0).mean())


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((SERIES, n + EASE))


# 300 series of a rate of 0.05 give more than 0.09 once in a thousand.
@pytest.mark.jit
@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("law", [stats.expon(), stats.gamma(4), stats.uniform(), stats.lognorm(1), stats.poisson(3)])
def test_skewed_and_bounded_noise_is_one_state(n: int, law: object) -> None:
    for seed, phi in enumerate((0.0, 0.5, 0.9)):
        scores = filtered(noise(n, seed), phi) * np.sqrt(1.0 - phi**2)
        assert raised(law.ppf(stats.norm.cdf(scores))) <= 0.09


@pytest.mark.jit
@pytest.mark.parametrize("n", [60, 100, 400, 1000])
def test_red_noise_and_noise_that_grows_are_one_state(n: int) -> None:
    u = np.linspace(0.0, 1.0, n)
    grows = np.r_[np.ones(EASE), 1.0 + u]
    for seed, phi in enumerate((0.0, 0.5, 0.9, 0.97)):
        assert raised(filtered(noise(n, seed), phi)) <= 0.05
        assert raised(filtered(noise(n, seed + 9) * grows, phi)) <= 0.09
        assert raised(filtered(noise(n, seed), phi) + 8.0 / np.sqrt(1.0 - phi**2) * (u > 0.75)) <= 0.09
    assert raised(noise(n, 5)[:, EASE:].cumsum(axis=1)) <= 0.05
    assert (flickering(filtered(noise(n, 6), 0.7)) > 0).mean() <= 0.05  # without a smoother


@pytest.mark.jit
@pytest.mark.parametrize("n", [100, 400])
def test_oscillations_are_no_two_states(n: int) -> None:
    t = np.arange(n)
    for period in (2.5, 4.0, 12.0, 25.0, 60.0):
        for modulus in (0.8, 0.95, 0.99):
            rows = filtered(noise(n, 1), 2.0 * modulus * np.cos(2 * np.pi / period), -(modulus**2))
            assert raised(rows) <= 0.04
        phase = np.random.default_rng(2).uniform(0.0, 2 * np.pi, (SERIES, 1))
        for size in (0.05, 0.5):
            assert raised(np.sin(2 * np.pi * t / period + phase) + size * filtered(noise(n, 3), 0.3)) <= 0.04


def late_switches(n: int, chance: float, distance: float, seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = 1.0 - 2.0 * ((rng.random((SERIES, n)) < chance).cumsum(axis=1) % 2)
    return distance * np.where(np.arange(n) > 0.67 * n, state, -1.0) + filtered(noise(n, seed + 1), 0.3)


@pytest.mark.jit
def test_late_switches_are_found() -> None:
    assert raised(late_switches(400, 0.1, 2.5)) > 0.75
    assert raised(late_switches(400, 0.25, 2.5)) > 0.9
    assert raised(late_switches(100, 0.25, 2.5)) > 0.5
    near = [flickering(residual(late_switches(400, 0.2, distance))).mean() for distance in (1.0, 2.0, 3.0)]
    assert near == sorted(near)


def test_unit_sign_and_neighbours_do_not_matter() -> None:
    rows = residual(late_switches(120, 0.2, 2.5))[:20]
    found = flickering(rows)
    assert np.count_nonzero(found) > 5
    for scale in (-1.0, 1e-9, 3e150):
        np.testing.assert_allclose(flickering(rows * scale), found, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(flickering(rows[7:8]), found[7:8])


def test_gaps_are_left_out_and_too_few_say_nothing() -> None:
    rows = residual(late_switches(300, 0.2, 3.0))[:40]
    kept = rows.copy()
    gappy = rows.copy()
    gappy[np.random.default_rng(1).random(rows.shape) < 0.15] = np.nan
    before = gappy.copy()
    found = flickering(gappy)
    assert np.isfinite(found).all()
    assert np.count_nonzero(found) > 20
    np.testing.assert_array_equal(gappy, before)
    np.testing.assert_array_equal(rows, kept)
    gappy[0, 150:280] = np.nan  # 20 samples of the last half, so 19 steps
    gappy[1] = np.nan
    gappy[2] = 1.0
    gappy[3, 150::2] = np.nan  # no two in a row
    assert np.isnan(flickering(gappy)[:4]).all()
