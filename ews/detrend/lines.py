"""Trends without a bandwidth: the straight line, and the previous sample (first differences)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import SeriesTooShortError, described

__all__ = ["difference", "linear", "plan_difference", "plan_linear"]


def linear(x: npt.ArrayLike, *, causal: bool = False) -> Detrended:
    """Detrend by the least-squares line.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series of at least two samples, all finite. Not changed.
    causal : bool, default False
        If True, the trend at a sample is the end of the line fitted to that sample and all before it (so the first two
        residuals are 0). If False, one line is fitted to the whole record, and each residual uses later samples too.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.SeriesTooShortError
        If there are fewer than two samples.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    Examples
    --------
    >>> linear([1.0, 2.0, 3.0, 6.0]).trend
    array([0.6, 2.2, 3.8, 5.4])
    """
    x = one_series(x)
    return plan_linear(x.size, causal=causal).apply(x)


def plan_linear(n: int, *, causal: bool) -> DetrendPlan:
    """Work out :func:`linear` for series of length `n`."""
    causal = checks.flag("causal", causal)
    if n < 2:
        raise SeriesTooShortError("x", described(f"{n} samples"), "at least 2 samples for a line")
    if causal:
        sentence = "end of the least-squares line through the present and all past samples, causal"
        return DetrendPlan("linear", n, None, True, sentence, _line_so_far)
    sentence = "least-squares line through the whole record, centred: each residual uses later samples too"
    return DetrendPlan("linear", n, None, False, sentence, _line)


def difference(x: npt.ArrayLike) -> Detrended:
    """Take first differences: the trend of a sample is the sample before it.

    The result keeps the length of the series: the first trend and residual are NaN. R's earlywarnings stamps the
    difference x[t + 1] − x[t] with t; here it is stamped with t + 1, the first time at which it is known, so an
    indicator of R's at time t is found here at t + 1.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series of at least two samples, all finite. Not changed.

    Returns
    -------
    Detrended
        Trend and residual; causal by nature.

    Raises
    ------
    ews.errors.SeriesTooShortError
        If there are fewer than two samples.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    Examples
    --------
    >>> difference([1.0, 2.0, 4.0]).residual
    array([nan,  1.,  2.])
    """
    x = one_series(x)
    return plan_difference(x.size).apply(x)


def plan_difference(n: int) -> DetrendPlan:
    """Work out :func:`difference` for series of length `n`."""
    if n < 2:
        raise SeriesTooShortError("x", described(f"{n} samples"), "at least 2 samples for a difference")
    sentence = "first differences, causal: each sample minus the one before it"
    return DetrendPlan("difference", n, None, True, sentence, _previous)


def _line(x: FloatArray) -> FloatArray:
    n = x.shape[1]
    t = np.arange(n) - (n - 1) / 2
    # Differences from one sample, so that an offset of 1e8 costs no digits and a constant leaves exactly 0.
    shifted = x - x[:, :1]
    level = shifted.mean(axis=1, keepdims=True)
    slope = (shifted * t).sum(axis=1, keepdims=True) / (t * t).sum()
    trend = slope * t
    trend += level + x[:, :1]
    return np.asarray(trend)


def _line_so_far(x: FloatArray) -> FloatArray:
    n = x.shape[1]
    first = x[:, :1]
    shifted = x - first
    count = np.arange(1.0, n + 1)
    level = np.cumsum(shifted, axis=1) / count
    # Co-moment of time and value, one sample at a time (Welford 1962): C_m − C_{m-1} = (m − 1) / m · (t_m − mean of
    # t_1…t_{m-1}) · (x_m − level_{m-1}), where t_m − mean of t_1…t_{m-1} = m / 2 for t = 1, 2, ….
    product = np.zeros_like(x)
    product[:, 1:] = ((count[1:] - 1) / 2) * (shifted[:, 1:] - level[:, :-1])
    moment = count * (count * count - 1) / 12  # sum of squared deviations of 1…m
    moment[0] = 1.0  # the first product is 0: the line through one sample is flat
    slope = np.cumsum(product, axis=1) / moment
    return np.asarray(first + level + slope * ((count - 1) / 2))


def _previous(x: FloatArray) -> FloatArray:
    trend = np.full_like(x, np.nan)
    trend[:, 1:] = x[:, :-1]
    return trend
