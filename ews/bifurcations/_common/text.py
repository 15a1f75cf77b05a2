"""The parts of a report that detectors in rolling windows share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ews._common.layout import Report
from ews._common.words import number_text, p_clause, sentence

if TYPE_CHECKING:
    from ews._significance.windows import WindowedConfig
    from ews.series import Series

__all__ = ["report", "surrogates_text", "trend_clause"]


def report(
    heading: str,
    answers: Sequence[str],
    *,
    series: Series,
    config: WindowedConfig,
    detrend_sentence: str,
    sections: Sequence[tuple[str, str]],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caution: str,
) -> Report:
    """Heading, answers, methods with every choice, a table, and what the result cannot say."""
    found = Report(f"{heading} in {(series.name or 'series')!r}", answers=answers)
    found.data(series, config)
    found.section("Detrending", sentence(detrend_sentence))
    share = 100 * config.window / len(series)
    found.section("Window", f"{config.window} samples ({share:.3g} % of the record), stamped at the right edge.")
    for label, text in sections:
        found.section(label, text)
    found.table(header, rows)
    found.section("Caution", caution)
    return found


def trend_clause(what: str, tau: float, pvalue: float) -> str:
    """What a statistic does over the record."""
    way = "has no defined trend" if tau != tau else "rises" if tau > 0 else "falls" if tau < 0 else "has no trend"
    return f"{what} {way} (τ = {number_text(tau, 2)}, {p_clause(pvalue)})"


def surrogates_text(config: Any, null_sentence: str, *, again: str = "detrended and windowed") -> str:
    """The null, its surrogates and the seed."""
    if not config.n_surrogates:
        return f"Kendall's τ; no surrogates were asked for, so there is no p-value (seed {config.seed})."
    return (
        f"Kendall's τ, two-sided, against {config.n_surrogates} surrogates, each {again} again: "
        f"{null_sentence}; level {config.alpha:g}, seed {config.seed}."
    )
