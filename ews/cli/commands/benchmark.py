"""``ews benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ews.cli.commands.options import Force, number, unless_none
from ews.cli.output import reported_errors

__all__ = ["EPILOG", "benchmark"]

EPILOG = (
    "**Examples**\n\n"
    "`ews benchmark --output results`\n\n"
    "`ews benchmark --methods variance,ac1:down,langevin --replicates 200 --n 300`\n\n"
    "Exit status: 0 the command ran, 2 an option cannot be used."
)


def benchmark(
    n: Annotated[int, typer.Option("--n", help="Samples in each record.")] = 500,
    replicates: Annotated[int, typer.Option(help="Records of each kind.")] = 100,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Indicators and detectors, separated by commas; ac1:down for a trend in a chosen direction.",
            show_default="variance, ac1, ac1:both, skewness",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write the table as CSV and JSON, and the figures, to it.", show_default=False
        ),
    ] = None,
    detrend: Annotated[
        str, typer.Option(help="What is taken out before trends of indicators: gaussian, lowess, …, or none.")
    ] = "gaussian",
    window: Annotated[
        float,
        typer.Option(parser=number, metavar="NUMBER", help="Rolling window: fraction of the record, or samples."),
    ] = 0.5,
    n_times: Annotated[int, typer.Option(help="Running scores of a record; 1 for no lead times.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the records; the same one gives the same table.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the report.")] = False,
    force: Force = False,
) -> None:
    """Run methods on simulated transitions beside noise, trends, steps and seasons that are none.

    Prints, for each method, how well it tells each transition from each null, and how early.
    """
    from ews.cli.benchmark import run

    with reported_errors():
        options = {
            "n": n,
            "replicates": replicates,
            "detrend": unless_none(detrend),
            "window": window,
            "n_times": n_times,
            "seed": seed,
        }
        run(methods, output, options, as_json=json, force=force)
