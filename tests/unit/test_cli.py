"""What the command line prints, writes and refuses; its exit status; that bad input never shows a traceback."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ews import __version__, datasets
from ews.cli.commands import add_commands, app
from ews.cli.demo import running_command
from ews.indicators import registry

FAST = ("--n-surrogates", "0")


def ews(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="ews", env={"COLUMNS": "120"})


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ews.cli import main; main()", *map(str, arguments)]
    surroundings = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=surroundings)


def refused(result, *said: str) -> str:
    """One message on standard error, exit status 2, nothing on standard output."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)  # no other exception got through
    message = result.stderr
    assert "Traceback" not in message
    for words in said:
        assert words in message
    return message


@pytest.fixture
def lake(tmp_path):
    """A file of 40 days: two columns of numbers and one of text."""
    noise = np.random.default_rng(7).standard_normal((40, 2))
    days = pd.date_range("2015-05-01", periods=40).strftime("%Y-%m-%d")
    path = tmp_path / "lake.csv"
    pd.DataFrame({"day": days, "chl": noise[:, 0], "oxygen": noise[:, 1], "lake": "Peter"}).to_csv(path, index=False)
    return path


# ---- detect: what it prints and writes ------------------------------------------------------------------------------


def test_detect_prints_the_report(lake):
    result = ews("detect", lake, "--time", "day", "--value", "chl", *FAST)
    assert result.exit_code == 0
    assert result.stdout.startswith("Early-warning signals in 'chl'\n")
    assert "Verdict: INCONCLUSIVE" in result.stdout
    assert "40 observations from 2015-05-01 to 2015-06-09 (day), step 1 day." in result.stdout
    assert result.stderr == ""
    assert "\x1b" not in result.output


def test_detect_of_several_columns_prints_a_line_each(lake):
    result = ews("detect", lake, "--time", "day", "--value", "chl", "--value", "oxygen", *FAST)
    assert result.exit_code == 0
    assert "Early-warning signals in 2 series" in result.stdout
    assert re.search(r"^oxygen +40 +inconclusive", result.stdout, re.MULTILINE)


@pytest.mark.jit
def test_detect_gives_what_the_library_gives(lake):
    import ews as library

    result = ews("detect", lake, "--value", "chl", "--n-surrogates", 99, "--seed", 5, "--json", "-")
    assert result.exit_code == 0
    table = pd.read_csv(lake)
    found = json.loads(result.stdout)
    expected = json.loads(library.detect(table["chl"], n_surrogates=99, seed=5).to_json())
    for one in (found, found["scores"]):
        assert one.pop("notes")[0].startswith("read from lake.csv: ")
    assert expected.pop("notes") == expected["scores"].pop("notes") == []
    assert found == expected
    table = library.read_table(lake, value="chl")
    assert result.stdout == library.detect(table, n_surrogates=99, seed=5).to_json() + "\n"


