"""Moments of a window: mean, variance, standard deviation, coefficient of variation, skewness, kurtosis."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register

__all__ = ["cv", "kurtosis", "mean", "skewness", "std", "variance"]

FloatArray = npt.NDArray[np.float64]


def mean(x: Any, *, window: int | float, min_count: int | None = None, axis: int = -1, dim: str | None = None) -> Any:
    """Mean in a sliding window.

    Parameters
    ----------
    x : array_like
        The series, of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 1 sample.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in its units, each value at the right edge of its window; NaN before the first full window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window does not fit.

    Examples
    --------
    >>> import ews
    >>> ews.mean([1.0, 2.0, 6.0, 4.0], window=2)
    array([nan, 1.5, 4. , 5. ])
    """
    return measure(
        x, MEAN.compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=MEAN.shortest_window
    )


def variance(
    x: Any, *, window: int | float, ddof: int = 1, min_count: int | None = None, axis: int = -1, dim: str | None = None
) -> Any:
    """Variance in a sliding window.

    Near a bifurcation the system returns more slowly after each shock, so that shocks add up and the variance rises.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 2 samples.
    ddof : int, default 1
        The sum of squares is divided by the number of samples less `ddof`; 1 is unbiased for independent samples.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in its units squared, each value at the right edge of its window; NaN before the first full
        window. A constant window has variance 0 exactly.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window does not fit.

    References
    ----------
    Carpenter, S. R. & Brock, W. A. (2006). Rising variance: a leading indicator of ecological transition. Ecology
    Letters 9, 311-318.

    Examples
    --------
    >>> import ews
    >>> ews.variance([1.0, 3.0, 3.0, 9.0], window=2)
    array([nan,  2.,  0., 18.])
    """
    divisor = _read_ddof(ddof)
    shortest = max(VARIANCE.shortest_window, divisor + 1)
    compute = partial(_with_ddof, ddof=divisor)
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def std(
    x: Any, *, window: int | float, ddof: int = 1, min_count: int | None = None, axis: int = -1, dim: str | None = None
) -> Any:
    """Standard deviation in a sliding window.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 2 samples.
    ddof : int, default 1
        The sum of squares is divided by the number of samples less `ddof`.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in its units, each value at the right edge of its window; NaN before the first full window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window does not fit.

    References
    ----------
    Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series illustrated
    using simulated ecological data. PLoS ONE 7, e41010.

    Examples
    --------
    >>> import ews
    >>> ews.std([1.0, 1.0, 3.0, 5.0], window=3).round(3)
    array([  nan,   nan, 1.155, 2.   ])
    """
    divisor = _read_ddof(ddof)
    shortest = max(STD.shortest_window, divisor + 1)
    return measure(
        x,
        lambda windows: np.sqrt(_with_ddof(windows, ddof=divisor)),
        window=window,
        min_count=min_count,
        axis=axis,
        dim=dim,
        shortest=shortest,
    )


def cv(
    x: Any,
    *,
    window: int | float,
    raw: Any = None,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Coefficient of variation in a sliding window: standard deviation of `x` over the absolute mean of `raw`.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 2 samples.
    raw : array_like, optional
        The series before detrending, shaped like `x` (default: `x` itself). A residual has a mean near 0, so
        dividing by its own mean would mean nothing.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, without unit, each value at the right edge of its window; NaN before the first full window and
        where the mean is 0.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, `raw` has another shape, or the window does not fit.

    References
    ----------
    Drake, J. M. & Griffen, B. D. (2010). Early warning signals of extinction in deteriorating environments. Nature 467,
    456-459.

    Examples
    --------
    >>> import ews
    >>> ews.cv([1.0, -1.0, 1.0], raw=[11.0, 9.0, 11.0], window=2).round(3)
    array([  nan, 0.141, 0.141])
    """
    return measure(
        x, CV.compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=CV.shortest_window, raw=raw
    )


