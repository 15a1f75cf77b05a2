"""The four statistics of maps over time: scores of drift, pooled over spatial modes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import STATISTICS, bounded, robust_residual, score
from ews._analysis.score_tests.testing import ROUNDING
from ews.detrend import DetrendPlan
from ews.spatial.grids import FloatArray

__all__ = ["LIMIT", "TESTED", "SpatialScoring"]

# Robust standard deviations to which outliers are pulled in, as of one series.
LIMIT = 2.5
# Shares of the level: what spreads over a map comes towards +1.
_SHARES = (2.2, 0.8, 0.6, 0.9)
TESTED = [one.tested(share) for one, share in zip(STATISTICS, _SHARES, strict=True)]
_STEPS = 2


@dataclass(frozen=True, eq=False)
class SpatialScoring:
    """How amplitudes of modes and their surrogates are scored: detrended in time, and the scores of all added up.

    Before memory and damping are scored, a growth of the noise that all modes share is taken out: each score stands it,
    but what is left of it in one is the same in all, and adds up.
    """

    plan: DetrendPlan

    @cached_property
    def shapes(self) -> FloatArray:
        """The shapes of a drift, of shape (3, n)."""
        return weights(self.plan.n)

    def residual(self, rows: FloatArray) -> FloatArray:
        """What detrending leaves of amplitudes, (rows, modes, n)."""

        def left_of(flat: FloatArray) -> FloatArray:
            residual = flat - self.plan.rows(flat)
            return np.where(np.abs(residual) <= ROUNDING * np.abs(flat), 0.0, residual)

        flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[2]))
        return robust_residual(flat, left_of).reshape(rows.shape)

    def left(self, rows: FloatArray) -> FloatArray:
        """Residuals with outliers pulled in."""
        return bounded(self.residual(rows).reshape(-1, rows.shape[2]), LIMIT).reshape(rows.shape)

    def even(self, residual: FloatArray) -> FloatArray:
        """Residuals without the linear growth of their log variance that all modes share."""
        for _ in range(_STEPS):
            slope = _logs(residual).mean(axis=1) @ self.shapes[0]
            residual = residual * np.exp(-0.5 * slope[:, None, None] * self.shapes[0])
        return residual

    def statistics(self, rows: FloatArray) -> FloatArray:
        """The four statistics of amplitudes, (4, rows), over the square root of how many modes there are."""
        return self.scores(rows)[0]

    def scores(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The four statistics, and the scores of memory behind them, (rows, shapes)."""
        count, modes, n = rows.shape
        residual = self.residual(rows)
        growth = _logs(residual).sum(axis=1) @ self.shapes[0]
        flat = np.ascontiguousarray(self.even(residual).reshape(-1, n))
        each = np.nan_to_num(score(flat, self.shapes, LIMIT)[1]).reshape(count, modes, 3, len(self.shapes))
        pooled = each.sum(axis=1) / np.sqrt(modes)
        memory, damping = pooled[:, 0], pooled[:, 1, 0]
        return np.stack([memory.max(axis=1), -memory[:, 0], damping, growth / np.sqrt(modes)]), memory


def _logs(residual: FloatArray) -> FloatArray:
    """Log of squares in units of their mean, kept from minus infinity."""
    squares = residual * residual
    size = squares.mean(axis=2, keepdims=True)
    return np.asarray(np.log(np.divide(squares, size, out=np.zeros_like(squares), where=size > 0.0) + 0.05))
