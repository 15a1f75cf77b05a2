"""``ews.detect``: the pipeline from a series to a verdict; orchestration only."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._analysis.assessment.result import Assessment, Assessments
from ews._common import checks
from ews._common.ages import Ages
from ews._common.alarms import SUFFICIENT_POWER, Statistic
from ews._significance import controls as _controls
from ews._significance import surrogates as _significance
from ews._significance.pipeline import Pipeline, Progress, Stages
from ews._significance.resolve import resolve_pipeline, resolve_seed
from ews._tables.result import Table
from ews.errors import ArgumentError, DuplicatedTimesError, MissingValuesError, ValueRangeError, described
from ews.results import ARROWS, DetectConfig, Detection, Detections, IndicatorSeries, Significance, Verdict
from ews.series import Duplicates, Missing, Series, as_series, split_columns

__all__ = ["DEFAULT_INDICATORS", "detect"]

FloatArray = npt.NDArray[np.float64]

Method = Literal["indicators", "auto"]
METHODS: tuple[Method, ...] = ("indicators", "auto")
DEFAULT_INDICATORS = ("variance", "ac1", "skewness")
# Detrending an exact line leaves up to 1e-14 of the values' size.
ROUNDING = 1e-13
# Fourth powers must neither vanish nor overflow.
SMALLEST, LARGEST = 1e-70, 1e70


def detect(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    indicators: Sequence[str] | str = DEFAULT_INDICATORS,
    trend: trends.TrendMethod = "kendall",
    null: nulls.NullName = "ar1",
    n_surrogates: int = 1000,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    method: Method = "indicators",
    seed: int | np.random.Generator | None = 0,
) -> Detection | Detections | Assessment | Assessments:
    """Ask of a series whether its system is losing resilience, and test the answer.

    The series is detrended; indicators are measured in a rolling window, each value stamped with the window's right
    edge; the trend of each indicator is compared with the trends of surrogates drawn from a null fitted to the
    residual, each of which goes through detrending and windows again.

    The verdict is *warning* where the min-p-adjusted p of an indicator in its alarm direction is ≤ `alpha`; else
    *no warning* where the power on a positive control of this length is ≥ 0.8; else *inconclusive*.

    Parameters
    ----------
    series : array_like of shape (n,), DataFrame or Table
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray. A DataFrame of several columns gives
        one result a column, all with the same seed; so does what :func:`ews.read_table` read from a file, which keeps
        its times and says in the report how the file was read.
    time : array_like of shape (n,) or str, optional
        Numbers or dates, or the name of a DataFrame column (default: the index or coordinate of `series`, else 0, 1,
        …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default "gaussian"
        What is taken out before the windows (see :data:`ews.detrend.METHODS`). A centred Gaussian smoother is the
        field's habit (Dakos et al. 2008); it uses later samples too, and the report says so.
    bandwidth : float or int, optional
        Bandwidth or span: a fraction of the record, or a number of samples. Default: the method's own, 0.2 for
        "gaussian" as in published practice.
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples. Half of the record is the field's habit (Dakos
        et al. 2012).
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators (``ews indicators`` lists them). Few: each one more makes the test of all weaker.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates.
    n_surrogates : int, default 1000
        How many; 0 for trends without p-values, and a verdict of "inconclusive".
    alpha : float, default 0.05
        Level of the test over all indicators together.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
    until : number or date, optional
        Last time used, for example a known transition: data after it would make any test see it. A date without a time
        of day stands for the whole of its day, month or year.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    method : {"indicators", "auto"}, default "indicators"
        "indicators" tests the trends of the indicators. "auto" tests with them the evidence of a learned classifier
        (:func:`ews.bifurcations.classifier`) and the bimodality of the last half, runs the detectors of
        :mod:`ews.bifurcations`, and says of which kind a warning is, towards which bifurcation, and what share of
        positive controls of each kind it would have warned of. It needs 40 samples.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number; the same seed gives the same result on any number of threads. None draws a fresh
        one, which the result records.

    Returns
    -------
    Detection, or Assessment with method="auto"
        The answer with everything that led to it; a mapping by column (Detections, Assessments) for a table of several
        columns.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used; the message names the argument, what was given and what is allowed.

    References
    ----------
    Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53–59. Dakos, V. et al.
    (2008). Slowing down as an early warning signal for abrupt climate change. PNAS 105, 14308–14312. Dakos, V. et al.
    (2012). Methods for detecting early warnings of critical transitions in time series. PLoS ONE 7, e41010.
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions. J.
    R. Soc. Interface 9, 2527–2539.

    Examples
    --------
    >>> import ews
    >>> population = ews.datasets.load("simulated_fold")
    >>> ews.detect(population, until=population.transition).verdict
    'warning'
    """
    return detect_with_progress(
        series,
        time=time,
        detrend=detrend,
        bandwidth=bandwidth,
        window=window,
        indicators=indicators,
        trend=trend,
        null=null,
        n_surrogates=n_surrogates,
        alpha=alpha,
        causal=causal,
        until=until,
        missing=missing,
        duplicates=duplicates,
        season=season,
        method=method,
        seed=seed,
    )


def detect_with_progress(
    series: Any, *, progress: Progress | None = None, **options: Any
) -> Detection | Detections | Assessment | Assessments:
    """:func:`detect`, calling ``progress(done, total)`` as simulated series are done, for each column anew."""
    chosen = {**_DEFAULTS, **options}
    chosen["seed"] = resolve_seed(chosen["seed"])
    columns: Mapping[str, Any] | None
    if isinstance(series, Table):
        if chosen["time"] is not None:
            raise ArgumentError("time", described("times beside a table that has its own"), "None")
        columns, chosen["table"] = series, series
    else:
        columns, chosen["time"] = split_columns(series, time=chosen["time"])
    if columns is None:
        return _detect_one(series, name=None, progress=progress, **chosen)
    results = {name: _detect_column(column, name, progress, chosen) for name, column in columns.items()}
    if len(results) == 1:
        return next(iter(results.values()))
    if chosen["method"] == "auto":
        return Assessments({name: one for name, one in results.items() if isinstance(one, Assessment)})
    return Detections({name: one for name, one in results.items() if isinstance(one, Detection)})


# The defaults stand in the signature of `detect` and nowhere else.
_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(detect).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
}


def _detect_column(data: Any, name: str, progress: Progress | None, options: dict[str, Any]) -> Detection | Assessment:
    """One column of a table; what is wrong with its values is said of the column."""
    try:
        return _detect_one(data, name=name, progress=progress, **options)
    except ArgumentError as error:
        if error.argument != "series":
            raise
        raise type(error)(f"series, column {name!r}", error.given, error.allowed) from None


def _detect_one(
    data: Any,
    *,
    time: Any,
    name: str | None,
    progress: Progress | None,
    seed: int,
    detrend: str | None,
    bandwidth: float | None,
    window: float,
    indicators: Sequence[str] | str,
    trend: trends.TrendMethod,
    null: nulls.NullName,
    n_surrogates: int,
    alpha: float,
    causal: bool,
    until: Any,
    missing: Missing,
    duplicates: Duplicates,
    season: int | None,
    method: Any,
    table: Table | None = None,
) -> Detection | Assessment:
    method = checks.choice("method", method, METHODS)
    nulls.check(null=null, n_surrogates=n_surrogates)
    alpha = checks.alpha(alpha)
    cleaned = _cleaned(
        data, table, time=time, name=name, until=until, missing=missing, duplicates=duplicates, causal=causal
    )
    if season is not None and missing == "drop":
        raise ArgumentError("missing", missing, '"interpolate" with a season: leaving samples out shifts its phase')
    n = len(cleaned)
    _check_size(cleaned.values)
    if method == "auto":
        from ews._analysis.assessment.run import check_length

        check_length(n - (detrend == "difference"))
    pipeline = resolve_pipeline(
        n=n,
        step=cleaned.step,
        level=cleaned.values,
        detrend=detrend,
        bandwidth=bandwidth,
        window=window,
        indicators=indicators,
        trend=trend,
        causal=causal,
        season=season,
    )
    _announce_compilation()
    trend_values = pipeline.plan.rows(cleaned.values.reshape(1, -1))[0]
    residual = _residual(cleaned.values, trend_values)
    pipeline = Pipeline(pipeline.plan, pipeline.indicators, pipeline.window, trend, cleaned.step, trend_values)
    measured = pipeline.measure(residual.reshape(1, -1), cleaned.values.reshape(1, -1).copy())
    tau = pipeline.tau(measured)[:, 0]
    tested, intervals, bands, power = _test(pipeline, tau, residual, null, n_surrogates, alpha, seed, progress)
    config = DetectConfig(
        window=pipeline.window,
        window_fraction=pipeline.window / n,
        detrend=detrend,
        bandwidth=np.asarray(pipeline.plan.bandwidth).item(),  # an int stays one: samples, not a fraction
        indicators=tuple(indicator.name for indicator in pipeline.indicators),
        trend=trend,
        null=null,
        n_surrogates=int(n_surrogates),
        alpha=alpha,
        causal=bool(causal),
        until=None if until is None else str(until),
        missing=missing,
        duplicates=duplicates,
        season=None if season is None else int(season),
        seed=seed,
    )
    verdict, reasons = _decide(pipeline, tested, power, alpha)
    detection = Detection(
        verdict=verdict,
        reasons=reasons,
        series=cleaned,
        trend=trend_values,
        residual=residual,
        indicators={
            one.name: IndicatorSeries(one.name, one.label, one.alarm, values[0], cleaned.time)
            for one, values in zip(pipeline.indicators, measured, strict=True)
        },
        tau=tested.tau,
        pvalue=tested.pvalue,
        pvalue_adjusted=tested.pvalue_adjusted,
        tau_interval=dict(zip(config.indicators, intervals, strict=True)),
        surrogate_tau=tested.surrogate_tau,
        surrogate_band=bands,
        power=power,
        power_sentence=_controls.POWER_SENTENCE,
        config=config,
        detrend_sentence=pipeline.plan.sentence,
        null_sentence=tested.null_sentence,
    )
    if method == "indicators":
        return detection
    from ews._analysis.assessment.run import assess

    return assess(detection, pipeline, progress=progress)


def _cleaned(data: Any, table: Table | None, **how: Any) -> Series:
    """The series, with what was recognised in the file that it was read from."""
    if table is None:
        return as_series(data, **how)
    if table.is_age:
        how["time"] = Ages(-data.index)
    elif table.is_age is not None:
        data = data.rename_axis(None)  # its name has been answered for
    try:
        series = as_series(data, **how)
    except DuplicatedTimesError as error:
        if not table.telling:
            raise
        keys = " and ".join(map(repr, table.telling))
        allowed = f"each time once: by=… or where=… with {keys}, which tell the rows apart; or {error.allowed}"
        raise DuplicatedTimesError("time", error.given, allowed) from None
    except MissingValuesError as error:
        missing = np.flatnonzero(data.isna())
        first = missing[np.argsort(data.index[missing], kind="stable")[0]]
        values = "1 missing value" if missing.size == 1 else f"{missing.size} missing values"
        given = described(f"{values}, the first in row {table.rows[how['name']][first]}")
        raise MissingValuesError(error.argument, given, error.allowed) from None
    return replace(series, notes=(*table.notes, *series.notes), time_name=table.time_name)


def _shown(p: float) -> str:
    """A p-value as the tables show it: never 0, never more digits than the surrogates give."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _check_size(values: FloatArray) -> None:
    """Refuse what has nothing to measure, or whose fourth powers overflow."""
    if values.size >= 2 and (values == values[0]).all():
        raise ValueRangeError("series", described(f"{values.size} equal values ({values[0]:g})"), "values that vary")
    if (size := float(np.abs(values).max())) > LARGEST:
        raise ValueRangeError("series", described(f"values up to {size:.3g}"), f"at most {LARGEST:g}: change the unit")


