"""Likelihoods of the three models at parameters of one's own: the functions that :func:`likelihood` maximises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.times import as_times, numeric
from ews.errors import ArgumentError, MissingValuesError, SeriesTooShortError, ValueRangeError, described
from ews.series import real_numbers

__all__ = ["ornstein_uhlenbeck_log_likelihood", "saddle_node_log_likelihood", "transcritical_log_likelihood"]

FloatArray = npt.NDArray[np.float64]

# Returns within one step of time: beyond it e⁻ʳᵃᵗᵉ is nothing, and integrals over the step have no scale.
_FASTEST = 1e12


def ornstein_uhlenbeck_log_likelihood(
    values: Any, *, time: Any = None, rate: float, level: float, sigma: float
) -> float:
    """Log-likelihood of an Ornstein–Uhlenbeck process, dx = rate (level − x) dt + sigma dB.

    The density of each observation is taken given the one before; the first is given.

    Parameters
    ----------
    values : array_like of shape (n,)
        Observations.
    time : array_like of shape (n,), optional
        When each was made, increasing, evenly or not (default: 0, 1, 2, …; dates are counted in days).
    rate : float
        Rate of return, per unit of time; 0 is a random walk.
    level : float
        Equilibrium, in units of the values.
    sigma : float
        Noise, in units of the values per square root of time.

    Returns
    -------
    float
        The log-likelihood.

    Raises
    ------
    ews.errors.ArgumentError
        For values or times that are not finite, increasing and as many, or parameters outside the model.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions.
    J. R. Soc. Interface 9, 2527–2539.

    Examples
    --------
    >>> import ews
    >>> l = ews.bifurcations.ornstein_uhlenbeck_log_likelihood([0.0, 1.0, 0.5], rate=1.0, level=0.0, sigma=1.0)
    >>> round(l, 3)
    -2.176
    """
    from ews._kernels.likelihood import log_likelihood, ornstein_uhlenbeck_table

    x, stamps = _observations(values, time)
    rate, level, sigma = _number("rate", rate, least=0.0), _number("level", level), _positive("sigma", sigma)
    table = np.empty((5, x.size - 1))
    ornstein_uhlenbeck_table(np.diff(stamps), rate, table)
    return float(log_likelihood(x, table, 1, level, sigma))


def saddle_node_log_likelihood(
    values: Any, *, time: Any = None, R: float, slope: float, theta: float, sigma: float, variance_decay: float = 4.0
) -> float:
    """Log-likelihood of a linearised saddle-node whose distance to the bifurcation changes at constant speed.

    With R(t) = R + slope · t, mean and variance between observations follow
    dE/dt = 2√R (√R + θ − E) and dV/dt = −c √R V + σ² (√R + θ), V = 0 at the earlier one.

    Parameters
    ----------
    values : array_like of shape (n,)
        Observations.
    time : array_like of shape (n,), optional
        When each was made, increasing, evenly or not (default: 0, 1, 2, …; dates are counted in days from the first).
    R : float
        Distance to the saddle-node at time 0.
    slope : float
        Its change per unit of time; negative is an approach.
    theta : float
        Where the state is when R = 0, in units of the values.
    sigma : float
        Noise.
    variance_decay : float, default 4
        The factor c. Itô's formula gives 4, the only value for which a constant R is an Ornstein–Uhlenbeck process; the
        code published with the paper has 2.

    Returns
    -------
    float
        The log-likelihood; -inf where R(t) or a variance is negative within the record.

    Raises
    ------
    ews.errors.ArgumentError
        For values or times that are not finite, increasing and as many, or parameters that are not finite.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions.
    J. R. Soc. Interface 9, 2527–2539.

    Examples
    --------
    >>> import ews
    >>> l = ews.bifurcations.saddle_node_log_likelihood([5.0, 6.0, 5.5], R=0.25, slope=0.0, theta=5.0, sigma=0.5)
    >>> round(l, 3)
    -1.74
    """
    # √R = rate / 2 and theta = level − √R: the nested process, sigma √(√R + theta) its noise.
    return _transition(0, values, time, R, slope, 1.0, theta, sigma, variance_decay)


def transcritical_log_likelihood(
    values: Any, *, time: Any = None, R: float, slope: float, theta: float, sigma: float, variance_decay: float = 4.0
) -> float:
    """Log-likelihood of a linearised transcritical bifurcation approached at constant speed.

    With R(t) = R + slope · t, mean and variance between observations follow
    dE/dt = R (R − E/θ) and dV/dt = −(c/2)(R/θ) V + σ² (1 + R), V = 0 at the earlier one.

    Parameters
    ----------
    values : array_like of shape (n,)
        Observations.
    time : array_like of shape (n,), optional
        When each was made, increasing, evenly or not (default: 0, 1, 2, …; dates are counted in days from the first).
    R : float
        Distance to the bifurcation at time 0; the equilibrium is θR and the rate of return R/θ.
    slope : float
        Its change per unit of time; negative is an approach.
    theta : float
        Positive.
    sigma : float
        Noise.
    variance_decay : float, default 4
        The factor c; with 4 the variance decays at twice the rate of the mean, as it must.

    Returns
    -------
    float
        The log-likelihood; -inf where R(t) is negative within the record.

    Raises
    ------
    ews.errors.ArgumentError
        For values or times that are not finite, increasing and as many, or parameters outside the model.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions.
    J. R. Soc. Interface 9, 2527–2539. The decay of the variance follows from the drift here; the code published with
    the paper has 2R.

    Examples
    --------
    >>> import ews
    >>> l = ews.bifurcations.transcritical_log_likelihood([5.0, 6.0, 5.5], R=2.0, slope=0.0, theta=2.5, sigma=0.5)
    >>> round(l, 3)
    -2.195
    """
    return _transition(1, values, time, R, slope, _positive("theta", theta), theta, sigma, variance_decay)


def _transition(
    model: int,
    values: Any,
    time: Any,
    R: float,
    slope: float,
    unit: float,
    theta: float,
    sigma: float,
    variance_decay: float,
) -> float:
    from ews._kernels.likelihood import SADDLE_NODE, log_likelihood, transition_table

    x, stamps = _observations(values, time)
    R, slope, theta = _number("R", R), _number("slope", slope), _number("theta", theta)
    sigma, decay = _positive("sigma", sigma), _positive("variance_decay", variance_decay)
    first, last = R + slope * float(stamps[0]), R + slope * float(stamps[-1])
    if first < 0 or last < 0:
        return -math.inf
    start, end = (math.sqrt(first), math.sqrt(last)) if model == SADDLE_NODE else (first / unit, last / unit)
    rate = 2.0 * max(start, end) if model == SADDLE_NODE else max(start, end)
    if not rate * float(np.diff(stamps).max()) <= _FASTEST:
        given = described(f"rates of return up to {rate:.3g}")
        raise ValueRangeError("R", given, f"at most {_FASTEST:g} within one step of time (see `slope` and `theta` too)")
    table = np.empty((5, x.size - 1))
    transition_table(model, False, np.diff(stamps), start, end, decay, table)
    return float(log_likelihood(x, table, 1 if model == SADDLE_NODE else 2, theta, sigma))


def _observations(values: Any, time: Any) -> tuple[FloatArray, FloatArray]:
    x = np.ascontiguousarray(real_numbers("values", values))
    if x.size < 2:
        raise SeriesTooShortError("values", described(f"{x.size} values"), "at least 2 values")
    if not np.isfinite(x).all():
        raise MissingValuesError("values", described(f"{int((~np.isfinite(x)).sum())} that are not finite"), "finite")
    stamps = np.ascontiguousarray(numeric(as_times(time, x.size)[0]))
    if not (np.diff(stamps) > 0).all():
        raise ArgumentError("time", described("times that do not increase"), "each time later than the one before")
    return x, stamps


def _number(argument: str, given: Any, *, least: float = -math.inf) -> float:
    allowed = "a finite number" if least == -math.inf else f"a finite number of {least:g} or more"
    return checks.number(argument, given, least=least, allowed=allowed)


def _positive(argument: str, given: Any) -> float:
    return checks.number(argument, given, above=0.0, allowed="a positive number")
