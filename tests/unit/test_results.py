"""Results are frozen, carry everything, and leave as tables and strict JSON without losing a digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews.errors import ArgumentError
from ews.results import Detection, Detections

N = 60
X = ews.nulls.AR1(0.5, 1.0, N).draw(0, 1, seed=3)[0]
DAYS = pd.date_range("2001-01-01", periods=N, freq="6h").rename("when")


def real(n_surrogates: int = 30) -> Detection:
    found = ews.detect(pd.Series(X, index=DAYS, name="lake"), n_surrogates=n_surrogates)
    assert isinstance(found, Detection)
    return found


def test_results_are_frozen(make_detection: Callable[..., Detection]) -> None:
    found = make_detection()
    for thing in (found, found.config, found.series, found.indicators["ac1"], found.surrogate_band["ac1"]):
        for field in fields(thing):
            with pytest.raises(FrozenInstanceError):
                setattr(thing, field.name, None)


def test_to_frame_holds_every_number(make_detection: Callable[..., Detection]) -> None:
    found = make_detection(dates=True)
    frame = found.to_frame()
    assert list(frame) == ["value", "trend", "residual", "variance", "ac1", "skewness"]
    assert frame.index.name == "time"
    np.testing.assert_array_equal(frame.index.to_numpy(), found.series.time)
    np.testing.assert_array_equal(frame["value"], found.series.values)
    for name, indicator in found.indicators.items():
        np.testing.assert_array_equal(frame[name], indicator.values)
    frame.iloc[0, 0] = 99.0
    assert found.series.values[0] != 99.0


def test_statistics_have_a_row_an_indicator(make_detection: Callable[..., Detection]) -> None:
    found = make_detection()
    table = found.statistics()
    assert list(table.index) == list(found.indicators)
    for name in table.index:
        assert table.loc[name, "tau"] == found.tau[name]
        assert (table.loc[name, "low"], table.loc[name, "high"]) == found.tau_interval[name]
        assert table.loc[name, "pvalue_adjusted"] == found.pvalue_adjusted[name]


@pytest.mark.parametrize("n_surrogates", [0, 30])
def test_json_is_strict_and_loses_nothing(n_surrogates: int) -> None:
    found = real(n_surrogates)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(found.to_json(), parse_constant=refuse)
    assert read == json.loads(json.dumps(found.to_dict()))
    assert read["value"] == X.tolist()
    assert read["residual"] == found.residual.tolist()
    assert read["time"][:2] == ["2001-01-01T00:00:00", "2001-01-01T06:00:00"]
    assert read["name"] == "lake"
    assert read["verdict"] == found.verdict
    for name, indicator in found.indicators.items():
        values = np.array(read["indicators"][name], dtype=float)  # None becomes NaN
        np.testing.assert_array_equal(values, indicator.values)
        assert read["indicators"][name][0] is None
        assert read["statistics"][name]["tau"] == found.tau[name]
        assert (read["statistics"][name]["pvalue"] is None) == (n_surrogates == 0)
        assert read["surrogate_tau"][name] == found.surrogate_tau[name].tolist()
    assert read["config"]["seed"] == 0
    assert read["config"]["indicators"] == ["variance", "ac1", "skewness"]
    assert read["earlywarning"] == ews.__version__


def test_times_below_a_second_are_told_apart_in_json() -> None:
    time = np.datetime64("2001-01-01", "ns") + np.arange(N) * np.timedelta64(100, "ms")
    found = ews.detect(X, time=time, n_surrogates=0)
    assert len(set(found.to_dict()["time"])) == N


def test_indicators_are_arrays(make_detection: Callable[..., Detection]) -> None:
    indicator = make_detection().indicators["ac1"]
    np.testing.assert_array_equal(np.asarray(indicator), indicator.values)
    assert np.asarray(indicator, dtype=np.float32).dtype == np.float32
    assert len(indicator) == 60


def test_detections_are_a_mapping(make_detection: Callable[..., Detection]) -> None:
    both = Detections({"a": make_detection(name="a"), "b": make_detection(name="b", verdict="inconclusive")})
    assert list(both) == ["a", "b"]
    assert len(both) == 2
    assert both["b"].verdict == "inconclusive"
    assert "c" not in both
    with pytest.raises(KeyError):
        both["c"]
    table = both.to_frame()
    assert list(table.index.names) == ["series", "indicator"]
    assert table.loc[("b", "ac1"), "verdict"] == "inconclusive"
    assert json.loads(both.to_json())["a"]["verdict"] == "warning"
    assert "a: warning" in repr(both)


def test_repr_says_what_was_found(make_detection: Callable[..., Detection]) -> None:
    text = repr(make_detection())
    assert "'lake'" in text
    assert "warning" in text
    assert "p=nan" not in repr(make_detection(n_surrogates=0))
    assert "'series'" in repr(make_detection(name=None))


def test_short_records_have_change_points_too() -> None:
    found = ews.detect(X[:10], window=3, n_surrogates=0)
    assert isinstance(found, Detection)
    assert len(found.changepoints) == 0
    shortest = ews.detect(X[:9], window=2, indicators="variance", n_surrogates=0)
    assert shortest.to_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved.update(trend=saved["trend"][:-1]),
        lambda saved: saved["indicators"].update(variance=saved["indicators"]["variance"][::2]),
        lambda saved: saved.update(residual=saved["residual"] * 2),
        lambda saved: saved["tau"].popitem(),
        lambda saved: saved.update(time=saved["time"] * 2),
    ],
)
def test_fields_that_do_not_fit_one_another_are_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    detection = ews.detect(np.random.default_rng(0).standard_normal(60), n_surrogates=9)
    saved = json.loads(detection.to_json())
    change(saved)
    with pytest.raises(ArgumentError, match="saved"):
        ews.Detection.from_dict(saved)
    assert ews.Detection.from_json(detection.to_json()) == detection
