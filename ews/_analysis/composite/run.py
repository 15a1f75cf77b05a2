"""``ews.composite``: indicators against their own history, added up, as the record grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ews import nulls
from ews._analysis.composite.result import Composite, CompositeConfig
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.pipeline import in_chunks
from ews._significance.resolve import resolve_indicators
from ews._significance.windows import FloatArray, Prepared, SurrogateTest, check_test, prepare
from ews.indicators.fused import fused
from ews.indicators.registry import Indicator
from ews.results import IndicatorSeries
from ews.series import Duplicates, Missing

__all__ = ["composite"]

_SIGNS = {"up": 1.0, "down": -1.0, "both": 1.0}


@reported("drawing surrogates")
def composite(
    series: Any,
    *,
    time: Any = None,
    indicators: Sequence[str] | str = ("variance", "ac1", "skewness"),
    burn_in: int = 5,
    threshold: float = 2.0,
    consecutive: int = 2,
    window: int | None = None,
    detrend: str | None = None,
    bandwidth: float | None = None,
    causal: bool = True,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 500,
    alpha: float = 0.05,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Composite:
    r"""Expanding-window composite: each indicator as a z-score against its own history, added up.

    At each time the indicators are measured on all observations so far. A time crosses where the sum of their z-scores
    exceeds its own mean so far by `threshold` standard deviations; several crossings in a row raise an alarm. As the
    rule raises alarms in noise far more often than its threshold suggests, the strongest run of crossings is tested
    against surrogates.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators; those that warn by falling count with the opposite sign.
    burn_in : int, default 5
        Observations before the first indicator is measured; at least as many as the indicators need.
    threshold : float, default 2.0
        Standard deviations above the mean of the composite so far.
    consecutive : int, default 2
        How many crossings in a row raise an alarm.
    window : int, optional
        Samples of a rolling window; the default measures the indicators on all observations so far.
    detrend : str or None, default None
        What is taken out first (see :data:`ews.detrend.METHODS`).
    bandwidth : float or int, optional
        Its bandwidth or span. As a fraction it depends on the length of the record; give samples to follow a record as
        it grows.
    causal : bool, default True
        Use present and past samples only, in detrending and in filling gaps.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates, fitted to the whole record.
    n_surrogates : int, default 500
        How many surrogates; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test.
    until : number or date, optional
        Last time used.
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
    Composite
        Indicators, z-scores, composite, alarm and its p-value.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    With indicator :math:`w_k(t)` measured on the first t observations, :math:`z_k(t) = (w_k(t) - \bar w_k) / s_k`, mean
    and standard deviation over all times up to and including t, and the composite :math:`C(t) = \sum_k z_k(t)`. A time
    crosses where :math:`C(t) > \bar C + 2 s_C`, again over all times so far. This is the ``expanding`` way of the R
    package EWSmethods, whose indicators differ in detail (population skewness, AC1 of the full series' moments).

    Consecutive windows share nearly all of their observations, so that the z-scores wander and cross together. How
    often the rule raises an alarm in noise in which nothing changes was measured: :doc:`/api/composite`.
    The test takes the largest value that :math:`(C - \bar C) / s_C` holds for `consecutive` times, and gives
    p = (1 + r) / (1 + n), r surrogates of n at or above it. The surrogates are fitted to the whole record, so that the
    p-value belongs to the record, not to the day of the alarm.

    References
    ----------
    Drake, J. M. & Griffen, B. D. (2010). Early warning signals of extinction in deteriorating environments. Nature 467,
    456–459. Clements, C. F. & Ozgul, A. (2016). Including trait-based early warning signals helps predict population
    collapse. Nature Communications 7, 10984. O'Brien, D. A. et al. (2023). EWSmethods: an R package to forecast tipping
    points at the community level using early warning signals, resilience measures, and machine learning models.
    Ecography 2023, e06674.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=120, seed=4)
    >>> found = ews.composite(population.values, until=population.transition, n_surrogates=99)
    >>> found.score.shape == found.series.values.shape
    True
    """
    asked = dict(locals())  # every choice as it was given
    chosen = resolve_indicators(indicators)
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    shortest = max(2, *(one.shortest_window for one in chosen))
    burn_in = checks.whole("burn_in", burn_in, least=2)
    consecutive = checks.whole("consecutive", consecutive, least=1)
    span = None if window is None else checks.whole("window", window, least=shortest)
    threshold = checks.number("threshold", threshold)
    first = max(burn_in, shortest, 0 if span is None else span)
    prepared = prepare(asked | {"window": first}, shortest=shortest)
    table = _measured(prepared, prepared.residual.reshape(1, -1), chosen, first, span)
    scores, strength = _strength(table, chosen)
    mean, sd = _history(scores.sum(axis=0))
    held = _held(strength[0], consecutive)
    where = np.flatnonzero(held > threshold)
    statistic = _strongest(strength, consecutive)[0]
    drawn, sentence = _surrogates(prepared, test, chosen, first, span, consecutive, progress)
    reached = float((1 + (drawn >= statistic).sum()) / (1 + drawn.size)) if drawn.size else np.nan
    times = prepared.series.time
    names = tuple(one.name for one in chosen)
    return Composite(
        **prepared.fields,
        indicators={
            one.name: IndicatorSeries(one.name, one.label, one.alarm, values[0], times)
            for one, values in zip(chosen, table, strict=True)
        },
        zscores=dict(zip(names, scores[:, 0], strict=True)),
        score=scores[:, 0].sum(axis=0),
        score_mean=mean[0],
        score_sd=sd[0],
        crossed=strength[0] > threshold,
        alarm_time=times[where[0]] if where.size else None,
        statistic=float(statistic),
        pvalue=reached,
        surrogate_statistic=drawn,
        null_sentence=sentence,
        config=CompositeConfig(
            indicators=names,
            burn_in=first,
            threshold=threshold,
            consecutive=consecutive,
            window=span,
            null=null,
            **prepared.choices,
            **test.choices,
        ),
    )


def _measured(
    prepared: Prepared, residual: FloatArray, chosen: Sequence[Indicator], first: int, window: int | None
) -> FloatArray:
    """Indicators of rows of residuals, of shape (indicators, rows, n): on all samples so far, or on the last ones."""
    rows, n = residual.shape
    raw = residual + prepared.trend
    out = np.full((len(chosen), rows, n), np.nan)
    start = int(np.isnan(residual[0, 0]))  # the sample that a first difference costs
    step = prepared.series.step
    if window is not None:
        out[...] = np.stack(fused(residual, window=window, indicators=chosen, raw=raw, step=step))
        out[:, :, : start + first - 1] = np.nan
        return out
    for end in range(start + first, n + 1):
        part = np.ascontiguousarray(residual[:, start:end])
        levels = np.ascontiguousarray(raw[:, start:end])
        values = fused(part, window=end - start, indicators=chosen, raw=levels, step=step)
        for place, one in enumerate(values):
            out[place, :, end - 1] = one[:, -1]
    return out


def _history(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (ddof 1) of each row up to and including each time; NaN are left out.

    Updated one value at a time (Welford 1962, Technometrics 4, 419–420), so that the future changes nothing.
    """
    finite = np.where(np.isfinite(values), values, 0.0)
    # By a power of two, which costs no digits: squares of indicators may overflow or vanish.
    exponent = np.frexp(np.abs(finite).max(axis=-1, keepdims=True, initial=0.0))[1]
    values = np.ldexp(values, -exponent)
    mean, sd = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    shape = values.shape[:-1]
    count, centre, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for t in range(values.shape[-1]):
        now = values[..., t]
        there = np.isfinite(now)
        count = count + there
        away = np.where(there, now - centre, 0.0)
        centre = centre + away / np.maximum(count, 1.0)
        squares = squares + away * np.where(there, now - centre, 0.0)
        mean[..., t] = np.where(count > 0, centre, np.nan)
        sd[..., t] = np.sqrt(np.where(count > 1, squares / np.maximum(count - 1.0, 1.0), np.nan))
    return np.ldexp(mean, exponent), np.ldexp(sd, exponent)


