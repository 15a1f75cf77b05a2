"""Memory of a window: how far a sample predicts the next, and how fast the system returns after a shock."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register

__all__ = ["autocorrelation", "decay_time", "lagged_ratio", "restoring_rate", "return_rate"]

FloatArray = npt.NDArray[np.float64]
Method = Literal["pearson", "ols", "acf"]
_METHODS: tuple[Method, ...] = ("pearson", "ols", "acf")

# Boers (2021) fits with 10 iterations; statsmodels' GLSAR stops earlier where no coefficient moves by 1e-4.
_ITERATIONS = 10
_TOLERANCE = 1e-4


def autocorrelation(
    x: Any,
    *,
    window: int | float,
    lag: int = 1,
    method: Method = "pearson",
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Autocorrelation in a sliding window.

    Near a fold, transcritical or pitchfork bifurcation the system forgets shocks ever more slowly, and lag-1
    autocorrelation rises towards 1. Near a flip (period-doubling) bifurcation it *falls* towards -1.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least `lag` + 2 samples.
    lag : int, default 1
        Distance between the samples compared.
    method : {"pearson", "ols", "acf"}, default "pearson"
        The three differ visibly in short windows.
        ``"pearson"``: correlation of x[t] and x[t-lag] over the pairs inside the window (pandas ``autocorr``).
        ``"ols"``: slope of x[t] on x[t-lag], both less the mean of the whole window (R ``ar.ols`` with
        ``demean=TRUE, intercept=FALSE``).
        ``"acf"``: lagged sum of products over the sum of squares, both about the mean of the whole window (R ``acf``);
        biased towards 0.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, pairs that lack a sample are
        skipped and the partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, without unit, each value at the right edge of its window; NaN before the first full window and
        in constant windows.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window, lag or method cannot be used.

    References
    ----------
    Held, H. & Kleinen, T. (2004). Detection of climate system bifurcations by degenerate fingerprinting. Geophysical
    Research Letters 31, L23207. Box, G. E. P., Jenkins, G. M. & Reinsel, G. C. (1994). Time Series Analysis: the
    estimator "acf".

    Examples
    --------
    >>> import ews
    >>> ews.autocorrelation([1.0, 2.0, 3.0, 2.0, 4.0], window=4).round(3)
    array([   nan,    nan,    nan,  0.   , -0.866])
    """
    lag = checks.whole("lag", lag, least=1)
    method = checks.choice("method", method, _METHODS)
    distance = int(lag)

    def compute(windows: Windows) -> FloatArray:
        if method == "pearson":
            return windows.moment(f"acf{distance}")
        return lagged_ratio(windows, lag=distance, method=method)

    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=distance + 2)


def lagged_ratio(windows: Windows, *, lag: int, method: Literal["ols", "acf"]) -> FloatArray:
    """Autocorrelation about one mean: "ols" and "acf" of :func:`autocorrelation`; NaN in constant windows."""
    from ews._kernels import memory

    sums = np.empty((3, *windows.residual.shape))
    with np.errstate(all="ignore"):  # as compiled: overflow in the plain twin is no cause for a warning
        memory.rolling_lagged_products(windows.residual, windows.window, windows.min_count, lag, sums)
    squares, products, earlier = sums
    divisor = earlier if method == "ols" else squares
    with np.errstate(invalid="ignore"):  # sums that overflowed
        return np.asarray(products / np.where(divisor > 0.0, divisor, np.nan))


