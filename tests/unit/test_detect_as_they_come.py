"""Records as they come: whatever their gaps, times and values, an answer, no warning of NumPy and no nan."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews.errors import ArgumentError, UnknownNameError, WindowError

N = 150
TIMES = np.random.default_rng(3).uniform(0.0, N, N)


def red(n: int = N, *, seed: int = 0) -> np.ndarray:
    """Red noise."""
    return ews.nulls.AR1(coefficient=0.5, innovation_sd=1.0, n=n).draw(0, 1, seed=seed)[0]


def without(absent: Any, n: int = N, *, seed: int = 0) -> np.ndarray:
    """Red noise that lacks some values."""
    values = red(n, seed=seed)
    values[absent] = np.nan
    return values


def mostly_absent(n: int = 400) -> np.ndarray:
    """Red noise of which a tenth was seen."""
    return without(np.random.default_rng(1).random(n) < 0.9, n)


SPARSE: dict[str, tuple[Callable[[], Any], Any]] = {
    "every other": (lambda: without(slice(1, None, 2)), None),
    "every third": (lambda: without(np.arange(N) % 3 > 0), None),
    "a tenth": (mostly_absent, None),
    "short": (lambda: without([3, 7, 8, 13, 17], 25), None),
    "clusters": (red, np.sort(np.r_[TIMES[:75] / N, 100.0 + TIMES[75:] / N])),
    "ever longer steps": (red, np.exp(np.linspace(0.0, 30.0, N))),
    "over twelve decades": (red, np.sort(10.0 ** (TIMES * 12 / N))),
    "one far": (red, np.r_[np.arange(N - 1.0), 1e9]),
}


def test_a_smallest_rise_does_not_contradict_the_controls() -> None:
    for seed in range(4):
        time = np.sort(np.random.default_rng(seed).uniform(0.0, 100.0, 120))
        result = ews.detect(np.random.default_rng(seed + 9).normal(size=120), time=time, n_surrogates=39)
        rise = 1.0 - float(np.mean(result.scores.memory))
        seen = result.powers["transcritical"]
        assert result.smallest_drift is None or seen >= 0.5 or result.smallest_drift >= rise


def spoken(result: ews.Detection) -> str:
    """All that a user reads of a result, checked for what nobody should read."""
    text = result.summary()
    assert max(map(len, text.splitlines())) <= 96
    for said in (text, repr(result), repr(result.scores), result.scores.summary()):
        assert not re.search(r"(?<![A-Za-z])(nan|inf)(?![A-Za-z])", said), said
    again = ews.Detection.from_json(result.to_json())
    assert again == result
    assert again.summary() == text
    json.loads(result.to_json(), parse_constant=pytest.fail)
    return " ".join(text.split())


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("causal", [False, True])
def test_records_whose_damping_cannot_be_measured(kind: str, causal: bool) -> None:
    made, time = SPARSE[kind]
    result = ews.detect(made(), time=time, n_surrogates=39, causal=causal)
    said = spoken(result)
    if np.isnan(result.scores["damping"].score):
        assert "Damping could not be measured in this record" in said
        assert "a hundred times" not in said
        assert result.verdict != "no warning"
        assert result.needed is None
        assert result.verdict == "warning" or "20 observations that follow two others a step apart" in said
    assert result.smallest_drift is None or 0.0 < result.smallest_drift <= 2.0


UNTELLABLE: dict[str, Callable[[], np.ndarray]] = {
    "one other value": lambda: np.r_[np.ones(50), 2.0, np.ones(49)],
    "the last one differs": lambda: np.r_[np.ones(99), 2.0],
    "a step": lambda: (np.arange(100.0) > 60) * 1.0,
    "two values": lambda: np.where(red(100) > 0.3, 7.0, 3.0),
    "two values, ever stickier": lambda: np.sign(np.sin(np.linspace(0.5, 10.0, 200) ** 0.5 * 20)),
    "constant, then noise": lambda: np.r_[np.ones(80), red(60)],
    "noise, then constant": lambda: np.r_[red(60), np.ones(80)],
    "mostly zeros with gaps": lambda: np.where(np.arange(N) % 7 == 3, np.nan, np.where(red() > 2.0, red(), 0.0)),
}


@pytest.mark.parametrize("method", ["score", "kendall"])
@pytest.mark.parametrize("kind", UNTELLABLE)
def test_values_that_allow_no_answer_are_not_said_to_move(kind: str, method: Any) -> None:
    values = UNTELLABLE[kind]()
    missing = "interpolate" if method == "kendall" and np.isnan(values).any() else "default"
    result = ews.detect(values, method=method, missing=missing, n_surrogates=99)
    assert result.untellable
    assert (result.verdict, result.kind, result.bifurcation) == ("inconclusive", "none", None)
    assert "None that could be told from these values" in result.summary()
    if method == "score":
        said = spoken(result)
        assert "eigenvalue" not in said
        assert "would have to be" not in said
    both = ews.detect(pd.DataFrame({"odd": values, "even": values}), method=method, missing=missing, n_surrogates=99)
    assert set(both.pvalue.values()) == {1.0}
    assert both.warnings() == ()


def test_values_that_can_be_told_are() -> None:
    assert not ews.detect(red(), n_surrogates=0).untellable
    assert "Not tested, as there are no surrogates" in ews.detect(red(), n_surrogates=0).summary()


@pytest.mark.parametrize(
    "name", ["restoring_rate", "smax", "dfa_exponent", "sample_entropy", "corrected_autocorrelation"]
)
def test_indicators_that_gaps_forbid_are_said_to_be_unmeasured(name: str) -> None:
    result = ews.detect(without([5, 30, 31, 60, 90, 91, 120]), indicators=[name], n_surrogates=19)
    assert np.isnan(result.tau[name])
    assert "τ=–" in repr(result)
    assert "could not be measured in enough of these windows" in spoken(result)


MONTHS = pd.date_range("2000-01", periods=N, freq="MS")


@pytest.mark.parametrize("values", [red(), without([4, 50, 51])], ids=["complete", "gaps"])
@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"window": "30D"}, WindowError, "window: got '30D', which is 1 step here"),
        ({"window": "40y"}, WindowError, "window: got '40y', which is 480 steps here"),
        ({"bandwidth": "40y"}, ArgumentError, "bandwidth: got '40y', which is 480 steps here"),
        ({"window": pd.Timedelta(days=31)}, WindowError, "which is 1 step here"),
        ({"window": 480}, WindowError, "window: got 480;"),
        ({"detrend": "polynomial"}, UnknownNameError, "detrend: got 'polynomial'; allowed: one of"),
        ({"detrend": "locallinear"}, UnknownNameError, "did you mean 'local_linear'"),
        ({"detrend": "difference"}, ArgumentError, "differences keep nothing of the memory"),
    ],
)
def test_what_cannot_be_used_is_named_as_it_was_given(
    values: np.ndarray, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        ews.detect(pd.Series(values, MONTHS), n_surrogates=9, **options)


def test_score_tests_speak_in_one_line() -> None:
    said = repr(ews.score_tests(without([4, 50, 51]), n_surrogates=19))
    assert said.startswith("<ScoreTests of 'series': ")
    assert len(said) < 120


def test_lengths_of_time_are_taken_on_the_command_line_too(tmp_path: Any) -> None:
    from typer.testing import CliRunner

    from ews.cli.commands import app

    path = tmp_path / "months.csv"
    pd.DataFrame({"date": MONTHS, "v": without([4, 50, 51])}).to_csv(path, index=False)
    options = ["--value", "v", "--time", "date", "--n-surrogates", "19", "--window", "5y", "--bandwidth", "2y"]
    found = CliRunner().invoke(app, ["detect", str(path), *options])
    assert found.exit_code == 0, found.output
    assert "SD of 24 steps" in " ".join(found.output.split())
    assert "Stretches of 40 % of the record's time" in " ".join(found.output.split())
