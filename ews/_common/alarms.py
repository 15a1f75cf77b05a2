"""When a statistic alarms: p-values against surrogates, alone and several together, and the direction that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "SUFFICIENT_POWER",
    "Alarm",
    "ClosedTest",
    "Statistic",
    "closed_test",
    "count_warnings",
    "hardly_more",
    "two_sided",
    "upper",
    "westfall_young",
]

FloatArray = npt.NDArray[np.float64]
Alarm = Literal["up", "down", "both"]
# Silence is taken for safety where so many of the positive controls would have been warned of.
SUFFICIENT_POWER = 0.8
# A warning is evidence in so far as it comes more often where resilience is lost (power) than where nothing changes (at
# most alpha); below this ratio it says hardly anything.
LEAST_RATIO = 2.0


def hardly_more(power: float, alpha: float) -> bool:
    """Whether a test of this power warns hardly more often of a loss of resilience than of nothing."""
    return power < LEAST_RATIO * alpha


@dataclass(frozen=True, slots=True)
class Statistic:
    """How one statistic is tested."""

    alarm: Alarm = "both"  # the direction that warns
    # 2 for a trend, which may leave the null either way and warns in one; 1 for evidence, of which only more counts.
    sides: Literal[1, 2] = 2
    # Its share of the level of a joint test, relative to the others': p is divided by it before the smallest counts.
    weight: float = 1.0

    def pvalues(self, observed: FloatArray, surrogate: FloatArray) -> FloatArray:
        """p of each observed value; NaN for NaN."""
        return two_sided(observed, surrogate) if self.sides == 2 else upper(observed, surrogate)

    def warns(self, observed: FloatArray, pvalue: FloatArray, alpha: float) -> npt.NDArray[np.bool_]:
        """Whether p is at most `alpha` and the value lies in the direction of alarm; never for NaN."""
        found = np.asarray(pvalue <= alpha) & ~np.isnan(observed)
        if self.sides == 1 or self.alarm == "both":
            return np.asarray(found)
        return np.asarray(found & (np.sign(observed) == (1.0 if self.alarm == "up" else -1.0)))


def two_sided(observed: FloatArray, surrogate: FloatArray) -> FloatArray:
    """Two-sided p of each observed value: 2 min(p↑, p↓), each p = (1 + r) / (1 + n).

    An observed NaN gives NaN; a NaN among the surrogates counts as extreme on both sides.
    """
    n = surrogate.size
    undefined = int(np.isnan(surrogate).sum())
    ordered = np.sort(surrogate[~np.isnan(surrogate)])
    at_least = ordered.size - np.searchsorted(ordered, observed, side="left") + undefined
    at_most = np.searchsorted(ordered, observed, side="right") + undefined
    p = np.minimum(1.0, 2.0 * (1.0 + np.minimum(at_least, at_most)) / (1.0 + n))
    return np.where(np.isnan(observed) | (n == 0), np.nan, p)


def upper(observed: FloatArray, surrogate: FloatArray) -> FloatArray:
    """One-sided p of each observed value, p = (1 + r) / (1 + n), r the surrogates that are as large.

    An observed NaN gives NaN; a NaN among the surrogates counts as large.
    """
    n = surrogate.size
    undefined = int(np.isnan(surrogate).sum())
    ordered = np.sort(surrogate[~np.isnan(surrogate)])
    at_least = ordered.size - np.searchsorted(ordered, observed, side="left") + undefined
    return np.where(np.isnan(observed) | (n == 0), np.nan, (1.0 + at_least) / (1.0 + n))


def westfall_young(
    observed: FloatArray, surrogate: FloatArray, statistics: Sequence[Statistic] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Single and min-p adjusted p-values of several statistics over joint surrogates.

    Every surrogate gets the p-value that it would have had in the observed series' place, among the others and the
    observed one; the smallest of these over the statistics is what an observed p-value is held against.

    Parameters
    ----------
    observed : ndarray of shape (statistics,)
        Trends or evidence; one that is NaN takes no part.
    surrogate : ndarray of shape (statistics, n)
        The joint values of each surrogate.
    statistics : sequence of Statistic, optional
        How each is tested (default: all two-sided).

    Returns
    -------
    single, adjusted : ndarray of shape (statistics,)
        p-values; NaN where the value is NaN or there are no surrogates.

    References
    ----------
    Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing, ch. 2 (single-step min-p). Wiley.
    Genovese, C. R., Roeder, K. & Wasserman, L. (2006). False discovery control with p-value weighting. Biometrika 93,
    509–524: weights.
    """
    k, n = surrogate.shape
    tested = [Statistic()] * k if statistics is None else statistics
    single = np.array([tested[i].pvalues(observed[i : i + 1], surrogate[i])[0] for i in range(k)]).reshape(k)
    adjusted = np.full(k, np.nan)
    used = np.flatnonzero(~np.isnan(single))
    if used.size:
        weights = np.array([one.weight for one in tested])
        pooled = [_pooled(observed[i], surrogate[i], tested[i].sides) / weights[i] for i in range(k) if i in used]
        smallest = np.min(pooled, axis=0)
        counts = (smallest[None, :] <= (single / weights)[used, None]).sum(axis=1)
        adjusted[used] = np.maximum((1.0 + counts) / (1.0 + n), single[used])
    return single, adjusted


