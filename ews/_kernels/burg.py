"""Autoregressions of any order by Burg's method: fit, whitening, draws."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.random import fill_normal, new_state

__all__ = ["burg", "draw_ar", "whiten"]

FloatArray = npt.NDArray[np.float64]


@kernel
def burg(x: FloatArray, reflections: FloatArray, errors: FloatArray) -> int:
    """Reflection coefficients of an autoregression by Burg's method, order by order.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Of mean 0; NaN where nothing was observed: each term needs all the samples that its order looks back to.
    reflections : ndarray of shape (orders,)
        Filled up to the order that is returned.
    errors : ndarray of shape (orders + 1,)
        Filled with the mean squared error of each order, from 0 on.

    Returns
    -------
    int
        The highest order that could be fitted; −1 where nothing varies.
    """
    n = x.size
    ahead, behind = x.copy(), x.copy()
    power, count = 0.0, 0
    for t in range(n):
        if not math.isnan(x[t]):
            power += x[t] * x[t]
            count += 1
    if count == 0 or not power > 0.0:
        return -1
    errors[0] = power / count
    for k in range(reflections.size):
        product, power = 0.0, 0.0
        for t in range(k + 1, n):
            term = ahead[t] * behind[t - 1]
            if not math.isnan(term):
                product += term
                power += ahead[t] * ahead[t] + behind[t - 1] * behind[t - 1]
        if not power > 0.0:
            return k
        reflection = 2.0 * product / power
        error = errors[k] * (1.0 - reflection * reflection)
        if not error > 1e-14 * errors[0]:  # a perfect fit: what is left is rounding
            return k
        reflections[k] = reflection
        errors[k + 1] = error
        for t in range(n - 1, k, -1):
            before = behind[t - 1]
            behind[t] = before - reflection * ahead[t]
            ahead[t] -= reflection * before
    return reflections.size


@kernel
def whiten(x: FloatArray, order: int, error: FloatArray) -> None:
    """Fill `error` with what Burg's autoregression of that order cannot foresee; NaN in its first `order` samples."""
    n = x.size
    reflections = np.empty(order)
    errors = np.empty(order + 1)
    order = max(burg(x, reflections, errors), 0)
    behind = x.copy()
    error[:] = x
    for k in range(order):
        for t in range(n - 1, k, -1):
            before = behind[t - 1]
            behind[t] = before - reflections[k] * error[t]
            error[t] -= reflections[k] * before
    for t in range(min(order, n)):
        error[t] = math.nan


@kernel
def draw_ar(reflections: FloatArray, sigma: float, seed: np.uint64, first: int, out: FloatArray) -> None:
    """Draw rows of an autoregression with these reflection coefficients, from its stationary law.

    Sample t < p is drawn from the autoregression of order t that the reflection coefficients hold (Durbin 1960), so
    that nothing has to be forgotten, however little the poles are damped.

    Parameters
    ----------
    reflections : ndarray of shape (p,)
        Each between −1 and 1.
    sigma : float
        Standard deviation of the innovations, in the units of the series.
    seed : uint64
        Seed of the run.
    first : int
        Number of the first row within the run: row i draws from stream first + i, whatever the chunks.
    out : ndarray of shape (rows, n)
        Written.
    """
    rows, n = out.shape
    p = reflections.size
    models = np.zeros((p + 1, p + 1))  # row k: the coefficients of order k
    spread = np.empty(p + 1)
    spread[p] = sigma
    for k in range(p, 0, -1):
        spread[k - 1] = spread[k] / math.sqrt(1.0 - reflections[k - 1] * reflections[k - 1])
    for k in range(1, p + 1):
        for j in range(k - 1):
            models[k, j] = models[k - 1, j] - reflections[k - 1] * models[k - 1, k - 2 - j]
        models[k, k - 1] = reflections[k - 1]
    for row in range(rows):
        state = new_state(seed, first + row)
        x = out[row]
        fill_normal(state, x)
        for t in range(n):
            order = min(t, p)
            value = spread[order] * x[t]
            for j in range(order):
                value += models[order, j] * x[t - 1 - j]
            x[t] = value
