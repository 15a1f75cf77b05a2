"""Many rows of one length, each with gaps of its own: local polynomials, lag-1 memory, drifts, and family-wise p."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.smooth import weighted_sums

__all__ = ["closed_rows", "countable_rows", "drift_rows", "memory_rows", "smooth_gaps"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SINGULAR = 1e-12  # of the products of the sums: below it a polynomial of lower degree is fitted
_HANDFUL = 8  # distinct values beyond which nobody counts further


@kernel
def smooth_gaps(x: FloatArray, powers: FloatArray, left: int, degree: int, residual: FloatArray) -> None:
    """What local polynomial regression leaves of rows, of which each is fitted to what it has.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        NaN where nothing was observed.
    powers : ndarray of shape (2 · degree + 1, taps)
        Weights of the samples t − left …, times each power of their distance from t.
    left : int
        How many weights lie before t.
    degree : {1, 2}
        Of the polynomial; lower where too little is in reach.
    residual : ndarray of shape (rows, n)
        Written; NaN where nothing was observed.
    """
    n, taps = x.shape[1], powers.shape[1]
    seen, centred, reach = np.empty(n), np.empty(n), np.empty(n + 1)
    sums, values = np.empty((powers.shape[0], n)), np.empty((degree + 1, n))
    for i in range(x.shape[0]):
        row, out = x[i], residual[i]
        origin = 0.0
        for t in range(n - 1, -1, -1):
            origin = row[t] if row[t] == row[t] else origin
        reach[0] = 0.0
        for t in range(n):
            there = row[t] == row[t]
            seen[t] = 1.0 if there else 0.0
            centred[t] = row[t] - origin if there else 0.0
            reach[t + 1] = reach[t] + seen[t]
        weighted_sums(seen, powers, left, sums)
        weighted_sums(centred, powers[: degree + 1], left, values)
        for t in range(n):
            if not seen[t] > 0.0:
                out[t] = math.nan
                continue
            first, stop = max(t - left, 0), min(t - left + taps, n)
            count = reach[stop] - reach[first]
            flat, tilt, bend = sums[0, t], sums[1, t], sums[2, t]
            trend, spread = values[0, t] / flat, flat * bend - tilt * tilt
            if count >= 2.0 and spread > _SINGULAR * flat * bend:
                trend = (bend * values[0, t] - tilt * values[1, t]) / spread
                if degree == 2:
                    third, fourth = sums[3, t], sums[4, t]
                    one, two = bend * fourth - third * third, third * bend - tilt * fourth
                    three = tilt * third - bend * bend
                    spread = flat * one + tilt * two + bend * three
                    if count >= 3.0 and spread > _SINGULAR * flat * bend * fourth:
                        trend = (one * values[0, t] + two * values[1, t] + three * values[2, t]) / spread
            out[t] = centred[t] - trend


@kernel
def memory_rows(x: FloatArray, phi: FloatArray) -> None:
    """Lag-1 coefficients of rows by least squares, over the samples that follow another.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Residuals; NaN where nothing was observed.
    phi : ndarray of shape (rows,)
        Written; NaN where there are none.
    """
    for i in range(x.shape[0]):
        row = x[i]
        total, count = 0.0, 0
        for t in range(row.size):
            there = row[t] == row[t]
            total += row[t] if there else 0.0
            count += 1 if there else 0
        mean = total / max(count, 1)
        product, power = 0.0, 0.0
        for t in range(1, row.size):
            one, two = row[t - 1] - mean, row[t] - mean
            both = one * two == one * two
            product += one * two if both else 0.0
            power += one * one if both else 0.0
        phi[i] = product / power if power > 0.0 else math.nan


@kernel
def drift_rows(x: FloatArray, shapes: FloatArray, best: IntArray, drift: FloatArray) -> None:
    """How far the lag-1 coefficient moves from the first time to the last, if it drifts by a shape.

    Least squares of r[t] = (φ + β w[t]) r[t−1] + e[t] over the samples that follow another.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Residuals; NaN where nothing was observed.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    best : ndarray of int64, of shape (rows,)
        Which shape.
    drift : ndarray of shape (rows,)
        Written: β (w[n − 1] − w[0]); NaN where it is not defined.
    """
    n = x.shape[1]
    for i in range(x.shape[0]):
        row, w = x[i], shapes[best[i]]
        a, b, c, d, e = 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(1, n):
            product, power = row[t] * row[t - 1], row[t - 1] * row[t - 1]
            both = product == product
            product = product if both else 0.0
            power = power if both else 0.0
            a += power
            b += w[t] * power
            c += w[t] * w[t] * power
            d += product
            e += w[t] * product
        spread = a * c - b * b
        moved = (w[n - 1] - w[0]) * (a * e - b * d)
        drift[i] = moved / spread if spread > _SINGULAR * a * c else math.nan


@kernel
def countable_rows(x: FloatArray, few: int, run: int, told: npt.NDArray[np.bool_]) -> None:
    """Whether the values of rows allow an answer.

    They do not where they are a handful of distinct ones, most of them are one, or one stands for long.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        NaN where nothing was observed.
    few : int
        So many distinct values, at most 7, or fewer allow none.
    run : int
        Nor does one value so many times in a row.
    told : ndarray of shape (rows,), bool
        Written.
    """
    distinct = np.empty(_HANDFUL)
    for i in range(x.shape[0]):
        row = x[i]
        kinds, votes, seen, here, longest = 0, 0, 0, 0, 0
        common, before = math.nan, math.nan
        for t in range(row.size):
            value = row[t]
            if math.isnan(value):
                continue
            seen += 1
            here = here + 1 if value == before else 1
            longest = max(longest, here)
            before = value
            if votes == 0:
                common = value
            votes += 1 if value == common else -1
            if kinds <= few:
                known = False
                for k in range(kinds):
                    known = known or distinct[k] == value
                if not known:
                    distinct[kinds] = value
                    kinds += 1
        count = 0
        for t in range(row.size):
            count += 1 if row[t] == common else 0
        told[i] = kinds > few and 2 * count <= seen and longest < run


@kernel
def _as_large(ordered: FloatArray, value: float) -> int:
    """How many of ascending numbers are at least as large."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return ordered.size - low


