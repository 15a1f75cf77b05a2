"""The pipeline that several variables and each of their surrogates go through: detrend, standardise, window, trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ews._significance.pipeline import TrendPipeline
from ews.multivariate.windows import Windows

if TYPE_CHECKING:
    from ews import trends
    from ews.detrend import DetrendPlan
    from ews.multivariate import MultivariateIndicator

__all__ = ["MultivariatePipeline"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MultivariatePipeline(TrendPipeline):
    """Detrending, standardising, windows and trend, resolved for series of one length."""

    plan: DetrendPlan  # detrending, of each variable alike
    indicators: Sequence[MultivariateIndicator]  # what is measured
    window: int  # window length in samples
    trend: trends.TrendMethod
    step: float
    # Shape of the data.
    samples: int
    variables: int
    standardize: bool  # whether each residual is divided by its standard deviation
    causal: bool  # whether that is the standard deviation of the first window rather than of the record

    @property
    def n(self) -> int:
        """Length of the record."""
        return self.samples

    @property
    def chunk_length(self) -> int:
        """Numbers that one row takes while it is measured, for cutting surrogates into chunks."""
        return self.n * self.variables

    @property
    def lost(self) -> int:
        """Samples that differencing costs."""
        return int(self.plan.method == "difference")

    def detrended(self, rows: FloatArray) -> FloatArray:
        """Residuals of rows of shape (rows, variables, n)."""
        if self.plan.method is None and self.plan.season is None:
            return rows
        flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[2]))
        return (flat - self.plan.rows(flat)).reshape(rows.shape)

    def surrogate_residual(self, rows: FloatArray) -> FloatArray:
        """Detrend surrogates of the residual again; a surrogate of differences is the residual."""
        if self.lost:
            return np.concatenate([np.full((*rows.shape[:2], 1), np.nan), rows], axis=2)
        return self.detrended(rows)

    def refitted(self, rows: FloatArray) -> FloatArray:
        """What a null would be fitted to in surrogates of the residual: detrended again, without what that costs."""
        return self.surrogate_residual(rows)[:, :, self.lost :]

    def scale(self, residual: FloatArray) -> FloatArray:
        """What each residual is divided by: shape (rows, variables, 1)."""
        if not self.standardize:
            return np.ones((*residual.shape[:2], 1))
        stop = self.window if self.causal else residual.shape[2]
        deviation = np.std(residual[:, :, self.lost : stop], axis=2, ddof=1, keepdims=True)
        return np.where(deviation > 0, deviation, 1.0)

    @property
    def scale_sentence(self) -> str:
        """What residuals are divided by before indicators are measured."""
        if not self.standardize:
            return "residuals measured in their own units"
        over = "the first window" if self.causal else "the record"
        return f"each residual divided by its standard deviation over {over}; surrogates by their own"

    def measure(self, residual: FloatArray) -> list[FloatArray]:
        """Indicators of residuals of shape (rows, variables, n), each of shape (rows, n)."""
        windows = Windows(residual / self.scale(residual), window=self.window, step=self.step)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return [indicator.compute(windows) for indicator in self.indicators]

    def measure_surrogates(self, surrogates: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Residuals and indicators of surrogates of the residuals."""
        residual = self.surrogate_residual(surrogates)
        return residual, self.measure(residual)
