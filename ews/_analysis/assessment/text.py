"""Assessments in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common.layout import Report
from ews._common.words import listed, number_text, p_text, sentence
from ews.bifurcations._classifier.network import LABELS

if TYPE_CHECKING:
    from ews._analysis.assessment.result import Assessment, Assessments

__all__ = ["assessment_report", "assessments_report", "towards_text"]

CAUTION = (
    "Not every transition is announced and not every announcement is followed by one. The p-values are right under the "
    "null stated; the probabilities over systems like those that the classifier was trained on. A cause that changes "
    "the noise alone, or a rising memory of the forcing, can look like slowing down."
)


def assessment_report(result: Assessment) -> Report:
    """The four answers, and what they rest on."""
    detection = result.detection
    config, series = detection.config, detection.series
    report = Report(f"Early-warning assessment of {detection.name!r}", result.verdict, result.reasons)
    report.section("Kind", "none: no statistic warns" if result.kind == "none" else result.kind)
    report.section("Towards", towards_text(result).removeprefix("towards ") if result.bifurcation else "–")
    listed = ", ".join(f"{LABELS[name]} {value:.2f}" for name, value in result.probability.items())
    some = 1.0 - result.probability["null"]
    report.section("How sure", f"probability of a bifurcation {some:.2f} if one half before ({listed}).")
    seen = "; ".join(f"{name} {100 * share:.0f} %" for name, share in result.power.items()) or "not measured"
    report.section("Could see", f"share of positive controls of this length and noise that get a warning: {seen}.")
    of = (result.pvalue, result.pvalue_adjusted)
    rows = [[name, number_text(value, 3), *(p_text(p[name]) for p in of)] for name, value in result.statistic.items()]
    strong = [name in result.warned for name in result.statistic]
    report.table(["statistic", "value", "p", "adjusted p"], rows, strong=strong)
    report.data(series, config)
    report.notes(result.notes)
    report.section("Detrending", sentence(detection.detrend_sentence))
    report.section("Window", f"{config.window} samples, stamped at the right edge.")
    report.section(
        "Joint test",
        f"min-p over {len(result.statistic)} statistics and {config.n_surrogates} surrogates, each detrended and "
        f"measured again: {detection.null_sentence}; level {config.alpha:g}, seed {config.seed}.",
    )
    report.section("Detectors", "; ".join(f"{name}: {vote}" for name, vote in result.votes.items()) + ".")
    controls = "; ".join(f"{name}: {text}" for name, text in result.power_sentences.items())
    report.section("Controls", f"{controls}.")
    report.section("Caution", CAUTION)
    return report


def towards_text(result: Assessment) -> str:
    """``towards fold``, or between which it is undecided."""
    if not result.rivals:
        return f"towards {LABELS[result.bifurcation]}" if result.bifurcation else "towards none"
    names = (result.bifurcation, *result.rivals)
    said = [f"{LABELS[name]} ({result.probability[name]:.2f})" for name in names if name is not None]
    return f"undecided between {listed(said)}"


def assessments_report(results: Assessments) -> Report:
    """One line a column."""
    numbers = results.to_frame()[["pvalue", "qvalue", "power"]].to_numpy(dtype=float)
    rows = [
        [
            column,
            one.verdict,
            one.kind,
            " or ".join(LABELS[name] for name in (one.bifurcation, *one.rivals) if name) or "–",
            f"{1.0 - one.probability['null']:.2f}",
            p_text(pvalue),
            p_text(qvalue),
            number_text(power, 2),
        ]
        for (column, one), (pvalue, qvalue, power) in zip(results.items(), numbers, strict=True)
    ]
    report = Report(f"Early-warning assessment of {len(results)} series")
    header = ["column", "verdict", "kind", "towards", "P(bifurcation)", "adjusted p", "q", "power"]
    report.table(header, rows, strong=[one.verdict == "warning" for one in results.values()])
    return report
