"""AUC of many bootstrap samples at once: each sample is a set of weights on the observed scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Ordered", "areas", "auc_of", "curves", "newcombe_interval", "resampled_weights", "strata_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Weights held at once: 32 MB.
CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class Ordered:
    """Scores in ascending order, with the place of each among the distinct ones."""

    distinct: FloatArray  # (k,): the distinct scores, ascending
    # Which scores are of positive and of negative cases, each in ascending order.
    positive: IntArray
    negative: IntArray
    # (k + 1,): where in those each distinct score begins.
    positive_starts: IntArray
    negative_starts: IntArray

    @classmethod
    def of(cls, scores: FloatArray, labels: BoolArray) -> Ordered:
        """Sort once for all samples."""
        distinct, place = np.unique(scores, return_inverse=True)
        order = np.argsort(place, kind="stable")
        positive, negative = order[labels[order]], order[~labels[order]]
        edges = np.arange(distinct.size + 1)
        return cls(
            distinct,
            positive,
            negative,
            np.searchsorted(place[positive], edges),
            np.searchsorted(place[negative], edges),
        )

    def shares(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Share of the positive and of the negative weight below each distinct score and above the last: (rows, k+1).

        Weights are whole numbers, so their running sums are exact.
        """
        below_positive = _below(weights[:, self.positive], self.positive_starts)
        below_negative = _below(weights[:, self.negative], self.negative_starts)
        return below_positive / below_positive[:, -1:], below_negative / below_negative[:, -1:]


def _below(weights: FloatArray, starts: IntArray) -> FloatArray:
    running = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=running[:, 1:])
    return running[:, starts]


def auc_of(ordered: Ordered, weights: FloatArray) -> FloatArray:
    """Weighted AUC of each row of weights: P(positive > negative) + P(equal) / 2 (Mann & Whitney 1947)."""
    return areas(*ordered.shares(weights))


def areas(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Areas from shares of weight below each distinct score."""
    # A positive at distinct score u beats the negatives below u, and half of those at u.
    return np.asarray(0.5 * np.einsum("ij,ij->i", np.diff(positive, axis=1), negative[:, :-1] + negative[:, 1:]))


def curves(positive: FloatArray, negative: FloatArray, grid: FloatArray) -> FloatArray:
    """Detection rate at the false-alarm rates of `grid` for each row of shares, ties joined by straight lines."""
    out = np.empty((positive.shape[0], grid.size))
    for row in range(out.shape[0]):
        x, y = 1.0 - negative[row, ::-1], 1.0 - positive[row, ::-1]
        last = np.append(x[1:] > x[:-1], True)  # at a vertical step, its upper end
        out[row] = np.interp(grid, x[last], y[last])
    return out


def strata_of(labels: BoolArray, groups: IntArray) -> list[IntArray]:
    """Groups with positive cases only, with negative ones only, and with both: each is resampled within itself."""
    n = int(groups.max()) + 1
    has_positive = np.bincount(groups, weights=labels, minlength=n) > 0
    has_negative = np.bincount(groups, weights=~labels, minlength=n) > 0
    kind = 2 * has_positive + has_negative
    return [np.flatnonzero(kind == one) for one in (1, 2, 3) if (kind == one).any()]


def resampled_weights(labels: BoolArray, groups: IntArray, *, n_bootstrap: int, seed: int) -> Iterator[FloatArray]:
    """How often each score is in each stratified bootstrap sample, in chunks of shape (rows, n).

    Whole groups are drawn with replacement, so that the scores of one record stay together.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    strata = strata_of(labels, groups)
    n = int(groups.max()) + 1
    rows = max(1, CHUNK // max(labels.size, n))
    for first in range(0, n_bootstrap, rows):
        count = min(rows, n_bootstrap - first)
        times = np.empty((count, n))
        for members in strata:
            drawn = generator.integers(members.size, size=(count, members.size))
            drawn += members.size * np.arange(count)[:, None]
            counted = np.bincount(drawn.ravel(), minlength=count * members.size)
            times[:, members] = counted.reshape(count, members.size)
        yield times[:, groups]


def newcombe_interval(auc: float, positive: int, negative: int, level: float) -> tuple[float, float]:
    """Score interval of an AUC, which stays within [0, 1] and is not empty at its ends (Newcombe 2006, method 5)."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.isf((1.0 - level) / 2.0))
    size = 0.5 * (positive + negative) - 1.0

    def distance(theta: float, sign: float) -> float:
        # Hanley & McNeil's (1982) variance for exponential scores, with both sizes replaced by their mean.
        spread = 1.0 + size * (1.0 - theta) / (2.0 - theta) + size * theta / (1.0 + theta)
        variance = max(theta * (1.0 - theta), 0.0) * spread / (positive * negative)
        return theta - auc + sign * z * float(np.sqrt(variance))

    inside = min(max(auc, 1e-9), 1.0 - 1e-9)  # at 0 and 1 themselves the distance vanishes without an interval
    lower = 0.0 if auc <= 0.0 else brentq(distance, 0.0, inside, args=(1.0,), xtol=1e-12)
    upper = 1.0 if auc >= 1.0 else brentq(distance, inside, 1.0, args=(-1.0,), xtol=1e-12)
    return float(lower), float(upper)
