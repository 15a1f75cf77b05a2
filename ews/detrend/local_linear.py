"""Local linear regression: a kernel smoother without the bias that others have where a record ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ews._common import checks
from ews.detrend import bandwidths
from ews.detrend.convolution import wide_rows
from ews.detrend.kernel_smoothers import direction, half_kernel
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = ["local_linear", "local_linear_bandwidth", "plan_local_linear", "smoother_of"]

_CUT = 4.0  # standard deviations of the kernel, as for the Gaussian smoother
# Up to so many weights, and numbers in their table, direct sums are faster than a Fourier transform (measured for
# records of 100 to 100 000).
_FEW_WEIGHTS = 500
_LARGE_TABLE = 4_000_000
_MANY_PRODUCTS = 1e9  # beyond these, the weights' sums at a record with gaps are taken by Fourier transforms
_KEPT = 5_000  # longest record whose smoother is kept for the next of its length


def local_linear(x: npt.ArrayLike, *, bandwidth: float | None = None, causal: bool = False) -> Detrended:
    """Detrend by local linear regression with a Gaussian kernel.

    At each sample a line is fitted to its neighbours, weighted by the kernel, and evaluated there. Where the mean moves
    at the end of a record, a weighted mean of neighbours lags behind, and what it leaves looks like memory; a line
    does not.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    bandwidth : float or int, optional
        Standard deviation of the kernel: a float in (0, 1] is a fraction of the record, an int or a float above 1 a
        number of samples. The kernel is cut at 4 standard deviations.
        Default: :func:`ews.detrend.local_linear_bandwidth`.
    causal : bool, default False
        If True, the line is fitted to the present and past samples only: the first two lie on theirs.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the bandwidth is not in the allowed range, or reaches no neighbour.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Fan, J. (1992). Design-adaptive nonparametric regression. J. Am. Stat. Assoc. 87, 998–1004.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(local_linear(3.0 + 2.0 * np.arange(50)).residual, 0.0))
    True
    """
    x = one_series(x)
    return plan_local_linear(x.size, bandwidth=bandwidth, causal=causal).apply(x)


def local_linear_bandwidth(n: int) -> float:
    """Default bandwidth of :func:`local_linear`: 0.09 (n / 100)^(−1/5) of the record, at most 0.2.

    The power is that of the bandwidth with the least mean squared error (Fan 1992). The factor was chosen on
    simulations with a moving mean: narrower, and little is left of slow fluctuations; wider, and what is left of the
    mean passes for memory.

    Parameters
    ----------
    n : int
        Number of samples.

    Returns
    -------
    float
        A fraction of the record.

    Raises
    ------
    ews.errors.ValueRangeError
        If `n` is no whole number of 1 or more.

    Examples
    --------
    >>> round(local_linear_bandwidth(400), 4)
    0.0682
    """
    return float(min(0.2, 0.09 * (checks.whole("n", n, least=1) / 100) ** -0.2))


def plan_local_linear(n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    """Work out :func:`local_linear` for series of length `n`."""
    causal = checks.flag("causal", causal)
    bandwidth = local_linear_bandwidth(n) if bandwidth is None else bandwidth
    sd = bandwidths.samples(bandwidth, n)
    if int(_CUT * sd) < 1:
        raise ValueRangeError("bandwidth", bandwidth, "wide enough to reach a neighbour: at least 0.25 samples")
    how = f"local linear regression, Gaussian kernel with an SD of {sd:.4g} samples"
    smooth = (_kept if n <= _KEPT else _whole)(n, sd, causal)
    return DetrendPlan("local_linear", n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def _whole(n: int, sd: float, causal: bool) -> Callable[[FloatArray], FloatArray]:
    """The smoother of records without gaps."""
    return smoother_of(np.ones(n, dtype=np.bool_), sd, causal=causal)


_kept = lru_cache(maxsize=4)(_whole)  # of one length there are often many, and the weights take longer than a series


def smoother_of(
    observed: npt.NDArray[np.bool_], sd: float, *, causal: bool = False
) -> Callable[[FloatArray], FloatArray]:
    """The smoother of rows of which the same samples were observed; what is not observed is never looked at."""
    n = observed.size
    # All weights at any length, looking back: sums that depend on the length would let later samples change digits.
    reach = int(_CUT * sd) if causal else min(int(_CUT * sd), n - 1)
    half = half_kernel(sd, reach)
    kernel = half[::-1] if causal else np.concatenate([half[:0:-1], half])
    distance = (np.arange(kernel.size) - reach) / sd
    powers = np.stack([kernel, kernel * distance, kernel * distance**2])
    # Without gaps all samples but those near the ends weigh alike: worked out on a record that has one of these.
    short = kernel.size if observed.all() and n > kernel.size else n
    level, slope = _normal_equations(observed[:short], powers, reach)
    lines = _Lines(observed, int(np.argmax(observed)), powers[:2].copy(), reach, level, slope)
    if causal:
        return lines.directly
    if kernel.size <= _FEW_WEIGHTS and (tiles := _tiles(lines)) is not None:
        return tiles.smooth
    return _Transforms(lines, *_spectra(lines)).smooth


def _normal_equations(observed: npt.NDArray[np.bool_], powers: FloatArray, left: int) -> tuple[FloatArray, FloatArray]:
    """What the sums of weights, and of these times the distance, count for in the line at each sample."""
    here = np.arange(observed.size)
    before, after = np.minimum(here, left), np.minimum(here[::-1], powers.shape[1] - 1 - left)
    if observed.all():  # all up to the ends of the record: from the sample outwards on either side
        behind = np.cumsum(powers[:, left::-1], axis=1) - powers[:, [left]]
        flat, tilt, bend = np.cumsum(powers[:, left:], axis=1)[:, after] + behind[:, before]
    else:
        flat, tilt, bend = _sums(observed, powers, left)
    spread = flat * bend - tilt * tilt
    line = (_observed_in(observed, before, after) >= 2) & (spread > 1e-12 * flat * bend)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(line, bend / spread, 1.0 / flat)  # no sample in reach: infinity times nothing, NaN
        slope = np.where(line, tilt / spread, 0.0)
    return level, slope


def _sums(observed: npt.NDArray[np.bool_], powers: FloatArray, left: int) -> FloatArray:
    """Sums over what was observed, by each set of weights."""
    n, taps = observed.size, powers.shape[1]
    if float(n) * taps > _MANY_PRODUCTS:
        from scipy.signal import oaconvolve

        first = taps - 1 - left
        return np.asarray(oaconvolve(observed[None].astype(np.float64), powers[:, ::-1], axes=1)[:, first : first + n])
    from ews._kernels.smooth import weighted_sums

    sums = np.empty((len(powers), n))
    weighted_sums(observed.astype(np.float64), powers, left, sums)
    return sums


def _observed_in(
    observed: npt.NDArray[np.bool_], before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How many samples were observed from so many before each to so many after it."""
    counted = np.concatenate([[0], np.cumsum(observed)])
    here = np.arange(observed.size)
    return np.asarray(counted[here + after + 1] - counted[here - before])


