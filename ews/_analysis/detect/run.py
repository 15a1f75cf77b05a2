"""``ews.detect``: the pipeline from a series to a verdict; orchestration only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._analysis.assessment.result import Assessment, Assessments
from ews._common import checks
from ews._common.ages import Ages
from ews._common.missing_codes import far_note
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._common.values import count_values, spread_with_level
from ews._common.words import cautions
from ews._significance import controls as _controls
from ews._significance import surrogates as _significance
from ews._significance.pipeline import Pipeline, Stages
from ews._significance.resolve import on_scale, resolve_pipeline, resolve_seed
from ews._significance.verdict import TrendOutcome, decide
from ews._tables.result import Table, ways_apart
from ews.errors import ArgumentError, DuplicatedTimesError, MissingValuesError, ValueRangeError, described
from ews.results import DetectConfig, Detection, Detections, IndicatorSeries, Significance
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


@reported("testing")
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
    transform: Transform = None,
    method: Method = "indicators",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Detection | Detections | Assessment | Assessments:
    """Test a series for early-warning signals of a loss of resilience.

    The series is detrended; indicators are measured in a rolling window, each value stamped with the window's right
    edge; the trend of each indicator is compared with the trends of surrogates drawn from a null fitted to the
    residual, each of which goes through detrending and windows again.

    The verdict is *warning* where the min-p-adjusted p of an indicator in its alarm direction is ≤ `alpha`; else
    *no warning* where the power on a positive control of this length is ≥ 0.8; else *inconclusive*. It is
    *inconclusive* too where the values allow no answer: most of them equal, five distinct ones or fewer, or one value
    throughout half of a window.

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
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them: "log" where the spread grows with the level, as of
        biomass, "log1p" where there are zeros too, "sqrt" or "anscombe" (2 √(x + 3/8)) for counts, or a function from
        an array of values to as many (:doc:`/guide/transforms`).
    method : {"indicators", "auto"}, default "indicators"
        "indicators" tests the trends of the indicators. "auto" tests with them the evidence of a learned classifier
        (:func:`ews.bifurcations.classifier`) and the bimodality of the last half, runs the detectors of
        :mod:`ews.bifurcations`, and says of which kind a warning is, towards which bifurcation, and what share of
        positive controls of each kind it would have warned of. It needs 40 samples.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number; the same seed gives the same result on any number of threads. None draws a fresh
        one, which the result records.
    progress : None, True or callable, default None
        True draws a bar on standard error; a function is called as ``progress(done, total)``, on the calling thread.
        For a table it counts each column anew; with method="auto", the indicators and then the detectors.

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
    options = dict(locals())  # every choice as it was given
    del options["series"], options["progress"]
    options["seed"] = resolve_seed(seed)
    columns: Mapping[str, Any] | None
    if isinstance(series, Table):
        if time is not None:
            raise ArgumentError("time", described("times beside a table that has its own"), "None")
        columns, options["table"] = series, series
    else:
        columns, options["time"] = split_columns(series, time=time)
    if columns is None:
        return _detect_one(series, name=None, progress=progress, **options)
    results = {name: _detect_column(column, name, progress, options) for name, column in columns.items()}
    if len(results) == 1:
        return next(iter(results.values()))
    if method == "auto":
        return Assessments({name: one for name, one in results.items() if isinstance(one, Assessment)})
    return Detections({name: one for name, one in results.items() if isinstance(one, Detection)})


def _detect_column(data: Any, name: str, progress: ProgressOption, options: dict[str, Any]) -> Detection | Assessment:
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
    progress: ProgressOption,
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
    transform: Transform,
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
    check_size(cleaned.values)
    counted, original = count_values(cleaned.values), cleaned.values
    cleaned = on_scale(cleaned, transform)
    check_size(cleaned.values)
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
    from ews._kernels.jit import announce_compilation

    announce_compilation()
    trend_values = pipeline.plan.rows(cleaned.values.reshape(1, -1))[0]
    residual = residual_of(cleaned.values, trend_values)
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
        transform=name_of(transform),
    )
    spread = spread_with_level(original, residual) if transform is None else None
    trends_tested = [
        TrendOutcome(one.label, one.alarm, tested.tau[one.name], tested.pvalue_adjusted[one.name])
        for one in pipeline.indicators
    ]
    hints = [spread.sentence()] if spread is not None and spread.matters else []
    verdict, reasons = decide(
        trends_tested,
        alpha=alpha,
        n_surrogates=tested.n_surrogates,
        power=power,
        obstacles=counted.obstacles(pipeline.window),
        hints=hints,
        steps=_steps(cleaned, season),
    )
    reasons = (*cautions(cleaned.notes), *reasons)
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
        counts=counted,
        spread=spread,
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
        raise DuplicatedTimesError(
            "time", error.given, f"{error.allowed}; {ways_apart(table.telling, table.time_name)}"
        ) from None
    except MissingValuesError as error:
        missing = np.flatnonzero(data.isna())
        first = missing[np.argsort(data.index[missing], kind="stable")[0]]
        values = "1 missing value" if missing.size == 1 else f"{missing.size} missing values"
        given = described(f"{values}, the first in row {table.rows[how['name']][first]}")
        raise MissingValuesError(error.argument, given, error.allowed) from None
    far = far_note(np.asarray(data, dtype=np.float64))  # the table has said so of its cells
    notes = (*table.notes, *(one for one in series.notes if one != far))
    return replace(series, notes=notes, time_name=table.time_name)


def check_size(values: FloatArray) -> None:
    """Refuse what has nothing to measure, or whose fourth powers overflow."""
    if values.size >= 2 and (values == values[0]).all():
        raise ValueRangeError("series", described(f"{values.size} equal values ({values[0]:g})"), "values that vary")
    if (size := float(np.abs(values).max())) > LARGEST:
        raise ValueRangeError("series", described(f"values up to {size:.3g}"), f"at most {LARGEST:g}: change the unit")


def residual_of(values: FloatArray, trend: FloatArray) -> FloatArray:
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
    progress: ProgressOption,
) -> tuple[Significance, list[tuple[float, float]], dict[str, Any], float | None]:
    """p-values, intervals, bands and power; all empty where no surrogates are asked for."""
    if n_surrogates == 0:
        return _significance.untested(pipeline, tau, seed), [(np.nan, np.nan)] * tau.size, {}, None
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


def _steps(series: Series, season: int | None) -> list[str]:
    """What may settle an inconclusive answer."""
    steps = ["a longer record (ews.length_needed(result) estimates how long)"]
    found = series.sampling.season
    if season is None and found is not None and found.notable:
        steps.append(f"season={found.period}, which takes out the cycle of a {found.cycle}")
    return [*steps, "other windows and bandwidths, all of them in one test (ews.sensitivity)"]
