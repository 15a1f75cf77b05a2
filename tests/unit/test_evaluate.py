"""Evaluations: scores are those of the pipeline, see no future, and lead times count what they say."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

import ews
from ews._evaluation.evaluate.lead_times import lead_times, stays_above
from ews._evaluation.evaluate.run import whole_and_earlier
from ews._evaluation.scores import SCORERS
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)

FAST = {"n_bootstrap": 50}
ONCE = {"n_bootstrap": 50, "n_times": 1}


def noises(count, n=60, seed=1):
    return np.random.default_rng(seed).standard_normal((count, n))


def last(record):
    return float(record.iloc[-1])


# ---- scores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detrend", ["gaussian", "linear", "difference", None])
def test_scores_are_the_trends_that_detect_finds(detrend):
    rows = noises(4) + 5.0
    found = ews.evaluate(
        rows, [1, 0, 1, 0], methods=("variance", "return_rate", "skewness", "cv"), detrend=detrend, **FAST
    )
    for place, row in enumerate(rows):
        tau = ews.detect(row, indicators=found.methods, detrend=detrend, method="kendall", n_surrogates=0).tau
        assert found.scores["variance"][place] == pytest.approx(tau["variance"], abs=1e-12)
        assert found.scores["cv"][place] == pytest.approx(tau["cv"], abs=1e-12)
        expected = -np.inf if np.isnan(tau["return_rate"]) else -tau["return_rate"]  # its alarm is a fall
        assert found.scores["return_rate"][place] == pytest.approx(expected, abs=1e-12)
        assert found.scores["skewness"][place] == pytest.approx(abs(tau["skewness"]), abs=1e-12)


def test_running_scores_are_those_of_the_shortened_record():
    rows = noises(3)
    found = ews.evaluate(rows, [1, 0, 0], methods=("ac1", last), n_times=5, window=0.4, **FAST)
    seen = whole_and_earlier([60], 5, 0.5)[0]
    np.testing.assert_array_equal(seen, [30, 38, 45, 52, 60])
    np.testing.assert_array_equal(found.times[0], seen - 1)
    for place, row in enumerate(rows):
        for column, n in enumerate(seen):
            tau = ews.detect(row[:n], indicators="ac1", window=0.4, method="kendall", n_surrogates=0).tau["ac1"]
            assert found.running["ac1"][place, column] == pytest.approx(tau, abs=1e-12)
            assert found.running["last"][place, column] == row[n - 1]
    for name in found.methods:
        np.testing.assert_array_equal(found.running[name][:, -1], found.scores[name])


def test_no_score_sees_the_future():
    rows = noises(2)
    changed = rows.copy()
    changed[:, 45:] += 100.0
    one, other = (
        ews.evaluate(data, [1, 0], methods=("variance", "ac1"), n_times=5, **FAST) for data in (rows, changed)
    )
    for name in one.methods:
        np.testing.assert_array_equal(one.running[name][:, :3], other.running[name][:, :3])
        assert (one.running[name][:, 3:] != other.running[name][:, 3:]).any()


def test_direction_can_be_chosen():
    methods = [ews.TrendScore("ac1", way) for way in ("up", "down", "both")]
    found = ews.evaluate(noises(6), [1, 0] * 3, methods=methods, **ONCE)
    assert found.methods == ("ac1 (up)", "ac1 (down)", "ac1 (both)")
    up = found.scores["ac1 (up)"]
    np.testing.assert_array_equal(found.scores["ac1 (down)"], -up)
    np.testing.assert_array_equal(found.scores["ac1 (both)"], abs(up))
    assert found.roc["ac1 (down)"].auc == pytest.approx(1 - found.roc["ac1 (up)"].auc)


def test_methods_can_be_functions_and_carry_names():
    found = ews.evaluate(noises(4), [1, 1, 0, 0], methods={"end": last, "start": lambda x: float(x.iloc[0])}, **ONCE)
    np.testing.assert_array_equal(found.scores["end"], noises(4)[:, -1])
    assert found.methods == ("end", "start")
    assert isinstance(last, ews.Score)
    assert ews.evaluate(noises(4), [1, 1, 0, 0], methods=last, **ONCE).methods == ("last",)


def test_what_is_undefined_gives_no_warning():
    rows = noises(4)
    rows[:, 0] = [3.0, -1.0, 2.0, -2.0]
    found = ews.evaluate(
        rows, [1, 1, 0, 0], methods={"root": lambda record: np.emath.sqrt(record.iloc[0]).real or np.nan}, **ONCE
    )
    np.testing.assert_array_equal(found.scores["root"], [3**0.5, -np.inf, 2**0.5, -np.inf])
    assert "root is undefined in 2 of 4 records, which count as giving no warning" in found.notes


def test_functions_get_the_times_and_nothing_they_do_to_the_record_matters():
    records = []

    def greedy(record):
        records.append(record.copy())
        record.iloc[:] = 0.0
        return 1.0

    days = pd.date_range("2001-01-01", periods=30, name="day")
    table = pd.DataFrame(noises(2, 30).T, index=days, columns=["a", "b"])
    before = table.copy()
    ews.evaluate(table, {"b": False, "a": True}, methods=greedy, **ONCE)
    pd.testing.assert_frame_equal(table, before)
    assert sorted(record.name for record in records) == ["a", "b"]
    assert records[0].index.name == "day"
    assert records[0].index[-1] == days[-1]


@pytest.mark.jit
@pytest.mark.parametrize("name", SCORERS)
def test_detectors_run_by_name(name):
    rows = ews.models.ar1(n=80, coefficient=0.6, replicates=3, seed=2).values
    found = ews.evaluate(rows, [1, 0, 0], methods=name, **ONCE)
    assert np.isfinite(found.scores[name]).all()


# ---- collections ----------------------------------------------------------------------------------------------------


def test_one_collection_in_every_form_gives_one_answer():
    rows, labels = noises(4), [True, False, True, False]
    names = ["a", "b", "c", "d"]
    expected = ews.evaluate(rows, labels, **FAST)
    forms = [
        (list(rows), labels),
        ([pd.Series(row) for row in rows], np.array(labels, dtype=float)),
        (dict(zip(names, rows, strict=True)), dict(zip(names, labels, strict=True))),
        (pd.DataFrame(rows.T, columns=names), pd.Series(labels, index=names)[::-1]),
        (pd.DataFrame(rows.T, columns=names).assign(t=range(60)), labels, {"time": "t"}),
    ]
    for collection, truth, *options in forms:
        found = ews.evaluate(collection, truth, **FAST, **(options[0] if options else {}))
        for name in expected.methods:
            np.testing.assert_allclose(found.running[name], expected.running[name], atol=1e-12)
        assert found.roc["ac1"].interval == pytest.approx(expected.roc["ac1"].interval)


def test_simulations_know_their_labels_and_transitions():
    rising = ews.models.harvested_population(n=200, replicates=3, seed=1)
    constant = ews.models.harvested_population(n=180, harvest=1.0, replicates=2, seed=2)
    found = ews.evaluate([rising, constant], **ONCE)
    assert found.labels.tolist() == [True] * 3 + [False] * 2
    assert (found.transition[:3] == rising.transition).all()
    assert (found.n[:3] == int(rising.transition) + 1).all()
    assert (found.n[3:] == 180).all()
    assert found.names[0] == "harvested_population 0"
    cut = ews.evaluate([rising, constant], until=100, **ONCE)
    assert (cut.n == 101).all()
    assert (cut.transition[:3] == rising.transition).all()
    assert (cut.transition[3:] == 100).all()


def test_each_series_can_end_at_its_own_time():
    rows = noises(3)
    found = ews.evaluate(rows, [1, 0, 0], until=[39, 49, None], **ONCE)
    assert found.n.tolist() == [40, 50, 60]
    assert found.transition.tolist() == [39, 49, 59]
    known = ews.evaluate(rows, [1, 0, 0], until=39, transition=[45, None, None], **ONCE)
    assert known.n.tolist() == [40] * 3
    assert known.transition.tolist() == [45, 39, 39]


def test_dates_count_in_days():
    weeks = pd.date_range("2001-01-01", periods=60, freq="7D")
    table = pd.DataFrame(noises(2).T, index=weeks, columns=["a", "b"])
    found = ews.evaluate(table, [1, 0], methods=last, n_times=3, transition={"a": "2002-02-28", "b": None}, **FAST)
    assert found.time_unit == "days"
    assert found.transition[0] == pytest.approx(424, abs=1)
    assert found.n.tolist() == [60, 60]
    assert found.times[1].tolist() == [7 * 29, 7 * 44, 7 * 59]


def test_unlike_lengths_are_said():
    found = ews.evaluate([noises(1, 100)[0], noises(1, 60)[0]], [1, 0], **ONCE)
    assert "100 samples and negative ones 60" in " ".join(found.notes)
    assert "100 samples" in found.summary()


def test_groups_are_drawn_together():
    rows = np.repeat(noises(10), 5, axis=0)
    labels = np.repeat([1, 0] * 5, 5)
    alone = ews.evaluate(rows, labels, **ONCE)
    grouped = ews.evaluate(rows, labels, groups=np.repeat(np.arange(10), 5), **ONCE)
    assert np.ptp(grouped.roc["ac1"].interval) > 1.5 * np.ptp(alone.roc["ac1"].interval)
    assert "from 10 groups" in grouped.summary()


# ---- lead times -----------------------------------------------------------------------------------------------------


def test_lead_begins_where_the_score_stays_above():
    scores = np.array([[1, 5, 1, 5, 5], [5, 5, 5, 5, 1], [5, 5, 5, 5, 5], [3, 2, 3, 1, 2]], float)
    times = np.tile([10.0, 20, 30, 40, 50], (4, 1))
    np.testing.assert_array_equal(stays_above(scores, 4.0), [3, 5, 0, 5])
    np.testing.assert_array_equal(stays_above(scores, 5.0), [3, 5, 0, 5])  # at the threshold is above it
    found = lead_times(scores, times, np.full(4, 55.0), np.array([1, 1, 1, 0], bool), 3.0)
    np.testing.assert_array_equal(found.lead, [15.0, np.nan, 45.0])
    assert found.warned == pytest.approx(2 / 3)
    assert found.quartiles == (22.5, 30.0, 37.5)
    assert found.ever == 1.0  # the negative series had reached 3
    assert found.resolution == 10.0
    silent = lead_times(scores, times, np.full(4, 55.0), np.array([1, 1, 1, 0], bool), 9.0)
    assert silent.warned == 0.0
    assert np.isnan(silent.median)


def test_a_score_that_counts_time_leads_by_what_is_left():
    """Positive series carry a score that jumps at sample 45; the threshold is what 5 % of the negatives reach."""
    positive = np.concatenate([-np.ones((3, 45)), np.ones((3, 15))], axis=1) + 1e-3 * noises(3)
    negative = 1e-3 * noises(40, seed=2)
    found = ews.evaluate(
        np.concatenate([positive, negative]), [1] * 3 + [0] * 40, methods=last, n_times=31, transition=70, **FAST
    )
    assert (found.n == 60).all()
    lead = found.lead["last"]
    assert lead.threshold == found.roc["last"].threshold_at(0.05)
    np.testing.assert_array_equal(lead.lead, [25.0] * 3)  # samples 30, 31, …, 60 are looked at: 46 is at time 45
    assert found.roc["last"].detection_rate(0.05) == lead.warned == 1.0
    assert lead.ever > 0.05


def test_one_look_gives_no_lead_times():
    found = ews.evaluate(noises(4), [1, 0, 1, 0], **ONCE)
    assert found.lead == {}
    assert "median lead" not in found.summary()
    assert found.plot()


# ---- the result -----------------------------------------------------------------------------------------------------


def test_differences_are_paired_with_the_reference():
    found = ews.evaluate(noises(20), [1, 0] * 10, reference="ac1", **ONCE)
    assert set(found.differences) == {"variance", "skewness"}
    direct = ews.compare_roc(found.scores["variance"], found.scores["ac1"], found.labels, n_bootstrap=50)
    assert found.differences["variance"] == direct


def test_same_seed_same_answer_on_any_number_of_threads(monkeypatch):
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        answers.append(ews.evaluate(noises(8), [1, 0] * 4, methods=("ac1", last), **FAST).to_json())
    assert answers[0] == answers[1]


def test_result_leaves_as_tables_json_text_and_figure():
    found = ews.evaluate(noises(6), [1, 0] * 3, **FAST)
    assert found.to_frame().shape == (6, 6)
    assert found.statistics().loc["ac1", "auc"] == found.roc["ac1"].auc
    read = json.loads(found.to_json())
    assert read["methods"]["ac1"]["auc"] == found.roc["ac1"].auc
    assert read["config"]["seed"] == 0
    assert "Evaluation of 3 methods on 6 series" in found.summary()
    assert max(map(len, found.summary().splitlines())) <= 96
    assert len(found.plot().axes) == 3
    assert "ac1 AUC=" in repr(found)
    with pytest.raises(FrozenInstanceError):
        found.reference = "x"


def test_progress_counts_to_the_end():
    reports = []
    ews.evaluate(noises(4), [1, 0, 1, 0], progress=lambda done, total: reports.append((done, total)), **FAST)
    assert reports[-1][0] == reports[-1][1]
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


@pytest.mark.parametrize(
    ("collection", "labels", "options", "error", "said"),
    [
        (noises(2), None, {}, ArgumentError, "labels"),
        (noises(2), [1], {}, ArgumentError, "labels"),
        (noises(2), [1, 1], {}, SeriesTooShortError, "labels"),
        (noises(2), 1, {}, InputTypeError, "labels"),
        ({"a": [1.0], "b": [2.0]}, {"a": 1}, {}, UnknownNameError, "'b'"),
        (noises(2)[0], [1, 0], {}, InputTypeError, "collection"),
        ("text", [1, 0], {}, InputTypeError, "collection"),
        ([], [], {}, SeriesTooShortError, "collection"),
        ([[1.0, np.nan] * 30, noises(1)[0]], [1, 0], {}, MissingValuesError, "series '0'"),
        ({"lake": ["a"], "b": [1.0]}, [1, 0], {}, InputTypeError, "series 'lake'"),
        ({"lake": [1.0, 2.0], "b": noises(1)[0]}, [1, 0], {}, SeriesTooShortError, "series 'lake'"),
        (noises(2), [1, 0], {"methods": "varience"}, UnknownNameError, "variance"),
        (noises(2), [1, 0], {"methods": ()}, ValueRangeError, "methods"),
        (noises(2), [1, 0], {"methods": 3}, InputTypeError, "methods"),
        (noises(2), [1, 0], {"methods": (3,)}, InputTypeError, "methods"),
        (noises(2), [1, 0], {"methods": ("ac1", "ac1")}, ValueRangeError, "twice"),
        (noises(2), [1, 0], {"methods": lambda record: f"{record.size} a"}, InputTypeError, "one number"),
        (noises(2), [1, 0], {"reference": "std"}, UnknownNameError, "reference"),
        (noises(2), [1, 0], {"window": 3.5}, WindowError, "window"),
        (noises(2), [1, 0], {"false_alarm_rate": 5}, ValueRangeError, "false_alarm_rate"),
        (noises(2), [1, 0], {"burn_in": 1.0}, ValueRangeError, "burn_in"),
        (noises(2), [1, 0], {"n_times": 0}, ValueRangeError, "n_times"),
        (noises(2), [1, 0], {"n_bootstrap": 0}, ValueRangeError, "n_bootstrap"),
        (noises(2), [1, 0], {"until": "soon"}, InputTypeError, "until"),
        (noises(2), [1, 0], {"until": [1, 2, 3]}, ArgumentError, "until"),
        (noises(2), [1, 0], {"transition": "soon", "until": 50}, InputTypeError, "transition"),
        (noises(2), [1, 0], {"groups": "ab"}, InputTypeError, "groups"),
    ],
)
def test_bad_input_is_named(collection, labels, options, error, said):
    with pytest.raises(error, match=said):
        ews.evaluate(collection, labels, **options)


def test_directions_are_checked_when_made():
    with pytest.raises(UnknownNameError, match="direction"):
        ews.TrendScore("ac1", direction="sideways")
    with pytest.raises(UnknownNameError, match="variance"):
        ews.TrendScore("varience")
    with pytest.raises(InputTypeError):
        ews.TrendScore(3)


@pytest.mark.parametrize("method", ["classifier", "likelihood", "jacobian", "langevin", "restoring"])
def test_detectors_take_records_of_which_gaps_were_dropped(method: str) -> None:
    rows = np.random.default_rng(2).standard_normal((2, 90)).cumsum(axis=1)
    rows[0, [20, 21]] = np.nan
    found = ews.evaluate(rows, [1, 0], methods=[method], missing="drop", n_times=1, n_bootstrap=10)
    assert found.n.tolist() == [88, 90]
    assert np.isfinite(found.scores[method]).all()
