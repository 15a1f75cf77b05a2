"""What :func:`ews.evaluate` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.plain import ALLOWED, plain
from ews._common.publish import public
from ews._common.result import Result
from ews._evaluation.evaluate.lead_times import LeadTimes
from ews._evaluation.roc.result import Roc, RocDifference
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews._common.layout import Report

__all__ = ["Evaluation", "EvaluationConfig"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Every choice behind an evaluation.

    Attributes
    ----------
    window : float or int
        Window length, as given: a fraction of the data that a score sees, or samples.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    trend : str
        Trend statistic.
    causal : bool
        Whether each time saw the past only within a record.
    season : int or None
        Period taken out first, in samples.
    false_alarm_rate : float
        Share of negative series at which detections and lead times are measured.
    n_times : int
        How many running scores a record has.
    burn_in : float
        Share of a record before the first of them.
    level : float
        Level of intervals and bands.
    n_bootstrap, seed : int
        Size and seed of the bootstrap.
    transform : str or None
        What the values were transformed by before detrending.
    """

    window: float
    detrend: str | None
    bandwidth: float | None
    trend: str
    causal: bool
    season: int | None
    false_alarm_rate: float
    n_times: int
    burn_in: float
    level: float
    n_bootstrap: int
    seed: int
    transform: str | None = None


@public("ews")
@dataclass(frozen=True, eq=False)
class Evaluation(Result):
    """How well methods tell the positive series of a collection from the negative ones.

    Attributes
    ----------
    names : tuple of str
        Names of the series.
    labels : ndarray of shape (series,), bool
        Whether each series is positive.
    groups : ndarray of shape (series,), int
        Number of the group that each was resampled with.
    n : ndarray of shape (series,), int
        How many samples of each were used.
    transition : ndarray of shape (series,)
        Time of transition, counted from the first sample of each.
    time_unit : str
        ``"days"`` where the series have dates, else empty.
    times : ndarray of shape (series, n_times)
        Times of the running scores, counted from the first sample.
    scores : dict of str to ndarray of shape (series,)
        Score of each whole record by each method; larger warns more, −∞ where it is undefined.
    running : dict of str to ndarray of shape (series, n_times)
        Score of the data up to each time; the last is the score of the whole record.
    roc : dict of str to Roc
        Curve, area and interval of each method.
    reference : str
        The method that the others are compared with.
    differences : dict of str to RocDifference
        AUC of each other method minus that of the reference, paired.
    lead : dict of str to LeadTimes
        When each method warned; empty with one running score.
    config : EvaluationConfig
        Every choice and the seed.
    notes : tuple of str
        What a reader should know.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]
    n: npt.NDArray[np.int64]
    transition: FloatArray
    time_unit: str
    times: FloatArray
    scores: Mapping[str, FloatArray]
    running: Mapping[str, FloatArray]
    roc: Mapping[str, Roc]
    reference: str
    differences: Mapping[str, RocDifference]
    lead: Mapping[str, LeadTimes]
    config: EvaluationConfig
    notes: tuple[str, ...]

    _named_alike: ClassVar = "scores running roc lead"
    _shapes: ClassVar = {"series": "names labels groups n transition scores", "series,times": "times running"}

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the order given."""
        return tuple(self.roc)

    def _report(self) -> Report:
        from ews._evaluation.evaluate.text import evaluation_report

        return evaluation_report(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each series: label and scores.

        Returns
        -------
        pandas.DataFrame
            Indexed by name, with columns label, group, n and one for each method.
        """
        import pandas as pd

        columns: dict[str, Any] = {"label": self.labels, "group": self.groups, "n": self.n, **self.scores}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="series"))

    def statistics(self) -> pd.DataFrame:
        """One row for each method: area, interval, difference from the reference, detection rate, lead times.

        Returns
        -------
        pandas.DataFrame
            Indexed by method.
        """
        import pandas as pd

        rows = []
        for name, curve in self.roc.items():
            row: dict[str, Any] = {
                "method": name,
                "auc": curve.auc,
                "low": curve.interval[0],
                "high": curve.interval[1],
            }
            other = self.differences.get(name)
            nan = float("nan")
            row["difference"] = nan if other is None else other.difference
            row["difference_low"], row["difference_high"] = (nan, nan) if other is None else other.interval
            row["pvalue"] = nan if other is None else other.pvalue
            row["detection_rate"] = curve.detection_rate(self.config.false_alarm_rate)
            if self.lead:
                lead = self.lead[name]
                row["warned"] = lead.warned
                row["ever_false"] = lead.ever
                row["lead_lower_quartile"], row["lead_median"], row["lead_upper_quartile"] = lead.quartiles
            rows.append(row)
        return pd.DataFrame(rows).set_index("method")

    def _written_fields(self) -> dict[str, Any]:
        found = super()._written_fields()
        numbers = self.statistics()[["detection_rate"]].to_dict("index")
        found["methods"] = {
            name: plain({"auc": curve.auc, "interval": curve.interval, "interval_notes": curve.notes} | numbers[name])
            | {"difference": found["differences"].get(name), "lead": _lead(self.lead.get(name))}
            | {key: found[key][name] for key in _BY_METHOD}
            for name, curve in self.roc.items()
        }
        return {key: value for key, value in found.items() if key not in _BY_METHOD}

    @classmethod
    def _read_fields(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        try:
            numbers = {key: {name: one[key] for name, one in saved["methods"].items()} for key in _BY_METHOD}
        except (KeyError, TypeError, AttributeError):
            raise ArgumentError("saved", described("methods without their scores"), ALLOWED) from None
        return super()._read_fields({**saved, **numbers})

    def plot(self) -> Figure:
        """ROC curves with their bands, areas with their intervals, and how lead times are spread.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels; two without lead times.
        """
        from ews._evaluation.evaluate.figure import evaluation_figure

        return evaluation_figure(self)

    def __repr__(self) -> str:
        areas = ", ".join(f"{name} AUC={curve.auc:.3f}" for name, curve in self.roc.items())
        positive = int(self.labels.sum())
        return f"<Evaluation: {areas}; {positive} positive and {self.labels.size - positive} negative series>"


_BY_METHOD = ("scores", "running")


def _lead(lead: LeadTimes | None) -> dict[str, Any] | None:
    if lead is None:
        return None
    low, middle, high = lead.quartiles
    shares = {"ever_false": lead.ever, "warned": lead.warned, "median": middle, "quartiles": (low, high)}
    found: dict[str, Any] = plain({"threshold": lead.threshold, **shares, "resolution": lead.resolution})
    return found | {"lead": plain(lead.lead)}
