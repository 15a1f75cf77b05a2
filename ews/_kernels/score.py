"""Score tests of an autoregression whose coefficients drift: rows one by one, sums side by side."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.lanes import LANES, LINE, load, store
from ews._kernels.logarithm import logarithms
from ews._kernels.select import largest_size, median_size

__all__ = ["DAMPING", "MEMORY", "VARIANCE", "far_rows", "score_rows", "solve", "winsorise_rows"]

FloatArray = npt.NDArray[np.float64]

# Rows of the output, by statistic.
MEMORY, DAMPING, VARIANCE = 0, 1, 2

# Added to a squared residual, in units of the variance, before its logarithm: one near 0 would outweigh all others.
_FLOOR = 0.05
_ROBUST = 1.4826  # median absolute values of Gaussian noise that make a standard deviation
# Rows are scaled where squares of squares would leave the range of numbers.
_SMALL, _LARGE = 1e-70, 1e70

_BLOCK = 4096  # samples of a long row that are looked at together


@kernel
def winsorise_rows(residual: FloatArray, limit: float, far: float, out: FloatArray) -> None:
    """Pull in what lies further out than `limit` robust standard deviations, and leave out what lies beyond `far`.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        NaN where nothing was observed.
    limit : float
        In units of 1.4826 times the median absolute residual; infinity for none.
    far : float
        In the same units; what lies beyond becomes NaN.
    out : ndarray of shape (rows, n)
        Filled with the result.
    """
    n = residual.shape[1]
    work = np.empty(n)
    for i in range(residual.shape[0]):
        x, pulled = residual[i], out[i]
        scale = _scale(x, limit, work)
        bound, most = limit * scale, far * scale
        for t in range(n):
            size = abs(x[t])
            pulled[t] = math.copysign(min(size, bound), x[t]) if size <= most else math.nan


@kernel
def far_rows(residual: FloatArray, far: float, found: npt.NDArray[np.bool_]) -> None:
    """Whether a value of a row lies further out than `far` robust standard deviations.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        NaN where nothing was observed.
    far : float
        In units of 1.4826 times the median absolute residual.
    found : ndarray of shape (rows,), bool
        Written.
    """
    n = residual.shape[1]
    work = np.empty(n)
    for i in range(residual.shape[0]):
        x = residual[i]
        largest = largest_size(x)
        # Where more than half are at least so large, so is the median: no need to look for it.
        near, enough, seen = largest / (far * _ROBUST) * (1.0 + 1e-12), 0, 0
        for t in range(n):
            size = abs(x[t])
            enough += 1 if size >= near else 0
            seen += 1 if size >= 0.0 else 0
        found[i] = not 2 * enough > seen and largest > far * _scale(x, far, work)


@kernel
def _scale(x: FloatArray, limit: float, work: FloatArray) -> float:
    """Robust standard deviation; infinity where nothing is to be judged by it."""
    if not limit < math.inf:
        return math.inf
    scale = _ROBUST * median_size(x, work)
    return scale if scale > 0.0 else math.inf  # more than half are equal: there is no robust scale to judge by


@kernel
def solve(a: FloatArray, b: FloatArray, size: int) -> bool:
    """Solve the positive definite system a x = b in place by Cholesky; False where it is singular to rounding."""
    for j in range(size):
        pivot = a[j, j]
        least = 1e-12 * pivot
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        if not pivot > least:
            return False
        a[j, j] = math.sqrt(pivot)
        for i in range(j + 1, size):
            below = a[i, j]
            for k in range(j):
                below -= a[i, k] * a[j, k]
            a[i, j] = below / a[j, j]
    for column in range(b.shape[0]):
        for i in range(size):
            value = b[column, i]
            for k in range(i):
                value -= a[i, k] * b[column, k]
            b[column, i] = value / a[i, i]
        for i in range(size - 1, -1, -1):
            value = b[column, i]
            for k in range(i + 1, size):
                value -= a[k, i] * b[column, k]
            b[column, i] = value / a[i, i]
    return True


@kernel
def _total(sums: FloatArray, place: int) -> float:
    """Sum number `place` over its parts."""
    s = sums[place * LINE : (place + 1) * LINE]
    return np.float64(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])))


# In the sweeps below a row has two zeros before it and some behind it, up to whole lines: x[t + 2] is its sample t, and
# `seen` is 1 where a sample counts, else 0, as x is there. Each sum is kept in as many parts as a line has numbers,
# whatever a register holds, so that its digits are the same on all processors: with registers of half a line, one half
# of each line is summed after the other.


@kernel
def _products(x: FloatArray, seen: FloatArray, size: int, sums: FloatArray) -> None:
    """Add the products of samples that the regressions of memory and damping need."""
    for half in range(0, LINE, LANES):
        pair, cross = load(sums, half), load(sums, half + LINE)
        first, mixed, second = load(sums, half + 2 * LINE), load(sums, half + 3 * LINE), load(sums, half + 4 * LINE)
        near, far, count = load(sums, half + 5 * LINE), load(sums, half + 6 * LINE), load(sums, half + 7 * LINE)
        for t in range(half, size, LINE):
            x0, x1, x2 = load(x, t + 2), load(x, t + 1), load(x, t)
            s0, s1, s2 = load(seen, t + 2), load(seen, t + 1), load(seen, t)
            pair, cross = multiply_add(s0 * x1, x1, pair), multiply_add(x0, x1, cross)
            three = s0 * s2
            one, two = x1 * three, x2 * (s0 * s1)
            first, mixed, second = (
                multiply_add(one, one, first),
                multiply_add(one, two, mixed),
                multiply_add(two, two, second),
            )
            near, far = multiply_add(x0, one, near), multiply_add(x0, two, far)
            count = multiply_add(three, s1, count)
        store(sums, half, pair)
        store(sums, half + LINE, cross)
        store(sums, half + 2 * LINE, first)
        store(sums, half + 3 * LINE, mixed)
        store(sums, half + 4 * LINE, second)
        store(sums, half + 5 * LINE, near)
        store(sums, half + 6 * LINE, far)
        store(sums, half + 7 * LINE, count)


@kernel
def _drifting(x: FloatArray, seen: FloatArray, w: FloatArray, size: int, sums: FloatArray) -> None:
    """Add those of samples and the first shape."""
    for half in range(0, LINE, LANES):
        first, mixed, own = load(sums, half), load(sums, half + LINE), load(sums, half + 2 * LINE)
        second, late, error = load(sums, half + 3 * LINE), load(sums, half + 4 * LINE), load(sums, half + 5 * LINE)
        for t in range(half, size, LINE):
            s0, weight = load(seen, t + 2), load(w, t)
            one, two = load(x, t + 1) * (s0 * load(seen, t)), load(x, t) * (s0 * load(seen, t + 1))
            drift, later = weight * one, weight * two
            first, mixed, own = (
                multiply_add(drift, one, first),
                multiply_add(drift, two, mixed),
                multiply_add(drift, drift, own),
            )
            second, late = multiply_add(later, two, second), multiply_add(later, drift, late)
            error = multiply_add(load(x, t + 2), drift, error)
        store(sums, half, first)
        store(sums, half + LINE, mixed)
        store(sums, half + 2 * LINE, own)
        store(sums, half + 3 * LINE, second)
        store(sums, half + 4 * LINE, late)
        store(sums, half + 5 * LINE, error)


# Three shapes at a time keep the processor busy while sums wait for the one before; the last stands in for others where
# there are fewer.


@kernel
def _powers(x: FloatArray, seen: FloatArray, w: FloatArray, size: int, k: int, sums: FloatArray) -> None:
    """Add w x[t − 1]² over pairs, of three shapes from number k on."""
    last = w.size // size - 1
    second, third = min(k + 1, last), min(k + 2, last)
    for half in range(0, LINE, LANES):
        one, two = load(sums, k * LINE + half), load(sums, second * LINE + half)
        three = load(sums, third * LINE + half)
        for t in range(half, size, LINE):
            square = load(x, t + 1)
            square = square * square * load(seen, t + 2)
            one = multiply_add(square, load(w, k * size + t), one)
            two = multiply_add(square, load(w, second * size + t), two)
            three = multiply_add(square, load(w, third * size + t), three)
        store(sums, k * LINE + half, one)
        store(sums, second * LINE + half, two)
        store(sums, third * LINE + half, three)


@kernel
def _memory(
    x: FloatArray, seen: FloatArray, w: FloatArray, size: int, k: int, phi: float, middle: FloatArray, sums: FloatArray
) -> None:
    """Add scores of a drift of the first coefficient, of what a constant one cannot take up, and their squares."""
    last = w.size // size - 1
    second, third = min(k + 1, last), min(k + 2, last)
    a, b, c = middle[k], middle[second], middle[third]
    for half in range(0, LINE, LANES):
        one, two = load(sums, 2 * k * LINE + half), load(sums, 2 * second * LINE + half)
        three, first_square = load(sums, 2 * third * LINE + half), load(sums, (2 * k + 1) * LINE + half)
        second_square = load(sums, (2 * second + 1) * LINE + half)
        third_square = load(sums, (2 * third + 1) * LINE + half)
        for t in range(half, size, LINE):
            x1 = load(x, t + 1)
            error = x1 * (multiply_add(-phi, x1, load(x, t + 2)) * load(seen, t + 2))
            term = (load(w, k * size + t) - a) * error
            one, first_square = one + term, multiply_add(term, term, first_square)
            term = (load(w, second * size + t) - b) * error
            two, second_square = two + term, multiply_add(term, term, second_square)
            term = (load(w, third * size + t) - c) * error
            three, third_square = three + term, multiply_add(term, term, third_square)
        store(sums, 2 * k * LINE + half, one)
        store(sums, (2 * k + 1) * LINE + half, first_square)
        store(sums, 2 * second * LINE + half, two)
        store(sums, (2 * second + 1) * LINE + half, second_square)
        store(sums, 2 * third * LINE + half, three)
        store(sums, (2 * third + 1) * LINE + half, third_square)


@kernel
def _damping(x: FloatArray, seen: FloatArray, w: FloatArray, size: int, right: FloatArray, sums: FloatArray) -> None:
    """Add the score of a drift of the second coefficient, that of the first a nuisance, and its square."""
    a, b, c = -right[0, 0], -right[0, 1], -right[0, 2]
    d, e, f = -right[1, 0], -right[1, 1], -right[1, 2]
    for half in range(0, LINE, LANES):
        score, square = load(sums, half), load(sums, half + LINE)
        for t in range(half, size, LINE):
            x1, x2, weight = load(x, t + 1), load(x, t), load(w, t)
            drift, there = weight * x1, load(seen, t + 2) * load(seen, t + 1) * load(seen, t)
            regressor = multiply_add(c, drift, multiply_add(b, x2, multiply_add(a, x1, weight * x2)))
            error = multiply_add(f, drift, multiply_add(e, x2, multiply_add(d, x1, load(x, t + 2))))
            term = regressor * error * there
            score, square = score + term, multiply_add(term, term, square)
        store(sums, half, score)
        store(sums, half + LINE, square)


@kernel
def _studentised(sums: FloatArray, place: int) -> float:
    """A sum of scores over the root of the sum of their squares, which is the next."""
    spread = _total(sums, place + 1)
    return np.float64(_total(sums, place) / math.sqrt(spread)) if spread > 0.0 else math.nan


@kernel
def _squares(x: FloatArray, seen: FloatArray, w: FloatArray, size: int, sums: FloatArray) -> None:
    """Add squares, weights and numbers of samples."""
    for half in range(0, LINE, LANES):
        square, weight, count = load(sums, half), load(sums, half + LINE), load(sums, half + 2 * LINE)
        for t in range(half, size, LINE):
            x0, s0 = load(x, t + 2), load(seen, t + 2)
            square, weight, count = multiply_add(x0, x0, square), multiply_add(load(w, t), s0, weight), count + s0
        store(sums, half, square)
        store(sums, half + LINE, weight)
        store(sums, half + 2 * LINE, count)


@kernel
def _logarithms(
    x: FloatArray,
    seen: FloatArray,
    w: FloatArray,
    size: int,
    mean: float,
    centre: float,
    work: FloatArray,
    logarithm: FloatArray,
    sums: FloatArray,
) -> None:
    """Add centred weights times the logarithm of squares in units of their mean."""
    share, square, value = 1.0 / mean, work[:size], x[2 : 2 + size]
    for t in range(size):
        square[t] = multiply_add(value[t] * value[t], share, _FLOOR)
    logarithms(square, logarithm[size:], logarithm[:size])
    for half in range(0, LINE, LANES):
        total = load(sums, half)
        for t in range(half, size, LINE):
            total = multiply_add((load(w, t) - centre) * load(seen, t + 2), load(logarithm, t), total)
        store(sums, half, total)


@kernel
def _fill(row: FloatArray, start: int, unit: float, x: FloatArray, seen: FloatArray) -> None:
    """Take a block of a row with the two samples before it; zeros where there are none."""
    count = min(x.size - 2, row.size - start)
    for t in range(2):
        there = start + t >= 2 and row[start + t - 2] == row[start + t - 2]
        x[t] = row[start + t - 2] * unit if there else 0.0
        seen[t] = 1.0 if there else 0.0
    part, inner, counts = row[start : start + count], x[2 : count + 2], seen[2 : count + 2]
    for t in range(count):
        there = part[t] == part[t]
        inner[t] = part[t] * unit if there else 0.0
        counts[t] = 1.0 if there else 0.0
    x[count + 2 :] = 0.0
    seen[count + 2 :] = 0.0


@kernel
def _bound(x: FloatArray, seen: FloatArray, bound: float, most: float, pulled: FloatArray, near: FloatArray) -> None:
    """Pull outliers in, and leave far ones out."""
    for t in range(x.size):
        value = x[t]
        value = bound if value > bound else value
        value = -bound if value < -bound else value
        there = abs(x[t]) <= most
        pulled[t] = value if there else 0.0
        near[t] = seen[t] if there else 0.0


@kernel
def _cut(shapes: FloatArray, start: int, size: int, w: FloatArray) -> None:
    """Take a block of the shapes, one after another; zeros behind it."""
    count = min(size, shapes.shape[1] - start)
    for k in range(shapes.shape[0]):
        w[k * size : k * size + count] = shapes[k, start : start + count]
        w[k * size + count : (k + 1) * size] = 0.0


@kernel
def score_rows(residual: FloatArray, shapes: FloatArray, limit: float, far: float, z: FloatArray) -> None:
    """Studentised scores of drifting coefficients, and scores of drifting variance, of each row and shape.

    Memory: r[t] = (φ + β w[t]) r[t−1] + e[t]. Damping: r[t] = (a + α w[t]) r[t−1] + (b − β w[t]) r[t−2] + e[t], in
    which α is a nuisance too, so that a drift of the first coefficient alone is not taken for one of the second.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        Evenly spaced; NaN where nothing was observed: each term needs two (damping: three) samples in a row.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    limit, far : float
        Memory and damping are measured on what :func:`winsorise_rows` makes of the residual with these.
    z : ndarray of shape (rows, 3, shapes)
        Filled with scores of memory (White's denominator; positive towards +1) for each shape, and for the first shape
        of damping (the same; positive where it is lost) and log-variance of the residual (a sum, not studentised). NaN
        where not defined, or not asked for.
    """
    rows, n = residual.shape
    size, many = min((n + LINE - 1) // LINE * LINE, _BLOCK), shapes.shape[0]
    x, seen, pulled, near = np.zeros(size + 2), np.zeros(size + 2), np.zeros(size + 2), np.zeros(size + 2)
    w, work, square, logarithm = np.zeros(many * size), np.empty(n), np.empty(size), np.empty(2 * size)
    squares, products, drifting = np.empty(3 * LINE), np.empty(8 * LINE), np.empty(6 * LINE)
    powers, memory, damping, logs = np.empty(many * LINE), np.empty(2 * many * LINE), np.empty(2 * LINE), np.empty(LINE)
    gram, right, middle = np.empty((3, 3)), np.empty((2, 3)), np.empty(many)
    for i in range(rows):
        row = residual[i]
        largest, unit = largest_size(row), 1.0
        if largest > 0.0 and (largest < _SMALL or largest > _LARGE):  # a power of two costs no digits
            unit = 2.0 ** min(max(-math.frexp(largest)[1], -1022), 1022)
        scale = _scale(row, limit, work) * unit
        bound, most = limit * scale, far * scale
        squares[:], products[:], drifting[:], powers[:] = 0.0, 0.0, 0.0, 0.0
        memory[:], damping[:], logs[:] = 0.0, 0.0, 0.0
        for start in range(0, n, size):
            if n > size or i == 0:
                _cut(shapes, start, size, w)
            _fill(row, start, unit, x, seen)
            _squares(x, seen, w, size, squares)  # of the variance: outliers and all
            _bound(x, seen, bound, most, pulled, near)
            _products(pulled, near, size, products)
            _drifting(pulled, near, w, size, drifting)
            for k in range(0, many, 3):
                _powers(pulled, near, w, size, k, powers)
        power = _total(products, 0)
        phi = _total(products, 1) / power if power > 0.0 else math.nan
        for k in range(many):
            middle[k] = _total(powers, k) / power if power > 0.0 else math.nan
        gram[0, 0], gram[1, 0], gram[1, 1] = _total(products, 2), _total(products, 3), _total(products, 4)
        gram[2, 0], gram[2, 1], gram[2, 2] = _total(drifting, 0), _total(drifting, 1), _total(drifting, 2)
        right[0, 0], right[0, 1], right[0, 2] = gram[2, 1], _total(drifting, 3), _total(drifting, 4)
        right[1, 0], right[1, 1], right[1, 2] = _total(products, 5), _total(products, 6), _total(drifting, 5)
        # No fewer terms than coefficients, or they fit without error.
        damped = _total(products, 7) > 4.5 and solve(gram, right, 3)
        count = _total(squares, 2)
        mean, centre = 0.0, 0.0
        if count > 0.0:
            mean, centre = _total(squares, 0) / count, _total(squares, 1) / count
        for start in range(0, n, size):
            if n > size:
                _cut(shapes, start, size, w)
                _fill(row, start, unit, x, seen)
                _bound(x, seen, bound, most, pulled, near)
            if mean > 0.0:
                _logarithms(x, seen, w, size, mean, centre, square, logarithm, logs)
            for k in range(0, many, 3):
                _memory(pulled, near, w, size, k, phi, middle, memory)
            if damped:
                _damping(pulled, near, w, size, right, damping)
        z[i] = math.nan
        if power > 0.0:
            for k in range(many):
                z[i, MEMORY, k] = _studentised(memory, 2 * k)
        if damped:
            z[i, DAMPING, 0] = -_studentised(damping, 0)
        if mean > 0.0:
            z[i, VARIANCE, 0] = _total(logs, 0)
