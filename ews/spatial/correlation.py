"""Correlation between neighbouring cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews._common import checks
from ews.spatial.grids import FloatArray, MissingCells, as_cells, blocks
from ews.spatial.moments import deviations

__all__ = ["moran"]


def moran(grids: Any, *, periodic: bool = False, missing: MissingCells = "raise") -> FloatArray:
    r"""Moran's I of each map: the correlation between neighbouring cells.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps, in any unit.
    periodic : bool, default False
        Whether the first row and column are neighbours of the last, as in a simulation on a torus.
    missing : {"raise", "drop"}, default "raise"
        Whether NaN cells are refused or left out; a cell that is left out is no one's neighbour.

    Returns
    -------
    ndarray of shape (time,)
        About −1 (a chequerboard) to 1; −1 / (N − 1) is expected of N cells without correlation. NaN for a constant map
        or one without a pair of neighbours.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, or hold NaN that nobody said what to do with.

    Notes
    -----
    .. math:: I = \frac{N}{\sum_{ij} w_{ij}}
              \frac{\sum_{ij} w_{ij} (x_i - \bar x)(x_j - \bar x)}{\sum_i (x_i - \bar x)^2},

    with :math:`w_{ij} = 1` for the four cells that share an edge with a cell (rook neighbours, lag 1), else 0. This is
    ``raw_moran`` of spatialwarnings, which does not wrap around either.

    References
    ----------
    Moran, P. A. P. (1950). Notes on continuous stochastic phenomena. Biometrika 37, 17–23. Dakos, V. et al. (2010).
    Spatial correlation as leading indicator of catastrophic shifts. Theoretical Ecology 3, 163–174.

    Examples
    --------
    >>> import numpy as np, ews
    >>> chequerboard = np.indices((6, 6)).sum(axis=0) % 2
    >>> ews.spatial.moran([chequerboard])
    array([-1.])
    """
    periodic = checks.flag("periodic", periodic)
    values = as_cells(grids, missing=missing)
    return np.concatenate([_moran(block, periodic) for block in blocks(values)])


def _moran(values: FloatArray, periodic: bool) -> FloatArray:
    flat, count = deviations(values)
    deviation, present = flat.reshape(values.shape), ~np.isnan(values)
    size = np.abs(flat).max(axis=1)
    deviation = deviation / np.where(size > 0, size, 1.0)[:, None, None]
    products, pairs = np.zeros(len(values)), np.zeros(len(values))
    for axis in (1, 2):
        # Each pair once, and twice in both sums, which leaves their quotient as it is.
        if periodic:
            neighbour, there = np.roll(deviation, -1, axis=axis), np.roll(present, -1, axis=axis)
            products += np.einsum("ijk,ijk->i", deviation, neighbour)
            pairs += (present & there).sum(axis=(1, 2))
        else:
            first = tuple(slice(None, -1) if each == axis else slice(None) for each in range(3))
            second = tuple(slice(1, None) if each == axis else slice(None) for each in range(3))
            products += np.einsum("ijk,ijk->i", deviation[first], deviation[second])
            pairs += (present[first] & present[second]).sum(axis=(1, 2))
    squares = np.einsum("ijk,ijk->i", deviation, deviation)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((size > 0) & (pairs > 0), count / pairs * products / squares, np.nan)
