"""An AR(1) coefficient that changes in time, followed sample by sample instead of window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews.errors import ArgumentError, SeriesTooShortError, described
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["TimeVaryingAutoregression", "time_varying_ar"]

FloatArray = npt.NDArray[np.float64]

_FEWEST = 20
# Variance of the coefficient's steps over that of the innovations, the series in units of its SD: below, a record of
# any length cannot tell it from 0; above, the coefficient jumps by its whole range at each sample.
_LOWEST, _HIGHEST, _POINTS = -9.0, 1.0, 41


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class TimeVaryingAutoregression(Result):
    """AR(1) coefficient through time, with its band.

    Attributes
    ----------
    series : Series
        What was fitted.
    filtered, filtered_lower, filtered_upper : ndarray of shape (n,)
        The coefficient given the samples up to each time, and its pointwise interval; NaN at the first.
    smoothed, smoothed_lower, smoothed_upper : ndarray of shape (n,)
        The same given the whole series: smoother, and later samples enter.
    innovation_sd : float
        Standard deviation of the innovations, in units of the series.
    step_sd : float
        Standard deviation of the coefficient's steps, per sample.
    log_likelihood : float
        Of the fit, in units of the series.
    log_likelihood_constant : float
        Of an AR(1) whose coefficient is constant.
    confidence : float
        Level of the intervals. They take the two standard deviations as known.
    """

    series: Series
    filtered: FloatArray
    filtered_lower: FloatArray
    filtered_upper: FloatArray
    smoothed: FloatArray
    smoothed_lower: FloatArray
    smoothed_upper: FloatArray
    innovation_sd: float
    step_sd: float
    log_likelihood: float
    log_likelihood_constant: float
    confidence: float

    _table: ClassVar = (
        "filtered", "filtered_lower", "filtered_upper", "smoothed", "smoothed_lower", "smoothed_upper",
    )  # fmt: skip

    def _report(self) -> Report:
        if self.step_sd == 0.0:
            found = f"no change that the data tell from none: constant at {self.smoothed[-1]:.3f}"
        else:
            found = f"from {self.smoothed[1]:.3f} at the start to {self.smoothed[-1]:.3f} at the end"
        answers = [
            f"AR(1) coefficient of {len(self.series)} samples, {found} ({100 * self.confidence:g} % interval "
            f"there {self.smoothed_lower[-1]:.3f} to {self.smoothed_upper[-1]:.3f})",
            f"it walks by {self.step_sd:.3g} a sample; the log-likelihood is "
            f"{self.log_likelihood - self.log_likelihood_constant:.2f} above that of a constant coefficient",
        ]
        report = Report("AR(1) coefficient through time", answers=answers)
        report.data(self.series)
        return report


def time_varying_ar(
    series: Any,
    *,
    confidence: float = 0.95,
    time: Any = None,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
) -> TimeVaryingAutoregression:
    """AR(1) coefficient that walks at random, by Kalman filter and maximum likelihood.

    x[t] = a[t] x[t-1] + e[t] and a[t] = a[t-1] + w[t], with independent normal e and w, x being the series less its
    mean. How fast a walks is estimated, so that no window has to be chosen. Near a fold, transcritical or pitchfork
    bifurcation a rises towards 1; near a flip it falls towards -1.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray; detrended, if it has a trend. At least
        20 samples.
    confidence : float, default 0.95
        Level of the intervals.
    time : array_like of shape (n,), optional
        Numbers or dates (default: those that `series` carries, else 0, 1, …).
    until : number or date, optional
        Last time used.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.

    Returns
    -------
    TimeVaryingAutoregression
        Filtered and smoothed coefficient with intervals, the two standard deviations, and the likelihoods.

    Raises
    ------
    ews.errors.ArgumentError
        If the series or the level cannot be used, or the series is exactly autoregressive.

    Notes
    -----
    Nothing is supposed of a[0] (diffuse start): the first equation determines it and is left out of the likelihood. The
    mean and both standard deviations are estimated from the whole series, so that even the filtered coefficient is not
    free of later samples. Where the true steps are small, the most likely size is often 0 (a constant coefficient): for
    n = 200 a change has to be large to be seen.

    References
    ----------
    Harvey, A. C. (1989). Forecasting, Structural Time Series Models and the Kalman Filter. Cambridge University Press.
    Ives, A. R. & Dakos, V. (2012). Detecting dynamical changes in nonlinear time series using locally linear
    state-space models. Ecosphere 3, 58: time-varying autoregression as early warning.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> noise, x = np.random.default_rng(1).standard_normal(1000), np.zeros(1000)
    >>> for t in range(1, 1000):  # the coefficient rises from 0 to 0.9
    ...     x[t] = 0.9 * t / 1000 * x[t - 1] + noise[t]
    >>> fit = ews.time_varying_ar(x)
    >>> bool(fit.smoothed[1] < 0.3 and fit.smoothed[-1] > 0.7)
    True
    """
    data = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates)
    confidence = checks.alpha(confidence, "confidence")
    if len(data) < _FEWEST:
        raise SeriesTooShortError("series", described(f"{len(data)} observations"), f"at least {_FEWEST}")
    values, scale = _standardised(data.values)
    walk, (innovation, likelihood), constant = _most_likely_walk(values)

    from scipy.special import ndtri

    from ews._kernels.kalman import filter_coefficient, smooth_coefficient

    state, variance = np.empty(values.size), np.empty(values.size)
    filter_coefficient(values, walk, state, variance)
    width = float(ndtri(0.5 + 0.5 * confidence)) * math.sqrt(innovation)
    filtered = (state.copy(), state - width * np.sqrt(variance), state + width * np.sqrt(variance))
    smooth_coefficient(walk, state, variance)
    smoothed = (state, state - width * np.sqrt(variance), state + width * np.sqrt(variance))
    unit = int(np.isfinite(state).sum() - 1) * math.log(scale)
    return TimeVaryingAutoregression(
        data,
        *filtered,
        *smoothed,
        innovation_sd=math.sqrt(innovation) * scale,
        step_sd=math.sqrt(walk * innovation),
        log_likelihood=likelihood - unit,
        log_likelihood_constant=constant - unit,
        confidence=float(confidence),
    )


def _standardised(values: FloatArray) -> tuple[FloatArray, float]:
    """The series less its mean in units of its standard deviation, and that unit."""
    largest = float(np.abs(values).max()) or 1.0
    centred = values / largest - np.mean(values / largest)  # squares neither vanish nor overflow
    spread = float(centred.std())
    if spread <= 1e-13:
        raise ArgumentError("series", described("a series of one value"), "a series that varies")
    return np.ascontiguousarray(centred / spread), spread * largest


def _most_likely_walk(values: FloatArray) -> tuple[float, tuple[float, float], float]:
    """Variance of the coefficient's steps over that of the innovations at the highest likelihood, and what it gives.

    Also the log-likelihood of a constant coefficient.
    """
    from scipy.optimize import minimize_scalar

    from ews._kernels.kalman import filter_coefficient

    state, variance = np.empty(values.size), np.empty(values.size)

    def cost(logarithm: float) -> float:
        return -filter_coefficient(values, 10.0**logarithm, state, variance)[1]

    still = filter_coefficient(values, 0.0, state, variance)
    if not still[0] > 1e-24:
        raise ArgumentError("series", described("a series without innovations"), "a series that is not deterministic")
    # The likelihood can have a maximum beside 0: a grid finds its neighbourhood.
    grid = np.linspace(_LOWEST, _HIGHEST, _POINTS)
    costs = [cost(point) for point in grid]
    best = int(np.argmin(costs))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, _POINTS - 1)])
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    logarithm = float(found.x) if found.fun < costs[best] else float(grid[best])
    moving = filter_coefficient(values, 10.0**logarithm, state, variance)
    if best == 0 or moving[1] <= still[1]:
        return 0.0, still, still[1]
    return 10.0**logarithm, moving, still[1]
