"""Variance and skewness of the cells of each map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.spatial.grids import FloatArray, MissingCells, as_cells, blocks

__all__ = ["skewness", "variance"]


def variance(grids: Any, *, missing: MissingCells = "raise") -> FloatArray:
    r"""Spatial variance: the variance of the cells of each map.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps, in any unit.
    missing : {"raise", "drop"}, default "raise"
        Whether NaN cells are refused or left out.

    Returns
    -------
    ndarray of shape (time,)
        :math:`\sum_i (x_i - \bar x)^2 / (N - 1)` over the N cells, in the square of the unit; NaN for fewer than two.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, or hold NaN that nobody said what to do with.

    Notes
    -----
    Divided by N − 1, as R's ``var`` and so the package spatialwarnings. The variance of presence and absence is a
    function of the cover alone and says nothing of the pattern: for such maps see :func:`coarse_grain`.

    References
    ----------
    Guttal, V. & Jayaprakash, C. (2009). Spatial variance and spatial skewness: leading indicators of regime shifts in
    spatial ecological systems. Theoretical Ecology 2, 3–12.

    Examples
    --------
    >>> import ews
    >>> ews.spatial.variance([[[0.0, 2.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]])
    array([1.33333333, 0.        ])
    """
    values = as_cells(grids, missing=missing)
    return np.concatenate([_variance(block) for block in blocks(values)])


def skewness(grids: Any, *, missing: MissingCells = "raise") -> FloatArray:
    r"""Spatial skewness: the skewness of the cells of each map.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps, in any unit.
    missing : {"raise", "drop"}, default "raise"
        Whether NaN cells are refused or left out.

    Returns
    -------
    ndarray of shape (time,)
        :math:`m_3 / m_2^{3/2}` with the central moments of the population; NaN for a constant map.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, or hold NaN that nobody said what to do with.

    Notes
    -----
    The population's skewness, as spatialwarnings computes it; the adjusted one of :func:`ews.skewness` differs by a
    factor of about 1 + 3 / (2 N), which is the same for all maps of N cells. Its sign is kept: with two states, cells
    that are the first to leave for the other one draw the tail to that side.

    References
    ----------
    Guttal, V. & Jayaprakash, C. (2009). Spatial variance and spatial skewness: leading indicators of regime shifts in
    spatial ecological systems. Theoretical Ecology 2, 3–12.

    Examples
    --------
    >>> import ews
    >>> ews.spatial.skewness([[[0.0, 0.0], [0.0, 4.0]]])
    array([1.15470054])
    """
    values = as_cells(grids, missing=missing)
    return np.concatenate([_skewness(block) for block in blocks(values)])


def deviations(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Deviations of each map's cells from their mean, absent ones zero, and how many cells are present."""
    cells = values.reshape(values.shape[0], -1)
    present = ~np.isnan(cells)
    count = present.sum(axis=1).astype(np.float64)
    filled = np.where(present, cells, 0.0)
    # Rounding of the mean must not make a constant map vary.
    anchor = filled[np.arange(len(cells)), present.argmax(axis=1)]
    shifted = np.where(present, filled - anchor[:, None], 0.0)
    with np.errstate(invalid="ignore"):
        mean = shifted.sum(axis=1) / count
    return np.where(present, shifted - mean[:, None], 0.0), count


def _variance(values: FloatArray) -> FloatArray:
    deviation, count = deviations(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.einsum("ij,ij->i", deviation, deviation) / (count - 1.0)
    return np.where(count >= 2, spread, np.nan)


def _skewness(values: FloatArray) -> FloatArray:
    deviation, count = deviations(values)
    size = np.abs(deviation).max(axis=1)
    scaled = deviation / np.where(size > 0, size, 1.0)[:, None]  # so that no power vanishes or overflows
    with np.errstate(divide="ignore", invalid="ignore"):
        second = np.einsum("ij,ij->i", scaled, scaled) / count
        third = np.einsum("ij,ij,ij->i", scaled, scaled, scaled) / count
        return np.where(size > 0, third / second**1.5, np.nan)
