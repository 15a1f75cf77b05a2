"""Long records: what is asked of shorter controls and fewer surrogates, and said so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ews
from ews import nulls
from ews._analysis.detect import scores
from ews._analysis.detect.controls import fitted_to, seen_at_most, shortened
from ews._analysis.score_tests.table import surrogate_table
from ews._analysis.score_tests.testing import Scoring
from ews._significance import pipeline
from ews._significance.resolve import resolve_pipeline


def red(n: int, coefficient: float = 0.4) -> np.ndarray:
    return nulls.AR1(coefficient, 1.0, n).draw(0, 1, seed=2)[0]


def scoring(n: int, **how: Any) -> Scoring:
    given = {"detrend": "local_linear", "bandwidth": None, "causal": False, "season": None} | how
    return Scoring(
        resolve_pipeline(
            n=n, step=1.0, level=np.zeros(n), window=0.5, indicators=("variance",), trend="kendall", **given
        ),
        2.5,
    )


def test_long_records_have_short_controls_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "LONGEST_CONTROL", 1500)
    monkeypatch.setattr(scores, "CONTEXT_SAMPLES", 100_000)
    found = ews.detect(red(2000), n_surrogates=199)
    assert isinstance(found, ews.Detection)
    assert found.verdict == "no warning"
    assert "each of 1,500 samples, of which a longer record only sees more" in found.power_sentence
    assert {len(drawn) for drawn in found.surrogate_tau.values()} == {50}
    assert "against 50 of the surrogates" in " ".join(found.summary().split())
    assert found.scores is not None
    assert found.scores.config.n_surrogates == 199


def test_controls_are_as_long_as_the_record_where_short_ones_do_not_show_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scores, "LONGEST_CONTROL", 60)
    found = ews.detect(red(2000), n_surrogates=199)
    assert isinstance(found, ews.Detection)
    assert found.verdict == "no warning"
    assert "samples" not in found.power_sentence


@pytest.mark.parametrize("how", [{}, {"bandwidth": 50}, {"bandwidth": 700}, {"detrend": "gaussian"}, {"season": 12}])
def test_shorter_records_are_scored_alike(how: dict[str, Any]) -> None:
    long = scoring(2000, **how)
    short = shortened(long, 600)
    assert short.pipeline.n == short.pipeline.plan.n == 600
    assert short.pipeline.plan.method == long.pipeline.plan.method
    assert short.pipeline.plan.season == long.pipeline.plan.season
    assert short.statistics(nulls.AR1(0.4, 1.0, 600).draw(0, 3, seed=1)).shape == (4, 3)
    x = red(2000)
    null = nulls.AR1.fit(x)
    table = surrogate_table(long.statistics, long.alike, null, 99, n=2000, seed=1)
    of_short, of_long = (
        seen_at_most(longest, long, table, fitted_to(x, null, None), null, alpha=0.05, seed=1)
        for longest in (600, 2000)
    )
    assert of_long.length == 2000
    assert of_short.length in (600, 2000)
    assert min(of_long.share.values()) >= min(of_short.share.values()) - 0.1


def test_long_rows_are_measured_one_at_a_time_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWS_NUM_THREADS", "2")
    x = red(300)
    before = ews.detect(x, n_surrogates=49)
    at_work: list[int] = []
    monkeypatch.setattr(pipeline, "ALONE_SAMPLES", 100)
    monkeypatch.setattr(pipeline, "ThreadPoolExecutor", at_work.append)
    scores_of = ews.score_tests(x, n_surrogates=49)
    assert not at_work
    assert isinstance(before, ews.Detection)
    assert before.scores is not None
    assert scores_of.tests == before.scores.tests
