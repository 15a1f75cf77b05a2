"""Draws of autoregressions whose coefficients and innovations may change over time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.random import fill_normal, new_state

__all__ = ["draw_ar1", "draw_ar2"]

FloatArray = npt.NDArray[np.float64]


@kernel
def draw_ar1(phi: FloatArray, sigma: FloatArray, seed: np.uint64, first: int, out: FloatArray) -> None:
    """Draw rows of x[t] = phi[t] x[t−1] + sigma[t] e[t], e ~ N(0, 1), started from the stationary law of t = 0.

    Parameters
    ----------
    phi : ndarray of shape (n,)
        Coefficient at each time.
    sigma : ndarray of shape (n,)
        Standard deviation of the innovation at each time, in the units of the series.
    seed : uint64
        Seed of the run.
    first : int
        Number of the first row within the run: row i draws from stream first + i, whatever the chunks.
    out : ndarray of shape (rows, n)
        Written. Where ``abs(phi[0]) >= 1`` there is no stationary law and x[0] ~ N(0, sigma[0]²).
    """
    rows, n = out.shape
    if n == 0:
        return
    spread = sigma[0]
    if abs(phi[0]) < 1.0:
        spread = sigma[0] / math.sqrt(1.0 - phi[0] * phi[0])
    for row in range(rows):
        fill_normal(new_state(seed, first + row), out[row])
        out[row, 0] *= spread
    # Each value waits for the one before it, so that four rows take hardly longer than one.
    whole = rows // 4 * 4
    for row in range(0, whole, 4):
        a, b, c, d = out[row], out[row + 1], out[row + 2], out[row + 3]
        a1, b1, c1, d1 = a[0], b[0], c[0], d[0]
        for t in range(1, n):
            a1 = phi[t] * a1 + sigma[t] * a[t]
            b1 = phi[t] * b1 + sigma[t] * b[t]
            c1 = phi[t] * c1 + sigma[t] * c[t]
            d1 = phi[t] * d1 + sigma[t] * d[t]
            a[t], b[t], c[t], d[t] = a1, b1, c1, d1
    for row in range(whole, rows):
        x = out[row]
        for t in range(1, n):
            x[t] = phi[t] * x[t - 1] + sigma[t] * x[t]


@kernel
def draw_ar2(
    near: FloatArray, far: FloatArray, sigma: FloatArray, seed: np.uint64, first: int, out: FloatArray
) -> None:
    """Draw rows of x[t] = near[t] x[t−1] + far[t] x[t−2] + sigma[t] e[t], e ~ N(0, 1), from the law that t = 0 keeps.

    The streams are those of :func:`draw_ar1`: with `far` 0 the rows are the same up to rounding.

    Parameters
    ----------
    near, far : ndarray of shape (n,)
        Coefficients at each time.
    sigma : ndarray of shape (n,)
        Standard deviation of the innovation at each time, in the units of the series.
    seed : uint64
        Seed of the run.
    first : int
        Number of the first row within the run: row i draws from stream first + i, whatever the chunks.
    out : ndarray of shape (rows, n)
        Written. Where the coefficients at t = 0 have no stationary law, x[0] ~ N(0, sigma[0]²) and x[−1] is 0.
    """
    rows, n = out.shape
    if n == 0:
        return
    # Yule and Walker: variance and first autocorrelation of the law of t = 0.
    spread, correlation, rest = sigma[0], 0.0, 0.0
    if abs(far[0]) < 1.0 and abs(near[0]) < 1.0 - far[0]:
        correlation = near[0] / (1.0 - far[0])
        spread = sigma[0] / math.sqrt((1.0 - far[0] * far[0]) * (1.0 - correlation * correlation))
        rest = math.sqrt(1.0 - correlation * correlation) * spread
    for row in range(rows):
        state = new_state(seed, first + row)
        x = out[row]
        fill_normal(state, x)
        x[0] *= spread
        if n > 1:  # what x[−1] adds, given x[0], goes into the noise
            x[1] = (near[1] + far[1] * correlation) * x[0] + math.hypot(sigma[1], far[1] * rest) * x[1]
        for t in range(2, n):
            x[t] = multiply_add(near[t], x[t - 1], multiply_add(far[t], x[t - 2], sigma[t] * x[t]))
