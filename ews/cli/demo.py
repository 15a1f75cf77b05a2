"""``ews demo``: the main job on a simulated system whose answer is known, next to a control."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
import textwrap
from pathlib import Path

from ews.cli.files import check_folder, write_file
from ews.cli.output import messages, progress_bar, show, write_figure
from ews.summary import chance_text, verdict_text

__all__ = ["FILES", "run", "running_command"]

FILES = (
    "data.csv", "figure-constant-harvest.png", "figure-rising-harvest.png", "figure.png", "report.html", "result.json",
)  # fmt: skip
# Long enough for the test to have power: below about 2000 observations silence would prove little.
OBSERVATIONS = 2000
INTRODUCTION = """\
Two populations under harvest, simulated (May 1977). In one the harvest rises until the upper
equilibrium disappears in a fold, at time {transition:.0f}; in the other it stays constant. Only observations
before the fold are used.
"""


def run(output: Path, *, n_surrogates: int, seed: int, force: bool) -> None:
    """Simulate, test, print the report and write data, figures and page to a folder."""
    import pandas as pd

    from ews import detect, models
    from ews.results import Detections

    check_folder("--output", output, FILES, force=force)
    output.mkdir(parents=True, exist_ok=True)
    rising = models.harvested_population(n=OBSERVATIONS, seed=seed)
    constant = models.harvested_population(n=OBSERVATIONS, harvest=1.0, seed=seed + 1)
    table = pd.DataFrame(
        {"rising harvest": rising.values, "constant harvest": constant.values}, index=pd.Index(rising.time, name="time")
    )
    before = math.floor(rising.transition or OBSERVATIONS)
    with progress_bar("testing both") as report:
        result = detect(table, until=before, n_surrogates=n_surrogates, seed=seed, progress=report)
    assert isinstance(result, Detections)  # two columns
    show(INTRODUCTION.format(transition=rising.transition))
    show(result["rising harvest"].summary())
    show(f"\n{verdict_text(result['constant harvest'])}\n")
    show(textwrap.fill(chance_text(result), 96))
    write_file(output / "data.csv", table.to_csv(float_format="%.6g"), force=force)
    write_figure(output / "figure.png", result.plot(), dpi=300, force=force)
    for name, one in result.items():
        write_figure(output / f"figure-{name.replace(' ', '-')}.png", one.plot(), dpi=300, force=force)
    write_file(output / "report.html", result.to_html(), force=force)
    write_file(output / "result.json", result.to_json() + "\n", force=force)
    terminal = messages()
    terminal.print(f"\nwrote {', '.join(FILES)} to {output}/", markup=False)
    data = shlex.quote(str(output / "data.csv"))
    options = f'--time time --value "rising harvest" --until {before} --seed {seed}'
    terminal.print(f"try: {running_command()} detect {data} {options}", markup=False, soft_wrap=True)


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
