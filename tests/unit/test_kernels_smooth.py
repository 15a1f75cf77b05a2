"""Convolution of rows: edges, widths beyond the series, causal weights."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from ews._kernels.smooth import smooth_reflect, smooth_renormalised
from tests.reference import naive


def _gaussian(deviation: float) -> np.ndarray:
    half = int(4.0 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / deviation) ** 2)
    return weights / weights.sum()


def _reflected(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    out = np.full(x.shape, -1.0)
    smooth_reflect(x, weights, out)
    return out


def _renormalised(x: np.ndarray, weights: np.ndarray, left: int) -> np.ndarray:
    out = np.full(x.shape, -1.0)
    smooth_renormalised(x, weights, left, out)
    return out


@pytest.mark.parametrize("n", [1, 2, 7, 60])
@pytest.mark.parametrize("deviation", [0.3, 1.0, 3.7, 20.0])
def test_reflection_equals_scipy_and_the_definition(n: int, deviation: float) -> None:
    x = np.random.default_rng(n).normal(size=(3, n)) + 10.0
    weights = _gaussian(deviation)
    values = _reflected(x, weights)
    np.testing.assert_allclose(values, scipy.ndimage.gaussian_filter1d(x, deviation, axis=1), rtol=1e-12)
    for row in range(3):
        np.testing.assert_allclose(values[row], naive.smooth_reflected(x[row], weights), rtol=1e-12)


@pytest.mark.jit
def test_long_rows_with_wide_weights_equal_scipy() -> None:
    x = np.random.default_rng(4).normal(size=(1, 3000)).cumsum(axis=1) + 100.0
    np.testing.assert_allclose(
        _reflected(x, _gaussian(222.0)), scipy.ndimage.gaussian_filter1d(x, 222.0, axis=1), rtol=1e-12
    )


@pytest.mark.parametrize(("left", "right"), [(0, 0), (3, 3), (9, 0), (0, 9), (2, 17), (80, 80), (120, 0)])
def test_renormalised_weights_equal_the_definition(left: int, right: int) -> None:
    rng = np.random.default_rng(left)
    x, weights = rng.normal(size=(2, 50)) + 5.0, rng.uniform(0.1, 1.0, left + 1 + right)
    values = _renormalised(x, weights, left)
    for row in range(2):
        np.testing.assert_allclose(values[row], naive.smooth_renormalised(x[row], weights, left), rtol=1e-12)


def test_causal_weights_see_no_later_sample() -> None:
    x = np.random.default_rng(5).normal(size=(1, 40))
    later = x.copy()
    later[0, 25:] += 100.0
    weights = np.exp(-0.1 * np.arange(15))[::-1].copy()
    np.testing.assert_array_equal(_renormalised(x, weights, 14)[0, :25], _renormalised(later, weights, 14)[0, :25])


def test_a_constant_stays_a_constant() -> None:
    x = np.full((1, 33), 7.0)
    np.testing.assert_allclose(_reflected(x, _gaussian(5.0)), 7.0, rtol=1e-14)
    np.testing.assert_allclose(_renormalised(x, _gaussian(5.0), 20), 7.0, rtol=1e-14)


def test_nan_spreads_as_far_as_the_weights_reach() -> None:
    x = np.zeros((1, 50))
    x[0, 25] = np.nan
    weights = np.full(7, 1 / 7)
    expected = np.zeros(50, dtype=bool)
    expected[22:29] = True
    np.testing.assert_array_equal(np.isnan(_reflected(x, weights))[0], expected)
    np.testing.assert_array_equal(np.isnan(_renormalised(x, weights, 3))[0], expected)
