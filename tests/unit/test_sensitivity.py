"""Sensitivity maps: every cell is what detect finds there, and the p-value of the median keeps its level."""

from __future__ import annotations

import json
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import ews
from ews._evaluation.sensitivity.run import _median
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)

X = 3.0 + ews.nulls.AR1(0.5, 1.0, 80).draw(0, 1, seed=3)[0]
GRID = {"windows": (0.3, 0.5), "bandwidths": (0.1, 0.2, 15)}


@pytest.mark.jit
@pytest.mark.parametrize("null", ["ar1", "fourier"])
def test_each_cell_is_what_detect_finds_there(null):
    names = ("variance", "ac1", "cv")
    found = ews.sensitivity(X, indicators=names, null=null, n_surrogates=60, seed=5, **GRID)
    for i, bandwidth in enumerate(GRID["bandwidths"]):
        for j, window in enumerate(GRID["windows"]):
            one = ews.detect(
                X,
                window=window,
                bandwidth=bandwidth,
                indicators=names,
                null=null,
                n_surrogates=60,
                seed=5,
                method="kendall",
            )
            for name in names:
                assert found.tau[name][i, j] == pytest.approx(one.tau[name], abs=1e-12)
                assert found.pvalue[name][i, j] == pytest.approx(one.pvalue[name], abs=1e-12)
            assert found.null_sentences[i] == one.null_sentence
            assert found.detrend_sentences[i] == one.detrend_sentence
            assert found.window[j] == one.config.window


def test_median_of_the_grid():
    found = ews.sensitivity(X, n_surrogates=20, **GRID)
    for name, tau in found.tau.items():
        assert found.median_tau[name] == pytest.approx(np.median(tau))
        assert 0 < found.median_pvalue[name] <= found.median_pvalue_adjusted[name] <= 1
        assert found.surrogate_median_tau[name].shape == (20,)
        assert found.share_significant[name] == found.counts(name).mean()


