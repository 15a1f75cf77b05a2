"""Scaling and complexity: values known by hand, options, refusals, and what cannot be measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import ews
from ews.errors import ArgumentError, ValueRangeError
from ews.indicators.scaling import segment_sizes
from tests.reference import naive_complexity as naive


def noise(n: int = 60, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_segment_sizes_reach_from_four_to_a_quarter_of_the_window() -> None:
    assert segment_sizes(400)[[0, -1]].tolist() == [4, 100]
    assert segment_sizes(12).tolist() == [4, 5, 6]
    assert len(segment_sizes(10_000)) == 12


@pytest.mark.parametrize("window", [12, 31, 60])
def test_exponents_are_those_of_the_definition(window: int) -> None:
    x = noise()
    for ours, theirs in ((ews.dfa_exponent, naive.dfa_exponent), (ews.hurst_exponent, naive.hurst_exponent)):
        expected = [theirs(x[end - window : end]) for end in range(window, 61)]
        np.testing.assert_allclose(ours(x, window=window)[window - 1 :], expected, rtol=1e-10)


def test_chosen_sizes_are_used_in_any_order_and_once() -> None:
    x = noise()
    ours = ews.dfa_exponent(x, window=60, sizes=[15, 5, 10, 5])[-1]
    assert ours == pytest.approx(naive.dfa_exponent(x, [5, 10, 15]), rel=1e-10)
    assert ours != ews.dfa_exponent(x, window=60)[-1]


@pytest.mark.parametrize("exponent", [ews.dfa_exponent, ews.hurst_exponent])
@pytest.mark.parametrize("sizes", [(3, 10), (10,), (10, 10), (10, 61), (10.5, 20), "ab", 5, ()])
def test_sizes_that_cannot_be_used(exponent: Callable[..., object], sizes: object) -> None:
    with pytest.raises(ValueRangeError, match="sizes: got"):
        exponent(noise(), window=60, sizes=sizes)


@pytest.mark.parametrize("exponent", [ews.dfa_exponent, ews.hurst_exponent])
def test_steps_that_fit_the_segments_have_no_exponent(exponent: Callable[..., np.ndarray]) -> None:
    """Every segment of 4 samples is constant: nothing fluctuates within, which has no logarithm."""
    x = np.repeat([0.0, 1.0, 5.0, 2.0, 3.0, 1.0], 4)
    assert np.isnan(exponent(x, window=24, sizes=(4, 8))[-1])
    assert np.isfinite(exponent(x, window=24, sizes=(6, 8))[-1])


def test_sample_entropy_by_hand() -> None:
    # Pairs that match over 2 samples: (0, 3), (1, 4); over 3: (0, 3). Only stretches with a successor count.
    x = np.array([0.0, 5.0, 9.0, 0.0, 5.0, 9.0, 20.0])
    assert ews.sample_entropy(x, window=7, tolerance=0.01)[-1] == pytest.approx(math.log(2 / 1))


def test_sample_entropy_without_matches_is_the_highest_there_is() -> None:
    x = np.arange(10.0) ** 2
    assert ews.sample_entropy(x, window=10, tolerance=0.01)[-1] == pytest.approx(math.log(8 * 7 / 2))
    assert naive.sample_entropy(x, tolerance=0.01) == pytest.approx(math.log(28))


@pytest.mark.parametrize(("dimension", "tolerance"), [(1, 0.2), (2, 0.5), (4, 1.0)])
def test_sample_entropy_is_that_of_the_definition(dimension: int, tolerance: float) -> None:
    x = noise()
    expected = naive.sample_entropy(x[-40:], dimension, tolerance)
    ours = ews.sample_entropy(x, window=40, dimension=dimension, tolerance=tolerance)[-1]
    assert ours == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("order", "delay"), [(2, 1), (3, 4), (5, 2), (7, 1)])
def test_permutation_entropy_is_that_of_the_definition(order: int, delay: int) -> None:
    x = np.round(noise(), 1)  # with equal values
    ours = ews.permutation_entropy(x, window=40, order=order, delay=delay)[-1]
    assert ours == pytest.approx(naive.permutation_entropy(x[-40:], order, delay), rel=1e-12)


def test_one_pattern_alone_has_no_entropy() -> None:
    value = ews.permutation_entropy(np.arange(20.0), window=20)[-1]
    assert value == 0.0
    assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize(
    ("symbols", "count"),
    [
        ("0001101001000101", 6),  # Kaspar & Schuster (1987): 0.001.10.100.1000.101
        ("0111111111111111", 3),  # 0.1.11...
        ("0101010101010101", 3),  # 0.1.0101...
    ],
)
def test_lempel_ziv_phrases(symbols: str, count: int) -> None:
    from ews._kernels.complexity import _phrases

    assert _phrases(np.array([int(symbol) for symbol in symbols])) == count
    assert len(naive.phrases(symbols)) == count


def test_lempel_ziv_of_an_odd_window_takes_the_median_as_low() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # 0.00 is one copy, then 1, then its copy: 0.001.1
    assert ews.lempel_ziv_complexity(x, window=5)[-1] == pytest.approx(3 * math.log2(5) / 5)
    assert naive.phrases("00011") == ["0", "001", "1"]


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda x: ews.sample_entropy(x, window=20, dimension=0), "dimension"),
        (lambda x: ews.sample_entropy(x, window=20, dimension=1.5), "dimension"),
        (lambda x: ews.sample_entropy(x, window=20, tolerance=0.0), "tolerance"),
        (lambda x: ews.sample_entropy(x, window=20, tolerance=float("nan")), "tolerance"),
        (lambda x: ews.sample_entropy(x, window=6, dimension=4), "window"),
        (lambda x: ews.permutation_entropy(x, window=20, order=1), "order"),
        (lambda x: ews.permutation_entropy(x, window=20, order=8), "order"),
        (lambda x: ews.permutation_entropy(x, window=20, delay=0), "delay"),
        (lambda x: ews.permutation_entropy(x, window=20, order=5, delay=5), "window"),
        (lambda x: ews.companion_eigenvalue(x, window=20, max_order=0), "max_order"),
        (lambda x: ews.companion_eigenvalue(x, window=20, max_order=17), "max_order"),
        (lambda x: ews.conditional_heteroskedasticity(x, window=20, order=10), "order"),
        (lambda x: ews.conditional_heteroskedasticity(x, window=20, order="bic"), "order"),
        (lambda x: ews.conditional_heteroskedasticity(x, window=20, max_order=17), "max_order"),
        (lambda x: ews.conditional_heteroskedasticity(x, window=20, order=1, max_order=3), "max_order"),
    ],
)
def test_refusals_name_the_argument(call: Callable[[np.ndarray], object], argument: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(noise())
    assert caught.value.argument == argument


@pytest.mark.jit
@pytest.mark.parametrize(("phi", "rho"), [(0.9, 0.5), (0.8, 0.0), (0.95, 0.8)])
def test_correction_takes_the_memory_of_the_noise_out(phi: float, rho: float) -> None:
    from scipy.signal import lfilter

    draws = np.random.default_rng(2).standard_normal(50_000)
    x = lfilter([1.0], [1.0, -phi], lfilter([1.0], [1.0, -rho], draws))
    plain = ews.autocorrelation(x, window=50_000)[-1]
    assert plain == pytest.approx((phi + rho) / (1 + phi * rho), abs=0.01)
    assert ews.corrected_autocorrelation(x, window=50_000)[-1] == pytest.approx(phi, abs=0.02)


@pytest.mark.jit
@pytest.mark.parametrize(
    ("coefficients", "modulus"),
    [((0.8,), 0.8), ((-0.8,), 0.8), ((1.2, -0.72), math.sqrt(0.72)), ((0.0, 0.0, 0.5), 0.5 ** (1 / 3))],
)
def test_companion_eigenvalue_is_the_modulus_whatever_the_bifurcation(
    coefficients: tuple[float, ...], modulus: float
) -> None:
    from scipy.signal import lfilter

    x = lfilter([1.0], [1.0, *(-a for a in coefficients)], np.random.default_rng(6).standard_normal(20_000))
    value = ews.companion_eigenvalue(x, window=20_000, max_order=max(len(coefficients), 2))[-1]
    assert value == pytest.approx(modulus, abs=0.02)
    assert value < 1.0  # not its logarithm, of which the threshold would be 0


def test_straight_line_has_no_corrected_autocorrelation() -> None:
    assert np.isnan(ews.corrected_autocorrelation(np.arange(20.0), window=10)).all()
