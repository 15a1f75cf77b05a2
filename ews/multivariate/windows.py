"""Several variables seen through a sliding window: their covariances, now and one step back.

Sums over windows are made of two pieces, cut at a sample that lies in every window of a tile (van Herk 1992): the end
of one block and the start of the next, each summed once. A window's sums hold its own samples only, so one NaN blanks
the windows that hold it and no others, and the cost does not grow with the window.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "Windows", "where_defined"]

FloatArray = npt.NDArray[np.float64]


class Windows:
    """Rows of several variables through a window.

    Parameters
    ----------
    rows : ndarray of shape (rows, variables, n)
        The series; what is not finite counts as missing.
    window : int
        Window length in samples.
    step : float, default 1.0
        Sampling step.
    """

    def __init__(self, rows: FloatArray, *, window: int, step: float = 1.0) -> None:
        self.rows = np.where(np.isfinite(rows), rows, np.nan)
        self.window = window
        self.step = step

    @property
    def variables(self) -> int:
        """How many variables."""
        return int(self.rows.shape[1])

    @property
    def count(self) -> int:
        """How many windows."""
        return int(self.rows.shape[2]) - self.window + 1

    def stamped(self, values: FloatArray) -> FloatArray:
        """Values of the windows, (rows, windows, …), at their right edges: (rows, n, …), NaN before the first."""
        out = np.full((values.shape[0], self.rows.shape[2], *values.shape[2:]), np.nan)
        out[:, self.window - 1 :] = values
        return out

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance matrix of each window, divided by w − 1: shape (rows, windows, variables, variables)."""
        sums, products = self._tiles.sums(), self._tiles.products()
        centred = products - _outer(sums, sums) / self.window
        return centred / max(self.window - 1, 1)

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of each variable in each window: shape (rows, windows, variables)."""
        return np.diagonal(self.covariance, axis1=2, axis2=3)

    @cached_property
    def lagged(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Centred products over the w − 1 pairs of neighbours inside each window.

        ``before``: x[t−1] x[t−1]', ``across``: x[t] x[t−1]', ``after``: x[t] x[t]'; each centred on the means of its
        own samples, of shape (rows, windows, variables, variables).
        """
        tiles, pairs = self._tiles, self.window - 1
        first, last = tiles.sums(drop_last=True), tiles.sums(drop_first=True)
        before = tiles.products(drop_last=True) - _outer(first, first) / pairs
        after = tiles.products(drop_first=True) - _outer(last, last) / pairs
        across = tiles.lagged_products() - _outer(last, first) / pairs
        return before, across, after

    @cached_property
    def difference_covariance(self) -> FloatArray:
        """Covariance of the w − 1 first differences inside each window."""
        return Windows(np.diff(self.rows, axis=2), window=self.window - 1).covariance

    @cached_property
    def _tiles(self) -> _Tiles:
        return _Tiles(self.rows, self.window)


class _Tiles:
    """Deviations from the sample that all windows of a tile share, and their sums over windows."""

    def __init__(self, rows: FloatArray, window: int) -> None:
        r, v, n = rows.shape
        self.window, self.count = window, n - window + 1
        tiles = -(-self.count // window)
        padded = np.full((r, v, (tiles + 1) * window), np.nan)
        padded[:, :, :n] = rows
        blocks = padded.reshape(r, v, tiles + 1, window)
        shared = blocks[:, :, :tiles, -1:]
        self.left, self.right = blocks[:, :, :tiles] - shared, blocks[:, :, 1:] - shared

    def sums(self, *, drop_first: bool = False, drop_last: bool = False) -> FloatArray:
        """Σ x over each window, without its first or last sample where asked: (rows, windows, variables)."""
        return np.moveaxis(self._over_windows(self.left, self.right, drop_first, drop_last), 1, -1)

    def products(self, *, drop_first: bool = False, drop_last: bool = False) -> FloatArray:
        """Σ x x' over each window: (rows, windows, variables, variables)."""
        r, v = self.left.shape[:2]
        out = np.empty((r, self.count, v, v))
        for i in range(v):
            left, right = self.left[:, i, None] * self.left[:, i:], self.right[:, i, None] * self.right[:, i:]
            total = np.moveaxis(self._over_windows(left, right, drop_first, drop_last), 1, -1)
            out[:, :, i, i:] = total
            out[:, :, i:, i] = total
        return out

    def lagged_products(self) -> FloatArray:
        """Σ x[t] x[t−1]' over the pairs inside each window: (rows, windows, variables, variables)."""
        r, v = self.left.shape[:2]
        out = np.empty((r, self.count, v, v))
        # A pair belongs to its earlier sample in the left block, so that a window's first pair is at its first sample,
        # and to its later one in the right block. The shared sample deviates by 0 from itself.
        later = np.concatenate([self.left[..., 1:], np.zeros_like(self.left[..., :1])], axis=-1)
        earlier = np.concatenate([np.zeros_like(self.right[..., :1]), self.right[..., :-1]], axis=-1)
        for i in range(v):
            left, right = later[:, i, None] * self.left, self.right[:, i, None] * earlier
            out[:, :, i, :] = np.moveaxis(self._over_windows(left, right, False, False), 1, -1)
        return out

    def _over_windows(self, left: FloatArray, right: FloatArray, drop_first: bool, drop_last: bool) -> FloatArray:
        """Sum the end of the left block and the start of the right one: (rows, variables, windows)."""
        total = np.cumsum(left[..., ::-1], axis=-1)[..., ::-1]
        if drop_first:
            total = np.concatenate([total[..., 1:], np.zeros_like(total[..., :1])], axis=-1)
        start = np.cumsum(right, axis=-1)
        skipped = 2 if drop_last else 1
        total = total.copy() if not drop_first else total
        total[..., skipped:] += start[..., :-skipped]
        return total.reshape(*total.shape[:2], -1)[..., : self.count]


def _outer(a: FloatArray, b: FloatArray) -> FloatArray:
    return a[..., :, None] * b[..., None, :]


def where_defined(function: Callable[..., Any], *matrices: FloatArray) -> FloatArray:
    """Apply a function to stacks of matrices, (rows, windows, v, v) each, where all their entries are finite.

    LAPACK may fail on a NaN, and one must not stop the others.
    """
    flat = [matrix.reshape(-1, *matrix.shape[2:]) for matrix in matrices]
    defined = np.all([np.isfinite(one).all(axis=(1, 2)) for one in flat], axis=0)
    found = function(*(one[defined] for one in flat))
    out: FloatArray = np.full((defined.size, *found.shape[1:]), np.nan)
    out[defined] = found
    return out.reshape(*matrices[0].shape[:2], *found.shape[1:])
