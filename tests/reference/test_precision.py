"""The precision contract: fused statistics against a two-pass oracle in extended precision, on series that break sums.

Variance: relative error at most 1e-12. Skewness, kurtosis, lag-k correlation: |error| / max(1, |reference|) at most
1e-10. Every full window is compared.
"""

from __future__ import annotations

import numpy as np
import pytest

from ews._kernels.moments import rolling_moments
from tests.reference import naive

pytestmark = pytest.mark.skipif(not naive.extended_precision(), reason="long double is a double here")

VARIANCE, SKEWNESS, KURTOSIS, CORRELATION = 1, 2, 3, 4


def _noise(n: int) -> np.ndarray:
    """AR(1) noise of standard deviation about 1.4."""
    e = np.random.default_rng(20).normal(size=n)
    for t in range(1, n):
        e[t] += 0.7 * e[t - 1]
    return e


def _step(n: int) -> np.ndarray:
    return _noise(n) + 1e8 * (np.arange(n) >= n // 2)


def _spike(n: int) -> np.ndarray:
    x = _noise(n)
    x[n // 2] = 1e12
    return x


def _scale_drop(n: int) -> np.ndarray:
    return _noise(n) * np.where(np.arange(n) < n // 2, 1e8, 1.0)


def _plateau(n: int) -> np.ndarray:
    """A series that stays exactly constant for its middle third."""
    x = _noise(n) + 0.1
    x[n // 3 : 2 * n // 3] = 1234.1
    return x


SERIES = {
    "noise": _noise,
    "offset": lambda n: _noise(n) + 1e8,
    "step": _step,
    "spike": _spike,
    "scale drop": _scale_drop,
    "plateau": _plateau,
    "trend": lambda n: _noise(n) * 1e-3 + np.arange(n) * 1e5,
    "decay to 1e-90": lambda n: _noise(n) * 10.0 ** (-90 * np.arange(n) / n),
    "two values": lambda n: np.where(_noise(n) > 1.0, 1e8, 1e8 + 1e-7),
}


def _spikes(n: int) -> np.ndarray:
    """One in each tile of sums that slide, of every size up to where a kurtosis has no digits left."""
    x = _noise(n)
    x[100::400] = 10.0 ** np.arange(1, 16)[: x[100::400].size]
    return x


def _calm(n: int) -> np.ndarray:
    """Noise that dies away within a few hundred samples, and comes back."""
    return _noise(n) * (1e-9 + np.abs(np.sin(np.arange(n) / 300.0)) ** 7)


LONG_SERIES = {
    "spikes": _spikes,
    "calm": _calm,
    "walk": lambda n: _noise(n).cumsum(),
    "heavy tails": lambda n: np.random.default_rng(5).standard_t(2, n),
    "waves on an offset": lambda n: 1e6 + 30.0 * np.sin(np.arange(n) / 40.0) + _noise(n),
}


def _measured(x: np.ndarray, window: int, lag: int) -> np.ndarray:
    out = np.empty((4, 1, x.size))
    rolling_moments(x[None, :], window, lag, np.array([VARIANCE, SKEWNESS, KURTOSIS, CORRELATION]), out)
    assert np.isnan(out[:, :, : window - 1]).all()
    return out[:, 0, window - 1 :]


def _check(x: np.ndarray, window: int, lag: int) -> None:
    variance, skewness, kurtosis, correlation = _measured(x, window, lag)
    reference = naive.variance(x, window)
    varies = reference > 0
    np.testing.assert_array_equal(variance[~varies], 0.0)
    assert np.max(np.abs(variance[varies] / reference[varies] - 1), initial=0.0) <= 1e-12
    compared = [(correlation, naive.correlation(x, window, lag))] if window - lag > 1 else []
    compared += [(skewness, naive.skewness(x, window))] if window > 2 else []
    compared += [(kurtosis, naive.kurtosis(x, window))] if window > 3 else []
    for values, reference in compared:
        np.testing.assert_array_equal(np.isnan(values), np.isnan(reference))
        error = np.abs(values - reference) / np.maximum(1, np.abs(reference))
        assert np.max(error[~np.isnan(error)], initial=0.0) <= 1e-10


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", [2, 3, 4, 5, 10, 19, 24, 100, 151, 299, 300])
def test_short_and_middling_windows(name: str, window: int) -> None:
    _check(SERIES[name](300), window, 1)


@pytest.mark.jit
@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", [37, 700, 1501, 2000])
def test_long_windows(name: str, window: int) -> None:
    _check(SERIES[name](2000), window, 1)


@pytest.mark.jit
@pytest.mark.parametrize("name", [*SERIES, *LONG_SERIES])
@pytest.mark.parametrize("window", [37, 200])
def test_long_rows_whose_sums_slide(name: str, window: int) -> None:
    _check((SERIES | LONG_SERIES)[name](5000), window, 1)


@pytest.mark.parametrize("name", ["noise", "step", "spike", "plateau"])
@pytest.mark.parametrize(("window", "lag"), [(10, 9), (40, 2), (40, 12), (40, 13), (40, 25), (40, 39), (200, 60)])
def test_lags_up_to_the_window(name: str, window: int, lag: int) -> None:
    _check(SERIES[name](300), window, lag)


@pytest.mark.jit
def test_tiles_longer_than_a_block() -> None:
    """A window so long that its tiles are finished in several blocks."""
    _check(_step(3600), 1800, 3)
    _check(_spike(3600), 1700, 300)


@pytest.mark.jit
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-80, 1e80, 1e150])
def test_extreme_scales_change_nothing_but_the_variance(scale: float) -> None:
    x = _noise(400)
    plain, scaled = _measured(x, 50, 1), _measured(x * scale, 50, 1)
    with np.errstate(under="ignore", over="ignore"):
        np.testing.assert_allclose(scaled[0], plain[0] * scale * scale, rtol=1e-9, atol=5e-324)
    np.testing.assert_allclose(scaled[1:], plain[1:], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1e8 + 1 / 3, 1e300])
def test_a_constant_window_has_variance_exactly_zero_and_nothing_else(value: float) -> None:
    variance, skewness, kurtosis, correlation = _measured(np.full(120, value), 30, 1)
    np.testing.assert_array_equal(variance, 0.0)
    for values in (skewness, kurtosis, correlation):
        assert np.isnan(values).all()
