"""``ews.Monitor``: what it computes, what it finds, how often it is wrong, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter

import ews
from ews._kernels import sequential_step as step
from ews._monitor.monitor import TESTS
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError

EVERYTHING: dict[str, Any] = {"tests": TESTS, "reference": 60, "smoothing": None, "average_run_length": 500}


def red(n: int, series: int = 1, *, coefficient: float = 0.5, seed: int = 0, t: float = math.inf) -> np.ndarray:
    """AR(1) noise of shape (n, series), Gaussian or of Student's t."""
    rng = np.random.default_rng(seed)
    shape = (n + 300, series)
    e = rng.standard_normal(shape) if t == math.inf else rng.standard_t(t, shape)
    return lfilter([1.0], [1.0, -coefficient], e, axis=0)[300:]


def holed(x: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    """With a share of values missing."""
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


def same(one: ews.MonitorUpdate, other: ews.MonitorUpdate, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(one.coefficient, other.coefficient, rtol=rtol, atol=rtol)
    for name in one.evidence:
        np.testing.assert_allclose(one.evidence[name], other.evidence[name], rtol=rtol)
    assert [(a.name, a.test, a.index) for a in one.alarms] == [(a.name, a.test, a.index) for a in other.alarms]


def joined(parts: list[ews.MonitorUpdate]) -> dict[str, np.ndarray]:
    names = parts[0].evidence
    return {name: np.concatenate([part.evidence[name] for part in parts]) for name in names}


# ---- what it computes ---------------------------------------------------------------------------------------------


def by_definition(x: np.ndarray, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient and evidence of memory of an even record without gaps, written anew from the definitions."""
    first = x[:reference]
    origin, unit = np.median(first), 1.4826 * np.median(np.abs(first - np.median(first)))
    y, cut = (x - origin) / unit, 2.0
    near = np.clip(y[:reference], -cut, cut)
    phi = float(np.clip(near[1:] @ near[:-1] / (near[:-1] @ near[:-1]), -0.9, 0.97))
    variance, count, mean, centre = 1.0 - phi**2, 8.0, 0.0, 0.0
    information, kept = 8.0 / (1.0 - phi**2), 0.9205373
    stakes = np.array([0.05, 0.12, 0.3])
    rising, falling = np.zeros(3), np.zeros(3)
    coefficients, evidence = np.full(x.size, np.nan), np.full((x.size, 2), np.nan)
    for t in range(1, x.size):
        if t == reference:
            count -= 8.0
        unbiased = float(np.clip(phi + (1.0 + 3.0 * phi) / (count + 3.0), -0.995, 0.995))
        coefficients[t] = unbiased
        spread = math.sqrt(variance / (1.0 - unbiased**2))
        earlier, now = y[t - 1] - mean, y[t] - mean
        innovation = float(np.clip((now - unbiased * earlier) / math.sqrt(variance), -cut, cut))
        held = float(np.clip(earlier / spread, -cut, cut)) if abs(earlier) <= 4.0 * spread else 0.0
        lever, u = held / math.sqrt(1.0 - unbiased**2), innovation - centre
        score = held * u / kept / math.sqrt(1.0 + lever**2 / information)
        if t >= reference:
            rising = (1.0 + rising) * np.maximum(1.0 + stakes * score, 0.02)
            falling = (1.0 + falling) * np.maximum(1.0 - stakes * score, 0.02)
            evidence[t] = rising.mean() / 2.0, falling.mean() / 2.0
        count += 1.0
        information += lever**2
        phi = float(np.clip(phi + lever * (u + lever * (unbiased - phi)) / information, -0.995, 0.995))
        variance *= 1.0 + (innovation**2 / kept - 1.0) / count
        centre += u / count
        mean += spread * float(np.clip(now / spread, -cut, cut)) / count
    return coefficients, evidence


def test_evidence_is_what_the_definitions_say() -> None:
    x = red(900, coefficient=0.6, seed=3)[:, 0] * 7.0 + 40.0
    x[[60, 300, 301, 640]] += 70.0, -70.0, 200.0, 50.0  # outliers
    found = ews.Monitor(reference=150, smoothing=None, average_run_length=1e9).update_many(x)
    coefficient, evidence = by_definition(x, 150)
    np.testing.assert_allclose(found.coefficient[150:, 0], coefficient[150:], rtol=1e-9)
    for place, name in enumerate(TESTS[:2]):
        np.testing.assert_allclose(found.evidence[name][150:, 0], evidence[150:, place], rtol=1e-9)
    assert np.isnan(found.coefficient[:150]).all()


def test_one_by_one_is_what_the_whole_record_gives_over_a_million_observations() -> None:
    x = holed(red(1_000_000, coefficient=0.7, seed=5), 0.05)
    whole = ews.Monitor(average_run_length=2000).update_many(x)
    monitor = ews.Monitor(average_run_length=2000)
    cuts = [0, *np.sort(np.random.default_rng(0).integers(0, x.size, 300)).tolist(), x.size]
    parts = [monitor.update_many(x[a:b]) for a, b in pairwise(cuts)]
    for name, evidence in joined(parts).items():
        np.testing.assert_array_equal(evidence, whole.evidence[name])
    assert tuple(alarm for part in parts for alarm in part.alarms) == whole.alarms
    # The plain step in Python is the same to the last digits; from here on a stretch of it.
    saved = monitor.to_dict()
    more = holed(red(3000, coefficient=0.7, seed=6), 0.05)
    compiled, plain = ews.Monitor.from_dict(saved), ews.Monitor.from_dict(saved)
    batch, single = compiled.update_many(more), [plain.update(float(value)) for value in more[:, 0]]
    for name, evidence in joined(single).items():
        np.testing.assert_allclose(evidence, batch.evidence[name], rtol=1e-12)


@pytest.mark.parametrize("timed", ["no", "dates", "numbers"])
def test_saved_in_mid_run_it_goes_on_bit_for_bit(timed: str) -> None:
    x = holed(red(700, 3, seed=2), 0.2)
    time: Any = None
    if timed != "no":
        time = np.cumsum(np.random.default_rng(3).exponential(size=700)) + 0.1 * np.arange(700)
    if timed == "dates":
        time = np.datetime64("2001-01-01", "ns") + (time * 86_400e9).astype("timedelta64[ns]")
    whole = ews.Monitor(**EVERYTHING).update_many(x, time)
    for cut in (0, 1, 30, 59, 60, 75, 500):  # before, in and after the reference
        monitor = ews.Monitor(**EVERYTHING)
        before = monitor.update_many(x[:cut], None if time is None else time[:cut])
        again = ews.Monitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
        after = again.update_many(x[cut:], None if time is None else time[cut:])
        for name, evidence in whole.evidence.items():
            np.testing.assert_array_equal(np.concatenate([before.evidence[name], after.evidence[name]]), evidence)
        assert before.alarms + after.alarms == whole.alarms


def test_series_do_not_know_of_each_other_and_units_do_not_matter() -> None:
    x = holed(red(600, 3, seed=8), 0.1)
    together = ews.Monitor(**EVERYTHING).update_many(x)
    for place in range(3):
        alone = ews.Monitor(**EVERYTHING).update_many(x[:, place] * 4.0 + 4096.0)
        for name in TESTS:
            np.testing.assert_allclose(alone.evidence[name][:, 0], together.evidence[name][:, place], rtol=1e-6)
    for scale in (1e-150, 1e150):
        far = ews.Monitor(**EVERYTHING).update_many(x * scale)
        np.testing.assert_allclose(far.evidence["noise up"], together.evidence["noise up"], rtol=1e-6)


def test_a_gap_is_a_longer_step() -> None:
    """Missing values of an even record, and the same record with times and without those rows."""
    x = holed(red(800, coefficient=0.8, seed=9)[:, 0], 0.3)
    there = np.flatnonzero(~np.isnan(x))
    gappy = ews.Monitor(**EVERYTHING).update_many(x)
    for time in (there.astype(float), 1990.0 + 0.25 * there, np.datetime64("2000-01-01") + there):
        timed = ews.Monitor(**EVERYTHING).update_many(x[there], time)
        for name in TESTS:
            np.testing.assert_allclose(timed.evidence[name][:, 0], gappy.evidence[name][there, 0], rtol=1e-8)
    # The coefficient over one step is found from the gaps, whatever their pattern.
    uneven = np.cumsum(np.random.default_rng(0).exponential(size=20_000) + 0.01)
    kept = 0.7 ** np.diff(uneven)
    ou = np.zeros(uneven.size)
    noise = np.random.default_rng(1).standard_normal(uneven.size)
    for t in range(1, uneven.size):
        ou[t] = kept[t - 1] * ou[t - 1] + math.sqrt(1.0 - kept[t - 1] ** 2) * noise[t]
    found = ews.Monitor(smoothing=None).update_many(ou, uneven)
    assert found.coefficient[-1, 0] == pytest.approx(0.7 ** np.median(np.diff(uneven[:200])), abs=0.03)


# ---- how often it is wrong ----------------------------------------------------------------------------------------


NOISES: dict[str, dict[str, float]] = {
    "white": {"coefficient": 0.0},
    "AR(1) 0.5": {},
    "AR(1) 0.9": {"coefficient": 0.9},
    "AR(1) -0.5": {"coefficient": -0.5},
    "t3": {"t": 3.0},
    "10 % missing": {"missing": 0.1},
    "t3, 0.9, 10 % missing": {"t": 3.0, "coefficient": 0.9, "missing": 0.1},
}


@pytest.mark.parametrize("noise", NOISES)
def test_the_average_run_length_is_the_one_asked_for(noise: str) -> None:
    options = dict(NOISES[noise])
    missing = options.pop("missing", 0.0)
    x = holed(red(4000, 1200, seed=11, **options), missing)
    found = ews.Monitor(average_run_length=500, reference=150).update_many(x)
    first: dict[str, int] = {}
    for alarm in found.alarms:
        first.setdefault(alarm.name, alarm.index)
    seen = np.cumsum(~np.isnan(x), axis=0)
    watched = [seen[first.get(name, len(x) - 1), place] - 150 for place, name in enumerate(found.names)]
    length = sum(watched) / len(first)
    # 10 %, and two standard errors of 1,200 run lengths
    assert 500 * (0.9 - 2 / math.sqrt(1200)) < length < 500 * (1.1 + 2 / math.sqrt(1200)), length


def test_outliers_skewness_and_a_moving_mean_do_not_alarm_more_often() -> None:
    x = red(4000, 300, seed=12)
    rng = np.random.default_rng(1)
    spoilt = {
        "outliers": np.where(rng.random(x.shape) < 0.02, x + 15.0 * rng.standard_normal(x.shape), x),
        "skewed": np.exp(0.7 * x),
        "moving": x + 0.002 * np.arange(len(x))[:, None],
    }
    for label, values in spoilt.items():
        found = ews.Monitor(average_run_length=5000).update_many(values)
        expected = 300 * 3800 / 5000
        assert len(found.alarms) < 1.25 * expected, label


# ---- what it finds ------------------------------------------------------------------------------------------------


def changed(kind: str, n: int = 2000, at: int = 1000) -> np.ndarray:
    """A record of which something changes from `at` on."""
    rng = np.random.default_rng(4)
    x, e = np.zeros(n), rng.standard_normal(n)
    for t in range(1, n):
        late = t >= at
        phi = {"memory towards +1": 0.85, "memory towards −1": -0.3}.get(kind, 0.4) if late else 0.4
        size = {"noise up": 1.6, "noise down": 0.6}.get(kind, 1.0) if late else 1.0
        x[t] = phi * x[t - 1] + size * e[t]
    return x + {"level up": 1.0, "level down": -1.0}.get(kind, 0.0) * (np.arange(n) >= at)


@pytest.mark.parametrize("kind", TESTS)
def test_each_change_is_found_named_and_dated(kind: str) -> None:
    found = ews.Monitor(tests=TESTS, smoothing=None, average_run_length=10_000).update_many(changed(kind))
    alarm = found.alarms[0]
    assert alarm.test == kind
    assert 1000 < alarm.index < 1200
    assert abs(alarm.since - 1000) < 60
    assert alarm.reason.startswith("value: ")
    assert found.reasons[0] == alarm.reason


# ---- how it is used -----------------------------------------------------------------------------------------------


def test_the_ways_in_agree() -> None:
    x = red(200, 2, seed=1)
    names = ("lake", "river")
    days = pd.date_range("2001-01-01", periods=200)
    frame = pd.DataFrame(x, columns=list(names), index=days)
    options: dict[str, Any] = {"reference": 40, "average_run_length": 50}
    by_frame = ews.Monitor(**options).update_many(frame)
    assert by_frame.names == names
    assert by_frame.time[0] == np.datetime64("2001-01-01")
    assert by_frame.alarms
    assert by_frame.alarms[0].time == days[by_frame.alarms[0].index]
    one, other = ews.Monitor(**options), ews.Monitor(**options)
    rows = [one.update(dict(zip(names, row, strict=True)), day) for row, day in zip(x, days, strict=True)]
    turned = [
        other.update({"river": row[1], "lake": row[0]} if k else {"lake": row[0], "river": row[1]}, days[k])
        for k, row in enumerate(x)
    ]
    for parts in (rows, turned):
        for name, evidence in joined(parts).items():
            np.testing.assert_allclose(evidence, by_frame.evidence[name], rtol=1e-12)
    assert [alarm for part in rows for alarm in part.alarms] == list(by_frame.alarms)

    async def arriving() -> AsyncIterator[Any]:
        for pair in zip(days, x, strict=True):
            yield pair

    async def collected() -> list[ews.MonitorUpdate]:
        monitor = ews.Monitor(**options)
        return [found async for found in monitor.watch(arriving())]

    awaited = asyncio.run(collected())
    np.testing.assert_allclose(joined(awaited)[TESTS[0]], by_frame.evidence[TESTS[0]], rtol=1e-12)


def test_a_data_array_keeps_its_times() -> None:
    x = red(200, 2, seed=1)
    days = pd.date_range("2001-01-01", periods=200)
    frame = pd.DataFrame(x, index=days)
    given = xr.DataArray(x, dims=("time", "place"), coords={"time": days})
    options: dict[str, Any] = {"reference": 40, "average_run_length": 50}
    by_frame = ews.Monitor(**options).update_many(frame)
    for array in (given, given.T, given.rename(time="day_number").rename(day_number="t")):
        found = ews.Monitor(**options).update_many(array)
        np.testing.assert_array_equal(found.time, by_frame.time)
        assert [one.time for one in found.alarms] == [one.time for one in by_frame.alarms]
    monitor = ews.Monitor(**options)
    monitor.update_many(given[:100, 0])
    assert monitor.newest == days[99]
    gone = given[100:, 0].fillna(-9999.0).assign_attrs(_FillValue=-9999.0)
    assert monitor.update_many(gone).time[0] == days[100]
    with pytest.raises(InputTypeError, match="detect_many"):
        monitor.update_many(given.expand_dims(z=2))
    plain = ews.Monitor(**options).update_many(given.drop_vars("time"))
    np.testing.assert_array_equal(plain.time, np.arange(200.0))


@pytest.mark.parametrize("zoned", [False, True])
def test_dates_with_a_time_zone_do_not_follow_dates_without(zoned: bool) -> None:
    zones = ("UTC", None) if zoned else (None, "UTC")
    first, other = (pd.date_range("2001-01-01", periods=40, tz=zone) for zone in zones)
    monitor = ews.Monitor(reference=20)
    monitor.update_many(red(20)[:, 0], first[:20])
    for again in (monitor, ews.Monitor.from_dict(json.loads(json.dumps(monitor.to_dict())))):
        with pytest.raises(InputTypeError, match="a time zone; allowed: as before"):
            again.update(1.0, other[30])
        again.update(1.0, first[30])
    saved = monitor.to_dict()
    del saved["clock"]["zoned"]  # by an earlier version
    ews.Monitor.from_dict(saved).update(1.0, other[35])


def test_a_hyphen_is_a_minus_sign_in_the_name_of_a_test() -> None:
    monitor = ews.Monitor(tests=["memory towards -1"])
    assert monitor.config.tests == ("memory towards −1",)
    with pytest.raises(ValueRangeError, match="twice"):
        ews.Monitor(tests=["memory towards -1", "memory towards −1"])


def test_results_are_read_seen_and_kept() -> None:
    found = ews.Monitor(tests=TESTS, smoothing=None).update_many(changed("level up"))
    assert ews.MonitorUpdate.from_json(found.to_json()) == found
    frame = found.to_frame()
    assert frame["alarm"].sum() == len(found.alarms)
    assert list(frame.columns[2:-1]) == list(TESTS)
    assert "level up" in found.summary()
    assert len(found.plot().axes) == 2
    many = ews.Monitor(reference=20, average_run_length=20).update_many(red(300, 50))
    assert len(many.plot().axes) == 8
    assert many.to_frame().index.names == ["time", "series"]
    assert "alarms more" in many.summary()


def test_a_series_that_does_not_vary_is_waited_for() -> None:
    still = np.column_stack([np.full(300, 2.0), red(300, seed=1)[:, 0], np.full(300, np.nan)])
    monitor = ews.Monitor(reference=100)
    found = monitor.update_many(still)
    assert found.waiting == {"series 1": 100, "series 3": 100}
    assert found.constant == ("series 1",)
    assert found.reasons[0] == "series 1: all values were the same, to be learned from 100 observations more"
    assert found.reasons[1] == "series 3: learned from 100 observations more"
    assert not np.isnan(found.coefficient[100:, 1]).any()
    assert np.isnan(found.coefficient[:, [0, 2]]).all()
    later = monitor.update_many(red(200, 3, seed=2))
    assert not later.waiting
    assert not later.constant
    assert not np.isnan(later.coefficient[100:]).any()
    counts = np.random.default_rng(0).poisson(0.3, 2000)  # more than half are 0
    assert not ews.Monitor().update_many(counts).waiting


def test_the_former_options_make_the_former_monitor() -> None:
    with pytest.warns(DeprecationWarning, match=r"ews\.IndicatorMonitor"):
        former: Any = ews.Monitor(window=20, detrend=None)
    assert isinstance(former, ews.IndicatorMonitor)
    assert isinstance(ews.Monitor.from_dict(former.to_dict()), ews.IndicatorMonitor)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"average_run_length": 5}, ValueRangeError, "average_run_length"),
        ({"average_run_length": math.inf}, ValueRangeError, "average_run_length"),
        ({"tests": ("memory",)}, UnknownNameError, "memory towards"),
        ({"tests": ()}, ValueRangeError, "at least one name"),
        ({"reference": 5}, ValueRangeError, "reference"),
        ({"reference": 30.5}, ValueRangeError, "reference"),
        ({"smoothing": 2}, ValueRangeError, "smoothing"),
        ({"transform": "lg"}, ArgumentError, "transform"),
        ({"treshold": 3}, ArgumentError, "treshold"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        ews.Monitor(**options)


def test_observations_that_cannot_be_meant_are_refused_and_change_nothing() -> None:
    monitor = ews.Monitor(reference=20)
    monitor.update_many(red(40, 2), np.arange(40.0))
    before = json.dumps(monitor.to_dict())
    refused: list[tuple[Any, Any]] = [
        (1.0, 40.0),  # one series of two
        ([1.0, 2.0, 3.0], 40.0),
        ({"a": 1.0, "b": 2.0}, 40.0),
        ([1.0, "2"], 40.0),
        ([True, 1.0], 40.0),
        ([1.0, 2.0], None),  # had times
        ([1.0, 2.0], 39.0),  # not later
        ([1.0, 2.0], math.nan),
        ([1.0, 2.0], "2001-01-01"),  # of another kind
        ([1.0, 10**400], 40.0),
        ([], 40.0),
        ({}, 40.0),
    ]
    for value, time in refused:
        with pytest.raises(ArgumentError):
            monitor.update(value, time)
    for values, time in (
        (np.zeros((2, 2)), [41.0, 41.0]),
        (np.zeros((2, 2)), [1e308, -1e308]),
        ([[1.0], [2.0]], [40.0, 41.0]),
    ):
        with pytest.raises(ArgumentError):
            monitor.update_many(values, time)
    with pytest.raises(InputTypeError):
        asyncio.run(_all(monitor, (1.0, 2.0, 3.0)))
    assert json.dumps(monitor.to_dict()) == before
    monitor.update([None, math.inf], 1e300)  # both missing


def test_it_runs_on_numpy_alone_and_fast_enough() -> None:
    code = (
        "import sys; sys.modules.update(numba=None, pandas=None, scipy=None); import ews; "
        "m = ews.Monitor(reference=20); print([m.update(float(k * k % 7), float(k)).alarm for k in range(60)][-1])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"
    x = red(100_000)
    ews.Monitor().update_many(x[:1000])  # compiles
    monitor, started = ews.Monitor(), process_time()
    monitor.update_many(x)
    assert (process_time() - started) / x.size < 2e-6


async def _all(monitor: ews.Monitor, *observations: Any) -> None:
    async def arriving() -> AsyncIterator[Any]:
        for one in observations:
            yield one

    async for _ in monitor.watch(arriving()):
        pass


def test_what_was_saved_is_looked_at() -> None:
    monitor = ews.Monitor(reference=20)
    monitor.update_many(red(40, 2))
    saved = monitor.to_dict()
    state = [list(row) for row in saved["state"]]
    state[0][step.POWER] = -1.0
    gap = [[None, *row[1:]] for row in saved["state"]]
    for part, value in [
        ("config", {}), ("config", None), ("names", ["a", "a"]), ("state", state), ("state", gap), ("learning", [None]),
        ("learning", [[[1.0], [1.0, 2.0]]]), ("learning", [[[None], [1.0]]]), ("apart", [-1.0, 0.0]), ("apart", [None]),
        ("seen", -1), ("seen", True), ("clock", None), ("clock", {"timed": True, "newest": "now"}),
        ("clock", {"timed": True, "newest": None}), ("clock", {"timed": True, "newest": "inf"}), ("monitor", 3),
    ]:  # fmt: skip
        with pytest.raises(ArgumentError):
            ews.Monitor.from_dict({**saved, part: value})
    for value in (None, {}, {**saved, "more": 1}, {key: saved[key] for key in list(saved)[1:]}):
        with pytest.raises(ArgumentError):
            ews.Monitor.from_dict(value)  # type: ignore[arg-type]
