"""Spectrum of a window: as memory grows, power moves to low frequencies ("reddening") and the highest peak rises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.memory import lagged_ratio
from ews.indicators.registry import Indicator, register
from ews.indicators.welch import (
    OVERLAP,
    SEGMENT,
    SHORTEST_WINDOW,
    Sides,
    Taper,
    finite_or_nan,
    frequencies,
    read_segments,
    welch,
    without_mean,
)

__all__ = ["density_ratio", "smax", "spectral_exponent"]

FloatArray = npt.NDArray[np.float64]

# Samples held at a time while periodograms of whole windows are taken: keeps long series within the cache.
_BLOCK = 1 << 18


def density_ratio(
    x: Any,
    *,
    window: int | float,
    low: float | None = None,
    high: float = 0.5,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Ratio of spectral density at a low to a high frequency, in a sliding window, from the spectrum of an AR(1) fit.

    The fit is Yule-Walker's: its coefficient is the autocorrelation ``method="acf"``. Noise without memory has ratio 1;
    near a fold, transcritical or pitchfork bifurcation the ratio rises.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 3 samples.
    low : float, optional
        The low frequency, in cycles per sample. Default: 0.5 / (window - 1), the second of as many frequencies as the
        window has samples, from 0 to 0.5, as in the R package earlywarnings.
    high : float, default 0.5
        The high frequency, in cycles per sample; 0.5 is the highest that there is.
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
        If the data are no series of real numbers, or the window or a frequency cannot be used.

    References
    ----------
    Biggs, R., Carpenter, S. R. & Brock, W. A. (2009). Turning back from the brink: detecting an impending regime shift
    in time to avert it. PNAS 106, 826-831. Dakos, V. et al. (2012). PLoS ONE 7, e41010.

    Examples
    --------
    >>> import ews
    >>> ews.density_ratio([1.0, 2.0, 3.0, 4.0, 3.0, 2.0], window=5).round(2)
    array([ nan,  nan,  nan,  nan, 2.93, 1.21])
    """
    lowest = None if low is None else _read_frequency("low", low)
    highest = _read_frequency("high", high)

    def compute(windows: Windows) -> FloatArray:
        return _density_ratio(windows, lowest, highest)

    shortest = DENSITY_RATIO.shortest_window
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def spectral_exponent(
    x: Any,
    *,
    window: int | float,
    method: Literal["periodogram", "welch"] = "periodogram",
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Spectral exponent in a sliding window: slope of log power on log frequency.

    It is 0 for noise without memory and -2 for a random walk, and falls as memory grows. Some papers report its
    negative, the beta of S(f) ~ f**(-beta).

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 5 samples.
    method : {"periodogram", "welch"}, default "periodogram"
        The spectrum: of the whole window at once, or the mean over segments as in
        :func:`ews.power_spectrum`, which is smoother and reaches less far down. Frequency 0 and the
        Nyquist frequency are left out of the line, for their power is distributed otherwise than that of the rest.
    min_count : int, optional
        Accepted so that all indicators are called alike. A spectrum needs consecutive samples: a window with a missing
        one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, without unit, each value at the right edge of its window; NaN before the first full window and
        where power is exactly 0 at some frequency, as in a constant window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or method cannot be used.

    References
    ----------
    Prettyman, J., Kuna, T. & Livina, V. (2018). A novel scaling indicator of early warning signals helps anticipate
    tropical cyclones. EPL 121, 10002.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> walk = np.random.default_rng(1).standard_normal(1000).cumsum()
    >>> bool(-2.3 < ews.spectral_exponent(walk, window=1000)[-1] < -1.7)
    True
    """
    checks.choice("method", method, ("periodogram", "welch"))
    compute = _exponent_of_periodogram if method == "periodogram" else _exponent_of_welch
    shortest = SPECTRAL_EXPONENT.shortest_window
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def smax(
    x: Any,
    *,
    window: int | float,
    segment: int = SEGMENT,
    overlap: float = OVERLAP,
    taper: Taper = "hamming",
    sides: Sides = "one",
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Maximum of the power spectrum in a sliding window, by Welch's method.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 4 samples.
    segment, overlap, taper, sides : object
        See :func:`ews.power_spectrum`. ewstools gives ``taper="hann", sides="two"``.
    min_count : int, optional
        Accepted so that all indicators are called alike. A spectrum needs consecutive samples: a window with a missing
        one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in its units squared, each value at the right edge of its window; NaN before the first full
        window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or an option cannot be used.

    References
    ----------
    Bury, T. M., Bauch, C. T. & Anand, M. (2020). Detecting and distinguishing tipping points using spectral early
    warning signals. Journal of the Royal Society Interface 17, 20200482.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> wave = 3.0 * np.sin(2 * np.pi * 0.1 * np.arange(100))  # power 3**2 / 2 at one frequency
    >>> round(float(ews.smax(wave, window=80)[-1]), 6)
    4.5
    """
    length, shared = read_segments(segment, overlap, taper, sides)

    def compute(windows: Windows) -> FloatArray:
        return _smax(windows, length, shared, taper, sides)

    shortest = SMAX.shortest_window
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def _read_frequency(argument: str, given: Any) -> float:
    return checks.number(argument, given, least=0.0, most=0.5, allowed="cycles per sample, from 0 to 0.5")


def _smax(windows: Windows, segment: int, overlap: float, taper: str, sides: str) -> FloatArray:
    rows = (welch(row, windows.window, segment, overlap, taper, sides) for row in windows.residual)
    return _stacked((power.max(axis=-1) for power in rows), windows.residual.shape)


def _stacked(rows: Iterator[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    out = np.empty(shape)
    for place, row in zip(out, rows, strict=True):
        place[:] = row
    return out


def _density_ratio(windows: Windows, low: float | None, high: float) -> FloatArray:
    phi = lagged_ratio(windows, lag=1, method="acf")
    if low is None:
        low = 0.5 / (windows.window - 1)
    # AR(1) spectrum: S(f) = s**2 / (1 - 2 phi cos(2 pi f) + phi**2), Box, Jenkins & Reinsel (1994) eq. 3.2.7.
    return _ar1_denominator(phi, high) / _ar1_denominator(phi, low)


def _ar1_denominator(phi: FloatArray, frequency: float) -> FloatArray:
    # The same in a form that keeps its digits where phi is near 1 and the frequency near 0.
    return np.asarray((1.0 - phi) ** 2 + 4.0 * phi * np.sin(np.pi * frequency) ** 2)


def _of_size_one(rows: FloatArray) -> FloatArray:
    """Rows times a power of two, which no slope depends on, so that squares neither overflow nor vanish."""
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    return np.ldexp(rows, -np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1])


def _slope(power: FloatArray, frequency: FloatArray) -> FloatArray:
    """Slope of log power on log frequency along the last axis."""
    across = np.log(frequency)
    across -= across.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (np.log(power) * (across / (across**2).sum())).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(slope), slope, np.nan))


