"""What a monitor says of the observations that it took in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import counted, number_text, time_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["MonitorAlarm", "MonitorUpdate", "SequentialConfig"]

FloatArray = npt.NDArray[np.float64]

_SAID = {
    "memory towards +1": "memory rises towards +1",
    "memory towards −1": "memory falls towards −1",
    "level up": "the level rises",
    "level down": "the level falls",
    "noise up": "the noise grows",
    "noise down": "the noise shrinks",
}
_ROWS = 12  # alarms that a report lists


@public("ews")
@dataclass(frozen=True, slots=True)
class SequentialConfig:
    """Every choice behind a :class:`ews.Monitor`.

    Attributes
    ----------
    average_run_length : float
        Observations of a series between false alarms, on average, over all tests together.
    tests : tuple of str
        What is watched for.
    reference : int
        Observations that a series is learned from.
    smoothing : float or None
        Observations over which the mean forgets.
    transform : str or None
        What each value is transformed by first.
    """

    average_run_length: float
    tests: tuple[str, ...]
    reference: int
    smoothing: float | None
    transform: str | None = None


@public("ews")
@dataclass(frozen=True, slots=True)
class MonitorAlarm:
    """A drift that was found.

    Attributes
    ----------
    name : str
        Name of the series.
    test : str
        What drifts.
    index : int
        Number of the observation that raised the alarm, from 0.
    time : float or datetime64
        Its time; the index where none was given.
    since : float or datetime64
        When the drift most likely began.
    evidence : float
        What the evidence came to; the limit is that of the update.
    """

    name: str
    test: str
    index: int
    time: float | np.datetime64
    since: float | np.datetime64
    evidence: float

    @property
    def reason(self) -> str:
        """One line for a log."""
        return f"{self.name}: {_SAID[self.test]}, most likely since {time_text(self.since)}"


@public("ews")
@dataclass(frozen=True, eq=False)
class MonitorUpdate(Result):
    """What a monitor made of one observation, or of many.

    Attributes
    ----------
    names : tuple of str
        Names of the series.
    index : ndarray of int of shape (n,)
        Numbers of the observations since the start, from 0.
    time : ndarray of shape (n,)
        Their times; the index where none were given.
    values : ndarray of shape (n, series)
        The observations; NaN where one was missing.
    coefficient : ndarray of shape (n, series)
        AR(1) coefficient over one step, from all that came before; NaN while a series is learned.
    evidence : dict of str to ndarray of shape (n, series)
        Of each test; where nothing drifts, their sum is on average the number of observations watched. NaN where a
        value is missing, and while a series is learned.
    limit : float
        A series alarms where the sum over its tests reaches this, and all of them begin anew.
    alarms : tuple of MonitorAlarm
        The alarms, in order of time.
    waiting : dict of str to int
        Series that are still learned, and how many observations they want.
    constant : tuple of str
        Those of them that were given as many, in which nothing varied, so that they are learned from others.
    """

    names: tuple[str, ...]
    index: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64] | npt.NDArray[np.datetime64]
    values: FloatArray
    coefficient: FloatArray
    evidence: Mapping[str, FloatArray]
    limit: float
    alarms: tuple[MonitorAlarm, ...]
    waiting: Mapping[str, int]
    constant: tuple[str, ...] = ()

    _axis: ClassVar = "time"
    _shapes: ClassVar = {"axis": "index", "axis,series": "values coefficient evidence", "series": "names"}

    @property
    def alarm(self) -> bool:
        """Whether there is any alarm."""
        return bool(self.alarms)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why there are alarms, or why there can be none yet."""
        waiting = (
            f"{name}: {self._still(name)}learned from {counted(n, 'observation')} more"
            for name, n in self.waiting.items()
        )
        return (*(alarm.reason for alarm in self.alarms), *waiting)

    def _still(self, name: str) -> str:
        return "all values were the same, to be " if name in self.constant else ""

    def _report(self) -> Report:
        over = counted(len(self.index), "observation")
        if len(self.index):
            over += f", {time_text(self.time[0])} to {time_text(self.time[-1])}"
        said = counted(len(self.alarms), "alarm")
        report = Report(
            f"Monitor over {over}",
            said,
            [f"{name}: {self._still(name)}learned from {n} more" for name, n in self.waiting.items()],
        )
        shown = self.alarms[:_ROWS]
        if shown:
            rows = [[one.name, one.test, time_text(one.time), time_text(one.since)] for one in shown]
            report.table(["series", "test", "alarm", "since"], rows)
        if len(self.alarms) > len(shown):
            report.paragraph(f"… and {counted(len(self.alarms) - len(shown), 'alarm')} more.")
        largest = {name: float(np.nanmax(each, initial=0.0)) for name, each in self.evidence.items()}
        report.table(
            ["test", "largest evidence", "limit"],
            [[k, number_text(v), number_text(self.limit)] for k, v in largest.items()],
        )
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row for each observation of each series.

        Returns
        -------
        pandas.DataFrame
            Columns value, coefficient, the evidence of each test and alarm; index time, and series where there are
            several.
        """
        import pandas as pd

        n, series = self.values.shape
        columns = {"value": self.values.ravel(), "coefficient": self.coefficient.ravel()}
        columns |= {name: each.ravel() for name, each in self.evidence.items()}
        raised = sum(self.evidence.values(), np.zeros((n, series))) >= self.limit
        frame = pd.DataFrame(columns | {"alarm": raised.ravel()})
        times = pd.Index(np.repeat(self.time, series), name="time")
        if series == 1:
            return frame.set_index(times)
        return frame.set_index([times, pd.Index(np.tile(np.array(self.names, object), n), name="series")])

    def plot(self) -> Figure:
        """Each series with its alarms, and the evidence against its limit.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        from ews._monitor.figure import draw

        return draw(self)
