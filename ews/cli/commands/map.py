"""``ews map``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ews.cli.commands.options import ANALYSIS, DATA, OUTPUT, TEST, Causal, Figure, Force, Season, unless_none
from ews.cli.output import check_outputs, reported_errors

__all__ = ["EPILOG", "map_"]

EPILOG = (
    "**Examples**\n\n"
    "`ews map ndvi.nc --var NDVI --season 12 --out maps.zarr --figure maps.png`\n\n"
    "`ews map ndvi.zarr --var NDVI --out maps.zarr --scheduler tcp://host:8786 --resume`\n\n"
    "Needs `pip install 'earlywarning[grid]'`. Exit status: 0 the command ran, 2 the input cannot be used."
)


def map_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A cube: netCDF file or folder of zarr.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER.zarr", help="Where the maps go.", show_default=False, rich_help_panel=OUTPUT),
    ],
    var: Annotated[
        str | None,
        typer.Option(help="Variable.", show_default="the only one of numbers", rich_help_panel=DATA),
    ] = None,
    dim: Annotated[
        str | None,
        typer.Option(help="Dimension of time.", show_default="the one known for it", rich_help_panel=DATA),
    ] = None,
    detrend: Annotated[
        str,
        typer.Option(
            help="What is taken out of each series first: local_linear, local_quadratic, … or none.",
            show_default="that of ews detect", rich_help_panel=ANALYSIS,
        ),
    ] = "default",
    season: Season = None,
    causal: Causal = False,
    null: Annotated[
        str,
        typer.Option(
            help="table: surrogates drawn once for all; pooled: of pixels all over the map; or a null of ews detect.",
            rich_help_panel=TEST,
        ),
    ] = "table",
    n_surrogates: Annotated[
        int | None,
        typer.Option(help="Surrogates.", show_default="10,000 a table, 1,000 a series", rich_help_panel=TEST),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test of each series.", rich_help_panel=TEST)] = 0.05,
    fdr: Annotated[
        str,
        typer.Option(help="q-values by bh (Benjamini & Hochberg) or by (& Yekutieli).", rich_help_panel=TEST),
    ] = "bh",
    seed: Annotated[int, typer.Option(help="Seed; the same one gives the same maps.", rich_help_panel=TEST)] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler, as tcp://host:8786.", show_default="this machine"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with maps that were cut off.", rich_help_panel=OUTPUT)
    ] = False,
    figure: Figure = None,
    force: Force = False,
) -> None:  # fmt: skip
    """Test every pixel of a cube for early-warning signals.

    Writes maps of verdict, p, q (over the map), drift and power, block by block, so that a run that was cut off can be
    resumed with nothing lost.
    """
    from ews.cli.maps import run

    with reported_errors():
        check_outputs(figure=figure, inputs=[file], force=force)
        options = {
            "detrend": unless_none(detrend),
            "season": season,
            "causal": causal,
            "null": null,
            "n_surrogates": n_surrogates,
            "alpha": alpha,
            "fdr": fdr,
            "seed": seed,
        }
        run(
            file, variable=var, out=out, dim=dim, scheduler=scheduler, resume=resume, figure=figure, force=force,
            options=options,
        )  # fmt: skip
