"""Removal of a seasonal component of known period; the trend stays."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, Smooth, one_series
from ews.detrend.stl import stl_season
from ews.errors import SeriesTooShortError, described

__all__ = ["after_season", "season"]


def season(x: npt.ArrayLike, *, period: int, causal: bool = False) -> Detrended:
    """Take out the seasonal component; what is left keeps the trend.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series of at least two periods, all finite. Not changed.
    period : int
        Period in samples, at least 2.
    causal : bool, default False
        If False, the seasonal component of STL (seasonal smoother 7, not robust: the defaults of statsmodels), so that
        each residual uses later samples too. If True, the mean of each phase over the cycles so far, of the deviations
        from the trailing mean over one period; the last `period` of these means are shifted to sum to 0. In the first
        cycle this leaves little more than the trailing mean, so indicators should start later.

    Returns
    -------
    Detrended
        The seasonal component as `trend`, and the series without it.

    Raises
    ------
    ews.errors.ValueRangeError
        If the period is not a whole number of at least 2.
    ews.errors.SeriesTooShortError
        If there are fewer than two periods.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Cleveland, Cleveland, McRae and Terpenning (1990), J. Off. Stat. 6, 3.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(120)
    >>> split = season(0.1 * t + np.sin(2 * np.pi * t / 12), period=12)
    >>> bool(np.abs(split.residual - 0.1 * t).max() < 0.01)
    True
    """
    x = one_series(x)
    nothing = DetrendPlan(None, x.size, None, True, "no detrending", np.zeros_like)
    split = after_season(nothing, period=period, causal=causal, argument="period").apply(x)
    return Detrended(split.trend, split.residual, "season", None, causal)


def after_season(base: DetrendPlan, *, period: int, causal: bool, argument: str = "season") -> DetrendPlan:
    """Put the removal of a season in front of another detrending; the trend is then the sum of both."""
    causal = checks.flag("causal", causal)
    samples = checks.whole(argument, period, least=2, allowed="a whole number of samples, at least 2")
    if base.n < 2 * samples:
        raise SeriesTooShortError(
            "x", described(f"{base.n} samples"), f"at least two periods of {samples} samples to know a season"
        )
    component = partial(_mean_of_phases_so_far, period=samples) if causal else stl_season(base.n, samples)
    way = "mean of each phase so far, causal" if causal else "STL, centred: each residual uses later samples too"
    if base.method is None:
        sentence = f"season of {samples} samples taken out ({way})"
    else:
        sentence = f"season of {samples} samples taken out first ({way}); then {base.sentence}"
    smooth = partial(_season_then, component=component, smooth=base.smooth)
    return DetrendPlan(base.method, base.n, base.bandwidth, base.causal and causal, sentence, smooth, samples)


def _season_then(x: FloatArray, *, component: Smooth, smooth: Smooth) -> FloatArray:
    seasonal = component(x)
    return seasonal + smooth(x - seasonal)


def _mean_of_phases_so_far(x: FloatArray, *, period: int) -> FloatArray:
    rows, n = x.shape
    shifted = x - x[:, :1]
    # The mean over one whole period holds no season; under a steady trend it lags alike in every phase.
    deviation = shifted - _trailing_mean(shifted, period)
    cycles = -(-n // period)
    padded = np.zeros((rows, cycles * period))
    padded[:, :n] = deviation
    by_phase = np.cumsum(padded.reshape(rows, cycles, period), axis=1)
    by_phase /= np.arange(1, cycles + 1)[:, None]
    phase_mean = by_phase.reshape(rows, -1)[:, :n]
    seasonal: FloatArray = phase_mean - _trailing_mean(phase_mean, period)
    return seasonal


def _trailing_mean(x: FloatArray, period: int) -> FloatArray:
    """Mean of each sample and the period − 1 before it; of all there are where the record starts."""
    from ews._kernels.smooth import smooth_renormalised

    out = np.empty_like(x)
    smooth_renormalised(x, np.ones(period), period - 1, out)
    return out
