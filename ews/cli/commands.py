"""The commands. Heavy imports stand inside them, so that ``ews --help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ews.cli import reading
from ews.cli.files import check_files, write_file
from ews.cli.output import check_outputs, console, in_options, messages, progress_bar, reported_errors, show, write
from ews.errors import InputTypeError

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


def _number(text: str | float) -> float:
    """A whole number where it is written as one: 50 is 50 samples, 0.5 half of the record."""
    if not isinstance(text, str):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def _length(text: str | float) -> str | float:
    """A number, or a length of time such as 5y, which the library reads."""
    try:
        return _number(text)
    except typer.BadParameter:
        return text


# Options that go to ews.detect as they are given.
_DETECT = (
    "bandwidth", "window", "trend", "null", "n_surrogates", "alpha", "causal", "until", "missing", "duplicates",
    "season", "method", "measurement_error", "seed",
)  # fmt: skip
_DATA, _ANALYSIS, _TEST, _OUTPUT = "Data", "Analysis", "Test", "Output"

Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist; never those that are read.", rich_help_panel=_OUTPUT)
]


@app.command(
    epilog=(
        "**Examples**\n\n"
        "`ews detect lake.csv --time date --value chlorophyll`\n\n"
        "`ews detect lake.csv --time date --value chl --value oxygen --until 2015-06-01 --html report.html`\n\n"
        "`ews detect core.csv --time age --ages --value d18O --missing interpolate --window 100 --figure core.pdf`\n\n"
        "`ews detect survey.xlsx --sheet data --time year --time month --value 'chl*' --by lake --na -999`\n\n"
        "`ews detect counts.csv --indicators variance,ac1 --causal --json - | jq .verdict`\n\n"
        "End the record before the known shift with `--until`: a window that holds the shift always finds it. "
        "Exit status: 0 the command ran (whatever the verdict), 2 the input cannot be used."
    )
)
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
            help="Last time used, such as a known transition.", show_default="the last one", rich_help_panel=_DATA
        ),
    ] = None,
    missing: Annotated[
        str, typer.Option(
            help="Gaps and uneven spacing: keep (as they are), raise (refuse), interpolate or drop.",
            show_default="keep; raise with --method kendall", rich_help_panel=_DATA,
        ),
    ] = "default",
    duplicates: Annotated[
        str, typer.Option(
            help="Several values at one time: mean or raise (refuse).",
            show_default="mean; raise with --method kendall", rich_help_panel=_DATA,
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
            show_default="local_quadratic; gaussian with --method kendall", rich_help_panel=_ANALYSIS,
        ),
    ] = "default",
    bandwidth: Annotated[
        Any,
        typer.Option(
            parser=_length, metavar="LENGTH", help="Its bandwidth or span: fraction of the record, samples, or 2y.",
            show_default="the method's own", rich_help_panel=_ANALYSIS,
        ),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(help="Period of a seasonal cycle, in samples.", show_default="none", rich_help_panel=_ANALYSIS),
    ] = None,
    transform: Annotated[
        str,
        typer.Option(
            help="Scale of the values: log, log1p, sqrt or anscombe (counts), before anything is taken out.",
            show_default="none", rich_help_panel=_ANALYSIS,
        ),
    ] = "none",
    window: Annotated[
        Any,
        typer.Option(
            parser=_length, metavar="LENGTH", help="Rolling window: fraction of the record, samples, or time (5y).",
            rich_help_panel=_ANALYSIS,
        ),
    ] = 0.5,
    indicators: Annotated[
        str,
        typer.Option(help="Names, separated by commas; `ews indicators` lists them.", rich_help_panel=_ANALYSIS),
    ] = "variance,ac1,skewness",
    causal: Annotated[
        bool,
        typer.Option(
            "--causal/--centred", help="Smooth with past samples only, or with later ones too.",
            rich_help_panel=_ANALYSIS,
        ),
    ] = False,
    method: Annotated[
        str,
        typer.Option(
            help="score: tests of drifting memory, damping and noise; or kendall: trends of indicators, as published.",
            rich_help_panel=_TEST,
        ),
    ] = "score",
    measurement_error: Annotated[
        str | None,
        typer.Option(
            help="Measurement error to allow for: constant (in size) or drifting.", show_default="none",
            rich_help_panel=_TEST,
        ),
    ] = None,
    trend: Annotated[
        str, typer.Option(help="Trend statistic: kendall, spearman or theil_sen.", rich_help_panel=_TEST)
    ] = "kendall",
    null: Annotated[
        str,
        typer.Option(
            help="Null model: ar1, arma, fourier, aaft, iaaft, block or permutation.", rich_help_panel=_TEST
        ),
    ] = "ar1",
    n_surrogates: Annotated[
        int, typer.Option(help="Surrogates; 0 for trends without p-values.", rich_help_panel=_TEST)
    ] = 1000,
    alpha: Annotated[
        float, typer.Option(help="Level of the test, over all that it tests of a series.", rich_help_panel=_TEST)
    ] = 0.05,
    seed: Annotated[
        int, typer.Option(help="Seed; the same one gives the same result.", rich_help_panel=_TEST)
    ] = 0,
    json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write every number as JSON; - for standard output, instead of the report.",
            show_default=False, rich_help_panel=_OUTPUT,
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the figure: .png, .pdf, .svg, …", show_default=False, rich_help_panel=_OUTPUT
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a self-contained page.", show_default=False, rich_help_panel=_OUTPUT
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
        options |= {name: None if given[name].lower() == "none" else given[name] for name in ("detrend", "transform")}
        options["indicators"] = _names(indicators)
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


def _names(indicators: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in indicators.split(",") if name.strip())
    if not names:
        raise InputTypeError("indicators", indicators, "names separated by commas, as in variance,ac1")
    return names


@app.command(epilog="Then try your own series: `ews detect FILE.csv --time COLUMN --value COLUMN`.")
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


@app.command(
    epilog=(
        "**Examples**\n\n"
        "`ews benchmark --output results`\n\n"
        "`ews benchmark --methods variance,ac1:down,langevin --replicates 200 --n 300`\n\n"
        "Exit status: 0 the command ran, 2 an option cannot be used."
    )
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
        typer.Option(parser=_number, metavar="NUMBER", help="Rolling window: fraction of the record, or samples."),
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
            "detrend": None if detrend.lower() == "none" else detrend,
            "window": window,
            "n_times": n_times,
            "seed": seed,
        }
        run(methods, output, options, as_json=json, force=force)


@app.command(
    epilog=(
        "**Examples**\n\n"
        "`sensor | ews watch - --value temperature`\n\n"
        "`ews watch log.csv --time when --value chl --value oxygen --follow --state watch.json`\n\n"
        "`tail -F events.jsonl | ews watch - --time t --json | jq .test`\n\n"
        "Exit status: 0 the lines came to an end (or Ctrl-C), 2 the input cannot be used."
    )
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
        typer.Option(help="Column of times: numbers or ISO dates.", show_default="none", rich_help_panel=_DATA),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of values; repeat it for several series.", show_default="all but the time",
            rich_help_panel=_DATA,
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Wait for more at the end of the file, until Ctrl-C.", rich_help_panel=_DATA),
    ] = False,
    average_run_length: Annotated[
        float,
        typer.Option(help="Observations of a series between two false alarms, on average.", rich_help_panel=_TEST),
    ] = 10_000.0,
    tests: Annotated[
        str,
        typer.Option(
            help="What is watched for, separated by commas: memory towards +1, memory towards -1, level up, level "
            "down, noise up, noise down.", rich_help_panel=_TEST,
        ),
    ] = "memory towards +1,memory towards -1",
    reference: Annotated[
        int, typer.Option(help="Observations that each series is learned from.", rich_help_panel=_TEST)
    ] = 200,
    smoothing: Annotated[
        str,
        typer.Option(
            help="Observations over which the running mean forgets, or none.", rich_help_panel=_TEST
        ),
    ] = "100",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep the monitor in this file at the end, and go on from it if it is there.",
            show_default=False, rich_help_panel=_OUTPUT,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each alarm as a line of JSON.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:  # fmt: skip
    """Watch lines as they arrive, and print an alarm where memory, level or noise drifts.

    False alarms are rare by choice (`--average-run-length`); missing values and irregular times do no harm.
    """
    from ews.cli.watch import run

    with reported_errors():
        names = tuple(name.strip().replace("-1", "−1") for name in tests.split(",") if name.strip())
        options = {
            "average_run_length": average_run_length,
            "tests": names,
            "reference": reference,
            "smoothing": None if smoothing.lower() == "none" else _number(smoothing),
        }
        run(file, time=time, values=value or [], options=options, follow=follow, state=state, as_json=json)


@app.command(
    name="map",
    epilog=(
        "**Examples**\n\n"
        "`ews map ndvi.nc --var NDVI --season 12 --out maps.zarr --figure maps.png`\n\n"
        "`ews map ndvi.zarr --var NDVI --out maps.zarr --scheduler tcp://host:8786 --resume`\n\n"
        "Needs `pip install 'earlywarning[grid]'`. Exit status: 0 the command ran, 2 the input cannot be used."
    ),
)
def map_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A cube: netCDF file or folder of zarr.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER.zarr", help="Where the maps go.", show_default=False, rich_help_panel=_OUTPUT),
    ],
    var: Annotated[
        str | None,
        typer.Option(help="Variable.", show_default="the only one of numbers", rich_help_panel=_DATA),
    ] = None,
    dim: Annotated[
        str | None,
        typer.Option(help="Dimension of time.", show_default="the one known for it", rich_help_panel=_DATA),
    ] = None,
    detrend: Annotated[
        str,
        typer.Option(
            help="What is taken out of each series first: local_linear, local_quadratic, … or none.",
            show_default="that of ews detect", rich_help_panel=_ANALYSIS,
        ),
    ] = "default",
    season: Annotated[
        int | None,
        typer.Option(help="Period of a seasonal cycle, in samples.", show_default="none", rich_help_panel=_ANALYSIS),
    ] = None,
    causal: Annotated[
        bool,
        typer.Option(
            "--causal/--centred", help="Smooth with past samples only, or with later ones too.",
            rich_help_panel=_ANALYSIS,
        ),
    ] = False,
    null: Annotated[
        str,
        typer.Option(
            help="table: surrogates drawn once for all; or the null of each series' own, as in ews detect (slow).",
            rich_help_panel=_TEST,
        ),
    ] = "table",
    n_surrogates: Annotated[
        int | None,
        typer.Option(help="Surrogates.", show_default="10,000 a table, 1,000 a series", rich_help_panel=_TEST),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test of each series.", rich_help_panel=_TEST)] = 0.05,
    fdr: Annotated[
        str,
        typer.Option(help="q-values by bh (Benjamini & Hochberg) or by (& Yekutieli).", rich_help_panel=_TEST),
    ] = "bh",
    seed: Annotated[int, typer.Option(help="Seed; the same one gives the same maps.", rich_help_panel=_TEST)] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler, as tcp://host:8786.", show_default="this machine"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with maps that were cut off.", rich_help_panel=_OUTPUT)
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the figure: .png, .pdf, .svg, …", show_default=False, rich_help_panel=_OUTPUT
        ),
    ] = None,
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
            "detrend": None if detrend.lower() == "none" else detrend,
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


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="One data set, to describe or write.", show_default="all")] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write it as CSV, for `ews detect`.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """List the data sets to try a method on, those that can be had first; or describe one, or write it as CSV."""
    import ews.datasets as known

    with reported_errors():
        if name is None:
            entries = [known.describe(one) for one in known.list()]
            absent = [entry for entry in entries if entry.availability == "not here"]
            _show_entries([entry for entry in entries if entry not in absent], known.list())
            if absent:
                console().print(
                    "\nNot on this machine, nor to be fetched: their sources publish them in another format. Set "
                    "EWS_DATA_DIR to a folder that holds their files.\n"
                )
                _show_entries(absent, known.list())
            return
        entry = known.describe(name)
        if output is None:
            facts = Table.grid(padding=(0, 2))
            for fact in ("name", "description", "kind", "availability", "time_unit", "unit", "source", "licence"):
                facts.add_row(fact.replace("_", " "), str(getattr(entry, fact)))
            console().print(facts)
            return
        check_files({"--output": output}, force=force)
        write_file(output, known.load(name).to_frame().to_csv(), force=force)
        messages().print(f"wrote {output}", markup=False, soft_wrap=True)


@app.command()
def indicators() -> None:
    """List the indicators: what alarms, what they need, what leaves them unchanged, where they come from."""
    from ews.indicators import registry

    table = _listing(registry.names(), "what it is", "alarm", "shortest window", "unchanged by", "reference")
    for name in registry.names():
        one = registry.get(name)
        table.add_row(name, one.label, one.alarm, str(one.shortest_window), _invariances(one), one.reference)
    console().print(table)


def _show_entries(entries: Sequence[Any], names: Sequence[str]) -> None:
    table = _listing(names, "kind", "availability", "what it is")
    for entry in entries:
        table.add_row(entry.name, entry.kind, entry.availability, entry.description)
    console().print(table)


def _listing(names: Sequence[str], *headings: str) -> Table:
    """A table whose first column keeps each name whole, however narrow the terminal: names are there to be copied."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("name", no_wrap=True, min_width=max(map(len, names)))
    for heading in headings:
        table.add_column(heading)
    return table


def _invariances(indicator: Any) -> str:
    kept = ["shift"] if indicator.shift else []
    kept += ["scale"] if indicator.scale == "invariant" else []
    kept += {"invariant": ["mirror"], "flips": ["mirror (but for the sign)"]}.get(indicator.mirror, [])
    return ", ".join(kept) or "nothing"


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
