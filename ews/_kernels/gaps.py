"""Many rows of one length, each with gaps of its own: local polynomials, lag-1 memory, drifts, and family-wise p."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.smooth import weighted_sums

__all__ = ["closed_rows", "countable_rows", "drift_rows", "likeness_rows", "memory_rows", "smooth_gaps"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SINGULAR = 1e-12  # of the products of the sums: below it a polynomial of lower degree is fitted
_LEFT = 0.05  # of a sum over a row without gaps, below which it is summed over what there is
_HANDFUL = 8  # distinct values beyond which nobody counts further


@kernel
def _values(x: FloatArray, powers: FloatArray, sets: int, sums: FloatArray) -> None:
    """sums[k, t] = sum over j of powers[k, j] · x[t + j], two or three sets of weights at once.

    What is loaded of the row serves all sets: without that, loads take longer than products.
    """
    n, taps = sums.shape[1], powers.shape[1]
    flat, tilt, bend = sums[0], sums[1], sums[sets - 1]
    sums[:sets] = 0.0
    p0, p1, p2 = powers[0], powers[1], powers[sets - 1]
    j = 0
    while j + 4 <= taps:
        a0, a1, a2, a3 = p0[j], p0[j + 1], p0[j + 2], p0[j + 3]
        b0, b1, b2, b3 = p1[j], p1[j + 1], p1[j + 2], p1[j + 3]
        c0, c1, c2, c3 = p2[j], p2[j + 1], p2[j + 2], p2[j + 3]
        y = x[j : j + n + 4]
        for t in range(n):
            y0, y1, y2, y3 = y[t], y[t + 1], y[t + 2], y[t + 3]
            low, middle = multiply_add(a1, y1, multiply_add(a0, y0, flat[t])), multiply_add(b0, y0, tilt[t])
            flat[t] = multiply_add(a3, y3, multiply_add(a2, y2, low))
            tilt[t] = multiply_add(b3, y3, multiply_add(b2, y2, multiply_add(b1, y1, middle)))
            if sets == 3:
                high = multiply_add(c1, y1, multiply_add(c0, y0, bend[t]))
                bend[t] = multiply_add(c3, y3, multiply_add(c2, y2, high))
        j += 4
    while j < taps:
        for k in range(sets):
            weight, y, out = powers[k, j], x[j : j + n], sums[k]
            for t in range(n):
                out[t] = multiply_add(weight, y[t], out[t])
        j += 1


@kernel
def _without(
    places: IntArray, count: int, whole: FloatArray, backwards: FloatArray, left: int, sums: FloatArray
) -> None:
    """Sums of the weights over a row but for the places that are missing in it: these are fewer."""
    n, taps = sums.shape[1], backwards.shape[1]
    right = taps - 1 - left
    for k in range(sums.shape[0]):
        out, weights = sums[k], backwards[k]
        out[:] = whole[k]
        for i in range(count):
            place = places[i]
            first, stop = max(place - right, 0), min(place + left + 1, n)
            part, weight = out[first:stop], weights[first - place + right :]
            for t in range(stop - first):
                part[t] -= weight[t]


@kernel
def _fits(
    values: FloatArray, sums: FloatArray, counts: FloatArray, seen: FloatArray, x: FloatArray, degree: int,
    residual: FloatArray,
) -> None:  # fmt: skip
    """What fits from the normal equations leave; without branches, so that it runs in vector registers."""
    v0, v1, v2 = values[0], values[1], values[degree]
    s0, s1, s2, s3, s4 = sums[0], sums[1], sums[2], sums[2 * degree - 1], sums[2 * degree]
    for t in range(x.size):
        flat, tilt, bend = s0[t], s1[t], s2[t]
        above, below = v0[t], flat
        spread = flat * bend - tilt * tilt
        line = counts[t] >= 2.0 and spread > _SINGULAR * flat * bend
        above = bend * v0[t] - tilt * v1[t] if line else above
        below = spread if line else below
        if degree == 2:
            third, fourth = s3[t], s4[t]
            one, two = bend * fourth - third * third, third * bend - tilt * fourth
            three = tilt * third - bend * bend
            spread = flat * one + tilt * two + bend * three
            parabola = line and counts[t] >= 3.0 and spread > _SINGULAR * flat * bend * fourth
            above = one * v0[t] + two * v1[t] + three * v2[t] if parabola else above
            below = spread if parabola else below
        there = seen[t] > 0.0  # else nothing may be in reach
        left = x[t] - above / (below if there else 1.0)
        residual[t] = left if there else math.nan


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
    seen, padded, reach, places = np.empty(n), np.zeros(n + taps + 3), np.empty(n + 1), np.empty(n, dtype=np.int64)
    whole, sums, values = np.empty((len(powers), n)), np.empty((len(powers), n)), np.empty((degree + 1, n))
    backwards = np.empty(powers.shape)
    backwards[:] = powers[:, ::-1]
    weighted_sums(np.ones(n), powers, left, whole)
    centred, counts = padded[left : left + n], np.empty(n)
    firsts = np.maximum(np.arange(n) - left, 0)
    stops = np.minimum(np.arange(n) - left + taps, n)
    for i in range(x.shape[0]):
        row, out = x[i], residual[i]
        origin, missing = 0.0, 0
        for t in range(n - 1, -1, -1):
            origin = row[t] if row[t] == row[t] else origin
        reach[0] = 0.0
        for t in range(n):
            there = row[t] == row[t]
            seen[t] = 1.0 if there else 0.0
            centred[t] = row[t] - origin if there else 0.0
            reach[t + 1] = reach[t] + seen[t]
            places[missing] = t
            missing += 0 if there else 1
        much = 2 * missing <= n
        if much:
            _without(places, missing, whole, backwards, left, sums)
            little = 0  # where little is left of a sum, little is left of its digits
            for k in range(0, len(powers), 2):
                part, full = sums[k], whole[k]
                for t in range(n):
                    little += 1 if part[t] * seen[t] < _LEFT * full[t] * seen[t] else 0
            much = little == 0
        if not much:
            weighted_sums(seen, powers, left, sums)
        _values(padded, powers, degree + 1, values)
        for t in range(n):
            counts[t] = reach[stops[t]] - reach[firsts[t]]
        _fits(values, sums, counts, seen, centred, degree, out)


@kernel
def _mean(row: FloatArray) -> float:
    """Mean of what was observed."""
    total, count = 0.0, 0
    for t in range(row.size):
        there = row[t] == row[t]
        total += row[t] if there else 0.0
        count += 1 if there else 0
    return total / max(count, 1)


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
        mean = _mean(row)
        product, power = 0.0, 0.0
        for t in range(1, row.size):
            one, two = row[t - 1] - mean, row[t] - mean
            both = one * two == one * two
            product += one * two if both else 0.0
            power += one * one if both else 0.0
        phi[i] = product / power if power > 0.0 else math.nan


@kernel
def likeness_rows(x: FloatArray, rho: FloatArray) -> None:
    """Lag-1 correlations of rows, each pair of neighbours in units of its own size.

    The mean c of 2ab / (a² + b²), which of Gaussian pairs with correlation ρ is ρ / (1 + √(1 − ρ²)): ρ = 2c / (1 + c²).
    Pairs count alike however large they are, so that noise which grows, or a few outliers, do not decide.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Residuals; NaN where nothing was observed.
    rho : ndarray of shape (rows,)
        Written; NaN where no sample follows another.
    """
    for i in range(x.shape[0]):
        row = x[i]
        mean = _mean(row)
        total, pairs = 0.0, 0
        for t in range(1, row.size):
            a, b = row[t - 1] - mean, row[t] - mean
            if a + b == a + b:
                small, large = min(abs(a), abs(b)), max(abs(a), abs(b))
                ratio = small / large if large > 0.0 else 0.0
                total += math.copysign(2.0 * ratio / (1.0 + ratio * ratio), a) * math.copysign(1.0, b)
                pairs += 1
        c = total / pairs if pairs else math.nan
        rho[i] = 2.0 * c / (1.0 + c * c)


@kernel
def drift_rows(x: FloatArray, shapes: FloatArray, best: IntArray, drift: FloatArray) -> None:
    """How far the lag-1 coefficient moves from the first observation to the last, if it drifts by a shape.

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
        Written: β (w[last] − w[first]); NaN where it is not defined.
    """
    n = x.shape[1]
    for i in range(x.shape[0]):
        row, w = x[i], shapes[best[i]]
        a, b, c, d, e = 0.0, 0.0, 0.0, 0.0, 0.0
        first, last = 1, n - 1  # beyond what was observed nothing is known
        while first < last and math.isnan(row[first] * row[first - 1]):
            first += 1
        while last > first and math.isnan(row[last] * row[last - 1]):
            last -= 1
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
        moved = (w[last] - w[first - 1]) * (a * e - b * d)
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
        Of each set of statistics (its bits) the smallest p over its share, ascending.
    weights : ndarray of shape (k,)
        Of the statistics: their shares of the level.
    adjusted : ndarray of shape (rows, k)
        Written; NaN where the statistic is.
    """
    rows, k, n = values.shape[0], values.shape[1], statistics.shape[2]
    these, parts, used = np.empty(rows, dtype=np.int64), np.empty(rows), np.zeros(rows, dtype=np.int64)
    single, most = np.empty((rows, k)), np.empty((rows, k))
    for i in range(rows):
        for one in range(k):
            there = values[i, one] == values[i, one]
            adjusted[i, one] = 0.0 if there else math.nan
            used[i] |= 1 << one if there else 0
    # A table at a time, and of it one ordered row after another: what is searched stays in the cache.
    for table in range(statistics.shape[0]):
        count = 0
        for i in range(rows):
            part = 1.0 - share[i] if node[i] == table else share[i]
            if part > 0.0 and (node[i] == table or node[i] == table - 1):
                these[count], parts[count] = i, part
                count += 1
        for one in range(k):
            for place in range(count):
                value = values[these[place], one]
                if value == value:
                    single[place, one] = (1.0 + _as_large(statistics[table, one], value)) / (1.0 + n)
                    most[place, one] = single[place, one]
        for members in range(1, 2**k):
            for place in range(count):
                if members & ~used[these[place]]:
                    continue
                own = math.inf
                for one in range(k):
                    if members >> one & 1:
                        own = min(own, single[place, one] / weights[one])
                least = (1.0 + _as_small(smallest[table, members], own)) / (1.0 + n)
                for one in range(k):
                    if members >> one & 1:
                        most[place, one] = max(most[place, one], least)
        for place in range(count):
            for one in range(k):
                if used[these[place]] >> one & 1:
                    adjusted[these[place], one] += parts[place] * most[place, one]
