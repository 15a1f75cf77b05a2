"""A record on its way through :func:`ews.detect`: what every way of testing it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.sampling import Sampling
from ews._common.progress import ProgressOption
from ews._common.values import SpreadWithLevel, ValueCounts
from ews._significance.pipeline import Pipeline
from ews._significance.windows import SurrogateTest
from ews.results import DetectConfig, IndicatorSeries
from ews.series import Series

__all__ = ["Record"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Record:
    """A cleaned and detrended series with its indicators, before anything is tested."""

    series: Series
    counts: ValueCounts  # of the values as they were given
    spread: SpreadWithLevel | None
    pipeline: Pipeline
    sampling: Sampling | None  # how it was observed, where that was not evenly, completely and finely
    residual: FloatArray  # (n,)
    measured: list[FloatArray]  # indicators, each of shape (1, n)
    tau: FloatArray  # their trends
    config: DetectConfig
    test: SurrogateTest
    progress: ProgressOption

    @property
    def finite(self) -> FloatArray:
        """The part of the residual that nulls are fitted to: without the sample that differencing costs."""
        return self.residual[np.isfinite(self.residual)]

    @property
    def indicators(self) -> dict[str, IndicatorSeries]:
        """The indicators as a result has them."""
        return {
            one.name: IndicatorSeries(one.name, one.label, one.alarm, values[0], self.series.time)
            for one, values in zip(self.pipeline.indicators, self.measured, strict=True)
        }

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why nothing can be told from values like these, if so."""
        return self.counts.obstacles(self.config.window)

    @property
    def hints(self) -> tuple[str, ...]:
        """What a reader should know beside the answer."""
        return (self.spread.sentence(),) if self.spread is not None and self.spread.matters else ()

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a detection that do not depend on how it is tested."""
        return {
            "series": self.series,
            "indicators": self.indicators,
            "config": self.config,
            "detrend_sentence": self.pipeline.plan.sentence,
            "counts": self.counts,
            "spread": self.spread,
        }

    def steps(self) -> list[str]:
        """What may settle an inconclusive answer, beside a longer record."""
        found, steps = self.series.sampling.season, []
        if self.config.season is None and found is not None and found.notable:
            steps.append(f"season={found.period}, which takes out the cycle of a {found.cycle}")
        return steps
