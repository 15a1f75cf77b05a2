"""Detrending of one evenly spaced series: trend and residual, centred or causal.

Every function takes one series and returns a frozen :class:`Detrended`. :func:`plan` prepares a method by name for many
series of one length.

A bandwidth (or span) given as a float in (0, 1] is a fraction of the record; an int, or a float above 1, is a number of
samples. So ``1`` is one sample and ``1.0`` the whole record. The same word stands for different widths in the field:

=========================  ===========================================================================================
Method                     What the bandwidth of b samples means
=========================  ===========================================================================================
``gaussian`` (ewstools)    kernel SD (0.25 / 0.675) · b (:func:`sd_from_quartile_bandwidth`), not rounded, cut at 4 SD,
                           record reflected at its ends
``ksmooth`` (R)            kernel SD 0.3706506 · b (:func:`sd_from_ksmooth_bandwidth`), a fraction rounded to whole b,
                           cut at 4 SD, weights divided by their sum; default b: :func:`nrd0_bandwidth`, rounded
``local_linear``           kernel SD b, cut at 4 SD, a line at each sample; default b: :func:`local_linear_bandwidth`
``local_quadratic``        the same with a parabola at each sample; default b: :func:`local_quadratic_bandwidth`
``lowess`` (ewstools)      span: the b nearest samples, tricube weights that reach 0 at the farthest
``loess`` (R)              span: the b nearest samples, tricube weights that reach 0 at the farthest
``running_mean`` (Boers)   half = b // 2: the samples i − half … i + half, fewer at the ends
=========================  ===========================================================================================

A paper that states the standard deviation of a Gaussian kernel is served by :func:`quartile_bandwidth_from_sd`.

No method takes NaN: one would spread over the whole trend. With ``causal=True`` every smoother looks at present and
past samples only; :func:`difference` always does.
"""

from ews.detrend.bandwidths import (
    nrd0_bandwidth,
    quartile_bandwidth_from_sd,
    sd_from_ksmooth_bandwidth,
    sd_from_quartile_bandwidth,
)
from ews.detrend.kernel_smoothers import gaussian, ksmooth, running_mean
from ews.detrend.lines import difference, linear
from ews.detrend.local_polynomial import (
    local_linear,
    local_linear_bandwidth,
    local_quadratic,
    local_quadratic_bandwidth,
)
from ews.detrend.local_regression import loess, lowess
from ews.detrend.methods import METHODS, plan
from ews.detrend.result import Detrended, DetrendPlan
from ews.detrend.seasonal import season

__all__ = [
    "METHODS",
    "DetrendPlan",
    "Detrended",
    "difference",
    "gaussian",
    "ksmooth",
    "linear",
    "local_linear",
    "local_linear_bandwidth",
    "local_quadratic",
    "local_quadratic_bandwidth",
    "loess",
    "lowess",
    "nrd0_bandwidth",
    "plan",
    "quartile_bandwidth_from_sd",
    "running_mean",
    "sd_from_ksmooth_bandwidth",
    "sd_from_quartile_bandwidth",
    "season",
]
