"""Smoothers that weigh the neighbours of a sample by a fixed kernel: Gaussian, R's ksmooth, running mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend import bandwidths
from ews.detrend.convolution import reflected, renormalised
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = ["gaussian", "ksmooth", "plan_gaussian", "plan_ksmooth", "plan_running_mean", "running_mean"]

# Both peers cut the Gaussian kernel at this many standard deviations.
_CUT = 4.0


def gaussian(x: npt.ArrayLike, *, bandwidth: float = 0.2, causal: bool = False) -> Detrended:
    """Detrend by a Gaussian kernel smoother.

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
    """Work out :func:`gaussian` for series of length `n`."""
    causal = checks.flag("causal", causal)
    sd = bandwidths.sd_from_quartile_bandwidth(bandwidths.samples(bandwidth, n))
    half = half_kernel(sd, int(_CUT * sd + 0.5))  # scipy.ndimage rounds the cut to the nearest sample
    if half.size == 1:
        raise ValueRangeError("bandwidth", bandwidth, "wide enough to reach a neighbour: at least 0.34 samples")
    smooth = renormalised(n, half, causal) if causal else reflected(n, half)
    how = f"Gaussian kernel smoother, bandwidth {bandwidths.in_words(bandwidth)} (kernel SD {sd:.4g} samples)"
    return DetrendPlan("gaussian", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def ksmooth(x: npt.ArrayLike, *, bandwidth: float | None = None, causal: bool = False) -> Detrended:
    """Detrend by R's ``ksmooth(kernel = "normal")``, as R's earlywarnings does.

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
    """Work out :func:`ksmooth` for series of length `n`."""
    causal = checks.flag("causal", causal)
    if bandwidth is None:
        bandwidth = max(1, round(bandwidths.nrd0_bandwidth(n)))
    width = bandwidths.samples(bandwidth, n)
    if width != bandwidth:  # it was a fraction
        width = float(round(width))
    if width == 0:
        raise ValueRangeError("bandwidth", bandwidth, f"a fraction of more than half a sample of {n}")
    sd = bandwidths.sd_from_ksmooth_bandwidth(width)
    half = half_kernel(sd, int(_CUT * sd))  # R keeps the samples at a distance of at most 4 SD
    smooth = renormalised(n, half, causal)
    how = f"R's ksmooth, bandwidth {bandwidths.in_words(bandwidth)} (kernel SD {sd:.4g} samples)"
    return DetrendPlan("ksmooth", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def running_mean(x: npt.ArrayLike, *, window: float, causal: bool = False) -> Detrended:
    """Detrend by a running mean.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    window : int or float
        An int or a float above 1 is a number of samples, a float in (0, 1] a fraction of the record; rounded down to
        whole samples. Centred, with half = window // 2, the mean is over the samples i − half … i + half, so an even
        window takes one sample more (Boers' window of 60 takes 61). Fewer samples are used where the record ends; the
        code published with that paper leaves out one more in the last half window, which is not copied here.
    causal : bool, default False
        If True, the mean is over the last `window` samples up to and including the present one.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the window is not in the allowed range, or has fewer than 2 samples.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Boers (2021), Nat. Clim. Change 11, 680.

    Examples
    --------
    >>> running_mean([1.0, 2.0, 6.0, 4.0], window=3).trend
    array([1.5, 3. , 4. , 5. ])
    """
    x = one_series(x)
    return plan_running_mean(x.size, window=window, causal=causal).apply(x)


def plan_running_mean(n: int, *, window: float, causal: bool, argument: str = "window") -> DetrendPlan:
    """Work out :func:`running_mean` for series of length `n`; messages call the window by `argument`."""
    causal = checks.flag("causal", causal)
    width = int(bandwidths.samples(window, n, argument) + 1e-10)  # 0.29 of 100 is 29, not 28
    if width < 2:
        raise ValueRangeError(argument, window, f"a window of at least 2 samples and at most the record, which has {n}")
    smooth = renormalised(n, np.ones(width if causal else width // 2 + 1), causal)
    length = width if causal else 2 * (width // 2) + 1
    how = f"running mean of {length} samples (window {bandwidths.in_words(window)})"
    return DetrendPlan("running_mean", n, window, causal, f"{how}, {direction(causal)}", smooth)


def direction(causal: bool) -> str:
    """How a report says on which side of a sample the smoother looks: the end of a plan's sentence."""
    return "causal: present and past samples only" if causal else "centred: each residual uses later samples too"


def half_kernel(sd: float, reach: int) -> FloatArray:
    """Gaussian weights exp(-d² / 2 sd²) at distances 0…reach, not normalised."""
    return np.exp(-0.5 * (np.arange(reach + 1) / sd) ** 2)
