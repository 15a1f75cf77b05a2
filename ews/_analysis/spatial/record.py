"""Maps on their way through :func:`ews.detect_spatial`: what every way of testing them starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.spatial.result import SpatialConfig
from ews._common.progress import ProgressOption
from ews.results import IndicatorSeries
from ews.spatial.grids import FloatArray, Grids
from ews.spatial.registry import SpatialIndicator
from ews.spatial.surrogates import SpatialNull
from ews.trends import TrendMethod

__all__ = ["Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """Cleaned maps with their indicators, before anything is tested."""

    grids: Grids
    measured_on: FloatArray  # (n, y, x): less what was taken out of each, cells averaged over blocks
    chosen: list[SpatialIndicator]
    table: FloatArray  # (indicators, n)
    config: SpatialConfig
    trend: TrendMethod
    null: SpatialNull
    detrend_sentence: str
    progress: ProgressOption

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a result that do not depend on how it is tested."""
        return {
            "grids": self.grids,
            "indicators": {
                one.name: IndicatorSeries(one.name, one.label, one.alarm, values, self.grids.time)
                for one, values in zip(self.chosen, self.table, strict=True)
            },
            "detrend_sentence": self.detrend_sentence,
            "config": self.config,
        }

    def trends(
        self, trend_of: Callable[[FloatArray, TrendMethod, float], FloatArray]
    ) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        """Which indicators are defined in all maps, and the trend of these; NaN of the others."""
        defined = np.asarray(np.isfinite(self.table).all(axis=1))
        return defined, np.where(defined, trend_of(self.table, self.trend, self.grids.step), np.nan)