def _residual(values: FloatArray, trend: FloatArray) -> FloatArray:
    """What detrending leaves; where that is rounding, zero, so that no indicator takes it for a signal."""
    residual = values - trend
    residual[np.abs(residual) <= 8 * np.finfo(np.float64).eps * np.abs(values)] = 0.0
    spread, size = float(np.nanmax(residual) - np.nanmin(residual)), float(np.abs(values).max())
    if spread <= ROUNDING * size:
        given = described(f"values that detrending leaves {spread:.1g} of, in a series of size {size:.3g}")
        raise ValueRangeError("series", given, "values that vary about their trend; or another way to detrend")
    if spread < SMALLEST:
        raise ValueRangeError(
            "series", described(f"a residual of size {spread:.1g}"), f"at least {SMALLEST:g}: change the unit"
        )
    return residual


def _test(
    pipeline: Pipeline,
    tau: FloatArray,
    residual: FloatArray,
    null: nulls.NullName,
    n_surrogates: int,
    alpha: float,
    seed: int,
    progress: Progress | None,
) -> tuple[Significance, list[tuple[float, float]], dict[str, Any], float | None]:
    """p-values, intervals, bands and power; all empty where no surrogates are asked for."""
    if n_surrogates == 0:
        names = [indicator.name for indicator in pipeline.indicators]
        nothing = dict.fromkeys(names, np.nan)
        empty = {name: np.empty(0) for name in names}
        observed = dict(zip(names, map(float, tau), strict=True))
        tested = Significance(observed, nothing, nothing, empty, "no surrogates were drawn", 0, seed)
        return tested, [(np.nan, np.nan)] * tau.size, {}, None
    finite = residual[np.isfinite(residual)]
    fitted = nulls.fit(finite, null=null)
    stages = Stages(progress, n_surrogates + _controls.INTERVAL_SERIES + _controls.power_series(n_surrogates, alpha))
    tested, bands = _significance.hold_against(
        pipeline, tau, fitted, n_surrogates=n_surrogates, seed=seed, progress=stages.next()
    )
    intervals = _controls.tau_intervals(pipeline, tau, finite, alpha=alpha, seed=seed, progress=stages.next())
    memory = nulls.AR1.fit(finite)
    power = _controls.power(
        pipeline,
        memory.coefficient,
        alpha=alpha,
        n_surrogates=n_surrogates,
        seed=seed,
        innovation_sd=memory.innovation_sd,
        progress=stages.next(),
    )
    return tested, intervals, bands, power


