"""One rule from tested trends to a verdict, and the sentences that say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ews._common.alarms import SUFFICIENT_POWER, Alarm, Statistic, hardly_more
from ews._common.words import p_clause
from ews.results import ARROWS, Verdict

__all__ = ["TrendOutcome", "decide", "in_sentence", "qualification", "verdict_of"]

PROPER = ("Fisher", "Hurst", "Jacobian", "Lempel", "Moran")


@dataclass(frozen=True, slots=True)
class TrendOutcome:
    """The trend of one indicator and what its test gave."""

    label: str  # what a figure calls the indicator
    alarm: Alarm  # the direction that warns
    # Trend statistic, and its p adjusted over all indicators; NaN where they are undefined.
    trend: float
    pvalue: float

    def warns(self, alpha: float) -> bool:
        """Whether it makes for a warning at this level."""
        return bool(Statistic(self.alarm).warns(np.array(self.trend), np.array(self.pvalue), alpha))


def in_sentence(label: str) -> str:
    """A label inside a sentence: names of persons and abbreviations keep their capital."""
    keeps = label.startswith(PROPER) or label[1:2].isupper()
    return label if keeps else label[:1].lower() + label[1:]


def verdict_of(warned: bool, power: float | None, obstacles: Sequence[str] = ()) -> Verdict:
    """The verdict: *inconclusive* where the data allow none, else *warning*, else by the power of the test."""
    if obstacles:
        return "inconclusive"
    if warned:
        return "warning"
    return "no warning" if power is not None and power >= SUFFICIENT_POWER else "inconclusive"


def decide(
    trends: Sequence[TrendOutcome],
    *,
    alpha: float,
    n_surrogates: int,
    power: float | None,
    symbol: str = "τ =",
    undefined: str = "is undefined in this record",
    obstacles: Sequence[str] = (),
    hints: Sequence[str] = (),
    steps: Sequence[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """Apply the rule of :func:`ews.detect` and say why it came out so: first what keeps it open, then what warns.

    `symbol` stands before a trend, `undefined` is said of an indicator without one. Obstacles say why nothing can be
    told from the values, hints what a reader should know beside the answer, steps what may settle an open one.
    """
    if n_surrogates == 0:
        return "inconclusive", (*obstacles, "no surrogates were drawn, so no trend was tested", *hints)
    alarms, others = [], []
    for one in trends:
        name = in_sentence(one.label)
        if np.isnan(one.trend):
            others.append(f"{name} {undefined}")
            continue
        way = "rises" if one.trend > 0 else "falls" if one.trend < 0 else "has no trend"
        said = f"{name} {way} ({symbol} {one.trend:+.2f}, adjusted {p_clause(one.pvalue)})"
        if one.warns(alpha):
            alarms.append(said)
        elif one.pvalue <= alpha:
            others.append(f"{said}, against its direction of alarm ({ARROWS[one.alarm]})")
        else:
            others.append(f"{said}, within what the null gives")
    if (smallest := 2.0 / (1.0 + n_surrogates)) > alpha:
        others.append(f"{n_surrogates} surrogates cannot give a p below {smallest:.3g}: draw more")
    verdict = verdict_of(bool(alarms), power, obstacles)
    reasons = (*obstacles, *alarms, *others)
    if verdict == "warning" and power is not None and hardly_more(power, alpha):
        return verdict, (*obstacles, *alarms, qualification(power, alpha), *others, *hints)
    if verdict == "warning" or obstacles:
        return verdict, (*reasons, *hints)
    settle = (f"what may settle it: {'; '.join(steps)}",) if steps and verdict == "inconclusive" else ()
    hints = (*settle, *hints)
    if power is None:
        return verdict, (*reasons, "the power is not known where an indicator is undefined", *hints)
    found = f"{100 * power:.0f} % of positive controls of this length got a warning"
    if verdict == "no warning":
        return verdict, (*reasons, f"{found}, so a loss of resilience like theirs would probably have shown", *hints)
    if hardly_more(power, alpha):
        about = f"about as many as where nothing changes (at most {100 * alpha:g} %)"
        silence = f"in a record like this the test cannot see a loss of resilience: {found}, {about}"
    else:
        silence = f"only {found}: too few to take silence for safety"
    return verdict, (*reasons, silence, *hints)


def qualification(power: float, alpha: float) -> str:
    """What is said of a warning that is hardly likelier with a loss of resilience than without."""
    return (
        f"but this warning is hardly more likely with a loss of resilience than without: {100 * power:.0f} % of "
        f"positive controls of this length got one, and up to {100 * alpha:g} % of records in which nothing changes do"
    )