def skewness(
    x: Any,
    *,
    window: int | float,
    bias: bool = False,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Skewness in a sliding window.

    Near a fold the potential flattens on one side, so the state spends more time there: skewness moves away from 0, to
    the side of the other state. The sign is kept.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 3 samples.
    bias : bool, default False
        False: the adjusted Fisher-Pearson coefficient G1, as in pandas. True: the plain moment ratio g1 = m3 / m2**1.5,
        as in the R package moments.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
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
        If the data are no series of real numbers, or the window does not fit.

    References
    ----------
    Guttal, V. & Jayaprakash, C. (2008). Changing skewness: an early warning signal of regime shifts in ecosystems.
    Ecology Letters 11, 450-460. Joanes, D. N. & Gill, C. A. (1998). Comparing measures of sample skewness and kurtosis.
    The Statistician 47, 183-189: g1 and G1.

    Examples
    --------
    >>> import ews
    >>> ews.skewness([0.0, 0.0, 3.0, 3.0], window=3).round(3)
    array([   nan,    nan,  1.732, -1.732])
    """
    compute = _biased_skewness if checks.flag("bias", bias) else SKEWNESS.compute
    return measure(
        x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=SKEWNESS.shortest_window
    )


def kurtosis(
    x: Any,
    *,
    window: int | float,
    bias: bool = False,
    excess: bool = True,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Kurtosis in a sliding window.

    Flickering between two states, and rare large excursions near a threshold, make the tails of the window heavier.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 4 samples.
    bias : bool, default False
        False: the adjusted coefficient G2, as in pandas. True: from the plain moment ratio m4 / m2**2.
    excess : bool, default True
        Relative to a normal distribution, which then has 0; False adds the 3 of a normal distribution. The R package
        moments gives ``bias=True, excess=False``.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them); with fewer than `window`, NaN are skipped and the
        partial windows at the start count.
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
        If the data are no series of real numbers, or the window does not fit.

    References
    ----------
    Biggs, R., Carpenter, S. R. & Brock, W. A. (2009). Turning back from the brink: detecting an impending regime shift
    in time to avert it. PNAS 106, 826-831. Joanes, D. N. & Gill, C. A. (1998). Comparing measures of sample skewness
    and kurtosis. The Statistician 47, 183-189: g2 and G2.

    Examples
    --------
    >>> import ews
    >>> ews.kurtosis([0.0, 0.0, 0.0, 1.0, 1.0], window=4)
    array([nan, nan, nan,  4., -6.])
    """

    bias, excess = checks.flag("bias", bias), checks.flag("excess", excess)

    def compute(windows: Windows) -> FloatArray:
        value = windows.moment("kurtosis")
        if bias:
            n = np.maximum(windows.count(), 4).astype(np.float64)
            # Joanes & Gill (1998): G2 = (n - 1) / ((n - 2) (n - 3)) ((n + 1) g2 + 6).
            value = (value * (n - 2.0) * (n - 3.0) / (n - 1.0) - 6.0) / (n + 1.0)
        return value if excess else value + 3.0

    return measure(
        x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=KURTOSIS.shortest_window
    )


def _read_ddof(ddof: Any) -> int:
    return checks.whole("ddof", ddof, least=0)


def _with_ddof(windows: Windows, *, ddof: int) -> FloatArray:
    value = windows.moment("variance")
    if ddof == 1:
        return value
    n = windows.count().astype(np.float64)
    return np.where(n > ddof, value * (n - 1.0) / np.maximum(n - ddof, 1.0), np.nan)


def _biased_skewness(windows: Windows) -> FloatArray:
    n = np.maximum(windows.count(), 3).astype(np.float64)
    # Joanes & Gill (1998): G1 = g1 sqrt(n (n - 1)) / (n - 2).
    return windows.moment("skewness") * (n - 2.0) / np.sqrt(n * (n - 1.0))


def _cv(windows: Windows) -> FloatArray:
    centre = np.abs(windows.raw_mean())
    return np.sqrt(windows.moment("variance")) / np.where(centre > 0.0, centre, np.nan)


MEAN = register(
    Indicator(
        name="mean",
        label="Mean",
        compute=lambda windows: windows.moment("mean"),
        alarm="both",
        shortest_window=1,
        shift=False,
        scale="linear",
        mirror="flips",
        reference="arithmetic mean",
        moments=("mean",),
        gaps="skip",
        constant="level",
    )
)
VARIANCE = register(
    Indicator(
        name="variance",
        label="Variance",
        compute=lambda windows: windows.moment("variance"),
        alarm="up",
        shortest_window=2,
        shift=True,
        scale="quadratic",
        mirror="invariant",
        reference="Carpenter & Brock (2006) Ecology Letters 9, 311-318",
        moments=("variance",),
        gaps="skip",
        constant="zero",
    )
)
STD = register(
    Indicator(
        name="std",
        label="Standard deviation",
        compute=lambda windows: np.sqrt(windows.moment("variance")),
        alarm="up",
        shortest_window=2,
        shift=True,
        scale="linear",
        mirror="invariant",
        reference="Dakos et al. (2012) PLoS ONE 7, e41010",
        moments=("variance",),
        gaps="skip",
        constant="zero",
    )
)
CV = register(
    Indicator(
        name="cv",
        label="Coefficient of variation",
        compute=_cv,
        alarm="up",
        shortest_window=2,
        shift=False,
        scale="invariant",
        mirror="invariant",
        reference="Drake & Griffen (2010) Nature 467, 456-459",
        moments=("mean", "variance"),
        gaps="skip",
        constant="zero",
    )
)
SKEWNESS = register(
    Indicator(
        name="skewness",
        label="Skewness",
        compute=lambda windows: windows.moment("skewness"),
        alarm="both",
        shortest_window=3,
        shift=True,
        scale="invariant",
        mirror="flips",
        reference="Guttal & Jayaprakash (2008) Ecology Letters 11, 450-460",
        moments=("skewness",),
        gaps="skip",
    )
)
KURTOSIS = register(
    Indicator(
        name="kurtosis",
        label="Kurtosis",
        compute=lambda windows: windows.moment("kurtosis"),
        alarm="up",
        shortest_window=4,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Biggs, Carpenter & Brock (2009) PNAS 106, 826-831",
        moments=("kurtosis",),
        gaps="skip",
        slowing=False,
    )
)
