"""Draws of a first-order autoregression whose coefficient and innovations may change over time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.random import fill_normal, new_state

__all__ = ["draw_ar1"]

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
        state = new_state(seed, first + row)
        x = out[row]
        fill_normal(state, x)
        x[0] *= spread
        for t in range(1, n):
            x[t] = phi[t] * x[t - 1] + sigma[t] * x[t]
