"""What these commands say: results on standard output, all else on standard error."""

from __future__ import annotations

import json as jsons
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ews.errors import ArgumentError, EWSError, described

__all__ = ["BAD_INPUT", "message", "progress_bar", "reported", "require_places", "written"]

BAD_INPUT = 2
_EXTRA = ("accelerate", "gguf", "safetensors", "torch", "transformers")


def message(text: str) -> None:
    """One line on standard error."""
    typer.echo(text, err=True)


@contextmanager
def reported() -> Iterator[None]:
    """Say what is wrong with the input in one message and leave with status 2; say warnings as they come."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda text, *_args, **_options: message(f"warning: {text}")
            yield
    except EWSError as error:
        _leave(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _EXTRA:
            raise
        _leave(f"this command needs {error.name}: pip install 'earlywarning[llm]'")
    except OSError as error:
        _leave(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _leave(text: str) -> None:
    message(f"error: {text}")
    raise typer.Exit(BAD_INPUT)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal; yields ``report(done, total)``."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def require_places(*, json: Path | None = None, figure: Path | None = None, output: Path | None = None) -> None:
    """Refuse before the work what could not be written after it."""
    for option, path in (("--json", json), ("--figure", figure)):
        if path is None or (option == "--json" and str(path) == "-"):
            continue
        if path.is_dir():
            raise ArgumentError(option, described(f"the folder {path}"), "a file to write")
        if not path.parent.is_dir():
            raise ArgumentError(option, described(str(path)), "a file in a folder that exists")
    if figure is not None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        known = sorted(FigureCanvasAgg.get_supported_filetypes())
        if figure.suffix.lstrip(".").lower() not in known:
            raise ArgumentError("--figure", described(str(figure)), f"an ending of {', '.join(known)}")
    if output is not None and output.is_file():
        raise ArgumentError("--output", described(f"the file {output}"), "a folder, which is made where there is none")


def written(
    found: Any,
    *,
    report: str,
    json: Path | None = None,
    figure: Path | None = None,
    draw: Callable[[], Any] | None = None,
) -> None:
    """Print a report or its numbers, and write what was asked for.

    Parameters
    ----------
    found : object
        Plain numbers and strings.
    report : str
        The same for a person.
    json, figure : path, optional
        Where they go; ``-`` sends numbers to standard output in place of the report.
    draw : callable, optional
        Makes the figure.
    """
    text = jsons.dumps(found, indent=2)
    typer.echo(text if str(json) == "-" else report)
    if json is not None and str(json) != "-":
        json.write_text(text + "\n", encoding="utf-8")
        message(f"wrote {json}")
    if figure is not None and draw is not None:
        draw().savefig(figure, dpi=200)
        message(f"wrote {figure}")
    sys.stdout.flush()
