"""``ews.detect``: the verdict by score tests, the kind, the bifurcation, and what could have been seen."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews._analysis.detect.controls import CONTROLS, Fitted, draw_control
from ews._common.alarms import ClosedTest, Statistic, closed_test
from ews.errors import ArgumentError, SeriesTooShortError, UnknownNameError


def memory(n: int, coefficient: float = 0.5, seed: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += coefficient * x[i - 1]
    return x


def found(series: Any, **options: Any) -> ews.Detection:
    one = ews.detect(series, **{"n_surrogates": 199, **options})
    assert isinstance(one, ews.Detection)
    return one


@pytest.fixture(scope="module")
def cycle() -> ews.Detection:
    plankton = ews.models.hopf(n=300, seed=2)
    return found(plankton, until=plankton.transition)


# ---- closed testing -----------------------------------------------------------------------------------------------


def joint(k: int, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, list[Statistic]]:
    generator = np.random.default_rng(seed)
    mixed = np.eye(k) + 0.5
    table = mixed @ generator.standard_normal((k, n))
    statistics = [Statistic("up", sides=1, weight=weight) for weight in (2.0, 0.5, 1.5, 1.0)[:k]]
    return mixed @ generator.standard_normal(k) + 1.5, table, statistics


def by_hand(observed: np.ndarray, table: np.ndarray, statistics: list[Statistic]) -> np.ndarray:
    """Every intersection, counted surrogate by surrogate."""
    k, n = table.shape
    single = [(1 + sum(table[i] >= observed[i])) / (1 + n) for i in range(k)]
    adjusted = np.zeros(k)
    for size in range(1, k + 1):
        for members in itertools.combinations(range(k), size):
            own = min(single[i] / statistics[i].weight for i in members)
            count = 0
            for j in range(n):
                pool = [np.append(table[i], observed[i]) for i in members]
                p = min(
                    np.mean(one >= table[i, j]) / statistics[i].weight for i, one in zip(members, pool, strict=True)
                )
                count += p <= own
            for i in members:
                adjusted[i] = max(adjusted[i], (1 + count) / (1 + n), single[i])
    return adjusted


@pytest.mark.parametrize("k", [1, 2, 4])
def test_closed_testing_is_every_intersection(k: int) -> None:
    observed, table, statistics = joint(k, 60)
    single, adjusted = closed_test(observed, table, statistics)
    np.testing.assert_allclose(adjusted, by_hand(observed, table, statistics))
    np.testing.assert_allclose(single, [(1 + (table[i] >= observed[i]).sum()) / 61 for i in range(k)])
    if k == 1:
        np.testing.assert_array_equal(single, adjusted)


def test_what_is_undefined_is_not_charged_for() -> None:
    observed, table, statistics = joint(4, 199)
    fewer = closed_test(observed[:2], table[:2], statistics[:2])[1]
    observed[2:] = np.nan
    adjusted = closed_test(observed, table, statistics)[1]
    np.testing.assert_allclose(adjusted[:2], fewer)
    assert np.isnan(adjusted[2:]).all()


def test_claims_of_many_are_those_of_one() -> None:
    _, table, statistics = joint(4, 999)
    values = joint(4, 300, seed=3)[1] + 2.0
    claims = ClosedTest(table, statistics, 0.05).claims(values)
    one_by_one = np.stack([closed_test(column, table, statistics)[1] <= 0.05 for column in values.T], axis=1)
    assert (claims & ~one_by_one).sum() == 0  # a table in which each surrogate counts itself is conservative
    assert (one_by_one & ~claims).mean() < 0.02
    assert 0.1 < claims.mean() < 0.9


def test_the_level_holds_over_all_tests_together() -> None:
    """200 columns of nothing against a table of nothing: any claim in about one of twenty."""
    _, table, statistics = joint(4, 1999, seed=5)
    values = joint(4, 2000, seed=6)[1]
    assert ClosedTest(table, statistics, 0.05).claims(values).any(axis=0).mean() == pytest.approx(0.05, abs=0.015)


# ---- verdict, kind, bifurcation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "bifurcation", "test"),
    [
        (ews.models.pitchfork(n=400, seed=2), {"fold", "transcritical", "pitchfork"}, "memory towards +1"),
        (ews.models.ricker(n=300, seed=1), {"flip"}, "memory towards −1"),
        (ews.models.hopf(n=400, seed=1), {"hopf"}, "damping"),
    ],
)
def test_each_bifurcation_is_named(series: Any, bifurcation: set[str], test: str) -> None:
    answer = found(series)
    assert (answer.verdict, answer.kind) == ("warning", "slowing down")
    assert answer.scores is not None
    assert [name for name in answer.scores.kinds if answer.scores[name].warns] == [test]
    assert answer.bifurcation in bifurcation
    assert set(answer.probability) == bifurcation
    assert sum(answer.probability.values()) == pytest.approx(1.0)
    assert answer.bifurcation not in answer.rivals


def test_noise_that_grows_is_its_own_kind_and_no_warning() -> None:
    answer = found(np.random.default_rng(5).standard_normal(400) * np.linspace(1.0, 4.0, 400))
    assert answer.verdict != "warning"
    assert (answer.kind, answer.bifurcation) == ("variance only", None)
    assert "no loss of resilience" in answer.reasons[0]


def test_two_states_are_flickering_whatever_else_is_found() -> None:
    generator = np.random.default_rng(2)
    state = np.sign(np.cumsum(generator.random(400) < 0.15) % 2 - 0.5)
    x = 0.3 * generator.standard_normal(400)
    x[200:] += 3.0 * state[200:]
    answer = found(x)
    assert answer.flickering <= 0.05
    assert any("two states" in one for one in answer.reasons)
    assert answer.kind == ("slowing down" if answer.verdict == "warning" else "flickering")
    for one in (memory(400), np.random.default_rng(1).exponential(size=400), np.sin(np.arange(400.0)) + memory(400)):
        assert found(one).flickering > 0.05
    assert np.isnan(found(np.random.default_rng(3).poisson(0.5, 400)).flickering)  # over half are 0
    assert np.isnan(found(x, n_surrogates=0).flickering)


def test_an_outlier_is_no_change_of_the_data_that_was_given() -> None:
    x = memory(100)
    x[30] += 50.0
    before = x.copy()
    found(x, detrend=None, n_surrogates=19)
    np.testing.assert_array_equal(x, before)


def test_the_tests_are_those_of_score_tests(cycle: ews.Detection) -> None:
    plankton = ews.models.hopf(n=300, seed=2)
    alone = ews.score_tests(plankton, until=plankton.transition, n_surrogates=199)
    assert cycle.scores is not None
    assert cycle.scores.tests == alone.tests
    np.testing.assert_array_equal(cycle.residual, alone.residual)
    assert cycle.null_sentence == alone.null_sentence
    assert "nearest of a grid of coefficients" in cycle.null_sentence  # whose surrogates are shared
    assert "grid" not in found(memory(80), null="fourier", n_surrogates=19).null_sentence
    np.testing.assert_allclose(cycle.trend + cycle.residual, cycle.series.values)


def test_indicators_are_context(cycle: ews.Detection) -> None:
    variance = ews.variance(cycle.residual, window=cycle.config.window)
    np.testing.assert_allclose(cycle.indicators["variance"].values, variance)
    assert len(cycle.surrogate_tau["variance"]) == 199
    assert "decide nothing" in cycle.summary()
    assert found(memory(100), n_surrogates=999).surrogate_tau["ac1"].size == 199


def test_silence_is_safety_only_where_every_control_would_show() -> None:
    long, short = found(memory(4000)), found(memory(60))
    assert long.verdict == "no warning"
    assert min(long.powers.values()) >= 0.8
    assert long.needed is None
    assert short.verdict == "inconclusive"
    assert short.power == min(short.powers.values()) < 0.8
    assert short.needed is not None
    assert short.needed > 60
    assert f"{short.needed:,} observations" in " ".join(short.reasons)
    assert short.smallest_drift is not None
    assert long.smallest_drift is not None
    assert short.smallest_drift > 3.0 * long.smallest_drift


def test_the_length_needed_is_near_what_simulation_finds() -> None:
    answer = found(memory(150, 0.4))
    simulated = ews.length_needed(answer)
    assert simulated is not None
    assert answer.needed is not None
    assert 0.4 < answer.needed / simulated < 2.5


def test_controls_go_where_they_say() -> None:
    fitted = Fitted(0.4, 1.0, 0.5, np.pi / 4.0, 1.0)
    for kind, sign in (("fold", 1), ("transcritical", 1), ("flip", -1)):
        rows = draw_control(kind, fitted, 400, seed=1)(0, 400)
        last = rows[:, -20:]
        assert sign * np.mean(last[:, 1:] * last[:, :-1]) / np.mean(last**2) > 0.75
        assert 0.1 < np.mean(rows[:, 1:40] * rows[:, :39]) / np.mean(rows[:, :40] ** 2) < 0.6
    rows = draw_control("hopf", fitted, 400, seed=1)(0, 400)
    assert rows[:, -40:].std() > 2.0 * rows[:, :40].std()
    for kind in CONTROLS:
        drawn = draw_control(kind, fitted, 60, seed=1)
        np.testing.assert_array_equal(drawn(0, 9)[7:], drawn(7, 2))


# ---- what must not change the answer --------------------------------------------------------------------------------


def test_unit_and_offset_change_nothing() -> None:
    x = memory(200)
    one, other, far = found(x), found(1e-6 * x), found(x + 1e12)
    for again in (other, far):
        assert again.verdict == one.verdict
        assert [test.adjusted for test in again.tests] == [test.adjusted for test in one.tests]
        assert again.powers == pytest.approx(one.powers, abs=0.02)


def test_order_of_columns_changes_nothing() -> None:
    table = pd.DataFrame({"a": memory(120), "b": memory(120, 0.8, seed=4)})
    one, other = ews.detect(table, n_surrogates=99), ews.detect(table[["b", "a"]], n_surrogates=99)
    assert isinstance(one, ews.Detections)
    for name in table:
        assert one[name] == other[name]


def test_a_causal_answer_does_not_see_the_future() -> None:
    x = memory(200)
    x[40] += 50.0
    changed = x.copy()
    changed[150:] += 100.0 * memory(50, seed=9)
    full, other = (found(one, causal=True, bandwidth=20, n_surrogates=19) for one in (x, changed))
    cut = found(x, causal=True, bandwidth=20, until=149, n_surrogates=19)
    np.testing.assert_array_equal(full.trend[:150], other.trend[:150])
    np.testing.assert_allclose(full.trend[:150], cut.trend, rtol=1e-12)
    assert found(changed, causal=True, bandwidth=20, until=149, n_surrogates=19).tests == cut.tests


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(threads: str, cycle: ews.Detection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWS_NUM_THREADS", threads)
    plankton = ews.models.hopf(n=300, seed=2)
    assert found(plankton, until=plankton.transition) == cycle


# ---- names, refusals, words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "now"), [("auto", "score"), ("indicators", "kendall")])
def test_old_names_of_methods_still_work(old: str, now: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old}.*{now}"):
        one = ews.detect(memory(80), method=old, n_surrogates=49)  # type: ignore[arg-type]
    assert one == ews.detect(memory(80), method=now, n_surrogates=49)  # type: ignore[arg-type]


@pytest.mark.parametrize(("old", "now"), [("Assessment", ews.Detection), ("Assessments", ews.Detections)])
def test_old_names_of_results_still_work(old: str, now: type) -> None:
    with pytest.warns(DeprecationWarning, match="ews.Detection"):
        assert getattr(ews, old) is now


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="kendal"):
        ews.detect(memory(80), method="kendal")  # type: ignore[arg-type]
    with pytest.raises(SeriesTooShortError, match="10"):
        ews.detect(memory(9), window=3)
    with pytest.raises(ArgumentError, match="difference"):
        ews.detect(memory(80), detrend="difference")


def test_a_short_record_names_no_one_bifurcation_of_several() -> None:
    rising = draw_control("transcritical", Fitted(0.1, 1.0, 0.5, 0.8, 1.0), 39, seed=1)(0, 400)
    answers = (found(row, n_surrogates=99) for row in rising)
    warned = next(one for one in answers if one.scores is not None and one.scores.kinds == ("memory towards +1",))
    assert (warned.bifurcation, warned.probability, warned.kind) == (None, {}, "slowing down")


def test_no_surrogates_no_test() -> None:
    answer = found(memory(80), n_surrogates=0)
    assert (answer.verdict, answer.powers, answer.power) == ("inconclusive", {}, None)
    assert all(np.isnan(one.pvalue) for one in answer.tests)
    assert "no drift was tested" in answer.summary().lower()


def test_report_figure_page_and_json(cycle: ews.Detection) -> None:
    text = cycle.summary()
    assert max(map(len, text.splitlines())) <= 96
    for said in ("Verdict: WARNING", "towards a Hopf", "family-wise p", "damping", "98", "199 surrogates"):
        assert said in text
    figure = cycle.plot()
    assert "Squared modulus" in [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert "Score tests" in cycle.to_html()
    numbers = json.loads(cycle.to_json())
    assert numbers["kind"] == "slowing down"
    assert numbers["bifurcation"] == "hopf"
    assert set(numbers["powers"]) == set(CONTROLS)
    assert ews.Detection.from_dict(numbers) == cycle


def test_a_table_gives_one_answer_a_column() -> None:
    hopf = ews.models.hopf(n=200, seed=2)
    table = pd.DataFrame({"cycling": hopf.values, "still": memory(200)})
    answers = ews.detect(table, n_surrogates=199)
    assert isinstance(answers, ews.Detections)
    text = answers.summary()
    assert "towards" in text
    assert text.index("cycling") < text.index("still")
    assert answers["cycling"].verdict == "warning"
    assert answers.pvalue["cycling"] == min(one.adjusted for one in answers["cycling"].tests if one.warns)
    frame = answers.to_frame()
    assert list(frame.loc["cycling"].index) == [one.name for one in answers["cycling"].tests]
    assert frame.loc["cycling", "bifurcation"].tolist() == ["hopf"] * 4
    assert "cycling" in answers.to_html()
    answers.plot()
