"""``ews demo``: the main job on real records whose end is known, beside a simulated control."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ews.cli.files import check_folder, write_file
from ews.cli.output import messages, progress_bar, show, write_figure

__all__ = ["FILES", "run", "running_command"]

WIDTH = 96
# Long enough for silence to mean something.
OBSERVATIONS = 2000
CONTROL = "simulated_control"
RECORDS = {
    "chick_heart_flip": "heart cells, up to the beat from which long and short intervals alternate",
    "chick_heart_steady": "heart cells that went on beating evenly",
    "glaciation": "an ice core, up to the end of a glaciation",
    CONTROL: "a simulated population under constant harvest, in which nothing changes",
}
FILES = tuple(f"{name}.{ending}" for name in RECORDS for ending in ("csv", "html", "json", "png"))
INTRODUCTION = """\
Three real records and a simulated control, each up to the change that is known of it, if any. The first
in full:
"""


@dataclass(frozen=True)
class Record:
    """A series, and when it ends."""

    series: Any  # what detect reads
    frame: Any  # the same as a table
    until: float | None


def run(output: Path, *, n_surrogates: int, seed: int, force: bool) -> None:
    """Test every record, print one report in full and of the others the answer, write all to a folder."""
    from ews import detect

    check_folder("--output", output, FILES, force=force)
    output.mkdir(parents=True, exist_ok=True)
    show(INTRODUCTION)
    hint = ""
    for name, what in RECORDS.items():
        record = load(name, seed)
        with progress_bar(f"testing {name}") as report:
            found: Any = detect(
                record.series, until=record.until, n_surrogates=n_surrogates, seed=seed, progress=report
            )
        if not hint:
            show(f"{found.summary()}\n\nThe others:\n")
        else:
            answer = f"{name}: {found.verdict.upper()} ({what}): {found.reasons[0]}"
            show(textwrap.fill(answer, WIDTH, initial_indent="  - ", subsequent_indent="    "))
        data = output / f"{name}.csv"
        write_file(data, record.frame.to_csv(), force=force)
        write_file(output / f"{name}.html", found.to_html(), force=force)
        write_file(output / f"{name}.json", found.to_json() + "\n", force=force)
        write_figure(output / f"{name}.png", found.plot(), dpi=300, force=force)
        hint = hint or _detect_command(data, record, seed)
    terminal = messages()
    written = f"wrote {', '.join(f'{name}.csv' for name in RECORDS)}, and as many .png, .html and .json, to {output}/"
    terminal.print(f"\n{written}", markup=False)
    terminal.print(f"try: {hint}", markup=False, soft_wrap=True)


def load(name: str, seed: int) -> Record:
    """One of the records; the control is simulated with the seed."""
    from ews import datasets, models

    if name == CONTROL:
        import pandas as pd

        control = models.harvested_population(n=OBSERVATIONS, harvest=1.0, seed=seed)
        series = pd.Series(control.values, pd.Index(control.time, name="time"), name="population")
        return Record(series.rename(name), series.to_frame(), None)
    data = datasets.load(name)
    return Record(data, data.to_frame(), data.transition)


def _detect_command(data: Path, record: Record, seed: int) -> str:
    frame = record.frame
    until = "" if record.until is None else f" --until {record.until:g}"
    columns = f"--time {shlex.quote(str(frame.index.name))} --value {shlex.quote(str(frame.columns[0]))}"
    return f"{running_command()} detect {shlex.quote(str(data))} {columns}{until} --seed {seed}"


def running_command() -> str:
    """What to type to call this program again: plain ``ews`` where the shell finds the same one, else its path."""
    started = Path(sys.argv[0]).absolute()
    found = shutil.which("ews")
    if started.stem != "ews" or not started.is_file() or (found is not None and started.samefile(found)):
        return "ews"
    if not started.is_relative_to(Path.cwd()):
        return shlex.quote(str(started))
    near = str(started.relative_to(Path.cwd()))
    return shlex.quote(near if os.sep in near else f".{os.sep}{near}")  # a bare name is looked up in PATH