def test_every_option_reaches_the_library(lake):
    result = ews(
        "detect", lake, "--time", "day", "--value", "chl", "--detrend", "lowess", "--bandwidth", 0.4, "--window", 15,
        "--indicators", "std, ac1", "--trend", "spearman", "--null", "fourier", "--alpha", 0.1, "--causal", "--until",
        "2015-06-05", "--missing", "interpolate", "--duplicates", "mean", "--transform", "none", "--method", "kendall",
        "--seed", 3, *FAST, "--json", "-",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["config"] == {
        "window": 15, "window_fraction": 15 / 36, "detrend": "lowess", "bandwidth": 0.4, "indicators": ["std", "ac1"],
        "trend": "spearman", "null": "fourier", "n_surrogates": 0, "alpha": 0.1, "causal": True, "until": "2015-06-05",
        "missing": "interpolate", "duplicates": "mean", "season": None, "seed": 3, "transform": None,
        "method": "kendall", "measurement_error": None,
    }  # fmt: skip


def test_options_are_those_of_the_library():
    import inspect

    import ews as library

    known = set(inspect.signature(library.detect).parameters) - {"series", "progress"}
    command = typer.main.get_command(app).commands["detect"]
    known |= set(inspect.signature(library.read_table).parameters) - {"path"}
    assert known <= {parameter.name for parameter in command.params}
    for parameter in command.params:
        given = inspect.signature(library.detect).parameters.get(parameter.name)
        if given is None or given.default is None or parameter.name == "indicators":
            continue
        assert parameter.default == given.default, parameter.name


def test_windows_and_bandwidths_may_be_lengths_of_time(lake):
    asked = ("detect", lake, "--time", "day", "--value", "chl", *FAST)
    result = ews(*asked, "--window", "15d", "--bandwidth", "10 days", "--json", "-")
    assert result.exit_code == 0, result.output
    config = json.loads(result.stdout)["config"]
    assert (config["window"], config["bandwidth"]) == (15, 10)
    refused(ews(*asked, "--window", "long"), "error: --window: got 'long'")


def test_detrending_can_be_left_out(lake):
    result = ews("detect", lake, "--value", "chl", "--detrend", "none", *FAST, "--json", "-")
    assert json.loads(result.stdout)["config"]["detrend"] is None


def test_detect_writes_json_figure_and_page(lake, tmp_path):
    files = [tmp_path / name for name in ("r.json", "r.png", "r.html")]
    result = ews(
        "detect", lake, "--time", "day", "--value", "chl", "--indicators", "ac1", *FAST, "--json", files[0],
        "--figure", files[1], "--html", files[2],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(files[0].read_text(encoding="utf-8"))["name"] == "chl"
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert files[2].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [line.split(maxsplit=1) for line in result.stderr.splitlines()] == [["wrote", str(file)] for file in files]


def test_the_only_numeric_column_needs_no_name(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("year,size\n" + "".join(f"{1900 + i},{i % 7}\n" for i in range(40)))
    result = ews("detect", path, "--time", "year", *FAST)
    assert result.exit_code == 0, result.output
    assert "in 'size'" in result.stdout


def test_report_of_a_name_with_control_characters_is_harmless(tmp_path):
    path = tmp_path / "evil.csv"
    path.write_text("\x1b[31mred\n" + "".join(f"{i % 7}\n" for i in range(40)))
    result = ews("detect", path, *FAST)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout


def test_ages_run_backwards(tmp_path):
    path = tmp_path / "core.csv"
    path.write_text("age,x\n" + "".join(f"{100 - i},{i * i % 11}\n" for i in range(60)))
    result = ews("detect", path, "--time", "age", "--ages", "--until", "51", *FAST, "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["time"][0], found["time"][-1]) == (-100.0, -51.0)
    assert found["value"] == [i * i % 11 for i in range(50)]
    refused(ews("detect", path, "--value", "x", "--ages"), "--ages", "no --time")
    refused(ews("detect", path, "--time", "age", "--ages", "--until", "now"), "--until", "a number")


# ---- detect: what it refuses ----------------------------------------------------------------------------------------


def test_missing_file_is_named(tmp_path):
    refused(ews("detect", tmp_path / "nowhere.csv"), "nowhere.csv", "No such file")


def test_folder_is_no_file(tmp_path):
    refused(ews("detect", tmp_path), "FILE", "folder")


@pytest.mark.parametrize("option", ["--time", "--value"])
def test_unknown_column_suggests_the_nearest(lake, option):
    refused(ews("detect", lake, option, "oxigen"), option, "'oxigen'", "did you mean 'oxygen'?")


def test_several_columns_need_a_name(lake):
    refused(ews("detect", lake, "--time", "day"), "--value", "'chl', 'oxygen'")


@pytest.mark.parametrize("window", ["0", "1", "41", "-3", "nan", "inf", "2.5"])
def test_impossible_window_says_what_is_possible(lake, window):
    refused(ews("detect", lake, "--value", "chl", "--window", window), "--window: got", "allowed: a fraction")


def test_window_in_words_is_refused(lake):
    refused(ews("detect", lake, "--value", "chl", "--window", "half"), "--window", "a length of time such as")


def test_text_in_a_column_is_shown_with_its_place(tmp_path):
    path = tmp_path / "text.csv"
    path.write_text("x\n1\n2\nbanana\n4\npear\n")
    refused(ews("detect", path, "--value", "x"), "'banana' in column 'x', row 3 and 1 more like it")


def test_text_among_the_times_is_shown_with_its_place(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("day,x\n2015-05-01,1\nyesterday,2\n")
    refused(ews("detect", path, "--time", "day"), "--time", "'yesterday' in column 'day', row 2", "ISO dates")


def test_missing_time_is_shown_with_its_place(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("day,x\n1,1\n,2\n")
    refused(ews("detect", path, "--time", "day"), "no time in column 'day', row 2")


def test_duplicated_times_say_what_to_do(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("t,x\n" + "".join(f"{i // 2},{i % 5}\n" for i in range(80)))
    for asked in (("--duplicates", "raise"), ("--method", "kendall")):
        refused(ews("detect", path, "--time", "t", *asked), "--time: got 40 duplicated time(s)", "--duplicates mean")
    for asked in (("--duplicates", "mean"), ()):
        assert ews("detect", path, "--time", "t", *asked, *FAST).exit_code == 0


@pytest.mark.parametrize(
    ("option", "given", "nearest"),
    [
        ("--indicators", "varience", "variance"),
        ("--null", "ar11", "ar1"),
        ("--trend", "kendal", "kendall"),
        ("--detrend", "gausian", "gaussian"),
        ("--missing", "interpolated", "interpolate"),
        ("--measurement-error", "constnat", "constant"),
        *((option, "nonne", "none") for option in ("--measurement-error", "--detrend", "--transform")),
    ],
)
def test_unknown_name_suggests_the_nearest(lake, option, given, nearest):
    refused(ews("detect", lake, "--value", "chl", option, given), f"error: {option}: got", f"did you mean '{nearest}'?")


def test_the_package_runs_as_a_module(lake):
    done = subprocess.run(
        [sys.executable, "-m", "ews", "detect", str(lake), "--value", "chl", *map(str, FAST)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ews("detect", lake, "--value", "chl", *FAST).stdout


def test_outputs_are_checked_before_the_work(lake, tmp_path):
    refused(ews("detect", lake, "--value", "chl", "--figure", tmp_path / "x.pngg"), "--figure", "did you mean 'png'?")
    refused(ews("detect", lake, "--value", "chl", "--json", tmp_path / "no" / "x.json"), "--json", "folder that exists")
    refused(ews("detect", lake, "--value", "chl", "--html", tmp_path), "--html", "folder")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "FILE"), (b"x\n", "without any rows"), (b"\x89PNG\xff\xfe", "UTF-8"), (b"a\n1,2\n3,4,5\n", "FILE")],
)
def test_what_is_no_table_is_refused(tmp_path, content, said):
    path = tmp_path / "no.csv"
    path.write_bytes(content)
    refused(ews("detect", path), said)


def test_messages_speak_of_options_not_of_arguments(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("t,x\n" + "".join(f"{i},{'' if i == 5 else i % 7}\n" for i in range(40)))
    said = refused(ews("detect", path, "--value", "x", "--missing", "raise"), "--missing interpolate or --missing drop")
    assert "missing=" not in said
    refused(ews("detect", path, "--value", "x", "--n-surrogates", "-1"), "error: --n-surrogates: got -1")
    linear = ("--missing", "drop", "--detrend", "linear", "--bandwidth", "0.3")
    refused(ews("detect", path, "--value", "x", *linear), "error: --bandwidth: got 0.3", "--detrend linear has no")


@pytest.mark.parametrize(
    ("content", "example"),
    [
        ("1.5\n2\n3\n", "'value'"),
        ("2001,1.5\n2002,2\n", "'time,value'"),
        ("2001;1,5;NA\n2002;2,5;3,5\n", "'time;value;value2'"),
        ("2015-05-01,1\n2015-05-02,2\n", "'time,value'"),
        ("1,1\n2,2\n", "'time,value'"),
    ],
)
def test_numbers_for_a_heading_are_refused(tmp_path, content, example):
    path = tmp_path / "bare.csv"
    path.write_text(content)
    refused(ews("detect", path), "without a heading", repr(content.split("\n")[0]), f"add a line such as {example}")


def test_overlooked_times_are_noted_on_standard_error(lake):
    result = ews("detect", lake, "--value", "chl", *FAST)
    assert result.exit_code == 0
    assert result.stderr == "note: rows are taken as consecutive; if column 'day' holds their times, add --time day\n"
    assert "note:" not in ews("detect", lake, "--time", "day", "--value", "chl", *FAST).stderr


# ---- the other commands ---------------------------------------------------------------------------------------------


def test_version():
    assert ews("--version").stdout == f"earlywarning {__version__}\n"


def test_indicators_lists_the_registry():
    out = ews("indicators").stdout
    for name in registry.names():
        assert re.search(rf"^{name} ", out, re.MULTILINE)
    assert "shortest" in out
    assert "Carpenter" in out


@pytest.mark.parametrize("columns", ["40", "60", "200"])
def test_names_stay_whole_on_any_terminal(columns):
    for command, names in (("indicators", registry.names()), ("datasets", datasets.list())):
        out = CliRunner().invoke(app, [command], env={"COLUMNS": columns}).stdout
        assert [name for name in names if not re.search(rf"^{name}( |$)", out, re.MULTILINE)] == []


def test_datasets_lists_describes_and_writes(tmp_path, monkeypatch):
    monkeypatch.delenv("EWS_DATA_DIR", raising=False)
    out = ews("datasets").stdout
    assert re.search(r"^nile +bundled ", out, re.MULTILINE)
    had, _, not_had = out.partition("EWS_DATA_DIR")
    assert re.search(r"^lake_zurich +remote +(to be fetched|here) ", had, re.MULTILINE)
    assert re.search(r"^lake_washington +local +not here ", not_had, re.MULTILINE)
    assert "licence" in ews("datasets", "nile").stdout
    path = tmp_path / "nile.csv"
    assert ews("datasets", "nile", "--output", path).exit_code == 0
    assert ews("detect", path, "--time", "year", *FAST).exit_code == 0
    refused(ews("datasets", "nil"), "did you mean 'nile'?")


@pytest.mark.jit
def test_demo_answers_for_real_records_beside_a_control(tmp_path):
    result = ews("demo", "--output", tmp_path / "demo", "--n-surrogates", 199)
    assert result.exit_code == 0, result.output
    assert re.findall(r"^Verdict: (.*)$", result.stdout, re.MULTILINE) == ["WARNING"]  # one report in full
    assert "Early-warning signals in 'chick_heart_flip'" in result.stdout
    lines = dict(re.findall(r"^  - (\w+): (NO WARNING|WARNING|INCONCLUSIVE) \(", result.stdout, re.MULTILINE))
    assert list(lines) == ["chick_heart_steady", "glaciation", "simulated_control"]
    assert "WARNING" not in (lines["chick_heart_steady"], lines["simulated_control"])
    names = ("chick_heart_flip", *lines)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        f"{name}.{ending}" for name in names for ending in ("csv", "html", "json", "png")
    }
    data = tmp_path / "demo" / "chick_heart_flip.csv"
    written = pd.read_csv(data)
    np.testing.assert_array_equal(written.iloc[:, 1], datasets.load("chick_heart_flip").values)
    hint = re.search(r"^try: (.*)$", result.stderr, re.MULTILINE).group(1)
    words = shlex.split(hint)
    assert words[1:3] == ["detect", str(data)]
    assert words[-4:] == ["--until", "440", "--seed", "3"]
    assert "Verdict: INCONCLUSIVE" in ews(*words[1:], *FAST).stdout


def test_demo_names_the_program_as_it_was_started(tmp_path, monkeypatch):
    program = tmp_path / "venv" / "bin" / "ews"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert running_command() == str(program)
    monkeypatch.chdir(tmp_path)
    assert running_command() == os.path.join("venv", "bin", "ews")  # noqa: PTH118
    monkeypatch.chdir(program.parent)
    assert running_command() == f".{os.sep}ews"
    monkeypatch.setenv("PATH", str(program.parent))
    assert running_command() == "ews"
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert running_command() == "ews"


def test_demo_refuses_a_file_for_a_folder(lake):
    refused(ews("demo", "--output", lake), "--output", "a folder")


def test_help_teaches():
    text = ews("detect", "--help").stdout
    for said in (
        "Examples",
        "ews detect lake.csv --time date --value chlorophyll",
        "default: 0.5",
        "Exit status",
        "Data",
    ):
        assert said in text
    for name in ("detect", "demo", "datasets", "indicators"):
        assert name in ews("--help").stdout


def test_command_groups_of_other_packages_are_added():
    host = typer.Typer()
    host.command("own")(lambda: None)
    broken = EntryPoint(name="broken", value="ews.nowhere:app", group="ews.commands")
    ours = EntryPoint(name="again", value="ews.cli.commands:app", group="ews.commands")
    add_commands(host, [broken, ours])
    assert [group.name for group in host.registered_groups] == ["again"]
    assert CliRunner().invoke(host, ["again", "--version"]).stdout == f"earlywarning {__version__}\n"


# ---- as a process ---------------------------------------------------------------------------------------------------


def test_bad_input_ends_a_process_with_2_and_one_line(lake):
    done = process("detect", lake, "--value", "chl", "--window", "0")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"error: --window: got 0; allowed: .*\n", done.stderr)


def test_good_input_ends_a_process_with_0_and_no_colour(lake):
    done = process("detect", lake, "--value", "chl", *FAST)
    assert done.returncode == 0, done.stderr
    assert "Verdict: INCONCLUSIVE" in done.stdout
    assert "\x1b" not in done.stdout


def test_terminal_without_greek_letters_still_gets_a_report(lake):
    done = process("detect", lake, "--value", "chl", *FAST, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Verdict: INCONCLUSIVE" in done.stdout


def test_help_loads_nothing_heavy():
    code = (
        "import sys, ews.cli\n"
        "try: ews.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join(sorted({'numpy', 'numba', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
