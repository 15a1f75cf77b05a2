"""Change points of the mean, found by ruptures, with a penalty that expects memory in the series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import TimeArray, as_series

__all__ = ["ChangePoints", "change_points"]


@dataclass(frozen=True, slots=True, eq=False)
class ChangePoints:
    """Where the mean of a series shifts.

    Attributes
    ----------
    index : ndarray of shape (k,), int64
        First sample of each new segment.
    time : ndarray of shape (k,)
        Its time.
    penalty : float
        Penalty for each change point, in units of the series squared.
    """

    index: npt.NDArray[np.int64]
    time: TimeArray
    penalty: float

    def __len__(self) -> int:
        return int(self.index.size)


def change_points(series: Any, *, time: Any = None, penalty: float | None = None, min_size: int = 5) -> ChangePoints:
    """Find shifts of the mean by optimal partitioning (PELT) with the least-squares cost.

    Parameters
    ----------
    series : array_like of shape (n,)
        An evenly spaced series.
    time : array_like of shape (n,), optional
        When each value was observed.
    penalty : float, optional
        Cost of a change point. Default: 3 log(n) σ² (1 + φ) / (1 − φ), with σ² and φ from the first differences' robust
        scale and the lag-1 correlation: the Bayesian information criterion, its variance inflated for the memory, since
        in red noise a penalty made for white noise finds shifts that are not there.
    min_size : int, default 5
        Fewest samples in a segment.

    Returns
    -------
    ChangePoints
        Possibly none.

    Raises
    ------
    ews.errors.SeriesTooShortError
        For fewer than 2 `min_size` samples.
    ews.errors.ValueRangeError
        For a penalty or a size that is not positive.

    References
    ----------
    Killick, R., Fearnhead, P. & Eckley, I. A. (2012). Optimal detection of changepoints with a linear computational
    cost. JASA 107, 1590–1598. Truong, C., Oudre, L. & Vayatis, N. (2020). Selective review of offline change point
    detection methods. Signal Processing 167, 107299 (ruptures).

    Examples
    --------
    >>> import numpy as np, ews
    >>> noise = np.random.default_rng(1).standard_normal(100)
    >>> ews.changepoints.change_points(noise + np.repeat([0.0, 6.0], 50)).index
    array([50])
    """
    import ruptures

    checked = as_series(series, time=time)
    values = checked.values
    if min_size < 1:
        raise ValueRangeError("min_size", min_size, "an integer of 1 or more")
    if values.size < 2 * min_size:
        raise SeriesTooShortError("series", described(f"{values.size} values"), f"at least {2 * min_size} values")
    if penalty is None:
        penalty = _penalty(values)
    elif not (np.isfinite(penalty) and penalty > 0):
        raise ValueRangeError("penalty", penalty, "a positive number")
    if np.ptp(values) == 0:
        found: list[int] = []
    else:
        algorithm = ruptures.KernelCPD(kernel="linear", min_size=min_size).fit(values.reshape(-1, 1))
        found = algorithm.predict(pen=penalty)[:-1]
    index = np.asarray(found, dtype=np.int64)
    return ChangePoints(index=index, time=checked.time[index], penalty=float(penalty))


def _penalty(values: npt.NDArray[np.float64]) -> float:
    """3 log(n) times the long-run variance of AR(1) noise; differences keep shifts out of the estimate."""
    steps = np.diff(values)
    # For AR(1) noise: var(x_t − x_{t−1}) = 2 σ² (1 − φ) and var(x_t − x_{t−2}) = 2 σ² (1 − φ²).
    one = _scale(steps) ** 2
    two = _scale(values[2:] - values[:-2]) ** 2
    if one == 0:
        variance, coefficient = float(np.var(values)), 0.0
    else:
        coefficient = float(np.clip(two / one - 1.0, 0.0, 0.95))
        variance = one / (2 * (1 - coefficient))
    return float(3 * np.log(values.size) * variance * (1 + coefficient) / (1 - coefficient))


def _scale(x: npt.NDArray[np.float64]) -> float:
    """Standard deviation by the median absolute deviation, which a few jumps do not move."""
    return float(np.median(np.abs(x - np.median(x))) / 0.6744897501960817)
