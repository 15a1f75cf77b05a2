"""Local linear and quadratic regression at the times of observation, even or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from ews.detrend.local_polynomial import coefficients_of, smoother_of
from ews.detrend.result import FloatArray

__all__ = ["smoother_at"]

_CUT = 4.0  # standard deviations of the kernel, as on an even grid
_MOST_WEIGHTS = 4_000_000  # 32 MB
_SPARSEST = 20  # cells of a grid for each observation, at most
_FINE = 24.0  # cells of a grid in one standard deviation of the kernel, for each degree, where cells hold observations


def smoother_at(
    positions: npt.ArrayLike, sd: float, *, causal: bool = False, degree: int = 1
) -> Callable[[FloatArray], FloatArray]:
    """The smoother of rows observed at these increasing positions, with a Gaussian kernel of this standard deviation.

    On whole positions it is :func:`ews.detrend.local_linear.smoother_of`. The weights depend on the positions only and
    are kept. Where there are too many of them, records on a grid with gaps go through that grid; others through cells
    of a fine one (linear binning), or one by one if the smoother looks back only.

    References
    ----------
    Fan, J. & Marron, J. S. (1994). Fast implementations of nonparametric curve estimators. J. Comput. Graph. Stat. 3,
    35–56: linear binning.
    """
    at = np.require(positions, np.float64, ("C", "W"))
    n = at.size
    reach = _CUT * sd * (1 + 1e-12)
    first = np.searchsorted(at, at - reach, side="left").astype(np.int64)
    end = np.arange(1, n + 1) if causal else np.searchsorted(at, at + reach, side="right").astype(np.int64)
    start = np.concatenate([[0], np.cumsum(end - first)])
    if start[-1] <= _MOST_WEIGHTS:
        from ews._kernels.smooth_uneven import fit_weights

        packed = np.empty(int(start[-1]))
        fit_weights(at, first, end, sd, degree, start[:-1].copy(), packed)
        return partial(_packed, first=first, end=end, start=start[:-1].copy(), packed=packed)
    span = at[-1] - at[0]
    whole = bool((at == np.round(at)).all())
    if whole and span <= _SPARSEST * n:
        seen = np.zeros(int(span) + 1, dtype=np.bool_)
        index = (at - at[0]).astype(np.int64)
        seen[index] = True
        return partial(
            _on_grid, index=index, size=seen.size, smooth=smoother_of(seen, sd, causal=causal, degree=degree)
        )
    if causal or span / sd * _FINE * degree > n:
        return partial(_one_by_one, positions=at, first=first, end=end, sd=sd, degree=degree)
    return _binned(at, sd, degree)


def _packed(x: FloatArray, *, first: npt.NDArray[np.int64], end: npt.NDArray[np.int64], start: npt.NDArray[np.int64],
            packed: FloatArray) -> FloatArray:  # fmt: skip
    from ews._kernels.smooth_uneven import packed_sums

    # Differences from one sample, so that an offset costs no digits and a constant leaves exactly 0.
    centred = np.ascontiguousarray(x - x[:, :1])
    trend = np.empty_like(centred)
    packed_sums(centred, first, end, start, packed, trend)
    return np.asarray(trend + x[:, :1])


def _one_by_one(
    x: FloatArray,
    *,
    positions: FloatArray,
    first: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    sd: float,
    degree: int,
) -> FloatArray:
    from ews._kernels.smooth_uneven import smooth_fits_at

    centred = np.ascontiguousarray(x - x[:, :1])
    trend = np.empty_like(centred)
    smooth_fits_at(centred, positions, first, end, sd, degree, trend)
    return np.asarray(trend + x[:, :1])


def _on_grid(
    x: FloatArray, *, index: npt.NDArray[np.int64], size: int, smooth: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    grid = np.zeros((x.shape[0], size))
    grid[:, index] = x
    return np.ascontiguousarray(smooth(grid)[:, index])


def _binned(at: FloatArray, sd: float, degree: int) -> Callable[[FloatArray], FloatArray]:
    from ews._kernels.smooth import weighted_sums

    cells = int(np.ceil((at[-1] - at[0]) / sd * _FINE * degree)) + 1
    width = (at[-1] - at[0]) / (cells - 1)
    place = (at - at[0]) / width
    left = np.minimum(place.astype(np.int64), cells - 2)
    into = place - left
    reach = int(_CUT * sd / width)
    distance = np.arange(-reach, reach + 1) * width / sd
    kernel = np.exp(-0.5 * distance**2)
    powers = np.stack([kernel * distance**power for power in range(2 * degree + 1)])
    sums = np.empty((len(powers), cells))
    weighted_sums(_in_cells(np.ones(at.size), left, into, cells), powers, reach, sums)
    enough = np.full(cells, degree + 1)  # how many are in reach is not known of cells: by how they spread alone
    counts = np.nan_to_num(coefficients_of(sums, enough, degree), nan=0.0, posinf=0.0, neginf=0.0)

    def smooth(x: FloatArray) -> FloatArray:
        from ews._kernels.smooth import smooth_fits

        centred = np.stack([_in_cells(row - row[0], left, into, cells) for row in x])
        fits = np.empty_like(centred)
        smooth_fits(centred, powers[: degree + 1], reach, counts, fits)
        return np.asarray(fits[:, left] * (1.0 - into) + fits[:, left + 1] * into + x[:, :1])

    return smooth


def _in_cells(values: FloatArray, left: npt.NDArray[np.int64], into: FloatArray, cells: int) -> FloatArray:
    """Each value shared between the two cells it lies between, in proportion to how near they are."""
    low = np.bincount(left, weights=values * (1.0 - into), minlength=cells)
    return np.asarray(low + np.bincount(left + 1, weights=values * into, minlength=cells))
