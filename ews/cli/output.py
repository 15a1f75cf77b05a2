"""What commands write: to the terminal, to files, and about errors; one style for all."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.text import Text

from ews._common.progress import Progress, bar
from ews.cli.files import check_files, write_file
from ews.errors import ArgumentError, EWSError, UnknownNameError, described

__all__ = [
    "BAD_INPUT",
    "OR_NONE",
    "check_outputs",
    "console",
    "in_options",
    "messages",
    "note",
    "progress_bar",
    "quoted",
    "reported_errors",
    "show",
    "write",
    "write_figure",
]

BAD_INPUT = 2
# Options that may be switched off, which the library calls None.
OR_NONE = ("detrend", "transform", "measurement_error")
PIPED_WIDTH = 120
_VERDICTS = {r"\bWARNING\b": "bold red", r"\bNO WARNING\b": "bold blue", r"\bINCONCLUSIVE\b": "bold yellow"}


class Result(Protocol):
    """What every verb returns."""

    def to_json(self) -> str:
        """Its numbers."""
        ...

    def to_html(self) -> str:
        """A page."""
        ...

    def plot(self) -> Any:
        """A figure."""
        ...


def console() -> Console:
    """Standard output: colour on a terminal only, and wide enough for a table where it is piped."""
    return _console(stderr=False)


def messages() -> Console:
    """Standard error: progress and errors, so that what is piped stays clean."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(stderr=stderr, width=PIPED_WIDTH if piped else None, highlight=False)


def show(text: str) -> None:
    """Print a report; the verdict is coloured on a terminal."""
    styled = Text(plain(text))
    for pattern, style in _VERDICTS.items():
        styled.highlight_regex(pattern, style)
    console().print(styled, soft_wrap=True)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn what is wrong with the input into one message on standard error and exit status 2."""
    try:
        yield
    except UnknownNameError as error:
        spelt = [*error.names, *(["none"] if error.argument in OR_NONE else [])]
        _fail(in_options(str(UnknownNameError(error.argument, error.given, spelt))))
    except EWSError as error:
        _fail(in_options(str(error)))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def note(message: str) -> None:
    """Say on standard error what the reader of the report should know of how the input was taken."""
    messages().print(Text.assemble(("note: ", "bold"), plain(message)), soft_wrap=True)


def in_options(message: str) -> str:
    """A message of the library in the words of the command line: ``missing="drop"`` becomes ``--missing drop``."""
    from inspect import signature

    from ews import Monitor, benchmark, detect, detect_many, read_table

    arguments = dict.fromkeys(
        name for one in (detect, benchmark, read_table, detect_many, Monitor) for name in signature(one).parameters
    )
    names = "|".join(name for name in arguments if name not in ("series", "data"))
    message = re.sub(rf"^({names}):", lambda found: f"{_option(found[1])}:", message)
    value = r"""(\([^()]*\)|"[^"]*"|'[^']*'|[\w.…]+)"""
    return re.sub(rf"\b({names})={value}", lambda found: _chosen(found[1], found[2]), message)


def quoted(text: str) -> str:
    """Text as a shell takes it for one word."""
    if re.fullmatch(r"[\w.,:%/+=@…-]+", text):
        return text
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'


def _option(argument: str) -> str:
    return {"path": "FILE", "store": "--out"}.get(argument, f"--{argument.replace('_', '-')}")


def _chosen(argument: str, value: str) -> str:
    """An argument with its value as an option, repeated where it has several."""
    option = _option(argument)
    if value[0] == "(":
        return " ".join(f"{option} {quoted(one)}" for one in re.findall(r"'([^']*)'", value))
    if value[0] in "\"'":
        return f"{option} {quoted(value[1:-1])}"
    if value in ("True", "False"):
        return option if value == "True" else f"--no-{option.removeprefix('--')}"
    return f"{option} {value.lower()}"


def _fail(message: str) -> None:
    error = messages()
    error.print(Text.assemble(("error: ", "bold red"), plain(message)), soft_wrap=True)
    raise typer.Exit(BAD_INPUT)


def progress_bar(label: str) -> AbstractContextManager[Progress]:
    """A bar on standard error while something long runs; nothing where that is no terminal."""
    return bar(label, messages())


def check_outputs(
    *,
    json: Path | None = None,
    figure: Path | None = None,
    html: Path | None = None,
    inputs: Iterable[str | Path | None] = (),
    force: bool = False,
) -> None:
    """Refuse before the work what could not be written after it, or must not; ``-`` for JSON is standard output."""
    for name, path in (("--figure", figure), ("--html", html)):
        if str(path) == "-":
            raise ArgumentError(name, "-", "a file; --json - alone writes to standard output")
    to_file = None if str(json) == "-" else json
    check_files({"--json": to_file, "--figure": figure, "--html": html}, inputs=inputs, force=force)
    if figure is not None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        formats = sorted(FigureCanvasAgg.get_supported_filetypes())
        ending = figure.suffix.lstrip(".").lower()
        if ending not in formats:
            raise UnknownNameError("--figure", ending or described(f"{figure} without an ending"), formats)


def write(
    result: Result,
    *,
    json: Path | None = None,
    figure: Path | None = None,
    html: Path | None = None,
    force: bool = False,
) -> list[Path]:
    """Write what was asked for, and say which files; ``-`` sends JSON to standard output."""
    written = []
    if json is not None and str(json) == "-":
        typer.echo(result.to_json())
    elif json is not None:
        write_file(json, result.to_json() + "\n", force=force)
        written.append(json)
    if figure is not None:
        write_figure(figure, result.plot(), dpi=300, force=force)
        written.append(figure)
    if html is not None:
        write_file(html, result.to_html(), force=force)
        written.append(html)
    return written


def write_figure(path: Path, figure: Any, *, dpi: int, force: bool = False) -> None:
    """Write a figure in the format that the file's ending names; see :func:`ews.cli.files.write_file`."""
    from io import BytesIO

    drawn = BytesIO()
    figure.savefig(drawn, dpi=dpi, format=path.suffix.lstrip(".").lower())
    write_file(path, drawn.getvalue(), force=force)


def plain(text: str) -> str:
    """`text` without control characters, which a file's heading may hold and a terminal would obey."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "�", text)
