"""Kernels for the memory of a window: lagged products about one mean, and the restoring rate under correlated noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["rolling_lagged_products", "rolling_restoring_rate"]

FloatArray = npt.NDArray[np.float64]


@kernel
def rolling_lagged_products(x: FloatArray, window: int, min_count: int, lag: int, out: FloatArray) -> None:
    """Sums of products of deviations d from the mean of the window, in three flavours.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        NaN samples are skipped (of a pair, both must be present).
    window : int
        Window in samples.
    min_count : int
        A window with fewer finite samples, or with an infinite one, is NaN.
    lag : int
        Distance between the two samples of a pair.
    out : ndarray of shape (3, rows, n)
        Filled: the sum of d[t]**2 over the window that ends here; the sum of d[t] d[t-lag] over its pairs; the sum of
        d[t-lag]**2 over the same pairs.
    """
    rows, n = x.shape
    out[:] = np.nan
    for row in range(rows):
        for t in range(min_count - 1, n):
            start = max(0, t - window + 1)
            count = 0
            infinite = False
            anchor = 0.0
            total = 0.0
            for i in range(start, t + 1):
                value = x[row, i]
                if np.isinf(value):
                    infinite = True
                    break
                if np.isnan(value):
                    continue
                if count == 0:
                    anchor = value
                # Differences from a value inside the window: an offset of 1e8 costs no digits.
                total += value - anchor
                count += 1
            if infinite or count < min_count:
                continue
            centre = total / count
            squares = 0.0
            products = 0.0
            earlier = 0.0
            for i in range(start, t + 1):
                here = (x[row, i] - anchor) - centre
                if np.isnan(here):
                    continue
                squares += here * here
                if i - lag >= start:
                    before = (x[row, i - lag] - anchor) - centre
                    if not np.isnan(before):
                        products += here * before
                        earlier += before * before
            out[0, row, t] = squares
            out[1, row, t] = products
            out[2, row, t] = earlier


@kernel
def _without_line(x: FloatArray, start: int, state: FloatArray) -> bool:
    """Fill `state` with the window of `x` that begins at `start`, less its mean and straight line.

    False where the window has a sample that is not finite, or where rounding is all that is left: a constant, or a
    straight line.
    """
    window = state.size
    middle = 0.5 * (window - 1)
    anchor = x[start]
    total = 0.0
    for i in range(window):
        if not np.isfinite(x[start + i]):
            return False
        total += x[start + i] - anchor
    centre = total / window
    tilt = 0.0
    whole = 0.0
    for i in range(window):
        state[i] = (x[start + i] - anchor) - centre
        whole += state[i] * state[i]
        tilt += (i - middle) * state[i]
    tilt /= window * (window * float(window) - 1.0) / 12.0  # the sum of (i - middle)**2
    left = 0.0
    for i in range(window):
        state[i] -= tilt * (i - middle)
        left += state[i] * state[i]
    return bool(left > 1e-28 * whole)


@kernel
def _cochrane_orcutt(state: FloatArray, iterations: int, tolerance: float) -> float:
    """Slope of y[k] = state[k+1] - state[k] on s[k] = state[k] with AR(1) errors, as statsmodels' GLSAR.

    The whitened regression needs only sums of products at lags 0 and 1, collected once, so that an iteration is O(1).
    """
    pairs = state.size - 1  # increments in a window
    count = pairs - 1.0
    # Sums over k = 1..pairs-1: `late` of products at k, `early` of those at k-1, `lag` of one at k and one at k-1.
    s_late = s_early = y_late = y_early = 0.0
    ss_late = ss_early = sy_late = sy_early = yy_late = 0.0
    ss_lag = yy_lag = sy_lag = ys_lag = 0.0
    for k in range(1, pairs):
        s1 = state[k]
        s0 = state[k - 1]
        y1 = state[k + 1] - s1
        y0 = s1 - s0
        s_late += s1
        s_early += s0
        y_late += y1
        y_early += y0
        ss_late += s1 * s1
        ss_early += s0 * s0
        sy_late += s1 * y1
        sy_early += s0 * y0
        yy_late += y1 * y1
        ss_lag += s1 * s0
        yy_lag += y1 * y0
        sy_lag += s1 * y0
        ys_lag += y1 * s0
    # The same over k = 0..pairs-1.
    first = state[1] - state[0]
    s_all = state[0] + s_late
    y_all = first + y_late
    ss_all = state[0] * state[0] + ss_late
    sy_all = state[0] * first + sy_late
    yy_all = first * first + yy_late
    rho = slope = constant = last_slope = last_constant = 0.0
    for step in range(iterations):
        if step > 0:
            # Residual less its mean: y - shift - slope s. Yule-Walker with the lag-1 sum over pairs - 1.
            shift = (y_all - slope * s_all) / pairs
            squares = yy_all + slope * slope * ss_all + pairs * shift * shift
            squares += 2.0 * (shift * slope * s_all - slope * sy_all - shift * y_all)
            lagged = yy_lag + slope * slope * ss_lag + count * shift * shift
            lagged += shift * slope * (s_late + s_early) - slope * (ys_lag + sy_lag) - shift * (y_late + y_early)
            rho = (lagged / count) / (squares / pairs)
        # Regression of y[k] - rho y[k-1] on 1 - rho and s[k] - rho s[k-1]; the first fit, too, is without k = 0.
        ws = s_late - rho * s_early
        wy = y_late - rho * y_early
        wss = ss_late - 2.0 * rho * ss_lag + rho * rho * ss_early
        wsy = sy_late - rho * (sy_lag + ys_lag) + rho * rho * sy_early
        slope = (count * wsy - ws * wy) / (count * wss - ws * ws)
        constant = (wy - slope * ws) / (count * (1.0 - rho))
        # statsmodels stops here, too, once no coefficient moves; the last fit is not tested there.
        if 0 < step < iterations - 1 and (
            abs(last_slope - slope) < tolerance * abs(last_slope)
            and abs(last_constant - constant) < tolerance * abs(last_constant)
        ):
            break
        last_slope = slope
        last_constant = constant
    return slope


@kernel
def rolling_restoring_rate(x: FloatArray, window: int, iterations: int, tolerance: float, out: FloatArray) -> None:
    """Slope of the increments on the state with AR(1) errors, by Cochrane-Orcutt steps, per window.

    Mean and straight line are taken out of each window first.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        A window with a sample that is not finite is NaN.
    window : int
        Window in samples.
    iterations : int
        Number of fits, the first of them with rho = 0.
    tolerance : float
        Stop once no coefficient changes by more than this fraction of itself.
    out : ndarray of shape (rows, n)
        Filled: the slope, per sample, at the right edge of each window.
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    for row in range(rows):
        for t in range(window - 1, n):
            if _without_line(x[row], t - window + 1, state):
                out[row, t] = _cochrane_orcutt(state, iterations, tolerance)
