"""``ews.detect``: the pipeline from a series to a verdict; orchestration only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._analysis.detect import kendall, scores
from ews._analysis.detect.reading import cleaned
from ews._analysis.detect.record import Record
from ews._analysis.score_tests.measurement import ErrorChoice, checked
from ews._analysis.score_tests.recording import KeptPipeline, recorded
from ews._analysis.score_tests.testing import FEWEST
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._common.values import count_values, spread_with_level
from ews._significance.pipeline import Pipeline
from ews._significance.resolve import fewest_observations, on_scale, resolve_indicators, resolve_seed
from ews._significance.usable import check_size, residual_of
from ews._significance.windows import check_test
from ews._tables.result import Table
from ews.detrend.methods import SMOOTHER
from ews.errors import ArgumentError, SeriesTooShortError, described
from ews.results import DetectConfig, Detection, Detections
from ews.series import Series, split_columns

__all__ = ["DEFAULT_INDICATORS", "detect"]

FloatArray = npt.NDArray[np.float64]
Method = Literal["score", "kendall"]
# "default" is "keep" and "mean" for the score tests, "raise" for both with method="kendall".
Missing = Literal["default", "keep", "raise", "interpolate", "drop"]
Duplicates = Literal["default", "mean", "raise"]
METHODS: tuple[Method, ...] = ("score", "kendall")
RENAMED = {"auto": "score", "indicators": "kendall"}
# What each method takes out by default: nothing may lag at the ends where memory is scored; the field's habit else.
DETRENDING = {"score": SMOOTHER, "kendall": "gaussian"}
DEFAULT_INDICATORS = ("variance", "ac1", "skewness")


@reported("testing")
def detect(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "default",
    bandwidth: Any = None,
    window: Any = 0.5,
    indicators: Sequence[str] | str = DEFAULT_INDICATORS,
    trend: trends.TrendMethod = "kendall",
    null: nulls.NullName = "ar1",
    n_surrogates: int = 1000,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "default",
    duplicates: Duplicates = "default",
    season: int | None = None,
    transform: Transform = None,
    method: Method = "score",
    measurement_error: ErrorChoice | None = "default",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Detection | Detections:
    """Test a series for early-warning signals of a loss of resilience.

    The series is detrended, and score tests ask of the residual whether its memory drifts towards +1 or −1, whether an
    oscillation loses its damping, and whether the noise grows (see :func:`ews.score_tests`), against surrogates drawn
    from a null fitted to the residual, each of which is detrended again. Beside them stand the indicators in a rolling
    window, each value stamped with the window's right edge.

    The verdict is *warning* where memory or damping drifts towards instability at the family-wise level `alpha`; noise
    that only grows is said to be that, and is no warning. Else it is *no warning* where at least 0.8 of the positive
    controls of every kind, of this length and memory, would have warned; else *inconclusive*, with the length that
    would be needed. It is *inconclusive* too where the values allow no answer: most of them equal, five distinct ones
    or fewer, or one value throughout half of a window.

    Parameters
    ----------
    series : array_like of shape (n,), DataFrame or Table
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray. A DataFrame of several columns gives
        one result a column, all with the same seed; so does what :func:`ews.read_table` read from a file, which keeps
        its times and says in the report how the file was read.
    time : array_like of shape (n,) or str, optional
        Numbers or dates, or the name of a DataFrame column (default: the index or coordinate of `series`, else 0, 1,
        …).
    detrend : {"default", "local_quadratic", "local_linear", "gaussian", "lowess", "linear", "difference", ...} or None
        What is taken out first (see :data:`ews.detrend.METHODS`). By default "local_quadratic", which does not lag
        behind a moving mean at the ends of the record; with method="kendall" "gaussian", the field's habit (Dakos et
        al. 2008). Centred, both use later samples too, and the report says so.
    bandwidth : float, int or length of time, optional
        Bandwidth or span: a fraction of the record, a number of samples, or of dated records a length such as "5y".
        Default: the smoother's own, 0.2 for "gaussian" as in published practice.
    window : float, int or length of time, default 0.5
        Window length: a fraction of the record, a number of samples, or of dated records a length such as "5y". Half of
        the record is the field's habit (Dakos et al. 2012).
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators (``ews indicators`` lists them). Few: each one more makes the test of all weaker.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates.
    n_surrogates : int, default 1000
        How many; 0 for no p-values, and a verdict of "inconclusive".
    alpha : float, default 0.05
        Level of the test, over all that it tests together.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
    until : number or date, optional
        Last time used, for example a known transition: data after it would make any test see it. A date without a time
        of day stands for the whole of its day, month or year.
    missing : {"default", "keep", "raise", "interpolate", "drop"}, default "default"
        What to do with NaN and with uneven spacing: take the observations at their own times ("keep"), refuse, fill in,
        or take what is left as consecutive. By default they are kept; method="kendall" needs even steps, and refuses.
        Whatever is done to the record is done to its surrogates.
    duplicates : {"default", "mean", "raise"}, default "default"
        What to do with several observations at one time: average them, and as many of each surrogate; or refuse. By
        default they are averaged, but not in a table whose other columns tell them apart, nor with method="kendall".
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them: "log" where the spread grows with the level, as of
        biomass, "log1p" where there are zeros too, "sqrt" or "anscombe" (2 √(x + 3/8)) for counts, or a function from
        an array of values to as many (:doc:`/guide/transforms`).
    method : {"score", "kendall"}, default "score"
        "kendall" makes the trends of the indicators the test, as published practice does: *warning* where the
        min-p-adjusted p of an indicator in its direction of alarm is at most `alpha`. It sees less (see
        :doc:`/guide/evidence`).
    measurement_error : {"default", "constant", "drifting"} or None, default "default"
        Which measurement error is allowed for, of the same size at all times or of any (see :func:`ews.score_tests`);
        by default the former, where the record looks like it. Not with method="kendall". But for "drifting", error that
        falls with time passes for memory that rises.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number; the same seed gives the same result on any number of threads. None draws a fresh
        one, which the result records.
    progress : None, True or callable, default None
        True draws a bar on standard error; a function is called as ``progress(done, total)``, on the calling thread.
        For a table it counts each column anew.

    Returns
    -------
    Detection
        The answer with everything that led to it; a mapping by column (Detections) for a table of several columns.

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
    R. Soc. Interface 9, 2527–2539. Nyblom, J. (1989). Testing for the constancy of parameters over time. JASA 84,
    223–230.

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
    return Detections(results)


