"""``ews.bifurcations.jumps``: how much of a series' fluctuation is diffusion, and how much jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._common import checks
from ews._common.alarms import westfall_young
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import on_scale
from ews._significance.windows import SurrogateTest, check_test
from ews.bifurcations._jumps.moments import NAMES, components, in_time
from ews.bifurcations._jumps.result import DriftDiffusionJump, JumpsConfig
from ews.detrend import plan as plan_detrending
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import Duplicates, Missing, as_series

__all__ = ["jumps"]

FloatArray = npt.NDArray[np.float64]

_MOST_POINTS = 100_000
FEWEST_VALUES = 20  # a sixth moment of fewer increments is that of the largest


@reported("drawing surrogates")
def jumps(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = None,
    bandwidth: float | None = None,
    kernel_bandwidth: float = 0.6,
    points: int = 500,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 200,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> DriftDiffusionJump:
    r"""Drift, diffusion and jumps of an unknown process, as functions of the state and in time, and their trends.

    The series is taken for a process dx = f(x) dt + g(x) dW + dJ, with jumps J at rate λ(x) and of size N(0, σ_Z²). The
    moments of its increments given the state, M_k(a) = Σ K((x_t − a)/h) (x_{t+Δ} − x_t)^k / (Δ Σ K), are estimated with
    a Gaussian kernel K; from them

        drift f = M₁,                 total variance = M₂ = g² + λ σ_Z²,
        σ_Z² = mean of M₆ / 5 M₄,     jump intensity λ = M₄ / 3 σ_Z⁴,
        diffusion D = max(0, M₂ − λ σ_Z²),

    and the conditional variance, that of x_{t+Δ} given x_t. Where a system nears a fold these rise. Each is read at the
    state of each time, and its trend tested.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray; at least 20 values.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default None
        What is taken out first. None, as published: functions of the state are what is asked about.
    bandwidth : float or int, optional
        Bandwidth or span of the detrending (default: the method's own).
    kernel_bandwidth : float, default 0.6
        SD of the kernel, in units of the SD of the series (Carpenter & Brock 2011; R's earlywarnings).
    points : int, default 500
        Points of the grid of states, from the least to the greatest value observed.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model for the trends.
    n_surrogates : int, default 200
        How many surrogates; 0 for no p-values.
    alpha : float, default 0.05
        Level of the test.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps. The functions of the state come from the
        whole record all the same: no value in time is a forecast.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them (see :func:`ews.detect`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of the surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    DriftDiffusionJump
        The components against the state and in time; Kendall's τ of each in time with its p-values.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    The formulas hold for Δ → 0. At a finite step all increments count as jumps that are no larger than Gaussian ones:
    for increments N(0, s²) at every state M₄ = 3 s⁴/Δ and M₆ = 15 s⁶/Δ, so σ_Z² = s², λ = 1/Δ and D = 0, jumps or not.
    Read λ against 1/Δ: below it, few increments carry the higher moments. In time all four are functions of one state,
    so they rise and fall together, and a trend of the state alone moves them.

    Each surrogate is detrended and estimated as the series was. The adjusted p-values are those of the smallest of the
    four (Westfall & Young 1993).

    References
    ----------
    Carpenter, S. R. & Brock, W. A. (2011). Early warnings of unknown nonlinear shifts: a nonparametric approach.
    Ecology 92, 2196-2201. Johannes, M. (2004). The statistical and economic role of jumps in continuous-time interest
    rate models. J. Finance 59, 227-260. Bandi, F. M. & Nguyen, T. H. (2003). On the functional estimation of
    jump-diffusion models. J. Econometrics 116, 293-328.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=300, seed=1)
    >>> result = ews.bifurcations.jumps(population, until=population.transition, n_surrogates=99)
    >>> round(result.tau["total_variance"], 2)
    -0.74
    """
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    allowed = "a positive number of standard deviations"
    kernel_bandwidth = checks.number("kernel_bandwidth", kernel_bandwidth, above=0.0, allowed=allowed)
    points = checks.whole("points", points, least=10, most=_MOST_POINTS)
    causal = checks.flag("causal", causal)
    cleaned = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates, causal=causal)
    cleaned = on_scale(cleaned, transform)
    n = len(cleaned)
    if n < FEWEST_VALUES:
        raise SeriesTooShortError("series", described(f"{n} values"), f"at least {FEWEST_VALUES} values")
    if np.ptp(cleaned.values) == 0:
        raise ValueRangeError("series", described(f"{n} equal values ({cleaned.values[0]:g})"), "values that vary")
    plan = plan_detrending(detrend, n=n, bandwidth=bandwidth, causal=causal, season=season)
    trend = plan.rows(cleaned.values.reshape(1, -1))[0]
    residual = cleaned.values - trend
    pipeline = Pipeline(plan, (), n, "kendall", cleaned.step, trend)
    options: dict[str, Any] = {"bandwidth": kernel_bandwidth, "points": points, "step": cleaned.step}

    drawn = residual[np.isfinite(residual)].reshape(1, -1)
    found = components(drawn, **options)
    timed = in_time(drawn, found)
    tau = _trends(timed)[:, 0]
    surrogate, null_sentence = _surrogate_trends(pipeline, drawn[0], test, options, progress)
    single, adjusted = westfall_young(tau, surrogate) if n_surrogates else (np.full(4, np.nan), np.full(4, np.nan))
    lost = np.full((len(NAMES), n - drawn.shape[1]), np.nan)  # the sample that differencing costs
    return DriftDiffusionJump(
        grid=found.grid[0],
        drift=found.drift[0],
        by_state=dict(zip(NAMES, found.values[:, 0], strict=True)),
        jump_variance=float(found.jump_variance[0]),
        in_time=dict(zip(NAMES, np.concatenate([lost, timed[:, 0]], axis=1), strict=True)),
        tau=dict(zip(NAMES, map(float, tau), strict=True)),
        pvalue=dict(zip(NAMES, map(float, single), strict=True)),
        pvalue_adjusted=dict(zip(NAMES, map(float, adjusted), strict=True)),
        surrogate_tau=dict(zip(NAMES, surrogate, strict=True)),
        series=cleaned,
        trend=trend,
        residual=residual,
        detrend_sentence=plan.sentence,
        null_sentence=null_sentence,
        config=JumpsConfig(
            detrend=plan.method,
            bandwidth=plan.bandwidth,
            kernel_bandwidth=kernel_bandwidth,
            points=points,
            null=null,
            **test.choices,
            causal=plan.causal if plan.method is not None else True,
            season=plan.season,
            transform=name_of(transform),
            until=None if until is None else str(until),
            missing=missing,
            duplicates=duplicates,
        ),
    )


def _surrogate_trends(
    pipeline: Pipeline,
    drawn: FloatArray,
    test: SurrogateTest,
    options: dict[str, Any],
    progress: ProgressOption,
) -> tuple[FloatArray, str]:
    """τ of each component of each surrogate, of shape (4, n_surrogates), and what the null is."""
    if not test.n_surrogates:
        return np.empty((len(NAMES), 0)), "no surrogates were drawn"
    fitted = nulls.fit(drawn, null=test.null)

    def taus(first: int, count: int) -> FloatArray:
        rows = np.ascontiguousarray(pipeline.residual(fitted.draw(first, count, seed=test.seed))[:, -drawn.size :])
        return _trends(in_time(rows, components(rows, **options)))

    return np.concatenate(in_chunks(taus, test.n_surrogates, n=drawn.size, progress=progress), axis=1), fitted.sentence


def _trends(timed: FloatArray) -> FloatArray:
    """τ of each component of each row, of shape (4, rows); 0 where a component, as a diffusion of 0, is constant."""
    return np.nan_to_num(np.stack([trends.rows(each, method="kendall") for each in timed]))
