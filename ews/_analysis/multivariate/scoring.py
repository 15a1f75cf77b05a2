"""The four statistics of several variables: scores of drift along their modes, from records to one number each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ews._analysis.multivariate.modes import Modes, modes_of, projected, radial
from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import STATISTICS, bounded, robust_residual, score
from ews._analysis.score_tests.testing import ROUNDING
from ews.errors import ArgumentError

__all__ = ["LIMIT", "TESTED", "MultivariateScoring"]

FloatArray = npt.NDArray[np.float64]

# Robust standard deviations to which outliers are pulled in, as of one series.
LIMIT = 2.5
# Of the size of the leading mode: smaller modes are not asked for a loss of stability of a kind that it is far from.
LEADING = 0.5
# Shares of the level. A mode that alternates is one of several, so that its lost stability is harder to see than in one
# series.
_SHARES = (2.0, 1.5, 1.5, 0.75)
TESTED = [one.tested(share) for one, share in zip(STATISTICS, _SHARES, strict=True)]
_SLOW, _ALTERNATING, _DAMPING, _VARIANCE = range(len(STATISTICS))


@dataclass(frozen=True, eq=False)
class MultivariateScoring:
    """How records of several variables and their surrogates are scored: detrended, bounded, projected on their modes.

    Memory is that of the first and of the last min/max autocorrelation factor, damping that of the leading oscillation
    of the VAR(1) map, all found anew in each record; the variance is that of the variables, on average.
    """

    pipeline: MultivariatePipeline

    def __post_init__(self) -> None:
        if self.pipeline.plan.method == "difference":
            allowed = "a smoother, a line or None: differences keep nothing of the memory that could drift"
            raise ArgumentError("detrend", "difference", allowed)

    @cached_property
    def shapes(self) -> FloatArray:
        """The shapes of a drift, of shape (3, n)."""
        return weights(self.pipeline.n)

    def residual(self, rows: FloatArray) -> FloatArray:
        """What detrending leaves of records, (rows, variables, n), without far outliers pulling it along.

        A causal smoother is left as it is: what is far out is judged by the spread of the whole record.
        """
        flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[2]))
        if self.pipeline.plan.causal:
            found = self._left_of(flat)
        else:
            found = robust_residual(flat, self._left_of)
        return found.reshape(rows.shape)

    def _left_of(self, flat: FloatArray) -> FloatArray:
        residual = flat - self.pipeline.plan.rows(flat)
        return np.where(np.abs(residual) <= ROUNDING * np.abs(flat), 0.0, residual)

    def bounded(self, residual: FloatArray) -> FloatArray:
        """Residuals with outliers pulled in, of the same shape."""
        return bounded(residual.reshape(-1, residual.shape[2]), LIMIT).reshape(residual.shape)

    def left(self, rows: FloatArray) -> FloatArray:
        """What nulls are fitted to: residuals of records, outliers pulled in."""
        return self.bounded(self.residual(rows))

    def standard(self, residual: FloatArray) -> FloatArray:
        """Residuals with outliers pulled in, of mean 0 and variance 1 (of a variable that does not vary: 0)."""
        x = self.bounded(residual)
        x = x - x.mean(axis=2, keepdims=True)
        size = np.sqrt(np.mean(x * x, axis=2, keepdims=True))
        return np.asarray(np.divide(x, size, out=np.zeros_like(x), where=size > 0.0))

    def statistics(self, rows: FloatArray) -> FloatArray:
        """The four statistics of records, (4, rows), detrended first."""
        x = self.standard(self.residual(rows))
        return self.scores(x, modes_of(x))[0]

    def scores(self, x: FloatArray, modes: Modes) -> tuple[FloatArray, FloatArray]:
        """The four statistics of standard residuals, (4, rows), and the scores of memory, (2, rows, shapes).

        What a mode is asked after depends on what it does: where nothing alternates, or nothing oscillates, at half the
        size of the leading mode at least, that score is 0, which is no evidence of anything.
        """
        count, variables, n = x.shape
        slow, fast = projected(modes.slow, x), projected(modes.fast, x)
        memory = np.stack([score(one, self.shapes, LIMIT)[1][:, 0] for one in (slow, fast)])
        each = score(np.ascontiguousarray(x.reshape(-1, n)), self.shapes, LIMIT)[1][:, 2, 0]
        # A variable that does not vary has no variance to grow.
        variance = np.nan_to_num(each).reshape(count, variables).sum(axis=1)
        sizes = np.stack([_lagged(slow), -_lagged(fast), np.abs(modes.value)])
        leads = sizes >= LEADING * sizes.max(axis=0)
        alternating = np.where(leads[1] & (sizes[1] > 0.0), -memory[1, :, 0], 0.0)
        damping = np.where(leads[2] & (sizes[2] > 0.0), self._damping(x, modes), 0.0)
        return np.stack([memory[0].max(axis=1), alternating, damping, variance]), memory

    def _damping(self, x: FloatArray, modes: Modes) -> FloatArray:
        """Score of a linear drift of the modulus of the pair: that of memory along its radius."""
        before, after = radial(modes, x)
        power, w = before * before, self.shapes[0, 1:]
        total = np.maximum(power.sum(axis=1, keepdims=True), 1e-300)
        modulus = (before * after).sum(axis=1, keepdims=True) / total
        middle = (w * power).sum(axis=1, keepdims=True) / total
        terms = (w - middle) * before * (after - modulus * before)
        size = np.sqrt((terms * terms).sum(axis=1))
        z = np.divide(terms.sum(axis=1), size, out=np.zeros_like(size), where=size > 0.0)
        return np.asarray(z)


def _lagged(rows: FloatArray) -> FloatArray:
    """Lag-1 coefficient of each row."""
    before, after = rows[:, :-1], rows[:, 1:]
    power = (before * before).sum(axis=1)
    return np.asarray(np.divide((before * after).sum(axis=1), power, out=np.zeros_like(power), where=power > 0.0))
