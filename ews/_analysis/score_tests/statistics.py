"""The four statistics of :func:`ews.score_tests`: from residuals as rows to the largest score over the shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.shapes import SHAPES
from ews._common.alarms import Statistic

__all__ = ["FAR", "STATISTICS", "Scored", "bounded", "largest", "robust_residual", "score"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """How one statistic is read off the scores, and tested."""

    name: str  # what it is called
    row: int  # row of the kernel's output
    sign: float  # +1 for a drift upwards, −1 for one downwards
    shapes: tuple[int, ...]  # over which shapes the largest score counts
    warns: bool  # whether it speaks of lost resilience; noise that grows does not

    def tested(self, share: float) -> Statistic:
        """One-sided, with its share of the level of a joint test: only a drift in its direction counts."""
        return Statistic(alarm="up", sides=1, weight=share)


_LINEAR = (SHAPES.index("linear"),)
STATISTICS = (
    Scored("memory towards +1", 0, 1.0, tuple(range(len(SHAPES))), True),
    Scored("memory towards −1", 0, -1.0, _LINEAR, True),
    Scored("damping", 1, 1.0, _LINEAR, True),
    Scored("variance", 2, 1.0, _LINEAR, False),
)


# Robust standard deviations beyond which a sample pulls the smoother along, and says nothing of memory. Gaussian noise
# does not reach them.
FAR = 5.0
_PASSES = 3


def robust_residual(rows: FloatArray, residual_of: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Residuals, outliers at their full size, of a smoother that far outliers do not pull along.

    Where a residual lies beyond five robust standard deviations, the row is smoothed again with it pulled in to there.
    """
    from ews._kernels.score import far_rows

    residual = np.array(residual_of(rows))  # where nothing is taken out they are the rows themselves
    suspects, left = np.arange(rows.shape[0]), residual  # rows that may have far outliers, and what is left of them
    for _ in range(_PASSES):
        found = np.empty(suspects.size, dtype=np.bool_)
        far_rows(np.require(left, np.float64, "C"), FAR, found)
        if not found.any():
            break
        suspects, left = suspects[found], left[found]
        tamed = rows[suspects] - left + bounded(left, FAR)
        left = rows[suspects] - tamed + residual_of(tamed)
        residual[suspects] = left
    return residual


def bounded(residual: FloatArray, limit: float, *, far: float = math.inf) -> FloatArray:
    """A copy of residuals with outliers pulled in, or left out, so that no few samples decide.

    They are pulled in to `limit` (infinity: nowhere) and left out (NaN) beyond `far`, both in units of 1.4826 times the
    median absolute residual.
    """
    from ews._kernels.score import winsorise_rows

    out = np.empty_like(residual)
    winsorise_rows(np.require(residual, np.float64, "C"), limit, far, out)
    return out


def score(residual: FloatArray, shapes: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """The statistics of each row, (4, rows), and its scores of memory, damping and variance, (rows, 3, shapes).

    A statistic is the largest score over its shapes; NaN where not defined. Damping and variance have scores of the
    first shape only. For `limit` see :func:`bounded`.
    """
    from ews._kernels.score import score_rows

    scores = np.empty((residual.shape[0], 3, len(shapes)))
    score_rows(np.require(residual, np.float64, "C"), np.require(shapes, np.float64, "C"), limit, FAR, scores)
    return largest(scores), scores


def largest(scores: FloatArray) -> FloatArray:
    """The statistics, (4, rows), that scores of memory, damping and variance, (rows, 3, shapes), come to."""
    found = np.empty((len(STATISTICS), scores.shape[0]))
    for one, row in zip(STATISTICS, found, strict=True):
        signed = one.sign * scores[:, one.row, list(one.shapes)]
        signed.max(axis=1, out=row)
    return found
