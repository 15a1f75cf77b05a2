"""A multivariate detection in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ews import summary as words
from ews._common.layout import WIDTH, by_column, section, shortened, table, wrap

if TYPE_CHECKING:
    from ews._analysis.multivariate.result import MultivariateDetection

__all__ = ["summary"]


def summary(detection: MultivariateDetection) -> str:
    """Verdict and reasons; data and methods with every choice and the seed; one line for each indicator; power."""
    alike = cast(Any, detection)  # the wording of ews.detect reads fields that both results have
    names = list(detection.variables)
    heading = shortened(f"Early-warning signals in {len(names)} variables together", WIDTH)
    lines = [heading, "=" * len(heading), "", f"Verdict: {detection.verdict.upper()}"]
    for reason in detection.reasons:
        lines += wrap(words.sentence(reason), first="  - ", rest="    ")
    lines.append("")
    lines += section("Variables", f"{', '.join(shortened(name, 24) for name in names)}.")
    lines += section("Data", words.data_text(alike))
    lines += by_column(
        "Notes", {name: [*map(words.sentence, series.notes)] for name, series in detection.variables.items()}
    )
    lines += section("Detrending", words.sentence(detection.detrend_sentence))
    lines += section("Units", words.sentence(detection.scale_sentence))
    lines += section("Window", words.window_text(alike))
    if detection.config.n_surrogates:
        lines += section("Null", f"{words.sentence(detection.null_sentence)} {words.surrogates_text(alike)}")
    lines += section("Test", words.significance_text(alike))
    lines.append("")
    lines += table(["indicator", words.trend_symbol(detection.config.trend), "p", "adjusted p", "alarm", "counts"], [
        [
            indicator.label,
            words.statistic_text(detection.tau[name], alike),
            words.p_text(detection.pvalue[name]),
            words.p_text(detection.pvalue_adjusted[name]),
            words.alarm_text(indicator.alarm),
            ("yes" if words.counts(alike, name) else "no") if detection.config.n_surrogates else "–",
        ]
        for name, indicator in detection.indicators.items()
    ])  # fmt: skip
    lines.append("")
    lines += section("Power", _power_text(detection))
    lines += section("Caution", words.CAUTION)
    return "\n".join(lines)


def _power_text(detection: MultivariateDetection) -> str:
    if detection.power is None:
        return "Not estimated, as there are no surrogates."
    text = f"{100 * detection.power:.0f} % of positive controls get a warning from the same test."
    text = f"{text} {words.sentence(detection.power_sentence)}"
    if detection.config.null != "var1":
        text += f" The control is tested against VAR(1) noise, not against the null {detection.config.null!r}."
    return text
