"""Gaussian kernel density on an even grid, and the wells of the potential −ln f, of rows of values.

Along an even grid the Gaussian needs no exponential at each point: with z the distance in bandwidths and δ the spacing,
exp(−(z + δ)² / 2) = exp(−z² / 2) · r, r = exp(−z δ − δ² / 2), and r falls by the constant factor exp(−δ²) a point.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ews._kernels.jit import kernel

__all__ = ["MOST_PLACES", "gaussian_density", "rule_of_thumb", "wells_of_rows"]

REACH = 8.5  # bandwidths: the rest of a Gaussian is 2e-16 of its peak
PER_BANDWIDTH = 8  # grid points
MARGIN = 3.0  # bandwidths beyond the extremes, so that every well has two walls
MOST_POINTS = 8192
FLOOR = 1e-12  # of the highest density: the potential of an empty stretch
MOST_PLACES = 8  # wells whose places are kept


@kernel
def _quantile(ordered: Any, q: float) -> Any:
    """Quantile of sorted values, by linear interpolation (R's type 7)."""
    at = q * (ordered.size - 1)
    low = math.floor(at)
    high = min(low + 1, ordered.size - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


@kernel
def rule_of_thumb(ordered: Any) -> Any:
    """R's ``bw.nrd``: 1.06 min(SD, IQR / 1.34) n^(−1/5) (Scott 1992), the SD alone where the IQR is 0."""
    n = ordered.size
    offset = ordered[0]
    mean = 0.0
    for i in range(n):
        mean += ordered[i] - offset
    mean /= n
    squares = 0.0
    for i in range(n):
        squares += (ordered[i] - offset - mean) ** 2
    spread = math.sqrt(squares / (n - 1))
    middle = (_quantile(ordered, 0.75) - _quantile(ordered, 0.25)) / 1.34
    if 0.0 < middle < spread:
        spread = middle
    return 1.06 * spread * n**-0.2


@kernel
def gaussian_density(x: Any, start: float, spacing: float, bandwidth: float, out: Any) -> None:
    """Density at start, start + spacing, …: the mean of Gaussians of SD `bandwidth` about the values."""
    points = out.size
    for k in range(points):
        out[k] = 0.0
    delta = spacing / bandwidth
    ratio = math.exp(-delta * delta)
    for i in range(x.size):
        centre = round((x[i] - start) / spacing)
        centre = min(max(centre, 0), points - 1)
        z = (start - x[i] + centre * spacing) / bandwidth
        peak = math.exp(-0.5 * z * z)
        steps = int(REACH / delta) + 1
        value = peak
        factor = math.exp(-delta * (z + 0.5 * delta))
        for k in range(centre, min(centre + steps, points)):
            out[k] += value
            value *= factor
            factor *= ratio
        value = peak
        factor = math.exp(delta * (z - 0.5 * delta))
        for k in range(centre - 1, max(centre - steps, -1), -1):
            value *= factor
            factor *= ratio
            out[k] += value
    scale = 1.0 / (x.size * bandwidth * math.sqrt(2.0 * math.pi))
    for k in range(points):
        out[k] *= scale


@kernel
def _extremes(potential: Any, place: Any) -> int:
    """Grid points of minima and maxima in turn, beginning and ending with a minimum; returns how many."""
    count = 0
    falling = True  # walls at both ends
    for k in range(1, potential.size):
        if falling and potential[k] > potential[k - 1]:
            place[count] = k - 1
            count += 1
            falling = False
        elif not falling and potential[k] < potential[k - 1]:
            place[count] = k - 1
            count += 1
            falling = True
    if falling:
        place[count] = potential.size - 1
        count += 1
    elif count % 2 == 0:
        count -= 1
    return count


@kernel
def _drop(place: Any, count: int, first: int) -> int:
    """Take two neighbouring extremes out of the list."""
    for k in range(first, count - 2):
        place[k] = place[k + 2]
    return count - 2


@kernel
def find_wells(potential: Any, barrier: float, ceiling: float, place: Any) -> tuple[int, float]:
    """Wells that a barrier of at least `barrier` parts: how many extremes are left in `place`, and the highest barrier.

    Wells whose bottom lies more than `ceiling` above the deepest are filled first. Then the lowest barrier is levelled
    again and again (the persistence of one-dimensional topology): what is left are wells, saddles and wells in turn.
    The second number is the last barrier that parts two wells, 0 where there is one well only.
    """
    count = _extremes(potential, place)
    lowest = np.inf
    for k in range(0, count, 2):
        lowest = min(lowest, potential[place[k]])
    filled = True
    while filled and count > 1:
        filled = False
        for k in range(0, count, 2):
            if potential[place[k]] - lowest > ceiling:
                left = potential[place[k - 1]] if k > 0 else np.inf
                right = potential[place[k + 1]] if k < count - 1 else np.inf
                count = _drop(place, count, k - 1 if left <= right else k)
                filled = True
                break
    kept = 0
    highest = 0.0
    spare = place[count:]
    while count > 1:
        smallest = np.inf
        first = 0
        for k in range(count - 1):
            difference = abs(potential[place[k + 1]] - potential[place[k]])
            if difference < smallest:
                smallest, first = difference, k
        if smallest >= barrier and kept == 0:
            kept = count
            for k in range(count):
                spare[k] = place[k]
        highest = smallest
        count = _drop(place, count, first)
    if kept:
        for k in range(kept):
            place[k] = spare[k]
        count = kept
    return count, highest


@kernel
def _refined(potential: Any, k: int) -> Any:
    """Place of an extreme between grid points, by a parabola through three."""
    if k == 0 or k == potential.size - 1:
        return float(k)
    bend = potential[k - 1] - 2.0 * potential[k] + potential[k + 1]
    if bend == 0.0:
        return float(k)
    shift = 0.5 * (potential[k - 1] - potential[k + 1]) / bend
    return k + min(max(shift, -0.5), 0.5)


@kernel
def wells_of_rows(
    ordered: Any, bandwidth: float, barrier: float, ceiling: float, wells: Any, highest: Any, places: Any
) -> None:
    """Number of wells, highest barrier, and places of wells and saddles of each row of sorted values.

    `ordered` is (rows, n), sorted with NaN last; `wells` and `highest` are (rows,), `places` (rows, 2 MOST_PLACES − 1):
    well, saddle, well, … A bandwidth of 0 is the rule of thumb in each row. Rows that are constant or hold a value that
    is not finite give NaN.
    """
    room = np.empty(MOST_POINTS)
    place = np.empty(2 * MOST_POINTS, np.int64)
    last = ordered.shape[1] - 1
    for row in range(ordered.shape[0]):
        wells[row] = np.nan
        highest[row] = np.nan
        for k in range(places.shape[1]):
            places[row, k] = np.nan
        low, high = ordered[row, 0], ordered[row, last]
        if not (np.isfinite(low) and np.isfinite(high)) or low == high:
            continue
        h = bandwidth if bandwidth > 0.0 else rule_of_thumb(ordered[row])
        span = high - low + 2.0 * MARGIN * h
        points = min(max(math.ceil(span / h * PER_BANDWIDTH), 64), MOST_POINTS)
        spacing = span / (points - 1)
        start = low - MARGIN * h
        h = max(h, spacing)  # values that lie so far apart that the grid is coarse
        potential = room[:points]
        gaussian_density(ordered[row], start, spacing, h, potential)
        top = 0.0
        for k in range(points):
            top = max(top, potential[k])
        for k in range(points):
            potential[k] = -math.log(max(potential[k] / top, FLOOR))
        count, top = find_wells(potential, barrier, ceiling, place)
        wells[row] = (count + 1) // 2
        highest[row] = top
        for k in range(min(count, places.shape[1])):
            places[row, k] = start + spacing * _refined(potential, place[k])
