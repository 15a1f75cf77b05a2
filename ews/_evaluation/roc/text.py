"""A receiver operating characteristic in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common.layout import Report
from ews._common.words import sentence
from ews._evaluation.words import interval_text, rate_text

if TYPE_CHECKING:
    from ews._evaluation.roc.result import Roc

__all__ = ["roc_report"]

_MADE = {
    "bootstrap": "Quantiles of {n} bootstrap samples stratified by label, seed {seed}.",
    "delong": "Normal, with DeLong's variance.",
    "newcombe": "Newcombe's score interval (2006, method 5).",
}


def roc_report(curve: Roc) -> Report:
    """Area, interval and detection rates of one curve."""
    report = Report("Receiver operating characteristic")
    cases = f"{curve.n_positive} positive and {curve.n_negative} negative cases"
    if curve.n_groups < curve.labels.size:
        cases += f" from {curve.n_groups} records"
    report.section("Cases", f"{cases}.")
    interval = f"{100 * curve.level:g} % interval {interval_text(curve.interval, 3)}"
    report.section("AUC", f"{curve.auc:.3f} ({interval}).")
    rates = ", ".join(f"{rate_text(curve.detection_rate(rate))} at {rate_text(rate)}" for rate in (0.01, 0.05, 0.1))
    report.section("Detections", f"{rates} false alarms.")
    report.section("Interval", _MADE[curve.method].format(n=curve.n_bootstrap, seed=curve.seed))
    for note in curve.notes:
        report.section("Note", sentence(note))
    return report
