"""The report in words holds every number, and never says more than the result does."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest

from ews import summary
from ews.results import Detections
from ews.series import as_series


def flat(text: str) -> str:
    return " ".join(text.split())


def test_report_holds_every_number_of_the_result(make_detection):
    text = flat(make_detection().summary())
    for number in ("+0.37", "+0.84", "-0.53", "-0.21 to +0.68", "+0.55 to +0.93", "-0.77 to +0.12", "0.16", "0.094"):
        assert number in text
    for number in ("0.41", "0.27", "< 0.001", "34 %", "seed 1729", "200 surrogates", "level 0.05", "95 % interval"):
        assert number in text
    for fact in ("60 observations from 0 to 59", "step 1", "30 samples (50 % of the record)", "the first at 29"):
        assert fact in text
    for said in ("Gaussian kernel smoother, bandwidth 0.2", "uses later samples too", "coefficient 0.123"):
        assert said in text


def test_report_starts_with_the_verdict_and_its_reasons(make_detection):
    lines = make_detection().summary().splitlines()
    assert lines[0] == "Early-warning signals in 'lake'"
    assert lines[3] == "Verdict: WARNING"
    assert lines[4] == "  - Lag-1 autocorrelation rises (τ = +0.84)."
    assert lines[5] == "  - Variance rises, within what the null gives."


def test_report_ends_with_the_caution(make_detection):
    assert flat(make_detection().summary()).endswith(summary.CAUTION)


@pytest.mark.parametrize("options", [{}, {"dates": True}, {"n_surrogates": 0}, {"name": "x" * 300}, {"offset": 1e9}])
def test_report_is_at_most_100_columns_wide(make_detection, options):
    assert max(map(len, make_detection(**options).summary().splitlines())) <= 100


def test_table_is_aligned(make_detection):
    lines = make_detection().summary().splitlines()
    rules = [i for i, line in enumerate(lines) if set(line) == {"-"}]
    header, rows = lines[rules[0] + 1], lines[rules[1] + 1 : rules[2]]
    assert len(rows) == 3
    assert all(len(row) == len(header) == len(lines[rules[0]]) for row in rows)


def test_only_an_adjusted_p_in_the_direction_of_alarm_counts(make_detection):
    detection = make_detection()
    assert [summary.counts(detection, name) for name in detection.indicators] == [False, True, False]
    falling = dataclasses.replace(detection, tau={**detection.tau, "ac1": -0.84})
    assert not summary.counts(falling, "ac1")
    either = dataclasses.replace(detection, pvalue_adjusted={**detection.pvalue_adjusted, "skewness": 0.05})
    assert summary.counts(either, "skewness")


def test_without_surrogates_there_is_no_p_and_no_nan(make_detection):
    text = make_detection(n_surrogates=0, verdict="inconclusive").summary()
    assert "no surrogates were asked for" in flat(text)
    assert "nan" not in text.lower()
    assert "Not estimated" in text
    assert "yes" not in text


def test_dates_stand_without_an_empty_time_of_day(make_detection):
    text = flat(make_detection(dates=True).summary())
    assert "from 2015-05-01 to 2015-06-29, step 1 day." in text
    assert "the first at 2015-05-30" in text


def test_notes_are_reported(make_detection):
    detection = make_detection()
    noted = dataclasses.replace(detection.series, notes=("3 missing values interpolated linearly",))
    assert "Note: 3 missing values interpolated linearly." in dataclasses.replace(detection, series=noted).summary()


def test_change_points_are_reported_with_their_times(make_detection):
    values = np.repeat([0.0, 8.0], 30) + np.random.default_rng(2).standard_normal(60)
    detection = dataclasses.replace(make_detection(), series=as_series(values, time=np.arange(2000.0, 2060.0)))
    assert "The mean of the series shifts at 2030 (" in flat(detection.summary())
    assert "No shift of the mean was found" in flat(make_detection().summary())


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "< 0.001"), (0.001, "0.001"), (0.0449, "0.045"), (0.5, "0.50"), (1.0, "1.00"), (math.nan, "–")],
)
def test_p_values_are_worded_as_in_a_paper(p, text):
    assert summary.p_text(p) == text


def test_a_slope_has_significant_digits_and_its_own_name(make_detection):
    detection = make_detection(trend="theil_sen")
    assert summary.statistic_text(1.2345e-7, detection) == "+1.23e-07"
    assert "Theil–Sen slope" in summary.significance_text(detection)


def test_minus_signs_are_typeset_but_names_are_not():
    assert summary.typeset("lag-1 falls (τ = -0.53 to -.1), 2015-05-01") == "lag-1 falls (τ = −0.53 to −.1), 2015-05-01"


def test_several_series_get_a_line_each_and_the_warnings_of_chance(make_detection):
    calm = make_detection(verdict="no warning")
    calm = dataclasses.replace(calm, pvalue_adjusted=dict.fromkeys(calm.tau, 0.9))
    text = Detections({"a": make_detection(), "b": calm, "c": calm, "d": calm}).summary()
    a_line = r"^a +60 +warning +34 % +0\.003 +\+0\.37 \(0\.41\) +\+0\.84 \(< 0\.001\)\* +-0\.53 \(0\.27\)$"
    assert re.search(a_line, text, re.MULTILINE)
    assert re.search(r"^d +60 +no warning +34 % +0\.90 .*\+0\.84 \(0\.90\) +-0\.53 \(0\.90\)$", text, re.MULTILINE)
    assert "1 of 4 series warn." in text
    assert "at most about 0.2 warnings would be expected by chance at level 0.05" in flat(text)
    assert "At a false discovery rate of 0.05 over the series (Benjamini & Hochberg 1995), 1 stays: 'a'." in flat(text)
    assert max(map(len, text.splitlines())) <= 100


def test_several_series_without_surrogates_expect_no_warnings(make_detection):
    text = flat(Detections({"a": make_detection(n_surrogates=0, verdict="inconclusive")}).summary())
    assert "0 of 1 series warn. No surrogates were asked for, so none could." in text
    assert "nan" not in text.lower()


def test_series_with_unlike_indicators_share_a_table(make_detection):
    both = Detections({"a": make_detection(indicators=("ac1",)), "b": make_detection(indicators=("skewness",))})
    rows = [line.split() for line in both.summary().splitlines()]
    assert ["a", "60", "warning", "34", "%", "0.002", "+0.84", "(<", "0.001)*", "–"] in rows
    assert ["b", "60", "warning", "34", "%", "0.27", "–", "-0.53", "(0.27)"] in rows


def test_several_series_show_power_and_what_the_control_is(make_detection):
    weak = dataclasses.replace(make_detection(), power=0.07)
    text = Detections({"a": make_detection(), "b": weak}).summary()
    assert re.search(r"^b +60 +warning +7 % ", text, re.MULTILINE)
    assert "Share of positive controls" in flat(text)
    assert "Positive control: a fold at the end of the record." in flat(text)


def test_several_series_say_notes_and_detrending_by_column_where_they_differ(make_detection):
    def noted(detection, *notes):
        return dataclasses.replace(detection, series=dataclasses.replace(detection.series, notes=notes))

    one = make_detection()
    text = flat(Detections({"a": noted(one, "cut off", "3 filled"), "b": noted(one, "cut off")}).summary())
    assert "Notes Cut off. a: 3 filled. Detrending Gaussian kernel" in text
    other = dataclasses.replace(one, detrend_sentence="kernel SD 7 samples")
    text = flat(Detections({"a": one, "b": other, "c": other}).summary())
    assert "Detrending a: Gaussian kernel" in text
    assert "b, c: Kernel SD 7 samples." in text
    assert "Notes" not in text


def test_p_of_nothing_is_never_shown(make_detection):
    shown = repr(make_detection())
    assert "ac1 τ=+0.84 p<0.001;" in repr(make_detection(indicators=("ac1",)))
    assert "variance τ=+0.37 p=0.41," in shown
    assert "0.000" not in shown
    assert " p" not in repr(make_detection(n_surrogates=0, verdict="inconclusive"))


def configured(detection, **choices):
    return dataclasses.replace(detection, config=dataclasses.replace(detection.config, **choices))


def test_power_says_when_the_control_has_another_null(make_detection):
    assert "red noise" not in summary.power_text(make_detection())
    arma = configured(make_detection(), null="arma")
    said = "tested against red noise (AR(1)), not against the null 'arma'"
    assert said in summary.power_text(arma)
    assert said in flat(Detections({"a": arma, "b": arma}).summary())
    assert summary.power_text(dataclasses.replace(arma, power=None)).startswith("Not estimated")


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({}, "surrogates of the residual, each detrended and windowed again"),
        ({"season": 12}, "surrogates of the residual, each deseasonalised, detrended and windowed again"),
        ({"detrend": None}, "surrogates of the residual, each windowed again"),
        ({"detrend": None, "season": 12}, "surrogates of the residual, each deseasonalised and windowed again"),
        ({"detrend": "difference"}, "surrogates of the differences, each windowed as the differences were"),
    ],
)
def test_surrogates_go_through_what_the_report_says(make_detection, choices, said):
    assert f"200 {said}" in summary.surrogates_text(configured(make_detection(), **choices))
