"""The four statistics of :func:`ews.score_tests`: from residuals as rows to the largest score over the shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.shapes import SHAPES
from ews._common.alarms import Statistic

__all__ = ["FAR", "STATISTICS", "Scored", "bounded", "robust_residual", "score"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """How one statistic is read off the scores, and tested."""

    name: str  # what it is called
    row: int  # row of the kernel's output
    sign: float  # +1 for a drift upwards, −1 for one downwards
    shapes: tuple[int, ...]  # over which shapes the largest score counts
    weight: float  # its share of the level of the joint test
    warns: bool  # whether it speaks of lost resilience; noise that grows does not

    @property
    def tested(self) -> Statistic:
        """One-sided: only a drift in its direction counts."""
        return Statistic(alarm="up", sides=1, weight=self.weight)


_LINEAR = (SHAPES.index("linear"),)
# Weights were chosen on simulations: most transitions come towards +1 and are hard to see, a flip is easy.
STATISTICS = (
    Scored("memory towards +1", 0, 1.0, tuple(range(len(SHAPES))), 2.0, True),
    Scored("memory towards −1", 0, -1.0, _LINEAR, 0.5, True),
    Scored("damping", 1, 1.0, _LINEAR, 1.5, True),
    Scored("variance", 2, 1.0, _LINEAR, 1.0, False),
)


# Robust standard deviations beyond which a sample pulls the smoother along, and says nothing of memory. Gaussian noise
# does not reach them.
FAR = 5.0
_PASSES = 3


def robust_residual(rows: FloatArray, residual_of: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Residuals, outliers at their full size, of a smoother that far outliers do not pull along.

    Where a residual lies beyond five robust standard deviations, the row is smoothed again with it pulled in to there.
    """
    residual = residual_of(rows)
    for _ in range(_PASSES):
        pulled = bounded(residual, FAR)
        far = np.flatnonzero((pulled != residual).any(axis=1))
        if not far.size:
            break
        tamed = rows[far] - residual[far] + pulled[far]
        residual[far] = rows[far] - tamed + residual_of(tamed)
    return residual


def bounded(residual: FloatArray, limit: float, *, far: float = math.inf) -> FloatArray:
    """A copy of residuals with outliers pulled in, or left out, so that no few samples decide.

    They are pulled in to `limit` (infinity: nowhere) and left out (NaN) beyond `far`, both in units of 1.4826 times the
    median absolute residual.
    """
    from ews._kernels.score import winsorise_rows

    out = np.empty_like(residual)
    winsorise_rows(np.require(residual, np.float64, ("C", "W")), limit, far, out)
    return out


def score(residual: FloatArray, shapes: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """The statistics of each row, (4, rows), and its scores of memory, damping, variance, innovations, (rows, 4, 3).

    A statistic is the largest score over its shapes; NaN where not defined. For `limit` see :func:`bounded`.
    """
    from ews._kernels.score import score_rows

    rows = residual.shape[0]
    scores = np.empty((rows, 4, len(shapes)))
    residual = np.require(residual, np.float64, ("C", "W"))
    score_rows(residual, bounded(residual, limit, far=FAR), shapes, scores)
    largest = [(one.sign * scores[:, one.row][:, list(one.shapes)]).max(axis=1) for one in STATISTICS]
    return np.stack(largest), scores
