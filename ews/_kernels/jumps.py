"""Kernel regression of the powers of increments on the state: the moments of a drift-diffusion-jump process."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ews._kernels.jit import kernel

__all__ = ["MOMENTS", "conditional_moments"]

MOMENTS = 5  # mean of dx, dx², dx⁴, dx⁶; variance of the next value
VANISHING = 1e-290  # a weight below this is none
SUMS = 7


@kernel
def conditional_moments(x: Any, bandwidth: float, grid: Any, out: Any) -> None:
    """Moments given the state, by Gaussian weights, at the points of an even grid of each row.

    `x` is (rows, n), centred and of about unit scale; `grid` is (rows, points), `out` (rows, MOMENTS, points). Where no
    weight is left the moments are NaN.
    """
    points = grid.shape[1]
    total = np.empty((SUMS, points))
    add = np.empty(SUMS)
    for row in range(x.shape[0]):
        start = grid[row, 0]
        spacing = (grid[row, points - 1] - start) / (points - 1)
        delta = spacing / bandwidth
        ratio = math.exp(-delta * delta)
        for j in range(SUMS):
            for k in range(points):
                total[j, k] = 0.0
        for i in range(x.shape[1] - 1):
            step = x[row, i + 1] - x[row, i]
            square = step * step
            add[0], add[1], add[2], add[3] = 1.0, step, square, square * square
            add[4], add[5], add[6] = square * square * square, x[row, i + 1], x[row, i + 1] * x[row, i + 1]
            centre = min(max(round((x[row, i] - start) / spacing), 0), points - 1)
            z = (start - x[row, i] + centre * spacing) / bandwidth
            # Along an even grid each weight follows from the last two: see potential.py.
            weight = math.exp(-0.5 * z * z)
            factor = math.exp(-delta * (z + 0.5 * delta))
            for k in range(centre, points):
                for j in range(SUMS):
                    total[j, k] += weight * add[j]
                weight *= factor
                factor *= ratio
                if weight < VANISHING:
                    break
            weight = math.exp(-0.5 * z * z)
            factor = math.exp(delta * (z - 0.5 * delta))
            for k in range(centre - 1, -1, -1):
                weight *= factor
                factor *= ratio
                if weight < VANISHING:
                    break
                for j in range(SUMS):
                    total[j, k] += weight * add[j]
        for k in range(points):
            weights = total[0, k]
            for j in range(4):
                out[row, j, k] = total[j + 1, k] / weights if weights > 0.0 else np.nan
            mean = total[5, k] / weights if weights > 0.0 else np.nan
            out[row, 4, k] = max(total[6, k] / weights - mean * mean, 0.0) if weights > 0.0 else np.nan
