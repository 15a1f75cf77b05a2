"""Shapes of a drift over the record: what a coefficient does on its way to a bifurcation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SHAPES", "weights", "weights_at"]

FloatArray = npt.NDArray[np.float64]

# In time u from 0 to 1: steadily; as the recovery rate of a fold that is reached at the end at constant speed; late.
SHAPES = ("linear", "fold-like", "late")
_LATE = 0.02  # of the record: where the late shape stops growing


def weights(n: int) -> FloatArray:
    """The shapes at `n` even times, (3, n) in the order of :data:`SHAPES`, rising, each centred and of unit length."""
    return weights_at(np.arange(n, dtype=np.float64))


def weights_at(positions: FloatArray) -> FloatArray:
    """The shapes at any positions, in steps from the first: what drifts goes by time, not by observations."""
    u = (positions + 0.5) / (positions[-1] + 1.0)
    shapes = np.stack([u, -np.sqrt(1.0 - u), -np.log(1.0 - u + _LATE)])
    for shape in shapes:  # in place: three times the record are enough
        shape -= shape.mean()
        shape /= np.linalg.norm(shape)
    return shapes
