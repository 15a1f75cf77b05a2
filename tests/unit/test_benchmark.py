"""The stock benchmark: its records are what they say, each kind the same whatever is beside it; the command."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ews
from ews._evaluation.benchmark.stock import NULLS, POSITIVES, draw_null
from ews.cli.commands import app
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError

SMALL = {"n": 80, "replicates": 4, "n_bootstrap": 20, "n_times": 3}


def command(*arguments):
    return CliRunner().invoke(app, ["benchmark", *map(str, arguments)], prog_name="ews", env={"COLUMNS": "120"})


# ---- the records ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POSITIVES)
def test_positive_controls_end_at_their_transition(name):
    rising = POSITIVES[name].rising(n=60, replicates=2, seed=1)
    assert rising.values.shape == (2, 60)
    assert rising.critical == pytest.approx(POSITIVES[name].critical, rel=1e-12)
    assert rising.parameter[-1] == pytest.approx(rising.critical, rel=1e-12)
    kinds = {"flip": "period-doubling"}
    assert rising.bifurcation == kinds.get(name, name)
    assert POSITIVES[name].constant(n=60, replicates=2, seed=1).bifurcation is None


@pytest.mark.parametrize("family", NULLS)
def test_a_null_record_does_not_depend_on_how_many_are_drawn(family):
    rows = draw_null(family, n=50, replicates=5, seed=3)
    np.testing.assert_array_equal(rows[:2], draw_null(family, n=50, replicates=2, seed=3))
    assert len({row.tobytes() for row in rows}) == 5
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(
    ("family", "coefficient"), [("white", 0.0), ("red 0.3", 0.3), ("red 0.7", 0.7), ("red 0.9", 0.9)]
)
def test_red_noise_has_its_memory_and_unit_variance(family, coefficient):
    rows = draw_null(family, n=2000, replicates=40, seed=1)
    assert np.mean(rows[:, 1:] * rows[:, :-1]) == pytest.approx(coefficient, abs=0.03)
    assert np.var(rows) == pytest.approx(1.0, abs=0.05)
    first = draw_null(family, n=2, replicates=4000, seed=1)[:, 0]
    assert np.var(first) == pytest.approx(1.0, abs=0.09)  # stationary from the first sample; four standard errors


def test_pink_noise_falls_as_one_over_frequency():
    rows = draw_null("pink", n=1024, replicates=60, seed=1)
    power = np.mean(np.abs(np.fft.rfft(rows * np.hanning(1024), axis=1)) ** 2, axis=0)[8:256]
    assert np.polyfit(np.log(np.arange(8, 256)), np.log(power), 1)[0] == pytest.approx(-1.0, abs=0.08)


def test_what_the_other_nulls_do():
    n = 400
    trend = draw_null("trend", n=n, replicates=60, seed=1).mean(axis=0)
    blocks = (trend - 5 * np.linspace(0, 1, n) ** 2).reshape(20, 20).mean(axis=1)
    np.testing.assert_allclose(blocks, 0.0, atol=0.2)  # four standard errors of red noise
    step = draw_null("step", n=n, replicates=60, seed=1)
    assert step[:, : int(0.6 * n)].mean() == pytest.approx(0.0, abs=0.1)
    assert step[:, int(0.95 * n) :].mean() == pytest.approx(4.0, abs=0.2)
    season = draw_null("season", n=n, replicates=60, seed=1)
    assert np.mean(season[:, 12:] * season[:, :-12]) == pytest.approx(2.0, abs=0.2)  # half of the squared amplitude
    spread = draw_null("spread", n=n, replicates=60, seed=1)
    assert spread[:, -40:].std() / spread[:, :40].std() == pytest.approx(1.9, abs=0.15)


# ---- the result -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return ews.benchmark(methods=("variance", "ac1"), **SMALL)


def test_a_row_for_each_transition_null_and_method(found):
    frame = found.to_frame()
    assert len(frame) == 5 * 10 * 2
    assert frame.groupby(["positive", "null"]).size().eq(2).all()
    row = frame[(frame.positive == "hopf") & (frame.null == "pink") & (frame.method == "ac1")].iloc[0]
    assert row.auc == found.auc("ac1")[2, list(found.nulls).index("pink")]
    assert row.detection_rate == found.detection_rate("ac1")[2, list(found.nulls).index("pink")]


def test_a_cell_is_what_evaluate_finds_on_the_same_records(found):
    seeds = np.random.SeedSequence(0).generate_state(11, np.uint64)
    rising = POSITIVES["fold"].rising(n=80, replicates=4, seed=int(seeds[0])).values
    white = draw_null("white", n=80, replicates=4, seed=int(seeds[-1]))
    same = ews.evaluate([*rising, *white], [1] * 4 + [0] * 4, methods="ac1", n_times=3, n_bootstrap=20)
    cell = found.cells["fold", "white", "ac1"]
    np.testing.assert_allclose(cell.roc.scores, same.scores["ac1"], atol=1e-12)
    assert cell.roc.interval == same.roc["ac1"].interval
    np.testing.assert_allclose(cell.lead.lead, same.lead["ac1"].lead)


def test_kinds_do_not_depend_on_what_is_beside_them(found):
    alone = ews.benchmark(methods="ac1", positives=("flip",), nulls=("constant", "step"), **SMALL)
    for null in ("constant", "step"):
        np.testing.assert_array_equal(
            alone.cells["flip", null, "ac1"].roc.scores, found.cells["flip", null, "ac1"].roc.scores
        )


def test_a_method_that_knows_the_answer_is_perfect():
    """The mean of the resource before the flip stays near the capacity; noise has a mean near 0."""
    found = ews.benchmark(methods={"mean": lambda x: x.mean()}, positives="flip", nulls="white", **SMALL)
    assert found.auc("mean").tolist() == [[1.0]]
    assert found.cells["flip", "white", "mean"].lead.warned == 1.0


@pytest.mark.slow
def test_slowing_down_is_told_from_rest_and_traps_are_traps():
    found = ews.benchmark(n=300, replicates=60, n_times=1)
    at = list(found.nulls).index
    names = list(found.positives).index
    assert found.auc("ac1")[names("fold"), at("constant")] > 0.8
    assert found.auc("ac1")[names("flip"), at("constant")] < 0.1
    assert found.auc("ac1 (both)")[names("flip"), at("constant")] > 0.95
    assert found.auc("variance")[names("fold"), at("spread")] < 0.2


def test_result_leaves_as_text_json_and_figures(found):
    text = found.summary()
    assert "ac1: AUC of each transition against each null" in text
    assert max(map(len, text.splitlines())) <= 96
    read = json.loads(found.to_json())
    assert len(read["rows"]) == 100
    assert read["config"]["seed"] == 0
    assert len(found.plot().axes) == 2
    assert len(found.plot_curves("pink").axes) == 5
    assert "mean AUC" in repr(found)
    with pytest.raises(UnknownNameError):
        found.auc("std")
    with pytest.raises(UnknownNameError):
        found.plot_curves("blue")
    once = ews.benchmark(methods="ac1", positives="fold", nulls="white", **{**SMALL, "n_times": 1})
    assert "lead" not in once.summary().partition("Records")[0]


def test_progress_counts_to_the_end():
    reports = []
    ews.benchmark(positives="fold", nulls="white", progress=lambda done, total: reports.append((done, total)), **SMALL)
    assert reports[-1][0] == reports[-1][1] > 0


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"positives": ("fold", "cusp")}, UnknownNameError, "positives"),
        ({"nulls": "wite"}, UnknownNameError, "did you mean 'white'"),
        ({"nulls": ()}, ValueRangeError, "nulls"),
        ({"nulls": 3}, InputTypeError, "nulls"),
        ({"n": 5}, ValueRangeError, "n: "),
        ({"n": 20, "window": 0.9}, ArgumentError, "window"),
        ({"replicates": 1}, ValueRangeError, "replicates"),
        ({"methods": "likelihod"}, UnknownNameError, "methods"),
        ({"n_times": 0}, ValueRangeError, "n_times"),
        ({"false_alarm_rate": 2}, ValueRangeError, "false_alarm_rate"),
    ],
)
def test_bad_input_is_named(options, error, said):
    with pytest.raises(error, match=said):
        ews.benchmark(**{**SMALL, **options})


# ---- the command ----------------------------------------------------------------------------------------------------

SHORT = ("--n", 60, "--replicates", 3, "--n-times", 1, "--methods", "variance,ac1:down")


def test_command_prints_the_table_and_writes_the_files(tmp_path):
    result = command(*SHORT, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Early-warning benchmark\n")
    assert "ac1 (down): AUC" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "auc.png", "benchmark.csv", "benchmark.json", "roc.png",
    ]  # fmt: skip
    assert len(pd.read_csv(tmp_path / "out" / "benchmark.csv")) == 100
    assert (tmp_path / "out" / "auc.png").read_bytes()[:4] == b"\x89PNG"
    assert "wrote" in result.stderr


def test_command_gives_what_the_library_gives():
    result = command(*SHORT, "--seed", 7, "--json", "--detrend", "none", "--window", 25)
    methods = ("variance", ews.TrendScore("ac1", "down"))
    options = {"n": 60, "replicates": 3, "n_times": 1, "methods": methods, "seed": 7, "detrend": None, "window": 25}
    assert result.stdout == ews.benchmark(**options).to_json() + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--n", 5), "--n: got 5"),
        (("--replicates", 0), "--replicates: got 0"),
        (("--methods", "varience"), "--methods: got 'varience'"),
        (("--methods", " , "), "--methods: got"),
        (("--methods", "ac1:sideways"), "--methods: got 'sideways'"),
    ],
)
def test_command_refuses_in_one_line(arguments, said):
    result = command(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_command_refuses_a_file_for_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    result = command(*SHORT, "--output", tmp_path / "file")
    assert result.exit_code == 2
    assert "a folder" in result.stderr


def test_a_list_is_no_name() -> None:
    with pytest.raises(InputTypeError, match="positives"):
        ews.benchmark(positives=[["fold"]])  # type: ignore[list-item]
