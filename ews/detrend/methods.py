"""Choose a detrending by name: validated once, then applied to many series of one length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ews._common import checks
from ews.detrend.kernel_smoothers import plan_gaussian, plan_ksmooth, plan_running_mean
from ews.detrend.lines import plan_difference, plan_linear
from ews.detrend.local_polynomial import plan_local_linear, plan_local_quadratic
from ews.detrend.local_regression import plan_loess, plan_lowess
from ews.detrend.result import DetrendPlan
from ews.detrend.seasonal import after_season
from ews.errors import ArgumentError

__all__ = ["METHODS", "SMOOTHER", "plan"]

# Of the score tests: parabolas follow a mean that moves faster and faster up to the end of a record.
SMOOTHER = "local_quadratic"


def _gaussian(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_gaussian(n, bandwidth=0.2 if bandwidth is None else bandwidth, causal=causal)


def _ksmooth(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_ksmooth(n, bandwidth=bandwidth, causal=causal)


def _local_linear(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_local_linear(n, bandwidth=bandwidth, causal=causal)


def _local_quadratic(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_local_quadratic(n, bandwidth=bandwidth, causal=causal)


def _lowess(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_lowess(n, span=0.2 if bandwidth is None else bandwidth, causal=causal)


def _loess(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_loess(n, span=0.25 if bandwidth is None else bandwidth, causal=causal)


def _running_mean(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    return plan_running_mean(n, window=0.2 if bandwidth is None else bandwidth, causal=causal, argument="bandwidth")


def _linear(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    _refuse_bandwidth("linear", bandwidth)
    return plan_linear(n, causal=causal)


def _difference(n: int, bandwidth: float | None, causal: bool) -> DetrendPlan:
    del causal  # it is causal either way
    _refuse_bandwidth("difference", bandwidth)
    return plan_difference(n)


def _nothing(n: int, bandwidth: float | None) -> DetrendPlan:
    _refuse_bandwidth(None, bandwidth)
    return DetrendPlan(None, n, None, True, "no detrending", np.zeros_like)


_BY_NAME: dict[str, Callable[[int, float | None, bool], DetrendPlan]] = {
    "gaussian": _gaussian,
    "ksmooth": _ksmooth,
    "local_linear": _local_linear,
    "local_quadratic": _local_quadratic,
    "lowess": _lowess,
    "loess": _loess,
    "running_mean": _running_mean,
    "linear": _linear,
    "difference": _difference,
}

METHODS: tuple[str, ...] = tuple(_BY_NAME)


def plan(
    method: str | None, *, n: int, bandwidth: float | None = None, causal: bool = False, season: int | None = None
) -> DetrendPlan:
    """Work out a detrending for series of length `n`.

    Parameters
    ----------
    method : str or None
        One of :data:`METHODS`, or None for none (the trend is 0).
    n : int
        Length of the series.
    bandwidth : float or int, optional
        Bandwidth, span or window; the default is the method's own: 0.2 of the record, 0.25 for loess, rules of
        their own for ksmooth, local_linear and local_quadratic. To be left out for methods that have none.
    causal : bool, default False
        Whether only present and past samples may be used.
    season : int, optional
        Period in samples of a seasonal component that is taken out first (see :func:`ews.detrend.season`).

    Returns
    -------
    DetrendPlan
        The plan.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no such method; the nearest name is suggested.
    ews.errors.ValueRangeError
        If the bandwidth or the season is not in the allowed range.
    ews.errors.ArgumentError
        If a bandwidth is given to a method that has none.
    ews.errors.SeriesTooShortError
        If `n` is too small for the method.

    Examples
    --------
    >>> plan("linear", n=1000, causal=True).sentence
    'end of the least-squares line through the present and all past samples, causal'
    """
    if method is None:
        base = _nothing(n, bandwidth)
    else:
        base = _BY_NAME[checks.choice("detrend", method, METHODS)](n, bandwidth, causal)
    return base if season is None else after_season(base, period=season, causal=causal)


def _refuse_bandwidth(method: str | None, bandwidth: float | None) -> None:
    if bandwidth is not None:
        raise ArgumentError("bandwidth", bandwidth, f"None: detrend={method!r} has no bandwidth")
