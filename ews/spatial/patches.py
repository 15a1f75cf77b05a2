"""Patches: groups of occupied cells that touch, and how large they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import ValueRangeError, described
from ews.spatial.grids import FloatArray, as_cells

__all__ = ["largest_patch", "patch_sizes"]

IntArray = npt.NDArray[np.int64]


def patch_sizes(grids: Any, *, above: float | None = None, periodic: bool = False) -> list[IntArray]:
    """Sizes of the patches of each map.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps of booleans (or of 0 and 1), or of numbers with a threshold. No gaps.
    above : float, optional
        Cells with more than this are occupied; needed unless the maps hold nothing but 0 and 1.
    periodic : bool, default False
        Whether patches go on across the edges, as in a simulation on a torus.

    Returns
    -------
    list of ndarray
        For each map the number of cells of every patch, largest first; empty where no cell is occupied.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, hold NaN, or are of more than two values without a threshold.

    Notes
    -----
    A patch is a set of occupied cells joined by shared edges (four neighbours), as in spatialwarnings.

    References
    ----------
    Kéfi, S. et al. (2007). Spatial vegetation patterns and imminent desertification in Mediterranean arid ecosystems.
    Nature 449, 213–217.

    Examples
    --------
    >>> import ews
    >>> ews.spatial.patch_sizes([[[1, 1, 0], [0, 0, 0], [0, 1, 1]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]])
    [array([2, 2]), array([1])]
    """
    occupied = _occupied(grids, above)
    periodic = checks.flag("periodic", periodic)
    labels, count = _labelled(occupied, periodic)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    out = []
    for labelled in labels:
        present = np.unique(labelled)
        out.append(np.sort(sizes[present[present > 0]])[::-1].astype(np.int64))
    return out


def largest_patch(grids: Any, *, above: float | None = None, periodic: bool = False) -> FloatArray:
    """Share of each map that its largest patch covers.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        As :func:`patch_sizes`.
    above : float, optional
        Cells with more than this are occupied.
    periodic : bool, default False
        Whether patches go on across the edges.

    Returns
    -------
    ndarray of shape (time,)
        Cells of the largest patch over all cells, in [0, 1].

    Raises
    ------
    ews.errors.ArgumentError
        As :func:`patch_sizes`.

    References
    ----------
    Corrado, R., Cherubini, A. M. & Pennetta, C. (2014). Early warning signals of desertification transitions in
    semiarid ecosystems. Phys. Rev. E 90, 062705.

    Examples
    --------
    >>> import ews
    >>> ews.spatial.largest_patch([[[1, 1], [0, 0]], [[0, 0], [0, 0]]])
    array([0.5, 0. ])
    """
    sizes = patch_sizes(grids, above=above, periodic=periodic)
    cells = np.prod(np.shape(grids)[1:])
    return np.array([each[0] / cells if each.size else 0.0 for each in sizes])


def _occupied(grids: Any, above: float | None) -> npt.NDArray[np.bool_]:
    values = as_cells(grids)
    if above is None:
        if not ((values == 0) | (values == 1)).all():
            given = described("no threshold for maps of more than 0 and 1")
            raise ValueRangeError("above", given, "a number: cells with more than that are occupied")
        return np.asarray(values == 1)
    least = checks.number("above", above, allowed="a finite number, or None for maps of 0 and 1")
    return np.asarray(values > least)


def _labelled(occupied: npt.NDArray[np.bool_], periodic: bool) -> tuple[IntArray, int]:
    """Number the patches of all maps together."""
    from scipy import ndimage, sparse

    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1] = ndimage.generate_binary_structure(2, 1)  # no neighbour before or after in time
    found, count = ndimage.label(occupied, structure=cross)
    labels = np.asarray(found, dtype=np.int64)
    if not periodic or count == 0:
        return labels, int(count)
    ends = [(labels[:, 0, :], labels[:, -1, :]), (labels[:, :, 0], labels[:, :, -1])]
    one, other = (np.concatenate([pair[side].ravel() for pair in ends]) for side in (0, 1))
    touching = (one > 0) & (other > 0)
    links = sparse.coo_array(
        (np.ones(int(touching.sum())), (one[touching] - 1, other[touching] - 1)), shape=(count, count)
    )
    joined, group = sparse.csgraph.connected_components(links, directed=False)
    renumbered = np.append(0, group + 1).astype(np.int64)
    return np.asarray(renumbered[labels], dtype=np.int64), int(joined)
