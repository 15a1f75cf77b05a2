"""``ews.detect_spatial``: from maps over time to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ews import trends
from ews._analysis.spatial.result import SpatialConfig, SpatialDetection
from ews._common import checks
from ews._common.alarms import westfall_young
from ews._common.progress import ProgressOption, reported
from ews._common.seeds import resolve_seed
from ews._significance.pipeline import in_chunks
from ews._significance.verdict import TrendOutcome, decide
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.results import IndicatorSeries
from ews.spatial import linear_field, registry, surrogates
from ews.spatial.coarsening import block_means
from ews.spatial.grids import FloatArray, Grids, MissingCells, as_grids
from ews.spatial.registry import SpatialIndicator
from ews.spatial.surrogates import SpatialNull

__all__ = ["DEFAULT_SPATIAL_INDICATORS", "detect_spatial"]

DEFAULT_SPATIAL_INDICATORS = ("moran", "variance", "skewness", "low_frequency_ratio")
DetrendSpace = Literal["plane", "mean_map"]
DETRENDINGS: tuple[DetrendSpace, ...] = ("plane", "mean_map")

# A rank correlation of fewer maps takes too few values to be tested at 0.05.
FEWEST_MAPS = 10
CONTROLS = 100
CONTROL_SURROGATES = 199
# Larger controls cost more and tell the same: the power grows with the map, so that this is a lower bound.
CONTROL_SIDE = 32


@reported("positive controls")
def detect_spatial(
    grids: Any,
    *,
    time: Any = None,
    indicators: Sequence[str] | str = DEFAULT_SPATIAL_INDICATORS,
    trend: trends.TrendMethod = "kendall",
    null: SpatialNull = "ar1",
    n_surrogates: int = 1000,
    alpha: float = 0.05,
    until: Any = None,
    detrend_space: DetrendSpace | None = None,
    coarse_grain: int = 1,
    missing: MissingCells = "raise",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> SpatialDetection:
    """Test maps over time for spatial early-warning signals of a loss of resilience.

    Each map gives one value of every indicator; space stands in for the window. The trend of each indicator over the
    maps is compared with the trends of surrogates.

    The verdict is *warning* where the min-p-adjusted p of an indicator in its alarm direction is ≤ `alpha`; else
    *no warning* where the power on a positive control of this length is ≥ 0.8; else *inconclusive*.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        An array, an xarray DataArray of three dimensions (the first is time), or a list of two-dimensional arrays.
    time : array_like of shape (time,), optional
        Numbers or dates (default: the coordinate of the first dimension, else 0, 1, …); evenly spaced.
    indicators : sequence of str, default ("moran", "variance", "skewness", "low_frequency_ratio")
        Which functions of :mod:`ews.spatial`.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic.
    null : {"ar1", "fourier", "block", "permutation"}, default "ar1"
        What the series of indicators are compared with, all of them together: first-order autoregressions of their
        ranks; random common phases; a stationary bootstrap of the maps; maps in random order. Their error rates were
        measured (:doc:`/api/spatial`); random order is right only for maps that do not remember each other.
    n_surrogates : int, default 1000
        How many surrogates; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test.
    until : number or date, optional
        Last time used, for example a known transition.
    detrend_space : {"plane", "mean_map"} or None, default None
        What is taken out of every map before it is measured: its least-squares plane, or the mean of all maps (which
        uses later maps too). A fixed gradient or habitat adds to variance and to the correlation of neighbours.
    coarse_grain : int, default 1
        Side of the blocks that cells are averaged over first: 4 to 10 for maps of presence and absence, whose variance
        and skewness say nothing of the pattern otherwise (see :func:`ews.spatial.coarse_grain`).
    missing : {"raise", "drop"}, default "raise"
        Whether NaN cells are refused or left out; the low-frequency ratio allows for none.
    seed : int, numpy.random.Generator or None, default 0
        Seed of every random number in the result.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    SpatialDetection
        The answer with everything that led to it.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    The maps are linked in time, so that the indicators are too, and their order cannot be taken for exchangeable. The
    default null fits a first-order autoregression to the normal scores of each indicator's ranks (τ sees nothing else
    of it), corrects its coefficient for the bias of short records, and draws all indicators together, with the
    correlation of their innovations.

    The positive control is a linear field of the maps' length and of up to 32 × 32 cells, whose recovery rate and
    diffusion are estimated from the maps mode by mode; the rate falls to zero as the square root of the time left.

    References
    ----------
    Dakos, V. et al. (2010). Spatial correlation as leading indicator of catastrophic shifts. Theoretical Ecology 3,
    163–174. Kéfi, S. et al. (2014). Early warning signals of ecological transitions: methods for spatial patterns.
    PLoS ONE 9, e92097. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing. Wiley.

    Examples
    --------
    >>> import numpy as np, ews
    >>> maps = np.random.default_rng(1).standard_normal((40, 16, 16))
    >>> ews.detect_spatial(maps, n_surrogates=99).verdict
    'inconclusive'
    """
    chosen = [registry.get(name) for name in checks.names("indicators", indicators, registry.INDICATORS)]
    trend = checks.choice("trend", trend, trends.METHODS)
    null = checks.choice("null", null, surrogates.NULLS)
    count, alpha = checks.draws("n_surrogates", n_surrogates), checks.alpha(alpha)
    if detrend_space is not None:
        detrend_space = checks.choice("detrend_space", detrend_space, DETRENDINGS)
    resolved = resolve_seed(seed)
    cleaned = as_grids(grids, time=time, until=until, missing=missing)
    if len(cleaned) < FEWEST_MAPS:
        raise SeriesTooShortError("grids", described(f"{len(cleaned)} maps"), f"at least {FEWEST_MAPS} maps")
    if np.isnan(cleaned.values).any() and any(not one.gaps for one in chosen):
        named = next(one.name for one in chosen if not one.gaps)
        raise ValueRangeError("indicators", named, "indicators that allow for gaps: moran, variance, skewness")
    block = _block(coarse_grain, cleaned)
    measured_on = _detrended(cleaned.values, detrend_space)
    measured_on = block_means(measured_on, block) if block > 1 else measured_on
    table = np.stack([one.compute(measured_on) for one in chosen])
    defined = np.isfinite(table).all(axis=1)
    tau = np.where(defined, _trend(table, trend, cleaned.step), np.nan)
    names = tuple(one.name for one in chosen)
    drawn = np.full((len(chosen), count), np.nan)
    if count and defined.any():
        drawn[defined] = _surrogate_trends(table[defined], trend, null, count, resolved, cleaned.step)
    single, adjusted = _pvalues(tau, drawn)
    power = None
    if count and defined.all() and np.isfinite(tau).any():
        power = _power(measured_on, chosen, trend, null, alpha, min(count, CONTROL_SURROGATES), resolved, progress)
    verdict, reasons = decide(
        [TrendOutcome(one.label, one.alarm, *each) for one, *each in zip(chosen, tau, adjusted, strict=True)],
        alpha=alpha,
        n_surrogates=count,
        power=power,
        symbol="trend",
        undefined="is undefined in some maps, or the same in all",
        steps=["more maps", "fewer indicators, as each one more makes the test of all weaker"],
    )
    return SpatialDetection(
        verdict=verdict,
        reasons=reasons,
        grids=cleaned,
        indicators={
            one.name: IndicatorSeries(one.name, one.label, one.alarm, values, cleaned.time)
            for one, values in zip(chosen, table, strict=True)
        },
        tau=_by_name(names, tau),
        pvalue=_by_name(names, single),
        pvalue_adjusted=_by_name(names, adjusted),
        surrogate_tau=dict(zip(names, drawn, strict=True)),
        power=power,
        power_sentence=POWER_SENTENCE,
        null_sentence=surrogates.sentence(table[defined], null) if count and defined.any() else "no surrogates drawn",
        detrend_sentence=_SENTENCES[detrend_space],
        config=SpatialConfig(
            indicators=names,
            trend=trend,
            null=null,
            n_surrogates=count,
            alpha=alpha,
            until=None if until is None else str(until),
            detrend_space=detrend_space,
            coarse_grain=block,
            missing=missing,
            seed=resolved,
        ),
    )


POWER_SENTENCE = (
    "positive control: a linear field of this length, with recovery rate and diffusion estimated from the maps, whose "
    "recovery rate falls to zero as the square root of the time left"
)
_SENTENCES = {
    None: "nothing taken out of the maps",
    "plane": "the least-squares plane of each map taken out",
    "mean_map": "the mean of all maps taken out of each (this uses later maps too)",
}


def _block(size: Any, grids: Grids) -> int:
    longest = max(1, min(grids.values.shape[1:]) // 4)
    allowed = f"an integer from 1 to {longest}, a quarter of the shorter side"
    return checks.whole("coarse_grain", size, least=1, most=longest, allowed=allowed)


def _detrended(values: FloatArray, detrend_space: DetrendSpace | None) -> FloatArray:
    """Maps less what was asked to be taken out."""
    if detrend_space is None:
        return values
    if detrend_space == "mean_map":
        present = ~np.isnan(values)
        count = np.maximum(present.sum(axis=0), 1)
        return np.asarray(values - np.where(present, values, 0.0).sum(axis=0) / count, dtype=np.float64)
    height, width = values.shape[1:]
    y, x = np.indices((height, width), dtype=np.float64)
    design = np.column_stack([np.ones(height * width), y.ravel() - y.mean(), x.ravel() - x.mean()])
    out = np.empty_like(values)
    for map_, kept in zip(values, out, strict=True):
        cells = map_.ravel()
        present = ~np.isnan(cells)
        plane, *_ = np.linalg.lstsq(design[present], cells[present], rcond=None)
        kept[...] = map_ - (design @ plane).reshape(map_.shape)
    return out


def _trend(table: FloatArray, trend: trends.TrendMethod, step: float) -> FloatArray:
    found = trends.rows(table, method=trend)
    return found / step if trend == "theil_sen" else found


def _surrogate_trends(
    table: FloatArray, trend: trends.TrendMethod, null: SpatialNull, count: int, seed: int, step: float
) -> FloatArray:
    """Trends of surrogates, of shape (indicators, count)."""
    drawn = surrogates.draw(table, null, count, seed=seed)
    if trend == "theil_sen" and null in ("ar1", "fourier"):  # a slope needs the indicator's own values
        ordered = np.sort(table, axis=1)
        place = np.argsort(np.argsort(drawn, axis=2, kind="stable"), axis=2, kind="stable")
        drawn = np.take_along_axis(np.broadcast_to(ordered, drawn.shape), place, axis=2)
    return _trend(drawn.reshape(-1, table.shape[1]), trend, step).reshape(count, len(table)).T


def _pvalues(tau: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    single, adjusted = np.full(tau.size, np.nan), np.full(tau.size, np.nan)
    used = np.isfinite(tau)
    if used.any() and drawn.shape[1]:
        single[used], adjusted[used] = westfall_young(tau[used], drawn[used])
    return single, adjusted


def _power(
    values: FloatArray,
    chosen: list[SpatialIndicator],
    trend: trends.TrendMethod,
    null: SpatialNull,
    alpha: float,
    n_surrogates: int,
    seed: int,
    progress: ProgressOption,
) -> float:
    """Share of positive controls that the same test answers with a warning."""
    recovery, diffusion = linear_field.estimate(values)
    n = len(values)
    falling = np.maximum(recovery * np.sqrt(1.0 - (np.arange(n) + 1.0) / (n + 1.0)), 1e-3)
    shape = (min(values.shape[1], CONTROL_SIDE), min(values.shape[2], CONTROL_SIDE))

    def warned(first: int, count: int) -> int:
        found = 0
        for control in range(first, first + count):
            generator = np.random.default_rng(np.random.SeedSequence([seed, 4, control]))
            field = linear_field.simulate(falling, diffusion, shape, generator)
            table = np.stack([one.compute(field) for one in chosen])
            tau = _trend(table, trend, 1.0)
            adjusted = _pvalues(tau, _surrogate_trends(table, trend, null, n_surrogates, seed + control, 1.0))[1]
            trends_found = zip(chosen, tau, adjusted, strict=True)
            found += any(TrendOutcome(one.label, one.alarm, *each).warns(alpha) for one, *each in trends_found)
        return found

    return sum(in_chunks(warned, CONTROLS, n=n * shape[0] * shape[1], progress=progress)) / CONTROLS


def _by_name(names: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))
