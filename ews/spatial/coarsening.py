"""Averages over square blocks of cells, for maps of few states."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews._common import checks
from ews.spatial.grids import FloatArray, MissingCells, as_cells

__all__ = ["coarse_grain"]


def coarse_grain(grids: Any, *, size: int, missing: MissingCells = "raise") -> FloatArray:
    """Average each map over square blocks of cells.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps.
    size : int
        Side of a block, in cells; at most half of the shorter side. Rows and columns that fill no block are left out.
    missing : {"raise", "drop"}, default "raise"
        Whether NaN cells are refused, or a block takes the mean of the cells that it has.

    Returns
    -------
    ndarray of shape (time, y // size, x // size)
        The means of the blocks; NaN for a block without a cell.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, or `size` is out of range.

    Notes
    -----
    Maps of two states (presence and absence) need this: there, variance and skewness follow from the cover p alone,
    p (1 − p) and (1 − 2p) / √(p (1 − p)), and rise and fall with it whatever the pattern. The means of blocks vary with
    the pattern (Sankaran et al. 2018). This is what ``subsize`` does in spatialwarnings; values of about 4 to 10 are
    usual, above the range of the correlation of neighbours and well below the side of the map.

    References
    ----------
    Sankaran, S., Majumder, S., Kéfi, S. & Guttal, V. (2018). Implications of being discrete and spatial for detecting
    early warning signals of regime shifts. Ecological Indicators 94, 503–511.

    Examples
    --------
    >>> import ews
    >>> ews.spatial.coarse_grain([[[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 2]]], size=2)
    array([[[0.5, 1. ],
            [0. , 0.5]]])
    """
    values = as_cells(grids, missing=missing)
    longest = min(values.shape[1:]) // 2
    allowed = f"an integer from 1 to {longest}, half of the shorter side"
    return block_means(values, checks.whole("size", size, least=1, most=longest, allowed=allowed))


def block_means(values: FloatArray, size: int) -> FloatArray:
    """Means of blocks of `size` × `size` cells; absent cells are left out."""
    height, width = values.shape[1] // size, values.shape[2] // size
    parts = values[:, : height * size, : width * size].reshape(len(values), height, size, width, size)
    present = ~np.isnan(parts)
    count = present.sum(axis=(2, 4))
    total = np.where(present, parts, 0.0).sum(axis=(2, 4))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)
