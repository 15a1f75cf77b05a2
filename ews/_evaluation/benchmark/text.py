"""A benchmark in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.layout import Report, shortened
from ews._common.words import number_text
from ews._evaluation.words import analysis_text, rate_text

if TYPE_CHECKING:
    from ews._evaluation.benchmark.result import Benchmark

__all__ = ["benchmark_report"]

CAUTION = (
    "These are a few models with one noise level and one speed of the ramp. A method that does well here has passed a "
    "first examination; one that fails against a null should not be trusted where that null is likely."
)


def benchmark_report(found: Benchmark) -> Report:
    """For each method a table of areas and one of detections; how they were made."""
    config = found.config
    report = Report("Early-warning benchmark")
    short = [null.replace("red ", "red") for null in found.nulls]
    for method in found.methods:
        areas = [[f"{area:.2f}" for area in row] for row in found.auc(method)]
        _grid(report, f"{method}: AUC of each transition against each null", found.positives, short, areas)
        rates = found.detection_rate(method)
        title = f"{method}: detected at {rate_text(config.false_alarm_rate)} false alarms (%)"
        _grid(report, title, found.positives, short, [[f"{100 * rate:.0f}" for rate in row] for row in rates])
    if config.n_times > 1:
        title = f"Median lead of those that were detected against {found.nulls[0]!r} (samples)"
        _grid(report, title, found.positives, [shortened(name, 16) for name in found.methods], _leads(found))
    report.section("Records", f"{config.replicates} of {config.n} samples of each kind; seed {config.seed}.")
    report.section(
        "Transitions", "Models whose parameter moves at constant speed to the bifurcation, where records end."
    )
    report.section("Nulls", _nulls_text(found))
    report.section("Trends", analysis_text(config))
    widest = max(float(np.ptp(cell.roc.interval)) for cell in found.cells.values())
    report.section(
        "Intervals",
        f"{100 * config.level:g} % intervals of the areas are at most {widest:.2f} wide; to_frame() has them.",
    )
    report.section("Caution", CAUTION)
    return report


def _leads(found: Benchmark) -> list[list[str]]:
    rows = []
    for positive in found.positives:
        leads = [found.cells[positive, found.nulls[0], method].lead for method in found.methods]
        rows.append(["–" if lead is None else number_text(lead.median, 3) for lead in leads])
    return rows


def _grid(report: Report, title: str, names: tuple[str, ...], header: list[str], cells: list[list[str]]) -> None:
    report.table(["", *header], [[name, *row] for name, row in zip(names, cells, strict=True)], title=title)


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
