"""Kalman filter and smoother of an AR(1) coefficient that walks at random."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["filter_coefficient", "smooth_coefficient"]

FloatArray = npt.NDArray[np.float64]


@kernel
def filter_coefficient(x: FloatArray, walk: float, state: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Filter x[t] = a[t] x[t-1] + e[t], a[t] = a[t-1] + w[t], with var(w) = `walk` var(e) and nothing known of a[0].

    Parameters
    ----------
    x : ndarray of shape (n,)
        The series, less its mean.
    walk : float
        Variance of the coefficient's steps over that of the innovations.
    state, variance : ndarray of shape (n,)
        Filled: the coefficient given all samples so far, and its variance over that of the innovations; NaN before the
        first sample that has a predecessor other than 0.

    Returns
    -------
    innovation_variance : float
        The variance of e that is most likely, given `walk`.
    log_likelihood : float
        With that variance, of all samples after the first that tells of a.
    """
    n = x.size
    state[:] = np.nan
    variance[:] = np.nan
    known = False
    coefficient = spread = 0.0
    squares = logarithms = 0.0
    count = 0
    for t in range(1, n):
        before = x[t - 1]
        if not known:
            if before != 0.0:
                # Exact start from a diffuse prior: the first equation alone determines a.
                coefficient = x[t] / before
                spread = 1.0 / (before * before)
                known = True
        else:
            spread += walk
            surprise = x[t] - before * coefficient
            total = before * before * spread + 1.0
            squares += surprise * surprise / total
            logarithms += math.log(total)
            count += 1
            coefficient += spread * before / total * surprise
            spread /= total
        if known:
            state[t] = coefficient
            variance[t] = spread
    if count == 0:
        return np.nan, np.nan
    if squares == 0.0:
        return 0.0, np.inf
    # The likelihood with the innovations' variance at its maximum, Harvey (1989) section 3.4.
    innovation = squares / count
    return innovation, -0.5 * (count * (math.log(2.0 * math.pi * innovation) + 1.0) + logarithms)


@kernel
def smooth_coefficient(walk: float, state: FloatArray, variance: FloatArray) -> None:
    """Turn what :func:`filter_coefficient` filled into the coefficient given the whole series, in place.

    Parameters
    ----------
    walk : float
        Variance of the coefficient's steps over that of the innovations.
    state, variance : ndarray of shape (n,)
        Overwritten.
    """
    for t in range(state.size - 2, 0, -1):
        if np.isnan(state[t]):
            break
        gain = variance[t] / (variance[t] + walk)  # Rauch, Tung & Striebel (1965)
        state[t] += gain * (state[t + 1] - state[t])
        variance[t] += gain * gain * (variance[t + 1] - (variance[t] + walk))
