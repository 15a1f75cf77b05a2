"""Local linear regression: a kernel smoother without the bias that others have where a record ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend import bandwidths
from ews.detrend.convolution import FEW_WEIGHTS, wide_rows
from ews.detrend.kernel_smoothers import direction, half_kernel
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = ["local_linear", "local_linear_bandwidth", "plan_local_linear", "smoother_of"]

_CUT = 4.0  # standard deviations of the kernel, as for the Gaussian smoother


def local_linear(x: npt.ArrayLike, *, bandwidth: float | None = None, causal: bool = False) -> Detrended:
    """Detrend by local linear regression with a Gaussian kernel.

    At each sample a line is fitted to its neighbours, weighted by the kernel, and evaluated there. Where the mean moves
    at the end of a record, a weighted mean of neighbours lags behind, and what it leaves looks like memory; a line
    does not.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    bandwidth : float or int, optional
        Standard deviation of the kernel: a float in (0, 1] is a fraction of the record, an int or a float above 1 a
        number of samples. The kernel is cut at 4 standard deviations.
        Default: :func:`ews.detrend.local_linear_bandwidth`.
    causal : bool, default False
        If True, the line is fitted to the present and past samples only: the first two lie on theirs.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the bandwidth is not in the allowed range, or reaches no neighbour.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Fan, J. (1992). Design-adaptive nonparametric regression. J. Am. Stat. Assoc. 87, 998–1004.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(local_linear(3.0 + 2.0 * np.arange(50)).residual, 0.0))
    True
    """
    x = one_series(x)
    return plan_local_linear(x.size, bandwidth=bandwidth, causal=causal).apply(x)


def local_linear_bandwidth(n: int) -> float:
    """Default bandwidth of :func:`local_linear`: 0.09 (n / 100)^(−1/5) of the record, at most 0.2.

    The power is that of the bandwidth with the least mean squared error (Fan 1992). The factor was chosen on
    simulations with a moving mean: narrower, and little is left of slow fluctuations; wider, and what is left of the
    mean passes for memory.

    Parameters
    ----------
    n : int
        Number of samples.

    Returns
    -------
    float
        A fraction of the record.

    Raises
    ------
    ews.errors.ValueRangeError
        If `n` is no whole number of 1 or more.

    Examples
    --------
    >>> round(local_linear_bandwidth(400), 4)
    0.0682
    """
    return float(min(0.2, 0.09 * (checks.whole("n", n, least=1) / 100) ** -0.2))


def plan_local_linear(n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    """Work out :func:`local_linear` for series of length `n`."""
    causal = checks.flag("causal", causal)
    bandwidth = local_linear_bandwidth(n) if bandwidth is None else bandwidth
    sd = bandwidths.samples(bandwidth, n)
    if int(_CUT * sd) < 1:
        raise ValueRangeError("bandwidth", bandwidth, "wide enough to reach a neighbour: at least 0.25 samples")
    how = f"local linear regression, Gaussian kernel with an SD of {sd:.4g} samples"
    smooth = smoother_of(np.ones(n, dtype=np.bool_), sd, causal=causal)
    return DetrendPlan("local_linear", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def smoother_of(
    observed: npt.NDArray[np.bool_], sd: float, *, causal: bool = False
) -> Callable[[FloatArray], FloatArray]:
    """The smoother of rows of which the same samples were observed; what is not observed is never looked at."""
    from ews._kernels.smooth import weighted_sums

    n = observed.size
    # All weights at any length, looking back: sums that depend on the length would let later samples change digits.
    reach = int(_CUT * sd) if causal else min(int(_CUT * sd), n - 1)
    half = half_kernel(sd, reach)
    kernel = half[::-1] if causal else np.concatenate([half[:0:-1], half])
    distance = (np.arange(kernel.size) - reach) / sd
    powers = np.stack([kernel, kernel * distance, kernel * distance**2])
    sums = np.empty((3, n))
    weighted_sums(observed.astype(np.float64), powers, reach, sums)
    flat, tilt, bend = sums
    spread = flat * bend - tilt * tilt
    neighbours = np.convolve(observed, np.ones(kernel.size))[kernel.size - 1 - reach :][:n].round()
    line = (neighbours >= 2) & (spread > 1e-12 * flat * bend)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(line, bend / spread, 1.0 / flat)  # no sample in reach: infinity times nothing, NaN
        slope = np.where(line, tilt / spread, 0.0)
    return partial(_smooth, observed=observed, weights=powers[:2], left=reach, level=level, slope=slope, causal=causal)


def _smooth(
    x: FloatArray,
    *,
    observed: npt.NDArray[np.bool_],
    weights: FloatArray,
    left: int,
    level: FloatArray,
    slope: FloatArray,
    causal: bool,
) -> FloatArray:
    from ews._kernels.smooth import smooth_lines

    # Differences from one sample, so that an offset of 1e8 costs no digits and a constant leaves exactly 0.
    first = x[:, [int(np.argmax(observed))]]
    centred = np.where(observed, x - first, 0.0)
    if causal or weights.shape[1] <= FEW_WEIGHTS:
        trend = np.empty_like(centred)
        smooth_lines(centred, weights, left, level, slope, trend)
    else:
        trend = _by_transform(centred, weights, left, level, slope)
        rows = wide_rows(centred, weights.shape[1])
        if rows.size:
            exact = np.empty((rows.size, x.shape[1]))
            smooth_lines(centred[rows], weights, left, level, slope, exact)
            trend[rows] = exact
    trend += first
    return trend


def _by_transform(x: FloatArray, weights: FloatArray, left: int, level: FloatArray, slope: FloatArray) -> FloatArray:
    from scipy.fft import irfft, next_fast_len, rfft

    n, taps = x.shape[1], weights.shape[1]
    length = next_fast_len(n + taps - 1, real=True)
    spectrum = rfft(x, length, axis=1)
    # Weights run forward in time from t − left on: their transform is that of the reversed kernel.
    found = [irfft(spectrum * rfft(one[::-1], length), length, axis=1) for one in weights]
    first = taps - 1 - left
    return np.asarray(level * found[0][:, first : first + n] - slope * found[1][:, first : first + n])
