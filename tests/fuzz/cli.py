"""Commands at random: options of every kind on files of every kind, through typer's runner in this process."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from ews.cli.commands import app
from ews.errors import EWSError

__all__ = ["FILES", "attempt", "call", "shown"]

_ROWS = [f"2000-{1 + k // 28:02d}-{1 + k % 28:02d},{np.sin(k) + k / 60:.4f},{np.cos(2 * k):.3f}" for k in range(60)]
_PLAIN = "day,chl,oxygen\n" + "\n".join(_ROWS) + "\n"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _column(*cells: str) -> bytes:
    return ("x\n" + "\n".join([*(f"{np.sin(k):.4f}" for k in range(60)), *cells]) + "\n").encode()


def _row(cells: Iterable[object]) -> str:
    return ",".join(map(str, cells))


FILES: dict[str, bytes] = {
    "plain.csv": _PLAIN.encode(),
    "semicolon.csv": _PLAIN.replace(".", "#").replace(",", ";").replace("#", ",").encode(),
    "utf16.csv": _PLAIN.encode("utf-16"),
    "latin.csv": _PLAIN.replace("oxygen", "sauerstoff é").encode("latin-1"),
    "bom.csv": b"\xef\xbb\xbf" + _PLAIN.encode(),
    "nul.csv": _PLAIN.replace("chl", "c\0hl").encode(),
    "nul_inside.csv": _PLAIN.encode()[:300] + b"\0" + _PLAIN.encode()[300:],
    "twice.csv": _PLAIN.replace("oxygen", "chl").encode(),
    "unnamed.csv": _PLAIN.replace("chl", "").encode(),
    "no_heading.csv": "\n".join(_ROWS).encode(),
    "quote.csv": _PLAIN.replace("day", '"day').encode(),
    "ragged.csv": (_PLAIN + "1,2,3,4,5,6\n7\n").encode(),
    "censored.csv": _column("<0.5"),
    "percent.csv": _column("5%"),
    "words.csv": _column("n/a", "-", "#N/A", "none"),
    "sentinel.csv": _column("-9999", "-9999"),
    "hex.csv": _column("0x1f"),
    "huge.csv": _column("1e400", "-1e308", "1e308"),
    "digits.csv": _column("9" * 5000),
    "infinite.csv": _column("inf", "-inf", "nan"),
    "spreadsheet.csv": _column('"=cmd()"', "'3"),
    "empty.csv": b"",
    "newline.csv": b"\n\n\n",
    "heading.csv": b"day,chl\n",
    "one.csv": b"x\n1\n",
    "constant.csv": b"x\n" + b"3\n" * 60,
    "binary.csv": bytes(range(256)) * 20,
    "zip.csv": b"PK\x03\x04" + bytes(500),
    "wide.csv": "\n".join(
        [_row(f"c{k}" for k in range(30)), *(_row(np.sin(j * k) for k in range(30)) for j in range(40))]).encode(),
    "long_line.csv": b"x" * 300_000 + b"\n1\n",
    "commas.csv": b",,,\n" * 60,
    "dates.csv": ("when,x\n" + "\n".join(f"{1 + k % 28}/{1 + k // 28}/2000,{np.sin(k)}" for k in range(60))).encode(),
    "years.csv": ("year,x\n" + "\n".join(f"{1900 + k},{np.sin(k)}" for k in range(60))).encode(),
    "years_twice.csv": ("year,x\n" + "\n".join(f"{1900 + k // 2},{np.sin(k)}" for k in range(60))).encode(),
    "times.csv": ("t,x\n" + "\n".join(f"{k}e300,{np.sin(k)}" for k in range(60))).encode(),
    "falling.csv": ("t,x\n" + "\n".join(f"{-k},{np.sin(k)}" for k in range(60))).encode(),
    "carriage.csv": _PLAIN.replace("\n", "\r").encode(),
    "comment.csv": ("# made by hand\n" + _PLAIN).encode(),
    "years_wide.csv": _row(["Year", *_MONTHS]).encode() + b"\n"
    + "\n".join(_row([1900 + k, *(k % (m + 2) for m in range(12))]) for k in range(20)).encode(),
    "lakes.csv": "\n".join(["lake,year,month,x", *(
        _row([lake, 1990 + k // 12, 1 + k % 12, k * len(lake) % 13]) for lake in ("Paul", "Peter") for k in range(60)
    )]).encode(),
    "thousands.csv": b"t;x\n" + b"\n".join(b"%d;1.%03d,5" % (k, k * 37 % 1000) for k in range(60)),
    "ages.csv": b"age_BP,x\n" + b"\n".join(b"%d,%d" % (9000 - 50 * k, k * k % 17) for k in range(60)),
    "surrogate.csv": b"\xed\xa0\x80,x\n1,2\n",
}  # fmt: skip
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
_OPTIONS: dict[str, tuple[str, ...]] = {
    "--time": ("day", "year", "t", "x", "when", "month", "age_BP"),
    "--value": ("chl", "oxygen", "x", "day", "year", "*", "[a-c]*"),
    "--by": ("lake", "day", "x"),
    "--where": ("lake=Paul", "year>1992", "x!=3", "lake", "=", "x<a"),
    "--encoding": ("utf-8", "utf-16", "latin-1", "cp037", "utf-7", "idna", "hex"),
    "--decimal": (",", ".", ";"),
    "--thousands": (",", ".", "'", " ", "5"),
    "--na": ("-9999", "<*", "-", "*", "[", ""),
    "--skip": ("0", "1", "59", "1000000000000"),
    "--comment": ("#", "//", ",", "1"),
    "--date-format": ("%Y-%m-%d", "%d/%m/%Y", "%Q", "%", "%%"),
    "--sheet": ("1", "data"),
    "--separator": (",", ";", "tab", "space", "((((", "\\", "ab", "", "\n", "|"),
    "--until": ("2000-02-01", "30", "1950", "x"),
    "--missing": ("raise", "drop", "interpolate", "mean"),
    "--duplicates": ("raise", "mean"),
    "--detrend": ("gaussian", "lowess", "loess", "linear", "difference", "none", "seasonal"),
    "--bandwidth": ("0.1", "10", "0", "1e9"),
    "--season": ("12", "2", "1", "1000000000000"),
    "--window": ("0.5", "20", "2", "1.5", "1000000000000"),
    "--indicators": ("variance", "ac1,variance", "variance,variance", "moran", ",,"),
    "--method": ("indicators", "auto"),
    "--trend": ("kendall", "spearman", "theil_sen"),
    "--null": ("ar1", "fourier", "aaft", "iaaft", "block", "permutation", "arma"),
    "--n-surrogates": ("0", "1", "19", "1000000000000"),
    "--alpha": ("0.05", "0", "1", "2"),
    "--seed": ("0", "-1", "99999999999999999999999999"),
    "--json": ("-", "out.json", "plain.csv", "no/out.json", ".", "/dev/null"),
    "--figure": ("out.png", "out.svg", "out", "out.exe", "plain.csv", "-"),
    "--html": ("out.html", "plain.csv", "no/out.html", ".", "-"),
}
_FLAGS = ("--ages", "--no-ages", "--causal", "--centred", "--force", "--nothing", "--help", "-h")


def call(rng: np.random.Generator) -> list[str]:
    """The words of a command."""

    def of(pool: Any) -> str:
        return str(pool[rng.integers(len(pool))])

    if rng.random() < 0.1:
        return _other(rng, of)
    arguments = ["detect", of([*FILES, "plain.csv", "plain.csv", "plain.csv", "nothing.csv", ".", "/dev/null", "\x00"])]
    names = list(_OPTIONS)
    chosen = {of(names) for _ in range(int(rng.integers(0, 5)))}
    if rng.random() < 0.6:
        chosen |= {"--value"}
    if "--n-surrogates" not in chosen:
        arguments += ["--n-surrogates", "9"]
    for name in sorted(chosen):
        arguments += [name, of(_OPTIONS[name] if rng.random() < 0.65 else _TEXT)]
    return arguments + ([of(_FLAGS)] if rng.random() < 0.2 else [])


def _other(rng: np.random.Generator, of: Any) -> list[str]:
    words = of((*_TEXT, "out", "plain.csv", "."))
    return [
        ["datasets", of(("nile", "nothing", "", "\x00", "..", "harvested_population")), "--output", words],
        ["datasets", of(_TEXT)],
        ["indicators", of(_TEXT)],
        [of(_TEXT), of(_TEXT)],
        ["demo", "--output", "plain.csv", "--seed", of(_TEXT)],
        ["demo", "--n-surrogates", of(("1000000000000", "-1", "x"))],
        ["benchmark", "--replicates", of(("0", "-1", "x", "1000000000000")), "--methods", of(_TEXT)],
        ["benchmark", "--methods", of((*_TEXT, "ac1:sideways", "variance:", ":up"))],
        ["benchmark", "--n", of(("0", "-5", "1000000000000")), "--output", of(("plain.csv", "out"))],
        [],
    ][int(rng.integers(10))]  # fmt: skip


def shown(arguments: list[str]) -> str:
    """The command as it would be typed in a folder that holds FILES."""
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
        for name, content in FILES.items():
            assert (folder / name).read_bytes() == content, f"{name} was changed"
        if found.exit_code == 2:
            raise EWSError(found.stderr.strip())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        for each, content in FILES.items():
            (Path(name) / each).write_bytes(content)
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
