"""A benchmark in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.layout import section, shortened, table
from ews._evaluation.words import analysis_text, rate_text
from ews.summary import number_text

if TYPE_CHECKING:
    from ews._evaluation.benchmark.result import Benchmark

__all__ = ["benchmark_summary"]

CAUTION = (
    "These are a few models with one noise level and one speed of the ramp. A method that does well here has passed a "
    "first examination; one that fails against a null should not be trusted where that null is likely."
)


def benchmark_summary(found: Benchmark) -> str:
    """For each method a table of areas and one of detections; how they were made."""
    config = found.config
    heading = "Early-warning benchmark"
    lines = [heading, "=" * len(heading)]
    short = [null.replace("red ", "red") for null in found.nulls]
    for method in found.methods:
        lines += ["", f"{method}: AUC of each transition against each null"]
        lines += _grid(found.positives, short, [[f"{area:.2f}" for area in row] for row in found.auc(method)])
        rates = found.detection_rate(method)
        lines += ["", f"{method}: detected at {rate_text(config.false_alarm_rate)} false alarms (%)"]
        lines += _grid(found.positives, short, [[f"{100 * rate:.0f}" for rate in row] for row in rates])
    if config.n_times > 1:
        lines += ["", f"Median lead of those that were detected against {found.nulls[0]!r} (samples)"]
        lines += _grid(found.positives, [shortened(name, 16) for name in found.methods], _leads(found))
    lines.append("")
    lines += section("Records", f"{config.replicates} of {config.n} samples of each kind; seed {config.seed}.")
    lines += section(
        "Transitions", "Models whose parameter moves at constant speed to the bifurcation, where records end."
    )
    lines += section("Nulls", _nulls_text(found))
    lines += section("Trends", analysis_text(config))
    widest = max(float(np.ptp(cell.roc.interval)) for cell in found.cells.values())
    lines += section(
        "Intervals",
        f"{100 * config.level:g} % intervals of the areas are at most {widest:.2f} wide; to_frame() has them.",
    )
    lines += section("Caution", CAUTION)
    return "\n".join(lines)


def _leads(found: Benchmark) -> list[list[str]]:
    rows = []
    for positive in found.positives:
        leads = [found.cells[positive, found.nulls[0], method].lead for method in found.methods]
        rows.append(["–" if lead is None else number_text(lead.median, 3) for lead in leads])
    return rows


def _grid(names: tuple[str, ...], header: list[str], cells: list[list[str]]) -> list[str]:
    return table(["", *header], [[name, *row] for name, row in zip(names, cells, strict=True)])


_WHAT = {
    "constant": "the same model at rest",
    "white": "white noise",
    "pink": "1/f noise",
    "trend": "red noise on a drifting mean",
    "step": "red noise moved by an outside step",
    "season": "red noise on a cycle",
    "spread": "white noise that grows louder",
}


def _nulls_text(found: Benchmark) -> str:
    red = [null.removeprefix("red ") for null in found.nulls if null.startswith("red ")]
    said = [f"{null}: {_WHAT[null]}" for null in found.nulls if null in _WHAT]
    said += [f"red: autoregression with coefficient {', '.join(red)}"] if red else []
    return "; ".join(said) + "."
