"""Mean, variance, skewness, kurtosis and lag-k correlation of every window of many rows, in one O(N) pass.

Windows are summed by tiles (see ``tile.py``); what takes divisions and roots is done for a block of outputs at once, in
vector registers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel
from ews._kernels.tile import LANES, accumulate, accumulate_high, shared_mean, shared_powers, shared_product
from ews._kernels.two_pass import correlation, moments

__all__ = ["rolling_moments", "rolling_moments_gappy"]

FloatArray = npt.NDArray[np.float64]
PairArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]

# Where a window's sum of squares lies outside these bounds, fourth powers may have overflowed or vanished.
_SMALL, _LARGE = 1e-120, 1e120

# The work array: rows of one block of outputs, the statistics 0 to 4 first. Constant places tell the compiler that the
# rows do not overlap.
_BLOCK = 256
_ROW = _BLOCK + 24
_MEAN, _VARIANCE, _SKEWNESS, _KURTOSIS, _CORRELATION, _S1, _S2, _M2, _ROOT, _END = (k * _ROW for k in range(10))


@kernel
def _finish(
    left: PairArray,
    right: PairArray,
    left_product: FloatArray,
    right_product: FloatArray,
    middle: FloatArray,
    anchor: float,
    window: int,
    lag: int,
    count: int,
    work: FloatArray,
) -> bool:
    """Mean and variance of a block of windows, and numerator and denominator of the correlation.

    Returns whether every window was within the safe scale; the statistics of one that is not are NaN.
    """
    s1, s2, product = middle[0], middle[1], middle[4]
    left_later, right_later, product_later = left[lag:], right[lag:], right_product[lag:]
    per_n = 1.0 / window
    per_n1 = 1.0 / (window - 1) if window > 1 else np.nan
    per_pair = 1.0 / (window - lag)
    safe = 0
    for j in range(count):
        l1, l2, r1, r2 = left[j].real, left[j].imag, right_later[j].real, right_later[j].imag
        sum1, sum2 = l1 + s1 + r1, l2 + s2 + r2
        u1, u2 = left_later[j].real + s1 + r1, left_later[j].imag + s2 + r2  # the later members of the pairs
        v1, v2 = l1 + s1 + right[j].real, l2 + s2 + right[j].imag  # the earlier ones
        mu = sum1 * per_n
        m2 = multiply_add(-mu, sum1, sum2)
        mean_u, mean_v = u1 * per_pair, v1 * per_pair
        uu = multiply_add(-mean_u, u1, u2)
        vv = multiply_add(-mean_v, v1, v2)
        uv = multiply_add(-mean_u, v1, left_product[j] + product + product_later[j])
        good = (m2 > _SMALL) & (m2 < _LARGE)
        paired = (uu > _SMALL) & (uu < _LARGE) & (vv > _SMALL) & (vv < _LARGE)
        safe += good & paired
        m2 = m2 if good else np.nan
        work[_MEAN + j] = anchor + mu
        work[_VARIANCE + j] = m2 * per_n1
        work[_CORRELATION + j] = uv if paired else np.nan
        work[_ROOT + j] = math.sqrt(uu * vv if paired else 1.0)
        work[_S1 + j] = sum1
        work[_S2 + j] = sum2
        work[_M2 + j] = m2
    return safe == count


@kernel
def _finish_correlation(count: int, work: FloatArray) -> None:
    """Pearson correlation, where nothing else is left to divide."""
    for j in range(count):
        value = work[_CORRELATION + j] / work[_ROOT + j]
        value = min(value, 1.0)
        work[_CORRELATION + j] = max(value, -1.0)


@kernel
def _finish_high(
    left: PairArray, right: PairArray, middle: FloatArray, window: int, count: int, work: FloatArray
) -> None:
    """Skewness and kurtosis of Joanes & Gill (1998), J. R. Stat. Soc. D 47, 183, and the correlation.

    One division serves both, because divisions and roots are what this loop waits for.
    """
    sum3, sum4 = middle[2], middle[3]
    n = float(window)
    per_n = 1.0 / n
    # G1 = g1 sqrt(n(n−1))/(n−2), G2 = (n−1)/((n−2)(n−3)) ((n+1) g2 + 6)
    to_g1 = math.sqrt(n * (n - 1.0) * n) / (n - 2.0) if window > 2 else np.nan
    to_g2 = (n - 1.0) * (n + 1.0) * n / ((n - 2.0) * (n - 3.0)) if window > 3 else np.nan
    offset = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0)) if window > 3 else np.nan
    for j in range(count):
        s1, s2, m2 = work[_S1 + j], work[_S2 + j], work[_M2 + j]
        s3 = left[j].real + sum3 + right[j].real
        s4 = left[j].imag + sum4 + right[j].imag
        mu = s1 * per_n
        second = 3.0 * s2
        first = mu * s1
        m3 = multiply_add(-mu, multiply_add(-2.0, first, second), s3)
        m4 = multiply_add(-mu, multiply_add(-mu, multiply_add(-3.0, first, 2.0 * second), 4.0 * s3), s4)
        root = math.sqrt(m2 if m2 > 0.0 else 1.0)
        inverse = 1.0 / (root * work[_ROOT + j])
        per_root = inverse * work[_ROOT + j]
        per_m2 = per_root * per_root
        m2_or_nan = m2 * per_m2  # 1, or NaN outside the safe scale
        work[_SKEWNESS + j] = to_g1 * (m3 * per_m2) * per_root * m2_or_nan
        work[_KURTOSIS + j] = to_g2 * (m4 * per_m2) * per_m2 - offset * m2_or_nan
        value = work[_CORRELATION + j] * (inverse * root)
        value = min(value, 1.0)
        work[_CORRELATION + j] = max(value, -1.0)


@kernel
def _run_lengths(x: FloatArray) -> IntArray:
    """How many equal values in a row end at each sample."""
    runs = np.empty(x.size, dtype=np.int64)
    run = 0
    for t in range(x.size):
        run = run + 1 if t > 0 and x[t] == x[t - 1] else 1
        runs[t] = run
    return runs


@kernel
def _mend(
    x: FloatArray, runs: IntArray, first: int, window: int, powers: int, lag: int, count: int, work: FloatArray
) -> None:
    """Windows of extreme scale by the two-pass definition; a constant window has variance 0 and nothing else."""
    pairs = window - lag
    for j in range(count):
        t = first + j
        if runs[t] >= window:
            work[_MEAN + j] = x[t]
            work[_VARIANCE + j] = 0.0 if window > 1 else np.nan
        elif math.isnan(work[_VARIANCE + j]):
            for code in range(powers):
                work[code * _ROW + j] = moments(x[t - window + 1 : t + 1], code)
        if lag > 0 and math.isnan(work[_CORRELATION + j]) and runs[t] < pairs and runs[t - lag] < pairs:
            work[_CORRELATION + j] = correlation(x[t - pairs + 1 : t + 1], x[t - window + 1 : t - lag + 1])


@kernel
def _finite_copy(x: FloatArray) -> tuple[FloatArray, bool]:
    """The row, or a copy in which a neighbour stands in for each NaN or infinity; and whether the row was finite."""
    good = 0
    for t in range(x.size):
        good += math.isfinite(x[t])
    if good == x.size:
        return x, True
    copy = np.empty(x.size)
    last = 0.0
    for t in range(x.size):
        last = x[t] if math.isfinite(x[t]) else last
        copy[t] = last
    return copy, False


@kernel
def _blank(x: FloatArray, window: int, out: FloatArray) -> None:
    """NaN for the windows of one row that hold a NaN or an infinity."""
    last = -1
    for t in range(x.size):
        if not math.isfinite(x[t]):
            last = t
        if last > t - window:
            out[t] = np.nan


@kernel
def _each_by_itself(x: FloatArray, window: int, lag: int, which: IntArray, out: FloatArray) -> None:
    """:func:`rolling_moments` window by window, for very short windows and very long lags."""
    for row in range(x.shape[0]):
        last_bad = -1
        for t in range(x.shape[1]):
            if not math.isfinite(x[row, t]):
                last_bad = t
            start = t - window + 1
            for place in range(which.size):
                if start < 0 or last_bad >= start:
                    out[place, row, t] = np.nan
                elif which[place] == 4:
                    out[place, row, t] = correlation(x[row, start + lag : t + 1], x[row, start : t + 1 - lag])
                else:
                    out[place, row, t] = moments(x[row, start : t + 1], which[place])


@kernel
def rolling_moments(x: FloatArray, window: int, lag: int, which: IntArray, out: FloatArray) -> None:
    """Statistics of every full window of every row.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series.
    window : int
        Window length in samples.
    lag : int
        Lag of the correlation in samples, 1 <= lag < window.
    which : ndarray of int64
        What to compute: 0 mean, 1 variance (ddof 1), 2 skewness (adjusted Fisher–Pearson G1), 3 kurtosis (adjusted
        excess G2), 4 Pearson correlation of x[t] and x[t − lag] over the window's window − lag pairs.
    out : ndarray of shape (which.size, rows, n)
        Written; NaN before the first full window and in windows that hold a NaN or an infinity. A constant window has
        variance 0 and no skewness, kurtosis or correlation (NaN).
    """
    rows, n = x.shape
    reach, powers, single, paired = min(lag, 1), 2, False, False
    for code in which:
        if code == 4:
            reach, paired = lag, True
        else:
            single = True
        if code == 2 or code == 3:
            powers = 4
    tile = min((window - 3 * reach) // 2, n)
    if tile < 1:  # the lag is a third of the window or more: no tile has a middle
        _each_by_itself(x, window, lag, which, out)
        return
    size, span = tile + reach, _BLOCK + reach
    left, left_high, left_product = np.empty(size, np.complex128), np.empty(size, np.complex128), np.empty(size)
    right, right_high, right_product = np.empty(span, np.complex128), np.empty(span, np.complex128), np.empty(span)
    lanes, middle, state, work = np.empty(4 * LANES), np.empty(5), np.empty(5), np.empty(_END)
    for row in range(rows):
        values, finite = _finite_copy(x[row])
        runs = np.empty(0, dtype=np.int64)
        for begin in range(window - 1, n, tile):
            end = min(begin + tile, n)
            low, high = end - window + reach, begin - reach + 1  # the middle is values[low:high]
            anchor = shared_mean(values, low, high, lanes)
            shared_powers(values, low, high, anchor, lanes, middle)
            middle[4] = shared_product(values, low, high - reach, reach, anchor, lanes)
            # left[j] sums values[begin − window + 1 + j : low], from j = reached (empty) down to 0.
            reached = end - begin - 1 + reach
            for k in range(5):
                state[k] = 0.0
            left[reached], left_high[reached], left_product[reached] = 0.0, 0.0, 0.0
            back, partner = values[low - 1 :: -1], values[low - 1 + reach :: -1]
            low_sums, high_sums, product_sums = (
                left[reached - 1 :: -1],
                left_high[reached - 1 :: -1],
                left_product[reached - 1 :: -1],
            )
            if powers > 2:
                accumulate_high(back, partner, anchor, reached, state, low_sums, high_sums, product_sums)
            else:
                accumulate(back, partner, anchor, reached, state, low_sums, product_sums)
            # right[j] sums values[high : first − reach + 1 + j]: what a window that ends there has beyond the middle.
            for k in range(5):
                state[k] = 0.0
            right[0], right_high[0], right_product[0] = 0.0, 0.0, 0.0
            known = 1
            for first in range(begin, end, _BLOCK):
                count = min(_BLOCK, end - first)
                if first > begin:  # the last `reach` sums of the block before are the first of this one
                    known = reach
                    for j in range(reach):
                        right[j], right_high[j] = right[_BLOCK + j], right_high[_BLOCK + j]
                        right_product[j] = right_product[_BLOCK + j]
                ahead = first - reach + known
                on, partner = values[ahead::1], values[ahead - reach :: 1]
                low_sums, high_sums, product_sums = right[known::1], right_high[known::1], right_product[known::1]
                if powers > 2:
                    steps = count + reach - known
                    accumulate_high(on, partner, anchor, steps, state, low_sums, high_sums, product_sums)
                else:
                    accumulate(on, partner, anchor, count + reach - known, state, low_sums, product_sums)
                j = first - begin
                safe = _finish(
                    left[j:], right, left_product[j:], right_product, middle, anchor, window, reach, count, work
                )
                if powers > 2:
                    _finish_high(left_high[j:], right_high[reach:], middle, window, count, work)
                else:
                    _finish_correlation(count, work)
                if not safe:
                    if runs.size == 0:
                        runs = _run_lengths(values)
                    _mend(values, runs, first, window, powers if single else 0, lag if paired else 0, count, work)
                for place in range(which.size):
                    target = out[place, row, first:]
                    source = work[which[place] * _ROW :]
                    for i in range(count):
                        target[i] = source[i]
        for place in range(which.size):
            target = out[place, row]
            for t in range(min(window - 1, n)):
                target[t] = np.nan
            if not finite:
                _blank(x[row], window, target)


@kernel
def rolling_moments_gappy(
    x: FloatArray, window: int, min_count: int, lag: int, which: IntArray, out: FloatArray
) -> None:
    """Statistics of every window that holds enough finite samples; missing ones (NaN) are skipped.

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Series, missing samples NaN.
    window : int
        Window length in samples.
    min_count : int
        Fewest finite samples in a window. Windows at the start of the row that hold so many count too.
    lag : int
        Lag of the correlation in samples; pairs count where both samples are present.
    which : ndarray of int64
        Codes as in :func:`rolling_moments`.
    out : ndarray of shape (which.size, rows, n)
        Written; NaN where a window holds an infinity or too few samples.
    """
    rows, n = x.shape
    kept = np.empty(window)
    first = np.empty(window)
    second = np.empty(window)
    for row in range(rows):
        for t in range(n):
            start = max(0, t - window + 1)
            count, pairs, infinite = 0, 0, 0
            for i in range(start, t + 1):
                value = x[row, i]
                if math.isnan(value):
                    continue
                infinite += 1 if math.isinf(value) else 0
                kept[count] = value
                count += 1
                if i - lag >= start and not math.isnan(x[row, i - lag]):
                    first[pairs] = value
                    second[pairs] = x[row, i - lag]
                    pairs += 1
            for place in range(which.size):
                code = which[place]
                if count < max(min_count, 1) or infinite > 0:
                    out[place, row, t] = np.nan
                elif code == 4:
                    out[place, row, t] = correlation(first[:pairs], second[:pairs])
                else:
                    out[place, row, t] = moments(kept[:count], code)
