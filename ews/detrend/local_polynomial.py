"""Local linear and quadratic regression: kernel smoothers without the bias that others have where a record ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend import bandwidths
from ews.detrend.convolution import wide_rows
from ews.detrend.kernel_smoothers import direction, half_kernel
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = [
    "BANDWIDTHS",
    "DEGREES",
    "coefficients_of",
    "local_linear",
    "local_linear_bandwidth",
    "local_quadratic",
    "local_quadratic_bandwidth",
    "plan_local_linear",
    "plan_local_quadratic",
    "smoother_of",
]

_CUT = 4.0  # standard deviations of the kernel, as for the Gaussian smoother
# Up to so many weights, or products for each transform of as many as the powers of a fit, direct sums are faster than
# Fourier transforms; not where their table has so many numbers that it is read from main memory (measured for records
# of 200 to 100 000, with gaps and without).
_FEW_WEIGHTS, _FEW_PRODUCTS = 600, 600_000
_LARGE_TABLE = 1_000_000
_FAR = 1 / 6  # of a record: fits that reach so far are fewer products by halves, enough to make up for a larger table
_MANY_PRODUCTS = 1e9  # beyond these, the weights' sums at a record with gaps are taken by Fourier transforms
# Longer records are transformed in segments of so many samples, or of so many times what a fit reaches: whole ones take
# 40 times the memory of the record.
_SEGMENT, _REACHES = 32_768, 6
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


def local_quadratic(x: npt.ArrayLike, *, bandwidth: float | None = None, causal: bool = False) -> Detrended:
    """Detrend by local quadratic regression with a Gaussian kernel.

    As :func:`local_linear`, with a parabola at each sample: a mean that moves faster and faster towards the end of a
    record is followed there too.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    bandwidth : float or int, optional
        Standard deviation of the kernel: a float in (0, 1] is a fraction of the record, an int or a float above 1 a
        number of samples. The kernel is cut at 4 standard deviations.
        Default: :func:`ews.detrend.local_quadratic_bandwidth`.
    causal : bool, default False
        If True, the parabola is fitted to the present and past samples only: the first three lie on theirs.

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
    Fan, J. & Gijbels, I. (1996). Local polynomial modelling and its applications, sec. 3.2. Chapman & Hall.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(local_quadratic(3.0 + np.arange(50) ** 2).residual, 0.0))
    True
    """
    x = one_series(x)
    return plan_local_quadratic(x.size, bandwidth=bandwidth, causal=causal).apply(x)


def local_quadratic_bandwidth(n: int) -> float:
    """Default bandwidth of :func:`local_quadratic`: 0.18 (n / 100)^(−1/3) of the record, at most 0.15.

    Chosen on simulations with a moving mean, as that of :func:`local_linear` was: what is left of the mean has to
    shrink faster with n than an estimate of the mean itself would ask for, since a longer record sees more of it; and
    wider than 0.15 no parabola follows a mean that runs away at the end.

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
    >>> round(local_quadratic_bandwidth(400), 4)
    0.1134
    """
    return float(min(0.15, 0.18 * (checks.whole("n", n, least=1) / 100) ** (-1 / 3)))


DEGREES = {"local_linear": 1, "local_quadratic": 2}  # of the polynomial, by method
BANDWIDTHS: dict[int, Callable[[int], float]] = {1: local_linear_bandwidth, 2: local_quadratic_bandwidth}


def plan_local_linear(n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    """Work out :func:`local_linear` for series of length `n`."""
    return _plan("local_linear", n, bandwidth=bandwidth, causal=causal)


def plan_local_quadratic(n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    """Work out :func:`local_quadratic` for series of length `n`."""
    return _plan("local_quadratic", n, bandwidth=bandwidth, causal=causal)


def _plan(method: str, n: int, *, bandwidth: float | None, causal: bool) -> DetrendPlan:
    causal, degree = checks.flag("causal", causal), DEGREES[method]
    bandwidth = BANDWIDTHS[degree](n) if bandwidth is None else bandwidth
    sd = bandwidths.samples(bandwidth, n)
    if int(_CUT * sd) < 1:
        raise ValueRangeError("bandwidth", bandwidth, "wide enough to reach a neighbour: at least 0.25 samples")
    how = f"{method.replace('_', ' ')} regression, Gaussian kernel with an SD of {sd:.4g} samples"
    smooth = (_kept if n <= _KEPT else _whole)(n, sd, causal, degree)
    return DetrendPlan(method, n, bandwidth, causal, f"{how}, {direction(causal)}", smooth)


def _whole(n: int, sd: float, causal: bool, degree: int) -> Callable[[FloatArray], FloatArray]:
    """The smoother of records without gaps."""
    return smoother_of(np.ones(n, dtype=np.bool_), sd, causal=causal, degree=degree)


_kept = lru_cache(maxsize=4)(_whole)  # of one length there are often many, and the weights take longer than a series


def smoother_of(
    observed: npt.NDArray[np.bool_], sd: float, *, causal: bool = False, degree: int = 1
) -> Callable[[FloatArray], FloatArray]:
    """The smoother of rows of which the same samples were observed; what is not observed is never looked at."""
    n = observed.size
    # All weights at any length, looking back: sums that depend on the length would let later samples change digits.
    reach = int(_CUT * sd) if causal else min(int(_CUT * sd), n - 1)
    half = half_kernel(sd, reach)
    kernel = half[::-1] if causal else np.concatenate([half[:0:-1], half])
    distance = (np.arange(kernel.size) - reach) / sd
    powers = np.stack([kernel * distance**power for power in range(2 * degree + 1)])
    # Without gaps all samples but those near the ends weigh alike: worked out on a record that has one of these.
    short = kernel.size if observed.all() and n > kernel.size else n
    counts = _normal_equations(observed[:short], powers, reach, degree)
    fits = _Fits(observed, int(np.argmax(observed)), powers[: degree + 1].copy(), reach, counts)
    if causal:
        return fits.directly
    few = kernel.size <= _FEW_WEIGHTS or n * kernel.size <= _FEW_PRODUCTS * (degree + 1)
    if few and (summed := _mirrored(fits) or _tiles(fits)) is not None:
        return summed.smooth
    return _Transforms(fits, *_spectra(fits)).smooth


def _normal_equations(observed: npt.NDArray[np.bool_], powers: FloatArray, left: int, degree: int) -> FloatArray:
    """What the sums of weights, and of these times powers of the distance, count for in the fit at each sample."""
    here = np.arange(observed.size)
    before, after = np.minimum(here, left), np.minimum(here[::-1], powers.shape[1] - 1 - left)
    if observed.all():  # all up to the ends of the record: from the sample outwards on either side
        behind = np.cumsum(powers[:, left::-1], axis=1) - powers[:, [left]]
        sums = np.cumsum(powers[:, left:], axis=1)[:, after] + behind[:, before]
    else:
        sums = _sums(observed, powers, left)
    return coefficients_of(sums, _observed_in(observed, before, after), degree)


def coefficients_of(sums: FloatArray, seen: npt.NDArray[np.int64], degree: int) -> FloatArray:
    """What weighted sums of values times powers of the distance count for in the fit at its centre.

    Parameters
    ----------
    sums : ndarray of shape (2 · degree + 1, n)
        Of the weights times each power of the distance.
    seen : ndarray of int64, of shape (n,)
        How many observations are in reach.
    degree : {1, 2}
        Of the polynomial. Where too few observations are in reach for it, or all weight lies at one distance, one of
        lower degree is fitted.

    Returns
    -------
    ndarray of shape (degree + 1, n)
        The first row of the inverse of the normal equations.
    """
    flat, tilt, bend = sums[:3]
    found = np.zeros((degree + 1, flat.size))
    spread = flat * bend - tilt * tilt
    line = (seen >= 2) & (spread > 1e-12 * flat * bend)
    with np.errstate(divide="ignore", invalid="ignore"):
        found[0] = np.where(line, bend / spread, 1.0 / flat)  # no sample in reach: infinity times nothing, NaN
        found[1] = np.where(line, -tilt / spread, 0.0)
        if degree == 2:
            third, fourth = sums[3:]
            minors = bend * fourth - third * third, third * bend - tilt * fourth, tilt * third - bend * bend
            spread = flat * minors[0] + tilt * minors[1] + bend * minors[2]
            parabola = line & (seen >= 3) & (spread > 1e-12 * flat * bend * fourth)
            for row, minor in zip(found, minors, strict=True):
                row[:] = np.where(parabola, minor / spread, row)
    return found


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
class _Fits:
    """Weighted lines or parabolas through what was observed around each sample."""

    observed: npt.NDArray[np.bool_]
    origin: int  # a sample that was observed
    weights: FloatArray  # (degree + 1, taps): of the samples t − left …, times each power of their distance from t
    left: int
    # What the sums by these count for in the trend, (degree + 1, n): see :func:`coefficients_of`. Of the n samples
    # those between the ends, which are alike, stand as one, number `left`.
    counts: FloatArray

    @property
    def whole(self) -> FloatArray:
        """What the sums count for at every sample, of shape (degree + 1, n)."""
        more = self.observed.size - self.counts.shape[1]
        if not more:
            return self.counts
        middle = np.repeat(self.counts[:, [self.left]], more, axis=1)
        return np.concatenate([self.counts[:, : self.left], middle, self.counts[:, self.left :]], axis=1)

    def centred(self, x: FloatArray) -> FloatArray:
        """Differences from one sample, so that an offset of 1e8 costs no digits and a constant leaves exactly 0."""
        centred = x - x[:, [self.origin]]
        centred[:, ~self.observed] = 0.0
        return np.asarray(centred)

    def directly(self, x: FloatArray) -> FloatArray:
        """Trends of rows, each sum term by term."""
        from ews._kernels.smooth import smooth_fits

        trend = np.empty_like(x)
        smooth_fits(self.centred(x), self.weights, self.left, self.whole, trend)
        trend += x[:, [self.origin]]
        return trend

    @property
    def alike(self) -> npt.NDArray[np.bool_]:
        """Which samples see all their neighbours: both sides weigh alike there, and odd powers count for nothing."""
        here, right = np.arange(self.observed.size), self.weights.shape[1] - 1 - self.left
        seen = _observed_in(self.observed, np.minimum(here, self.left), np.minimum(here[::-1], right))
        return np.asarray(seen == self.weights.shape[1])


@dataclass(frozen=True, eq=False)
class _Tiles:
    """The same as a banded matrix of weights: see :func:`ews._kernels.smooth.smooth_tiles`."""

    fits: _Fits
    table: FloatArray
    tiles: npt.NDArray[np.int64]

    def smooth(self, x: FloatArray) -> FloatArray:
        """Trends of rows."""
        from ews._kernels.smooth import smooth_tiles

        trend = np.empty(x.shape)
        smooth_tiles(
            np.require(x, np.float64, "C"), self.fits.observed, self.fits.origin, self.table, self.tiles, trend
        )
        return trend


def _tiles(fits: _Fits) -> _Tiles | None:
    """Weights of each tile of samples, once for all that see all their neighbours; None where they are too many."""
    from ews._kernels.smooth import TILE, fill_tiles

    n, reach = fits.observed.size, fits.left
    place = np.arange(0, n, TILE)
    size = np.minimum(TILE, n - place)
    first, stop = np.maximum(place - reach, 0), np.minimum(place + size + reach, n)
    inside = (size == TILE) & np.logical_and.reduceat(fits.alike, place)
    at, numbers = _places((stop - first) * TILE, inside)
    if numbers > _LARGE_TABLE:
        return None
    table, tiles = np.zeros(numbers), np.stack([at, first, stop - first, place, _runs(inside)], axis=1)
    fill_tiles(fits.weights, reach, fits.whole, fits.observed, tiles[_first_of(inside)], table)
    return _Tiles(fits, table, tiles)


def _first_of(alike: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """All but those that are like one before."""
    return np.asarray(~alike | (np.cumsum(alike) == 1))


def _places(sizes: npt.NDArray[np.int64], alike: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Where what takes so much begins if those alike have one place, and how much all take."""
    own = np.where(_first_of(alike), sizes, 0)
    places = np.cumsum(own) - own
    places[alike] = places[np.argmax(alike)]
    return places, int(own.sum())


