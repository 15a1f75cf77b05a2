"""The commands, one a file. Heavy imports stand inside them, so that ``ews --help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

import typer

from ews.cli.commands import benchmark, demo, detect, listing, map, watch  # noqa: A004
from ews.cli.output import messages

__all__ = ["add_commands", "app", "main"]

COMMANDS = "ews.commands"  # entry-point group in which other packages offer commands

app = typer.Typer(
    name="ews",
    help=(
        "Early-warning signals: is this system losing resilience?\n\n"
        "A series is detrended; score tests ask whether its memory, its damping or its noise drifts, against "
        "surrogates that went through the same steps; and variance, autocorrelation and other indicators are measured "
        "in a rolling window beside them."
    ),
    epilog=(
        "**Start with** `ews demo`, then `ews detect FILE.csv --time COLUMN --value COLUMN`. "
        "Exit status: 0 the command ran (whatever the verdict), 2 the input cannot be used."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from ews import __version__

        typer.echo(f"earlywarning {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What stands before a command."""


app.command(epilog=detect.EPILOG)(detect.detect)
app.command(epilog=demo.EPILOG)(demo.demo)
app.command(epilog=benchmark.EPILOG)(benchmark.benchmark)
app.command(epilog=watch.EPILOG)(watch.watch)
app.command(name="map", epilog=map.EPILOG)(map.map_)
app.command()(listing.datasets)
app.command()(listing.indicators)


def add_commands(target: typer.Typer, offered: Iterable[EntryPoint]) -> None:
    """Add command groups (:class:`typer.Typer`) that other packages offer; a broken one is reported and left out."""
    for entry in offered:
        try:
            group = entry.load()
        except Exception as error:  # noqa: BLE001  # another package's failure must not take these commands down
            messages().print(f"ews: command group {entry.name!r} cannot be loaded: {error}", markup=False)
        else:
            target.add_typer(group, name=entry.name)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without τ shows ? and the command still runs
            stream.reconfigure(errors="replace")
    add_commands(app, entry_points(group=COMMANDS))
    app(prog_name="ews")
