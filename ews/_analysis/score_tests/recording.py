"""A record as it was sampled: how it and all that it is held against is detrended and measured in windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import trends
from ews._analysis.score_tests.sampling import Sampling, sampling_of
from ews._common import checks
from ews._common.observations import Cells, cells_of
from ews._common.transforms import Transform
from ews._significance.pipeline import Pipeline
from ews._significance.resolve import FEWEST_POSITIONS, resolve_indicators, resolve_pipeline, resolve_window
from ews._significance.windows import WholeRecord
from ews.detrend import bandwidths
from ews.detrend import plan as plan_detrending
from ews.detrend.local_polynomial import BANDWIDTHS, DEGREES
from ews.errors import ArgumentError, SeriesTooShortError, described
from ews.indicators.fused import fused
from ews.series import Series

__all__ = ["KeptPipeline", "Recorded", "recorded"]

WHOLE = WholeRecord()

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KeptDetrending:
    """What is taken out of observations at their own times, as a plan of even ones says it."""

    method: str | None
    bandwidth: float | None
    causal: bool
    sentence: str
    season: None = None


@dataclass(frozen=True, eq=False)
class KeptPipeline(Pipeline):
    """Observations at their own times: the smoother takes these times, and windows are stretches of time.

    `window` is how many observations come up to the end of the first full window.
    """

    sampling: Sampling
    cells: Cells | None  # the grid whose cells hold the observations; None where windows are so many observations
    span: int  # cells in a window

    @property
    def share(self) -> float:
        """A window as a fraction of the record."""
        return self.span / (self.n if self.cells is None else self.cells.size)

    @property
    def fewest(self) -> int:
        """How many observations a window needs."""
        shortest = max((one.shortest_window for one in self.indicators), default=2)
        return self.window if self.cells is None else self.cells.fewest(self.span, shortest=shortest)

    def residual(self, rows: FloatArray) -> FloatArray:
        """Detrend observations again."""
        return self.sampling.residual(rows)

    def measure(self, residual: FloatArray, raw: FloatArray) -> list[FloatArray]:
        """Indicators of rows of observations, each of shape (rows, n)."""
        if self.cells is None:
            return super().measure(residual, raw)
        blank = self.cells.blank
        found = fused(
            blank(residual),
            window=self.span,
            indicators=self.indicators,
            raw=blank(raw),
            step=self.step,
            min_count=self.fewest,
        )
        return [np.ascontiguousarray(one[:, self.cells.index]) for one in found]

    def tau(self, measured: Sequence[FloatArray]) -> FloatArray:
        """Trends over the windows that hold enough observations."""
        if self.cells is None:
            return super().tau(measured)
        held = np.zeros(self.cells.size)
        held[self.cells.index] = 1.0
        total = np.concatenate([[0.0], np.cumsum(held)])
        at = self.cells.index[self.window - 1 :] + 1
        enough = total[at] - total[np.maximum(at - self.span, 0)] >= self.fewest
        rows = [np.ascontiguousarray(one[:, self.window - 1 :][:, enough]) for one in measured]
        taus = np.stack([trends.rows(one, method=self.trend) for one in rows])
        return taus / self.step if self.trend == "theil_sen" else taus


@dataclass(frozen=True, eq=False)
class Recorded:
    """How a record is treated."""

    pipeline: Pipeline
    sampling: Sampling | None  # None where it is even, complete and finely resolved


def recorded(
    series: Series,
    *,
    detrend: str | None,
    bandwidth: Any,
    causal: Any,
    season: int | None,
    transform: Transform,
    window: Any = WHOLE,
    indicators: Any = (),
    trend: trends.TrendMethod = "kendall",
) -> Recorded:
    """Resolve every choice for a record; over the whole of it nothing is measured in windows."""
    causal = checks.flag("causal", causal)
    asked = {"window": window, "bandwidth": bandwidth}
    window, bandwidth = (_steps(series, value, argument) for argument, value in asked.items())
    with _as_given("window", asked["window"], window), _as_given("bandwidth", asked["bandwidth"], bandwidth):
        return _recorded(series, detrend, bandwidth, causal, season, transform, window, indicators, trend)


def _recorded(
    series: Series,
    detrend: str | None,
    bandwidth: Any,
    causal: bool,
    season: int | None,
    transform: Transform,
    window: Any,
    indicators: Any,
    trend: trends.TrendMethod,
) -> Recorded:
    """The same, with lengths of time as steps."""
    n, of = len(series), series.observations
    if of is not None and of.use == "kept":
        pipeline = _kept(series, detrend, bandwidth, causal, season, transform, window, indicators, trend)
        return Recorded(pipeline, pipeline.sampling)
    plain: Pipeline
    if window is WHOLE:
        plan = plan_detrending(detrend, n=n, bandwidth=bandwidth, causal=causal, season=season)
        plain = Pipeline(plan, (), n, trend, series.step, series.values)
    else:
        plain = resolve_pipeline(
            n=n,
            step=series.step,
            level=series.values,
            detrend=detrend,
            bandwidth=bandwidth,
            window=window,
            indicators=indicators,
            trend=trend,
            causal=causal,
            season=season,
        )
    if plain.plan.method == "difference":
        return Recorded(plain, None)
    sampling = sampling_of(
        series, transform=transform, detrend=detrend, bandwidth=bandwidth, causal=causal, detrended=plain.residual
    )
    return Recorded(plain, sampling)


@contextmanager
def _as_given(argument: str, given: Any, steps: Any) -> Iterator[None]:
    """Errors of a length of time, which is judged in steps, name what was given."""
    try:
        yield
    except ArgumentError as error:
        if error.argument != argument or given is steps or given is WHOLE:
            raise
        said = described(f"{given!r}, which is {steps} {'step' if steps == 1 else 'steps'} here")
        raise type(error)(argument, said, error.allowed) from None


def _steps(series: Series, value: Any, argument: str) -> Any:
    """A length of time as steps; what is none stays as it is, and is judged where it is used."""
    if value is WHOLE:
        return value
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return series.steps(value, argument=argument)
    return value


def _kept(
    series: Series,
    detrend: str | None,
    bandwidth: Any,
    causal: bool,
    season: int | None,
    transform: Transform,
    window: Any,
    indicators: Any,
    trend: trends.TrendMethod,
) -> KeptPipeline:
    if season is not None:
        given = described('"keep" with a season, of a record with gaps or uneven times')
        raise ArgumentError("missing", given, '"interpolate" with a season, which needs even steps')
    n = len(series)
    sampling = sampling_of(series, transform=transform, detrend=detrend, bandwidth=bandwidth, causal=causal)
    if sampling is None:  # it is None for even records only
        raise TypeError("observations that are kept have a sampling")
    chosen = [] if window is WHOLE else resolve_indicators(indicators)
    cells = cells_of(series.positions)
    size = n if cells is None else cells.size
    span, first = size, n - 1
    if window is not WHOLE:
        span = resolve_window(window, size, shortest=max(one.shortest_window for one in chosen))
        first = span - 1 if cells is None else int(np.searchsorted(cells.index, span - 1))
        if n - first < FEWEST_POSITIONS:
            given = described(f"{n - first} observations after the first full window")
            raise SeriesTooShortError(
                "series", given, f"at least {FEWEST_POSITIONS}: a shorter window, or more of them"
            )
    detrending = KeptDetrending(detrend, bandwidth, causal, _sentence(series, detrend, bandwidth, causal))
    plan: Any = detrending
    return KeptPipeline(plan, chosen, first + 1, trend, series.step, series.values, sampling, cells, span)


def _sentence(series: Series, detrend: str | None, bandwidth: Any, causal: bool) -> str:
    """What is taken out, for the report."""
    if detrend is None:
        return "nothing was taken out"
    if detrend == "linear":
        return "a straight line by least squares, at the times of observation"
    width = BANDWIDTHS[DEGREES[detrend]](len(series)) if bandwidth is None else bandwidth
    sd = width * (series.positions[-1] + 1.0) if bandwidths.is_fraction(width) else width
    side = "causal: from past observations only" if causal else "centred: each residual uses later observations too"
    how = f"{detrend.replace('_', ' ')} regression at the times of observation"
    return f"{how}, Gaussian kernel with an SD of {sd:.4g} steps, {side}"
