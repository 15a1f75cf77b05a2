"""Commands at random: options of every kind on files of every kind, through typer's runner in this process."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from ews.cli.commands import app
from ews.errors import EWSError
from tests.fuzz.files import READABLE, files

__all__ = ["attempt", "call", "shown"]

_TEXT = (
    "",
    " ",
    "0",
    "-1",
    "1",
    "0.5",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "9" * 400,
    "x",
    "chl",
    "day",
    "none",
    "None",
    "\x00",
    "\ud800",
    "a" * 5000,
    "((((",
    "[",
    "\\",
    "*",
    "a,b",
    ",",
    ";",
    "--",
    "%s",
    "{}",
    "é",
    "\t",
    "|",
    "..",
    "/dev/null",
    "true",
)
# Option → what may well be taken, and what is refused, or was once a trap.
_READING: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "--time": (("day", "year", "t", "when", "month", "age_BP"), ("x", "Day")),
    "--value": (("chl", "oxygen", "x", "*"), ("day", "year", "[a-c]*", "c[!1]*", "[")),
    "--by": (("lake",), ("day", "x")),
    "--where": (("lake=Paul", "year>1905", "x!=0", "x>-5"), ("lake", "=", "x<a", "x<=1e400")),
    "--encoding": (("utf-8", "latin-1"), ("utf-16", "cp037", "utf-7", "idna", "hex", "unicode_escape")),
    "--sep": ((",", "comma"), (";", "tab", "space", "pipe", "((((", "\\", "ab", "", "\n", "|")),
    "--decimal": ((".",), (",", ";")),
    "--thousands": (("'", " "), (",", ".", "5")),
    "--na": (("-9999", "-", "", "0"), ("<*", "*", "[")),
    "--skip": (("0",), ("1", "3", "59", "1000000000000")),
    "--comment": (("#", "//"), (",", "1")),
    "--date-format": (("%Y-%m-%d",), ("%d/%m/%Y", "%Q", "%", "%%", "%Y")),
    "--sheet": (("data", "1"), ("2", "Data", "0")),
}
_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "--separator": ((",",), (";",)),
    "--until": (("2000-02-20", "1950", "45"), ("30", "x", "1e308")),
    "--missing": (("drop", "interpolate"), ("raise", "mean")),
    "--duplicates": (("mean",), ("raise", "drop")),
    "--transform": (("none", "anscombe", "sqrt", "log1p", "log"), ("Log", "exp")),
    "--detrend": (("lowess", "loess", "linear", "difference", "none", "running_mean", "ksmooth"), ("seasonal",)),
    "--bandwidth": (("0.1", "0.3", "10"), ("0", "1e9", "0.001")),
    "--season": (("12", "7"), ("2", "1", "1000000000000")),
    "--window": (("0.5", "20", "0.3", "25"), ("2", "1.5", "1000000000000")),
    "--indicators": (("variance", "ac1,variance", "skewness,kurtosis", "dfa_exponent"), ("cv,cv", "moran", ",,")),
    "--method": (("score", "kendall"), ("Auto",)),
    "--trend": (("spearman", "theil_sen"), ("pearson",)),
    "--null": (("fourier", "aaft", "iaaft", "block", "permutation", "arma"), ("ar2",)),
    "--n-surrogates": (("0", "19", "39"), ("1", "-1", "1000000000000")),
    "--alpha": (("0.05", "0.2", "0.5"), ("0", "1", "2")),
    "--seed": (("0", "7", "123456789"), ("-1", "99999999999999999999999999")),
    "--json": (("-", "out.json", "/dev/null"), ("plain.csv", "no/out.json", ".")),
    "--figure": (("out.png", "out.svg", "out.pdf"), ("out", "out.exe", "plain.csv", "-")),
    "--html": (("out.html", "new.html"), ("plain.csv", "no/out.html", ".", "-")),
}
_FLAGS = ("--causal", "--centred", "--force", "--no-ages", "--ages", "--nothing", "--help", "-h")


def call(rng: np.random.Generator) -> list[str]:
    """The words of a command."""

    def of(pool: Any) -> str:
        return str(pool[rng.integers(len(pool))])

    if rng.random() < 0.1:
        return _other(rng, of)
    if rng.random() < 0.85:
        name, how = READABLE[rng.integers(len(READABLE))]
        arguments, changed = ["detect", name, *_words(how)], int(rng.random() < 0.2)
    else:
        arguments = ["detect", of([*files(), "nothing.csv", ".", "/dev/null", "\x00"])]
        changed = int(rng.integers(0, 4))
    chosen = set(rng.choice(sorted(_READING), changed, replace=False).tolist())
    chosen |= set(rng.choice(sorted(_OPTIONS), int(rng.integers(0, 4)), replace=False).tolist())
    if rng.random() < 0.8:  # else gaps and ties of the files are refused
        chosen -= {"--missing", "--duplicates"}
        arguments += ["--missing", "interpolate", "--duplicates", "mean"]
    if "--n-surrogates" not in chosen:
        arguments += ["--n-surrogates", "9"]
    for option in sorted(chosen):
        taken, refused = (_READING | _OPTIONS)[option]
        kind = rng.random()
        arguments += [option, of(taken if kind < 0.75 else refused if kind < 0.92 else _TEXT)]
    return arguments + ([of(_FLAGS)] if rng.random() < 0.15 else [])


def _words(how: dict[str, Any]) -> list[str]:
    """Options of ``ews.read_table`` as a command has them."""
    found: list[str] = []
    for name, value in how.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            found.append(option)
        else:
            found += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    return found


def _other(rng: np.random.Generator, of: Any) -> list[str]:
    words = of((*_TEXT, "out", "plain.csv", "."))
    commands: list[list[str]] = [
        ["datasets", of(("nile", "nothing", "", "\x00", "..", "harvested_population")), "--output", words],
        ["datasets", of(_TEXT)],
        ["indicators", of(_TEXT)],
        [of(_TEXT), of(_TEXT)],
        ["datasets"],
        ["datasets", "nile"],
        ["datasets", "nile", "--output", "new.csv"],
        ["indicators"],
        ["--version"],
        ["demo", "--output", "new", "--n-surrogates", "9", "--seed", of(("1", "7"))],
        [
            "benchmark",
            "--replicates",
            "4",
            "--n",
            "60",
            "--n-times",
            "1",
            "--methods",
            of(("variance", "ac1:down")),
            *[[], ["--json"], ["--output", "new"]][int(rng.integers(3))],
        ],
        ["demo", "--output", "plain.csv", "--seed", of(_TEXT)],
        ["demo", "--n-surrogates", of(("1000000000000", "-1", "x"))],
        ["benchmark", "--replicates", of(("0", "-1", "x", "1000000000000")), "--methods", of(_TEXT)],
        ["benchmark", "--methods", of((*_TEXT, "ac1:sideways", "variance:", ":up"))],
        ["benchmark", "--n", of(("0", "-5", "1000000000000")), "--output", of(("plain.csv", "out"))],
        [],
    ]
    return commands[int(rng.integers(len(commands)))]  # fmt: skip


def shown(arguments: list[str]) -> str:
    """The command as it would be typed in a folder that holds the files."""
    return "ews " + " ".join(shlex.quote(each[:300]).encode("unicode_escape").decode() for each in arguments)


def attempt(arguments: list[str]) -> None:
    """Run it; anything but status 0 or 2 with a message of a few lines is a failure.

    Raises
    ------
    ews.errors.EWSError
        Where it is refused.
    AssertionError
        If it ended otherwise, or the files that it read have changed.
    """
    with _folder() as folder:
        found = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code in (0, 2), f"status {found.exit_code}: {found.stderr[-300:]}"
        assert "Traceback" not in found.output, found.output[-500:]
        if found.exit_code == 2:
            lines = [line for line in found.stderr.splitlines() if not line.startswith(("Usage", "Try", "╭", "│", "╰"))]
            assert found.output.strip(), "status 2 without a word"  # with no command the help is printed
            assert len(lines) <= 3, found.stderr[-500:]
        for name, content in files().items():
            assert (folder / name).read_bytes() == content, f"{name} was changed"
        if found.exit_code == 2:
            raise EWSError(found.stderr.strip())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        for each, content in files().items():
            (Path(name) / each).write_bytes(content)
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
