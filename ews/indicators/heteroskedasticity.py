"""Conditional heteroskedasticity: whether a large surprise makes the next one large, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews.errors import ValueRangeError
from ews.indicators.autoregression import largest_order
from ews.indicators.building import measure, read_window
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register
from ews.series import Duplicates, Missing, Series, as_series

__all__ = ["HeteroskedasticityTest", "conditional_heteroskedasticity", "heteroskedasticity_test"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Order = int | Literal["aic"]


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class HeteroskedasticityTest(Result):
    """Conditional heteroskedasticity in a sliding window, beside its critical value.

    Attributes
    ----------
    series : Series
        What was tested.
    r_squared : ndarray of shape (n,)
        R squared of the squared residuals on their predecessors, at the right edge of each window; NaN before the
        first full one.
    critical_value : ndarray of shape (n,)
        What R squared exceeds in a share `alpha` of windows without conditional heteroskedasticity.
    signal : ndarray of shape (n,), bool
        Where it does.
    order : ndarray of shape (n,), int64
        Order of the autoregression; -1 where there is none.
    window : int
        Window in samples.
    alpha : float
        Level of the test.
    """

    series: Series
    r_squared: FloatArray
    critical_value: FloatArray
    signal: npt.NDArray[np.bool_]
    order: IntArray
    window: int
    alpha: float

    _table: ClassVar = ("r_squared", "critical_value", "signal", "order")

    def _report(self) -> Report:
        tested = int(np.isfinite(self.r_squared).sum())
        found = int(self.signal.sum())
        answer = (
            f"R² exceeds its critical value in {found} of {tested} windows of {self.window} samples; {self.alpha:.3g} "
            f"of them ({self.alpha * tested:.1f}) would do so by chance. Windows overlap, so that chance findings "
            "come in runs"
        )
        report = Report("Conditional heteroskedasticity", answers=[answer])
        report.data(self.series)
        return report


def conditional_heteroskedasticity(
    x: Any,
    *,
    window: int | float,
    order: Order = "aic",
    max_order: int | None = None,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Conditional heteroskedasticity in a sliding window: R squared of squared residuals on their predecessors.

    An autoregression takes the linear memory out of each window; the squares of its residuals are regressed on the
    squares one sample earlier. Near a bifurcation the response to a shock depends on the state, so that the variance of
    the next residual follows the size of the last, and R squared rises.

    Parameters
    ----------
    x : array_like
        The series, of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 5 samples.
    order : int or "aic", default "aic"
        Order of the autoregression, or its choice by AIC as in R's ``ar.ols``: n ln(RSS / (n - p)) + 2 (p + 1), each
        order p fitted to all n - p samples of the n that it can use.
    max_order : int, optional
        Highest order that AIC may choose. Default: 10 log10(window), as in R, but no more than a fifth of the window.
        R's own limit lets AIC choose 9 coefficients and a constant for a window of 20, which leaves 11 residuals with
        one degree of freedom.
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
        Shaped like `x`, from 0 to 1, each value at the right edge of its window; NaN before the first full window and
        in constant windows.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or order cannot be used.

    References
    ----------
    Engle, R. F. (1982). Autoregressive conditional heteroscedasticity with estimates of the variance of United Kingdom
    inflation. Econometrica 50, 987-1007. Seekell, D. A., Carpenter, S. R. & Pace, M. L. (2011). Conditional
    heteroscedasticity as a leading indicator of ecological regime shifts. American Naturalist 178, 442-451.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> noise, x = np.random.default_rng(1).standard_normal(2000), np.zeros(2000)
    >>> for t in range(1, 2000):  # ARCH(1): variance 0.5 + 0.5 x[t-1]**2
    ...     x[t] = noise[t] * (0.5 + 0.5 * x[t - 1] ** 2) ** 0.5
    >>> [bool(ews.conditional_heteroskedasticity(z, window=2000)[-1] > 0.01) for z in (noise, x)]
    [False, True]
    """
    shortest = CONDITIONAL_HETEROSKEDASTICITY.shortest_window

    def compute(windows: Windows) -> FloatArray:
        return _r_squared(windows, *_read_orders(order, max_order, windows.window))[0]

    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def heteroskedasticity_test(
    series: Any,
    *,
    window: int | float = 0.1,
    alpha: float = 0.1,
    order: Order = "aic",
    max_order: int | None = None,
    time: Any = None,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
) -> HeteroskedasticityTest:
    """Conditional heteroskedasticity in a sliding window, tested window by window.

    Without it, the number of pairs m - 1 times R squared is distributed as chi-squared with one degree of freedom
    (Engle 1982), m being the number of residuals in the window. A signal is an R squared above the quantile at 1 -
    alpha over m - 1. The test holds for one window: over all of them a share alpha signals by chance.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    window : int or float, default 0.1
        Window: samples, or a fraction of the series between 0 and 1. At least 5 samples. A tenth is the default of the
        R package earlywarnings.
    alpha : float, default 0.1
        Level of the test; 0.1 is the default there, too.
    order, max_order : object
        See :func:`ews.conditional_heteroskedasticity`.
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
    HeteroskedasticityTest
        R squared, critical value and signal at each time.

    Raises
    ------
    ews.errors.ArgumentError
        If the series, the window, the level or the order cannot be used.

    References
    ----------
    Engle (1982) and Seekell, Carpenter & Pace (2011), see :func:`ews.conditional_heteroskedasticity`.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=200, seed=1)
    >>> result = ews.heteroskedasticity_test(population.values, window=0.5, alpha=0.05, order=1)
    >>> round(float(result.critical_value[-1]), 4)  # 3.8415 / 98
    0.0392
    """
    data = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates)
    alpha = checks.alpha(alpha)
    length = read_window(window, len(data), shortest=CONDITIONAL_HETEROSKEDASTICITY.shortest_window)
    windows = Windows(data.values[np.newaxis], window=length)
    r_squared, orders = (found[0] for found in _r_squared(windows, *_read_orders(order, max_order, length)))

    from scipy.special import chdtri

    pairs = length - orders - 1.0  # m - 1
    critical = np.where(orders >= 0, chdtri(1.0, alpha) / pairs, np.nan)
    with np.errstate(invalid="ignore"):
        signal = r_squared > critical
    return HeteroskedasticityTest(data, r_squared, critical, signal, orders, length, alpha)