def _runs(alike: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many tiles from each on are summed at once where a row lies alone: those alike in sixes."""
    from ews._kernels.smooth import ROWS

    here = np.arange(alike.size)
    begin = np.maximum.accumulate(np.where(alike, 0, here + 1))  # of the stretch of tiles alike that each is in
    end = np.minimum.accumulate(np.where(alike, alike.size, here)[::-1])[::-1]
    whole = alike & (here < begin + (end - begin) // ROWS * ROWS)
    return np.where(whole, np.where((here - begin) % ROWS == 0, ROWS, 0), 1)


@dataclass(frozen=True, eq=False)
class _Mirrored:
    """The same by halves of a matrix that looks alike from both ends: :func:`ews._kernels.smooth.smooth_mirrored`."""

    origin: int
    table: FloatArray
    even: npt.NDArray[np.int64]
    odd: npt.NDArray[np.int64]

    def smooth(self, x: FloatArray) -> FloatArray:
        """Trends of rows."""
        from ews._kernels.smooth import smooth_mirrored

        trend = np.empty(x.shape)
        smooth_mirrored(np.require(x, np.float64, "C"), self.origin, self.table, self.even, self.odd, trend)
        return trend


def _mirrored(fits: _Fits) -> _Mirrored | None:
    """The halves, of a record without gaps whose fits reach so far that they are fewer products; else None."""
    from ews._kernels.smooth import TILE, fill_halves

    n, reach = fits.observed.size, fits.left
    if not fits.observed.all() or reach < _FAR * n:
        return None
    half = (n + 1) // 2
    place = np.arange(0, half, TILE)
    size = np.minimum(TILE, half - place)
    first, stop = np.maximum(place - reach, 0), np.minimum(place + size + reach, half)
    near = place + size - 1 + reach < n // 2
    inside = near & np.logical_and.reduceat(fits.alike[:half], place)
    numbers = (stop - first) * TILE
    even, taken = _places(np.where(near, numbers, 2 * numbers), inside)
    if taken > _LARGE_TABLE:
        return None
    table, own = np.zeros(taken), _first_of(inside)
    odd, told = even + np.where(near, 0, numbers), (first, stop - first, place, _runs(inside))
    sums, differences = np.stack([even, *told], axis=1), np.stack([odd, *told], axis=1)
    fill_halves(fits.weights, reach, fits.whole, sums[own], differences[own], table)
    return _Mirrored(fits.origin, table, sums, differences)


@dataclass(frozen=True, eq=False)
class _Transforms:
    """The same by Fourier transforms, which wide kernels make cheaper."""

    fits: _Fits
    length: int  # of a transform
    even: list[FloatArray]  # transforms of the weights times even powers of the distance, which are real
    tilted: npt.NDArray[np.complex128]  # transform of those times their distance, over `ends` and what these reach
    ends: int  # how many samples at either end tilt their fits; the whole record where it has gaps

    def smooth(self, x: FloatArray) -> FloatArray:
        """Trends of rows."""
        fits, n = self.fits, x.shape[1]
        centred = fits.centred(x)
        trend = self._counted(self._weighed(centred, self.even[0], self.length), 0)
        for place, spectrum in enumerate(self.even[1:], start=1):
            trend += self._counted(self._weighed(centred, spectrum, self.length), 2 * place)
        if self.ends:
            part, slope = 2 * (self.tilted.size - 1), fits.counts[1]
            reached = min(n, self.ends + fits.left)
            trend[:, : self.ends] += (
                slope[: self.ends] * self._weighed(centred[:, :reached], self.tilted, part)[:, : self.ends]
            )
            if self.ends < n:  # the other end as it is seen in a mirror, where distances change their sign
                mirrored = self._weighed(centred[:, : n - 1 - reached : -1], self.tilted, part)[:, self.ends - 1 :: -1]
                trend[:, -self.ends :] -= slope[-self.ends :] * mirrored
        rows = wide_rows(centred, fits.weights.shape[1])
        trend += x[:, [fits.origin]]
        if rows.size:
            trend[rows] = fits.directly(x[rows])
        return trend

    def _counted(self, sums: FloatArray, power: int) -> FloatArray:
        """Sums times what they count for, in place."""
        counts, left, n = self.fits.counts[power], self.fits.left, sums.shape[1]
        right = counts.size - left - 1
        sums[:, :left] *= counts[:left]
        sums[:, left : n - right] *= counts[left]
        sums[:, n - right :] *= counts[left + 1 :]
        return sums

    def _weighed(self, x: FloatArray, spectrum: npt.NDArray[np.inexact[Any]], length: int) -> FloatArray:
        """Weighted sums of rows, in segments where a transform is shorter than these: each sees what it reaches."""
        from scipy.fft import irfft, rfft

        n, reach = x.shape[1], self.fits.left
        step = n if n + reach <= length else length - 2 * reach
        out = np.empty(x.shape)
        for start in range(0, n, step):
            first, size = max(start - reach, 0), min(step, n - start)
            found = rfft(x[:, first : start + size + reach], length, axis=1)
            found *= spectrum
            sums = irfft(found, length, axis=1, overwrite_x=True)
            out[:, start : start + size] = sums[:, start - first : start - first + size]
        return out


def _spectra(fits: _Fits) -> tuple[int, list[FloatArray], npt.NDArray[np.complex128], int]:
    """The fields of :class:`_Transforms` beside the fits."""
    from scipy.fft import next_fast_len, rfft

    n, reach = fits.observed.size, fits.left
    whole = fits.observed.all() and 2 * reach < n
    ends = reach if whole else n
    length = next_fast_len(min(n + reach, max(_SEGMENT, _REACHES * reach)), real=True)
    tilts = min(n, ends + reach) + reach
    part = 2 * -(-next_fast_len(min(tilts, max(_SEGMENT, _REACHES * reach)), real=True) // 2)

    def around(weights: FloatArray, size: int) -> FloatArray:
        """Weights of later samples come before: out[t] is the sum of weights[left + d] · x[t + d]."""
        circle = np.zeros(size)
        circle[: reach + 1] = weights[reach::-1]
        circle[size - reach :] = weights[:reach:-1]
        return circle

    even = [rfft(around(one, length)).real.copy() for one in fits.weights[::2]]
    return length, even, np.asarray(rfft(around(fits.weights[1], part))), ends
