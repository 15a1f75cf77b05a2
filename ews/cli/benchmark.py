"""``ews benchmark``: methods on known transitions beside what resembles them; the table, its numbers and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from ews.cli.files import check_folder, write_file
from ews.cli.output import messages, progress_bar, show, write_figure
from ews.errors import InputTypeError, UnknownNameError

__all__ = ["FILES", "run"]

FILES = ("benchmark.csv", "benchmark.json", "auc.png", "roc.png")


def run(methods: str | None, output: Path | None, options: dict[str, Any], *, as_json: bool, force: bool) -> None:
    """Run the benchmark, print its report and write table, JSON and figures to a folder.

    `methods` are names separated by commas; a name may carry a direction, as in ``ac1:down``.
    """
    from ews._evaluation.benchmark.run import DEFAULT_METHODS
    from ews._evaluation.benchmark.run import benchmark as run_benchmark

    if output is not None:
        check_folder("--output", output, FILES, force=force)
    chosen = DEFAULT_METHODS if methods is None else _methods(methods)
    with progress_bar("scoring") as report:
        found = run_benchmark(methods=chosen, progress=report, **options)
    if as_json:
        typer.echo(found.to_json())
    else:
        show(found.summary())
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    write_file(output / FILES[0], found.to_frame().to_csv(index=False, float_format="%.6g"), force=force)
    write_file(output / FILES[1], found.to_json() + "\n", force=force)
    write_figure(output / FILES[2], found.plot(), dpi=300, force=force)
    write_figure(output / FILES[3], found.plot_curves(found.nulls[0]), dpi=300, force=force)
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