@dataclass(frozen=True, eq=False)
class _Lines:
    """Weighted lines through what was observed around each sample."""

    observed: npt.NDArray[np.bool_]
    origin: int  # a sample that was observed
    weights: FloatArray  # (2, taps): of the samples t − left …, and the same times their distance from t
    left: int
    # What the sums by these two count for in the trend: level times the first less slope times the second. Of the (n,)
    # samples those between the ends, which are alike, stand as one, number `left`.
    level: FloatArray
    slope: FloatArray

    def whole(self, one: FloatArray) -> FloatArray:
        """Level or slope of every sample, of shape (n,)."""
        more = self.observed.size - one.size
        return np.insert(one, self.left, np.full(more, one[self.left])) if more else one

    def centred(self, x: FloatArray) -> FloatArray:
        """Differences from one sample, so that an offset of 1e8 costs no digits and a constant leaves exactly 0."""
        centred = x - x[:, [self.origin]]
        centred[:, ~self.observed] = 0.0
        return np.asarray(centred)

    def directly(self, x: FloatArray) -> FloatArray:
        """Trends of rows, each sum term by term."""
        from ews._kernels.smooth import smooth_lines

        trend = np.empty_like(x)
        smooth_lines(self.centred(x), self.weights, self.left, self.whole(self.level), self.whole(self.slope), trend)
        trend += x[:, [self.origin]]
        return trend

    @property
    def alike(self) -> npt.NDArray[np.bool_]:
        """Which samples see all their neighbours: both sides weigh alike there, and the slope counts for nothing."""
        here, right = np.arange(self.observed.size), self.weights.shape[1] - 1 - self.left
        seen = _observed_in(self.observed, np.minimum(here, self.left), np.minimum(here[::-1], right))
        return np.asarray(seen == self.weights.shape[1])


@dataclass(frozen=True, eq=False)
class _Tiles:
    """The same as a banded matrix of weights: see :func:`ews._kernels.smooth.smooth_tiles`."""

    lines: _Lines
    table: FloatArray
    tiles: npt.NDArray[np.int64]

    def smooth(self, x: FloatArray) -> FloatArray:
        """Trends of rows."""
        from ews._kernels.smooth import smooth_tiles

        trend = np.empty(x.shape)
        smooth_tiles(
            np.require(x, np.float64, "C"), self.lines.observed, self.lines.origin, self.table, self.tiles, trend
        )
        return trend


