"""Density, potential and wells of rows of values: the calls into the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Wells", "find_wells", "kernel_density", "rule_of_thumb", "windows_of"]

FloatArray = npt.NDArray[np.float64]

# A well counts from a tenth of the highest density on, as in R's earlywarnings ("detection.limit").
LEAST_PEAK = 0.1


# Windows are sorted by so many values at a time.
CHUNK_SAMPLES = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Wells:
    """Wells of rows of values."""

    # (rows,): number of wells, and the highest barrier that parts two (0 where there is one dip only), in units of
    # σ²/2.
    count: FloatArray
    barrier: FloatArray
    places: FloatArray  # (rows, 15): well, saddle, well, … in rising order, then NaN


def find_wells(rows: FloatArray, bandwidth: float | None, barrier: float) -> Wells:
    """Find the wells of each row; NaN where it is constant or not finite.

    Without `bandwidth` each row has its rule of thumb; wells are parted by at least `barrier`, in units of σ²/2.
    """
    from ews._kernels.potential import MOST_PLACES, wells_of_rows

    count = rows.shape[0]
    found = Wells(np.empty(count), np.empty(count), np.empty((count, 2 * MOST_PLACES - 1)))
    size = max(1, CHUNK_SAMPLES // rows.shape[1])
    for first in range(0, count, size):
        part = slice(first, first + size)
        ordered = np.sort(rows[part], axis=1)
        wells_of_rows(
            ordered, bandwidth or 0.0, barrier, -math.log(LEAST_PEAK), found.count[part], found.barrier[part],
            found.places[part],
        )  # fmt: skip
    return found


def windows_of(row: FloatArray, window: int) -> FloatArray:
    """Every window of a series, as rows of a view that is not to be written to."""
    return np.lib.stride_tricks.sliding_window_view(row, window)


def kernel_density(values: FloatArray, at: FloatArray, bandwidth: float) -> FloatArray:
    """Gaussian kernel density, per unit of the values, on a rising, even grid."""
    from ews._kernels.potential import gaussian_density

    density = np.empty(at.size)
    gaussian_density(np.array(values), float(at[0]), float((at[-1] - at[0]) / (at.size - 1)), bandwidth, density)
    return density


def rule_of_thumb(values: FloatArray) -> float:
    """Bandwidth by R's ``bw.nrd``: 1.06 min(SD, IQR / 1.34) n^(−1/5) (Scott 1992); by the SD where the IQR is 0."""
    from ews._kernels.potential import rule_of_thumb as rule

    return float(rule(np.sort(values)))
