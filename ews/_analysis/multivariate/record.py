"""Several variables on their way through :func:`ews.detect_multivariate`: what every test of them starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.multivariate.result import MultivariateConfig
from ews._common.progress import ProgressOption
from ews._common.values import SpreadWithLevel, ValueCounts
from ews.results import IndicatorSeries
from ews.series import Series

__all__ = ["Record"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Record:
    """Cleaned and detrended variables with their indicators, before anything is tested."""

    variables: Mapping[str, Series]
    counts: Mapping[str, ValueCounts]  # of the values as they were given
    spread: Mapping[str, SpreadWithLevel | None]
    pipeline: MultivariatePipeline
    # (variables, n): as analysed, what detrending took out, and what it left.
    values: FloatArray
    taken: FloatArray
    residual: FloatArray
    measured: list[FloatArray]  # indicators, each of shape (1, n)
    tau: FloatArray  # their trends
    config: MultivariateConfig
    progress: ProgressOption

    @property
    def time(self) -> Any:
        """The times of all variables."""
        return next(iter(self.variables.values())).time

    @property
    def obstacles(self) -> list[str]:
        """Why nothing can be told from values like these, if so."""
        return [f"{name}: {said}" for name, one in self.counts.items() for said in one.obstacles(self.pipeline.window)]

    @property
    def hints(self) -> list[str]:
        """What a reader should know beside the answer."""
        return [f"{name}: {one.sentence()}" for name, one in self.spread.items() if one is not None and one.matters]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a result that do not depend on how it is tested."""
        return {
            "variables": self.variables,
            "indicators": {
                one.name: IndicatorSeries(one.name, one.label, one.alarm, found[0], self.time)
                for one, found in zip(self.pipeline.indicators, self.measured, strict=True)
            },
            "config": self.config,
            "detrend_sentence": self.pipeline.plan.sentence,
            "scale_sentence": self.pipeline.scale_sentence,
            "counts": self.counts,
            "spread": self.spread,
        }

    def split(self, residual: FloatArray) -> dict[str, Any]:
        """The fields of a result that depend on what was left, (variables, n)."""
        return {
            "trend": (self.values - residual).T.copy(),
            "residual": residual.T.copy(),
            "scale": self.pipeline.scale(residual[None])[0, :, 0],
        }
