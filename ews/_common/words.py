"""The wording of numbers, p-values, times and sentences that all texts, figures and pages share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "alarm_text",
    "cautions",
    "counted",
    "listed",
    "number_text",
    "p_clause",
    "p_text",
    "sentence",
    "series_text",
    "time_text",
    "trend_name",
    "trend_symbol",
    "typeset",
]

_TRENDS = {
    "kendall": ("Kendall's τ", "τ"),
    "spearman": ("Spearman's ρ", "ρ"),
    "theil_sen": ("Theil–Sen slope", "slope"),
}
_ALARMS = {"up": "rise", "down": "fall", "both": "either"}


def number_text(value: float, digits: int = 4) -> str:
    """A number to `digits` significant digits, without needless zeros; minus is a hyphen, as code reads it."""
    return "–" if not math.isfinite(value) else f"{value:.{digits}g}"


def p_text(p: float) -> str:
    """A p-value to two significant digits where it matters; never 0, and 1 only where it is 1."""
    if math.isnan(p):
        return "–"
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_clause(p: float, *, of: str = "p") -> str:
    """``p = 0.012``, ``p < 0.001`` or ``no p-value``, as it stands in a sentence."""
    text = p_text(p)
    return "no p-value" if text == "–" else f"{of} {text}" if text.startswith("<") else f"{of} = {text}"


def typeset(text: str) -> str:
    """Hyphens before a number as minus signs, for figures and pages; names such as lag-1 keep theirs."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", text)


def trend_name(trend: str) -> str:
    """What a sentence calls a trend statistic."""
    return _TRENDS.get(trend, (trend, trend))[0]


def trend_symbol(trend: str) -> str:
    """What a table calls it."""
    return _TRENDS.get(trend, (trend, trend))[1]


def alarm_text(alarm: str) -> str:
    """``rise``, ``fall`` or ``either``."""
    return _ALARMS[alarm]


def time_text(time: Any) -> str:
    """A time as short as it can be said: dates without an empty time of day, numbers without needless digits."""
    if isinstance(time, np.datetime64):
        text, _, fraction = str(time.astype("datetime64[ns]")).partition(".")
        fraction = fraction.rstrip("0")
        text = f"{text}.{fraction}" if fraction else text.removesuffix("T00:00:00")
        return text.replace("T", " ")
    return f"{float(time):.10g}"


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def series_text(series: Any, config: Any = None, *, step: str = "step") -> str:
    """How many observations, from when to when, how far apart; what was recognised in the times, and filled.

    `config` is asked whether a season was, or could have been, taken out.
    """
    unit = f" {series.step_unit}" if series.step_unit else ""
    unit = unit.removesuffix("s") if series.step == 1 else unit
    axis = f" ({series.time_name})" if series.time_name else ""
    calendar = "" if unit == " day" else series.sampling.step_text
    known = f" ({calendar})" if calendar else ""
    span = f"{time_text(series.time[0])} to {time_text(series.time[-1])}{axis}"
    text = f"{len(series)} observations from {span}, {step} {number_text(series.step)}{unit}{known}."
    season, seasonal = getattr(config, "season", None), hasattr(config, "season")
    return " ".join([text, *series.sampling.sentences(len(series), season=season, seasonal=seasonal)])


def counted(number: int, noun: str) -> str:
    """``1 well`` or ``2 wells``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Any) -> str:
    """``a``, ``a and b`` or ``a, b and c``."""
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else str(last)


def cautions(notes: Sequence[str]) -> tuple[str, ...]:
    """Those of the notes of a series that a verdict does not come without."""
    return tuple(text.removeprefix("CAUTION: ") for text in notes if text.startswith("CAUTION: "))
