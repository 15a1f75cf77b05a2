"""Fixed weights applied to many rows: by transforms where that is exact enough, else by direct sums.

A plan holds one of these functions with its weights bound (``functools.partial``), so that it can be pickled and shared
by threads.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import numpy.typing as npt

from ews.detrend.result import FloatArray

__all__ = ["FEW_WEIGHTS", "reflected", "renormalised", "wide_rows"]

# A cosine or Fourier transform spreads its rounding error, some 1e-16 of the range, over the whole row. Where the range
# exceeds this many typical steps (one spike of 1e12 would do), weights are summed directly, so that the error stays
# within the kernel's reach ...
_WIDE_RANGE = 1e6
# ... unless that takes more than this many products a row (about half a second).
_MANY_PRODUCTS = 5e9
# Below this many weights, direct sums are faster than a Fourier transform (measured for records of 100 to 50 000).
FEW_WEIGHTS = 200


def reflected(n: int, half: FloatArray) -> partial[FloatArray]:
    """Centred smoother of rows whose weights sum to 1, on a record that is reflected at its ends.

    `half` holds the weights at distances 0…reach, which may exceed the record.
    """
    weights = _mirrored(half)
    weights /= weights.sum()
    return partial(_weigh_reflected, weights=weights, response=_response(weights, n))


def renormalised(n: int, half: FloatArray, causal: bool) -> partial[FloatArray]:
    """Smoother of rows whose weights, `half` at distances 0…reach, are divided by the sum of those on a sample."""
    if causal:
        # Summed directly, all weights, at any length: with a transform, or sums that depend on the length of the
        # record, later samples would change the last digits.
        return partial(_weigh_directly, weights=half[::-1].copy(), left=half.size - 1)
    half = half[:n]  # no sample meets the others
    weights = _mirrored(half)
    if weights.size <= FEW_WEIGHTS:
        return partial(_weigh_directly, weights=weights, left=half.size - 1)
    import scipy.fft

    length = scipy.fft.next_fast_len(n + half.size - 1, real=True)
    around = np.zeros(length)
    around[: half.size] = half
    around[length - half.size + 1 :] = half[:0:-1]
    reach = np.concatenate([[0.0], np.cumsum(half[1:])])  # what lies on one side, up to a distance
    side = reach[np.minimum(np.arange(n), half.size - 1)]
    total = half[0] + side + side[::-1]
    return partial(_multiply_frequencies, weights=weights, response=scipy.fft.rfft(around), length=length, total=total)


def _mirrored(half: FloatArray) -> FloatArray:
    return np.concatenate([half[:0:-1], half])


def _response(weights: FloatArray, n: int) -> FloatArray:
    """Eigenvalues of the smoother with reflecting edges.

    A record reflected at half-sample edges ("d c b a | a b c d | d c b a") is even with period 2n, and on such records
    a symmetric kernel is diagonal in the cosine basis of the DCT-II: eigenvalue k is sum_d w_d cos(pi k d / n)
    (Strang 1999, SIAM Rev. 41, 135).
    """
    import scipy.fft

    half = weights.size // 2
    around = np.bincount(np.arange(-half, half + 1) % (2 * n), weights=weights, minlength=2 * n)
    return np.ascontiguousarray(scipy.fft.rfft(around).real[:n])


def _weigh_reflected(x: FloatArray, *, weights: FloatArray, response: FloatArray) -> FloatArray:
    import scipy.fft

    # Differences from one sample, so that an offset of 1e8 costs no digits and a constant leaves exactly 0.
    level = x[:, :1]
    spectrum = scipy.fft.dct(x - level, axis=1, overwrite_x=True)
    spectrum *= response
    trend: FloatArray = scipy.fft.idct(spectrum, axis=1, overwrite_x=True)
    trend += level
    rows = wide_rows(x, weights.size)
    if rows.size:
        from ews._kernels.smooth import smooth_reflect

        exact = np.empty((rows.size, x.shape[1]))
        smooth_reflect(x[rows], weights, exact)
        trend[rows] = exact
    return trend


def _multiply_frequencies(
    x: FloatArray, *, weights: FloatArray, response: npt.NDArray[np.complex128], length: int, total: FloatArray
) -> FloatArray:
    import scipy.fft

    level = x[:, :1]
    spectrum = scipy.fft.rfft(x - level, length, axis=1)
    spectrum *= response
    trend: FloatArray = scipy.fft.irfft(spectrum, length, axis=1, overwrite_x=True)[:, : x.shape[1]] / total
    trend += level
    rows = wide_rows(x, weights.size)
    if rows.size:
        trend[rows] = _weigh_directly(x[rows], weights=weights, left=weights.size // 2)
    return trend


def wide_rows(x: FloatArray, weights: int) -> npt.NDArray[np.intp]:
    """Rows that a transform would blur: their range is far larger than their typical step."""
    n = x.shape[1]
    if n < 2 or float(n) * weights > _MANY_PRODUCTS:
        return np.empty(0, dtype=np.intp)
    some = _sampled_steps(n)
    steps = np.abs(x[:, some + 1] - x[:, some])
    step = np.partition(steps, some.size // 2, axis=1)[:, some.size // 2]  # the median, or next to it
    span = x.max(axis=1) - x.min(axis=1)
    return np.flatnonzero(span > _WIDE_RANGE * step)


@cache
def _sampled_steps(n: int) -> npt.NDArray[np.intp]:
    """Where the steps of a record are looked at: the same places for each chunk of rows, so kept by its length."""
    some = np.unique(np.linspace(0, n - 2, 64).astype(np.intp))
    some.flags.writeable = False
    return some


def _weigh_directly(x: FloatArray, *, weights: FloatArray, left: int) -> FloatArray:
    from ews._kernels.smooth import smooth_renormalised

    trend = np.empty_like(x)
    smooth_renormalised(x, weights, left, trend)
    # As long as all samples are equal so is their mean, without rounding: a constant leaves exactly 0. Looking back,
    # that holds up to the first sample that differs.
    flat = np.flatnonzero(x[:, 0] == x[:, min(1, x.shape[1] - 1)])
    if left == weights.size - 1:
        trend[:, 0] = x[:, 0]
        same = np.logical_and.accumulate(x[flat] == x[flat, :1], axis=1)
        trend[flat] = np.where(same, x[flat], trend[flat])
    else:
        flat = flat[(x[flat] == x[flat, :1]).all(axis=1)]
        trend[flat] = x[flat]
    return trend
