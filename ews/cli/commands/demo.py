"""``ews demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ews.cli.commands.options import Force
from ews.cli.output import reported_errors

__all__ = ["EPILOG", "demo"]

EPILOG = "Then try your own series: `ews detect FILE.csv --time COLUMN --value COLUMN`."


def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the data, the figures and the page go.")] = Path(
        "ews-demo"
    ),
    n_surrogates: Annotated[int, typer.Option(help="Surrogates.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the surrogates and of the simulated control.")] = 3,
    force: Force = False,
) -> None:
    """Run the main job on three real records, beside a simulated control."""
    from ews.cli.demo import run

    with reported_errors():
        run(output, n_surrogates=n_surrogates, seed=seed, force=force)
