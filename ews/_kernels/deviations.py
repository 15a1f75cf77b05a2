"""A window less its mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["deviations"]

FloatArray = npt.NDArray[np.float64]


@kernel
def deviations(x: FloatArray, start: int, state: FloatArray) -> bool:
    """Fill `state` with the window of `x` that begins at `start`, less its mean.

    False where the window has a sample that is not finite, or where nothing varies.
    """
    anchor = x[start]
    total = 0.0
    varies = False
    for i in range(state.size):
        value = x[start + i]
        if not np.isfinite(value):
            return False
        if value != anchor:
            varies = True
        # Differences from a value inside the window: an offset of 1e8 costs no digits.
        state[i] = value - anchor
        total += state[i]
    centre = total / state.size
    for i in range(state.size):
        state[i] -= centre
    return varies
