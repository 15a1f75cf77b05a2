"""Results are frozen, carry everything, and leave as tables and strict JSON without losing a digit."""

from __future__ import annotations

import json
import re
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
    shortest = ews.detect(X[:9], window=2, indicators="variance", method="kendall", n_surrogates=0)
    assert shortest.to_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: saved.update(trend=saved["trend"][:-1]), "trend: got 59 values; allowed: 60, as series has"),
        (lambda saved: saved["indicators"].update(variance=saved["indicators"]["variance"][::2]), "indicators"),
        (lambda saved: saved.update(indicators=[0.0] * 20), "indicators: got "),
        (lambda saved: saved.pop("labels"), "saved: got something without 'labels'"),
        (lambda saved: saved.update(alarms=5), "alarms: got 5"),
        (lambda saved: saved.update(residual=saved["residual"] * 2), "residual: got 120 values"),
        (lambda saved: saved.update(trend=[[1.0]] * 60), "trend: got an array of 2 axes"),
        (lambda saved: saved["tau"].popitem(), "tau: got the names"),
        (lambda saved: saved.update(time=saved["time"] * 2), "series.time: got 120 values; allowed: 60"),
        (lambda saved: saved.update(time=saved["time"][::-1]), "series.time: got times that do not increase"),
        (lambda saved: saved.update(value=saved["value"][1:]), "series.time: got 60 values; allowed: 59"),
        (lambda saved: saved["surrogate_band"]["variance"]["upper"].pop(), "surrogate_band.variance.upper: got 59"),
        (lambda saved: saved["pvalues"].update(variance=1.5), "pvalue.variance: got 1.5; allowed: 0 to 1"),
        (lambda saved: saved["config"].update(alpha=-0.1), "config.alpha: got -0.1; allowed: 0 to 1"),
        (lambda saved: saved["config"].update(window=-5), "config.window: got -5; allowed: at least 0"),
    ],
)
def test_fields_that_do_not_fit_one_another_are_refused(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    detection = ews.detect(np.random.default_rng(0).standard_normal(60), n_surrogates=9)
    saved = json.loads(detection.to_json())
    change(saved)
    with pytest.raises(ArgumentError, match=f"^{re.escape(said)}"):
        ews.Detection.from_dict(saved)
    assert ews.Detection.from_json(detection.to_json()) == detection


def test_curves_that_would_be_drawn_together_are_as_long_as_one_another() -> None:
    roc = ews.roc(np.arange(8.0), [False, True] * 4, n_bootstrap=9)
    for name in ("scores", "labels", "fpr", "tpr", "thresholds", "band_fpr", "band_lower", "band_upper"):
        saved = roc.to_dict()
        saved[name] = saved[name][:-1]
        with pytest.raises(ArgumentError, match=r"got \d+ values; allowed: \d+, as "):
            ews.Roc.from_dict(saved)


def test_what_cannot_be_drawn_is_refused_where_it_is_read() -> None:
    spectrum = ews.power_spectrum(X, window=20).to_dict()
    spectrum["power"][0][0] = -1e308
    with pytest.raises(ArgumentError, match=r"^power: got numbers too large to be drawn"):
        ews.PowerSpectrum.from_dict(spectrum)
    patches = ews.spatial.patch_distribution([1, 2, 3, 5, 9] * 8).to_dict()
    with pytest.raises(ArgumentError, match=r"^smallest: got 0; allowed: at least 1"):
        ews.spatial.PatchDistribution.from_dict({**patches, "smallest": 0})
    patches["fits"]["lognormal"]["parameters"] = {}
    with pytest.raises(ArgumentError, match=r"^fits: got laws .*; allowed: the four laws"):
        ews.spatial.PatchDistribution.from_dict(patches)
    with pytest.raises(ArgumentError, match=r"^method: got "):
        ews.trends.Trend.from_dict({**ews.trends.kendall(X).to_dict(), "method": "\ud800"})


@pytest.mark.parametrize(("name", "said"), [("湖", "'湖'"), ("a\0b", r"'\\x00'")])
def test_characters_that_the_font_lacks_are_told_in_the_librarys_words(name: str, said: str) -> None:
    detection = ews.detect(pd.Series(X, name=name), n_surrogates=0, indicators="variance")
    with pytest.warns(ews.errors.EWSWarning, match=f"font lacks {said}: boxes stand there"):
        assert detection.to_html().startswith("<!")
