"""Detrending of one evenly spaced series: trend and residual, centred or causal.

Every function takes one series and returns a frozen :class:`Detrended`. :func:`plan` prepares a method by name for many
series of one length.

A bandwidth (or span) given as a float in (0, 1] is a fraction of the record; an int, or a float above 1, is a number of
samples. So ``1`` is one sample and ``1.0`` the whole record. The same word stands for different widths in the field:

=============================  ==================================================================
Convention                     Kernel standard deviation, in samples
=============================  ==================================================================
``gaussian`` (as ewstools)     (0.25 / 0.675) · bandwidth: :func:`sd_from_quartile_bandwidth`
``ksmooth`` (as R)             0.3706506 · bandwidth: :func:`sd_from_ksmooth_bandwidth`
R's default bandwidth          :func:`nrd0_bandwidth` of the length, rounded
=============================  ==================================================================
"""

from ews.detrend.bandwidths import (
    nrd0_bandwidth,
    quartile_bandwidth_from_sd,
    sd_from_ksmooth_bandwidth,
    sd_from_quartile_bandwidth,
)
from ews.detrend.kernel_smoothers import gaussian, ksmooth
from ews.detrend.lines import difference, linear
from ews.detrend.plan import METHODS, plan
from ews.detrend.result import Detrended, DetrendPlan

__all__ = [
    "METHODS",
    "DetrendPlan",
    "Detrended",
    "difference",
    "gaussian",
    "ksmooth",
    "linear",
    "nrd0_bandwidth",
    "plan",
    "quartile_bandwidth_from_sd",
    "sd_from_ksmooth_bandwidth",
    "sd_from_quartile_bandwidth",
]