def _decide(
    pipeline: Pipeline, tested: Significance, power: float | None, alpha: float
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict's rule, as documented in :func:`detect`, and why it came out so."""
    if power is None:
        return "inconclusive", ("no surrogates were drawn, so no trend was tested",)
    alarms, others = [], []
    for indicator in pipeline.indicators:
        tau, p = tested.tau[indicator.name], tested.pvalue_adjusted[indicator.name]
        if np.isnan(tau):
            others.append(f"{indicator.label.lower()} is undefined in this record")
            continue
        way = "rises" if tau > 0 else "falls" if tau < 0 else "has no trend"
        sentence = f"{indicator.label.lower()} {way} (τ = {tau:+.2f}, adjusted {_shown(p)})"
        if Statistic(indicator.alarm).warns(np.array(tau), np.array(p), alpha):
            alarms.append(sentence)
        elif p <= alpha:
            others.append(f"{sentence}, against its direction of alarm ({ARROWS[indicator.alarm]})")
        else:
            others.append(f"{sentence}, within what the null gives")
    found = f"{100 * power:.0f} % of positive controls of this length got a warning"
    smallest = 2.0 / (1.0 + tested.n_surrogates)
    if smallest > alpha:
        others.append(f"{tested.n_surrogates} surrogates cannot give a p below {smallest:.3g}: draw more")
    if alarms:
        return "warning", (*alarms, *others)
    if power >= SUFFICIENT_POWER:
        return "no warning", (*others, f"{found}, so a loss of resilience like theirs would probably have shown")
    return "inconclusive", (*others, f"only {found}: too few to take silence for safety")


def _announce_compilation() -> None:
    from ews._kernels.jit import announce_compilation

    announce_compilation()
