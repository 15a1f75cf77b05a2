"""Mean, variance, skewness, kurtosis and lag-k correlation of every window of many rows, in one O(N) pass.

Neighbouring outputs share a tile, and all windows of a tile a middle part. Its mean is the tile's anchor, and powers of
(x − anchor) are summed from the middle outwards (see ``outwards.py``): leftwards for what a window has before the
middle, rightwards for what it has after it. A window is the sum of the three parts. Nothing is ever subtracted out, so
that a window's result depends on that window alone; and as the middle is a fair share of every window, the window's
mean lies within about one standard deviation of the anchor, so that central moments lose no digits.

Sums become statistics a block of outputs at a time, in vector registers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import inverse_root, multiply_add
from ews._kernels.jit import kernel
from ews._kernels.outwards import ROW, add_sums, copy, expect, mean_of, scan_left, scan_right
from ews._kernels.two_pass import correlation, moments

__all__ = ["rolling_moments", "rolling_moments_gappy", "rolling_moments_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Where a window's sum of squares lies outside these bounds, fourth powers may have overflowed or vanished.
_SMALL, _LARGE = 1e-120, 1e120

# The work array: rows of one block of outputs, the statistics 0 to 4 first. Constant places tell the compiler that the
# rows do not overlap. Sums left and right of the middle: four powers and products of pairs; and once more the first two
# powers, over the later members of the pairs on the left and over the earlier ones on the right.
_BLOCK, _EDGE = 128, 16
_MEAN, _VARIANCE, _SKEWNESS, _KURTOSIS, _CORRELATION = (_EDGE + k * ROW for k in range(5))
_LEFT, _RIGHT, _LATER, _EARLIER, _S1, _S2, _M2, _SPARE, _END = (
    _EDGE + k * ROW for k in (5, 10, 15, 17, 19, 20, 21, 22, 25)
)
_SECOND, _THIRD, _FOURTH, _PRODUCT = ROW, 2 * ROW, 3 * ROW, 4 * ROW


@kernel
def _finish(middle: FloatArray, anchor: float, window: int, count: int, work: FloatArray) -> bool:
    """Mean and variance of a block of windows.

    Returns whether every window was within the safe scale; the statistics of one that is not are NaN.
    """
    s1, s2 = middle[0], middle[1]
    per_n = 1.0 / window
    per_n1 = 1.0 / (window - 1) if window > 1 else np.nan
    safe = 0
    for j in range(count):
        sum1 = work[_LEFT + j] + s1 + work[_RIGHT + j]
        sum2 = work[_LEFT + _SECOND + j] + s2 + work[_RIGHT + _SECOND + j]
        mu = sum1 * per_n
        m2 = multiply_add(-mu, sum1, sum2)
        good = (m2 > _SMALL) & (m2 < _LARGE)
        safe += good
        m2 = m2 if good else np.nan
        work[_MEAN + j] = anchor + mu
        work[_VARIANCE + j] = m2 * per_n1
        work[_S1 + j] = sum1
        work[_S2 + j] = sum2
        work[_M2 + j] = m2
    return safe == count


@kernel
def _finish_high(middle: FloatArray, window: int, count: int, work: FloatArray) -> None:
    """Skewness and kurtosis of Joanes & Gill (1998), J. R. Stat. Soc. D 47, 183."""
    sum3, sum4 = middle[2], middle[3]
    n = float(window)
    per_n = 1.0 / n
    # G1 = g1 sqrt(n(n−1))/(n−2), G2 = (n−1)/((n−2)(n−3)) ((n+1) g2 + 6)
    to_g1 = math.sqrt(n * (n - 1.0) * n) / (n - 2.0) if window > 2 else np.nan
    to_g2 = (n - 1.0) * (n + 1.0) * n / ((n - 2.0) * (n - 3.0)) if window > 3 else np.nan
    offset = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0)) if window > 3 else np.nan
    for j in range(count):
        s1, s2, m2 = work[_S1 + j], work[_S2 + j], work[_M2 + j]
        s3 = work[_LEFT + _THIRD + j] + sum3 + work[_RIGHT + _THIRD + j]
        s4 = work[_LEFT + _FOURTH + j] + sum4 + work[_RIGHT + _FOURTH + j]
        mu = s1 * per_n
        second = 3.0 * s2
        first = mu * s1
        m3 = multiply_add(-mu, multiply_add(-2.0, first, second), s3)
        m4 = multiply_add(-mu, multiply_add(-mu, multiply_add(-3.0, first, 2.0 * second), 4.0 * s3), s4)
        per_root = inverse_root(m2)
        per_m2 = per_root * per_root
        m2_or_nan = m2 * per_m2  # 1, or NaN outside the safe scale
        work[_SKEWNESS + j] = to_g1 * (m3 * per_m2) * per_root * m2_or_nan
        work[_KURTOSIS + j] = to_g2 * (m4 * per_m2) * per_m2 - offset * m2_or_nan


@kernel
def _finish_pairs(middle: FloatArray, pairs: int, count: int, work: FloatArray) -> bool:
    """Pearson correlation of a block of windows.

    Returns whether every window was within the safe scale; the correlation of one that is not is NaN.
    """
    s1, s2, product = middle[0], middle[1], middle[4]
    per_pair = 1.0 / pairs
    safe = 0
    for j in range(count):
        u1 = work[_LATER + j] + s1 + work[_RIGHT + j]  # the later members of the pairs
        u2 = work[_LATER + _SECOND + j] + s2 + work[_RIGHT + _SECOND + j]
        v1 = work[_LEFT + j] + s1 + work[_EARLIER + j]  # the earlier ones
        v2 = work[_LEFT + _SECOND + j] + s2 + work[_EARLIER + _SECOND + j]
        mean_u = u1 * per_pair
        uu = multiply_add(-mean_u, u1, u2)
        vv = multiply_add(-v1 * per_pair, v1, v2)
        uv = multiply_add(-mean_u, v1, work[_LEFT + _PRODUCT + j] + product + work[_RIGHT + _PRODUCT + j])
        good = (uu > _SMALL) & (uu < _LARGE) & (vv > _SMALL) & (vv < _LARGE)
        safe += good
        value = uv * inverse_root(uu * vv if good else np.nan)
        value = 1.0 if value > 1.0 else value
        work[_CORRELATION + j] = -1.0 if value < -1.0 else value
    return safe == count


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
                work[_MEAN + code * ROW + j] = moments(x[t - window + 1 : t + 1], code)
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
def _each_by_itself(
    x: FloatArray, first_row: int, last_row: int, window: int, lag: int, which: IntArray, out: FloatArray
) -> None:
    """:func:`rolling_moments` window by window, for very short windows and very long lags."""
    for row in range(first_row, last_row):
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
def rolling_moments_of(
    x: FloatArray, first_row: int, last_row: int, window: int, lag: int, which: IntArray, out: FloatArray
) -> None:
    """:func:`rolling_moments` of x[first_row:last_row], for threads that share the rows."""
    rows, n = x.shape
    powers, single, reach = 2, False, 0
    for code in which:
        if code == 4:
            reach = lag
        else:
            single = True
        if code == 2 or code == 3:
            powers = max(powers, code + 1)
    # A middle of half the window, and at least one pair in it.
    free = window - 1 - 3 * reach
    tile = free // 2
    if tile > 7 and (tile + 4) // 8 * 8 < free:
        tile = (tile + 4) // 8 * 8  # whole vectors
    tile = min(tile, n)
    if tile < 1:  # the lag is a third of the window or more: no tile has a middle
        _each_by_itself(x, first_row, last_row, window, lag, which, out)
        return
    flat = out.reshape(-1)
    blocks = (tile + _BLOCK - 1) // _BLOCK
    middle, memory = np.empty(5), np.zeros(_END + 8)
    work = memory[-(memory.ctypes.data // 8) % 8 :]  # a vector register is loaded fastest from whole lines of cache
    left, right, whole, beyond = np.empty(5), np.empty(5), np.empty(5), np.empty(5 * blocks)
    near = reach <= _EDGE
    for row in range(first_row, last_row):
        values, finite = _finite_copy(x[row])
        runs = np.empty(0, dtype=np.int64)
        for begin in range(window - 1, n, tile):
            end = min(begin + tile, n)
            base = begin - window + 1
            low, high = base + (end - begin) + reach, begin - reach  # the middle is values[low:high]
            anchor = mean_of(values, low, high - low)
            for k in range(5):
                middle[k], left[k], right[k], whole[k] = 0.0, 0.0, 0.0, 0.0
            add_sums(values, low, high - low - reach, anchor, reach, powers, middle)
            if reach > 0:
                add_sums(values, high - reach, reach, anchor, 0, powers, middle)
            # What lies between the middle and each block on its left, from the inside out.
            for block in range((end - begin - 1) // _BLOCK, -1, -1):
                for k in range(5):
                    beyond[5 * block + k] = left[k]
                if block > 0:
                    count = min(_BLOCK, end - begin - block * _BLOCK)
                    add_sums(values, base + block * _BLOCK + reach, count, anchor, reach, powers, left)
            if not near:
                add_sums(values, begin - reach, reach, anchor, -reach, powers, whole)
            for first in range(begin, end, _BLOCK):
                count = min(_BLOCK, end - first)
                ahead = first - window + 1
                for place in range(which.size):
                    expect(flat, (place * rows + row) * n + first, count)
                for k in range(5):
                    left[k] = beyond[(first - begin) // _BLOCK * 5 + k]
                if near:
                    scan_left(values, ahead, count + reach, anchor, reach, powers, left, work, _LEFT, _LATER)
                    scan_right(
                        values, first - reach, count + reach, anchor, reach, powers, right, work, _RIGHT, _EARLIER
                    )
                    for k in range(5):
                        right[k] = work[_RIGHT + k * ROW + count - 1 - reach]
                else:  # the lag is too long for both sums of a side to come from one scan
                    scan_left(values, ahead + reach, count, anchor, 0, 2, left, work, _LATER, 0)
                    add_sums(values, ahead + count, reach, anchor, reach, powers, left)
                    scan_left(values, ahead, count, anchor, reach, powers, left, work, _LEFT, _SPARE)
                    scan_right(values, first - reach, count, anchor, 0, 2, right, work, _EARLIER, 0)
                    scan_right(values, first, count, anchor, reach, powers, whole, work, _RIGHT + reach, _SPARE)
                    for k in range(5):
                        whole[k] = work[_RIGHT + k * ROW + count - 1]
                    for k in range(2):
                        right[k] = work[_EARLIER + k * ROW + count - 1]
                safe = _finish(middle, anchor, window, count, work)
                if powers > 2:
                    _finish_high(middle, window, count, work)
                if reach > 0:
                    safe = _finish_pairs(middle, window - reach, count, work) and safe
                if not safe:
                    if runs.size == 0:
                        runs = _run_lengths(values)
                    _mend(values, runs, first, window, powers if single else 0, reach, count, work)
                for place in range(which.size):
                    copy(work, _MEAN + which[place] * ROW, count, flat, (place * rows + row) * n + first)
        for place in range(which.size):
            target = out[place, row]
            for t in range(min(window - 1, n)):
                target[t] = np.nan
            if not finite:
                _blank(x[row], window, target)


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
    rolling_moments_of(x, 0, x.shape[0], window, lag, which, out)


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
