"""Shares of the level that each test of a record gets: most of it where the record's own memory points to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["OSCILLATING_SHARES", "SHARES", "shares_of", "sides_of"]

FloatArray = npt.NDArray[np.float64]

# Whose lag-1 correlation is at most this far from 0 may go either way.
_NEITHER = 0.1
# In the order of the tests: memory towards +1, towards −1, damping, variance. An eigenvalue that reaches +1 (−1) at the
# end of the record was positive (negative) for most of it, and so is the correlation over the whole record. Scores are
# orthogonal to that, under noise of any size too where each pair of neighbours counts alike, so that the level is kept.
# Chosen on simulations.
SHARES = np.array([[0.1, 2.2, 0.1, 0.4], [1.1, 1.1, 0.4, 0.8], [2.2, 0.1, 0.1, 0.4]])
# Of a record that oscillates the leading eigenvalues are a pair, which damping asks after.
OSCILLATING_SHARES = np.array([[0.3, 2.0, 2.0, 0.6], [0.3, 1.0, 2.0, 0.6], [0.3, 0.3, 2.4, 0.6]])


def sides_of(likeness: FloatArray) -> npt.NDArray[np.int64]:
    """Rows of :data:`SHARES` for lag-1 correlations: 0 of negative ones, 1 of those near 0 or unknown, 2 of others."""
    return np.asarray(1 + np.where(likeness > _NEITHER, 1, 0) - np.where(likeness < -_NEITHER, 1, 0))


def shares_of(likeness: float, *, oscillating: bool) -> FloatArray:
    """The shares of one record."""
    return np.asarray((OSCILLATING_SHARES if oscillating else SHARES)[sides_of(np.array(likeness))])
