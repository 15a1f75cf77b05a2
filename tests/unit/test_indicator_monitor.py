"""``ews.IndicatorMonitor``: one observation at a time, its alarms, its memory on disk and what it refuses."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ews
from ews import errors
from ews._monitor import calibration as calibration_module
from ews._monitor.calibration import _fit, _standard_error, _threshold
from ews._monitor.engine import MEASURES, Engine

NOISE = np.random.default_rng(3).standard_normal(400)


def small(**changed: Any) -> ews.IndicatorMonitor:
    return ews.IndicatorMonitor(
        **{"window": 12, "bandwidth": 9, "history": 10, "indicators": ("variance", "ac1"), "rule": "trend", **changed}
    )


def statistics(states: tuple[ews.MonitorState, ...], name: str) -> np.ndarray:
    return np.array([state.statistics[name] for state in states])


@pytest.mark.parametrize("name", MEASURES)
def test_each_indicator_is_one_of_the_registry(name: str) -> None:
    assert name in ews.indicators.names()
    assert np.isfinite(small(indicators=name).update_many(NOISE[:40])[-1].indicators[name])


def test_the_running_trend_is_kendalls_tau_of_the_last_values() -> None:
    states = small().update_many(np.round(NOISE[:120], 1))
    values = np.array([state.indicators["ac1"] for state in states])
    found = statistics(states, "ac1")
    first = Engine(small().config, 1).settled + 10 - 2
    assert np.isnan(found[:first]).all()
    for t in range(first, 120):
        assert found[t] == ews.trends.kendall(values[t - 9 : t + 1]).statistic


def test_ties_are_counted_as_the_batch_counts_them() -> None:
    """Few distinct values in a short window: equal indicators."""
    states = ews.IndicatorMonitor(window=3, detrend=None, indicators="variance", history=8, rule="trend").update_many(
        np.random.default_rng(0).integers(0, 2, 200).astype(float)
    )
    values = np.array([state.indicators["variance"] for state in states])
    found = statistics(states, "variance")
    expected = [ews.trends.kendall(values[t - 7 : t + 1]).statistic for t in range(9, 200)]
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(found[9:], expected)


def test_the_level_is_an_ewma_in_deviations_of_the_reference() -> None:
    monitor = small(rule="level", detrend=None, bandwidth=None)
    calibration = monitor.calibrate(NOISE[:200], horizon=50, n_simulations=99)
    variance = ews.variance(NOISE, window=12)
    centre, spread = variance[11:200].mean(), variance[11:200].std(ddof=1)
    assert calibration.centre["variance"] == pytest.approx(centre, rel=1e-12)
    assert calibration.spread["variance"] == pytest.approx(spread, rel=1e-12)
    level, expected = centre, []
    for value in variance[200:250]:
        level += 2 / 11 * (value - level)
        expected.append((level - centre) / spread)
    np.testing.assert_allclose(statistics(monitor.update_many(NOISE[200:250]), "variance"), expected, rtol=1e-9)


def test_an_alarm_is_a_statistic_beyond_its_threshold() -> None:
    monitor = small(indicators=("variance", "skewness"), rule="level")
    calibration = monitor.calibrate(NOISE[:200], horizon=60, n_simulations=199)
    rising = NOISE[200:260] * np.linspace(1, 6, 60)
    states = monitor.update_many(rising)
    assert any(state.alarm for state in states)
    assert not states[0].alarm
    for state in states:
        beyond = {
            "variance": state.statistics["variance"] > calibration.thresholds["variance"],
            "skewness": abs(state.statistics["skewness"]) > calibration.thresholds["skewness"],
        }
        assert set(state.alarms) == {name for name, yes in beyond.items() if yes}
        assert state.alarm == (state.pvalue <= 0.05)
    assert "Variance" in states[-1].reasons[0]


def test_without_calibration_there_is_no_alarm_and_a_reason() -> None:
    states = small().update_many(NOISE[:100] * np.linspace(0.1, 10, 100))
    assert not any(state.alarm for state in states)
    assert states[-1].reasons == ("not calibrated: no alarm can be raised",)
    assert np.isnan(states[-1].pvalue)


def test_pvalues_are_shares_of_simulations() -> None:
    calibration = small().calibrate(NOISE[:200], horizon=30, n_simulations=99)
    for name in ("variance", "ac1"):
        assert calibration.pvalue(name, -np.inf) == 1.0
        assert calibration.pvalue(name, np.inf) == pytest.approx(0.01)
        assert np.isnan(calibration.pvalue(name, np.nan))
        at = calibration.thresholds[name]
        assert calibration.pvalue(name, at) > 0.05 >= calibration.pvalue(name, np.nextafter(at, 2))


def test_an_alarm_is_raised_at_the_rate_itself() -> None:
    """A p-value that occurs is made the rate: the same simulations, and an alarm where it occurs."""

    def watched(rate: float) -> tuple[ews.MonitorState, ...]:
        monitor = small(indicators="variance", rule="level")
        monitor.calibrate(NOISE[:200], horizon=60, false_alarm_rate=rate, n_simulations=39)
        return monitor.update_many(NOISE[200:260] * np.linspace(1, 3, 60))

    rate = sorted({state.pvalue for state in watched(0.05) if state.pvalue > 0.05})[0]
    at = [state for state in watched(rate) if state.pvalue == rate]
    assert at
    assert all(state.alarms == ("variance",) for state in at)


def test_the_threshold_is_the_least_at_which_the_rate_is_kept() -> None:
    ordered, smallest = np.arange(19.0), np.arange(1, 20) / 20
    assert [_threshold(ordered, smallest, rate) for rate in (0.1, 0.15, 0.0999, 0.2)] == [18.0, 17.0, np.inf, 16.0]


def test_a_simulation_without_a_statistic_counts_as_one_that_goes_far(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate = calibration_module._simulate

    def some_undefined(*given: Any, **options: Any) -> np.ndarray:
        found = simulate(*given, **options)
        found[:, :10] = np.nan
        return found

    monkeypatch.setattr(calibration_module, "_simulate", some_undefined)
    found = small().calibrate(NOISE[:200], horizon=30, n_simulations=99)
    assert all(np.isposinf(row).sum() == 10 for row in found.maxima.values())
    assert set(found.thresholds.values()) == {np.inf}


@pytest.mark.parametrize(("detrend", "bandwidth"), [(None, None), ("running_mean", 9)])
def test_memory_is_corrected_for_its_bias_of_first_order(detrend: str | None, bandwidth: int | None) -> None:
    """About a fitted mean it is (1 + 4ρ) / m too small (Kendall 1954)."""
    residual = np.asarray(ews.models.ar1(n=80, coefficient=0.5, seed=3).values)
    centred = residual - residual.mean() if detrend is None else residual
    raw = (centred[1:] @ centred[:-1]) / (centred @ centred)
    bias = (1 + 4 * raw) / 80 if detrend is None else 3 * raw / 80
    assert _fit(small(detrend=detrend, bandwidth=bandwidth).config, residual).memory == pytest.approx(raw + bias)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.4, 0.9])
def test_the_standard_error_of_memory_is_bartletts(phi: float) -> None:
    m = 400
    found = _standard_error(np.ones(1), np.zeros(1, np.int64), phi, m)
    assert found == pytest.approx(np.sqrt((1 - phi**2) / m), rel=1e-6)


@pytest.mark.parametrize(
    ("detrend", "bandwidth", "n", "expected"), [(None, None, 40, 0.5), ("running_mean", 25, 90, 0.5)]
)
def test_memory_of_short_references_is_not_underestimated(
    detrend: str | None, bandwidth: int | None, n: int, expected: float
) -> None:
    """Uncorrected it would be 0.5 − (1 + 4 · 0.5) / 40 = 0.425, and as much less through the smoother."""
    config = small(detrend=detrend, bandwidth=bandwidth).config
    rows = np.array([ews.models.ar1(n=n, coefficient=expected, seed=seed).values for seed in range(400)])
    engine = Engine(config, len(rows))
    residual = np.array([engine.advance(values).residual for values in rows.T])[engine.weights.size - 1 :]
    found = [_fit(config, one).coefficient for one in residual.T]
    assert np.mean(found) == pytest.approx(expected, abs=0.02)


def test_a_calibration_depends_on_its_seed_alone() -> None:
    one, same, other = (small().calibrate(NOISE[:200], horizon=30, n_simulations=99, seed=k) for k in (1, 1, 2))
    np.testing.assert_array_equal(one.smallest, same.smallest)
    assert one.thresholds == same.thresholds
    assert any((one.maxima[name] != other.maxima[name]).any() for name in one.maxima)


@pytest.mark.parametrize(("detrend", "bandwidth"), [("gaussian", 20), ("running_mean", 15), (None, None)])
@pytest.mark.parametrize("coefficient", [0.0, 0.6, 0.9])
def test_the_noise_is_found_through_the_smoother(
    detrend: str | None, bandwidth: float | None, coefficient: float
) -> None:
    """A smoother takes memory out; the coefficient is that of what came before it."""
    x = ews.models.ar1(n=6000, coefficient=coefficient, seed=5).values
    found = small(detrend=detrend, bandwidth=bandwidth).calibrate(x, horizon=1, n_simulations=99)
    assert found.coefficient == pytest.approx(coefficient, abs=0.06)
    innovations = x[1:] - coefficient * x[:-1]
    assert found.innovation_sd == pytest.approx(innovations.std(), rel=0.05)


def test_a_calibrated_monitor_has_seen_the_reference() -> None:
    monitor = small()
    monitor.calibrate(NOISE[:200], horizon=100, n_simulations=99)
    continued = monitor.update_many(NOISE[200:250])
    plain = small().update_many(NOISE[:250])
    assert continued[0].index == 200
    assert [state.statistics for state in continued] == [state.statistics for state in plain[200:]]
    monitor.reset()
    assert monitor.calibration is not None
    again = monitor.update_many(NOISE[:50])
    assert [str(state.statistics) for state in again] == [str(state.statistics) for state in plain[:50]]


def test_past_the_horizon_it_says_so() -> None:
    monitor = small()
    monitor.calibrate(NOISE[:200], horizon=5, n_simulations=99)
    states = monitor.update_many(NOISE[200:206])
    assert not any("horizon" in text for text in states[4].reasons)
    assert any("no longer holds" in text for text in states[5].reasons)


def test_a_missing_value_stays_in_its_windows() -> None:
    gappy = NOISE[:150].copy()
    gappy[[60, 61]] = np.nan, np.inf
    states = small().update_many(gappy)
    missing = np.array([state.missing for state in states])
    measured = np.isfinite([state.indicators["variance"] for state in states])
    assert (missing > 0).tolist() == [60 <= t < 73 for t in range(150)]
    assert missing.max() == 2
    np.testing.assert_array_equal(measured[11:], missing[11:] == 0)
    silent = np.isnan(statistics(states, "variance"))
    assert silent[60 : 73 + 9].all()
    assert not silent[73 + 9 :].any()


def test_the_smoother_leaves_missing_values_out() -> None:
    gappy = np.where(np.arange(60) == 40, np.nan, NOISE[:60])
    trend = np.array([state.trend for state in small(detrend="running_mean", bandwidth=5).update_many(gappy)])
    expected = [np.nan if t == 40 else np.nanmean(gappy[max(0, t - 4) : t + 1]) for t in range(60)]
    np.testing.assert_allclose(trend, expected, rtol=1e-12)


def test_none_and_only_missing_values() -> None:
    monitor = small()
    state = None
    for _ in range(40):
        state = monitor.update(None)
    assert state is not None
    assert np.isnan(state.value)
    assert state.missing == 12


def test_a_constant_record_has_no_variance_and_no_alarm() -> None:
    monitor = small()
    monitor.calibrate(NOISE[:200], horizon=100, n_simulations=99)
    states = monitor.update_many(np.full(100, 0.3))
    assert states[-1].residual == 0.0
    assert states[-1].indicators["variance"] == 0.0
    assert np.isnan(states[-1].indicators["ac1"])
    assert not states[-1].alarm


def test_memory_does_not_grow() -> None:
    monitor = small()
    monitor.update_many(NOISE[:100])
    before = len(json.dumps(monitor.to_dict()["engine"]["raw"])), monitor._engine.raw.shape
    monitor.update_many(NOISE[100:])
    assert monitor._engine.raw.shape == before[1]
    arrays = [value for value in vars(monitor._engine).values() if isinstance(value, np.ndarray)]
    assert sum(array.size for array in arrays) < 12 * 10


# ---- recorded runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["level", "trend"])
def test_runs_are_watched_as_any_record_is(rule: Any) -> None:
    runs = np.random.default_rng(1).standard_normal((90, 60))
    monitor = small(rule=rule, indicators=("variance", "skewness"))
    calibration = monitor.calibrate_on(runs)
    half = 45 if rule == "level" else 0
    assert (calibration.n_simulations, calibration.reference_length, calibration.horizon) == (90 - half, half, 60)
    largest = []
    for run in runs[half:]:
        monitor.reset()
        largest.append(np.nanmax(statistics(monitor.update_many(run), "variance")))
    np.testing.assert_allclose(np.sort(largest), calibration.maxima["variance"], rtol=1e-12)
    # Of runs that are all alike, these among them, no more alarm than the rate allows.
    alarms = 0
    for run in runs[half:]:
        monitor.reset()
        alarms += any(state.alarm for state in monitor.update_many(run))
    assert alarms <= 0.05 * (90 - half)
    assert ews.IndicatorMonitor.from_dict(json.loads(json.dumps(monitor.to_dict()))).to_dict() == monitor.to_dict()


def test_the_level_of_runs_is_that_of_all_their_windows() -> None:
    runs = np.random.default_rng(1).standard_normal((80, 40))
    monitor = small(rule="level", detrend=None, bandwidth=None, indicators="variance")
    calibration = monitor.calibrate_on(runs)
    values = ews.variance(runs[:40], window=12)[:, 11:]
    assert calibration.centre["variance"] == pytest.approx(values.mean(), rel=1e-12)
    assert calibration.spread["variance"] == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_a_run_that_cannot_alarm_counts_as_one_that_does_not() -> None:
    runs = np.random.default_rng(1).standard_normal((60, 40))
    runs[:20, ::5] = np.nan
    calibration = small(detrend=None, bandwidth=None).calibrate_on(runs)
    assert (calibration.maxima["variance"] == -np.inf).sum() == 20
    assert np.isfinite(calibration.thresholds["variance"])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"runs": []}, errors.InputTypeError),
        ({"runs": "runs"}, errors.InputTypeError),
        ({"runs": 3.0}, errors.InputTypeError),
        ({"runs": [[1.0, "a"]] * 60}, errors.InputTypeError),
        ({"runs": np.zeros((20, 60))}, errors.ArgumentError),
        ({"runs": np.zeros((60, 60)), "horizon": 61}, errors.ValueRangeError),
        ({"runs": np.zeros((60, 60)), "horizon": 12}, errors.SeriesTooShortError),
        ({"runs": np.zeros((60, 60)), "false_alarm_rate": 0.01}, errors.ArgumentError),
    ],
)
def test_runs_that_cannot_be_used(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        small().calibrate_on(**options)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "coefficient"), [("level", 0.5), ("level", 0.9), ("trend", 0.5)])
def test_false_alarms_are_as_many_as_asked_for(rule: Any, coefficient: float) -> None:
    """300 records of the calibrated kind; 0.05 with a standard error of 0.013."""
    records = ews.models.ar1(n=250, coefficient=coefficient, replicates=300, seed=11).values
    alarms = 0
    for seed, record in enumerate(records):
        monitor = ews.IndicatorMonitor(window=25, bandwidth=25, rule=rule)
        monitor.calibrate(record[:150], horizon=100, n_simulations=99, seed=seed)
        alarms += any(state.alarm for state in monitor.update_many(record[150:]))
    assert alarms / 300 <= 0.05 + 3 * 0.013


# ---- saving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["trend", "level"])
def test_a_saved_monitor_goes_on_bit_for_bit(rule: Any) -> None:
    monitor = small(rule=rule, indicators=("variance", "ac1", "skewness", "cv"))
    monitor.calibrate(NOISE[:150], horizon=50, n_simulations=99)
    gappy = np.where(np.arange(400) == 205, -np.inf, NOISE)
    monitor.update_many(gappy[150:210])
    text = json.dumps(monitor.to_dict(), allow_nan=False)
    again = ews.IndicatorMonitor.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert again.config == monitor.config
    for one, other in zip(again.update_many(gappy[210:300]), monitor.update_many(gappy[210:300]), strict=True):
        assert repr(one) == repr(other)
    assert json.dumps(again.to_dict()) == json.dumps(monitor.to_dict())


def test_dates_survive_saving() -> None:
    monitor = small()
    monitor.update(1.0, time=np.datetime64("2020-01-01"))
    again = ews.IndicatorMonitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
    assert again.state is not None
    assert again.state.time == np.datetime64("2020-01-01", "ns")
    with pytest.raises(errors.ValueRangeError, match="later"):
        again.update(1.0, time="2019-12-31")


def test_what_is_no_saved_monitor_is_refused() -> None:
    monitor = small()
    monitor.calibrate(NOISE[:150], horizon=50, n_simulations=99)
    monitor.update(1.0)
    saved = json.loads(json.dumps(monitor.to_dict()))
    for wrong in (None, [], {}, {"monitor": 2}):
        with pytest.raises(errors.ArgumentError):
            ews.IndicatorMonitor.from_dict(wrong)  # type: ignore[arg-type]

    def broken(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
        changed = copy.deepcopy(saved)
        place: Any = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return changed

    for path, value in [
        (("engine", "raw"), [[1.0]]),
        (("engine", "raw"), "abc"),
        (("engine", "residual", 0, 3), "1.0"),
        (("engine", "seen"), -1),
        (("engine",), None),
        (("config", "window"), 0),
        (("config",), {}),
        (("calibration", "maxima"), {}),
        (("calibration", "smallest"), []),
        (("calibration", "n_simulations"), True),
        (("calibration", "thresholds", "ac1"), "high"),
        (("state", "alarms"), "ac1"),
        (("state", "time"), "yesterday"),
        (("state",), {}),
        (("watched",), -3),
        (("timed",), "no"),
    ]:
        with pytest.raises(errors.ArgumentError):
            ews.IndicatorMonitor.from_dict(broken(path, value))


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"window": 2}, errors.WindowError),
        ({"window": 0.5}, errors.WindowError),
        ({"window": True}, errors.WindowError),
        ({"window": "12"}, errors.WindowError),
        ({"window": 5, "indicators": "kurtosis", "history": 2}, errors.ValueRangeError),
        ({"window": 4, "indicators": "ac3"}, errors.WindowError),
        ({"bandwidth": 0.2}, errors.ValueRangeError),
        ({"bandwidth": np.nan}, errors.ValueRangeError),
        ({"bandwidth": np.inf}, errors.ValueRangeError),
        ({"bandwidth": True}, errors.ValueRangeError),
        ({"bandwidth": 1.5, "detrend": "running_mean"}, errors.ValueRangeError),
        ({"detrend": None}, errors.ArgumentError),
        ({"detrend": "lowess"}, errors.UnknownNameError),
        ({"detrend": 3}, errors.UnknownNameError),
        ({"indicators": "varience"}, errors.UnknownNameError),
        ({"indicators": "density_ratio"}, errors.UnknownNameError),
        ({"indicators": ()}, errors.ValueRangeError),
        ({"indicators": (1,)}, errors.InputTypeError),
        ({"rule": "slope"}, errors.UnknownNameError),
    ],
)
def test_choices_that_cannot_be_used(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        small(**options)


@pytest.mark.parametrize("value", [True, np.True_, "1.0", b"1", 1j, [1.0], np.array([1.0]), np.array("1"), {}, 10**400])
def test_a_value_that_is_no_number_changes_nothing(value: Any) -> None:
    monitor = small()
    monitor.update(1.0)
    before = json.dumps(monitor.to_dict())
    with pytest.raises(errors.ArgumentError):
        monitor.update(value)
    with pytest.raises(errors.ArgumentError):
        monitor.update_many([1.0, value])
    assert json.dumps(monitor.to_dict()) == before


def test_numbers_of_any_kind_are_taken() -> None:
    monitor = small()
    for value in (1, np.float32(1), np.int8(1), np.array(1.0), np.float64(1), np.uint64(1)):
        assert monitor.update(value).value == 1.0  # type: ignore[arg-type]
    assert monitor.update_many([]) == ()


def test_times() -> None:
    monitor = small()
    assert monitor.update(1.0, time=3).time == 3.0
    assert [state.time for state in monitor.update_many([1.0, 2.0], time=[4, 6.5])] == [4.0, 6.5]
    for wrong in (6.5, 1, "2001-01-01", np.nan, [7]):
        with pytest.raises(errors.ArgumentError):
            monitor.update(1.0, time=wrong)
    with pytest.raises(errors.ArgumentError, match="time"):
        monitor.update(1.0)
    with pytest.raises(errors.ArgumentError, match="later"):
        monitor.update_many([1.0, 2.0], time=[9, 8])
    assert monitor.update(1.0, time=9).index == 3
    monitor.reset()
    assert monitor.update(1.0).time == 0.0
    with pytest.raises(errors.ArgumentError, match="time"):
        monitor.update(1.0, time=5)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"reference": NOISE[:20]}, errors.SeriesTooShortError),
        ({"reference": np.zeros(200)}, errors.ArgumentError),
        ({"reference": np.where(np.arange(200) == 3, np.nan, NOISE[:200])}, errors.MissingValuesError),
        ({"reference": ["a"] * 200}, errors.InputTypeError),
        ({"reference": NOISE[:200] > 0}, errors.InputTypeError),
        ({"reference": NOISE.reshape(2, 200)}, errors.InputTypeError),
        ({"horizon": 0}, errors.ValueRangeError),
        ({"horizon": 10.0}, errors.ValueRangeError),
        ({"false_alarm_rate": 0}, errors.ValueRangeError),
        ({"false_alarm_rate": 1.0}, errors.ValueRangeError),
        ({"false_alarm_rate": "5 %"}, errors.ValueRangeError),
        ({"false_alarm_rate": 0.001}, errors.ArgumentError),
        ({"n_simulations": 0}, errors.ValueRangeError),
        ({"seed": -1}, errors.ValueRangeError),
        ({"seed": 1.5}, errors.ValueRangeError),
    ],
)
def test_calibrations_that_cannot_be_made(changed: dict[str, Any], error: type[Exception]) -> None:
    monitor = small()
    options = {"reference": NOISE[:200], "horizon": 20, "n_simulations": 99, **changed}
    with pytest.raises(error):
        monitor.calibrate(**options)
    assert monitor.calibration is None


def test_it_runs_where_only_numpy_is_installed() -> None:
    code = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numba", "llvmlite", "scipy", "pandas", "matplotlib", "statsmodels"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
import json
import numpy as np
import ews
x = np.random.default_rng(0).standard_normal(300)
for rule in ("trend", "level"):
    names = ("mean", "variance", "std", "cv", "skewness", "kurtosis", "ac1", "ac2", "ac3")
    monitor = ews.IndicatorMonitor(window=20, rule=rule, indicators=names)
    monitor.calibrate(x[:200], horizon=20, n_simulations=59)
    ews.IndicatorMonitor.from_dict(json.loads(json.dumps(monitor.to_dict()))).update_many(x[200:])
    monitor.update(1.0, time=3.0) if rule == "trend" else monitor.update(1.0, time=np.datetime64("2020-01-01"))
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
