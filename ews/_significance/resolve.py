"""Checks of the arguments that several verbs share, and what they resolve to for a series of a given length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import trends
from ews._common import checks
from ews._common.seeds import resolve_seed
from ews._common.transforms import Transform, transformed
from ews._common.values import count_values
from ews._significance.pipeline import Pipeline
from ews.detrend import plan as plan_detrending
from ews.errors import (
    ArgumentError,
    SeriesTooShortError,
    WindowError,
    described,
)
from ews.indicators import registry
from ews.series import Series

__all__ = [
    "fewest_observations",
    "on_scale",
    "resolve_indicators",
    "resolve_pipeline",
    "resolve_seed",
    "resolve_window",
]

FloatArray = npt.NDArray[np.float64]

# A rank correlation of fewer window positions takes too few values to be tested at 0.05.
FEWEST_POSITIONS = 8


def resolve_window(window: Any, n: int, *, shortest: int = 2, positions: int = FEWEST_POSITIONS) -> int:
    """Window length in samples, from a fraction of the record or a number of samples."""
    longest = n - positions + 1
    fewest = fewest_observations(window, shortest=shortest, positions=positions)
    if longest < shortest or (_at_most_half(window) and n < fewest and round(window * n) > longest):
        with_this = f" and window={window!r}" if _at_most_half(window) else ""
        allowed = f"at least {fewest} for these indicators{with_this}"
        raise SeriesTooShortError("series", described(f"{n} observations"), allowed)
    allowed = (
        f"a fraction from {shortest / n:.2g} to {longest / n:.2g}, or an integer from {shortest} to {longest} "
        f"({n} observations)"
    )
    length = checks.number("window", window, allowed=allowed, error=WindowError)
    if 0 < length < 1:
        samples = round(length * n)
    elif length.is_integer():
        samples = int(length)
    else:
        raise WindowError("window", window, allowed)
    if not shortest <= samples <= longest:
        asked = window if samples == length else described(f"{window!r}, which is {samples} samples")
        raise WindowError("window", asked, allowed)
    return samples


def fewest_observations(window: Any, *, shortest: int, positions: int = FEWEST_POSITIONS) -> int:
    """How many observations a record needs at least for windows of this fraction of it, or of any length."""
    n = shortest + positions - 1
    while _at_most_half(window) and not shortest <= round(window * n) <= n - positions + 1:
        n += 1
    return n


def _at_most_half(window: Any) -> bool:
    """Whether a window is a fraction that suits every record that is long enough."""
    return isinstance(window, float) and 1e-4 <= window <= 0.5


def on_scale(series: Series, transform: Transform, *, argument: str = "series") -> Series:
    """The series as it is analysed: transformed where that was asked for, with notes on zeros, ties and the scale."""
    notes = (*series.notes, *count_values(series.values).notes())
    if transform is None:
        return replace(series, notes=notes)
    values, note = transformed(series.values, transform, argument=argument)
    values.setflags(write=False)
    return replace(series, values=values, notes=(*notes, note))


def resolve_indicators(indicators: Any) -> list[registry.Indicator]:
    """Registered indicators by name, in the order given, each once."""
    return [registry.get(name) for name in checks.names("indicators", indicators, registry.names())]


def resolve_pipeline(
    *,
    n: int,
    step: float,
    level: FloatArray,
    detrend: str | None,
    bandwidth: float | None,
    window: Any,
    indicators: Any,
    trend: Any,
    causal: Any,
    season: int | None,
) -> Pipeline:
    """Check every choice against a series of length `n` and resolve it."""
    chosen = resolve_indicators(indicators)
    trend = checks.choice("trend", trend, trends.METHODS)
    causal = checks.flag("causal", causal)
    if season is not None and detrend == "difference":
        raise ArgumentError(
            "season", season, 'None with detrend="difference": surrogates of differences have no season'
        )
    samples = resolve_window(window, n, shortest=max(indicator.shortest_window for indicator in chosen))
    try:
        plan = plan_detrending(detrend, n=n, bandwidth=bandwidth, causal=causal, season=season)
    except SeriesTooShortError as error:  # there the series is called x
        raise SeriesTooShortError("series", error.given, error.allowed) from None
    return Pipeline(plan, chosen, samples, trend, step, level)
