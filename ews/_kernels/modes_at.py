"""Damped modes observed at any times, in noise: Kalman filter, innovations, scores of a damping that drifts, draws."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.random import fill_normal, new_state
from ews._kernels.score import solve

__all__ = ["MODE", "RED", "SMOOTH", "deviance", "draw_modes", "drift_scores", "fit_modes", "gains_of", "model_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# What a record may be made of: red noise; a mode whose coordinates are driven alike, or whose first follows the second.
RED, MODE, SMOOTH = 0, 1, 2
_STEP = 1e-6  # of a parameter, for a slope
_MOVES = 60
_ENOUGH = 1e-3  # of the deviance, by which the next move would lower it
_STEEPEST = 1e6  # damping of a move beyond which there is none
_LEAST_PIVOT = 1e-9  # of what is left of a column's sum of squares, below which it says nothing that others do not


@kernel
def _drive(mode: FloatArray, rate: float, step: float, turned: FloatArray, out: FloatArray) -> None:
    """Covariance of what drives a mode over a step, its decay being `rate` there: variances and covariance.

    The drive is that which keeps the mode's first coordinate at its variance with its own decay. With K the share of it
    that goes to the second coordinate alone, drives are 2γσ² (1 − K) and 2γσ² (1 + K + 2Kγ²/ω²).
    """
    own, frequency, variance, smooth = mode[0], mode[1], mode[2], mode[3]
    ratio = (own / frequency) ** 2 if frequency > 0.0 else 0.0
    first = 2.0 * own * variance * (1.0 - smooth)
    second = 2.0 * own * variance * (1.0 + smooth + 2.0 * smooth * ratio)
    twice = 2.0 * rate * step
    grown = -math.expm1(-twice) / twice * step if abs(twice) > 1e-9 else step
    even = 0.5 * (first + second) * grown
    # What is not alike in all directions turns on; it is at rest at (u, v), the difference of variances and covariance.
    gap = 0.25 * (first - second) / (rate * rate + frequency * frequency) if smooth > 0.0 else 0.0
    u, v = rate * gap, frequency * gap
    c, s = turned[0], turned[1]
    u_left, v_left = (c * c - s * s) * u - 2.0 * c * s * v, 2.0 * c * s * u + (c * c - s * s) * v
    out[0], out[1], out[2] = even + u - u_left, even - u + u_left, v - v_left


@kernel
def _rest(mode: FloatArray, out: FloatArray) -> None:
    """Covariance of a mode at rest: variances and covariance."""
    ratio = mode[0] / mode[1] if mode[1] > 0.0 else 0.0
    out[0], out[1], out[2] = mode[2], mode[2] * (1.0 + 2.0 * mode[3] * ratio * ratio), -mode[2] * mode[3] * ratio


@kernel
def gains_of(
    steps: FloatArray,
    modes: FloatArray,
    noise: FloatArray,
    drift: FloatArray,
    turn: FloatArray,
    gain: FloatArray,
    spread: FloatArray,
) -> None:
    """What the filter does at each observation, whatever the values are.

    A mode is a point in the plane that is drawn to the origin at rate γ, turns at ω and is driven by white noise;
    observed is the sum of the modes' first coordinates and of independent noise. Without turning it is red noise.

    Parameters
    ----------
    steps : ndarray of shape (n − 1,)
        Times between observations.
    modes : ndarray of shape (modes, 4)
        γ, ω, the variance of the first coordinate at rest, and K from 0 to 1: 0 where both coordinates are driven
        alike, covariance e^(−γd) cos ωd; 1 where the first follows the second alone, as the position of an oscillator
        its speed, covariance e^(−γd) (cos ωd + K γ/ω sin ωd).
    noise : ndarray of shape (n,)
        Variance of the noise of each observation.
    drift : ndarray of shape (n,)
        Added to γ of the first mode on the way to each observation, its drive being what it was.
    turn : ndarray of shape (n, 2 modes)
        Filled: e^(−γd) cos ωd and e^(−γd) sin ωd of each mode.
    gain : ndarray of shape (n, 2 modes)
        Filled: what an innovation of 1 adds to the state.
    spread : ndarray of shape (n,)
        Filled: variances of the innovations.
    """
    n, count = noise.size, modes.shape[0]
    size = 2 * count
    cov, half, own = np.zeros((size, size)), np.empty((size, size)), np.empty(3)
    turn[0] = 0.0
    for k in range(count):
        _rest(modes[k], own)
        cov[2 * k, 2 * k], cov[2 * k + 1, 2 * k + 1] = own[0], own[1]
        cov[2 * k, 2 * k + 1] = cov[2 * k + 1, 2 * k] = own[2]
    for i in range(n):
        if i > 0:
            step = steps[i - 1]
            for k in range(count):  # rows
                rate = modes[k, 0] + (drift[i] if k == 0 else 0.0)
                left = math.exp(-rate * step)
                c, s = left * math.cos(modes[k, 1] * step), left * math.sin(modes[k, 1] * step)
                turn[i, 2 * k], turn[i, 2 * k + 1] = c, s
                for j in range(size):
                    half[2 * k, j] = c * cov[2 * k, j] - s * cov[2 * k + 1, j]
                    half[2 * k + 1, j] = s * cov[2 * k, j] + c * cov[2 * k + 1, j]
            for k in range(count):  # columns
                c, s = turn[i, 2 * k], turn[i, 2 * k + 1]
                for j in range(size):
                    cov[j, 2 * k] = c * half[j, 2 * k] - s * half[j, 2 * k + 1]
                    cov[j, 2 * k + 1] = s * half[j, 2 * k] + c * half[j, 2 * k + 1]
                _drive(modes[k], modes[k, 0] + (drift[i] if k == 0 else 0.0), step, turn[i, 2 * k : 2 * k + 2], own)
                cov[2 * k, 2 * k] += own[0]
                cov[2 * k + 1, 2 * k + 1] += own[1]
                cov[2 * k, 2 * k + 1] += own[2]
                cov[2 * k + 1, 2 * k] += own[2]
        total = noise[i]
        for j in range(size):
            gain[i, j] = 0.0
            for k in range(count):
                gain[i, j] += cov[j, 2 * k]
        for k in range(count):
            total += gain[i, 2 * k]
        spread[i] = total
        for j in range(size):
            for k in range(size):
                cov[j, k] -= gain[i, j] * gain[i, k] / total
        for j in range(size):
            gain[i, j] /= total


@kernel
def _innovations(x: FloatArray, turn: FloatArray, gain: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """What the filter does not foresee of a row."""
    n, size = gain.shape
    state[:] = 0.0
    for i in range(n):
        seen = 0.0
        for k in range(0, size, 2):
            c, s = turn[i, k], turn[i, k + 1]
            first, second = state[k], state[k + 1]
            state[k], state[k + 1] = c * first - s * second, s * first + c * second
            seen += state[k]
        out[i] = x[i] - seen
        for j in range(size):
            state[j] += gain[i, j] * out[i]


@kernel
def _deviance_of(innovation: FloatArray, spread: FloatArray) -> float:
    total = 0.0
    for i in range(innovation.size):
        total += math.log(spread[i]) + innovation[i] * innovation[i] / spread[i]
    return total


@kernel
def deviance(x: FloatArray, steps: FloatArray, modes: FloatArray, noise: FloatArray) -> float:
    """Minus twice the log likelihood of a row, without its constant: Σ log S + v² / S.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values of mean 0.
    steps, modes, noise
        See :func:`gains_of`.
    """
    n, size = x.size, 2 * modes.shape[0]
    turn, gain, spread = np.empty((n, size)), np.empty((n, size)), np.empty(n)
    gains_of(steps, modes, noise, np.zeros(n), turn, gain, spread)
    out = np.empty(n)
    _innovations(x, turn, gain, np.empty(size), out)
    return _deviance_of(out, spread)


@kernel
def model_of(theta: FloatArray, kinds: IntArray, modes: FloatArray) -> float:
    """From the scale of a search to modes, as :func:`gains_of` has them, and the variance of white noise.

    `theta` holds logarithms: of damping ratio γ/ω, frequency and variance of each mode, or of rate and variance of red
    noise, and of the variance of white noise.
    """
    at = 0
    for k in range(kinds.size):
        if kinds[k] == RED:
            modes[k, 0], modes[k, 1], modes[k, 2], modes[k, 3] = math.exp(theta[at]), 0.0, math.exp(theta[at + 1]), 0.0
            at += 2
            continue
        frequency = math.exp(theta[at + 1])
        modes[k, 0], modes[k, 1], modes[k, 2] = math.exp(theta[at]) * frequency, frequency, math.exp(theta[at + 2])
        modes[k, 3] = 1.0 if kinds[k] == SMOOTH else 0.0
        at += 3
    return math.exp(theta[at])


@kernel
def fit_modes(
    x: FloatArray,
    steps: FloatArray,
    kinds: IntArray,
    known: FloatArray,
    low: FloatArray,
    high: FloatArray,
    theta: FloatArray,
) -> float:
    """Maximise the likelihood of a row from where `theta` is, within bounds: Fisher's scoring, damped where it must be.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values of mean 0.
    steps : ndarray of shape (n − 1,)
        Times between observations.
    kinds : ndarray of int64
        What the model is made of.
    known : ndarray of shape (n,)
        Variance of noise that is known, at each time.
    low, high, theta : ndarray of shape (parameters,)
        Bounds, and where to start (see :func:`model_of`); `theta` is overwritten with the maximum.

    Returns
    -------
    float
        The deviance there (see :func:`deviance`).
    """
    n, parameters, size = x.size, theta.size, 2 * kinds.size
    modes, still, state = np.zeros((kinds.size, 4)), np.zeros(n), np.empty(size)
    turn, gain = np.empty((n, size)), np.empty((n, size))
    spread, innovation = np.empty((parameters + 1, n)), np.empty((parameters + 1, n))
    slope, right = np.empty(parameters), np.empty((1, parameters))
    information, damped = np.empty((parameters, parameters)), np.empty((parameters, parameters))
    moved, free = np.empty(parameters), np.empty(parameters, dtype=np.bool_)
    damping, best = 1e-3, math.inf
    for move in range(_MOVES):
        if move == 0:
            gains_of(steps, modes, known + model_of(theta, kinds, modes), still, turn, gain, spread[0])
            _innovations(x, turn, gain, state, innovation[0])
            best = _deviance_of(innovation[0], spread[0])
        for k in range(parameters):
            moved[:] = theta
            moved[k] += _STEP
            gains_of(steps, modes, known + model_of(moved, kinds, modes), still, turn, gain, spread[k + 1])
            _innovations(x, turn, gain, state, innovation[k + 1])
        slope[:] = 0.0
        information[:] = 0.0
        for i in range(n):
            v, variance = innovation[0, i], spread[0, i]
            excess = 0.5 * (v * v / variance - 1.0)
            for k in range(parameters):
                mean = (innovation[k + 1, i] - v) / _STEP
                growth = (spread[k + 1, i] / variance - 1.0) / _STEP
                slope[k] += excess * growth - v * mean / variance
                for j in range(k + 1):
                    other = (innovation[j + 1, i] - v) / _STEP
                    both = (spread[j + 1, i] / variance - 1.0) / _STEP * growth
                    information[k, j] += mean * other / variance + 0.5 * both
        for k in range(parameters):
            free[k] = not ((theta[k] <= low[k] and slope[k] < 0.0) or (theta[k] >= high[k] and slope[k] > 0.0))
        lowered = False
        while damping < _STEEPEST:
            for k in range(parameters):
                for j in range(k + 1):
                    damped[k, j] = damped[j, k] = information[k, j] if free[k] and free[j] else 0.0
                damped[k, k] = information[k, k] * (1.0 + damping) + 1e-9 if free[k] else 1.0
                right[0, k] = slope[k] if free[k] else 0.0
            if solve(damped, right, parameters):
                foreseen = 0.0
                for k in range(parameters):
                    step = min(max(right[0, k], -1.0), 1.0)
                    moved[k] = min(max(theta[k] + step, low[k]), high[k])
                    foreseen += slope[k] * (moved[k] - theta[k])
                if foreseen < _ENOUGH:
                    return best
                gains_of(steps, modes, known + model_of(moved, kinds, modes), still, turn, gain, spread[1])
                _innovations(x, turn, gain, state, innovation[1])
                found = _deviance_of(innovation[1], spread[1])
                if found < best:
                    lowered = best - found > _ENOUGH
                    theta[:], best = moved, found
                    spread[0], innovation[0] = spread[1], innovation[1]
                    damping = max(0.1 * damping, 1e-6)
                    break
            damping *= 5.0
        if not lowered:
            return best
    return best


@kernel
def drift_scores(
    rows: FloatArray,
    turns: FloatArray,
    gains: FloatArray,
    spreads: FloatArray,
    shape: FloatArray,
    z: FloatArray,
    slope: FloatArray,
) -> None:
    """Studentised efficient scores of a damping that is lost, of each row.

    Of each observation, the derivative of its log likelihood by the drift is taken, less what the derivatives by the
    other parameters, and by an innovation variance that drifts, foresee of it (Neyman's C(α), with the empirical
    information). What is summed are martingale differences; the denominator is the root of the sum of their squares.

    Parameters
    ----------
    rows : ndarray of shape (rows, n)
        Values of mean 0.
    turns, gains, spreads : ndarray of shape (1 + parameters, n, …)
        Of :func:`gains_of`: first as fitted, then with each parameter a little larger, the drift of γ last.
    shape : ndarray of shape (n,)
        Of the drift.
    z : ndarray of shape (rows,)
        Filled; positive where damping is lost.
    slope : ndarray of shape (rows, 2)
        Filled: the score and its information.
    """
    count, n = rows.shape
    sets = turns.shape[0]
    parameters = sets - 1
    state = np.empty(gains.shape[2])
    innovation = np.empty((sets, n))
    base = spreads[0]
    columns = np.empty((parameters + 1, n))
    for row in range(count):
        for k in range(sets):
            _innovations(rows[row], turns[k], gains[k], state, innovation[k])
        power = 0.0
        for i in range(n):
            power += innovation[0, i] ** 2 / base[i]
        power /= n
        for i in range(n):
            v = innovation[0, i]
            excess = 0.5 * (v * v / (base[i] * power) - 1.0)
            columns[parameters - 1, i] = shape[i] * excess
            for k in range(parameters):
                moved = innovation[1 + k, i] - v
                term = -v * moved / (base[i] * power) + excess * math.log(spreads[1 + k, i] / base[i])
                columns[k if k < parameters - 1 else parameters, i] = term
        for k in range(parameters + 1):
            whole = 0.0
            for i in range(n):
                whole += columns[k, i] ** 2
            for j in range(k):
                product, square = 0.0, 0.0
                for i in range(n):
                    product += columns[k, i] * columns[j, i]
                    square += columns[j, i] ** 2
                if square > 0.0:
                    for i in range(n):
                        columns[k, i] -= product / square * columns[j, i]
            left = 0.0
            for i in range(n):
                left += columns[k, i] ** 2
            if not left > _LEAST_PIVOT * whole:
                columns[k] = 0.0
        total, square = 0.0, 0.0
        for i in range(n):
            total += columns[parameters, i]
            square += columns[parameters, i] ** 2
        z[row] = -total / math.sqrt(square) if square > 0.0 else math.nan
        slope[row, 0], slope[row, 1] = total, square


@kernel
def draw_modes(
    steps: FloatArray, modes: FloatArray, noise: FloatArray, seed: np.uint64, first: int, out: FloatArray
) -> None:
    """Draw rows of damped modes at these times, with noise of these variances; row i draws from stream first + i.

    Parameters
    ----------
    steps, modes, noise
        See :func:`gains_of`.
    seed : uint64
        Seed of the run.
    first : int
        Number of the first row within the run.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = out.shape
    count = modes.shape[0]
    size = 2 * count + 1
    normal, own = np.empty(n * size), np.empty(3)
    turn, root = np.zeros((n, 2 * count)), np.empty((n, 3 * count))
    for i in range(n):
        for k in range(count):
            if i == 0:
                _rest(modes[k], own)
            else:
                left = math.exp(-modes[k, 0] * steps[i - 1])
                turn[i, 2 * k] = left * math.cos(modes[k, 1] * steps[i - 1])
                turn[i, 2 * k + 1] = left * math.sin(modes[k, 1] * steps[i - 1])
                _drive(modes[k], modes[k, 0], steps[i - 1], turn[i, 2 * k : 2 * k + 2], own)
            # The root of the covariance (Cholesky).
            root[i, 3 * k] = math.sqrt(max(own[0], 0.0))
            root[i, 3 * k + 1] = own[2] / root[i, 3 * k] if root[i, 3 * k] > 0.0 else 0.0
            root[i, 3 * k + 2] = math.sqrt(max(own[1] - root[i, 3 * k + 1] ** 2, 0.0))
    state = np.empty(2 * count)
    for row in range(rows):
        fill_normal(new_state(seed, first + row), normal)
        state[:] = 0.0
        for i in range(n):
            at = i * size
            value = math.sqrt(noise[i]) * normal[at]
            for k in range(count):
                c, s = turn[i, 2 * k], turn[i, 2 * k + 1]
                one, two = state[2 * k], state[2 * k + 1]
                a, b = normal[at + 1 + 2 * k], normal[at + 2 + 2 * k]
                state[2 * k] = c * one - s * two + root[i, 3 * k] * a
                state[2 * k + 1] = s * one + c * two + root[i, 3 * k + 1] * a + root[i, 3 * k + 2] * b
                value += state[2 * k]
            out[row, i] = value
