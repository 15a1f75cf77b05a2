"""Bandwidths: how wide a smoother is, in the several ways in which the field says it."""

from __future__ import annotations

import math
from typing import cast

from ews._common import checks

__all__ = [
    "nrd0_bandwidth",
    "quartile_bandwidth_from_sd",
    "sd_from_ksmooth_bandwidth",
    "sd_from_quartile_bandwidth",
]

# The normal quartile is 0.67448975...; ewstools writes 0.675, and its numbers are the field's reference.
_QUARTILE_OF_EWSTOOLS = 0.675
# R's ksmooth: 0.25 / qnorm(0.75) to seven digits.
_SD_OF_KSMOOTH = 0.3706506


def sd_from_quartile_bandwidth(bandwidth: float) -> float:
    """Kernel standard deviation of a Gaussian whose quartiles lie at ±0.25 bandwidth, as ewstools rounds it.

    Parameters
    ----------
    bandwidth : float
        Bandwidth in samples.

    Returns
    -------
    float
        Standard deviation in samples: (0.25 / 0.675) · bandwidth.

    Raises
    ------
    ews.errors.ValueRangeError
        If `bandwidth` is no finite number.

    Examples
    --------
    >>> round(sd_from_quartile_bandwidth(200), 4)
    74.0741
    """
    return 0.25 / _QUARTILE_OF_EWSTOOLS * checks.number("bandwidth", bandwidth)


def quartile_bandwidth_from_sd(sd: float) -> float:
    """Bandwidth (quartiles at ±0.25 bandwidth) of a Gaussian kernel of a given standard deviation.

    The inverse of :func:`sd_from_quartile_bandwidth`, for papers that state the kernel's standard deviation.

    Parameters
    ----------
    sd : float
        Standard deviation in samples.

    Returns
    -------
    float
        Bandwidth in samples.

    Raises
    ------
    ews.errors.ValueRangeError
        If `sd` is no finite number.

    Examples
    --------
    >>> round(quartile_bandwidth_from_sd(10), 6)
    27.0
    """
    return _QUARTILE_OF_EWSTOOLS / 0.25 * checks.number("sd", sd)


def sd_from_ksmooth_bandwidth(bandwidth: float) -> float:
    """Kernel standard deviation of R's ``ksmooth(kernel = "normal")``.

    Parameters
    ----------
    bandwidth : float
        Bandwidth in samples.

    Returns
    -------
    float
        Standard deviation in samples: 0.3706506 · bandwidth.

    Raises
    ------
    ews.errors.ValueRangeError
        If `bandwidth` is no finite number.

    Examples
    --------
    >>> round(sd_from_ksmooth_bandwidth(10), 6)
    3.706506
    """
    return _SD_OF_KSMOOTH * checks.number("bandwidth", bandwidth)


def nrd0_bandwidth(n: int) -> float:
    """Silverman's rule of thumb applied to the time index 1…n: the default bandwidth of R's earlywarnings.

    0.9 · min(SD, IQR / 1.34) · n^(-1/5). earlywarnings rounds it to whole samples.

    Parameters
    ----------
    n : int
        Number of samples.

    Returns
    -------
    float
        Bandwidth in samples.

    Raises
    ------
    ews.errors.ValueRangeError
        If `n` is no whole number of 1 or more.

    References
    ----------
    Silverman (1986), Density Estimation, eq. 3.31; R's ``bw.nrd0``.

    Examples
    --------
    >>> round(nrd0_bandwidth(200), 4)
    18.0534
    """
    # An even grid: SD = sqrt(n (n + 1) / 12) and IQR = (n - 1) / 2, so the SD is the smaller for n > 3.
    n = checks.whole("n", n, least=1)
    spread = min(math.sqrt(n * (n + 1) / 12), (n - 1) / 2 / 1.34)
    return 0.9 * spread / math.pow(n, 0.2)


def samples(bandwidth: object, n: int, argument: str = "bandwidth") -> float:
    """Bandwidth in samples, not rounded: a float in (0, 1] is a fraction of the record, else it is samples."""
    allowed = f"a fraction of the record in (0, 1], or a number of samples above 0 and at most {n}"
    width = checks.number(argument, bandwidth, above=0.0, most=n, allowed=allowed)
    return width * n if is_fraction(cast(float, bandwidth)) else width


def is_fraction(bandwidth: float) -> bool:
    """Whether a bandwidth is meant as a fraction of the record: a float (not an int) of at most 1."""
    return not hasattr(bandwidth, "__index__") and bandwidth <= 1


def in_words(bandwidth: float) -> str:
    """The bandwidth as a report says it: "0.2 of the record" or "60 samples"."""
    if is_fraction(bandwidth):
        return f"{bandwidth:g} of the record"
    return f"{bandwidth:g} sample{'s' if bandwidth != 1 else ''}"
