"""``ews datasets`` and ``ews indicators``: what can be asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ews.cli.commands.options import Force
from ews.cli.files import check_files, write_file
from ews.cli.output import console, messages, reported_errors

__all__ = ["datasets", "indicators"]


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
