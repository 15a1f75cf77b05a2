"""An evaluation in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.layout import Report, shortened
from ews._common.words import counted, number_text, p_text, sentence
from ews._evaluation.words import analysis_text, interval_text, lead_text, rate_text

if TYPE_CHECKING:
    from ews._evaluation.evaluate.result import Evaluation

__all__ = ["evaluation_report"]

CAUTION = (
    "An AUC holds for collections like this one. Negative series decide it as much as positive ones: a method that "
    "tells slowing down from white noise may still take a trend, a step or red noise for it."
)


def evaluation_report(evaluation: Evaluation) -> Report:
    """A table with one line for each method, and how it was made."""
    positive = int(evaluation.labels.sum())
    methods = counted(len(evaluation.roc), "method")
    report = Report(f"Evaluation of {methods} on {evaluation.labels.size} series")
    config = evaluation.config
    level = f"{100 * config.level:g} % interval"
    header = ["method", "AUC", level, "difference", level, "p", "detected"]
    rows = []
    for name, curve in evaluation.roc.items():
        other = evaluation.differences.get(name)
        compared = ["–", "–", "–"]
        if other is not None:
            low, high = other.interval
            compared = [f"{other.difference:+.3f}", f"{low:+.2f} to {high:+.2f}", p_text(other.pvalue)]
        detected = rate_text(curve.detection_rate(config.false_alarm_rate))
        rows.append([shortened(name, 24), f"{curve.auc:.3f}", interval_text(curve.interval), *compared, detected])
    report.table(header, rows)
    if evaluation.lead:
        rows = []
        unit = f" ({evaluation.time_unit})" if evaluation.time_unit else ""
        for name, lead in evaluation.lead.items():
            first, middle, last = (number_text(one, 3) for one in lead.quartiles)
            spread = "–" if first == "–" else f"{first} to {last}"
            rows.append([shortened(name, 24), rate_text(lead.warned), middle, spread, rate_text(lead.ever)])
        report.table(["method", "warned", f"median lead{unit}", "quartiles", "ever false"], rows)
    groups = np.unique(evaluation.groups).size
    of = f", from {groups} groups" if groups < evaluation.labels.size else ""
    fewest, most = int(evaluation.n.min()), int(evaluation.n.max())
    samples = f"{most}" if fewest == most else f"{fewest} to {most}"
    cases = f"{positive} positive and {evaluation.labels.size - positive} negative series of {samples} samples{of}."
    report.section("Collection", cases)
    report.section("Difference", f"AUC minus that of {evaluation.reference}, on the same bootstrap samples.")
    report.section(
        "Detected",
        f"Positive series whose score is above all but {rate_text(config.false_alarm_rate)} of the negative ones.",
    )
    if evaluation.lead:
        report.section("Lead", lead_text(config))
    report.section("Trends", analysis_text(config))
    report.section(
        "Bootstrap",
        f"{config.n_bootstrap} samples, stratified by label{' and drawn by group' if of else ''}; seed {config.seed}.",
    )
    notes = dict.fromkeys((*evaluation.notes, *(note for curve in evaluation.roc.values() for note in curve.notes)))
    for place, note in enumerate(notes):
        report.section("" if place else "Notes", sentence(note))
    report.section("Caution", CAUTION)
    return report
