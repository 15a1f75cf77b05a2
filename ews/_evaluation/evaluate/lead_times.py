"""How long before the transition a method has warned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews._common.result import Result

__all__ = ["LeadTimes", "lead_times", "stays_above"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, eq=False)
class LeadTimes(Result):
    """Lead times: how long before the transition a method that runs as data come in first warned.

    Attributes
    ----------
    threshold : float
        The warning is score ≥ threshold.
    ever : float
        Share of the negative records whose score reaches the threshold at any time: false alarms to one who looks
        again and again, and does not wait for the end of the record.
    lead : ndarray of shape (positives,)
        Time from the first score that reaches the threshold, with all later ones, to the transition; NaN where the
        last score does not.
    resolution : float
        Median time between two scores of a record: leads are known to this.
    """

    threshold: float
    ever: float
    lead: FloatArray
    resolution: float

    _shapes: ClassVar = {"positives": "lead"}

    @property
    def warned(self) -> float:
        """Share of the positive records that were warned of."""
        return float(np.mean(~np.isnan(self.lead)))

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the leads of those that were warned of; NaN where none was."""
        given = self.lead[~np.isnan(self.lead)]
        if not given.size:
            return (float("nan"),) * 3
        low, middle, high = np.quantile(given, [0.25, 0.5, 0.75])
        return float(low), float(middle), float(high)

    @property
    def median(self) -> float:
        """Median lead of those that were warned of."""
        return self.quartiles[1]


def lead_times(
    scores: FloatArray,
    times: FloatArray,
    transition: FloatArray,
    labels: npt.NDArray[np.bool_],
    threshold: float,
) -> LeadTimes:
    """Lead of each positive record (score ≥ threshold), and how often the negative records reach the threshold.

    Scores of the data up to each time, and those times, are of shape (records, times).
    """
    first = stays_above(scores[labels], threshold)
    warned = first < scores.shape[1]
    start = times[labels][np.arange(first.size), np.minimum(first, scores.shape[1] - 1)]
    steps = np.diff(times, axis=1)
    return LeadTimes(
        threshold=threshold,
        ever=float(np.mean((scores[~labels] >= threshold).any(axis=1))),
        lead=np.where(warned, transition[labels] - start, np.nan),
        resolution=float(np.median(steps)) if steps.size else float("nan"),
    )


def stays_above(scores: FloatArray, threshold: float) -> npt.NDArray[np.int64]:
    """First column from which on each row is at `threshold` or above; the number of columns where its last is not."""
    to_the_end = np.logical_and.accumulate((scores >= threshold)[:, ::-1], axis=1)
    return np.asarray(scores.shape[1] - to_the_end.sum(axis=1), dtype=np.int64)
