"""Change points of the mean, found by ruptures, with a penalty that expects memory in the series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.result import Result
from ews.errors import SeriesTooShortError, described
from ews.series import TimeArray, as_series

__all__ = ["ChangePoints", "change_points"]

FloatArray = npt.NDArray[np.float64]

# Standard errors by which two lines must disagree for a step. High, since the memory behind them is estimated too.
ABRUPT = 4.0

# Share of ties among the steps from which the noise is measured by mean squares, segment by segment.
MANY_TIES = 0.25

# The search takes time with the square of the length: a third of a second here, half a minute at 100,000.
LONGEST_SEARCHED = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class ChangePoints(Result):
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

    _table: ClassVar = ("index",)
    _axis: ClassVar = "time"

    def __len__(self) -> int:
        return int(self.index.size)


def change_points(series: Any, *, time: Any = None, penalty: float | None = None, min_size: int = 5) -> ChangePoints:
    """Find abrupt shifts of the mean, by optimal partitioning (PELT) and a check against gradual change.

    Optimal partitioning with the least-squares cost cuts a gradual change into a staircase. So each step that it
    finds is held against two lines, fitted to the segments at its sides: it stays where they disagree at the step by
    more than 4 standard errors; the weakest goes first, and its neighbours are fitted again.

    Where over a quarter of the steps are ties, as in counts with zeros or rounded values, the noise is measured in each
    segment by itself: it may differ, and be none.

    Series of more than 20,000 samples are searched as means of blocks, and each shift found is then placed to the
    sample.

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
        Fewest samples in a segment; at least 3.

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
    checked = as_series(series, time=time)
    values = checked.values
    min_size = checks.whole("min_size", min_size, least=3)
    if values.size < 2 * min_size:
        raise SeriesTooShortError("series", described(f"{values.size} values"), f"at least {2 * min_size} values")
    if penalty is not None:
        penalty = checks.number("penalty", penalty, above=0.0, allowed="a positive number")
    index, cost = shifts(values, penalty=penalty, min_size=min_size)
    return ChangePoints(index=index, time=checked.time[index], penalty=cost)


def shifts(values: FloatArray, *, penalty: float | None, min_size: int) -> tuple[npt.NDArray[np.int64], float]:
    """First samples of new segments, and the penalty, of values that have been checked."""
    # In units of the largest deviation from the middle: the sums of squares of an offset of 1e8 would drown the series.
    scaled = values - np.median(values)
    unit = max(float(scaled.max()), -float(scaled.min()))
    if unit == 0:
        return np.empty(0, dtype=np.int64), 0.0 if penalty is None else penalty
    scaled /= unit
    cost = _penalty(scaled) if penalty is None else penalty / unit / unit
    index = _abrupt(scaled, _search(scaled, max(cost, _ROUNDING * values.size), min_size))
    return index, cost * unit * unit if penalty is None else penalty


# No segment is worth less than what rounding does to the sums of squares.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