def count_warnings(values: FloatArray, table: FloatArray, statistics: Sequence[Statistic], alpha: float) -> int:
    """How many columns of `values`, of shape (statistics, series), warn against `table`, (statistics, surrogates)."""
    n = table.shape[1]
    # Each surrogate counts itself: slightly conservative.
    each = np.stack([one.pvalues(row, row) for one, row in zip(statistics, table, strict=True)])
    least = np.array([[one.sides / (1.0 + n)] for one in statistics])
    weights = np.array([[one.weight] for one in statistics])
    own = (np.where(np.isnan(each), least, each) / weights).min(axis=0)
    pvalues = np.stack([one.pvalues(values[i], table[i]) for i, one in enumerate(statistics)])
    adjusted = (1.0 + (own[None, None, :] <= (pvalues / weights)[:, :, None]).sum(axis=2)) / (1.0 + n)
    adjusted = np.maximum(adjusted, pvalues)  # as in the test; and NaN, which warns of nothing, where a trend is NaN
    warns = [one.warns(values[i], adjusted[i], alpha) for i, one in enumerate(statistics)]
    return int(np.any(warns, axis=0).sum())


def closed_test(
    observed: FloatArray, surrogate: FloatArray, statistics: Sequence[Statistic]
) -> tuple[FloatArray, FloatArray]:
    """Single and family-wise p-values of several statistics by closed testing with min-p over joint surrogates.

    A hypothesis falls where every intersection of hypotheses that holds it falls, each tested by the smallest weighted
    p among its members. Once one is beyond doubt, the others are no longer charged for it (single-step min-p would).

    Parameters
    ----------
    observed : ndarray of shape (statistics,)
        What is tested; one that is NaN takes no part.
    surrogate : ndarray of shape (statistics, n)
        The joint values of each surrogate.
    statistics : sequence of Statistic
        How each is tested.

    Returns
    -------
    single, adjusted : ndarray of shape (statistics,)
        p-values; NaN where the value is NaN or there are no surrogates.

    References
    ----------
    Marcus, R., Peritz, E. & Gabriel, K. R. (1976). On closed testing procedures with special reference to ordered
    analysis of variance. Biometrika 63, 655–660. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple
    testing, ch. 2. Wiley. Genovese, C. R., Roeder, K. & Wasserman, L. (2006). False discovery control with p-value
    weighting. Biometrika 93, 509–524.
    """
    k, n = surrogate.shape
    single = np.array([statistics[i].pvalues(observed[i : i + 1], surrogate[i])[0] for i in range(k)]).reshape(k)
    adjusted = np.full(k, np.nan)
    used = [int(i) for i in np.flatnonzero(~np.isnan(single))]
    weighted = {i: _pooled(observed[i], surrogate[i], statistics[i].sides) / statistics[i].weight for i in used}
    for members in _intersections(used):
        smallest = np.min([weighted[i] for i in members], axis=0)
        own = min(single[i] / statistics[i].weight for i in members)
        p = (1.0 + np.count_nonzero(smallest <= own)) / (1.0 + n)
        for i in members:
            adjusted[i] = np.fmax(adjusted[i], max(p, single[i]))
    return single, adjusted


class ClosedTest:
    """:func:`closed_test` of many at one level, held against one table, (statistics, surrogates).

    In the table each surrogate counts itself: slightly conservative.
    """

    def __init__(self, table: FloatArray, statistics: Sequence[Statistic], alpha: float) -> None:
        n = table.shape[1]
        self._table, self._statistics, self._alpha = np.sort(table, axis=1), statistics, alpha  # NaN last
        self._weights = np.array([[one.weight] for one in statistics])
        own = np.stack([one.pvalues(row, row) for one, row in zip(statistics, table, strict=True)]) / self._weights
        own = np.where(np.isnan(own), 0.0, own)
        # How many surrogates may have as small a p where the intersection is rejected; -1: it never is.
        allowed = int(np.count_nonzero((1.0 + np.arange(n)) / (1.0 + n) <= alpha)) - 1
        self._bounds = []  # of each intersection: the weighted p that the least of its members has to lie below
        for members in map(list, _intersections(range(len(statistics)))):
            smallest = own[members[0]] if len(members) == 1 else own[members].min(axis=0)
            bound = float(np.partition(smallest, allowed)[allowed]) if allowed >= 0 else -np.inf
            self._bounds.append((members, bound))

    def claims(self, values: FloatArray) -> npt.NDArray[np.bool_]:
        """Which statistics of which columns of `values`, (statistics, series), are rejected."""
        table, tested = self._table, self._statistics
        pvalues = np.stack([one.pvalues(values[i], table[i]) for i, one in enumerate(tested)]) / self._weights
        claimed = pvalues * self._weights <= self._alpha
        known = np.where(np.isnan(pvalues), np.inf, pvalues)
        for members, bound in self._bounds:
            claimed[members] &= (known[members] < bound).any(axis=0)
        return np.asarray(claimed)


def _intersections(hypotheses: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Every set of hypotheses but the empty one."""
    each = list(hypotheses)
    for size in range(1, len(each) + 1):
        yield from combinations(each, size)


def _pooled(observed: float, surrogate: FloatArray, sides: int) -> FloatArray:
    """p of each surrogate in the pool of all surrogates and the observed value."""
    pool = np.append(surrogate, observed)
    high, low = np.sort(np.where(np.isnan(pool), np.inf, pool)), np.sort(np.where(np.isnan(pool), -np.inf, pool))
    at_least = pool.size - np.searchsorted(high, surrogate, side="left")
    at_most = np.searchsorted(low, surrogate, side="right")
    fewest = np.where(np.isnan(surrogate), 1, np.minimum(at_least, at_most) if sides == 2 else at_least)
    return np.minimum(1.0, sides * fewest / pool.size)
