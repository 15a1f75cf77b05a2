"""``ews.detect_multivariate``: several variables of one system, one verdict; orchestration only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._analysis.multivariate import kendall, scores
from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.multivariate.record import Record
from ews._analysis.multivariate.result import MultivariateConfig, MultivariateDetection
from ews._common import checks
from ews._common.gaps import consecutive
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._common.values import count_values, spread_with_level
from ews._significance.resolve import on_scale, resolve_seed, resolve_window
from ews._significance.usable import check_size, residual_of
from ews.detrend import plan as plan_detrending
from ews.errors import (
    ArgumentError,
    IrregularSpacingError,
    SeriesTooShortError,
    described,
)
from ews.multivariate import nulls as joint_nulls
from ews.multivariate.reading import as_columns, of_variable
from ews.multivariate.registry import MULTIVARIATE, get
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["DEFAULT_INDICATORS", "detect_multivariate", "resolve"]

FloatArray = npt.NDArray[np.float64]

Method = Literal["score", "kendall"]
METHODS: tuple[Method, ...] = get_args(Method)
# What is taken out unless asked otherwise: a smoother without bias at the edges, or the field's habit.
DETRENDING: dict[Method, str] = {"score": "local_linear", "kendall": "gaussian"}
DEFAULT_INDICATORS = ("mean_variance", "jacobian_eigenvalue")


@reported("testing")
def detect_multivariate(
    data: Any,
    *,
    time: Any = None,
    detrend: str | None = "default",
    bandwidth: float | None = None,
    window: float = 0.5,
    indicators: Sequence[str] | str = DEFAULT_INDICATORS,
    trend: trends.TrendMethod = "kendall",
    null: joint_nulls.MultivariateNullName = "var1",
    n_surrogates: int = 500,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    standardize: bool = True,
    method: Method = "score",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> MultivariateDetection:
    """Test several variables of one system, together, for early-warning signals of a loss of resilience.

    Each variable is detrended and the residuals are taken along the modes of their joint dynamics, where score tests
    ask for a drift: of memory towards +1 in the direction of longest memory, of memory towards −1 in the direction that
    alternates most (first and last min/max autocorrelation factor), of damping in the leading oscillation of the VAR(1)
    map, and of the noise in all variables. All is compared with surrogates of all variables together, drawn from a null
    fitted to the residuals, whose modes are found anew.

    The verdict follows the rule of :func:`ews.detect`: *warning* where memory or damping drifts towards instability at
    the family-wise level `alpha`; noise that only grows is the kind "variance only" and no warning; else *no warning*
    where the power on every kind of positive control is ≥ 0.8; else *inconclusive*. Multivariate indicators in a
    rolling window stand beside the tests, as context.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        At least two variables: pandas or polars DataFrame, numpy array, xarray DataArray of two dimensions (time first)
        or Dataset, mapping from names to columns, or data set. All have the same times.
    time : array_like of shape (n,) or str, optional
        Numbers or dates, or the name of a column (default: the index or coordinate of `data`, else 0, 1, …).
    detrend : {"default", "local_linear", "gaussian", "ksmooth", "lowess", "linear", "difference", ...} or None
        What is taken out of each variable (see :data:`ews.detrend.METHODS`). By default "local_linear", with
        method="kendall" "gaussian".
    bandwidth : float or int, optional
        Bandwidth or span: a fraction of the record, or a number of samples. Default: the smoother's own.
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples.
    indicators : sequence of str, default ("mean_variance", "jacobian_eigenvalue")
        Names from :data:`ews.multivariate.MULTIVARIATE`. The default takes one of each kind: how much the system
        varies, and how slowly it recovers, be it through a fold, an oscillation or a period doubling. Few: each one
        more makes the test of all weaker.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    null : {"var1", "fourier"}, default "var1"
        Null model of all variables together. "var1": a first-order vector autoregression, calibrated so that its
        surrogates, detrended as the data were, have on average the coefficients fitted to the residuals; shrunk to a
        spectral radius of 0.999 where that is not stationary. "fourier": random phases common to all variables, which
        keep every auto- and cross-spectrum.
    n_surrogates : int, default 500
        How many; 0 for trends without p-values, and a verdict of "inconclusive".
    alpha : float, default 0.05
        Level of the test over all indicators together.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps; the standard deviations are then those of
        the first window.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing; "drop" leaves out every time at which a variable is missing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out of each variable first.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values of each variable before anything is taken out of them (see :func:`ews.detect`).
    standardize : bool, default True
        Divide each residual by its standard deviation over the record before indicators are measured, so that no
        variable leads by its unit. Surrogates are divided by their own. The modes do not depend on units.
    method : {"score", "kendall"}, default "score"
        "kendall" makes the trends of the indicators the test, as published practice does: *warning* where the
        min-p-adjusted p of an indicator in its direction of alarm is at most `alpha`. It sees less, and warns of noise
        that grows (:doc:`/api/multivariate`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number; the same seed gives the same result on any number of threads. None draws a fresh
        one, which the result records.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    MultivariateDetection
        The answer with everything that led to it.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used; the message names the argument or the variable.

    References
    ----------
    Weinans, E. et al. (2021). Evaluating the performance of multivariate indicators of resilience loss. Sci. Rep. 11,
    9148. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley. Prichard, D. & Theiler, J.
    (1994). Generating surrogate data for time series with several simultaneously measured variables. Phys. Rev. Lett.
    73, 951–954. Kilian, L. (1998). Small-sample confidence intervals for impulse response functions. Rev. Econ. Stat.
    80, 218–230: the calibration. Switzer, P. & Green, A. A. (1984). Min/max autocorrelation factors for multivariate
    spatial imagery. Stanford University, Technical Report 6. Nyblom, J. (1989). Testing for the constancy of parameters
    over time. JASA 84, 223–230.

    Examples
    --------
    >>> import numpy as np, ews
    >>> noise = np.random.default_rng(1).standard_normal((100, 3))
    >>> found = ews.detect_multivariate(noise, n_surrogates=99)
    >>> found.verdict, found.kind
    ('inconclusive', 'none')
    """
    nulls.check(n_surrogates=n_surrogates)
    method = checks.choice("method", method, METHODS)
    detrend = DETRENDING[method] if detrend == "default" else detrend
    null = checks.choice("null", null, joint_nulls.NAMES)
    causal, standardize = checks.flag("causal", causal), checks.flag("standardize", standardize)
    alpha, resolved = checks.alpha(alpha), resolve_seed(seed)
    variables = _clean(data, time=time, until=until, missing=missing, duplicates=duplicates, causal=causal)
    counted = {name: count_values(series.values) for name, series in variables.items()}
    original = [series.values for series in variables.values()]
    for name, series in variables.items():
        variables[name] = _checked(on_scale, name, series, transform)
        _checked(check_size, name, variables[name].values)
    one = next(iter(variables.values()))
    if season is not None and missing == "drop":
        raise ArgumentError("missing", missing, '"interpolate" with a season: leaving samples out shifts its phase')
    values = np.stack([series.values for series in variables.values()])
    pipeline = resolve(
        values.shape,
        step=one.step,
        detrend=detrend,
        bandwidth=bandwidth,
        window=window,
        indicators=indicators,
        trend=trend,
        causal=causal,
        season=season,
        standardize=standardize,
    )
    from ews._kernels.jit import announce_compilation

    announce_compilation()
    trend_values = pipeline.plan.rows(values)
    residual = np.stack(
        [_checked(residual_of, name, *each) for name, *each in zip(variables, values, trend_values, strict=True)]
    )
    measured = pipeline.measure(residual[None])
    tau = pipeline.tau(measured)[:, 0]
    spread = {
        name: spread_with_level(*each) if transform is None else None
        for name, *each in zip(variables, original, residual, strict=True)
    }
    record = Record(
        variables=variables,
        counts=counted,
        spread=spread,
        pipeline=pipeline,
        values=values,
        taken=trend_values,
        residual=residual,
        measured=measured,
        tau=tau,
        config=MultivariateConfig(
            window=pipeline.window,
            window_fraction=pipeline.window / pipeline.n,
            detrend=detrend,
            bandwidth=np.asarray(pipeline.plan.bandwidth).item(),
            indicators=tuple(each.name for each in pipeline.indicators),
            trend=trend,
            null=null,
            n_surrogates=int(n_surrogates),
            alpha=alpha,
            causal=causal,
            until=None if until is None else str(until),
            missing=missing,
            duplicates=duplicates,
            season=None if season is None else int(season),
            seed=resolved,
            standardize=standardize,
            transform=name_of(transform),
            method=method,
        ),
        progress=progress,
    )
    return scores.answer(record) if method == "score" else kendall.answer(record)


def _clean(data: Any, *, time: Any, **options: Any) -> dict[str, Series]:
    """Every variable as a series, all at the same times."""
    columns, time = as_columns(data, time=time)
    cleaned = {}
    for name, column in columns.items():
        try:
            cleaned[name] = as_series(column, time=time, name=name, **options)
        except ArgumentError as error:
            raise of_variable(name, error) from None
    common = next(iter(cleaned.values())).time
    for series in cleaned.values():
        common = np.intersect1d(common, series.time)
    if common.size < max(len(series) for series in cleaned.values()):
        if options["missing"] == "raise":
            raise IrregularSpacingError("time", described("variables of unlike times"), "one time axis for all")
        cleaned = {name: _at(series, common, options["missing"]) for name, series in cleaned.items()}
    for name, series in cleaned.items():
        _checked(check_size, name, series.values)
    return cleaned


def _at(series: Series, common: Any, missing: str) -> Series:
    """The series at the times that all variables share."""
    if common.size == 0 or (missing != "drop" and not consecutive(common)):
        raise IrregularSpacingError(
            "time", described("variables observed at different times"), "one time axis, or data resampled to one"
        )
    note = f"{common.size} of {len(series)} times are shared by all variables: only those used"
    notes = series.notes if common.size == len(series) else (*series.notes, note)
    values = series.values[np.isin(series.time, common)]
    step = as_series(values, time=common, missing="drop").step
    return replace(series, values=values, time=common, step=step, notes=notes)


def _checked(function: Any, name: str, *values: Any) -> Any:
    try:
        return function(*values)
    except ArgumentError as error:
        raise of_variable(name, error) from None


def resolve(
    shape: tuple[int, ...],
    *,
    step: float,
    detrend: str | None,
    bandwidth: float | None,
    window: Any,
    indicators: Any,
    trend: Any,
    causal: bool,
    season: int | None,
    standardize: bool,
) -> MultivariatePipeline:
    """Check every choice against the shape of the data and resolve it."""
    variables, n = shape
    chosen = [get(name) for name in checks.names("indicators", indicators, MULTIVARIATE)]
    trend = checks.choice("trend", trend, trends.METHODS)
    if season is not None and detrend == "difference":
        raise ArgumentError(
            "season", season, 'None with detrend="difference": surrogates of differences have no season'
        )
    try:
        samples = resolve_window(window, n, shortest=max(each.shortest_window(variables) for each in chosen))
        plan = plan_detrending(detrend, n=n, bandwidth=bandwidth, causal=causal, season=season)
    except SeriesTooShortError as error:
        raise SeriesTooShortError("data", error.given, error.allowed) from None
    return MultivariatePipeline(plan, chosen, samples, trend, step, n, variables, standardize, causal)