@kernel
def _as_small(ordered: FloatArray, value: float) -> int:
    """How many of ascending numbers are at most as large."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def closed_rows(
    values: FloatArray,
    node: IntArray,
    share: FloatArray,
    statistics: FloatArray,
    smallest: FloatArray,
    weights: FloatArray,
    adjusted: FloatArray,
) -> None:
    """Family-wise p of several statistics by closed testing with min-p, between two tables of surrogates.

    Parameters
    ----------
    values : ndarray of shape (rows, k)
        Statistics, of which more counts; one that is NaN takes no part.
    node : ndarray of int64, of shape (rows,)
        The table below.
    share : ndarray of shape (rows,)
        How much the next one counts.
    statistics : ndarray of shape (tables, k, surrogates)
        Each statistic, ascending.
    smallest : ndarray of shape (tables, 2^k, surrogates)
        Of each set of statistics (its bits) the smallest p over its weight, ascending.
    weights : ndarray of shape (k,)
        Of the statistics.
    adjusted : ndarray of shape (rows, k)
        Written; NaN where the statistic is.
    """
    k, n = values.shape[1], statistics.shape[2]
    single, least = np.empty(k), np.empty(2**k)
    for i in range(values.shape[0]):
        used = 0
        for one in range(k):
            adjusted[i, one] = 0.0 if values[i, one] == values[i, one] else math.nan
            used |= 1 << one if values[i, one] == values[i, one] else 0
        for side in range(2):
            part = share[i] if side else 1.0 - share[i]
            if not part > 0.0:
                continue
            table = node[i] + side
            for one in range(k):
                if used >> one & 1:
                    single[one] = (1.0 + _as_large(statistics[table, one], values[i, one])) / (1.0 + n)
            for members in range(1, 2**k):
                if members & ~used:
                    continue
                own = math.inf
                for one in range(k):
                    if members >> one & 1:
                        own = min(own, single[one] / weights[one])
                least[members] = (1.0 + _as_small(smallest[table, members], own)) / (1.0 + n)
            for one in range(k):
                if not used >> one & 1:
                    continue
                most = single[one]
                for members in range(1, 2**k):
                    if members >> one & 1 and not members & ~used:
                        most = max(most, least[members])
                adjusted[i, one] += part * most
