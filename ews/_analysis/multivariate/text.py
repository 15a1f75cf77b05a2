"""A multivariate detection in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ews import summary as words
from ews._common.layout import Report, shortened

if TYPE_CHECKING:
    from ews._analysis.multivariate.result import MultivariateDetection

__all__ = ["multivariate_report"]

MOST_WEIGHTS = 8  # variables whose weight is written out


def multivariate_report(detection: MultivariateDetection) -> Report:
    """Verdict and reasons; data and methods with every choice and the seed; one line for each indicator; power."""
    alike = cast(Any, detection)  # the wording of ews.detect reads fields that both results have
    names = list(detection.variables)
    title = f"Early-warning signals in {len(names)} variables together"
    report = Report(title, detection.verdict, detection.reasons)
    report.section("Kind", _kind_text(detection))
    report.section("Variables", f"{', '.join(shortened(name, 24) for name in names)}.")
    report.section("Data", words.data_text(alike))
    report.by_column("Notes", {name: [*map(words.sentence, one.notes)] for name, one in detection.variables.items()})
    report.section("Detrending", words.sentence(detection.detrend_sentence))
    report.section("Units", words.sentence(detection.scale_sentence))
    if detection.scores is None:
        report.section("Window", words.window_text(alike))
    else:
        report.section("Mode", _mode_text(detection))
    if detection.config.n_surrogates:
        report.section("Null", f"{words.sentence(detection.null_sentence)} {words.surrogates_text(alike)}")
    report.section("Test", words.significance_text(alike))
    if detection.scores is not None:
        strong = [one.name in detection.scores.kinds for one in detection.tests]
        report.table(words.tests_header(alike), words.tests_rows(alike), strong=strong)
        report.section("Indicators", f"{words.window_text(alike)} {words.context_text(alike)}")
    report.table(
        ["indicator", words.trend_symbol(detection.config.trend), "p", "adjusted p", "alarm", "counts"],
        [
            [
                indicator.label,
                words.statistic_text(detection.tau[name], alike),
                words.p_text(detection.pvalue[name]),
                words.p_text(detection.pvalue_adjusted[name]),
                words.alarm_text(indicator.alarm),
                ("yes" if words.counts(alike, name) else "no") if detection.config.n_surrogates else "–",
            ]
            for name, indicator in detection.indicators.items()
        ],
    )
    report.section("Power", _power_text(detection))
    report.section("Caution", words.CAUTION)
    return report


def _kind_text(detection: MultivariateDetection) -> str:
    """What moved, and where it leads."""
    if detection.kind == "none":
        return "Nothing moves beyond what the null gives."
    towards = "" if detection.bifurcation is None else f", towards a {words.bifurcation_text(detection.bifurcation)}"
    return words.sentence(f"{detection.kind}{towards}")


def _mode_text(detection: MultivariateDetection) -> str:
    """Along which direction memory is tested, and which variables lead in it."""
    scores: Any = detection.scores
    weights = sorted(detection.direction.items(), key=lambda one: -abs(one[1]))
    shown = ", ".join(
        f"{shortened(name, 24)} {words.number_text(weight, 2)}" for name, weight in weights[:MOST_WEIGHTS]
    )
    more = f" and {len(weights) - MOST_WEIGHTS} more" if len(weights) > MOST_WEIGHTS else ""
    return (
        f"{words.sentence(scores.series.name).rstrip('.')}: weights {shown}{more}, of variables in standard "
        "deviations. "
        "Memory towards +1 is that of the direction of longest memory, memory towards −1 that of the one that "
        "alternates most (first and last min/max autocorrelation factor), damping that of the leading oscillation of "
        "the VAR(1) map, noise that of all variables; surrogates have modes of their own."
    )


def _power_text(detection: MultivariateDetection) -> str:
    alike = cast(Any, detection)
    text = words.power_text(alike)
    if detection.power is not None and detection.scores is None and detection.config.null != "var1":
        text += f" The control is tested against VAR(1) noise, not against the null {detection.config.null!r}."
    return text
