"""A multivariate detection in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ews import summary as words
from ews._common.layout import Report, shortened

if TYPE_CHECKING:
    from ews._analysis.multivariate.result import MultivariateDetection

__all__ = ["multivariate_report"]


def multivariate_report(detection: MultivariateDetection) -> Report:
    """Verdict and reasons; data and methods with every choice and the seed; one line for each indicator; power."""
    alike = cast(Any, detection)  # the wording of ews.detect reads fields that both results have
    names = list(detection.variables)
    title = f"Early-warning signals in {len(names)} variables together"
    report = Report(title, detection.verdict, detection.reasons)
    report.section("Variables", f"{', '.join(shortened(name, 24) for name in names)}.")
    report.section("Data", words.data_text(alike))
    report.by_column("Notes", {name: [*map(words.sentence, one.notes)] for name, one in detection.variables.items()})
    report.section("Detrending", words.sentence(detection.detrend_sentence))
    report.section("Units", words.sentence(detection.scale_sentence))
    report.section("Window", words.window_text(alike))
    if detection.config.n_surrogates:
        report.section("Null", f"{words.sentence(detection.null_sentence)} {words.surrogates_text(alike)}")
    report.section("Test", words.significance_text(alike))
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


def _power_text(detection: MultivariateDetection) -> str:
    if detection.power is None:
        return "Not estimated, as there are no surrogates."
    text = f"{100 * detection.power:.0f} % of positive controls get a warning from the same test."
    text = f"{text} {words.sentence(detection.power_sentence)}"
    if detection.config.null != "var1":
        text += f" The control is tested against VAR(1) noise, not against the null {detection.config.null!r}."
    return text
