"""Kernels that fit an autoregression in each window: its order, its coefficients, and what is left of its residuals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.deviations import deviations
from ews._kernels.jit import kernel

__all__ = ["rolling_autoregression", "rolling_conditional_heteroskedasticity", "rolling_residual_memory"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A regressor of which the others leave less than this share of its squares is a combination of them.
_SINGULAR = 1e-12


@kernel
def _add_products(state: FloatArray, t: int, order: int, products: FloatArray, sums: FloatArray) -> None:
    """Add the equation of sample t, with lags 0 to `order`, to the sums of products."""
    for i in range(order + 1):
        value = state[t - i]
        sums[i] += value
        for j in range(i + 1):
            products[i, j] += value * state[t - j]


@kernel
def _sum_products(state: FloatArray, order: int, products: FloatArray, sums: FloatArray) -> None:
    """Sums of products over all samples that have `order` others before them.

    The products of lags i and i + d are x[s] x[s-d] for s from `order` - i to n - i: most s are common to all i, and
    their sum is taken once; what each i has beside them is added from the edges, never subtracted.
    """
    n = state.size
    if n < 2 * order:  # nothing is common to all
        for i in range(order + 1):
            sums[i] = 0.0
            for j in range(i + 1):
                products[i, j] = 0.0
        for t in range(order, n):
            _add_products(state, t, order, products, sums)
        return
    common = 0.0
    for s in range(order, n - order):
        common += state[s]
    for i in range(order + 1):
        sums[i] = common
    edge = 0.0
    for i in range(1, order + 1):
        edge += state[order - i]
        sums[i] += edge
    edge = 0.0
    for i in range(order - 1, -1, -1):
        edge += state[n - i - 1]
        sums[i] += edge
    for d in range(order + 1):
        last = order - d  # of the i
        common = 0.0
        for s in range(order, n - last):
            common += state[s] * state[s - d]
        for i in range(last + 1):
            products[i + d, i] = common
        edge = 0.0
        for i in range(1, last + 1):
            edge += state[order - i] * state[order - i - d]
            products[i + d, i] += edge
        edge = 0.0
        for i in range(last - 1, -1, -1):
            edge += state[n - i - 1] * state[n - i - 1 - d]
            products[i + d, i] += edge


@kernel
def _solve(
    products: FloatArray, sums: FloatArray, count: int, order: int, factor: FloatArray, coefficients: FloatArray
) -> float:
    """Least squares with a constant: fill the coefficients of lags 1 to `order`, give the residual sum of squares.

    NaN where the lags are not independent of each other.
    """
    whole = products[0, 0] - sums[0] * sums[0] / count
    # Cholesky factor of the centred products of the lags.
    for i in range(1, order + 1):
        for j in range(1, i + 1):
            left = products[i, j] - sums[i] * sums[j] / count
            diagonal = left
            for k in range(1, j):
                left -= factor[i, k] * factor[j, k]
            if i == j:
                if not left > _SINGULAR * diagonal:
                    return np.nan
                factor[i, i] = math.sqrt(left)
            else:
                factor[i, j] = left / factor[j, j]
    explained = 0.0
    for i in range(1, order + 1):
        left = products[i, 0] - sums[i] * sums[0] / count
        for k in range(1, i):
            left -= factor[i, k] * coefficients[k]
        coefficients[i] = left / factor[i, i]
        explained += coefficients[i] * coefficients[i]
    for i in range(order, 0, -1):
        left = coefficients[i]
        for k in range(i + 1, order + 1):
            left -= factor[k, i] * coefficients[k]
        coefficients[i] = left / factor[i, i]
    # What is below rounding is a perfect fit.
    return float(max(whole - explained, 1e-15 * whole))


@kernel
def _fit(
    state: FloatArray,
    lowest: int,
    highest: int,
    products: FloatArray,
    sums: FloatArray,
    factor: FloatArray,
    trial: FloatArray,
    coefficients: FloatArray,
) -> int:
    """Order by AIC, and its coefficients in ``coefficients[1:order + 1]``, the constant in ``coefficients[0]``.

    Each order p is fitted to all n - p samples that it can use, and AIC = n ln(RSS / (n - p)) + 2 (p + 1), as R's
    ``ar.ols`` has it. Orders from the first singular one on are left out; -1 where none is left.
    """
    n = state.size
    best = -1
    least = np.inf
    _sum_products(state, highest, products, sums)
    # From the highest order down, each order adds the one equation that the higher could not use. An order that leaves
    # no degree of freedom is singular, whatever rounding makes of it.
    for order in range(highest, lowest - 1, -1):
        if order < highest:
            _add_products(state, order, order, products, sums)
        count = n - order
        squares = _solve(products, sums, count, order, factor, trial)
        if count < order + 2 or np.isnan(squares):
            best = -1
            least = np.inf
            continue
        aic = n * math.log(squares / count) + 2.0 * (order + 1) if squares > 0.0 else -np.inf
        if aic <= least:
            least = aic
            best = order
            constant = sums[0]
            for k in range(1, order + 1):
                coefficients[k] = trial[k]
                constant -= trial[k] * sums[k]
            coefficients[0] = constant / count
    return best


@kernel
def _lagged_r_squared(values: FloatArray, count: int) -> float:
    """R squared of the regression of ``values[1:count]`` on ``values[:count - 1]``."""
    pairs = count - 1
    mean_late = mean_early = 0.0
    for i in range(pairs):
        mean_early += values[i]
        mean_late += values[i + 1]
    mean_early /= pairs
    mean_late /= pairs
    early = late = both = 0.0
    for i in range(pairs):
        before = values[i] - mean_early
        after = values[i + 1] - mean_late
        early += before * before
        late += after * after
        both += before * after
    return both / early * (both / late) if early > 0.0 and late > 0.0 else np.nan


@kernel
def rolling_conditional_heteroskedasticity(
    x: FloatArray, window: int, lowest: int, highest: int, r_squared: FloatArray, orders: IntArray
) -> None:
    """R squared of squared residuals on their predecessors, the residuals being those of an autoregression, per window.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    lowest, highest : int
        Orders of the autoregression to choose from.
    r_squared : ndarray of shape (rows, n)
        Filled, at the right edge of each window.
    orders : ndarray of shape (rows, n), int64
        Filled: the order chosen; -1 where there is none.
    """
    rows, n = x.shape
    r_squared[:] = np.nan
    orders[:] = -1
    state = np.empty(window)
    products = np.empty((highest + 1, highest + 1))
    factor = np.empty((highest + 1, highest + 1))
    sums = np.empty(highest + 1)
    trial = np.empty(highest + 1)
    coefficients = np.empty(highest + 1)
    squares = np.empty(window)
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            order = _fit(state, lowest, highest, products, sums, factor, trial, coefficients)
            if order < 0:
                continue
            for i in range(order, window):
                residual = state[i] - coefficients[0]
                for k in range(1, order + 1):
                    residual -= coefficients[k] * state[i - k]
                squares[i - order] = residual * residual
            r_squared[row, t] = _lagged_r_squared(squares, window - order)
            orders[row, t] = order


@kernel
def rolling_autoregression(
    x: FloatArray, window: int, lowest: int, highest: int, coefficients: FloatArray, orders: IntArray
) -> None:
    """Coefficients of an autoregression with a constant, its order chosen by AIC, per window.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    lowest, highest : int
        Orders to choose from.
    coefficients : ndarray of shape (rows, n, highest)
        Filled: the coefficients of lags 1, 2, …, at the right edge of each window; 0 beyond the order.
    orders : ndarray of shape (rows, n), int64
        Filled: the order chosen; -1 where there is none.
    """
    rows, n = x.shape
    coefficients[:] = np.nan
    orders[:] = -1
    state = np.empty(window)
    products = np.empty((highest + 1, highest + 1))
    factor = np.empty((highest + 1, highest + 1))
    sums = np.empty(highest + 1)
    trial = np.empty(highest + 1)
    fitted = np.empty(highest + 1)
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            order = _fit(state, lowest, highest, products, sums, factor, trial, fitted)
            if order < 0:
                continue
            for k in range(highest):
                coefficients[row, t, k] = fitted[k + 1] if k < order else 0.0
            orders[row, t] = order


@kernel
def rolling_residual_memory(x: FloatArray, window: int, out: FloatArray) -> None:
    """Coefficient of an AR(1) fit with a constant, and the lag-1 coefficient of its residuals, per window.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite, or without variation, is NaN.
    window : int
        Window in samples.
    out : ndarray of shape (2, rows, n)
        Filled: both, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    pairs = window - 1
    for row in range(rows):
        for t in range(window - 1, n):
            if not deviations(x[row], t - window + 1, state):
                continue
            mean_early = -state[window - 1] / pairs  # the deviations sum to zero
            mean_late = -state[0] / pairs
            early = late = both = 0.0
            for i in range(1, window):
                before = state[i - 1] - mean_early
                after = state[i] - mean_late
                early += before * before
                late += after * after
                both += before * after
            slope = both / early
            last = state[1] - mean_late - slope * (state[0] - mean_early)
            products = squares = 0.0
            for i in range(2, window):
                here = state[i] - mean_late - slope * (state[i - 1] - mean_early)
                products += here * last
                squares += last * last
                last = here
            if squares > 1e-28 * late:  # else rounding is all that is left: a straight line
                out[0, row, t] = slope
                out[1, row, t] = products / squares
