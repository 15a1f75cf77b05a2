"""``ews detect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ews.cli import reading
from ews.cli.commands.options import (
    ANALYSIS,
    DATA,
    OUTPUT,
    TEST,
    Causal,
    Figure,
    Force,
    Season,
    length,
    names,
    unless_none,
)
from ews.cli.output import OR_NONE, check_outputs, in_options, messages, progress_bar, reported_errors, show, write

__all__ = ["EPILOG", "detect"]

EPILOG = (
    "**Examples**\n\n"
    "`ews detect lake.csv --time date --value chlorophyll`\n\n"
    "`ews detect lake.csv --time date --value chl --value oxygen --until 2015-06-01 --html report.html`\n\n"
    "`ews detect core.csv --time age --ages --value d18O --missing interpolate --window 100 --figure core.pdf`\n\n"
    "`ews detect survey.xlsx --sheet data --time year --time month --value 'chl*' --by lake --na -999`\n\n"
    "`ews detect counts.csv --indicators variance,ac1 --causal --json - | jq .verdict`\n\n"
    "End the record before the known shift with `--until`: a window that holds the shift always finds it. "
    "Exit status: 0 the command ran (whatever the verdict), 2 the input cannot be used."
)

# Options that go to ews.detect as they are given.

# Options that go to ews.detect as they are given.
_DETECT = (
    "bandwidth", "window", "trend", "null", "n_surrogates", "alpha", "causal", "until", "missing", "duplicates",
    "season", "method", "seed",
)  # fmt: skip


def detect(
    file: reading.File,
    time: reading.Time = None,
    ages: reading.Ages = None,
    value: reading.Value = None,
    by: reading.By = None,
    where: reading.Where = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Last time used, such as a known transition.", show_default="the last one", rich_help_panel=DATA
        ),
    ] = None,
    missing: Annotated[
        str, typer.Option(
            help="Gaps and uneven spacing: keep (as they are), raise (refuse), interpolate or drop.",
            show_default="keep; raise with --method kendall", rich_help_panel=DATA,
        ),
    ] = "default",
    duplicates: Annotated[
        str, typer.Option(
            help="Several values at one time: mean or raise (refuse).",
            show_default="mean; raise with --method kendall", rich_help_panel=DATA,
        ),
    ] = "default",
    encoding: reading.Encoding = None,
    sep: reading.Separator = None,
    decimal: reading.Decimal = None,
    thousands: reading.Thousands = None,
    na: reading.Missing = None,
    skip: reading.Skip = None,
    comment: reading.Comment = None,
    date_format: reading.DateFormat = None,
    sheet: reading.Sheet = None,
    detrend: Annotated[
        str,
        typer.Option(
            help="What is taken out first: local_quadratic, gaussian, lowess, linear, difference, … or none.",
            show_default="local_quadratic; gaussian with --method kendall", rich_help_panel=ANALYSIS,
        ),
    ] = "default",
    bandwidth: Annotated[
        Any,
        typer.Option(
            parser=length, metavar="LENGTH", help="Its bandwidth or span: fraction of the record, samples, or 2y.",
            show_default="the method's own", rich_help_panel=ANALYSIS,
        ),
    ] = None,
    season: Season = None,
    transform: Annotated[
        str,
        typer.Option(
            help="Scale of the values: log, log1p, sqrt or anscombe (counts), before anything is taken out.",
            show_default="none", rich_help_panel=ANALYSIS,
        ),
    ] = "none",
    window: Annotated[
        Any,
        typer.Option(
            parser=length, metavar="LENGTH", help="Rolling window: fraction of the record, samples, or time (5y).",
            rich_help_panel=ANALYSIS,
        ),
    ] = 0.5,
    indicators: Annotated[
        str,
        typer.Option(help="Names, separated by commas; `ews indicators` lists them.", rich_help_panel=ANALYSIS),
    ] = "variance,ac1,skewness",
    causal: Causal = False,
    method: Annotated[
        str,
        typer.Option(
            help="score: tests of drifting memory, damping and noise; or kendall: trends of indicators, as published.",
            rich_help_panel=TEST,
        ),
    ] = "score",
    measurement_error: Annotated[
        str,
        typer.Option(
            help="Measurement error to allow for: constant (in size), drifting or none; by default constant where the "
            "record looks like it.",
            rich_help_panel=TEST,
        ),
    ] = "default",
    trend: Annotated[
        str, typer.Option(help="Trend statistic: kendall, spearman or theil_sen.", rich_help_panel=TEST)
    ] = "kendall",
    null: Annotated[
        str,
        typer.Option(
            help="Null model: ar1, arma, fourier, aaft, iaaft, block or permutation.", rich_help_panel=TEST
        ),
    ] = "ar1",
    n_surrogates: Annotated[
        int, typer.Option(help="Surrogates; 0 for trends without p-values.", rich_help_panel=TEST)
    ] = 1000,
    alpha: Annotated[
        float, typer.Option(help="Level of the test, over all that it tests of a series.", rich_help_panel=TEST)
    ] = 0.05,
    seed: Annotated[
        int, typer.Option(help="Seed; the same one gives the same result.", rich_help_panel=TEST)
    ] = 0,
    json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write every number as JSON; - for standard output, instead of the report.",
            show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    figure: Figure = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a self-contained page.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None,
    force: Force = False,
) -> None:  # fmt: skip
    """Test a series in a file for early-warning signals.

    Prints the verdict (*warning*, *no warning* or *inconclusive*), its reasons, the methods, and tables of the tests
    and of the indicators.
    """
    given = dict(locals())  # every option as it was given
    with reported_errors():
        check_outputs(json=json, figure=figure, html=html, inputs=[file], force=force)
        table = reading.read(file, {name: given[name] for name in reading.OPTIONS})
        options = {name: given[name] for name in _DETECT}
        options |= {name: unless_none(given[name]) for name in OR_NONE}
        options["indicators"] = names("indicators", indicators)
        result = _detect(table, "testing", options)
        reading.note_overlooked(table)
        if str(json) != "-":
            show(in_options(result.summary()))
        for path in write(result, json=json, figure=figure, html=html, force=force):
            messages().print(f"wrote {path}", markup=False, soft_wrap=True)


def _detect(table: Any, label: str, options: dict[str, Any]) -> Any:
    from ews import detect

    with progress_bar(label) as report:
        return detect(table, progress=report, **options)
