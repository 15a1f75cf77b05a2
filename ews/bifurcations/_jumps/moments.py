"""Drift, diffusion and jumps from conditional moments, for rows of values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["NAMES", "Components", "components", "in_time"]

FloatArray = npt.NDArray[np.float64]

# Those whose trend is tested, in the order of Carpenter & Brock (2011).
NAMES = ("conditional_variance", "total_variance", "diffusion", "jump_intensity")


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """What the increments are made of, at each point of a grid."""

    grid: FloatArray  # (rows, points): values of the state, from the least to the greatest observed
    drift: FloatArray  # (rows, points): M1
    values: FloatArray  # (4, rows, points): in the order of :data:`NAMES`
    jump_variance: FloatArray  # (rows,): σ_Z²


def components(rows: FloatArray, *, bandwidth: float, points: int, step: float) -> Components:
    """Estimate drift, diffusion and jumps of each row, in its units; the kernel's `bandwidth` is in units of its SD."""
    from ews._kernels.jumps import MOMENTS, conditional_moments

    # In units of the SD about the mean, so that sixth powers neither overflow nor lose the digits of an offset.
    offset = rows[:, :1] + (rows - rows[:, :1]).mean(axis=1, keepdims=True)
    scale = (rows - offset).std(axis=1, ddof=1, keepdims=True)
    scaled = (rows - offset) / scale
    share = np.linspace(0.0, 1.0, points)
    low, high = scaled.min(axis=1, keepdims=True), scaled.max(axis=1, keepdims=True)
    grid = np.ascontiguousarray(low + (high - low) * share)
    moments = np.empty((rows.shape[0], MOMENTS, points))
    conditional_moments(scaled, bandwidth, grid, moments)
    first, second, fourth, sixth = (moments[:, k] / step for k in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Carpenter & Brock (2011), appendix: σ_Z² = mean(M6 / M4) / 5 over the grid, λ = M4 / 3 σ_Z⁴,
        # D = M2 − λ σ_Z², not below 0.
        jump_variance = np.nanmean(np.where(fourth > 0, sixth / fourth, np.nan), axis=1, keepdims=True) / 5
        intensity = fourth / (3 * jump_variance**2)
    diffusion = np.maximum(second - intensity * jump_variance, 0.0)
    squared = scale**2
    return Components(
        grid=offset + scale * grid,
        drift=scale * first,
        values=np.stack([squared * moments[:, 4], squared * second, squared * diffusion, intensity]),
        jump_variance=(squared * jump_variance)[:, 0],
    )


def in_time(rows: FloatArray, found: Components) -> FloatArray:
    """Each component at the state of each time, by linear interpolation: (4, rows, n) in the order of :data:`NAMES`."""
    out = np.empty((len(NAMES), *rows.shape))
    for row, (values, grid) in enumerate(zip(rows, found.grid, strict=True)):
        for k in range(len(NAMES)):
            out[k, row] = np.interp(values, grid, found.values[k, row])
    return out
