"""p-values of trends, from surrogates that go through detrending, windows and trend again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._common import checks
from ews._common.alarms import Statistic, westfall_young
from ews._common.progress import ProgressOption
from ews._significance.pipeline import TrendPipeline, in_chunks
from ews.errors import ArgumentError, described
from ews.indicators import registry
from ews.multivariate.nulls import MultivariateNull
from ews.results import Significance, SurrogateBand
from ews.series import real_numbers

__all__ = ["hold_against", "significance", "untested"]

FloatArray = npt.NDArray[np.float64]

# The band of a figure needs no more: 200 surrogates give the 2.5 % quantile to within a tenth of the band's width.
BAND_SURROGATES = 200
BAND_POINTS = 400


def significance(
    residual: Any,
    *,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    indicators: Sequence[str] = ("variance", "ac1", "skewness"),
    trend: str = "kendall",
    null: nulls.NullName = "ar1",
    n_surrogates: int = 1000,
    causal: bool = False,
    season: int | None = None,
    level: Any = None,
    seed: int | np.random.Generator | None = 0,
) -> Significance:
    """Test the trends of indicators of a residual against a null, through the whole pipeline.

    The null is fitted to the residual; each surrogate is detrended, windowed and ranked exactly as the series was.
    Without that second detrending the test is too liberal: the smoother takes slow fluctuations out of the series but
    not out of the surrogates.

    Parameters
    ----------
    residual : array_like of shape (n,)
        The detrended series, evenly spaced and finite (but for the first difference, which may be NaN).
    detrend : str or None, default "gaussian"
        How it was detrended; the surrogates go through the same.
    bandwidth : float, optional
        Its bandwidth or span (default: the method's own).
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples.
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model.
    n_surrogates : int, default 1000
        How many surrogates: the smallest p-value is 2 / (1 + n_surrogates).
    causal : bool, default False
        Whether the detrending used past samples only.
    season : int, optional
        Period in samples of the season that was taken out first.
    level : array_like of shape (n,), optional
        The trend that was taken out; needed by indicators that divide by the level of the series (cv).
    seed : int, numpy.random.Generator or None, default 0
        Seed of the surrogates; None draws a fresh one, which the result records.

    Returns
    -------
    Significance
        Trends, p-values (single and min-p adjusted) and the surrogates' trends.

    Raises
    ------
    ews.errors.ArgumentError
        For an argument out of range or a name that is not known.

    References
    ----------
    Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series. PLoS ONE 7,
    e41010. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley.

    Examples
    --------
    >>> import numpy as np, ews
    >>> noise = np.random.default_rng(1).standard_normal(120)
    >>> found = ews.significance(noise, detrend=None, n_surrogates=99, seed=3)
    >>> sorted(found.pvalue)
    ['ac1', 'skewness', 'variance']
    """
    from ews._significance.resolve import resolve_pipeline, resolve_seed

    nulls.check(null=null, n_surrogates=n_surrogates)
    n_surrogates = int(n_surrogates)
    values = real_numbers("residual", residual)
    lost = int(detrend == "difference")  # the first difference is undefined, whether it was handed over or not
    if lost and values.size and np.isnan(values[0]):
        values = values[1:]
    fitted = nulls.fit(values, null=null)
    n = values.size + lost
    base = np.zeros(n) if level is None else _level(level, n)
    if level is None and "cv" in checks.names("indicators", indicators, registry.names()):
        raise ArgumentError("level", level, "the trend that was taken out: cv divides by the level of the series")
    pipeline = resolve_pipeline(
        n=n,
        step=1.0,
        level=base,
        detrend=detrend,
        bandwidth=bandwidth,
        window=window,
        indicators=indicators,
        trend=trend,
        causal=causal,
        season=season,
    )
    rows = np.concatenate([np.full(lost, np.nan), values]).reshape(1, -1)
    tau = pipeline.tau(pipeline.measure(rows, rows + base))[:, 0]
    return hold_against(pipeline, tau, fitted, n_surrogates=n_surrogates, seed=resolve_seed(seed), banded=0)[0]


def _level(level: Any, n: int) -> FloatArray:
    values = real_numbers("level", level)
    if values.size != n or not np.isfinite(values).all():
        raise ArgumentError("level", described(f"{values.size} values"), f"{n} finite values, one for each sample")
    return values


def hold_against(
    pipeline: TrendPipeline,
    tau: FloatArray,
    null: nulls.Null | MultivariateNull,
    *,
    n_surrogates: int,
    seed: int,
    banded: int = BAND_SURROGATES,
    progress: ProgressOption = None,
) -> tuple[Significance, dict[str, SurrogateBand]]:
    """p-values of observed trends under a fitted null, and where the indicators lie under it.

    The bands are pointwise, over the first surrogates. Quantiles are taken at up to 400 times and joined by straight
    lines: a band of overlapping windows is smooth.
    """
    n, first_window = pipeline.n, pipeline.window - 1
    points = np.unique(np.linspace(first_window, n - 1, min(BAND_POINTS, n - first_window)).astype(np.int64))

    def measured(first: int, count: int) -> tuple[FloatArray, FloatArray]:
        values = pipeline.measure_surrogates(null.draw(first, count, seed=seed))[1]
        kept = slice(0, max(0, min(banded - first, count)))
        return pipeline.tau(values), np.stack([value[kept, points] for value in values])

    parts = in_chunks(measured, n_surrogates, n=pipeline.chunk_length, progress=progress)
    surrogate = np.concatenate([part[0] for part in parts], axis=1) if parts else np.empty((tau.size, 0))
    single, adjusted = westfall_young(tau, surrogate, [Statistic(one.alarm) for one in pipeline.indicators])
    names = [indicator.name for indicator in pipeline.indicators]
    tested = Significance(
        tau=dict(zip(names, map(float, tau), strict=True)),
        pvalue=dict(zip(names, map(float, single), strict=True)),
        pvalue_adjusted=dict(zip(names, map(float, adjusted), strict=True)),
        surrogate_tau=dict(zip(names, surrogate, strict=True)),
        null_sentence=null.sentence,
        n_surrogates=n_surrogates,
        seed=seed,
    )
    if not parts or not banded:
        return tested, {}
    stacked = np.concatenate([part[1] for part in parts], axis=1)
    return tested, dict(zip(names, (_band(table, points, n) for table in stacked), strict=True))


def untested(pipeline: TrendPipeline, tau: FloatArray, seed: int) -> Significance:
    """What stands where p-values would, without surrogates."""
    names = [indicator.name for indicator in pipeline.indicators]
    nothing = dict.fromkeys(names, np.nan)
    observed = dict(zip(names, map(float, tau), strict=True))
    empty = {name: np.empty(0) for name in names}
    return Significance(observed, nothing, nothing, empty, "no surrogates were drawn", 0, seed)


def _band(table: FloatArray, points: npt.NDArray[np.int64], n: int) -> SurrogateBand:
    """Pointwise 95 % band of values of shape (surrogates, points)."""
    table = np.sort(table, axis=0)  # NaN last: a window that is undefined in some surrogates keeps the band of others
    defined = np.maximum((~np.isnan(table)).sum(axis=0), 1)
    curves: list[Any] = []
    for level in (0.025, 0.5, 0.975):
        row = np.minimum((level * defined).astype(np.int64), defined - 1)
        curves.append(partial(_curve, points, table[row, np.arange(points.size)], n))
    return SurrogateBand(*curves)


def _curve(points: npt.NDArray[np.int64], values: FloatArray, n: int) -> FloatArray:
    """A curve over all n samples from its values at some, joined by straight lines; NaN before the first."""
    curve = np.full(n, np.nan)
    curve[points[0] :] = np.interp(np.arange(points[0], n), points, values)
    return curve
