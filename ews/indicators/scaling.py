"""Scaling of a window: how fluctuations grow with the length over which they are taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import ValueRangeError
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register

__all__ = ["dfa_exponent", "hurst_exponent", "segment_sizes"]

FloatArray = npt.NDArray[np.float64]
SizeArray = npt.NDArray[np.int64]

_SMALLEST = 4  # samples: a line through fewer leaves next to nothing
_SCALES = 12  # at most, evenly spaced on a logarithmic axis


def dfa_exponent(
    x: Any,
    *,
    window: int | float,
    sizes: Sequence[int] | None = None,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Exponent of detrended fluctuation analysis (DFA-1) in a sliding window.

    The window less its mean is summed up to a profile, the profile is cut into segments of s samples, and F(s) is the
    root mean square of what a straight line leaves in each. The exponent is the slope of log F(s) on log s: 0.5 for
    noise without memory, 1.5 for a random walk. It rises towards 1.5 as the system slows down.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 12 samples; the exponent of fewer than
        100 is rough.
    sizes : sequence of int, optional
        Segment sizes in samples. Default: up to 12 from 4 to a quarter of the window (6 in windows under 24), so that
        the longest still occur four times. A size that does not divide the window is laid out from its start and once
        more from its end (Kantelhardt et al. 2001).
    min_count : int, optional
        Accepted so that all indicators are called alike. A profile needs consecutive samples: a window with a missing
        one is NaN whatever the count.
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
        If the data are no series of real numbers, or the window or a segment size cannot be used.

    References
    ----------
    Peng, C.-K. et al. (1994). Mosaic organization of DNA nucleotides. Physical Review E 49, 1685-1689. Kantelhardt, J.
    W. et al. (2001). Detecting long-range correlations with detrended fluctuation analysis. Physica A 295, 441-454.
    Livina, V. N. & Lenton, T. M. (2007). A modified method for detecting incipient bifurcations in a dynamical system.
    Geophysical Research Letters 34, L03712: as an early warning.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> walk = np.random.default_rng(1).standard_normal(1000).cumsum()
    >>> bool(1.3 < ews.dfa_exponent(walk, window=1000)[-1] < 1.7)
    True
    """
    shortest = DFA_EXPONENT.shortest_window
    compute = _with_sizes(_dfa_exponent, sizes)
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def hurst_exponent(
    x: Any,
    *,
    window: int | float,
    sizes: Sequence[int] | None = None,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Hurst exponent in a sliding window, by the rescaled range less its bias (R/S after Anis & Lloyd).

    In each segment of s samples R is the range of the cumulated deviations from the segment's mean, S their standard
    deviation (ddof 0). The plain slope of log(R/S) on log s is far above 0.5 in short windows even for noise without
    memory; here log(R/S) less the logarithm of its expectation for such noise is fitted, and 0.5 added. It rises as the
    system slows down.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 12 samples; the exponent of fewer than
        100 is rough.
    sizes : sequence of int, optional
        Segment sizes in samples; see :func:`ews.dfa_exponent`. Constant segments are left out.
    min_count : int, optional
        Accepted so that all indicators are called alike. A range needs consecutive samples: a window with a missing
        one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, without unit, each value at the right edge of its window; NaN before the first full window, in
        constant windows and where all segments of one size are constant.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or a segment size cannot be used.

    References
    ----------
    Hurst, H. E. (1951). Long-term storage capacity of reservoirs. Transactions of the American Society of Civil
    Engineers 116, 770-799. Anis, A. A. & Lloyd, E. H. (1976). The expected value of the adjusted rescaled Hurst range
    of independent normal summands. Biometrika 63, 111-116. Weron, R. (2002). Estimating long-range dependence. Physica
    A 312, 285-299: the corrected slope.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> noise = np.random.default_rng(1).standard_normal(1000)
    >>> bool(0.4 < ews.hurst_exponent(noise, window=1000)[-1] < 0.6)
    True
    """
    shortest = HURST_EXPONENT.shortest_window
    compute = _with_sizes(_hurst_exponent, sizes)
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def segment_sizes(window: int) -> SizeArray:
    """Segment sizes of the exponents by default: rising, from 4 to a quarter of the window, or to 6 if that is more."""
    largest = max(window // 4, _SMALLEST + 2)
    return np.unique(np.round(np.geomspace(_SMALLEST, largest, _SCALES)).astype(np.int64))


def _with_sizes(
    exponent: Callable[[Windows, SizeArray], FloatArray], sizes: Sequence[int] | None
) -> Callable[[Windows], FloatArray]:
    """The exponent over chosen sizes, which are checked against the window once that is known."""

    def compute(windows: Windows) -> FloatArray:
        if sizes is None:
            return exponent(windows, segment_sizes(windows.window))
        allowed = f"two or more different whole numbers from {_SMALLEST} to the window of {windows.window} samples"
        given = checks.array("sizes", sizes, allowed).ravel().tolist()
        if not all(checks.is_whole(size, least=_SMALLEST, most=windows.window) for size in given):
            raise ValueRangeError("sizes", sizes, allowed)
        chosen = np.unique(np.array(given, dtype=np.int64))
        if chosen.size < 2:
            raise ValueRangeError("sizes", sizes, allowed)
        return exponent(windows, chosen)

    return compute


def _slope_weights(sizes: SizeArray) -> FloatArray:
    """Weights whose products with values sum to the least-squares slope of the values on log size."""
    across = np.log(sizes)
    across -= across.mean()
    return np.asarray(across / (across @ across))


def _dfa_exponent(windows: Windows, sizes: SizeArray) -> FloatArray:
    from ews._kernels import complexity

    out = np.empty(windows.residual.shape)
    with np.errstate(all="ignore"):  # as compiled: overflow in the plain twin is no cause for a warning
        complexity.rolling_fluctuation_exponent(windows.residual, windows.window, sizes, _slope_weights(sizes), out)
    return out


def _hurst_exponent(windows: Windows, sizes: SizeArray) -> FloatArray:
    from ews._kernels import complexity

    weights = _slope_weights(sizes)
    out = np.empty(windows.residual.shape)
    with np.errstate(all="ignore"):
        complexity.rolling_rescaled_range_exponent(windows.residual, windows.window, sizes, weights, out)
    # Weron (2002): the slope of log(R/S) less that of its expectation, plus 1/2.
    return out - float(weights @ np.log([_expected_rescaled_range(int(size)) for size in sizes])) + 0.5


def _expected_rescaled_range(size: int) -> float:
    """Expectation of R/S for independent normal deviates: Anis & Lloyd (1976)."""
    i = np.arange(1, size)
    factor = math.exp(math.lgamma(0.5 * (size - 1)) - math.lgamma(0.5 * size)) / math.sqrt(math.pi)
    return factor * float(np.sqrt((size - i) / i).sum())


DFA_EXPONENT = register(
    Indicator(
        name="dfa_exponent",
        label="DFA exponent",
        compute=lambda windows: _dfa_exponent(windows, segment_sizes(windows.window)),
        alarm="up",
        shortest_window=12,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Livina & Lenton (2007) Geophysical Research Letters 34, L03712",
    )
)
HURST_EXPONENT = register(
    Indicator(
        name="hurst_exponent",
        label="Hurst exponent (R/S, Anis–Lloyd)",
        compute=lambda windows: _hurst_exponent(windows, segment_sizes(windows.window)),
        alarm="up",
        shortest_window=12,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Weron (2002) Physica A 312, 285-299",
    )
)
