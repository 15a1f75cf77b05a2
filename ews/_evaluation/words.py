"""Evaluations in words, and their numbers as JSON knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.layout import section, shortened, table
from ews.summary import number_text, p_text, sentence, trend_name

if TYPE_CHECKING:
    from ews._evaluation.evaluate.result import Evaluation, EvaluationConfig
    from ews._evaluation.roc.result import Roc

__all__ = ["analysis_text", "evaluation_summary", "interval_text", "plain", "rate_text", "roc_summary"]

CAUTION = (
    "An AUC holds for collections like this one. Negative series decide it as much as positive ones: a method that "
    "tells slowing down from white noise may still take a trend, a step or red noise for it."
)


def plain(value: Any) -> Any:
    """Numbers, arrays, mappings and sequences as JSON knows them: NaN becomes None, ∞ becomes "inf"."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return None if np.isnan(number) else number if np.isfinite(number) else f"{number:g}"
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value


def interval_text(interval: tuple[float, float], digits: int = 2) -> str:
    """``0.71 to 0.93``; a dash where there is none."""
    low, high = interval
    return "–" if np.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def rate_text(rate: float) -> str:
    """A share as a percentage."""
    return "–" if np.isnan(rate) else f"{100 * rate:.0f} %"


def roc_summary(curve: Roc) -> str:
    """Area, interval and detection rates of one curve."""
    heading = "Receiver operating characteristic"
    lines = [heading, "=" * len(heading), ""]
    cases = f"{curve.n_positive} positive and {curve.n_negative} negative cases"
    if curve.n_groups < curve.labels.size:
        cases += f" from {curve.n_groups} records"
    lines += section("Cases", f"{cases}.")
    lines += section("AUC", f"{curve.auc:.3f} ({100 * curve.level:g} % interval {interval_text(curve.interval, 3)}).")
    rates = ", ".join(f"{rate_text(curve.detection_rate(rate))} at {rate_text(rate)}" for rate in (0.01, 0.05, 0.1))
    lines += section("Detections", f"{rates} false alarms.")
    made = {
        "bootstrap": f"Quantiles of {curve.n_bootstrap} bootstrap samples stratified by label, seed {curve.seed}.",
        "delong": "Normal, with DeLong's variance.",
        "newcombe": "Newcombe's score interval (2006, method 5).",
    }
    lines += section("Interval", made[curve.method])
    for note in curve.notes:
        lines += section("Note", sentence(note))
    return "\n".join(lines)


def evaluation_summary(evaluation: Evaluation) -> str:
    """A table with one line for each method, and how it was made."""
    positive = int(evaluation.labels.sum())
    heading = f"Evaluation of {len(evaluation.roc)} methods on {evaluation.labels.size} series"
    if len(evaluation.roc) == 1:
        heading = heading.replace("methods", "method")
    lines = [heading, "=" * len(heading), ""]
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
    lines += table(header, rows)
    lines.append("")
    if evaluation.lead:
        rows = []
        unit = f" ({evaluation.time_unit})" if evaluation.time_unit else ""
        for name, lead in evaluation.lead.items():
            first, middle, last = (number_text(one, 3) for one in lead.quartiles)
            spread = "–" if first == "–" else f"{first} to {last}"
            rows.append([shortened(name, 24), rate_text(lead.warned), middle, spread, rate_text(lead.ever)])
        lines += table(["method", "warned", f"median lead{unit}", "quartiles", "ever false"], rows)
        lines.append("")
    groups = np.unique(evaluation.groups).size
    of = f", from {groups} groups" if groups < evaluation.labels.size else ""
    fewest, most = int(evaluation.n.min()), int(evaluation.n.max())
    samples = f"{most}" if fewest == most else f"{fewest} to {most}"
    cases = f"{positive} positive and {evaluation.labels.size - positive} negative series of {samples} samples{of}."
    lines += section("Collection", cases)
    lines += section("Difference", f"AUC minus that of {evaluation.reference}, on the same bootstrap samples.")
    lines += section(
        "Detected",
        f"Positive series whose score is above all but {rate_text(config.false_alarm_rate)} of the negative ones.",
    )
    if evaluation.lead:
        lines += section("Lead", lead_text(config))
    lines += section("Trends", analysis_text(config))
    lines += section(
        "Bootstrap",
        f"{config.n_bootstrap} samples, stratified by label{' and drawn by group' if of else ''}; seed {config.seed}.",
    )
    notes = dict.fromkeys((*evaluation.notes, *(note for curve in evaluation.roc.values() for note in curve.notes)))
    for place, note in enumerate(notes):
        lines += section("" if place else "Notes", sentence(note))
    lines += section("Caution", CAUTION)
    return "\n".join(lines)


def lead_text(config: EvaluationConfig) -> str:
    """What a lead time is."""
    return (
        f"Each score sees the data up to one of {config.n_times} times, from {rate_text(config.burn_in)} of the record "
        "on. Warned: at the threshold of the detections the last score is above it; the lead begins with the first "
        "score from which on all are. Ever false: negative series above it at any of the times."
    )


def analysis_text(config: Any) -> str:
    """How trends of indicators were made."""
    detrend = "no detrending" if config.detrend is None else f"{config.detrend} detrending"
    if config.detrend is not None and config.bandwidth is not None:
        detrend += f" (bandwidth {config.bandwidth:g})"
    return f"{trend_name(config.trend)} of indicators in windows of {config.window:g}; {detrend}."
