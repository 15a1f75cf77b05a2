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

    ``x`` (rows, n); ``out`` (3, rows, n): the sum of d[t]**2, the sum of d[t] d[t-lag] and the sum of d[t-lag]**2 over
    the same pairs, all inside the window that ends at t. NaN samples are skipped (pairs: both present); a window with
    an infinite sample or with fewer than `min_count` finite ones is NaN.
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
def rolling_restoring_rate(x: FloatArray, window: int, iterations: int, tolerance: float, out: FloatArray) -> None:
    """Slope of the increments on the state with AR(1) errors, by `iterations` Cochrane-Orcutt steps, per window.

    ``x`` and ``out`` (rows, n). Mean and straight line are taken out of each window first. The whitened regression
    needs only sums of products at lags 0 and 1, which are collected once, so that an iteration costs O(1).
    """
    rows, n = x.shape
    out[:] = np.nan
    state = np.empty(window)
    pairs = window - 1  # increments in a window
    middle = 0.5 * (window - 1)
    spread = window * (window * float(window) - 1.0) / 12.0  # sum of squared deviations of 0..window-1
    for row in range(rows):
        for t in range(window - 1, n):
            start = t - window + 1
            anchor = x[row, start]
            total = 0.0
            finite = True
            for i in range(window):
                if not np.isfinite(x[row, start + i]):
                    finite = False
                    break
                total += x[row, start + i] - anchor
            if not finite:
                continue
            centre = total / window
            tilt = 0.0
            whole = 0.0
            for i in range(window):
                deviation = (x[row, start + i] - anchor) - centre
                whole += deviation * deviation
                tilt += (i - middle) * deviation
            tilt /= spread
            bent = 0.0
            for i in range(window):
                state[i] = (x[row, start + i] - anchor) - centre - tilt * (i - middle)
                bent += state[i] * state[i]
            # A constant or a straight line leaves nothing but rounding: no state to regress on.
            if bent <= 1e-28 * whole:
                continue
            # Sums over k = 1..pairs-1 of u[k] v[k], u[k-1] v[k-1] and u[k] v[k-1], for u, v in (1, s, y),
            # with s[k] the state and y[k] = s[k+1] - s[k] its increment.
            count = pairs - 1.0
            s_late = s_early = y_late = y_early = 0.0
            ss_late = ss_early = sy_late = sy_early = yy_late = yy_early = 0.0
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
                yy_early += y0 * y0
                ss_lag += s1 * s0
                yy_lag += y1 * y0
                sy_lag += s1 * y0
                ys_lag += y1 * s0
            first_s = state[0]
            first_y = state[1] - state[0]
            s_all = first_s + s_late
            y_all = first_y + y_late
            ss_all = first_s * first_s + ss_late
            sy_all = first_s * first_y + sy_late
            yy_all = first_y * first_y + yy_late
            rho = slope = constant = last_slope = last_constant = 0.0
            for step in range(iterations):
                if step > 0:
                    # Residual e = y - constant - slope s, demeaned; Yule-Walker with the lag-1 sum over pairs - 1.
                    shift = (y_all - slope * s_all) / pairs  # e - mean(e) = y - shift - slope s
                    power = (
                        yy_all
                        + slope * slope * ss_all
                        + pairs * shift * shift
                        - 2.0 * slope * sy_all
                        - 2.0 * shift * y_all
                        + 2.0 * shift * slope * s_all
                    )
                    lagged = (
                        yy_lag
                        - shift * (y_late + y_early)
                        - slope * (ys_lag + sy_lag)
                        + count * shift * shift
                        + shift * slope * (s_late + s_early)
                        + slope * slope * ss_lag
                    )
                    rho = (lagged / count) / (power / pairs)
                # Regression of y[k] - rho y[k-1] on 1 - rho and s[k] - rho s[k-1], k = 1..pairs-1.
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
            out[row, t] = slope
