"""A monitor equals the batch functions, whatever the series, the chunks and the interruptions."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import ews
from ews._monitor.engine import MEASURES

# (smoother, bandwidth): both sides of the window's length, and a running mean whose length is rounded down.
SMOOTHERS = [(None, None), ("gaussian", 7), ("gaussian", 30.5), ("running_mean", 5.9)]


def batch(x: np.ndarray, detrend: str | None, bandwidth: float | None) -> tuple[np.ndarray, np.ndarray]:
    if detrend is None:
        return np.zeros_like(x), x
    split = (
        ews.detrend.gaussian(x, bandwidth=float(bandwidth or 0), causal=True)
        if detrend == "gaussian"
        else ews.detrend.running_mean(x, window=float(bandwidth or 0), causal=True)
    )
    return split.trend, split.residual


def column(states: tuple[ews.MonitorState, ...], name: str) -> np.ndarray:
    return np.array([state.indicators[name] for state in states])


def agree(states: tuple[ews.MonitorState, ...], residual: np.ndarray, levels: np.ndarray, window: int) -> None:
    """Each indicator, to 1e-12 of its size or of what it is made of (1 for ratios, the window's spread for a mean)."""
    expected = ews.rolling(residual, window=window, indicators=MEASURES, raw=levels)
    spread = np.nan_to_num(expected["std"])
    scale: dict[str, Any] = {"mean": spread, "variance": 0.0, "std": 0.0, "cv": 0.0}
    for name in MEASURES:
        found, target = column(states, name), expected[name]
        np.testing.assert_array_equal(np.isnan(found), np.isnan(target), err_msg=name)
        allowed = 1e-12 * np.maximum(np.abs(target), scale.get(name, 1.0))
        if name == "cv":  # its denominator is a mean, known to the precision of what is averaged
            centre = np.abs(ews.mean(levels, window=window))
            size = ews.mean(np.abs(levels), window=window)
            allowed = allowed * np.maximum(1.0, size / centre)
        assert (np.abs(found - target) <= allowed)[~np.isnan(target)].all(), name


@pytest.mark.parametrize(("detrend", "bandwidth"), SMOOTHERS)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(5, 40),
    scale=st.sampled_from([1e-150, 1e-3, 1.0, 1e12, 1e150]),
    walk=st.booleans(),
)
def test_equal_to_the_batch(
    detrend: str | None, bandwidth: float | None, seed: int, window: int, scale: float, walk: bool
) -> None:
    x = np.random.default_rng(seed).standard_normal(90)
    x = scale * (np.cumsum(x) if walk else x)
    monitor = ews.IndicatorMonitor(window=window, detrend=detrend, bandwidth=bandwidth, indicators=MEASURES)
    states = monitor.update_many(x)
    trend, residual = batch(x, detrend, bandwidth)
    size = np.abs(x).max()
    np.testing.assert_allclose([state.trend for state in states], trend, rtol=0, atol=1e-14 * size)
    np.testing.assert_allclose([state.residual for state in states], residual, rtol=0, atol=1e-14 * size)
    agree(states, np.array([state.residual for state in states]), x, window)


@pytest.mark.parametrize(("detrend", "bandwidth"), SMOOTHERS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), where=st.integers(0, 89), spike=st.sampled_from([1e6, -1e12]))
def test_a_spike_leaves_no_trace(
    detrend: str | None, bandwidth: float | None, seed: int, where: int, spike: float
) -> None:
    """Once it has left the window and the smoother, the values are those of the series without it, bit for bit."""
    x = np.random.default_rng(seed).standard_normal(90)
    spiked = np.where(np.arange(90) == where, spike, x)
    options: dict[str, Any] = {"window": 12, "detrend": detrend, "bandwidth": bandwidth, "indicators": MEASURES}
    states = ews.IndicatorMonitor(**options).update_many(spiked)
    agree(states, np.array([state.residual for state in states]), spiked, 12)
    plain = ews.IndicatorMonitor(**options)
    clean = plain.update_many(x)
    reach = plain._engine.settled
    for one, other in list(zip(states, clean, strict=True))[where + reach :]:
        assert repr(one.indicators) == repr(other.indicators)


