"""``ews.detect(method="auto")``: the joint test against the parts, the kind of warning, the power, the report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis, skew

import ews
from ews._analysis.assessment.controls import draw_control
from ews._analysis.assessment.run import bimodality
from ews._common.alarms import westfall_young
from ews.bifurcations._classifier.run import evidence_of
from ews.errors import SeriesTooShortError, UnknownNameError


def memory(n: int, coefficient: float = 0.5, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += coefficient * x[i - 1]
    return x


def auto(series: object, **options: object) -> ews.Assessment:
    found = ews.detect(series, method="auto", **{"n_surrogates": 99, **options})  # type: ignore[arg-type]
    assert isinstance(found, ews.Assessment)
    return found


@pytest.fixture(scope="module")
def cycle() -> ews.Assessment:
    plankton = ews.models.hopf(n=300, seed=2)
    return auto(plankton, until=plankton.transition)


def test_bimodality_is_sarles() -> None:
    x = np.random.default_rng(1).exponential(size=(3, 101))
    for row, found in zip(x, bimodality(x), strict=True):
        u = np.linspace(-1.0, 1.0, 51)
        half = row[50:] - np.polyval(np.polyfit(u, row[50:], 2), u)
        n = half.size
        g, k = skew(half, bias=False), kurtosis(half, bias=False)
        assert found == pytest.approx((g**2 + 1) / (k + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))
    steep = np.linspace(0.0, 1.0, 101) ** 2 * 1e3  # a parabola says nothing of two states
    np.testing.assert_allclose(bimodality(x + steep), bimodality(x), rtol=1e-9)
    two = np.tile([0.0, 1.0], 4000)
    assert bimodality(two.reshape(1, -1))[0] == pytest.approx(1.0, abs=2e-3)


@pytest.mark.jit
def test_the_parts_are_those_of_the_detection(cycle: ews.Assessment) -> None:
    detection = cycle.detection
    for name in detection.config.indicators:
        assert cycle.statistic[name] == detection.tau[name]
        assert cycle.pvalue[name] == detection.pvalue[name]
        np.testing.assert_array_equal(cycle.surrogate[name], detection.surrogate_tau[name])
    assert cycle.statistic["evidence"] == pytest.approx(evidence_of(detection.residual.reshape(1, -1))[0])
    assert cycle.statistic["evidence"] == pytest.approx(cycle.classification.evidence)
    larger = (cycle.surrogate["evidence"] >= cycle.statistic["evidence"]).sum()
    assert cycle.pvalue["evidence"] == (1 + larger) / 100


@pytest.mark.jit
def test_the_joint_p_is_min_p_over_all_five(cycle: ews.Assessment) -> None:
    names = list(cycle.statistic)
    assert names == ["variance", "ac1", "skewness", "evidence", "bimodality"]
    surrogate = np.stack([cycle.surrogate[name] for name in names])
    alone = np.array([cycle.pvalue[name] for name in names])
    # By hand: the p that each surrogate would have had, the smallest over the statistics, and how often it is as small.
    n = surrogate.shape[1]
    smallest = np.ones(n)
    weight = dict.fromkeys(names, 1.0) | {"evidence": 4.0}  # half of the level
    for i, name in enumerate(names):
        pool = np.append(surrogate[i], cycle.statistic[name])
        up = (pool[None, :] >= surrogate[i][:, None]).sum(axis=1)
        down = (pool[None, :] <= surrogate[i][:, None]).sum(axis=1)
        p = up / (n + 1) if i >= 3 else np.minimum(1.0, 2 * np.minimum(up, down) / (n + 1))
        smallest = np.minimum(smallest, p / weight[name])
    for i, name in enumerate(names):
        expected = max((1 + (smallest <= alone[i] / weight[name]).sum()) / (n + 1), alone[i])
        assert cycle.pvalue_adjusted[name] == pytest.approx(expected)


@pytest.mark.jit
def test_a_hopf_is_found_and_named(cycle: ews.Assessment) -> None:
    assert (cycle.verdict, cycle.kind, cycle.bifurcation) == ("warning", "slowing down", "hopf")
    assert cycle.votes["spectral"] == "hopf"
    assert sum(cycle.probability.values()) == pytest.approx(1.0)


@pytest.mark.jit
def test_growing_noise_alone_is_variance_only() -> None:
    x = np.random.default_rng(5).standard_normal(400) * np.linspace(1.0, 4.0, 400)
    found = auto(x, n_surrogates=399)
    assert found.verdict == "warning"
    assert found.kind == "variance only"
    assert found.bifurcation is None


@pytest.mark.jit
def test_two_states_are_flickering() -> None:
    generator = np.random.default_rng(2)
    state = np.sign(np.cumsum(generator.random(400) < 0.15) % 2 - 0.5)
    x = 0.3 * generator.standard_normal(400)
    x[200:] += 3.0 * state[200:]
    assert auto(x, n_surrogates=199).kind == "flickering"


def test_controls_go_where_they_say() -> None:
    start = memory(400, 0.4)
    for kind, sign in (("fold", 1), ("flip", -1)):
        rows = draw_control(kind, start, 0.4, 1.0, seed=1)(0, 400)
        last = rows[:, -40:]
        correlation = np.mean(last[:, 1:] * last[:, :-1]) / np.mean(last**2)
        assert sign * correlation > 0.8
        assert 0.1 < np.mean(rows[:, 1:40] * rows[:, :39]) / np.mean(rows[:, :40] ** 2) < 0.6
    rows = draw_control("hopf", start, 0.4, 1.0, seed=1)(0, 400)
    assert rows[:, -40:].std() > 2.0 * rows[:, :40].std()
    np.testing.assert_array_equal(draw_control("hopf", start, 0.4, 1.0, seed=1)(7, 2), rows[7:9])


@pytest.mark.jit
def test_power_decides_between_silence_and_ignorance(cycle: ews.Assessment) -> None:
    assert set(cycle.power) == {"fold", "flip", "hopf"}
    assert all(0.0 <= share <= 1.0 for share in cycle.power.values())
    short = auto(memory(60))
    assert short.verdict == "inconclusive"
    assert min(short.power.values()) < 0.8


@pytest.mark.jit
def test_too_few_surrogates_are_said_to_be_too_few() -> None:
    assert "draw more" in " ".join(auto(memory(60), n_surrogates=99).reasons)
    assert "draw more" not in " ".join(auto(memory(60), n_surrogates=399).reasons)


@pytest.mark.jit
def test_no_surrogates_no_test() -> None:
    found = auto(memory(80), n_surrogates=0)
    assert found.verdict == "inconclusive"
    assert found.power == {}
    assert np.isnan(found.pvalue["evidence"])
    assert "nothing was tested" in found.summary()


@pytest.mark.jit
def test_report_figure_and_json(cycle: ews.Assessment) -> None:
    text = cycle.summary()
    for part in ("WARNING", "slowing down", "Hopf", "Could see", "spectral: hopf", "seed 0"):
        assert part in text
    figure = cycle.plot()
    assert len(figure.axes) == 7
    read = json.loads(cycle.to_json())
    assert read["kind"] == "slowing down"
    assert read["detectors"]["classifier"]["kind"] == "hopf"
    assert list(cycle.to_frame().index) == list(cycle.statistic)


@pytest.mark.jit
def test_same_seed_same_answer_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWS_NUM_THREADS", "1")
    one = auto(memory(90), seed=4)
    monkeypatch.setenv("EWS_NUM_THREADS", "3")
    assert auto(memory(90), seed=4).to_dict() == one.to_dict()


@pytest.mark.jit
def test_a_table_gives_an_assessment_a_column() -> None:
    table = pd.DataFrame({"a": memory(60), "b": memory(60, seed=4)}, index=pd.date_range("2001", periods=60, freq="D"))
    found = ews.detect(table, method="auto", n_surrogates=39)
    assert isinstance(found, ews.Assessments)
    frame = found.to_frame()
    assert list(frame.index) == ["a", "b"]
    assert (frame["qvalue"] >= frame["pvalue"]).all()
    assert "inconclusive" in found.summary()
    json.loads(found.to_json())


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(SeriesTooShortError, match="at least 40"):
        ews.detect(memory(39), method="auto")
    with pytest.raises(UnknownNameError, match="auto"):
        ews.detect(memory(80), method="Auto")  # type: ignore[arg-type]


def test_the_order_of_statistics_does_not_matter() -> None:
    observed, surrogate = np.array([1.0, 2.0]), np.random.default_rng(1).standard_normal((2, 99))
    one = westfall_young(observed, surrogate)[1]
    np.testing.assert_array_equal(westfall_young(observed[::-1], surrogate[::-1])[1][::-1], one)


@pytest.mark.jit
def test_pages_need_nothing_from_outside(cycle: ews.Assessment) -> None:
    page = cycle.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert 'src="http' not in page
    both = ews.Assessments({"a<b": cycle, "c": cycle})
    assert "a&lt;b" in both.to_html()
    assert len(both.plot().axes) == 1


def test_gaps_that_were_dropped_stay_dropped() -> None:
    x = memory(120)
    x[[30, 31, 50]] = np.nan
    found = auto(x, missing="drop", n_surrogates=19)
    assert found.classification.series.time.tolist() == found.detection.series.time.tolist()
    assert set(found.detectors) == {"classifier", "spectral", "jacobian", "restoring"}


def test_a_long_season_does_not_stop_it() -> None:
    found = auto(memory(120), season=40, n_surrogates=19)
    assert found.classification.history_time.min() >= 79
    assert found.classification.history_time.max() == 119


def test_a_table_without_surrogates_has_no_p() -> None:
    table = pd.DataFrame({"a": memory(80), "b": memory(80, seed=4)})
    frame = ews.detect(table, method="auto", n_surrogates=0).to_frame()
    assert frame[["pvalue", "qvalue", "power"]].isna().all(axis=None)


@pytest.mark.jit
def test_a_table_takes_no_fall_for_a_discovery() -> None:
    quieter = np.random.default_rng(5).standard_normal(300) * np.linspace(5.0, 1.0, 300)
    table = pd.DataFrame({"quieter": quieter, "steady": np.random.default_rng(6).standard_normal(300)})
    found = ews.detect(table, method="auto", n_surrogates=199)
    one = found["quieter"]
    assert one.pvalue_adjusted["variance"] <= 0.1
    assert one.statistic["variance"] < 0
    in_alarm = [one.pvalue_adjusted[name] for name in ("evidence", "bimodality")]
    in_alarm += [one.pvalue_adjusted["ac1"]] if one.statistic["ac1"] > 0 else []
    in_alarm += [one.pvalue_adjusted["skewness"]]
    assert found.to_frame().loc["quieter", "pvalue"] == min(in_alarm)


def test_what_is_undefined_is_said_to_be() -> None:
    x = np.r_[memory(60), np.zeros(60)]
    found = auto(x, detrend=None, n_surrogates=19)
    assert np.isnan(found.statistic["bimodality"])
    assert "bimodality of the last half is undefined in this record" in found.reasons
    assert "nan" not in " ".join(found.reasons)


def test_steps_between_dates_have_a_unit() -> None:
    dated = pd.Series(memory(80), index=pd.date_range("2001-01-01", periods=80))
    found = auto(dated, n_surrogates=19)
    assert "step 1 day." in found.summary()
    assert "step 1 day." in found.classification.summary()


def test_counts_that_are_mostly_zero_come_with_a_caution() -> None:
    counts = np.random.default_rng(7).poisson(0.3, 100).astype(float)
    found = auto(counts, n_surrogates=19)
    assert found.verdict == "inconclusive"
    assert "of 100 values are 0, so that only" in found.reasons[1]
    assert "of 100 values are 0, so that only" in " ".join(found.summary().split())
    assert not any("values are" in reason for reason in auto(np.round(memory(100)), n_surrogates=19).reasons)
