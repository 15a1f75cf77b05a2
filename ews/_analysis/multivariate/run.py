"""``ews.detect_multivariate``: several variables of one system, one verdict; orchestration only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._analysis.detect.run import _announce_compilation, _check_size, _residual
from ews._analysis.multivariate import controls as _multivariate_control
from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.multivariate.result import MultivariateConfig, MultivariateDetection
from ews._common import checks
from ews._common.alarms import SUFFICIENT_POWER, Statistic, westfall_young
from ews._common.gaps import consecutive
from ews._common.words import p_clause
from ews._significance.pipeline import in_chunks
from ews._significance.resolve import resolve_seed, resolve_window
from ews._significance.surrogates import BAND_SURROGATES
from ews.detrend import plan as plan_detrending
from ews.errors import (
    ArgumentError,
    IrregularSpacingError,
    SeriesTooShortError,
    described,
)
from ews.multivariate import nulls as joint_nulls
from ews.multivariate.reading import as_columns, of_variable
from ews.multivariate.registry import MULTIVARIATE, MultivariateIndicator, get
from ews.results import ARROWS, IndicatorSeries, Significance, SurrogateBand, Verdict
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["DEFAULT_INDICATORS", "detect_multivariate", "resolve"]

FloatArray = npt.NDArray[np.float64]

DEFAULT_INDICATORS = ("mean_variance", "jacobian_eigenvalue")


def detect_multivariate(
    data: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
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
    standardize: bool = True,
    seed: int | np.random.Generator | None = 0,
) -> MultivariateDetection:
    """Ask of several variables of one system, together, whether it is losing resilience, and test the answer.

    Each variable is detrended and divided by its standard deviation; multivariate indicators are measured in a rolling
    window, each value stamped with the window's right edge; their trends are compared with those of surrogates of all
    variables together, drawn from a null fitted to the residuals, each of which goes through all of it again.

    The verdict follows the rule of :func:`ews.detect`: *warning* where the min-p-adjusted p of an indicator in its
    alarm direction is ≤ `alpha`; else *no warning* where the power on a positive control is ≥ 0.8; else *inconclusive*.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        At least two variables: pandas or polars DataFrame, numpy array, xarray DataArray of two dimensions (time first)
        or Dataset, mapping from names to columns, or data set. All have the same times.
    time : array_like of shape (n,) or str, optional
        Numbers or dates, or the name of a column (default: the index or coordinate of `data`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default "gaussian"
        What is taken out of each variable before the windows (see :data:`ews.detrend.METHODS`).
    bandwidth : float or int, optional
        Bandwidth or span: a fraction of the record, or a number of samples. Default: the method's own.
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
    standardize : bool, default True
        Divide each residual by its standard deviation over the record, so that no variable leads by its unit.
        Surrogates are divided by their own.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number; the same seed gives the same result on any number of threads. None draws a fresh
        one, which the result records.

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
    80, 218–230: the calibration.

    Examples
    --------
    >>> import numpy as np, ews
    >>> noise = np.random.default_rng(1).standard_normal((100, 3))
    >>> found = ews.detect_multivariate(noise, n_surrogates=99)
    >>> found.verdict, list(found.tau)
    ('inconclusive', ['mean_variance', 'jacobian_eigenvalue'])
    """
    nulls.check(n_surrogates=n_surrogates)
    null = checks.choice("null", null, joint_nulls.NAMES)
    causal, standardize = checks.flag("causal", causal), checks.flag("standardize", standardize)
    alpha, resolved = checks.alpha(alpha), resolve_seed(seed)
    variables = _clean(data, time=time, until=until, missing=missing, duplicates=duplicates, causal=causal)
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
    _announce_compilation()
    trend_values = pipeline.plan.rows(values)
    residual = np.stack(
        [_checked(_residual, name, *each) for name, *each in zip(variables, values, trend_values, strict=True)]
    )
    measured = pipeline.measure(residual[None])
    tau = pipeline.tau(measured)[:, 0]
    tested, bands, power = _test(pipeline, tau, residual, null, int(n_surrogates), alpha, resolved)
    verdict, reasons = _decide(pipeline.indicators, tested, power, alpha)
    return MultivariateDetection(
        verdict=verdict,
        reasons=reasons,
        variables=variables,
        trend=trend_values.T.copy(),
        residual=residual.T.copy(),
        scale=pipeline.scale(residual[None])[0, :, 0],
        indicators={
            each.name: IndicatorSeries(each.name, each.label, each.alarm, found[0], one.time)
            for each, found in zip(pipeline.indicators, measured, strict=True)
        },
        tau=tested.tau,
        pvalue=tested.pvalue,
        pvalue_adjusted=tested.pvalue_adjusted,
        surrogate_tau=tested.surrogate_tau,
        surrogate_band=bands,
        power=power,
        power_sentence=_multivariate_control.POWER_SENTENCE,
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
        ),
        detrend_sentence=pipeline.plan.sentence,
        scale_sentence=_scale_sentence(pipeline),
        null_sentence=tested.null_sentence,
    )


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
        _checked(_check_size, name, series.values)
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


def _checked(function: Any, name: str, *values: FloatArray) -> Any:
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


def _decide(
    indicators: Sequence[MultivariateIndicator], tested: Significance, power: float | None, alpha: float
) -> tuple[Verdict, tuple[str, ...]]:
    """The rule of :func:`ews.detect`, and why it came out so."""
    if power is None:
        return "inconclusive", ("no surrogates were drawn, so no trend was tested",)
    alarms, others = [], []
    for indicator in indicators:
        tau, p = tested.tau[indicator.name], tested.pvalue_adjusted[indicator.name]
        proper = indicator.label.startswith(("Fisher", "Jacobian"))
        name = indicator.label if proper else indicator.label[0].lower() + indicator.label[1:]
        if np.isnan(tau):
            others.append(f"{name} is undefined in this record")
            continue
        way = "rises" if tau > 0 else "falls" if tau < 0 else "has no trend"
        sentence = f"{name} {way} (τ = {tau:+.2f}, adjusted {p_clause(p)})"
        if Statistic(indicator.alarm).warns(np.array(tau), np.array(p), alpha):
            alarms.append(sentence)
        elif p <= alpha:
            others.append(f"{sentence}, against its direction of alarm ({ARROWS[indicator.alarm]})")
        else:
            others.append(f"{sentence}, within what the null gives")
    smallest = 2.0 / (1.0 + tested.n_surrogates)
    if smallest > alpha:
        others.append(f"{tested.n_surrogates} surrogates cannot give a p below {smallest:.3g}: draw more")
    found = f"{100 * power:.0f} % of positive controls of this length got a warning"
    if alarms:
        return "warning", (*alarms, *others)
    if power >= SUFFICIENT_POWER:
        return "no warning", (*others, f"{found}, so a loss of resilience like theirs would probably have shown")
    return "inconclusive", (*others, f"only {found}: too few to take silence for safety")


def _scale_sentence(pipeline: MultivariatePipeline) -> str:
    if not pipeline.standardize:
        return "residuals measured in their own units"
    over = "the first window" if pipeline.causal else "the record"
    return f"each residual divided by its standard deviation over {over}; surrogates by their own"


def _test(
    pipeline: MultivariatePipeline,
    tau: FloatArray,
    residual: FloatArray,
    null: joint_nulls.MultivariateNullName,
    n_surrogates: int,
    alpha: float,
    seed: int,
) -> tuple[Significance, dict[str, SurrogateBand], float | None]:
    """p-values, bands and power; all empty where no surrogates are asked for."""
    names = [indicator.name for indicator in pipeline.indicators]
    observed = dict(zip(names, map(float, tau), strict=True))
    if n_surrogates == 0:
        nothing = dict.fromkeys(names, np.nan)
        empty = {name: np.empty(0) for name in names}
        return Significance(observed, nothing, nothing, empty, "no surrogates were drawn", 0, seed), {}, None
    finite = np.ascontiguousarray(residual[:, pipeline.lost :])
    fitted = joint_nulls.fit(finite, null=null)
    if isinstance(fitted, joint_nulls.VAR1):
        fitted = fitted.calibrated(pipeline.refitted, seed=seed)

    def measured(first: int, count: int) -> tuple[FloatArray, FloatArray]:
        rows = pipeline.surrogate_residual(fitted.draw(first, count, seed=seed))
        found = pipeline.measure(rows)
        return pipeline.tau(found), np.stack(found)[:, : max(0, BAND_SURROGATES - first)]

    parts = in_chunks(measured, n_surrogates, n=pipeline.chunk_length)
    surrogate = np.concatenate([part[0] for part in parts], axis=1)
    single, adjusted = westfall_young(tau, surrogate)
    tested = Significance(
        tau=observed,
        pvalue=dict(zip(names, map(float, single), strict=True)),
        pvalue_adjusted=dict(zip(names, map(float, adjusted), strict=True)),
        surrogate_tau=dict(zip(names, surrogate, strict=True)),
        null_sentence=fitted.sentence,
        n_surrogates=n_surrogates,
        seed=seed,
    )
    bands = _bands(np.concatenate([part[1] for part in parts], axis=1), names, pipeline.window)
    memory = joint_nulls.VAR1.fit(finite)
    power = _multivariate_control.power(pipeline, memory, alpha=alpha, n_surrogates=n_surrogates, seed=seed)
    return tested, bands, power


def _bands(values: FloatArray, names: Sequence[str], window: int) -> dict[str, SurrogateBand]:
    """Pointwise 95 % band of each indicator over the first surrogates, (indicators, surrogates, n)."""
    bands = {}
    for name, table in zip(names, np.sort(values, axis=1), strict=True):  # NaN last
        defined = np.maximum((~np.isnan(table)).sum(axis=0), 1)
        curves = []
        for level in (0.025, 0.5, 0.975):
            row = np.minimum((level * defined).astype(np.int64), defined - 1)
            curve = np.take_along_axis(table, row[None], axis=0)[0]
            curve[: window - 1] = np.nan
            curves.append(curve)
        bands[name] = SurrogateBand(*curves)
    return bands
