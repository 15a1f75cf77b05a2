"""What these commands say: results on standard output, all else on standard error."""

from __future__ import annotations

import json as jsons
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ews.cli.files import check_folder, write_file
from ews.cli.output import BAD_INPUT, check_outputs, write_figure
from ews.errors import EWSError

__all__ = ["message", "reported", "require_places", "written"]

_EXTRA = ("accelerate", "gguf", "peft", "safetensors", "torch", "transformers")


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


def require_places(
    *,
    json: Path | None = None,
    figure: Path | None = None,
    output: Path | None = None,
    inputs: Iterable[str | Path | None] = (),
    force: bool = False,
) -> None:
    """Refuse before the work what could not be written after it, or must not: an input, or what is there already."""
    check_outputs(json=json, figure=figure, inputs=inputs, force=force)
    if output is not None:
        check_folder("--output", output, ("policy.json", "policy.safetensors"), inputs=inputs, force=force)


def written(
    found: Any,
    *,
    report: str,
    json: Path | None = None,
    figure: Path | None = None,
    draw: Callable[[], Any] | None = None,
    force: bool = False,
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
    force : bool, default False
        Whether files that are there may be replaced.
    """
    text = jsons.dumps(found, indent=2)
    typer.echo(text if str(json) == "-" else report)
    if json is not None and str(json) != "-":
        write_file(json, text + "\n", force=force)
        message(f"wrote {json}")
    if figure is not None and draw is not None:
        write_figure(figure, draw(), dpi=200, force=force)
        message(f"wrote {figure}")
    sys.stdout.flush()