def _read_orders(order: Any, max_order: Any, window: int) -> tuple[int, int]:
    """Lowest and highest order to choose from."""
    if isinstance(order, str) and order == "aic":
        highest = largest_order(window) if max_order is None else max_order
        return 0, checks.whole("max_order", highest, least=0, most=window - 4)
    most = (window - 2) // 2  # as many samples as coefficients, the constant and one degree of freedom
    chosen = checks.whole("order", order, least=0, most=most, allowed=f"'aic', or an integer from 0 to {most}")
    if max_order is not None:
        raise ValueRangeError("max_order", max_order, "None where the order is given")
    return chosen, chosen


def _r_squared(windows: Windows, lowest: int, highest: int) -> tuple[FloatArray, Any]:
    from ews._kernels import autoregressive_fit

    out = np.empty(windows.residual.shape)
    orders = np.empty(windows.residual.shape, dtype=np.int64)
    with np.errstate(all="ignore"):  # as compiled: overflow in the plain twin is no cause for a warning
        autoregressive_fit.rolling_conditional_heteroskedasticity(
            windows.residual, windows.window, lowest, highest, out, orders
        )
    return out, orders


CONDITIONAL_HETEROSKEDASTICITY = register(
    Indicator(
        name="conditional_heteroskedasticity",
        label="Conditional heteroskedasticity (R²)",
        compute=lambda windows: _r_squared(windows, 0, largest_order(windows.window))[0],
        alarm="up",
        shortest_window=5,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Seekell, Carpenter & Pace (2011) American Naturalist 178, 442-451",
        slowing=False,
    )
)
