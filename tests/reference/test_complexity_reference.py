"""Scaling and complexity against kept libraries, whose numbers were made once on the series below, and against theory.

antropy 0.2.3, neurokit2 0.2.13, nolds 0.6.3 and EntropyHub 2.0 agree with each other to the digits given here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import ews

TOLERANCE = 1e-12  # sums of a few hundred terms in another order


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    x = np.random.default_rng(2024).standard_normal(300)
    for t in range(1, 300):
        x[t] += 0.7 * x[t - 1]
    assert x[-1] == pytest.approx(-1.4630741523287576, abs=1e-12)  # the generator still gives the same numbers
    return x


def last(values: np.ndarray) -> float:
    return float(values[-1])


@pytest.mark.parametrize(
    ("dimension", "tolerance", "expected"),
    [(2, 0.2, 1.7672894781661046), (3, 0.3, 1.3957731050744344), (1, 0.15, 2.1564576959356563)],
)
def test_sample_entropy_of_antropy_neurokit_entropyhub(
    series: np.ndarray, dimension: int, tolerance: float, expected: float
) -> None:
    """antropy.sample_entropy(x, order, tolerance=tolerance * x.std(ddof=1)) and the like."""
    ours = last(ews.sample_entropy(series, window=300, dimension=dimension, tolerance=tolerance))
    assert ours == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize(
    ("order", "delay", "expected"),
    [
        (3, 1, 0.96940480860222),
        (4, 1, 0.9493147982470121),
        (3, 2, 0.9912820189404008),
        (5, 3, 0.9213885428660205),
    ],
)
def test_permutation_entropy_of_antropy_neurokit(series: np.ndarray, order: int, delay: int, expected: float) -> None:
    """antropy.perm_entropy(x, order, delay, normalize=True)."""
    ours = last(ews.permutation_entropy(series, window=300, order=order, delay=delay))
    assert ours == pytest.approx(expected, rel=TOLERANCE)


def test_lempel_ziv_complexity_of_antropy_neurokit(series: np.ndarray) -> None:
    """antropy.lziv_complexity(x > median(x), normalize=True): 30 phrases."""
    ours = last(ews.lempel_ziv_complexity(series, window=300))
    assert ours == pytest.approx(0.8228818690495882, rel=TOLERANCE)


SIZES = (5, 6, 10, 12, 15, 20, 25, 30, 50, 60)  # all divide 300: the others cut from the start only


def test_dfa_exponent_of_nolds_neurokit(series: np.ndarray) -> None:
    """nolds.dfa(x, nvals=SIZES, overlap=False, order=1, fit_exp="poly")."""
    ours = last(ews.dfa_exponent(series, window=300, sizes=SIZES))
    assert ours == pytest.approx(0.9967860342926437, rel=TOLERANCE)


def test_hurst_exponent_of_nolds(series: np.ndarray) -> None:
    """nolds.hurst_rs(x, nvals=SIZES, fit="poly", corrected=True, unbiased=False).

    nolds multiplies the expectation by (s - 1/2) / s, an empirical factor for a standard deviation with ddof 1. With
    ddof 0, which both use here, the expectation of Anis and Lloyd is exact without it: see the test below.
    """
    across = np.log(SIZES) - np.mean(np.log(SIZES))
    factor = np.log([(size - 0.5) / size for size in SIZES])
    ours = last(ews.hurst_exponent(series, window=300, sizes=SIZES))
    assert ours - across @ factor / (across @ across) == pytest.approx(0.7028369700924779, rel=TOLERANCE)


@pytest.mark.jit
@pytest.mark.parametrize("window", [12, 50, 200])
def test_hurst_exponent_of_white_noise_is_one_half(window: int) -> None:
    """The mean of log is below the log of the mean, alike at all sizes but the largest: hence a bias of up to 0.03."""
    noise = np.random.default_rng(1).standard_normal((4000, window))
    values = ews.hurst_exponent(noise, window=window)[:, -1]
    assert abs(values.mean() - 0.5) < 0.03


@pytest.mark.jit
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_permutation_entropy_of_an_autoregression_is_that_of_theory(phi: float) -> None:
    """Bandt & Shiha (2007): rising and falling throughout have probability arcsin(sqrt(1 + phi) / 2) / pi each."""
    straight = math.asin(math.sqrt(1 + phi) / 2) / math.pi
    shares = np.array([straight] * 2 + [(1 - 2 * straight) / 4] * 4)
    expected = -(shares * np.log(shares)).sum() / math.log(6)
    assert last(ews.permutation_entropy(red_noise(phi), window=100_000)) == pytest.approx(expected, abs=2e-3)


@pytest.mark.jit
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_sample_entropy_of_an_autoregression_is_that_of_theory(phi: float) -> None:
    """Differences of two stretches are Gaussian: -ln of P(both differences within r) over P(one within r)."""
    from scipy.stats import multivariate_normal, norm

    r = 0.2 / math.sqrt(2)
    pair = multivariate_normal([0, 0], [[1, phi], [phi, 1]])
    corners = pair.cdf([r, r]) - 2 * pair.cdf([r, -r]) + pair.cdf([-r, -r])
    expected = -math.log(corners / (norm.cdf(r) - norm.cdf(-r)))
    ours = last(ews.sample_entropy(red_noise(phi, 4000), window=4000, dimension=1))
    assert ours == pytest.approx(expected, abs=0.03)


def red_noise(phi: float, n: int = 100_000) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -phi], np.random.default_rng(3).standard_normal(n + 200))[200:]


@pytest.mark.jit
def test_dfa_exponent_of_white_noise_and_its_sums() -> None:
    noise = np.random.default_rng(4).standard_normal(20_000)
    sizes = tuple(range(50, 1000, 50))
    assert last(ews.dfa_exponent(noise, window=20_000, sizes=sizes)) == pytest.approx(0.5, abs=0.05)
    assert last(ews.dfa_exponent(noise.cumsum(), window=20_000, sizes=sizes)) == pytest.approx(1.5, abs=0.05)