@pytest.mark.parametrize(("detrend", "bandwidth"), SMOOTHERS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), offset=st.sampled_from([1e8, -1e8, 2.0**30]))
def test_an_offset_costs_no_digits(detrend: str | None, bandwidth: float | None, seed: int, offset: float) -> None:
    """Samples on a grid, so that the offset itself rounds nothing: the batch values of the series without it."""
    x = np.round(np.random.default_rng(seed).standard_normal(80) * 2**16) / 2**16
    names = tuple(name for name in MEASURES if name not in ("mean", "cv"))
    monitor = ews.IndicatorMonitor(window=15, detrend=detrend, bandwidth=bandwidth, indicators=names)
    states = monitor.update_many(x + offset)
    expected = ews.rolling(batch(x, detrend, bandwidth)[1], window=15, indicators=names)
    for name in names:
        np.testing.assert_allclose(column(states, name), expected[name], rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 80), max_size=4),
    gaps=st.lists(st.integers(0, 79), max_size=3),
    smoother=st.sampled_from(SMOOTHERS),
    rule=st.sampled_from(["trend", "level"]),
    save=st.booleans(),
)
def test_chunks_and_interruptions_change_no_bit(
    seed: int, cuts: list[int], gaps: list[int], smoother: tuple[str | None, float | None], rule: Any, save: bool
) -> None:
    x = np.random.default_rng(seed).standard_normal(80)
    x[gaps] = np.nan
    options: dict[str, Any] = {"window": 9, "detrend": smoother[0], "bandwidth": smoother[1], "history": 6}
    whole, parted = ews.IndicatorMonitor(**options, rule=rule), ews.IndicatorMonitor(**options, rule=rule)
    one_by_one = [whole.update(value) for value in x]
    states: list[ews.MonitorState] = []
    for part in np.split(x, sorted(cuts)):
        states += parted.update_many(part)
        if save:
            parted = ews.IndicatorMonitor.from_dict(json.loads(json.dumps(parted.to_dict(), allow_nan=False)))
    assert list(map(repr, states)) == list(map(repr, one_by_one))
    assert repr(whole.state) == repr(one_by_one[-1])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 3), history=st.integers(3, 12))
def test_the_running_trend_counts_pairs_without_drift(seed: int, levels: int, history: int) -> None:
    """Few distinct values and gaps: the pairs counted one by one are those counted anew."""
    generator = np.random.default_rng(seed)
    x = np.where(generator.random(120) < 0.03, np.nan, generator.integers(0, levels + 1, 120).astype(float))
    names = ("mean", "variance")
    monitor = ews.IndicatorMonitor(window=4, detrend=None, indicators=names, history=history, rule="trend")
    monitor.update_many(x)
    engine = monitor._engine
    rising, tied = engine.rising.copy(), engine.tied.copy()
    engine.count_pairs()
    np.testing.assert_array_equal(engine.rising, rising)
    np.testing.assert_array_equal(engine.tied, tied)


@settings(max_examples=10)
@given(scale=st.sampled_from([1e-6, 3.0, 1e9]), shift=st.sampled_from([0.0, 10.0]))
def test_alarms_do_not_depend_on_the_units(scale: float, shift: float) -> None:
    x = np.random.default_rng(5).standard_normal(160) * np.repeat([1.0, 3.0], [120, 40])
    found = []
    for values in (x, scale * (x + shift)):
        monitor = ews.IndicatorMonitor(window=10, bandwidth=8, history=10, rule="level")
        monitor.calibrate(values[:120], horizon=40, n_simulations=99)
        found.append([state.alarms for state in monitor.update_many(values[120:])])
    assert found[0] == found[1]
    assert any(found[0])