def return_rate(
    x: Any,
    *,
    window: int | float,
    step: float = 1.0,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Return rate in a sliding window: how fast a shock decays, -ln(AC1) / step.

    Near a fold, transcritical or pitchfork bifurcation it falls towards 0.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 3 samples.
    step : float, default 1.0
        Time between observations.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, pairs that lack a sample are
        skipped and the partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, per unit of time, each value at the right edge of its window; NaN before the first full window
        and where the lag-1 autocorrelation (Pearson) is not positive: no exponential decay has that.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or step cannot be used.

    References
    ----------
    Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53-59, box 3: the lag-1
    autocorrelation of a system with return rate r is exp(-r step).

    Examples
    --------
    >>> import ews
    >>> ews.return_rate([0.0, 1.0, 2.0, 4.0, 4.0, 5.0], window=4).round(3)
    array([  nan,   nan,   nan, 0.018, 0.28 , 0.693])
    """
    shortest = RETURN_RATE.shortest_window
    return measure(
        x, RETURN_RATE.compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest, step=step
    )


def decay_time(
    x: Any,
    *,
    window: int | float,
    step: float = 1.0,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Decay time in a sliding window: the time in which a shock falls to 1/e, -step / ln(AC1).

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 3 samples.
    step : float, default 1.0
        Time between observations.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, pairs that lack a sample are
        skipped and the partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in units of time, each value at the right edge of its window; NaN before the first full window
        and where the lag-1 autocorrelation is not positive, infinite where it is 1.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or step cannot be used.

    References
    ----------
    The reciprocal of :func:`return_rate`.

    Examples
    --------
    >>> from ews.indicators.memory import decay_time
    >>> decay_time([0.0, 1.0, 2.0, 4.0, 4.0, 5.0], window=4, step=0.5).round(3)
    array([   nan,    nan,    nan, 27.497,  1.787,  0.721])
    """
    shortest = DECAY_TIME.shortest_window
    return measure(
        x, DECAY_TIME.compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest, step=step
    )


def restoring_rate(
    x: Any,
    *,
    window: int | float,
    step: float = 1.0,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Restoring rate in a sliding window: slope of the increments on the state, with AR(1) errors.

    Unlike lag-1 autocorrelation, it does not take memory in the noise for memory of the system. It rises towards 0 from
    below as the system loses stability.

    Parameters
    ----------
    x : array_like
        The series, of any shape with time along `axis`. Mean and straight line are taken out of each window here.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 6 samples.
    step : float, default 1.0
        Time between observations.
    min_count : int, optional
        Accepted so that all indicators are called alike. The fit needs consecutive samples: a window with a missing one
        is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, per unit of time, each value at the right edge of its window; NaN before the first full window
        and in windows that are constant or an exact straight line.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or step cannot be used.

    References
    ----------
    Boers, N. (2021). Observation-based early-warning signals for a collapse of the Atlantic Meridional Overturning
    Circulation. Nature Climate Change 11, 680-688, Methods. Cochrane, D. & Orcutt, G. H. (1949). Application of least
    squares regression to relationships containing auto-correlated error terms. JASA 44, 32-61: the iteration.

    Examples
    --------
    >>> import numpy as np
    >>> from ews.indicators.memory import restoring_rate
    >>> x = np.random.default_rng(1).standard_normal(500)
    >>> bool(restoring_rate(x, window=400)[-1] < -0.7)
    True
    """
    shortest = RESTORING_RATE.shortest_window
    return measure(
        x, RESTORING_RATE.compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest, step=step
    )


def _return_rate(windows: Windows) -> FloatArray:
    correlation = windows.moment("acf1")
    # Scheffer et al. (2009) box 3: AC1 = exp(-rate step). Rounding may carry a correlation beyond 1.
    return -np.log(np.where(correlation > 0.0, np.minimum(correlation, 1.0), np.nan)) / windows.step


def _decay_time(windows: Windows) -> FloatArray:
    with np.errstate(divide="ignore"):
        return 1.0 / np.abs(_return_rate(windows))  # abs: a rate of -0.0 is an infinite time, too


def _restoring_rate(windows: Windows) -> FloatArray:
    from ews._kernels import memory

    out = np.empty(windows.residual.shape)
    with np.errstate(all="ignore"):
        memory.rolling_restoring_rate(windows.residual, windows.window, _ITERATIONS, _TOLERANCE, out)
    return out / windows.step


def _register_autocorrelation(lag: int) -> Indicator:
    name = f"acf{lag}"
    return register(
        Indicator(
            name=f"ac{lag}",
            label=f"Lag-{lag} autocorrelation",
            compute=lambda windows: windows.moment(name),
            alarm="up",
            shortest_window=lag + 2,
            shift=True,
            scale="invariant",
            mirror="invariant",
            reference="Held & Kleinen (2004) Geophysical Research Letters 31, L23207",
            moments=(name,),
            gaps="skip",
            function="autocorrelation",
            options={"lag": lag},
        )
    )


AC1 = _register_autocorrelation(1)
AC2 = _register_autocorrelation(2)
AC3 = _register_autocorrelation(3)
RETURN_RATE = register(
    Indicator(
        name="return_rate",
        label="Return rate",
        compute=_return_rate,
        alarm="down",
        shortest_window=3,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Scheffer et al. (2009) Nature 461, 53-59",
        moments=("acf1",),
        gaps="skip",
    )
)
DECAY_TIME = register(
    Indicator(
        name="decay_time",
        label="Decay time",
        compute=_decay_time,
        alarm="up",
        shortest_window=3,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Scheffer et al. (2009) Nature 461, 53-59",
        moments=("acf1",),
        gaps="skip",
    )
)
RESTORING_RATE = register(
    Indicator(
        name="restoring_rate",
        label="Restoring rate",
        compute=_restoring_rate,
        alarm="up",
        shortest_window=6,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Boers (2021) Nature Climate Change 11, 680-688",
    )
)
