"""``ews watch``: lines of CSV and JSON, from standard input and from files that grow."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import ews
from ews.cli.commands import app
from ews.cli.watch import run

FAST = ["--reference", "50", "--average-run-length", "2000", "--smoothing", "none"]
OPTIONS: dict[str, Any] = {"reference": 50, "average_run_length": 2000, "smoothing": None}


def watch(*arguments: object, lines: str | None = None) -> Any:
    return CliRunner().invoke(app, ["watch", *map(str, arguments)], prog_name="ews", input=lines)


def record(n: int = 900) -> np.ndarray:
    """Two series; the memory of the second rises in the middle."""
    e = np.random.default_rng(3).standard_normal((n, 2))
    x = np.zeros((n, 2))
    for t in range(1, n):
        x[t] = (0.2, 0.9 if t > n // 2 else 0.2) * x[t - 1] + e[t]
    return x


def as_csv(x: np.ndarray, separator: str = ",") -> str:
    rows = [f"{1990 + t / 12}{separator}{a}{separator}{b}" for t, (a, b) in enumerate(x.tolist())]
    return "\n".join([separator.join(("when", "lake", "river")), *rows]) + "\n"


def as_json(x: np.ndarray) -> str:
    return "".join(
        json.dumps({"when": 1990 + t / 12, "lake": a, "river": b}) + "\n" for t, (a, b) in enumerate(x.tolist())
    )


@pytest.mark.parametrize("form", ["csv", "semicolons", "tabs", "json", "no heading", "dates", "file"])
def test_every_form_of_lines_gives_the_alarms_of_the_library(form: str, tmp_path: Path) -> None:
    x = record()
    time = [1990 + t / 12 for t in range(len(x))]
    expected = ews.Monitor(**OPTIONS).update_many(x, time).alarms
    assert expected
    assert {alarm.name for alarm in expected} == {"series 2"}
    text = {"json": as_json(x), "semicolons": as_csv(x, ";"), "tabs": as_csv(x, "\t")}.get(form, as_csv(x))
    options = [*FAST, "--json", "--time", "when"]
    if form == "no heading":
        text, options = text.split("\n", 1)[1], [*FAST, "--json", "--time", "1"]
    if form == "dates":
        days = np.datetime64("2001-01-01") + np.arange(len(x))
        text = "when,lake,river\n" + "".join(f"{day},{a},{b}\n" for day, (a, b) in zip(days, x.tolist(), strict=True))
    source: str | Path = "-"
    if form == "file":
        source = tmp_path / "log.csv"
        source.write_text(text)
    found = watch(source, *options, lines=text)
    assert found.exit_code == 0, found.output
    alarms = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(one["index"], one["test"]) for one in alarms] == [(one.index, one.test) for one in expected]
    assert "900 observations of 2 series" in found.stderr
    plain = watch(source, *[one for one in options if one != "--json"], lines=text)
    assert "memory rises towards +1, most likely since" in plain.stdout.splitlines()[0]


def test_a_file_that_grows_is_followed_and_the_state_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = record()
    text = as_csv(x)
    whole = watch("-", *FAST, "--json", "--time", "when", lines=text).stdout
    log, state = tmp_path / "log.csv", tmp_path / "state.json"
    cuts = [0, 3, 40, 700, 701, 20_000, len(text)]  # within lines and within the heading
    parts = [text[a:b] for a, b in itertools.pairwise(cuts)]
    log.write_text("")
    arriving = iter(parts)

    def wait() -> bool:
        part = next(arriving, None)
        if part is not None:
            with log.open("a") as file:
                file.write(part)
        return part is not None

    run(log, time="when", values=[], options=OPTIONS, follow=True, state=None, as_json=True, wait=wait)
    assert capsys.readouterr().out == whole

    said = ""
    lines = text.splitlines(keepends=True)
    for end in (30, 31, 400, 520, len(lines)):
        log.write_text("".join(lines[:end]))
        part = watch(log, *FAST, "--json", "--time", "when", "--state", state)
        assert part.exit_code == 0, part.output
        said += part.stdout
    assert said == whole
    log.write_text("".join(lines[:10]))
    assert "read from its start" in watch(log, *FAST, "--time", "when", "--state", state).stderr


def test_lines_that_cannot_be_read_are_said_and_do_no_harm() -> None:
    x = record()
    good = as_csv(x).splitlines()
    bad = [*good]
    bad[100:100] = ["# a comment", "", "1998.1,<0.5", "x,1,2", f"{1990},3,4"]
    bad[300] = bad[300].rsplit(",", 1)[0] + ",n/a"
    bad[301] = bad[301].rsplit(",", 1)[0] + ",<0.5"
    found = watch("-", *FAST, "--time", "when", lines="\n".join(bad))
    assert found.exit_code == 0
    for words in (
        "2 cells under 3 columns",
        "the time 'x' is no number",
        "not later than",
        "river is '<0.5', no number",
    ):
        assert words in found.stderr
    assert "'n/a'" not in found.stderr
    assert "900 observations" in found.stderr
    found = watch("-", *FAST, lines='{"a": 1}\nnonsense\n{"a": 2, "b": 3}\n{"b": 4}\n{"a": true}\n[1]\n{"a": 1e999}\n')
    assert found.exit_code == 0
    assert "no JSON object" in found.stderr
    assert "a is 'True', no number" in found.stderr


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ("time,chl\n1,2\n", [], "--time time"),
        ("a,b\n1,2\n", ["--value", "c"], "one of a, b"),
        ("a,a\n1,2\n", [], "no two alike"),
        ("a,b\n1,2\n", ["--tests", "memory"], "tests"),
        ("a,b\n1,2\n", ["--reference", "3"], "reference"),
        ("a,b\n1,2\n", ["--average-run-length", "nan"], "--average-run-length: got nan"),
        ('{"a": "x"}\n', [], "no column of values"),
        ("a,b\nx,y\n", [], "no column of values"),
        ("year,day,a\n1,2,3\n", ["--time", "day"], "'year' may hold times"),
        ("1\t2\n3\t4\n", [], "--time 1 --value 2"),
        ("t;a\n1;1,001\n", ["--time", "t"], "--decimal ,"),
        ("t,a\n1,2\n", ["--time", "t", "--decimal", ";"], "'.' or ','"),
        ("t,a\n1,2\n", ["--time", "t", "--date-format", "dd"], "such as '%d/%m/%Y'"),
        ("Lake, north\nt,a\n1,2\n", ["--time", "t"], "--skip 1 if that is a title"),
        ("t,a\n01.02.2001,2\n", ["--time", "t"], "--date-format %d.%m.%Y"),
        ("t,a\n" + "1 May,2\n" * 20 + "5,1\n", ["--time", "t"], "in line 21, and no time before"),
        ("PK\x03\x04\n", [], "no text in UTF-8"),
        ("t\0,a\0\n", [], "no text in UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_refused(lines: str, options: list[str], said: str) -> None:
    found = watch("-", *options, lines=lines)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert found.stdout == ""


def test_notations_of_other_places_give_the_same_alarms() -> None:
    x = record().round(4)
    days = np.datetime64("2001-01-01") + np.arange(len(x))
    plain = "day,lake,river\n" + "".join(f"{day},{a},{b}\n" for day, (a, b) in zip(days, x.tolist(), strict=True))
    expected = watch("-", *FAST, "--time", "day", lines=plain).stdout
    assert expected
    comma = [
        ";".join((str(day), *(str(value).replace(".", ",") for value in row)))
        for day, row in zip(days, x.tolist(), strict=True)
    ]
    written = [";".join((f"{line[8:10]}.{line[5:7]}.{line[:4]}", line[11:])) for line in comma]
    blank = [line.replace(";", " ") for line in comma]
    told = ["--date-format", "%d.%m.%Y"]
    for lines, options in [
        (["day;lake;river", *comma], []),
        (["\ufeffsep=;", "day;lake;river", *comma], ["--decimal", ","]),
        (["day;lake;river", *written], told),
        (["Lakes;2001", "", "day;lake;river", *written], [*told, "--skip", "1"]),
        (["day lake river", *blank], ["--sep", "space"]),
        (["day;lake;river", *comma[:200], "1999-01-01;-9999;<1", *comma[200:]], ["--na", "-9999", "--na", "<*"]),
    ]:
        found = watch("-", *FAST, "--time", "day", *options, lines="\n".join(lines) + "\n")
        assert found.stdout == expected, (lines[:3], found.output[:300])


def test_a_code_for_missing_values_is_no_value_and_notes_of_a_kind_are_counted() -> None:
    lines = "t,a\n" + "".join(f"{t},{-9999 if t % 7 == 3 else t % 5}\n" for t in range(100)) + "0,1\n" * 30
    found = watch("-", "--time", "t", "--reference", "50", "--na", "-9999.0", lines=lines)
    assert found.exit_code == 0
    assert found.stdout == ""
    assert found.stderr.count("not later") == 6
    assert "30 lines left out whose time is not later" in found.stderr
    assert "100 observations" in found.stderr
    coded = watch("-", "--time", "t", "--reference", "50", lines=lines.replace("-9999", ""))
    assert coded.stderr == found.stderr


def test_states_of_other_options_or_kinds_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    assert watch("-", *FAST, "--state", state, lines="a\n1\n2\n").exit_code == 0
    for options in (["--reference", "60"], [*FAST, "--value", "b"]):
        found = watch("-", *options, "--state", state, lines="3\n")
        assert (found.exit_code == 2 and "as the state was made" in found.stderr) or "made with" in found.stderr
    other = watch("-", "--reference", "60", "--state", state, lines="3\n").stderr
    assert "SequentialConfig" not in other
    assert "--reference 60" in " ".join(other.split())
    assert "--tests" not in other  # which are the same
    for text in ("{}", "not json", "[" * 100_000, json.dumps({"watch": 1, "monitor": {}, "source": {}})):
        state.write_text(text)
        assert watch("-", *FAST, "--state", state, lines="3\n").exit_code == 2
        assert state.read_text() == text
    assert watch(tmp_path / "none.csv").exit_code == 2
