"""Assessments in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common.layout import section, table
from ews.bifurcations._classifier.network import LABELS
from ews.summary import data_text, number_text, p_text, sentence

if TYPE_CHECKING:
    from ews._analysis.assessment.result import Assessment, Assessments

__all__ = ["assessment_summary", "assessments_summary"]

CAUTION = (
    "Not every transition is announced and not every announcement is followed by one. The p-values are right under the "
    "null stated; the probabilities over systems like those that the classifier was trained on. A cause that changes "
    "the noise alone, or a rising memory of the forcing, can look like slowing down."
)


def assessment_summary(result: Assessment) -> str:
    """The four answers, and what they rest on."""
    detection = result.detection
    config, series = detection.config, detection.series
    title = f"Early-warning assessment of {detection.name!r}"
    probability = 1.0 - result.probability["null"]
    lines = [title, "=" * len(title), ""]
    lines += section("Verdict", result.verdict.upper())
    lines += section("Kind", result.kind)
    towards = LABELS[result.bifurcation] if result.bifurcation else "–"
    lines += section("Towards", towards)
    listed = ", ".join(f"{LABELS[name]} {value:.2f}" for name, value in result.probability.items())
    lines += section("How sure", f"probability of a bifurcation {probability:.2f} if one half before ({listed}).")
    seen = "; ".join(f"{name} {100 * share:.0f} %" for name, share in result.power.items()) or "not measured"
    lines += section("Could see", f"share of positive controls of this length and noise that get a warning: {seen}.")
    lines += ["", "Reasons"]
    lines += [f"  - {sentence(reason)}" for reason in result.reasons]
    lines.append("")
    rows = [
        [
            name,
            number_text(result.statistic[name], 3),
            p_text(result.pvalue[name]),
            p_text(result.pvalue_adjusted[name]),
        ]
        for name in result.statistic
    ]
    lines += table(["statistic", "value", "p", "adjusted p"], rows)
    lines.append("")
    lines += section("Data", data_text(detection))
    for note in (*series.notes, *result.notes):
        lines += section("", sentence(f"Note: {note}"))
    lines += section("Detrending", sentence(detection.detrend_sentence))
    lines += section("Window", f"{config.window} samples, stamped at the right edge.")
    lines += section(
        "Joint test",
        f"min-p over {len(result.statistic)} statistics and {config.n_surrogates} surrogates, each detrended and "
        f"measured again: {detection.null_sentence}; level {config.alpha:g}, seed {config.seed}.",
    )
    lines += section("Detectors", "; ".join(f"{name}: {vote}" for name, vote in result.votes.items()) + ".")
    controls = "; ".join(f"{name}: {text}" for name, text in result.power_sentences.items())
    lines += section("Controls", f"{controls}.")
    lines += section("Caution", CAUTION)
    return "\n".join(lines)


def assessments_summary(results: Assessments) -> str:
    """One line a column."""
    numbers = results.to_frame()[["pvalue", "qvalue", "power"]].to_numpy(dtype=float)
    rows = [
        [
            column,
            one.verdict,
            one.kind,
            LABELS[one.bifurcation] if one.bifurcation else "–",
            f"{1.0 - one.probability['null']:.2f}",
            p_text(pvalue),
            p_text(qvalue),
            number_text(power, 2),
        ]
        for (column, one), (pvalue, qvalue, power) in zip(results.items(), numbers, strict=True)
    ]
    header = ["column", "verdict", "kind", "towards", "P(bifurcation)", "adjusted p", "q", "power"]
    return "\n".join(table(header, rows))
