"""Smoothers that weigh the neighbours of a sample by a fixed kernel: Gaussian, R's ksmooth, running mean."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ews.detrend import bandwidths
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = ["gaussian", "ksmooth", "plan_gaussian", "plan_ksmooth"]

# Both peers cut the kernel here.
_CUT = 4.0


def gaussian(x: npt.ArrayLike, *, bandwidth: float = 0.2, causal: bool = False) -> Detrended:
    """Take out a Gaussian kernel smoother.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    bandwidth : float or int, default 0.2
        The kernel's quartiles lie at ±0.25 bandwidth, the convention of R's ``ksmooth`` and of ewstools (their default
        too). A float in (0, 1] is a fraction of the record, an int or a float above 1 a number of samples. The kernel's
        standard deviation is (0.25 / 0.675) · bandwidth, cut at 4 standard deviations.
    causal : bool, default False
        If True, only the present and past samples are used (half the kernel, its weights divided by their sum where
        the record starts); the trend then lags behind the series. If False the kernel is centred and the record is
        reflected at its ends, so that each residual uses later samples too.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the bandwidth is not in the allowed range.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Dakos et al. (2008), PNAS 105, 14308; Dakos et al. (2012), PLoS ONE 7, e41010.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(200) / 30)
    >>> split = gaussian(x, bandwidth=0.1)
    >>> bool(np.allclose(split.trend + split.residual, x))
    True
    """
    x = one_series(x)
    return plan_gaussian(x.size, bandwidth=bandwidth, causal=causal).apply(x)


def plan_gaussian(n: int, *, bandwidth: float, causal: bool) -> DetrendPlan:
    """Work out :func:`gaussian` for series of length `n`.

    Parameters
    ----------
    n : int
        Length of the series.
    bandwidth : float or int
        See :func:`gaussian`.
    causal : bool
        See :func:`gaussian`.

    Returns
    -------
    DetrendPlan
        The plan.
    """
    sd = bandwidths.sd_from_quartile_bandwidth(bandwidths.samples(bandwidth, n))
    half = half_kernel(sd, int(_CUT * sd + 0.5))  # scipy.ndimage rounds the cut to the nearest sample
    smooth = partial(_weigh_past, half=half) if causal else partial(_multiply_cosines, response=_response(half, n))
    how = f"Gaussian kernel smoother, bandwidth {bandwidths.in_words(bandwidth)} (kernel SD {sd:.4g} samples)"
    return DetrendPlan("gaussian", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def ksmooth(x: npt.ArrayLike, *, bandwidth: float | None = None, causal: bool = False) -> Detrended:
    """Take out R's ``ksmooth(kernel = "normal")``, as R's earlywarnings does.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    bandwidth : float or int, optional
        A float in (0, 1] is a fraction of the record, rounded to whole samples as earlywarnings does; an int or a float
        above 1 is a number of samples. Default: :func:`ews.detrend.nrd0_bandwidth` rounded, as earlywarnings does. The
        kernel's standard deviation is 0.3706506 · bandwidth, cut at 4 standard deviations.
    causal : bool, default False
        If True, only the present and past samples are used. In both cases the weights are divided by their sum where
        the kernel reaches over the ends of the record.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the bandwidth is not in the allowed range, or is a fraction of less than half a sample.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    R Core Team, ``stats::ksmooth``; Dakos et al. (2012), PLoS ONE 7, e41010.

    Examples
    --------
    >>> import numpy as np
    >>> ksmooth(np.arange(10.0) ** 2, bandwidth=3).trend[:2].round(4)
    array([0.9094, 2.3093])
    """
    x = one_series(x)
    return plan_ksmooth(x.size, bandwidth=bandwidth, causal=causal).apply(x)


def plan_ksmooth(n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    """Work out :func:`ksmooth` for series of length `n`.

    Parameters
    ----------
    n : int
        Length of the series.
    bandwidth : float or int, optional
        See :func:`ksmooth`.
    causal : bool
        See :func:`ksmooth`.

    Returns
    -------
    DetrendPlan
        The plan.
    """
    if bandwidth is None:
        bandwidth = max(1, round(bandwidths.nrd0_bandwidth(n)))
    width = bandwidths.samples(bandwidth, n)
    if width != bandwidth:  # it was a fraction
        width = float(round(width))
    if width == 0:
        raise ValueRangeError("bandwidth", bandwidth, f"a fraction of more than half a sample of {n}")
    sd = bandwidths.sd_from_ksmooth_bandwidth(width)
    half = half_kernel(sd, int(_CUT * sd))  # R keeps the samples at a distance of at most 4 SD
    smooth = partial(_weigh_past, half=half) if causal else partial(_weigh_both_sides, half=half)
    how = f"R's ksmooth, bandwidth {bandwidths.in_words(bandwidth)} (kernel SD {sd:.4g} samples)"
    return DetrendPlan("ksmooth", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def direction(causal: bool) -> str:
    """How a report says on which side of a sample the smoother looks.

    Parameters
    ----------
    causal : bool
        Whether only present and past samples are used.

    Returns
    -------
    str
        The end of a plan's sentence.
    """
    return "causal: present and past samples only" if causal else "centred: each residual uses later samples too"


def half_kernel(sd: float, reach: int) -> FloatArray:
    """Gaussian weights at distances 0…reach, not normalised.

    Parameters
    ----------
    sd : float
        Standard deviation in samples.
    reach : int
        Largest distance in samples.

    Returns
    -------
    ndarray of shape (reach + 1,)
        exp(-d² / 2 sd²).
    """
    return np.exp(-0.5 * (np.arange(reach + 1) / sd) ** 2)


def _response(half: FloatArray, n: int) -> FloatArray:
    """Eigenvalues of the smoother with reflecting edges.

    A record reflected at half-sample edges ("d c b a | a b c d | d c b a") is even with period 2n, and on such records
    a symmetric kernel is diagonal in the cosine basis of the DCT-II: eigenvalue k is sum_d w_d cos(pi k d / n).
    """
    import scipy.fft

    whole = np.concatenate([half[:0:-1], half])
    distance = np.abs(np.arange(1 - half.size, half.size))
    around = np.bincount(distance % (2 * n), weights=whole / whole.sum(), minlength=2 * n)
    return np.ascontiguousarray(scipy.fft.rfft(around).real[:n])


def _multiply_cosines(x: FloatArray, *, response: FloatArray) -> FloatArray:
    import scipy.fft

    # Without the level of the record, so that an offset of 1e8 costs no digits of the trend.
    level = x.mean(axis=1, keepdims=True)
    spectrum = scipy.fft.dct(x - level, axis=1, overwrite_x=True)
    spectrum *= response
    trend: FloatArray = scipy.fft.idct(spectrum, axis=1, overwrite_x=True)
    trend += level
    return trend


def _weigh_past(x: FloatArray, *, half: FloatArray) -> FloatArray:
    n = x.shape[1]
    taps = half[:n]
    total = np.cumsum(taps)
    total = np.concatenate([total, np.full(n - taps.size, total[-1])])
    return np.array([np.convolve(row, taps)[:n] / total for row in x])


def _weigh_both_sides(x: FloatArray, *, half: FloatArray) -> FloatArray:
    import scipy.ndimage

    n = x.shape[1]
    half = half[:n]
    whole = np.concatenate([half[:0:-1], half])
    total = scipy.ndimage.convolve1d(np.ones(n), whole, mode="constant")
    return np.asarray(scipy.ndimage.convolve1d(x, whole, axis=1, mode="constant") / total)
