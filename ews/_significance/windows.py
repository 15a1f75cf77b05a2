"""What the detectors in rolling windows share: input to residual, and the trend of a statistic against surrogates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._common import checks
from ews._common.alarms import two_sided
from ews._common.progress import ProgressOption
from ews._common.transforms import Transform, name_of
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import on_scale, resolve_window
from ews.detrend import plan as plan_detrending
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import Duplicates, Missing, Series, TimeArray, as_series

__all__ = [
    "Prepared",
    "TrendTest",
    "WholeRecord",
    "WindowedConfig",
    "check_test",
    "edges",
    "prepare",
    "trend_test",
    "trend_tests",
]

FloatArray = npt.NDArray[np.float64]
# Detrending an exact line leaves up to 1e-14 of the values' size.
ROUNDING = 1e-13
Measure = Callable[[FloatArray], FloatArray]  # rows of residuals → rows of a statistic, one value a window


class WholeRecord:
    """Stands for a window as long as the record: nothing that a user could pass, least of all None."""


@dataclass(frozen=True, slots=True)
class WindowedConfig:
    """Every choice that detectors in rolling windows share, as resolved for the series.

    Attributes
    ----------
    window : int
        Window length in samples.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    causal : bool
        Whether only past samples were used at each time.
    season : int or None
        Period taken out first, in samples.
    transform : str or None
        What the values were transformed by before that: a name, or the qualified name of a function.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test and of the intervals.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of every random number in the result.
    """

    window: int
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None
    transform: str | None
    n_surrogates: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int


@dataclass(frozen=True, eq=False)
class Prepared:
    """A series ready for its windows.

    Attributes
    ----------
    series : Series
        The checked input.
    pipeline : Pipeline
        Detrending and window, resolved for its length.
    trend, residual : ndarray of shape (n,)
        What detrending took out and left, in the series' units.
    transform : str or None
        What the values were transformed by first.
    """

    series: Series
    pipeline: Pipeline
    trend: FloatArray
    residual: FloatArray
    transform: str | None = None

    @property
    def window(self) -> int:
        """Window length in samples."""
        return self.pipeline.window

    @property
    def drawn(self) -> FloatArray:
        """The part of the residual that nulls are fitted to: without the sample that differencing costs."""
        return self.residual[np.isfinite(self.residual)]


def prepare(
    data: Any,
    *,
    time: Any,
    until: Any,
    missing: Missing,
    duplicates: Duplicates,
    detrend: str | None,
    bandwidth: float | None,
    causal: bool,
    season: int | None,
    window: float | WholeRecord,
    shortest: int,
    transform: Transform = None,
) -> Prepared:
    """Check the input, resolve window and detrending, and detrend."""
    causal = checks.flag("causal", causal)
    series = as_series(data, time=time, until=until, missing=missing, duplicates=duplicates, causal=causal)
    series = on_scale(series, transform)
    n = len(series)
    if n >= 2 and np.ptp(series.values) == 0:
        raise ValueRangeError("series", described(f"{n} equal values ({series.values[0]:g})"), "values that vary")
    if isinstance(window, WholeRecord) and n < shortest:
        raise SeriesTooShortError("series", described(f"{n} observation(s)"), f"at least {shortest} for this test")
    samples = n if isinstance(window, WholeRecord) else resolve_window(window, n, shortest=shortest)
    plan = plan_detrending(detrend, n=n, bandwidth=bandwidth, causal=causal, season=season)
    trend = plan.rows(series.values.reshape(1, -1))[0]
    residual = series.values - trend
    spread, size = float(np.nanmax(residual) - np.nanmin(residual)), float(np.abs(series.values).max())
    if spread <= ROUNDING * size:  # of which every detector that divides by a spread would make a signal
        given = described(f"values that detrending leaves {spread:.1g} of, in a series of size {size:.3g}")
        raise ValueRangeError("series", given, "values that vary about their trend; or another way to detrend")
    pipeline = Pipeline(plan, (), samples, "kendall", series.step, trend)
    return Prepared(series, pipeline, trend, residual, name_of(transform))


def check_test(*, null: Any, n_surrogates: Any, alpha: Any) -> None:
    """Check what every test needs."""
    nulls.check(null=null, n_surrogates=n_surrogates)
    checks.alpha(alpha)


def config_fields(prepared: Prepared, *, until: Any, missing: str, duplicates: str) -> dict[str, Any]:
    """The fields of a :class:`WindowedConfig` that the preparation settled."""
    plan = prepared.pipeline.plan
    return {
        "window": prepared.window,
        "detrend": plan.method,
        "bandwidth": plan.bandwidth,
        "causal": plan.causal if plan.method is not None else True,
        "season": plan.season,
        "transform": prepared.transform,
        "until": None if until is None else str(until),
        "missing": missing,
        "duplicates": duplicates,
    }


@dataclass(frozen=True, eq=False)
class TrendTest:
    """The trend of a statistic over windows, against surrogates of the residual.

    Attributes
    ----------
    tau : float
        Kendall's τ-b of the statistic with time.
    pvalue : float
        Two-sided, p = min(1, 2 min(p↑, p↓)), each p = (1 + r) / (1 + n); NaN without surrogates.
    surrogate_tau : ndarray of shape (n_surrogates,)
        τ of each surrogate, through detrending and windows again.
    null_sentence : str
        What the null is, with its fitted numbers.
    """

    tau: float
    pvalue: float
    surrogate_tau: FloatArray
    null_sentence: str


def trend_test(
    values: FloatArray,
    measure: Measure,
    prepared: Prepared,
    *,
    null: nulls.NullName,
    n_surrogates: int,
    seed: int,
    progress: ProgressOption = None,
) -> TrendTest:
    """Test the trend of a statistic: each surrogate of the residual is detrended and measured as the series was."""
    return trend_tests(
        [values],
        lambda rows: [measure(rows)],
        prepared,
        null=null,
        n_surrogates=n_surrogates,
        seed=seed,
        progress=progress,
    )[0]


def trend_tests(
    values: Sequence[FloatArray],
    measure: Callable[[FloatArray], Sequence[FloatArray]],
    prepared: Prepared,
    *,
    null: nulls.NullName,
    n_surrogates: int,
    seed: int,
    progress: ProgressOption = None,
) -> list[TrendTest]:
    """:func:`trend_test` of several statistics that are measured together, each for itself."""
    taus = [float(trends.rows(one.reshape(1, -1), method="kendall")[0]) for one in values]
    if n_surrogates == 0:
        return [TrendTest(tau, float("nan"), np.empty(0), "no surrogates were drawn") for tau in taus]
    fitted = nulls.fit(prepared.drawn, null=null)

    def surrogate_taus(first: int, count: int) -> FloatArray:
        rows = prepared.pipeline.residual(fitted.draw(first, count, seed=seed))
        return np.stack([trends.rows(one, method="kendall") for one in measure(rows)])

    surrogate = np.concatenate(
        in_chunks(surrogate_taus, n_surrogates, n=len(prepared.series), progress=progress), axis=1
    )
    return [
        TrendTest(tau, float(two_sided(np.array([tau]), drawn)[0]), drawn, fitted.sentence)
        for tau, drawn in zip(taus, surrogate, strict=True)
    ]


def edges(prepared: Prepared) -> TimeArray:
    """Times of the right edges of all windows."""
    edge: TimeArray = prepared.series.time[prepared.window - 1 :]
    return edge
