"""``ews watch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ews.cli import reading
from ews.cli.commands.options import DATA, OUTPUT, TEST, names, number, unless_none
from ews.cli.output import reported_errors

__all__ = ["EPILOG", "watch"]

EPILOG = (
    "**Examples**\n\n"
    "`sensor | ews watch - --value temperature`\n\n"
    "`ews watch log.csv --time when --value chl --value oxygen --follow --state watch.json`\n\n"
    "`tail -F events.jsonl | ews watch - --time t --json | jq .test`\n\n"
    "Exit status: 0 the lines came to an end (or Ctrl-C), 2 the input cannot be used."
)


def watch(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Lines of CSV with a heading, or of JSON objects; - for standard input.",
            show_default=False,
        ),
    ],
    time: Annotated[
        str | None,
        typer.Option(help="Column of times: numbers or dates.", show_default="none", rich_help_panel=DATA),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of values; repeat it for several series.", show_default="all but the time",
            rich_help_panel=DATA,
        ),
    ] = None,
    sep: reading.Separator = None,
    decimal: reading.Decimal = None,
    na: reading.Missing = None,
    skip: reading.Skip = None,
    date_format: reading.DateFormat = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Wait for more at the end of the file, until Ctrl-C.", rich_help_panel=DATA),
    ] = False,
    average_run_length: Annotated[
        float,
        typer.Option(help="Observations of a series between two false alarms, on average.", rich_help_panel=TEST),
    ] = 10_000.0,
    tests: Annotated[
        str,
        typer.Option(
            help="What is watched for, separated by commas: memory towards +1, memory towards -1, level up, level "
            "down, noise up, noise down.", rich_help_panel=TEST,
        ),
    ] = "memory towards +1,memory towards -1",
    reference: Annotated[
        int, typer.Option(help="Observations that each series is learned from.", rich_help_panel=TEST)
    ] = 200,
    smoothing: Annotated[
        str,
        typer.Option(
            help="Observations over which the running mean forgets, or none.", rich_help_panel=TEST
        ),
    ] = "100",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep the monitor in this file at the end, and go on from it if it is there.",
            show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each alarm as a line of JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:  # fmt: skip
    """Watch lines as they arrive, and print an alarm where memory, level or noise drifts.

    False alarms are rare by choice (`--average-run-length`); missing values and irregular times do no harm.
    """
    from ews.cli.watch import run

    with reported_errors():
        options = {
            "average_run_length": average_run_length,
            "tests": names("tests", tests),
            "reference": reference,
            "smoothing": None if (text := unless_none(smoothing)) is None else number(text),
        }
        how = {"sep": sep, "decimal": decimal, "na": na or (), "skip": skip or 0, "date_format": date_format}
        run(file, time=time, values=value or [], options=options, follow=follow, state=state, as_json=json, how=how)
