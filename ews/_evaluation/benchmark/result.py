"""What :func:`ews.benchmark` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews._common.result import Result
from ews._evaluation.evaluate.lead_times import LeadTimes
from ews._evaluation.roc.result import Roc

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews._common.layout import Report

__all__ = ["Benchmark", "BenchmarkCell", "BenchmarkConfig"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class BenchmarkConfig:
    """Every choice behind a benchmark.

    Attributes
    ----------
    n, replicates : int
        Samples in a record, and records of each kind.
    window : float or int
        Window length, as given.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    trend : str
        Trend statistic.
    causal : bool
        Whether each time saw the past only within a record.
    false_alarm_rate : float
        Share of the null records at which detections and lead times are measured.
    n_times : int
        How many running scores a record has.
    burn_in : float
        Share of a record before the first of them.
    level : float
        Level of the intervals.
    n_bootstrap, seed : int
        Size of the bootstrap; seed of records and bootstrap.
    transform : str or None
        What the values were transformed by before detrending.
    """

    n: int
    replicates: int
    window: float
    detrend: str | None
    bandwidth: float | None
    trend: str
    causal: bool
    false_alarm_rate: float
    n_times: int
    burn_in: float
    level: float
    n_bootstrap: int
    seed: int
    transform: str | None = None


@public("ews")
@dataclass(frozen=True, eq=False)
class BenchmarkCell(Result):
    """ROC curve of one method, for one transition against one null family.

    Attributes
    ----------
    roc : Roc
        Curve, area and interval.
    lead : LeadTimes or None
        When it warned, in samples; None with one running score.
    """

    roc: Roc
    lead: LeadTimes | None


@public("ews")
@dataclass(frozen=True, eq=False)
class Benchmark(Result):
    """ROC curves of methods, for each positive control against each null family.

    Attributes
    ----------
    positives, nulls, methods : tuple of str
        Positive controls, null families and methods, in the order in which they were run.
    cells : dict of (str, str, str) to BenchmarkCell
        By positive control, null family and method.
    config : BenchmarkConfig
        Every choice and the seed.
    """

    positives: tuple[str, ...]
    nulls: tuple[str, ...]
    methods: tuple[str, ...]
    cells: Mapping[tuple[str, str, str], BenchmarkCell]
    config: BenchmarkConfig

    _filled: ClassVar = "positives nulls methods"
    _derived: ClassVar = ("rows",)

    def auc(self, method: str) -> FloatArray:
        """Areas of one method.

        Parameters
        ----------
        method : str
            Name of the method.

        Returns
        -------
        ndarray of shape (positives, nulls)
            AUC of each transition against each null.
        """
        return self._by_cell(method, lambda cell: cell.roc.auc)

    def detection_rate(self, method: str) -> FloatArray:
        """Detection rates of one method at the false-alarm rate.

        Parameters
        ----------
        method : str
            Name of the method.

        Returns
        -------
        ndarray of shape (positives, nulls)
            Share of the positive records whose score is above all but that share of the null records.
        """
        return self._by_cell(method, lambda cell: cell.roc.detection_rate(self.config.false_alarm_rate))

    def _by_cell(self, method: str, of: Any) -> FloatArray:
        from ews.errors import UnknownNameError

        if method not in self.methods:
            raise UnknownNameError("method", method, self.methods)
        return np.array([[of(self.cells[one, null, method]) for null in self.nulls] for one in self.positives])

    def _report(self) -> Report:
        from ews._evaluation.benchmark.text import benchmark_report

        return benchmark_report(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each positive control, null family and method.

        Returns
        -------
        pandas.DataFrame
            Columns positive, null, method, n, replicates, auc, low, high, detection_rate, warned, ever_false and the
            quartiles of the lead time in samples.
        """
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers of each cell, by what :meth:`to_frame` calls them."""
        return [self._row(key, cell) for key, cell in self.cells.items()]

    def _row(self, key: tuple[str, str, str], cell: BenchmarkCell) -> dict[str, Any]:
        positive, null, method = key
        lead, nan = cell.lead, float("nan")
        low, middle, high = (nan, nan, nan) if lead is None else lead.quartiles
        return {
            "positive": positive,
            "null": null,
            "method": method,
            "n": self.config.n,
            "replicates": self.config.replicates,
            "auc": cell.roc.auc,
            "low": cell.roc.interval[0],
            "high": cell.roc.interval[1],
            "detection_rate": cell.roc.detection_rate(self.config.false_alarm_rate),
            "warned": nan if lead is None else lead.warned,
            "ever_false": nan if lead is None else lead.ever,
            "lead_lower_quartile": low,
            "lead_median": middle,
            "lead_upper_quartile": high,
        }

    def plot(self) -> Figure:
        """Areas of each method as a heat map of transitions by nulls.

        Returns
        -------
        matplotlib.figure.Figure
            One panel a method, the areas written into the cells.
        """
        from ews._evaluation.benchmark.figure import benchmark_figure

        return benchmark_figure(self)

    def plot_curves(self, null: str) -> Figure:
        """ROC curves of all methods against one null.

        Parameters
        ----------
        null : str
            A null family.

        Returns
        -------
        matplotlib.figure.Figure
            One panel a transition.
        """
        from ews._evaluation.benchmark.figure import curves_figure
        from ews.errors import UnknownNameError

        if null not in self.nulls:
            raise UnknownNameError("null", null, self.nulls)
        return curves_figure(self, null)

    def __repr__(self) -> str:
        means = ", ".join(f"{name} mean AUC={self.auc(name).mean():.2f}" for name in self.methods)
        kinds = f"{len(self.positives)} transitions against {len(self.nulls)} nulls"
        return f"<Benchmark: {kinds}, {self.config.replicates} records of {self.config.n} each; {means}>"
