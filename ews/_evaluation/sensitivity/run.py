"""``ews.sensitivity``: the trend of each indicator over all windows and bandwidths that one might have chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls, trends
from ews._common import checks
from ews._common.alarms import two_sided, westfall_young
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._evaluation.running import cleaned
from ews._evaluation.sensitivity.result import SensitivityConfig, SensitivityMap
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import on_scale, resolve_pipeline, resolve_seed, resolve_window
from ews.errors import InputTypeError, ValueRangeError, described
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["sensitivity"]

FloatArray = npt.NDArray[np.float64]

WINDOWS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_MOST_CELLS = 10_000
WITHOUT_BANDWIDTH = (None, "linear", "difference")


@dataclass(frozen=True, eq=False)
class _Row:
    """The series detrended with one bandwidth."""

    pipeline: Pipeline
    residual: FloatArray
    null: nulls.Null | None


@reported("drawing surrogates")
def sensitivity(
    series: Any,
    *,
    time: Any = None,
    windows: Sequence[float] = WINDOWS,
    bandwidths: Sequence[float] | None = None,
    indicators: Sequence[str] | str = ("variance", "ac1", "skewness"),
    detrend: str | None = "gaussian",
    trend: trends.TrendMethod = "kendall",
    null: nulls.NullName = "ar1",
    n_surrogates: int = 0,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> SensitivityMap:
    """Trends of indicators over a grid of windows and bandwidths, and one test of the whole grid.

    Window and bandwidth are chosen, not known. A trend that stands over the whole grid does not hang on that choice;
    one that was found by looking for the best cell is no finding. With surrogates, each of which goes through the whole
    grid too, the median of the trend over the grid gets a p-value: one answer that holds over all choices.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    windows : sequence of float or int, default 0.25, 0.3, …, 0.75
        Window lengths, each a fraction of the record or a number of samples: the range of Dakos et al. (2012).
    bandwidths : sequence of float or int, optional
        Bandwidths or spans of the detrending, each a fraction of the record or a number of samples. Default: 0.05, 0.1,
        …, 0.3, 0.4, 0.5; nothing to vary for "linear", "difference" and None.
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators.
    detrend : str or None, default "gaussian"
        What is taken out before the windows (see :data:`ews.detrend.METHODS`).
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates, fitted to the residual of each bandwidth.
    n_surrogates : int, default 0
        How many surrogates; 0 for trends alone.
    alpha : float, default 0.05
        Level at which a cell counts as significant.
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
        Seed of the surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    SensitivityMap
        Trend and p-value of each cell; the median trend with its p-value; the share of the grid that is significant.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    The p-value of a cell is that of :func:`ews.detect` with its window and bandwidth, before the adjustment over
    indicators. Surrogate number i is drawn from the null of each bandwidth with the same random numbers, so that its
    trends over the grid are as dependent as those of the series, and the distribution of their median is that of the
    median under the null.

    References
    ----------
    Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series. PLoS ONE 7,
    e41010: sensitivity to window and bandwidth. Lenton, T. M. et al. (2012). Early warning of climate tipping points
    from critical slowing down: comparing methods to improve robustness. Phil. Trans. R. Soc. A 370, 1185–1204.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=300, harvest=(1.0, 2.6), seed=1)
    >>> found = ews.sensitivity(population, windows=(0.3, 0.5, 0.7), bandwidths=(0.1, 0.2))
    >>> found.tau["ac1"].shape
    (2, 3)
    """
    chosen = dict(locals())  # every choice as it was given
    nulls.check(null=null, n_surrogates=n_surrogates)
    alpha = checks.alpha(alpha)
    seed = resolve_seed(seed)
    series = as_series(series, **{name: chosen[name] for name in ("time", "until", "missing", "duplicates", "causal")})
    if season is not None and missing == "drop":
        allowed = '"interpolate" with a season: leaving samples out shifts its phase'
        raise ValueRangeError("missing", missing, allowed)
    series = on_scale(series, transform)
    bandwidths = _listed("bandwidths", _bandwidths(bandwidths, detrend))
    windows = _listed("windows", windows)
    if len(windows) * len(bandwidths) > _MOST_CELLS:
        given = described(f"{len(windows)} windows and {len(bandwidths)} bandwidths")
        raise ValueRangeError("windows", given, f"at most {_MOST_CELLS} pairs of them: each is an analysis of its own")
    rows = [_row(series, windows[0], bandwidth, chosen) for bandwidth in bandwidths]
    names = [indicator.name for indicator in rows[0].pipeline.indicators]
    samples = [_window(window, len(series), rows[0].pipeline) for window in windows]
    from ews._kernels.jit import announce_compilation

    announce_compilation()
    level = series.values
    observed = np.stack(
        [_taus(row.pipeline, row.residual.reshape(1, -1), level.reshape(1, -1), samples)[:, :, 0] for row in rows],
        axis=1,
    )

    def surrogates(first: int, count: int) -> FloatArray:
        return np.stack([_surrogate_taus(row, first, count, samples, seed) for row in rows], axis=1)

    total = int(n_surrogates)
    chunks = in_chunks(surrogates, total, n=len(series), progress=progress)
    drawn = np.concatenate(chunks, axis=3) if chunks else np.empty((*observed.shape, 0))
    pvalue = np.empty(observed.shape)
    for cell in np.ndindex(observed.shape):
        pvalue[cell] = two_sided(observed[cell].reshape(1), drawn[cell])[0]
    medians, drawn_medians = _median(observed), _median(drawn)
    single, adjusted = westfall_young(medians, drawn_medians)
    by_name = {
        "tau": observed,
        "pvalue": pvalue,
        "median_tau": medians,
        "median_pvalue": single,
        "median_pvalue_adjusted": adjusted,
    }
    return SensitivityMap(
        series=series,
        window=np.array(samples),
        bandwidth=tuple(bandwidths),
        label={one.name: one.label for one in rows[0].pipeline.indicators},
        alarm={one.name: one.alarm for one in rows[0].pipeline.indicators},
        **{key: dict(zip(names, _numbers(values), strict=True)) for key, values in by_name.items()},
        surrogate_median_tau=dict(zip(names, drawn_medians, strict=True)),
        null_sentences=tuple("no surrogates were drawn" if row.null is None else row.null.sentence for row in rows),
        detrend_sentences=tuple(row.pipeline.plan.sentence for row in rows),
        config=SensitivityConfig(
            detrend=detrend,
            trend=trend,
            null=null,
            n_surrogates=total,
            alpha=float(alpha),
            causal=bool(causal),
            until=None if until is None else str(until),
            missing=missing,
            duplicates=duplicates,
            season=None if season is None else int(season),
            seed=seed,
            transform=name_of(transform),
        ),
    )


def _bandwidths(given: Any, detrend: Any) -> Any:
    if given is not None:
        return given
    return (None,) if detrend in WITHOUT_BANDWIDTH else BANDWIDTHS


def _listed(argument: str, given: Any) -> list[Any]:
    """The grid along one axis, as given."""
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray) or np.ndim(given) == 0:
        raise InputTypeError(argument, given, "a sequence of numbers")
    listed = [one.item() if isinstance(one, np.generic) else one for one in given]
    if not listed:
        raise ValueRangeError(argument, described("an empty sequence"), "at least one number")
    return listed


def _row(series: Series, window: Any, bandwidth: Any, chosen: dict[str, Any]) -> _Row:
    """Detrend with one bandwidth and fit the null to what is left."""
    n = len(series)
    pipeline = resolve_pipeline(
        n=n,
        step=series.step,
        level=series.values,
        window=window,
        bandwidth=bandwidth,
        **{name: chosen[name] for name in ("detrend", "indicators", "trend", "causal", "season")},
    )
    values = series.values.reshape(1, -1)
    taken = pipeline.plan.rows(values)
    residual, defined = cleaned(values, taken)
    if not defined[0]:
        given = described(f"{n} values of which detrending leaves nothing")
        raise ValueRangeError("series", given, "values that vary about their trend; or another way to detrend")
    found = residual[0]
    null = nulls.fit(found[np.isfinite(found)], null=chosen["null"]) if chosen["n_surrogates"] else None
    return _Row(replace(pipeline, level=taken[0]), found, null)


def _window(window: Any, n: int, pipeline: Pipeline) -> int:
    return resolve_window(window, n, shortest=max(one.shortest_window for one in pipeline.indicators))


def _taus(pipeline: Pipeline, residual: FloatArray, raw: FloatArray, windows: Sequence[int]) -> FloatArray:
    """Trend statistics of rows for each window: (indicators, windows, rows)."""
    found = []
    for window in windows:
        one = replace(pipeline, window=window)
        found.append(one.tau(one.measure(residual, raw.copy())))
    return np.stack(found, axis=1)


def _surrogate_taus(row: _Row, first: int, count: int, windows: Sequence[int], seed: int) -> FloatArray:
    assert row.null is not None
    residual = row.pipeline.residual(row.null.draw(first, count, seed=seed))
    return _taus(row.pipeline, residual, residual + row.pipeline.level, windows)


def _median(taus: FloatArray) -> FloatArray:
    """Median over bandwidths and windows, of the cells where the trend is defined: NaN where it is in none."""
    cells = np.moveaxis(taus.reshape(taus.shape[0], taus.shape[1] * taus.shape[2], *taus.shape[3:]), 1, -1)
    ordered = np.sort(cells, axis=-1)  # NaN last
    count = (~np.isnan(cells)).sum(axis=-1)[..., None]
    middle = [np.take_along_axis(ordered, np.maximum(k, 0), axis=-1) for k in ((count - 1) // 2, count // 2)]
    return np.asarray(0.5 * (middle[0] + middle[1])[..., 0])


def _numbers(values: FloatArray) -> list[Any]:
    """Numbers for an axis of indicators, arrays for a grid."""
    return [float(one) if np.ndim(one) == 0 else one for one in values]