def _exponent_of_welch(windows: Windows) -> FloatArray:
    frequency = frequencies(min(SEGMENT, windows.window))
    inside = (frequency > 0.0) & (frequency < 0.5)
    rows = (welch(row, windows.window, SEGMENT, OVERLAP, "hamming", "one") for row in windows.residual)
    return _stacked((_slope(power[:, inside], frequency[inside]) for power in rows), windows.residual.shape)


def _exponent_of_periodogram(windows: Windows) -> FloatArray:
    window = windows.window
    frequency = frequencies(window)
    inside = (frequency > 0.0) & (frequency < 0.5)
    out = np.full(windows.residual.shape, np.nan)
    for row, place in zip(windows.residual, out, strict=True):
        views = np.lib.stride_tricks.sliding_window_view(finite_or_nan(row), window)
        at_once = max(1, _BLOCK // window)
        for first in range(0, len(views), at_once):
            transform = np.fft.rfft(_of_size_one(without_mean(views[first : first + at_once])))[:, inside]
            slopes = _slope(transform.real**2 + transform.imag**2, frequency[inside])
            place[window - 1 + first : window - 1 + first + len(slopes)] = slopes
    return out


DENSITY_RATIO = register(
    Indicator(
        name="density_ratio",
        label="Spectral density ratio",
        compute=lambda windows: _density_ratio(windows, None, 0.5),
        alarm="up",
        shortest_window=3,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Biggs, Carpenter & Brock (2009) PNAS 106, 826-831",
        gaps="skip",
    )
)
SPECTRAL_EXPONENT = register(
    Indicator(
        name="spectral_exponent",
        label="Spectral exponent",
        compute=_exponent_of_periodogram,
        alarm="down",
        shortest_window=5,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Prettyman, Kuna & Livina (2018) EPL 121, 10002",
    )
)
SMAX = register(
    Indicator(
        name="smax",
        label="Maximum of the power spectrum",
        compute=lambda windows: _smax(windows, SEGMENT, OVERLAP, "hamming", "one"),
        alarm="up",
        shortest_window=SHORTEST_WINDOW,
        shift=True,
        scale="quadratic",
        mirror="invariant",
        reference="Bury, Bauch & Anand (2020) J. R. Soc. Interface 17, 20200482",
        constant="zero",
    )
)
