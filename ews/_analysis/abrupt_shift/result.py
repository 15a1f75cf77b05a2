"""What :func:`ews.abrupt_shift` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_clause, sentence, time_text
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AbruptShift", "AbruptShiftConfig"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class AbruptShiftConfig:
    """Every choice behind an :class:`AbruptShift`, as resolved for the series.

    Attributes
    ----------
    shortest, longest : int
        Segment lengths, in samples.
    threshold : float
        Median absolute deviations beyond which a slope votes.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of the surrogates.
    """

    shortest: int
    longest: int
    threshold: float
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class AbruptShift(Result):
    """Abrupt-shift score of a series over time, tested against noise.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    score : ndarray of shape (n,)
        Mean vote over segment lengths, in [−1, 1]: positive where the series rises abruptly.
    position : int
        Where the absolute score is largest: the middle of the samples that share it.
    location : float or datetime64
        The same as a time.
    statistic : float
        Largest absolute score.
    pvalue : float
        Share of surrogates that reach it, (1 + r) / (1 + n); NaN without surrogates.
    surrogate_statistic : ndarray of shape (n_surrogates,)
        Largest absolute score of each surrogate.
    null_sentence : str
        What the score was tested against.
    config : AbruptShiftConfig
        Every choice and the seed.
    """

    series: Series
    score: FloatArray
    position: int
    location: float | np.datetime64
    statistic: float
    pvalue: float
    surrogate_statistic: FloatArray
    null_sentence: str
    config: AbruptShiftConfig

    _shapes: ClassVar = {"surrogates": "surrogate_statistic"}
    _derived: ClassVar = ("warning",)
    _table: ClassVar = ("score",)

    @property
    def warning(self) -> bool:
        """Whether the largest score is more than the null gives at the level asked for: a shift was found."""
        return bool(self.pvalue <= self.config.alpha)

    def _report(self) -> Report:
        config, series = self.config, self.series
        way = "rise" if self.score[self.position] > 0 else "fall"
        peak = f"score {number_text(self.score[self.position], 3)} at {time_text(self.location)} (a {way})"
        if self.statistic == 0:
            peak = "no segment's slope stands out from the others: the score is 0 throughout"
        elif not np.isnan(self.pvalue):
            found = "a shift" if self.warning else "no more than noise does"
            peak += f", which surrogates reach with {p_clause(self.pvalue)}: {found}"
        report = Report(f"Abrupt shift in {(series.name or 'series')!r}", answers=[peak])
        report.data(series, config)
        report.section(
            "Method",
            f"Slopes of segments of {config.shortest} to {config.longest} samples; those more than "
            f"{config.threshold:g} median absolute deviations from the median vote (Boulton & Lenton 2019).",
        )
        text = "no surrogates were asked for, so there is no p-value"
        if config.n_surrogates:
            text = f"{self.null_sentence}; {config.n_surrogates} surrogates, seed {config.seed}; level {config.alpha:g}"
        report.section("Test", sentence(text))
        report.section("Caution", CAUTION)
        return report

    def plot(self) -> Figure:
        """Draw the series and its abrupt-shift score.

        Returns
        -------
        matplotlib.figure.Figure
            Two panels on one axis of time.
        """
        from ews._analysis.abrupt_shift.figure import abrupt_shift_figure

        return abrupt_shift_figure(self)


CAUTION = (
    "The score says where a series changes fastest, not why: a shift need not be a bifurcation, and nothing here warns "
    "of one beforehand."
)
