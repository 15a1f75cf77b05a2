"""Answers that could mislead say what they do not say: weak warnings, silence, intervals, rivals, many series."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

import ews
from ews import errors, summary
from ews._common.layout import distinct
from ews._significance import verdict as rule

RISES = rule.TrendOutcome("Variance", "up", 0.8, 0.01)
STILL = rule.TrendOutcome("Variance", "up", 0.1, 0.6)


def reasons(trend: rule.TrendOutcome, power: float | None, **options: object) -> tuple[str, str]:
    verdict, said = rule.decide([trend], alpha=0.05, n_surrogates=999, power=power, **options)  # type: ignore[arg-type]
    return verdict, "; ".join(said)


@pytest.mark.parametrize(("power", "weak"), [(0.0, True), (0.03, True), (0.099, True), (0.1, False), (0.9, False)])
def test_a_warning_without_power_is_qualified(power: float, weak: bool) -> None:
    verdict, said = reasons(RISES, power)
    assert verdict == "warning"
    assert ("hardly more likely with a loss of resilience than without" in said) is weak
    if weak:
        assert f"{100 * power:.0f} % of positive controls" in said
        assert "up to 5 % of records in which nothing changes" in said


@pytest.mark.parametrize("power", [0.0, 0.04, 0.09])
def test_silence_of_a_test_that_sees_nothing_is_said_to_be_that(power: float) -> None:
    verdict, said = reasons(STILL, power, steps=["a longer record", "season=12"])
    assert verdict == "inconclusive"
    assert "only" not in said
    assert "the test cannot see a loss of resilience" in said
    assert "about as many as where nothing changes (at most 5 %)" in said
    assert said.endswith("what may settle it: a longer record; season=12")


def test_silence_of_some_power_and_of_enough() -> None:
    assert "only 40 % of positive controls of this length got a warning: too few" in reasons(STILL, 0.4)[1]
    verdict, said = reasons(STILL, 0.85, steps=["a longer record"])
    assert verdict == "no warning"
    assert "settle" not in said


def growing(n: int, seed: int, most: float) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) * np.linspace(1, most, n)


def test_a_qualified_warning_is_a_field_of_the_result() -> None:
    found = ews.detect(growing(60, 1, 5.0), method="kendall", indicators=("variance", "ac1"), n_surrogates=199)
    assert found.verdict == "warning"
    assert found.powers == {"fold": found.power}
    for power, weak in ((0.03, True), (0.5, False)):
        changed = dataclasses.replace(found, powers={"fold": power, "flip": 0.02})
        assert changed.qualified is weak
        assert changed.to_dict()["qualified"] is weak
    assert not dataclasses.replace(found, verdict="inconclusive", powers={"fold": 0.03}).qualified


def test_an_inconclusive_answer_names_what_may_settle_it() -> None:
    x = np.random.default_rng(0).standard_normal(240)
    found = ews.detect(x[:80], method="kendall", n_surrogates=99)
    assert found.verdict == "inconclusive"
    assert "ews.length_needed(result)" in found.reasons[-1]
    assert "ews.sensitivity" in found.reasons[-1]
    seasonal = pd.Series(
        x + 5 * np.sin(np.arange(240) * np.pi / 6), index=pd.date_range("1990", periods=240, freq="MS")
    )
    assert any("season=12" in one for one in ews.detect(seasonal, n_surrogates=99).reasons)
    assert not any("season=12" in one for one in ews.detect(seasonal, season=12, n_surrogates=99).reasons)


def test_the_length_needed_is_the_length_at_which_the_power_is_enough() -> None:
    options = {"detrend": None, "indicators": ("variance", "ac1"), "n_surrogates": 400, "method": "kendall"}
    short = ews.detect(ews.models.ar1(n=100, coefficient=0.4, seed=1).values, **options)
    needed = ews.length_needed(short, 0.5)
    assert needed is not None
    long = ews.detect(ews.models.ar1(n=needed, coefficient=0.4, seed=1).values, **options)
    assert short.power is not None
    assert long.power is not None
    assert short.power < 0.4
    assert long.power == pytest.approx(0.5, abs=0.12)
    assert ews.length_needed(short, 0.01) == 100
    with pytest.raises(errors.ArgumentError, match="power"):
        ews.length_needed(short, 1.0)
    with pytest.raises(errors.InputTypeError, match="one series"):
        ews.length_needed(ews.Detections({}))


def test_an_interval_across_zero_beside_a_trend_that_counts_is_explained() -> None:
    found = ews.detect(growing(60, 1, 5.0), method="kendall", indicators=("variance", "ac1"), n_surrogates=199)
    assert summary.counts(found, "variance")
    wide = dataclasses.replace(found, tau_interval={**found.tau_interval, "variance": (-0.2, 0.99)})
    narrow = dataclasses.replace(found, tau_interval={**found.tau_interval, "variance": (0.2, 0.99)})
    assert "Variance: the trend counts although its interval holds 0" in " ".join(wide.summary().split())
    assert "although its interval holds 0" in wide.to_html()
    assert "although" not in narrow.summary()
    assert "although" not in narrow.to_html()


# ---- kinds and bifurcations -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answer() -> ews.Detection:
    found = ews.detect(np.random.default_rng(6).standard_normal(60), n_surrogates=60, seed=1)
    assert isinstance(found, ews.Detection)
    return found


def test_no_kind_is_not_given_as_a_kind(answer: ews.Detection) -> None:
    assert answer.kind == "none"
    assert "Nothing moves beyond what the null gives" in answer.summary()
    assert "none" not in repr(answer)


def test_rivals_that_are_nearly_as_probable_leave_it_undecided(answer: ews.Detection) -> None:
    share = {"fold": 0.5, "transcritical": 0.4, "pitchfork": 0.1}
    near = dataclasses.replace(answer, verdict="warning", kind="slowing down", bifurcation="fold", probability=share)
    assert near.rivals == ("transcritical",)
    assert "undecided between fold (0.50) and transcritical (0.40)" in " ".join(near.summary().split())
    assert "towards fold or transcritical" in repr(near)
    clear = dataclasses.replace(near, probability={"fold": 0.8, "transcritical": 0.1, "pitchfork": 0.1})
    assert clear.rivals == ()
    assert "towards a fold (0.80)" in clear.summary()


def test_a_trend_against_its_direction_is_said_to_be_that() -> None:
    shrinking = growing(80, 2, 9.0)[::-1].copy()
    found = ews.detect(shrinking, indicators=("variance",), method="kendall", n_surrogates=200, seed=1)
    assert any("variance falls" in one and "against its direction of alarm (rises)" in one for one in found.reasons)


# ---- many series ----------------------------------------------------------------------------------------------------

LONG = [f"monitoring_station_north_sea_chlorophyll_{i:02d}_surface" for i in range(14)]


@pytest.fixture(scope="module")
def many() -> ews.Detections:
    x = np.random.default_rng(0).standard_normal((90, 14))
    x[:, 10:] *= np.linspace(0.3, 3, 90)[:, None]
    found = ews.detect(pd.DataFrame(x, columns=LONG), method="kendall", n_surrogates=199)
    assert isinstance(found, ews.Detections)
    return found


def test_names_in_tables_differ_and_warnings_come_first(many: ews.Detections) -> None:
    text = many.summary()
    rows = [line for line in text.splitlines() if re.match(r"monitor\S* +(warning|no warning|inconclusive)", line)]
    assert len(rows) == len({row.split()[0] for row in rows}) == 14  # one table with all three indicators
    verdicts = ["warning" if " warning " in row else "other" for row in rows]
    assert verdicts == sorted(verdicts, reverse=True)
    assert all(len(row) <= 96 for row in text.splitlines())
    assert re.search(r"variance +ac1 +skewness", text)


def test_warnings_alone_and_together_are_told_apart(many: ews.Detections) -> None:
    warned = sum(one.verdict == "warning" for one in many.values())
    assert warned >= 3
    assert many.warnings() == ()
    text = " ".join(many.summary().split())
    assert f"{warned} of 14 series warn." in text
    assert f"0 stay. The {warned} warn when tested alone, but would be expected among so many" in text
    assert many.plot().get_suptitle() == (
        f"Early-warning signals: {warned} of 14 series warn, 0 at a false discovery rate of 0.05"
    )


def test_a_figure_of_many_series_fits_a_page(many: ews.Detections) -> None:
    figure = many.plot()
    assert figure.get_size_inches()[1] < 5
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == len(set(labels)) == 14
    assert labels == list(distinct(summary.in_order(many), 28).values())
    hundreds = ews.Detections({f"{name}{i}": one for i in range(8) for name, one in many.items()})
    tall = hundreds.plot()
    assert tall.get_size_inches()[1] < 12
    assert len(tall.axes[0].get_yticks()) == 60
    assert "52 more" in tall.axes[1].get_xlabel()


@pytest.mark.parametrize(
    ("names", "width"),
    [(["a", "b"], 5), (LONG, 24), (["x" * 40 + "1", "x" * 40 + "2"], 12), (["1" + "x" * 60, "2" + "x" * 60], 12),
     (["x" * 30 + f"{i}" + "x" * 30 for i in range(9)], 16), ([], 8)],
)  # fmt: skip
def test_shortened_names_stay_distinct(names: list[str], width: int) -> None:
    short = distinct(names, width)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    assert all(short[name] == name for name in names if len(name) <= width)