def test_median_leaves_out_what_is_undefined():
    taus = np.random.default_rng(1).standard_normal((2, 3, 4, 5))
    taus[np.random.default_rng(2).uniform(size=taus.shape) < 0.4] = np.nan
    taus[1, :, :, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's of cells that are all NaN
        expected = np.nanmedian(taus, axis=(1, 2))
    np.testing.assert_array_equal(_median(taus), expected)
    np.testing.assert_array_equal(_median(taus[:, :1, :1, 0]), taus[:, 0, 0, 0])


def test_without_surrogates_there_are_no_p_values():
    found = ews.sensitivity(X, **GRID)
    assert np.isnan(found.pvalue["ac1"]).all()
    assert np.isnan(found.median_pvalue["ac1"])
    assert np.isnan(found.share_significant["ac1"])
    assert found.warnings == ()
    assert "no p-values" in found.summary()
    assert len(found.plot().axes) == 9  # map, bar and histogram of three indicators


@pytest.mark.parametrize("detrend", [None, "linear", "difference"])
def test_detrending_without_a_bandwidth_varies_the_window_only(detrend):
    found = ews.sensitivity(X, detrend=detrend, indicators="ac1", windows=(0.3, 40), n_surrogates=9)
    assert found.bandwidth == (None,)
    one = ews.detect(X, detrend=detrend, window=40, indicators="ac1", n_surrogates=0, method="kendall")
    tau = one.tau["ac1"]
    assert found.tau["ac1"][0, 1] == pytest.approx(tau, abs=1e-12)
    assert found.plot()
    assert found.summary()


@pytest.mark.jit
def test_a_loss_of_resilience_shows_over_the_grid_and_noise_does_not():
    rising = ews.models.harvested_population(n=400, harvest=(1.0, 2.604), seed=4)
    grid = {"windows": (0.3, 0.5), "bandwidths": (0.1, 0.2, 0.3), "n_surrogates": 99, "indicators": ("ac1", "variance")}
    assert "ac1" in ews.sensitivity(rising, **grid).warnings
    assert ews.sensitivity(ews.models.ar1(n=400, seed=1), **grid).warnings == ()


@pytest.mark.slow
@pytest.mark.jit
@pytest.mark.parametrize("coefficient", [0.0, 0.7])
def test_level_of_the_median(coefficient):
    """800 series of 100 without a trend: p ≤ 0.05 in 5 %, standard error 0.8 %."""
    rows = ews.models.ar1(n=100, coefficient=coefficient, replicates=800, seed=11).values
    grid = {"windows": (0.3, 0.5, 0.7), "bandwidths": (0.1, 0.2, 0.4), "indicators": ("variance", "ac1")}
    p = [ews.sensitivity(row, n_surrogates=199, seed=i, **grid).median_pvalue for i, row in enumerate(rows)]
    for name in ("variance", "ac1"):
        assert 0.03 < np.mean([one[name] <= 0.05 for one in p]) < 0.075


@pytest.mark.jit
def test_same_seed_same_answer_on_any_number_of_threads(monkeypatch):
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        answers.append(ews.sensitivity(np.tile(X, 20), n_surrogates=40, indicators="ac1", **GRID).to_json())
    assert answers[0] == answers[1]


@pytest.mark.jit
def test_result_leaves_as_table_json_text_and_figure():
    found = ews.sensitivity(X, n_surrogates=20, until=69, **GRID)
    frame = found.to_frame()
    assert len(frame) == 3 * 3 * 2
    cell = frame[(frame.indicator == "ac1") & (frame.bandwidth == 0.2) & (frame.window == 35)]
    assert cell.tau.item() == found.tau["ac1"][1, 1]
    read = json.loads(found.to_json())
    assert read["indicators"]["ac1"]["tau"] == found.tau["ac1"].tolist()
    assert read["config"]["until"] == "69"
    assert max(map(len, ews.sensitivity(X).summary().splitlines())) <= 96
    assert "70 of 80 observations used" in found.summary()
    assert "median τ" in repr(found)
    assert found.plot().axes[0].collections[0].get_array().size == 6
    with pytest.raises(FrozenInstanceError):
        found.window = None
    slopes = ews.sensitivity(X, trend="theil_sen", n_surrogates=9, **GRID)
    assert slopes.plot()


def test_input_is_left_alone_and_progress_counts():
    before, reports = X.copy(), []
    ews.sensitivity(X, n_surrogates=6, progress=lambda done, total: reports.append((done, total)), **GRID)
    np.testing.assert_array_equal(X, before)
    assert reports[-1] == (6, 6)


@pytest.mark.parametrize(
    ("data", "options", "error", "said"),
    [
        (X, {"windows": ()}, ValueRangeError, "windows"),
        (X, {"windows": 0.5}, InputTypeError, "windows"),
        (X, {"windows": "ab"}, InputTypeError, "windows"),
        (X, {"windows": (0.5, 1.5)}, WindowError, "window"),
        (X, {"windows": ("a",)}, WindowError, "window"),
        (X, {"bandwidths": ()}, ValueRangeError, "bandwidths"),
        (X, {"bandwidths": (0.1, -1)}, ArgumentError, "bandwidth"),
        (X, {"bandwidths": (0.1,), "detrend": "linear"}, ArgumentError, "bandwidth"),
        (X, {"indicators": "varience"}, UnknownNameError, "variance"),
        (X, {"detrend": "spline"}, UnknownNameError, "detrend"),
        (X, {"null": "white"}, UnknownNameError, "null"),
        (X, {"trend": "sen"}, UnknownNameError, "trend"),
        (X, {"alpha": 5}, ValueRangeError, "alpha"),
        (X, {"n_surrogates": -1}, ArgumentError, "n_surrogates"),
        (X, {"season": 12, "missing": "drop"}, ArgumentError, "missing"),
        (np.ones(80), {}, ValueRangeError, "series"),
        (np.append(X, np.nan), {}, MissingValuesError, "series"),
    ],
)
def test_bad_input_is_named(data, options, error, said):
    with pytest.raises(error, match=said):
        ews.sensitivity(data, **options)
