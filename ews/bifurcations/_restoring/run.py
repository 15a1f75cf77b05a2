"""``ews.bifurcations.restoring``: the trend of the restoring rate, and when it would reach 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ews import nulls
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.pipeline import Stages
from ews._significance.windows import FloatArray, Prepared, TrendTest, check_test, prepare, trend_test
from ews.bifurcations._restoring.result import RestoringConfig, RestoringTrend
from ews.bifurcations._restoring.threshold import Threshold, drawn_series, extrapolate
from ews.series import Duplicates, Missing

__all__ = ["restoring"]

Errors = Literal["ar1", "white"]
Innovations = Literal["normal", "blocks"]

SHORTEST_WINDOW = 10
# Boers (2021) fits with 10 iterations; statsmodels' GLSAR stops earlier where no coefficient moves by 1e-4.
ITERATIONS = 10
TOLERANCE = 1e-4


@reported("drawing surrogates")
def restoring(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    errors: Errors = "ar1",
    null: nulls.NullName | Sequence[nulls.NullName] = ("ar1", "fourier"),
    n_surrogates: int = 500,
    n_bootstrap: int = 500,
    innovations: Innovations = "normal",
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> RestoringTrend:
    r"""Trend of the restoring rate, its significance, and the time until it would reach 0.

    In each window, mean and straight line are taken out and the increments are regressed on the state, Δx = λ x + c +
    η, with first-order autoregressive errors η. λ is negative while the system returns to its state, and rises to 0 at
    a fold, transcritical or pitchfork bifurcation. A straight line through λ says when that would be, if the trend went
    on as it did.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "running_mean", ...} or None, default "gaussian"
        What is taken out before the windows (see :data:`ews.detrend.METHODS`). Boers (2021) takes a running mean.
    bandwidth : float or int, optional
        Its bandwidth or span (default: the method's own).
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples, at least 10.
    errors : {"ar1", "white"}, default "ar1"
        Noise of the regression. ``"ar1"``: generalised least squares (Cochrane & Orcutt 1949), so that memory in the
        noise is not taken for memory of the system. ``"white"``: ordinary least squares, less variable where the noise
        has none.
    null : str or sequence of str, default ("ar1", "fourier")
        Null models for the trend: one p-value each. Red noise and phase surrogates are what the field tests against.
    n_surrogates : int, default 500
        How many surrogates of each null; 0 for no p-values.
    n_bootstrap : int, default 500
        How many simulated series for the bias and the interval of the time to the threshold; 0 for the plain line.
    innovations : {"normal", "blocks"}, default "normal"
        Where the simulated noise comes from: a normal distribution, or the innovations found in the residual, in blocks
        of random length (stationary bootstrap), which keeps their shape and their bursts.
    alpha : float, default 0.05
        Level of the test; the interval holds 1 − `alpha`.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
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
        Seed of surrogates and bootstrap.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    RestoringTrend
        λ per window, its trend and p-values, the time to the threshold with its interval.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    The regression finds two memories, of system and noise, and cannot know which is whose: where the noise remembers
    longer than the system does, λ may be that of the noise.

    A window shows the λ of its middle, so the line is fitted against the middles of the windows. In a window of w
    samples λ is biased towards stability by about (1 + 3 (1 + λ)) / w, more after detrending: the line through the
    windows is therefore corrected until series simulated along it, x[t] = (1 + λ[t]) x[t-1] + η[t], give on average the
    observed line, through the same detrending and windows. The interval is a basic bootstrap around the corrected line;
    its ends are infinite where lines that never reach 0 are among those that the record allows. Near a fold λ follows
    the square root of the distance to it and falls faster at the end than any line: the time is then too long.

    References
    ----------
    Boers, N. (2021). Observation-based early-warning signals for a collapse of the Atlantic Meridional Overturning
    Circulation. Nature Climate Change 11, 680-688, Methods. Cochrane, D. & Orcutt, G. H. (1949). Application of least
    squares regression to relationships containing auto-correlated error terms. JASA 44, 32-61. Davison, A. C. &
    Hinkley, D. V. (1997). Bootstrap Methods and their Application, eq. 5.6: the interval.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=400, seed=1)
    >>> result = ews.bifurcations.restoring(population, until=250, n_surrogates=99, n_bootstrap=50)
    >>> low, high = result.time_interval
    >>> bool(low <= result.time_to_threshold <= high)
    True
    """
    asked = dict(locals())  # every choice as it was given
    names = checks.names("null", null, nulls.NAMES)
    test = check_test(null=names[0], n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    errors = checks.choice("errors", errors, ("ar1", "white"))
    innovations = checks.choice("innovations", innovations, ("normal", "blocks"))
    checks.draws("n_bootstrap", n_bootstrap)
    prepared = prepare(asked, shortest=SHORTEST_WINDOW)
    first, step = prepared.window - 1, prepared.series.step
    rates = _rates(prepared.residual.reshape(1, -1), prepared.window, errors)[0]

    def measure(rows: FloatArray) -> FloatArray:
        found: FloatArray = _rates(rows, prepared.window, errors)[:, first:]
        return found

    stages = Stages(progress, len(names) * test.n_surrogates + drawn_series(int(n_bootstrap)))
    tests = {
        name: trend_test(rates[first:], measure, prepared, replace(test, null=name), stages.next()) for name in names
    }
    threshold = extrapolate(
        prepared.drawn,
        rates[first:],
        prepared.pipeline,
        measure,
        correlated=errors == "ar1",
        blocks=innovations == "blocks",
        n_bootstrap=int(n_bootstrap),
        seed=_own_stream(test.seed),
        stages=stages,
    )
    config = RestoringConfig(
        **prepared.choices,
        **test.choices,
        window=prepared.window,
        null=names,
        errors=errors,
        n_bootstrap=int(n_bootstrap),
        innovations=innovations,
    )
    return _result(prepared, rates / step, tests, threshold, config)


def _rates(rows: FloatArray, window: int, errors: Errors) -> FloatArray:
    """Restoring rate per sample, of shape (rows, n)."""
    from ews._kernels.langevin import rolling_linear_drift
    from ews._kernels.memory import rolling_restoring_rate

    rows = np.require(rows, np.float64, ("C", "W"))
    out = np.empty(rows.shape)
    with np.errstate(all="ignore"):
        if errors == "ar1":
            rolling_restoring_rate(rows, window, ITERATIONS, TOLERANCE, out)
        else:
            rolling_linear_drift(rows, window, out)
    return out


def _own_stream(seed: int) -> int:
    """A seed for the bootstrap whose random numbers no surrogate shares."""
    return int(np.random.SeedSequence(entropy=seed, spawn_key=(2**31, 1)).generate_state(1, np.uint64)[0])


def _result(
    prepared: Prepared,
    rates: FloatArray,
    tests: dict[nulls.NullName, TrendTest],
    threshold: Threshold,
    config: RestoringConfig,
) -> RestoringTrend:
    """The numbers in units of time."""
    from ews.bifurcations._restoring.threshold import time_to_threshold

    step = prepared.series.step
    line = threshold.corrected
    point = float(time_to_threshold(np.array(line.level), np.array(line.slope))) * step
    times = threshold.times * step
    interval = (np.nan, np.nan)
    if times.size:  # an order statistic, since a mean with infinity says nothing
        low, high = np.quantile(times, [config.alpha / 2.0, 1.0 - config.alpha / 2.0], method="inverted_cdf")
        interval = (float(low), float(high))
    return RestoringTrend(
        **prepared.fields,
        rate=rates,
        tau=next(iter(tests.values())).tau,
        pvalues={name: one.pvalue for name, one in tests.items()},
        surrogate_tau={name: one.surrogate_tau for name, one in tests.items()},
        line=(line.level / step, line.slope / step**2),
        line_uncorrected=(threshold.observed.level / step, threshold.observed.slope / step**2),
        line_replicates=threshold.lines / np.array([step, step**2]),
        time_to_threshold=point,
        time_interval=interval,
        probability_reached=float(np.isfinite(times).mean()) if times.size else np.nan,
        null_sentences={name: one.null_sentence for name, one in tests.items()},
        config=config,
    )
