"""``ews.detect_spatial``: from maps over time to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from ews import trends
from ews._analysis.spatial import kendall, scores
from ews._analysis.spatial.record import Record
from ews._analysis.spatial.result import SpatialConfig, SpatialDetection
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.seeds import resolve_seed
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.spatial import registry, surrogates
from ews.spatial.coarsening import block_means
from ews.spatial.grids import FloatArray, Grids, MissingCells, as_grids
from ews.spatial.surrogates import SpatialNull

__all__ = ["DEFAULT_SPATIAL_INDICATORS", "detect_spatial"]

DEFAULT_SPATIAL_INDICATORS = ("moran", "variance", "skewness", "low_frequency_ratio")
DetrendSpace = Literal["plane", "mean_map"]
DETRENDINGS: tuple[DetrendSpace, ...] = ("plane", "mean_map")

# A rank correlation of fewer maps takes too few values to be tested at 0.05.
FEWEST_MAPS = 10
Method = Literal["score", "kendall"]
METHODS: tuple[Method, ...] = get_args(Method)


@reported("testing")
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
    method: Method = "score",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> SpatialDetection:
    """Test maps over time for spatial early-warning signals of a loss of resilience.

    Score tests ask whether the spatial modes of the maps lose their recovery: the scores of a drift of memory (towards
    +1 and −1) and of damping, added up over the mean over space and all waves of up to seven across the map, and that
    of a growth of the noise. Indicators, of which each map gives one value, stand beside them as context.

    The verdict follows the rule of :func:`ews.detect`: *warning* where memory or damping drifts towards instability at
    the family-wise level `alpha`; noise that only grows is the kind "variance only" and no warning; else *no warning*
    where the power on a positive control is ≥ 0.8; else *inconclusive*.

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
        What the amplitudes of the modes and the series of indicators are compared with, all of them together:
        first-order autoregressions (of the indicators' ranks); random common phases; a stationary bootstrap of the
        maps; maps in random order. Their error rates were measured (:doc:`/api/spatial`); random order is right only
        for maps that do not remember each other.
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
    method : {"score", "kendall"}, default "score"
        "kendall" makes the trends of the indicators over the maps the test, as published practice does: *warning* where
        the min-p-adjusted p of an indicator in its alarm direction is at most `alpha`. It warns of disturbance that
        grows, and of patterns that emerge (:doc:`/api/spatial`).
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
    Values enter the score tests by the normal scores of their ranks, so that an increasing transformation of them does
    not matter. The amplitude of each mode is detrended by local linear regression in time, outliers are pulled in, and
    a growth of the noise that all modes share is taken out before their memory is scored. The default null is a
    first-order autoregression of each mode, with one coefficient for all of like wavelength, moved until the smoother
    leaves of it what it left of the record; innovations of modes that clearly hang together do so in it too.

    The maps are linked in time, so that the indicators are too, and their order cannot be taken for exchangeable. Of
    the indicators the default null fits a first-order autoregression to the normal scores of each one's ranks (τ sees
    nothing else of it), corrects its coefficient for the bias of short records, and draws all together, with the
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
    'no warning'
    """
    method = checks.choice("method", method, METHODS)
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
    record = Record(
        grids=cleaned,
        measured_on=measured_on,
        chosen=chosen,
        table=table,
        config=SpatialConfig(
            indicators=tuple(one.name for one in chosen),
            trend=trend,
            null=null,
            n_surrogates=count,
            alpha=alpha,
            until=None if until is None else str(until),
            detrend_space=detrend_space,
            coarse_grain=block,
            missing=missing,
            seed=resolved,
            method=method,
        ),
        trend=trend,
        null=null,
        detrend_sentence=_SENTENCES[detrend_space],
        progress=progress,
    )
    return scores.answer(record) if method == "score" else kendall.answer(record)


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
