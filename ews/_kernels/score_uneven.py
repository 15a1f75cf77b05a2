"""Score of a drifting memory between observations at any times: a discretely observed AR(1) or Ornstein–Uhlenbeck."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["decays", "memory_of_rows", "score_memory_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SCORINGS = 6  # of Fisher's scoring, from within a tenth of the maximum
_NEAR_ONE = 1e-9
# Observations to either side that the variance and its slope are taken relative to, and the least share of the record.
_NEIGHBOURS, _SHARE = 10, 0.1
_LEAST_EXCESS = 0.5  # of the kurtosis over 1


@kernel
def decays(phi: float, steps: FloatArray, decay: FloatArray, slope: FloatArray, spread: FloatArray) -> None:
    """φ^d, its derivative d φ^(d−1), and the innovation's variance (1 − φ^2d) / (1 − φ²), of each length of a step.

    Where φ is negative all steps are whole numbers.
    """
    if abs(phi) < 1e-12:
        phi = 1e-12
    rate = math.log(abs(phi))
    short = 1.0 - phi * phi
    for j in range(steps.size):
        d = steps[j]
        if d == 1.0:
            decay[j], slope[j], spread[j] = phi, 1.0, 1.0
            continue
        power = math.exp(d * rate)
        if phi < 0.0 and round(d) % 2 == 1:
            power = -power
        decay[j], slope[j] = power, d * power / phi
        spread[j] = -math.expm1(2.0 * d * rate) / short if abs(short) > _NEAR_ONE else d


@kernel
def _growth(phi: float, steps: FloatArray, slope: FloatArray) -> None:
    """The derivative of log (1 − φ^2d) / (1 − φ²) by φ, of each length of a step: 0 for a step of one."""
    if abs(phi) < 1e-12:
        phi = 1e-12
    square = phi * phi
    for j in range(steps.size):
        d = steps[j]
        if abs(1.0 - square) < 1e-6:
            slope[j] = (d - 1.0) / phi
        elif d == 1.0:
            slope[j] = 0.0
        else:
            power = math.exp(d * math.log(square))
            rest = -math.expm1(d * math.log(square))
            slope[j] = 2.0 / phi * (square / (1.0 - square) - d * power / rest)


@kernel
def _memory(
    x: FloatArray,
    steps: FloatArray,
    place: IntArray,
    coarse: FloatArray,
    tables: FloatArray,
    group: IntArray,
    scratch: FloatArray,
) -> float:
    """φ per unit step: the largest Gaussian likelihood over `coarse`, then Fisher's scoring between its neighbours.

    The scoring equation is that of the conditional means, weighted by their variances, which heteroskedasticity leaves
    unbiased.
    """
    n = x.size
    best, highest = 0, -math.inf
    for g in range(coarse.size):
        squares, logarithms, count = 0.0, 0.0, 0
        for i in range(1, n):
            j = group[i - 1]
            error = x[i] - tables[0, g, j] * x[i - 1]
            if not math.isnan(error):
                squares += error * error * tables[1, g, j]
                logarithms += tables[2, g, j]
                count += 1
        if count == 0 or not squares > 0.0:
            return math.nan
        likelihood = logarithms - count * math.log(squares)
        if likelihood > highest:
            best, highest = g, likelihood
    phi: float = coarse[best]
    low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, coarse.size - 1)]
    if best == 0:
        low = 1e-4 if coarse[0] > 0.0 else -1.5
    if best == coarse.size - 1:
        high = 1.5
    for _ in range(_SCORINGS):
        decays(phi, steps, scratch[0], scratch[1], scratch[2])
        score, information = 0.0, 0.0
        for i in range(1, n):
            j = place[i - 1]
            error = x[i] - scratch[0, j] * x[i - 1]
            if not math.isnan(error):
                regressor = scratch[1, j] * x[i - 1]
                score += regressor * error / scratch[2, j]
                information += regressor * regressor / scratch[2, j]
        if not information > 0.0:
            return math.nan
        moved = min(max(phi + score / information, low), high)
        if abs(moved - phi) <= 1e-13 * abs(moved):
            phi = moved
            break
        phi = moved
    return phi


@kernel
def memory_of_rows(
    x: FloatArray,
    steps: FloatArray,
    place: IntArray,
    coarse: FloatArray,
    tables: FloatArray,
    group: IntArray,
    phi: FloatArray,
) -> None:
    """Memory per unit step of each row, as :func:`score_memory_rows` has it.

    Parameters
    ----------
    x, steps, place, coarse, tables, group
        See :func:`score_memory_rows`.
    phi : ndarray of shape (rows,)
        Filled; NaN where not defined.
    """
    scratch = np.empty((3, steps.size))
    for row in range(x.shape[0]):
        phi[row] = _memory(x[row], steps, place, coarse, tables, group, scratch)


@kernel
def score_memory_rows(
    x: FloatArray,
    shapes: FloatArray,
    steps: FloatArray,
    place: IntArray,
    coarse: FloatArray,
    tables: FloatArray,
    group: IntArray,
    z: FloatArray,
) -> None:
    """Studentised scores of a drift of φ in r[i] = φ^d[i] r[i−1] + e[i], of each row and shape.

    With e of variance σ² v, v = (1 − φ^2d) / (1 − φ²), a larger φ shows in the means, and in how the variance goes with
    the length of a step. The score of φ + β w[i] at β = 0 is the sum of w̃ g,

        g = D e / (σ² v) + (q − q̄) (s − 1) / (κ − 1),  D = d φ^(d−1) r[i−1],  q = ∂ log v / ∂φ,

    where s is e² / v over its mean among the neighbours in time and q̄ is the mean of q among them, so that noise that
    grows or jumps counts for nothing, and κ is the mean of s²: 3 for Gaussian noise. w̃ = w − Σ w G / Σ G is w without
    what a constant φ takes up, G = D² / (σ² v) + (q − q̄)² / (κ − 1). The denominator is White's. Where all d are 1,
    q is 0 and these are the scores of even records.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Residuals at the observations, outliers pulled in; NaN where left out: terms need two in a row.
    shapes : ndarray of shape (shapes, n)
        Drift at each observation.
    steps : ndarray of shape (lengths,)
        The distinct lengths d of a step, in units of φ; whole numbers where φ may be negative.
    place : ndarray of int64, of shape (n − 1,)
        Which of them leads to observation 1, 2, ….
    coarse : ndarray of shape (candidates,)
        Rising values of φ where the search for it starts.
    tables : ndarray of shape (3, candidates, groups)
        φ^d, 1 / v and its logarithm at each of them, of lengths put together in groups.
    group : ndarray of int64, of shape (n − 1,)
        Which group the length that leads to observation 1, 2, … belongs to.
    z : ndarray of shape (rows, shapes)
        Filled; NaN where not defined.
    """
    rows, n = x.shape
    scratch, slope = np.empty((3, steps.size)), np.empty(steps.size)
    score_of, information_of, size, excess = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    sums = np.zeros((3, n + 1))
    reach = max(_NEIGHBOURS, int(_SHARE * n))
    for row in range(rows):
        r = x[row]
        phi = _memory(r, steps, place, coarse, tables, group, scratch)
        decays(phi, steps, scratch[0], scratch[1], scratch[2])
        _growth(phi, steps, slope)
        score_of[0] = information_of[0] = size[0] = math.nan
        sums[:, 1] = 0.0
        for i in range(1, n):
            j = place[i - 1]
            error = r[i] - scratch[0, j] * r[i - 1]
            regressor = scratch[1, j] * r[i - 1]
            score_of[i] = regressor * error / scratch[2, j]
            information_of[i] = regressor * regressor / scratch[2, j] + 0.0 * error
            size[i] = error * error / scratch[2, j]
            seen = size[i] == size[i]
            sums[0, i + 1] = sums[0, i] + (size[i] if seen else 0.0)
            sums[1, i + 1] = sums[1, i] + (slope[j] if seen else 0.0)
            sums[2, i + 1] = sums[2, i] + (1.0 if seen else 0.0)
        variance = sums[0, n] / sums[2, n] if sums[2, n] > 0.0 else math.nan
        if steps.size > 1 and variance > 0.0:
            # ---- what the variance says of it, beside its neighbours
            kurtosis = 0.0
            for i in range(1, n):
                low, high = max(i - reach, 1), min(i + reach + 1, n)
                mean = sums[0, high] - sums[0, low]
                count = sums[2, high] - sums[2, low]
                excess[i] = size[i] * count / mean if mean > 0.0 else math.nan
                if excess[i] == excess[i]:
                    kurtosis += excess[i] * excess[i]
            weight = 1.0 / max(kurtosis / sums[2, n] - 1.0, _LEAST_EXCESS)
            for i in range(1, n):
                low, high = max(i - reach, 1), min(i + reach + 1, n)
                beyond = slope[place[i - 1]] - (sums[1, high] - sums[1, low]) / (sums[2, high] - sums[2, low])
                score_of[i] += variance * weight * beyond * (excess[i] - 1.0)
                information_of[i] += variance * weight * beyond * beyond
        for k in range(shapes.shape[0]):
            w = shapes[k]
            weighted, information = 0.0, 0.0
            for i in range(1, n):
                if not math.isnan(information_of[i]):
                    weighted += w[i] * information_of[i]
                    information += information_of[i]
            middle = weighted / information if information > 0.0 else math.nan
            score, square = 0.0, 0.0
            for i in range(1, n):
                if not math.isnan(score_of[i]):
                    term = (w[i] - middle) * score_of[i]
                    score += term
                    square += term * term
            z[row, k] = score / math.sqrt(square) if square > 0.0 else math.nan