def _detect_column(data: Any, name: str, progress: ProgressOption, options: dict[str, Any]) -> Detection:
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
    bandwidth: Any,
    window: Any,
    indicators: Sequence[str] | str,
    trend: trends.TrendMethod,
    null: nulls.NullName,
    n_surrogates: int,
    alpha: float,
    causal: bool,
    until: Any,
    missing: str,
    duplicates: str,
    season: int | None,
    transform: Transform,
    method: Any,
    measurement_error: ErrorChoice | None,
    table: Table | None = None,
) -> Detection:
    method = _method(method)
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    measurement_error = checked(measurement_error, null=test.null)
    if method == "kendall" and measurement_error == "default":
        measurement_error = None
    if measurement_error is not None and method != "score":
        given = described(f"{measurement_error!r} with method={method!r}")
        raise ArgumentError("measurement_error", given, '"default" or None, or method="score"')
    detrend = DETRENDING[method] if detrend == "default" else detrend
    scored = method == "score"
    if missing == "default":
        missing = "keep" if scored else "raise"
    if duplicates == "default":  # groups of a table that nobody told apart are no repeats
        duplicates = "mean" if scored and not (table is not None and table.telling) else "raise"
    how = {"until": until, "missing": missing, "duplicates": duplicates, "causal": causal, "timed": scored}
    series = cleaned(data, table, time=time, name=name, **how)
    if season is not None and missing == "drop":
        raise ArgumentError("missing", missing, '"interpolate" with a season: leaving samples out shifts its phase')
    n = len(series)
    check_size(series.values)
    counted, original = count_values(series.values), series.values
    series = on_scale(series, transform)
    check_size(series.values)
    if scored and n < FEWEST:
        shortest = max(one.shortest_window for one in resolve_indicators(indicators))
        least = max(FEWEST, fewest_observations(window, shortest=shortest))
        raise SeriesTooShortError(
            "series", described(f"{n} observations"), f"at least {least} for these indicators and window={window!r}"
        )
    resolved = recorded(
        series,
        detrend=detrend,
        bandwidth=bandwidth,
        causal=causal,
        season=season,
        transform=transform,
        window=window,
        indicators=indicators,
        trend=trend,
    )
    pipeline = resolved.pipeline
    from ews._kernels.jit import announce_compilation

    announce_compilation()
    taken = trend_of(pipeline, series)
    residual = residual_of(series.values, taken)
    pipeline = replace(pipeline, level=taken)
    measured = pipeline.measure(residual.reshape(1, -1), series.values.reshape(1, -1).copy())
    config = DetectConfig(
        window=pipeline.window,
        window_fraction=pipeline.share if isinstance(pipeline, KeptPipeline) else pipeline.window / n,
        detrend=detrend,
        bandwidth=np.asarray(pipeline.plan.bandwidth).item(),  # an int stays one: samples, not a fraction
        indicators=tuple(indicator.name for indicator in pipeline.indicators),
        trend=trend,
        null=null,
        causal=bool(causal),
        until=None if until is None else str(until),
        missing=missing,
        duplicates=duplicates,
        season=None if season is None else int(season),
        transform=name_of(transform),
        method=method,
        measurement_error=measurement_error,
        **test.choices,
    )
    record = Record(
        series=series,
        counts=counted,
        spread=spread_with_level(original, residual) if transform is None else None,
        pipeline=pipeline,
        sampling=resolved.sampling,
        residual=residual,
        measured=measured,
        tau=pipeline.tau(measured)[:, 0],
        config=config,
        test=test,
        progress=progress,
    )
    return scores.answer(record) if method == "score" else kendall.answer(record)


def trend_of(pipeline: Pipeline, series: Series) -> FloatArray:
    """What detrending takes out of a record."""
    if isinstance(pipeline, KeptPipeline):
        return np.asarray(series.values - pipeline.residual(series.values[None])[0])
    return np.asarray(pipeline.plan.rows(series.values[None])[0])


def _method(method: Any) -> Method:
    """The method by its name; by what it was called before, with a warning."""
    if isinstance(method, str) and method in RENAMED:
        now = RENAMED[method]
        warnings.warn(
            f'method={method!r} is now method={now!r}, and will be refused in a later release', DeprecationWarning,
            stacklevel=5,
        )  # fmt: skip
        method = now
    return checks.choice("method", method, METHODS)
