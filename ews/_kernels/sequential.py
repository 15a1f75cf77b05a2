"""Sequential score tests of many observations of many series: the plain step beside it, compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels import sequential_step
from ews._kernels.jit import kernel

__all__ = ["advance_rows"]

FloatArray = npt.NDArray[np.float64]

_advance = kernel(sequential_step.advance)


@kernel
def advance_rows(
    state: FloatArray,
    values: FloatArray,
    gaps: FloatArray,
    begin: npt.NDArray[np.int64],
    smoothing: float,
    shares: FloatArray,
    limit: float,
    out: FloatArray,
) -> None:
    """Take in many values of each series.

    Parameters
    ----------
    state : ndarray of shape (series, SIZE)
        Changed in place.
    values : ndarray of shape (n, series)
        NaN where one is missing.
    gaps : ndarray of shape (n,)
        Time since the observations before.
    begin : ndarray of shape (series,), int
        The row with which each series begins.
    smoothing, shares, limit
        As :func:`ews._kernels.sequential_step.advance` has them.
    out : ndarray of shape (n, series, 1 + 2 TESTS)
        Filled from these rows on.
    """
    for one in range(values.shape[1]):
        for t in range(begin[one], values.shape[0]):
            _advance(state[one], values[t, one], gaps[t], smoothing, shares, limit, out[t, one])