def _tiles(lines: _Lines) -> _Tiles | None:
    """Weights of each tile of samples, once for all that see all their neighbours; None where they are too many."""
    from ews._kernels.smooth import TILE

    n, reach, alike = lines.observed.size, lines.left, lines.alike
    level, slope = lines.whole(lines.level), lines.whole(lines.slope)
    around = reach + 2 * TILE  # further away than anything that is looked at
    padded = np.pad(lines.weights, ((0, 0), (around, around)))
    tables: list[FloatArray] = []
    tiles = []
    shared: int | None = None
    rows = 0
    for place in range(0, n, TILE):
        size = min(TILE, n - place)
        inside = size == TILE and bool(alike[place : place + TILE].all())
        first, stop = max(place - reach, 0), min(place + size + reach, n)
        taps = -(-(stop - first) // 4) * 4
        if inside and shared is not None:
            tiles.append((shared, first, taps, place, size))
            continue
        if (rows + taps) * TILE > _LARGE_TABLE:
            return None
        # Weight of each sample that is looked at for each in the tile: the distance falls along the tile.
        start = around + first - (place + size - 1) + reach
        near, tilted = (sliding_window_view(one, size)[start : start + taps, ::-1] for one in padded)
        to = slice(place, place + size)
        block = np.zeros((taps, TILE))
        np.multiply(near, level[to], out=block[:, :size])
        if not inside:
            block[:, :size] -= tilted * slope[to]
            block[: stop - first][~lines.observed[first:stop]] = 0.0
            block[stop - first :] = 0.0
        tiles.append((rows, first, taps, place, size))
        shared = rows if inside else shared
        tables.append(block.reshape(-1))
        rows += taps
    return _Tiles(lines, np.concatenate(tables), np.array(tiles, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class _Transforms:
    """The same by Fourier transforms, which wide kernels make cheaper."""

    lines: _Lines
    length: int  # of a transform
    near: FloatArray  # transform of the weights about their centre, which is real
    tilted: npt.NDArray[np.complex128]  # transform of those times their distance, over `ends` and what these reach
    ends: int  # how many samples at either end tilt their lines; the whole record where it has gaps

    def smooth(self, x: FloatArray) -> FloatArray:
        """Trends of rows."""
        lines, n = self.lines, x.shape[1]
        centred = lines.centred(x)
        trend = self._weighed(centred, self.near, self.length)
        left, right = lines.left, lines.level.size - lines.left - 1
        trend[:, :left] *= lines.level[:left]
        trend[:, left : n - right] *= lines.level[left]
        trend[:, n - right :] *= lines.level[left + 1 :]
        if self.ends:
            part = 2 * (self.tilted.size - 1)
            reached = min(n, self.ends + lines.left)
            trend[:, : self.ends] -= (
                lines.slope[: self.ends] * self._weighed(centred[:, :reached], self.tilted, part)[:, : self.ends]
            )
            if self.ends < n:  # the other end as it is seen in a mirror, where distances change their sign
                mirrored = self._weighed(centred[:, : n - 1 - reached : -1], self.tilted, part)[:, self.ends - 1 :: -1]
                trend[:, -self.ends :] += lines.slope[-self.ends :] * mirrored
        rows = wide_rows(centred, lines.weights.shape[1])
        trend += x[:, [lines.origin]]
        if rows.size:
            trend[rows] = lines.directly(x[rows])
        return trend

    def _weighed(self, x: FloatArray, spectrum: npt.NDArray[np.inexact[Any]], length: int) -> FloatArray:
        from scipy.fft import irfft, rfft

        found = rfft(x, length, axis=1)
        found *= spectrum
        return np.asarray(irfft(found, length, axis=1, overwrite_x=True)[:, : x.shape[1]])


def _spectra(lines: _Lines) -> tuple[int, FloatArray, npt.NDArray[np.complex128], int]:
    """The fields of :class:`_Transforms` beside the lines."""
    from scipy.fft import next_fast_len, rfft

    n, reach = lines.observed.size, lines.left
    whole = lines.observed.all() and 2 * reach < n
    ends = reach if whole else n
    length = next_fast_len(n + reach, real=True)
    part = 2 * -(-next_fast_len(min(n, ends + reach) + reach, real=True) // 2)

    def around(weights: FloatArray, size: int) -> FloatArray:
        """Weights of later samples come before: out[t] is the sum of weights[left + d] · x[t + d]."""
        circle = np.zeros(size)
        circle[: reach + 1] = weights[reach::-1]
        circle[size - reach :] = weights[:reach:-1]
        return circle

    near, tilted = lines.weights
    return length, rfft(around(near, length)).real.copy(), np.asarray(rfft(around(tilted, part))), ends
