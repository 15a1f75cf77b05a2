"""What :class:`ews.IndicatorMonitor` hands out: its choices, its calibration, and its state after each observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, time_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MonitorCalibration", "MonitorConfig", "MonitorState", "Rule"]

FloatArray = npt.NDArray[np.float64]
Rule = Literal["level", "trend"]


@public("ews")
@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """Every choice behind a :class:`ews.IndicatorMonitor`.

    Attributes
    ----------
    window : int
        Window in samples.
    bandwidth : float or None
        Bandwidth of the smoother in samples.
    detrend : {"gaussian", "running_mean"} or None
        The causal smoother.
    indicators : tuple of str
        What is measured in the window.
    history : int
        Over how many values of an indicator the running statistic looks back.
    rule : {"level", "trend"}
        Which running statistic is held against its threshold.
    transform : str or None
        What each value is transformed by first: a name, or the qualified name of a function.
    """

    window: int
    bandwidth: float | None
    detrend: str | None
    indicators: tuple[str, ...]
    history: int
    rule: Rule
    transform: str | None = None


@public("ews")
@dataclass(frozen=True, eq=False)
class MonitorCalibration(Result):
    """Alarm thresholds of a monitor: how far its running statistics go where nothing changes.

    Attributes
    ----------
    source : {"noise", "runs"}
        Whether AR(1) noise was simulated or recorded runs were watched.
    coefficient : float
        Lag-1 coefficient of the noise, fitted to the reference; NaN for runs.
    innovation_sd : float
        Standard deviation of its innovations, in units of the series; NaN for runs.
    reference_length : int
        Samples of the reference; of runs, how many of them gave `centre` and `spread`.
    horizon : int
        Samples that are watched, over which the rate is meant.
    false_alarm_rate : float
        Share of horizons in which nothing changes with an alarm, over all indicators together.
    n_simulations : int
        How many horizons were simulated, or runs watched.
    seed : int
        Seed of the simulations; 0 for runs.
    thresholds : dict of str to float
        An indicator alarms where its statistic (its magnitude, where both directions warn) exceeds this.
    maxima : dict of str to ndarray of shape (n_simulations,)
        The largest statistic of each of these horizons, sorted.
    smallest : ndarray of shape (n_simulations,)
        The smallest p-value of each of these horizons over the indicators, sorted.
    centre, spread : dict of str to float
        Mean and standard deviation of each indicator over the reference, which the rule "level" measures from.
    """

    source: Literal["noise", "runs"]
    coefficient: float
    innovation_sd: float
    reference_length: int
    horizon: int
    false_alarm_rate: float
    n_simulations: int
    seed: int
    thresholds: Mapping[str, float]
    maxima: Mapping[str, FloatArray]
    smallest: FloatArray
    centre: Mapping[str, float]
    spread: Mapping[str, float]

    _named_alike: ClassVar = "thresholds maxima centre spread"
    _shapes: ClassVar = {"simulations": "smallest maxima"}

    @property
    def sentence(self) -> str:
        """One line for a report."""
        if self.source == "runs":
            return (
                f"a run like the {self.n_simulations} watched sets off an alarm within {self.horizon} samples in at "
                f"most {self.false_alarm_rate:.3g} of cases"
            )
        return (
            f"AR(1) noise of coefficient {self.coefficient:.3f}, fitted to {self.reference_length} samples, sets off "
            f"an alarm in at most {self.false_alarm_rate:.3g} of horizons of {self.horizon} samples "
            f"({self.n_simulations} simulations, seed {self.seed})"
        )

    def pvalue(self, name: str, statistic: float) -> float:
        """Share of horizons without change in which some indicator goes as far as this one does now.

        Parameters
        ----------
        name : str
            The indicator.
        statistic : float
            Its running statistic (its magnitude, where both directions warn).

        Returns
        -------
        float
            (1 + r) / (1 + n), adjusted for the number of indicators; NaN for NaN.
        """
        if np.isnan(statistic):
            return float("nan")
        n, ordered = self.n_simulations, self.maxima[name]
        single = (1.0 + n - int(np.searchsorted(ordered, statistic, side="left"))) / (1.0 + n)
        # Single-step min-p of Westfall & Young (1993), ch. 2.
        reached = int(np.searchsorted(self.smallest, single, side="right"))
        return max(single, (1.0 + reached) / (1.0 + n))


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class MonitorState(Result):
    """What a monitor knows after an observation.

    Attributes
    ----------
    index : int
        Number of the observation since the start, from 0.
    time : float or datetime64
        Its time; the index where none was given.
    value : float
        The observation; NaN where it was missing.
    trend, residual : float
        What the causal smoother made of it, in the units of the series.
    indicators : dict of str to float
        Each indicator in the window that ends here; NaN before the first full window and where a sample is missing.
    statistics : dict of str to float
        Each running statistic: the level of the indicator in standard deviations of the reference, or Kendall's τ-b
        over its last values. NaN until there are enough of them.
    pvalues : dict of str to float
        Share of horizons without change in which some indicator goes as far; NaN without calibration.
    alarms : tuple of str
        The indicators whose statistic exceeds its threshold now.
    missing : int
        Missing samples in the window.
    reasons : tuple of str
        Why there is an alarm, or why there can be none yet.
    """

    index: int
    time: float | np.datetime64
    value: float
    trend: float
    residual: float
    indicators: Mapping[str, float]
    statistics: Mapping[str, float]
    pvalues: Mapping[str, float]
    alarms: tuple[str, ...]
    missing: int
    reasons: tuple[str, ...]

    def _report(self) -> Report:
        report = Report(f"Monitor at {time_text(self.time)}", "alarm" if self.alarm else "no alarm", self.reasons)
        of = (self.statistics, self.pvalues)
        rows = [[name, *(number_text(one[name]) for one in (self.indicators, *of))] for name in self.indicators]
        strong = [name in self.alarms for name in self.indicators]
        report.table(["indicator", "value", "statistic", "p"], rows, strong=strong)
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row for each indicator.

        Returns
        -------
        pandas.DataFrame
            Columns value, statistic, pvalue and alarm.
        """
        import pandas as pd

        columns = {"value": self.indicators, "statistic": self.statistics, "pvalue": self.pvalues}
        columns |= {"alarm": {name: name in self.alarms for name in self.indicators}}
        frame = pd.DataFrame({key: dict(of) for key, of in columns.items()})
        return frame.rename_axis("indicator")

    @property
    def alarm(self) -> bool:
        """Whether any indicator alarms now."""
        return bool(self.alarms)

    @property
    def pvalue(self) -> float:
        """The smallest of the p-values; NaN where there is none."""
        known = [p for p in self.pvalues.values() if not np.isnan(p)]
        return min(known, default=float("nan"))