def _search(values: FloatArray, penalty: float, min_size: int) -> npt.NDArray[np.int64]:
    """First sample of each segment but the first."""
    import ruptures

    block = -(-values.size // LONGEST_SEARCHED)
    means = values[: values.size // block * block].reshape(-1, block).mean(axis=1)
    shortest = -(-(min_size + 2 * block - 2) // block)  # either edge may move by up to a block less one sample
    algorithm = ruptures.KernelCPD(kernel="linear", min_size=shortest).fit(means.reshape(-1, 1))
    found = np.asarray(algorithm.predict(pen=penalty / block)[:-1], dtype=np.int64) * block
    return found if block == 1 else _placed(values, found, block)


def _placed(values: FloatArray, found: npt.NDArray[np.int64], block: int) -> npt.NDArray[np.int64]:
    """Move each shift, by less than a block, to where the two segments beside it differ most from one mean."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    edges = np.concatenate([[0], found, [values.size]])
    for place in range(1, edges.size - 1):
        left, right = edges[place - 1], edges[place + 1]
        at = np.arange(max(edges[place] - block, left) + 1, min(edges[place] + block, right))
        before, after = at - left, right - at
        difference = (total[at] - total[left]) / before - (total[right] - total[at]) / after
        edges[place] = at[np.argmax(before * after * difference**2)]
    return edges[1:-1]


def _penalty(values: FloatArray) -> float:
    """3 log(n) times the long-run variance."""
    return float(3 * np.log(values.size) * _long_run_variance(values))


def _long_run_variance(values: FloatArray) -> float:
    """σ² (1 + φ) / (1 − φ) of AR(1) noise; differences keep shifts out of the estimate."""
    # For AR(1) noise: var(x_t − x_{t−1}) = 2 σ² (1 − φ) and var(x_t − x_{t−2}) = 2 σ² (1 − φ²).
    # One after the other, so that a long series needs few copies of itself.
    tied = _tied(values)
    one, two = (
        _trimmed_square(steps) if tied else _scale(steps) ** 2
        for steps in (values[lag:] - values[:-lag] for lag in (1, 2))
    )
    if one < _ROUNDING**2:  # levels without noise, or steps that are all alike and say nothing of it
        return 0.0 if tied else float(np.var(values))
    coefficient = float(np.clip(two / one - 1.0, 0.0, 0.95))
    return one / (2 * (1 - coefficient)) * (1 + coefficient) / (1 - coefficient)


def _tied(values: FloatArray) -> bool:
    """Whether so many steps are ties that the median step says little of the noise, or nothing."""
    steps = np.diff(values)
    return float(np.mean(np.abs(steps, out=steps) <= _ROUNDING)) > MANY_TIES


def _trimmed_square(steps: FloatArray) -> float:
    """Mean square without the largest tenth, where the shifts are."""
    ordered = np.sort(np.abs(steps))
    return float(np.mean(ordered[: max(1, steps.size - -(-steps.size // 10))] ** 2))


def _abrupt(values: FloatArray, found: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The steps that no pair of lines at their sides explains, weakest taken out first."""
    variance = max(_long_run_variance(values), _ROUNDING)
    # Where most steps are ties, the noise may differ from one segment to the next: 30 zeros, then counts.
    tied = _tied(values)

    def strength(a: int, b: int, c: int) -> float:
        step = _edge(values[a:b], b - a) - _edge(values[b:c], 0.0)
        before, after = ((max(_ROUNDING, _spread(values[i:j])) if tied else variance) for i, j in ((a, b), (b, c)))
        return abs(step) / float(np.sqrt(4 * before / (b - a) + 4 * after / (c - b)))

    edges = [0, *map(int, found), values.size]
    strengths = [strength(*edges[place : place + 3]) for place in range(len(edges) - 2)]
    while strengths and min(strengths) <= ABRUPT:
        weakest = strengths.index(min(strengths))
        del edges[weakest + 1], strengths[weakest]
        for place in (weakest - 1, weakest):  # the steps beside it have a longer segment now
            if 0 <= place < len(strengths):
                strengths[place] = strength(*edges[place : place + 3])
    return np.asarray(edges[1:-1], dtype=np.int64)


def _edge(segment: FloatArray, at: float) -> float:
    """Value at position `at` of the line fitted to a segment; its variance is 4 σ² / m at either end."""
    position = np.arange(segment.size) - (segment.size - 1) / 2
    slope = float(position @ segment) / float(position @ position)
    return float(segment.mean()) + slope * (at - segment.size / 2)


def _spread(segment: FloatArray) -> float:
    """Long-run variance about the line fitted to a segment."""
    position = np.arange(segment.size) - (segment.size - 1) / 2
    left = segment - segment.mean()
    left = left - position * (float(position @ left) / float(position @ position))
    square = float(left @ left)
    if square == 0.0 or segment.size < 3:
        return 0.0
    memory = float(np.clip(left[1:] @ left[:-1] / square + 4 / segment.size, 0.0, 0.95))  # two coefficients were fitted
    return square / max(segment.size - 2, 1) * (1 + memory) / (1 - memory)


def _scale(x: FloatArray) -> float:
    """Standard deviation by the median absolute deviation, which a few jumps do not move."""
    away = x - np.median(x)
    return float(np.median(np.abs(away, out=away), overwrite_input=True) / 0.6744897501960817)