def _strength(table: FloatArray, chosen: Sequence[Indicator]) -> tuple[FloatArray, FloatArray]:
    """z-scores of the indicators, of shape (indicators, rows, n), and of their sum, of shape (rows, n)."""
    signs = np.array([_SIGNS[one.alarm] for one in chosen])
    mean, sd = _history(table)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = signs[:, None, None] * np.where(sd > 0, (table - mean) / sd, np.nan)
        total = scores.sum(axis=0)
        centre, spread = _history(total)
        return scores, np.where(spread > 0, (total - centre) / spread, np.nan)


def _held(strength: FloatArray, consecutive: int) -> FloatArray:
    """What was reached at each of the last `consecutive` times; −∞ where one of them is undefined."""
    reached = np.where(np.isfinite(strength), strength, -np.inf)
    held = reached.copy()
    for back in range(1, min(consecutive, strength.shape[-1] + 1)):
        held[..., back:] = np.minimum(held[..., back:], reached[..., :-back])
        held[..., :back] = -np.inf
    return held


def _strongest(strength: FloatArray, consecutive: int) -> FloatArray:
    return np.asarray(_held(strength, consecutive).max(axis=-1), dtype=np.float64)


def _surrogates(
    prepared: Prepared,
    test: SurrogateTest,
    chosen: Sequence[Indicator],
    first: int,
    window: int | None,
    consecutive: int,
    progress: ProgressOption,
) -> tuple[FloatArray, str]:
    """The strongest run of each surrogate, detrended and measured as the series was."""
    if test.n_surrogates == 0:
        return np.empty(0), "no surrogates were drawn"
    fitted = nulls.fit(prepared.drawn, null=test.null)

    def strongest(start: int, rows: int) -> FloatArray:
        residual = prepared.pipeline.residual(fitted.draw(start, rows, seed=test.seed))
        return _strongest(_strength(_measured(prepared, residual, chosen, first, window), chosen)[1], consecutive)

    drawn = in_chunks(strongest, test.n_surrogates, n=len(prepared.series), progress=progress)
    return np.concatenate(drawn), fitted.sentence
