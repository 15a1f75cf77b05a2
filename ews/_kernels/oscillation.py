"""Damping of one mode of an oscillating record: the score of its drift."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.burg import whiten
from ews._kernels.jit import kernel

__all__ = ["mode_scores"]

FloatArray = npt.NDArray[np.float64]


@kernel
def mode_scores(
    rows: FloatArray, block: int, order: int, frequency: float, decay: float, shape: FloatArray, z: FloatArray
) -> None:
    """Studentised score of each row for a mode that loses damping, all else of the spectrum standing still.

    Each row is averaged over blocks and whitened by an autoregression, e[t]. The mode's power drifts where the
    logarithm of the spectrum drifts by a peak at its frequency; its efficient score is that of β in
    e[t] = (α + β w[t]) y[t] + noise, with y[t] = Σ exp(−`decay` j) cos(`frequency` j) e[t−j], j = 1, 2, …

    Parameters
    ----------
    rows : ndarray of shape (rows, n)
        Evenly spaced residuals of mean 0; NaN where nothing was observed.
    block : int
        How many samples are averaged into one; what is over is left out at the start.
    order : int
        Order of the autoregression.
    frequency, decay : float
        Of the mode, in radians per block.
    shape : ndarray of shape (n // block,)
        Drift over time.
    z : ndarray of shape (rows,)
        Filled; positive where damping is lost. NaN where not defined.
    """
    n = rows.shape[1]
    m = n // block
    first = n - m * block
    x = np.empty(m)
    error = np.empty(m)
    state = np.empty(m)
    ratio = math.exp(-decay)
    near, far = 2.0 * ratio * math.cos(frequency), ratio * ratio
    for i in range(rows.shape[0]):
        # In units of the largest, whose squares neither vanish nor overflow.
        largest = 0.0
        for t in range(first, n):
            if abs(rows[i, t]) > largest:
                largest = abs(rows[i, t])
        for b in range(m):
            total, count = 0.0, 0
            for t in range(first + b * block, first + (b + 1) * block):
                if not math.isnan(rows[i, t]):
                    total += rows[i, t] / largest
                    count += 1
            x[b] = total / count if count > 0 and largest > 0.0 else math.nan
        whiten(x, order, error)
        power, product, weighted = 0.0, 0.0, 0.0
        last, second, late, early = 0.0, 0.0, 0.0, 0.0  # y[t−1], y[t−2], e[t−1], e[t−2]
        for t in range(m):
            state[t] = near * last - far * second + 0.5 * near * late - far * early
            second, last = last, state[t]
            early, late = late, 0.0 if math.isnan(error[t]) else error[t]
            if not math.isnan(error[t]):
                power += state[t] * state[t]
                product += state[t] * error[t]
                weighted += shape[t] * state[t] * state[t]
        if not power > 0.0:
            z[i] = math.nan
            continue
        constant, middle = product / power, weighted / power
        score, spread = 0.0, 0.0
        for t in range(m):
            if not math.isnan(error[t]):
                term = (shape[t] - middle) * state[t] * (error[t] - constant * state[t])
                score += term
                spread += term * term
        z[i] = score / math.sqrt(spread) if spread > 0.0 else math.nan
