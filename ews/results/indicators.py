"""An indicator over time, and where it lies under the null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.alarms import Alarm
from ews._common.lazy import lazy_arrays
from ews._common.publish import public
from ews.series import TimeArray

__all__ = ["ARROWS", "IndicatorSeries", "SurrogateBand"]

FloatArray = npt.NDArray[np.float64]

ARROWS = {"up": "rises", "down": "falls", "both": "rises or falls"}


@public("ews.results")
@dataclass(frozen=True, slots=True, eq=False)
class IndicatorSeries:
    """One indicator over time, each value stamped with the right edge of its window.

    Attributes
    ----------
    name, label : str
        Registered name, and what a figure calls it.
    alarm : {"up", "down", "both"}
        Which direction warns.
    values : ndarray of shape (n,)
        NaN before the first full window.
    time : ndarray of shape (n,)
        The series' times.
    """

    name: str
    label: str
    alarm: Alarm
    values: FloatArray
    time: TimeArray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __len__(self) -> int:
        return int(self.values.size)


@public("ews.results")
@lazy_arrays("lower", "median", "upper")
@dataclass(frozen=True, eq=False)
class SurrogateBand:
    """Where an indicator lies, time by time, under the null.

    Attributes
    ----------
    lower, median, upper : ndarray of shape (n,)
        Pointwise 2.5 %, 50 % and 97.5 % quantiles over surrogates; NaN before the first full window.
    """

    lower: FloatArray
    median: FloatArray
    upper: FloatArray
