"""Wording that evaluations of all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.words import trend_name

if TYPE_CHECKING:
    from ews._evaluation.evaluate.result import EvaluationConfig

__all__ = ["analysis_text", "interval_text", "lead_text", "rate_text"]


def interval_text(interval: tuple[float, float], digits: int = 2) -> str:
    """``0.71 to 0.93``; a dash where there is none."""
    low, high = interval
    return "–" if np.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def rate_text(rate: float) -> str:
    """A share as a percentage."""
    return "–" if np.isnan(rate) else f"{100 * rate:.0f} %"


def lead_text(config: EvaluationConfig) -> str:
    """What a lead time is."""
    return (
        f"Each score sees the data up to one of {config.n_times} times, from {rate_text(config.burn_in)} of the record "
        "on. Warned: at the threshold of the detections the last score is above it; the lead begins with the first "
        "score from which on all are. Ever false: negative series above it at any of the times."
    )


def analysis_text(config: Any) -> str:
    """How trends of indicators were made."""
    detrend = "no detrending" if config.detrend is None else f"{config.detrend} detrending"
    if config.detrend is not None and config.bandwidth is not None:
        detrend += f" (bandwidth {config.bandwidth:g})"
    return f"{trend_name(config.trend)} of indicators in windows of {config.window:g}; {detrend}."
