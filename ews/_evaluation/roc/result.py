"""What :func:`ews.roc` and :func:`ews.compare_roc` return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.publish import public
from ews._common.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews._common.layout import Report

__all__ = ["Roc", "RocDifference"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, eq=False)
class Roc(Result):
    """A receiver operating characteristic: detections against false alarms over all thresholds.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        The score of each case; larger speaks for a positive.
    labels : ndarray of shape (n,), bool
        Which cases are positive.
    fpr, tpr : ndarray of shape (k + 1,)
        False-alarm rate and detection rate where the alarm is score ≥ threshold, from (0, 0) to (1, 1).
    thresholds : ndarray of shape (k + 1,)
        ∞, then the distinct scores, falling.
    auc : float
        Area under the curve, ties halved.
    interval : (float, float)
        Its interval; NaN without a bootstrap.
    band_fpr, band_lower, band_upper : ndarray of shape (101,)
        Pointwise band of the detection rate at each false-alarm rate; NaN without a bootstrap.
    n_groups : int
        How many independent records the scores come from.
    method : str
        How the interval was made.
    level : float
        Level of interval and band.
    n_bootstrap, seed : int
        Size and seed of the bootstrap.
    notes : tuple of str
        What a reader should know of the interval.
    """

    scores: FloatArray
    labels: npt.NDArray[np.bool_]
    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray
    auc: float
    interval: tuple[float, float]
    band_fpr: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    n_groups: int
    method: str
    level: float
    n_bootstrap: int
    seed: int
    notes: tuple[str, ...] = field(default=())

    _shapes: ClassVar = {"n": "scores labels", "k": "fpr tpr thresholds", "rates": "band_fpr band_lower band_upper"}
    _derived: ClassVar = ("n_positive", "n_negative")

    @property
    def n_positive(self) -> int:
        """Number of positive cases."""
        return int(self.labels.sum())

    @property
    def n_negative(self) -> int:
        """Number of negative cases."""
        return int(self.labels.size - self.labels.sum())

    def threshold_at(self, false_alarm_rate: float = 0.05) -> float:
        """Smallest threshold at which at most so many of the negative cases alarm (score ≥ threshold).

        Parameters
        ----------
        false_alarm_rate : float, default 0.05
            Largest share of the negative cases, from 0 to 1.

        Returns
        -------
        float
            The threshold; ∞ where even the largest score belongs to too many negative cases.
        """
        return float(self.thresholds[self._at(false_alarm_rate)])

    def detection_rate(self, false_alarm_rate: float = 0.05) -> float:
        """Share of the positive cases that alarm at :meth:`threshold_at`.

        Parameters
        ----------
        false_alarm_rate : float, default 0.05
            Largest share of the negative cases that may alarm.

        Returns
        -------
        float
            From 0 to 1.
        """
        return float(self.tpr[self._at(false_alarm_rate)])

    def _at(self, false_alarm_rate: float) -> int:
        rate = checks.number("false_alarm_rate", false_alarm_rate, least=0.0, most=1.0)
        # Rates are shares of whole cases: rounding must not lose one of them.
        return int(np.flatnonzero(self.fpr <= rate + 1e-12)[-1])

    def _report(self) -> Report:
        from ews._evaluation.roc.text import roc_report

        return roc_report(self)

    def to_frame(self) -> pd.DataFrame:
        """The curve as a table.

        Returns
        -------
        pandas.DataFrame
            Columns threshold, fpr and tpr, from the highest threshold down.
        """
        import pandas as pd

        return pd.DataFrame({"threshold": self.thresholds, "fpr": self.fpr, "tpr": self.tpr})

    def plot(self) -> Figure:
        """The curve with its band.

        Returns
        -------
        matplotlib.figure.Figure
            One panel.
        """
        from ews._evaluation.evaluate.figure import roc_figure

        return roc_figure({"score": self})

    def __repr__(self) -> str:
        low, high = self.interval
        return f"<Roc: AUC={self.auc:.3f} ({low:.3f} to {high:.3f}); {self.n_positive} positive, {self.n_negative} not>"


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class RocDifference(Result):
    """Difference between the AUCs of two scores on the same cases, with its interval.

    Attributes
    ----------
    auc_a, auc_b : float
        The two areas.
    difference : float
        AUC of a minus AUC of b.
    interval : (float, float)
        Its interval, from a paired stratified bootstrap.
    pvalue : float
        Two-sided, from the share of bootstrap samples on the other side of 0.
    level : float
        Level of the interval.
    n_bootstrap, seed : int
        Size and seed of the bootstrap.
    """

    auc_a: float
    auc_b: float
    difference: float
    interval: tuple[float, float]
    pvalue: float
    level: float
    n_bootstrap: int
    seed: int
