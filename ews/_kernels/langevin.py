"""Drift and noise of a Langevin equation in windows: the posterior of a cubic drift, and the slope of a linear one."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["rolling_cubic_drift", "rolling_linear_drift"]

FloatArray = npt.NDArray[np.float64]

_CONSTANT = 1e-14  # relative to the largest value: what rounding leaves of a constant


@kernel
def _standardise(x: FloatArray, start: int, state: FloatArray) -> tuple[float, float]:
    """Fill `state` with a window less its mean, over its standard deviation; both are returned, 0 for no variation."""
    window = state.size
    anchor = x[start]
    total = 0.0
    for i in range(window):
        if not np.isfinite(x[start + i]):
            return np.nan, 0.0
        total += x[start + i] - anchor
    centre = total / window
    squares = 0.0
    largest = 0.0
    for i in range(window):
        state[i] = (x[start + i] - anchor) - centre
        squares += state[i] * state[i]
        largest = max(largest, abs(x[start + i]))
    deviation = math.sqrt(squares / window)
    if not deviation > _CONSTANT * largest:
        return anchor + centre, 0.0
    for i in range(window):
        state[i] /= deviation
    return anchor + centre, deviation


@kernel
def rolling_cubic_drift(x: FloatArray, window: int, precision: FloatArray, out: FloatArray) -> None:
    """Posterior of the increments' regression on 1, u, u², u³ in windows, u = (x − mean) / SD of the window.

    The error variance τ² has the prior 1/τ², coefficient a the prior N(0, τ² / precision[a]), flat where that is 0. The
    posterior of the slope at the mean, which is the coefficient of u, is Student's t.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    precision : ndarray of shape (4,)
        Prior precision of each coefficient, in units of 1/τ².
    out : ndarray of shape (4, rows, n)
        Filled, at the right edge of each window: location and scale of the slope, per sample; the posterior's sum of
        squares in units of x²; the mean of the window. The degrees of freedom are the increments, less 4, plus the
        number of coefficients with a proper prior.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    proper = 0
    for a in range(4):
        if precision[a] > 0.0:
            proper += 1
    freedom = window - 1.0 - 4.0 + proper
    power = np.empty(7)
    factor = np.empty((4, 4))
    moment = np.empty(4)
    solution = np.empty(4)
    inverse = np.empty(4)
    for row in range(rows):
        for t in range(window - 1, n):
            mean, deviation = _standardise(x[row], t - window + 1, state)
            if deviation == 0.0:
                continue
            power[:] = 0.0
            moment[:] = 0.0
            for i in range(window - 1):
                u = state[i]
                step = state[i + 1] - u
                u2 = u * u
                u3 = u2 * u
                power[0] += 1.0
                power[1] += u
                power[2] += u2
                power[3] += u3
                power[4] += u2 * u2
                power[5] += u2 * u3
                power[6] += u3 * u3
                moment[0] += step
                moment[1] += step * u
                moment[2] += step * u2
                moment[3] += step * u3
            regular = True
            for a in range(4):  # Cholesky of X'X + diag(precision); reciprocals on the diagonal
                for b in range(a + 1):
                    total = power[a + b]
                    if a == b:
                        total += precision[a]
                    limit = 1e-12 * total
                    for c in range(b):
                        total -= factor[a, c] * factor[b, c]
                    if b < a:
                        factor[a, b] = total * factor[b, b]
                    elif total > limit:
                        factor[a, a] = 1.0 / math.sqrt(total)
                    else:
                        regular = False
                        factor[a, a] = 0.0
            if not regular:  # fewer than four states: no cubic to fit
                continue
            for a in range(4):
                total = moment[a]
                for c in range(a):
                    total -= factor[a, c] * solution[c]
                solution[a] = total * factor[a, a]
            for a in range(3, -1, -1):
                total = solution[a]
                for c in range(a + 1, 4):
                    total -= factor[c, a] * solution[c]
                solution[a] = total * factor[a, a]
            # The second diagonal element of the inverse: the square of L⁻¹ e₁.
            spread = 0.0
            for a in range(1, 4):
                total = 1.0 if a == 1 else 0.0
                for c in range(1, a):
                    total -= factor[a, c] * inverse[c]
                inverse[a] = total * factor[a, a]
                spread += inverse[a] * inverse[a]
            squares = 0.0
            for i in range(window - 1):
                u = state[i]
                left = state[i + 1] - u - (solution[0] + u * (solution[1] + u * (solution[2] + u * solution[3])))
                squares += left * left
            for a in range(4):
                squares += precision[a] * solution[a] * solution[a]
            out[0, row, t] = solution[1]
            out[1, row, t] = math.sqrt(squares / freedom * spread)
            out[2, row, t] = squares * deviation * deviation
            out[3, row, t] = mean


@kernel
def rolling_linear_drift(x: FloatArray, window: int, out: FloatArray) -> None:
    """Slope of the increments on the state by ordinary least squares, mean and straight line taken out per window.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    out : ndarray of shape (rows, n)
        Filled: the slope, per sample, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    middle = 0.5 * (window - 1)
    tilt_squares = window * (window * float(window) - 1.0) / 12.0  # the sum of (i − middle)²
    pairs = window - 1.0
    for row in range(rows):
        for t in range(window - 1, n):
            _, deviation = _standardise(x[row], t - window + 1, state)
            if deviation == 0.0:
                continue
            tilt = 0.0
            for i in range(window):
                tilt += (i - middle) * state[i]
            tilt /= tilt_squares
            left = 0.0
            for i in range(window):
                state[i] -= tilt * (i - middle)
                left += state[i] * state[i]
            if not left > 1e-28 * window:  # an exact straight line
                continue
            mean = 0.0
            mean_step = 0.0
            for i in range(window - 1):
                mean += state[i]
                mean_step += state[i + 1] - state[i]
            mean /= pairs
            mean_step /= pairs
            squares = 0.0
            products = 0.0
            for i in range(window - 1):
                here = state[i] - mean
                squares += here * here
                products += here * (state[i + 1] - state[i] - mean_step)
            out[row, t] = products / squares
