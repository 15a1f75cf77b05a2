"""The parts of a summary that detectors in rolling windows share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ews._common.layout import section, table
from ews.summary import number_text, p_text, sentence, series_text, time_text

if TYPE_CHECKING:
    from ews._significance.windows import WindowedConfig
    from ews.series import Series

__all__ = [
    "data_section",
    "number_text",
    "p_clause",
    "report",
    "section",
    "surrogates_text",
    "table",
    "time_text",
    "trend_clause",
]


def report(
    heading: str,
    answer: Sequence[str],
    *,
    series: Series,
    config: WindowedConfig,
    detrend_sentence: str,
    sections: Sequence[tuple[str, str]],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caution: str,
) -> str:
    """Heading, answer, methods with every choice, a table, and what the result cannot say."""
    title = f"{heading} in {(series.name or 'series')!r}"
    lines = [title, "=" * len(title), ""]
    for one in answer:
        lines += [f"  - {sentence(one)}"]
    lines.append("")
    lines += data_section(series, config)
    lines += section("Detrending", sentence(detrend_sentence))
    share = 100 * config.window / len(series)
    lines += section("Window", f"{config.window} samples ({share:.3g} % of the record), stamped at the right edge.")
    for label, text in sections:
        lines += section(label, text)
    lines.append("")
    lines += table(list(header), [list(row) for row in rows])
    lines.append("")
    lines += section("Caution", caution)
    return "\n".join(lines)


def data_section(series: Series, config: Any = None, *, step: str = "step") -> list[str]:
    """How many observations, from when to when, how far apart, and what was done to them."""
    lines = section("Data", series_text(series, config, step=step))
    for note in series.notes:
        lines += section("", sentence(f"Note: {note}"))
    return lines


def p_clause(p: float) -> str:
    """``p = 0.012``, ``p < 0.001`` or ``no p-value``."""
    text = p_text(p)
    return "no p-value" if text == "–" else f"p {text}" if text.startswith("<") else f"p = {text}"


def trend_clause(what: str, tau: float, pvalue: float) -> str:
    """What a statistic does over the record."""
    way = "has no defined trend" if tau != tau else "rises" if tau > 0 else "falls" if tau < 0 else "has no trend"
    return f"{what} {way} (τ = {number_text(tau, 2)}, {p_clause(pvalue)})"


def surrogates_text(config: Any, null_sentence: str) -> str:
    """The null, its surrogates and the seed."""
    if not config.n_surrogates:
        return f"Kendall's τ; no surrogates were asked for, so there is no p-value (seed {config.seed})."
    return (
        f"Kendall's τ, two-sided, against {config.n_surrogates} surrogates, each detrended and windowed again: "
        f"{null_sentence}; level {config.alpha:g}, seed {config.seed}."
    )
