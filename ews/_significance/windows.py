"""What the detectors in rolling windows share: input to residual, and the trend of a statistic against surrogates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._common import checks
from ews._common.alarms import two_sided
from ews._common.progress import ProgressOption
from ews._common.seeds import resolve_seed
from ews._common.transforms import name_of
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import on_scale, resolve_window
from ews.detrend import plan as plan_detrending
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import Series, as_series

__all__ = [
    "Prepared",
    "SurrogateTest",
    "TrendTest",
    "WholeRecord",
    "WindowedConfig",
    "check_test",
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
    """A series ready for its windows."""

    series: Series  # the checked input
    pipeline: Pipeline  # detrending and window, resolved for its length
    # (n,): what detrending took out and left, in the series' units.
    trend: FloatArray
    residual: FloatArray
    choices: Mapping[str, Any]  # what the configuration of a result says of all that, by field; the window is beside it

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that the results of all detectors have."""
        sentence = self.pipeline.plan.sentence
        return {"series": self.series, "trend": self.trend, "residual": self.residual, "detrend_sentence": sentence}

    @property
    def window(self) -> int:
        """Window length in samples."""
        return self.pipeline.window

    @property
    def drawn(self) -> FloatArray:
        """The part of the residual that nulls are fitted to: without the sample that differencing costs."""
        return self.residual[np.isfinite(self.residual)]


def prepare(asked: Mapping[str, Any], *, shortest: int) -> Prepared:
    """Check the input, resolve window and detrending, and detrend: by the arguments of a detector, as given."""
    causal, window, season = checks.flag("causal", asked["causal"]), asked["window"], asked["season"]
    until, missing, duplicates = asked["until"], asked["missing"], asked["duplicates"]
    series = as_series(
        asked["series"], time=asked["time"], until=until, missing=missing, duplicates=duplicates, causal=causal
    )
    series = on_scale(series, asked["transform"])
    n = len(series)
    if n >= 2 and np.ptp(series.values) == 0:
        raise ValueRangeError("series", described(f"{n} equal values ({series.values[0]:g})"), "values that vary")
    if isinstance(window, WholeRecord) and n < shortest:
        raise SeriesTooShortError("series", described(f"{n} observation(s)"), f"at least {shortest} for this test")
    samples = n if isinstance(window, WholeRecord) else resolve_window(window, n, shortest=shortest)
    plan = plan_detrending(asked["detrend"], n=n, bandwidth=asked["bandwidth"], causal=causal, season=season)
    trend = plan.rows(series.values.reshape(1, -1))[0]
    residual = series.values - trend
    spread, size = float(np.nanmax(residual) - np.nanmin(residual)), float(np.abs(series.values).max())
    if spread <= ROUNDING * size:  # of which every detector that divides by a spread would make a signal
        given = described(f"values that detrending leaves {spread:.1g} of, in a series of size {size:.3g}")
        raise ValueRangeError("series", given, "values that vary about their trend; or another way to detrend")
    pipeline = Pipeline(plan, (), samples, "kendall", series.step, trend)
    choices = {
        "detrend": plan.method,
        "bandwidth": plan.bandwidth,
        "causal": plan.causal if plan.method is not None else True,
        "season": plan.season,
        "transform": name_of(asked["transform"]),
        "until": None if until is None else str(until),
        "missing": missing,
        "duplicates": duplicates,
    }
    return Prepared(series, pipeline, trend, residual, choices)


@dataclass(frozen=True)
class SurrogateTest:
    """The choices of a test against surrogates, checked."""

    null: nulls.NullName
    n_surrogates: int
    alpha: float
    seed: int

    @property
    def choices(self) -> dict[str, Any]:
        """What the configuration of a result says of it, by field; the null, or nulls, are beside it."""
        return {"n_surrogates": self.n_surrogates, "alpha": self.alpha, "seed": self.seed}


def check_test(*, null: Any, n_surrogates: Any, alpha: Any, seed: Any) -> SurrogateTest:
    """Check what every test needs."""
    nulls.check(null=null, n_surrogates=n_surrogates)
    return SurrogateTest(null, int(n_surrogates), checks.alpha(alpha), resolve_seed(seed))


@dataclass(frozen=True, eq=False)
class TrendTest:
    """The trend of a statistic over windows, against surrogates of the residual."""

    tau: float  # Kendall's τ-b of the statistic with time
    pvalue: float  # two-sided, p = min(1, 2 min(p↑, p↓)), each p = (1 + r) / (1 + n); NaN without surrogates
    surrogate_tau: FloatArray  # (n_surrogates,): τ of each surrogate, through detrending and windows again
    null_sentence: str  # what the null is, with its fitted numbers


def trend_test(
    values: FloatArray, measure: Measure, prepared: Prepared, test: SurrogateTest, progress: ProgressOption = None
) -> TrendTest:
    """Test the trend of a statistic: each surrogate of the residual is detrended and measured as the series was."""
    return trend_tests([values], lambda rows: [measure(rows)], prepared, test, progress)[0]


def trend_tests(
    values: Sequence[FloatArray],
    measure: Callable[[FloatArray], Sequence[FloatArray]],
    prepared: Prepared,
    test: SurrogateTest,
    progress: ProgressOption = None,
) -> list[TrendTest]:
    """:func:`trend_test` of several statistics that are measured together, each for itself."""
    taus = [float(trends.rows(one.reshape(1, -1), method="kendall")[0]) for one in values]
    if test.n_surrogates == 0:
        return [TrendTest(tau, float("nan"), np.empty(0), "no surrogates were drawn") for tau in taus]
    fitted = nulls.fit(prepared.drawn, null=test.null)

    def surrogate_taus(first: int, count: int) -> FloatArray:
        rows = prepared.pipeline.residual(fitted.draw(first, count, seed=test.seed))
        return np.stack([trends.rows(one, method="kendall") for one in measure(rows)])

    chunks = in_chunks(surrogate_taus, test.n_surrogates, n=len(prepared.series), progress=progress)
    surrogate = np.concatenate(chunks, axis=1)
    return [
        TrendTest(tau, float(two_sided(np.array([tau]), drawn)[0]), drawn, fitted.sentence)
        for tau, drawn in zip(taus, surrogate, strict=True)
    ]
