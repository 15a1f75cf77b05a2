"""``ews benchmark``: methods on known transitions beside what resembles them; the table, its numbers and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from ews.cli.output import messages, progress_bar, show
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["FILES", "run"]

FILES = ("benchmark.csv", "benchmark.json", "auc.png", "roc.png")


def run(methods: str | None, output: Path | None, options: dict[str, Any], *, as_json: bool) -> None:
    """Run the benchmark, print its report and write table, JSON and figures to a folder.

    Parameters
    ----------
    methods : str or None
        Names separated by commas; a name may carry a direction, as in ``ac1:down``. None for the default.
    output : Path or None
        The folder; made where it does not exist. None writes no files.
    options : dict
        Of :func:`ews.benchmark`.
    as_json : bool
        Print JSON instead of the report.
    """
    from ews._evaluation.benchmark.run import DEFAULT_METHODS, benchmark_with_progress

    if output is not None and output.exists() and not output.is_dir():
        raise ArgumentError("--output", described(f"the file {output}"), "a folder")
    chosen = DEFAULT_METHODS if methods is None else _methods(methods)
    with progress_bar("scoring") as report:
        found = benchmark_with_progress(methods=chosen, progress=report, **options)
    if as_json:
        typer.echo(found.to_json())
    else:
        show(found.summary())
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    found.to_frame().to_csv(output / FILES[0], index=False, float_format="%.6g")
    (output / FILES[1]).write_text(found.to_json() + "\n", encoding="utf-8")
    found.plot().savefig(output / FILES[2], dpi=300)
    found.plot_curves(found.nulls[0]).savefig(output / FILES[3], dpi=300)
    messages().print(f"wrote {', '.join(FILES)} to {output}/", markup=False, soft_wrap=True)


def _methods(text: str) -> Sequence[object]:
    """``variance,ac1:down`` as names and trends in a chosen direction."""
    from ews._evaluation.scores import TrendScore

    found: list[object] = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, colon, direction = part.partition(":")
        try:
            found.append(TrendScore(name, direction) if colon else name)  # type: ignore[arg-type]  # it is checked there
        except UnknownNameError as error:  # there the two halves have names of their own
            raise UnknownNameError("--methods", error.given, error.names) from None
    if not found:
        raise InputTypeError("--methods", text, "names separated by commas, as in variance,ac1:down")
    return found
