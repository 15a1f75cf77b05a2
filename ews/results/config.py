"""The choices behind a detection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ews._common.publish import public

__all__ = ["DetectConfig"]


@public("ews")
@dataclass(frozen=True, slots=True)
class DetectConfig:
    """Every choice behind a result, as resolved for this series.

    Attributes
    ----------
    window : int
        Window length in samples.
    window_fraction : float
        The same as a fraction of the record.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    indicators : tuple of str
        Names of the indicators.
    trend : str
        Trend statistic.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test and of the intervals.
    causal : bool
        Whether only past samples were used at each time.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    season : int or None
        Period taken out first, in samples.
    seed : int
        Seed of every random number in the result.
    transform : str or None
        What the values were transformed by before detrending: a name, or the qualified name of a function.
    method : {"score", "kendall"}
        Which test gave the verdict.
    measurement_error : {"constant", "drifting"} or None
        Which measurement error was allowed for, asked for or by default.
    """

    window: int
    window_fraction: float
    detrend: str | None
    bandwidth: float | None
    indicators: tuple[str, ...]
    trend: str
    null: str
    n_surrogates: int
    alpha: float
    causal: bool
    until: str | None
    missing: str
    duplicates: str
    season: int | None
    seed: int
    transform: str | None = None
    method: Literal["score", "kendall"] = "score"
    measurement_error: Literal["default", "constant", "drifting"] | None = None
