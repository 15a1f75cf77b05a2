"""The ratio of spectra: the rate is recovered, forcing of changing memory does not move it, and misuse is refused."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from scipy.optimize import curve_fit

import ews
from ews.errors import ArgumentError

N = 1500
WINDOW = 500


def driven(
    rate: float | np.ndarray, memory: float | np.ndarray, n: int, seed: int, *, gain: float = 1.0, substeps: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """A linear system under red forcing of variance 1, integrated finely: state and forcing, one sample a step."""
    rng = np.random.default_rng(seed)
    rates = np.repeat(np.broadcast_to(rate, n), substeps)
    memories = np.repeat(np.broadcast_to(memory, n), substeps) ** (1.0 / substeps)
    noise = np.sqrt(1.0 - memories**2) * rng.standard_normal(n * substeps)
    x, forcing = np.zeros(n * substeps), np.zeros(n * substeps)
    for t in range(1, n * substeps):
        forcing[t] = memories[t] * forcing[t - 1] + noise[t]
        x[t] = x[t - 1] + (gain * forcing[t - 1] - rates[t] * x[t - 1]) / substeps
    return x[::substeps], forcing[::substeps]


@functools.cache
def example() -> tuple[np.ndarray, np.ndarray]:
    return driven(0.3, 0.8, 120, 1)


def tau(values: np.ndarray) -> float:
    return ews.trends.kendall(values[np.isfinite(values)]).statistic


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("memory", [0.6, 0.95])
def test_the_rate_is_recovered_whatever_the_memory_of_the_forcing(rate: float, memory: float) -> None:
    pairs = [driven(rate, memory, 500, seed, gain=2.5) for seed in range(6)]
    known = [ews.rosa(*pair, window=500, gain=2.5)[-1] for pair in pairs]
    fitted = [ews.rosa(*pair, window=500)[-1] for pair in pairs]
    assert np.mean(known) == pytest.approx(rate, rel=0.1)
    assert np.mean(fitted) == pytest.approx(rate, rel=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_forcing_of_growing_memory_moves_autocorrelation_and_not_the_rate(seed: int) -> None:
    """Clarke et al. (2023): what conventional indicators take for slowing down may be that of the forcing."""
    x, forcing = driven(0.2, np.linspace(0.3, 0.95, N), N, seed)
    memory = ews.autocorrelation(x, window=WINDOW)[WINDOW - 1 :]
    assert tau(memory) > 0.7
    assert memory[-1] > memory[0] + 0.02
    assert (1 - memory[-1]) < 0.5 * (1 - memory[0])  # as of a rate that has halved
    rates = ews.rosa(x, forcing, window=WINDOW, gain=1)[WINDOW - 1 :]
    assert np.abs(rates / 0.2 - 1.0).max() < 0.3
    assert np.median(np.abs(rates / 0.2 - 1.0)) < 0.05
    assert abs(rates[-1] - rates[0]) < 0.03


@pytest.mark.parametrize("gain", [None, 1.0])
def test_a_rate_that_falls_is_seen(gain: float | None) -> None:
    x, forcing = driven(np.linspace(0.5, 0.02, N), 0.7, N, 5)
    rates = ews.rosa(x, forcing, window=WINDOW, gain=gain)
    assert tau(rates) < -0.8
    # At the right edge of a window stands about the rate of its middle.
    assert rates[-1] == pytest.approx(np.linspace(0.5, 0.02, N)[-WINDOW // 2], rel=0.4)


def test_agrees_with_the_fit_written_plainly() -> None:
    """The least squares of scipy, on scipy's spectra, from the solution's neighbourhood."""
    x, forcing = driven(0.25, 0.7, 300, 3)
    for gain in (None, 1.3):
        ours = ews.rosa(x, forcing, window=200, segment=80, gain=gain, step=0.5)
        for end in (200, 250, 300):
            part = slice(end - 200, end)
            spectra = [
                signal.welch(one[part], fs=2.0, window="hamming", nperseg=80, detrend="constant")
                for one in (x, forcing)
            ]
            omega, ratio = 2 * np.pi * spectra[0][0][1:], spectra[0][1][1:] / spectra[1][1][1:]
            if gain is None:
                (rate, _), _ = curve_fit(lambda w, rate, k: k**2 / (w**2 + rate**2), omega, ratio, p0=(0.5, 2.0))
            else:
                (rate,), _ = curve_fit(lambda w, rate: 1.3**2 / (w**2 + rate**2), omega, ratio, p0=(0.5,))
            assert ours[end - 1] == pytest.approx(abs(rate), rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    scale=st.sampled_from([-3.0, 1e-6, 1e5]),
    shift=st.sampled_from([0.0, 40.0]),
    step=st.sampled_from([0.01, 30.0]),
)
def test_units(seed: int, scale: float, shift: float, step: float) -> None:
    x, forcing = driven(0.3, 0.8, 90, seed, substeps=2)
    plain = ews.rosa(x, forcing, window=60)
    np.testing.assert_allclose(ews.rosa(scale * (x + shift), forcing, window=60), plain, rtol=1e-5)
    np.testing.assert_allclose(ews.rosa(x, scale * (forcing + shift), window=60), plain, rtol=1e-5)
    np.testing.assert_allclose(ews.rosa(x, forcing, window=60, step=step), plain / step, rtol=1e-9)
    known = ews.rosa(x, forcing, window=60, gain=1.0)
    np.testing.assert_allclose(ews.rosa(x, forcing / scale, window=60, gain=scale), known, rtol=1e-5)
    np.testing.assert_allclose(ews.rosa(x, forcing, window=60, gain=1.0 / step, step=step), known / step, rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 20))
def test_windows_see_nothing_of_the_future(seed: int, cut: int) -> None:
    x, forcing = driven(0.3, 0.8, 90, seed, substeps=2)
    np.testing.assert_array_equal(ews.rosa(x[:-cut], forcing[:-cut], window=60), ews.rosa(x, forcing, window=60)[:-cut])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_of_either_blanks_its_windows_only(which: int, bad: float) -> None:
    pair = [one.copy() for one in example()]
    whole = ews.rosa(*pair, window=40, gain=1)
    pair[which][70] = bad
    values = ews.rosa(*pair, window=40, gain=1)
    assert np.isfinite(whole[39:]).all()
    assert np.isnan(values[70 : 70 + 40]).all()
    others = np.r_[0:70, 110:120]
    np.testing.assert_array_equal(values[others], whole[others])


def test_shape_axis_and_index() -> None:
    x, forcing = example()
    plain = ews.rosa(x, forcing, window=40)
    assert np.isnan(plain[:39]).all()
    rows = ews.rosa(np.stack([x, x]), np.stack([forcing, forcing]), window=40)
    np.testing.assert_array_equal(rows, np.stack([plain, plain]))
    np.testing.assert_array_equal(ews.rosa(rows_first(x), rows_first(forcing), window=40, axis=0)[:, 0], plain)
    dates = pd.date_range("2000-01-01", periods=120, freq="D")
    framed = ews.rosa(pd.Series(x, index=dates, name="x"), forcing, window=40)
    pd.testing.assert_series_equal(framed, pd.Series(plain, index=dates, name="x"))


def rows_first(values: np.ndarray) -> np.ndarray:
    return np.stack([values, -values], axis=1)


def test_ends_of_the_range() -> None:
    x, forcing = example()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(ews.rosa(forcing, forcing, window=120)[-1])  # a state that follows at once
        assert np.isnan(ews.rosa(x, np.ones(120), window=40)).all()
        assert np.isnan(ews.rosa(np.ones(120), forcing, window=40)).all()
    noise = np.random.default_rng(1).standard_normal(400)
    assert ews.rosa(np.cumsum(noise), noise, window=400, gain=1)[-1] < 0.01  # nothing restores a random walk


def test_inputs_are_left_alone() -> None:
    x, forcing = (one.copy() for one in example())
    ews.rosa(x, forcing, window=40)
    np.testing.assert_array_equal(x, example()[0])
    np.testing.assert_array_equal(forcing, example()[1])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"forcing": np.ones(100)}, "forcing"),
        ({"forcing": np.ones((1, 120))}, "forcing"),
        ({"forcing": ["a"] * 120}, "forcing"),
        ({"x": ["a"] * 120}, "x"),
        ({"window": 11}, "window"),
        ({"window": 121}, "window"),
        ({"segment": 41}, "segment"),
        ({"segment": 5}, "segment"),
        ({"segment": 10.5}, "segment"),
        ({"overlap": 1.0}, "overlap"),
        ({"taper": "hammin"}, "taper"),
        ({"step": 0.0}, "step"),
        ({"gain": 0.0}, "gain"),
        ({"gain": np.nan}, "gain"),
        ({"gain": "1"}, "gain"),
    ],
)
def test_misuse_is_refused_by_name(arguments: dict[str, object], argument: str) -> None:
    x, forcing = example()
    given = {"x": x, "forcing": forcing, "window": 40, **arguments}
    with pytest.raises(ArgumentError) as raised:
        ews.rosa(given.pop("x"), given.pop("forcing"), **given)
    assert raised.value.argument == argument


@pytest.mark.parametrize("factor", [1e-60, 1e60])
def test_units_do_not_overflow(factor: float) -> None:
    generator = np.random.default_rng(3)
    forcing = generator.standard_normal(150)
    x = np.convolve(forcing, 0.8 ** np.arange(40))[:150]
    expected = ews.rosa(x, forcing, window=100)[-1]
    assert ews.rosa(x * factor, forcing / factor, window=100)[-1] == pytest.approx(expected, rel=1e-6)
    known = ews.rosa(x, forcing, window=100, gain=0.5)[-1]
    assert ews.rosa(x * factor, forcing, window=100, gain=0.5 * factor)[-1] == pytest.approx(known, rel=1e-6)


@pytest.mark.parametrize(("gain", "rate"), [(1e308, np.inf), (-1e200, np.inf), (1e-308, 0.0)])
def test_a_gain_far_beyond_the_data_gives_the_end_of_the_rates(gain: float, rate: float) -> None:
    noise = np.random.default_rng(3).standard_normal((2, 60))
    for unit in (1.0, 1e-150):
        assert ews.rosa(noise[0] * unit, noise[1] * unit, window=20, gain=gain)[-1] == rate


def test_state_and_forcing_have_one_index() -> None:
    days = pd.date_range("2001-01-01", periods=60)
    x = pd.Series(np.random.default_rng(1).standard_normal(60), index=days)
    assert ews.rosa(x, x * 2.0, window=40).index.equals(days)
    with pytest.raises(ArgumentError, match="forcing: got another index"):
        ews.rosa(x, x.set_axis(days + pd.Timedelta(days=1)), window=40)
    ews.rosa(x, x.to_numpy(), window=40)
