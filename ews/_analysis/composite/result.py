"""What :func:`ews.composite` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_clause, sentence, time_text
from ews.results import IndicatorSeries
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Composite", "CompositeConfig"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class CompositeConfig:
    """Every choice behind a :class:`Composite`, as resolved for the series.

    Attributes
    ----------
    indicators : tuple of str
        Names of the indicators.
    burn_in : int
        Observations before the first indicator, as resolved.
    threshold : float
        Standard deviations above the composite's mean so far.
    consecutive : int
        How many crossings in a row raise an alarm.
    window : int or None
        Rolling window in samples; None for all observations so far.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    causal : bool
        Whether only past samples were used at each time.
    season : int or None
        Period taken out first, in samples.
    transform : str or None
        What the values were transformed by before that.
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

    indicators: tuple[str, ...]
    burn_in: int
    threshold: float
    consecutive: int
    window: int | None
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None
    transform: str | None
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class Composite(Result):
    """Expanding-window composite: z-scores of indicators against their own history, added up.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    indicators : dict of str to IndicatorSeries
        Each indicator on the observations so far.
    zscores : dict of str to ndarray of shape (n,)
        Each against its own mean and standard deviation so far; positive towards its alarm.
    score : ndarray of shape (n,)
        Their sum, the composite.
    score_mean, score_sd : ndarray of shape (n,)
        Its own mean and standard deviation so far.
    crossed : ndarray of shape (n,), bool
        Where the composite exceeds its mean by more than threshold standard deviations.
    alarm_time : float, datetime64 or None
        When the rule first raised an alarm, at the last of the consecutive crossings; None where it never did.
    statistic : float
        Most standard deviations that the composite held over that many consecutive times.
    pvalue : float
        Share of surrogates that reach the statistic, (1 + r) / (1 + n); NaN without surrogates.
    surrogate_statistic : ndarray of shape (n_surrogates,)
        The statistic of each surrogate.
    detrend_sentence, null_sentence : str
        What was taken out, and what the alarm was tested against.
    config : CompositeConfig
        Every choice and the seed.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    indicators: Mapping[str, IndicatorSeries]
    zscores: Mapping[str, FloatArray]
    score: FloatArray
    score_mean: FloatArray
    score_sd: FloatArray
    crossed: npt.NDArray[np.bool_]
    alarm_time: float | np.datetime64 | None
    statistic: float
    pvalue: float
    surrogate_statistic: FloatArray
    detrend_sentence: str
    null_sentence: str
    config: CompositeConfig

    _shapes: ClassVar = {
        "n": "trend residual indicators.values zscores score score_mean score_sd crossed",
        "surrogates": "surrogate_statistic",
    }
    _filled: ClassVar = "indicators"
    _derived: ClassVar = ("warning",)

    @property
    def warning(self) -> bool:
        """Whether the rule raised an alarm that the null gives no more often than the level asked for."""
        return bool(self.alarm_time is not None and self.pvalue <= self.config.alpha)

    def __repr__(self) -> str:
        found = "no alarm" if self.alarm_time is None else f"alarm at {time_text(self.alarm_time)}"
        if not np.isnan(self.pvalue):
            found += f", {p_clause(self.pvalue).replace(' ', '')}"
        name = self.series.name or "series"
        return f"<Composite of {name!r}: {found}; n={len(self.series)}, seed={self.config.seed}>"

    def _report(self) -> Report:
        config, series = self.config, self.series
        alarm = "no alarm" if self.alarm_time is None else f"an alarm at {time_text(self.alarm_time)}"
        answers = [f"the rule {'raised' if self.alarm_time is None else 'first raised'} {alarm}"]
        answers.append(f"the composite held {number_text(self.statistic, 3)} standard deviations")
        if not np.isnan(self.pvalue):
            found = "a warning" if self.warning else "no warning"
            answers[1] += f", which surrogates do with {p_clause(self.pvalue)}: {found}"
        report = Report(f"Expanding-window composite of {(series.name or 'series')!r}", answers=answers)
        report.data(series, config)
        report.section("Detrending", sentence(self.detrend_sentence))
        over = "all observations so far" if config.window is None else f"the last {config.window} observations"
        labels = ", ".join(indicator.label for indicator in self.indicators.values())
        report.section("Indicators", f"{labels}; on {over}, from observation {config.burn_in} on.")
        report.section(
            "Rule",
            f"{config.consecutive} times in a row more than {config.threshold:g} standard deviations above the "
            "composite's mean so far.",
        )
        text = "no surrogates were asked for, so there is no p-value and no warning"
        if config.n_surrogates:
            text = f"{self.null_sentence}; {config.n_surrogates} surrogates, seed {config.seed}; level {config.alpha:g}"
        report.section("Test", sentence(text))
        report.table(
            ["time", "composite", "mean so far", "SD so far", "crosses"],
            [
                [
                    time_text(series.time[place]),
                    *(number_text(one[place], 3) for one in (self.score, self.score_mean, self.score_sd)),
                    "yes" if self.crossed[place] else "no",
                ]
                for place in np.unique(np.linspace(config.burn_in, len(series) - 1, 6).astype(np.int64))
            ],
        )
        report.section("Caution", CAUTION)
        return report

    def to_frame(self) -> pd.DataFrame:
        """Indicators, z-scores and composite side by side.

        Returns
        -------
        pandas.DataFrame
            One row an observation, indexed by time.
        """
        import pandas as pd

        columns: dict[str, Any] = {"value": self.series.values, "residual": self.residual}
        columns |= {name: indicator.values for name, indicator in self.indicators.items()}
        columns |= {f"{name}_z": values for name, values in self.zscores.items()}
        columns |= {"score": self.score, "score_mean": self.score_mean, "score_sd": self.score_sd}
        columns["crossed"] = self.crossed
        return pd.DataFrame(columns, index=pd.Index(self.series.time, name=self.series.time_name or "time"))

    def plot(self) -> Figure:
        """Series, z-scores, and the composite with its threshold.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels on one axis of time.
        """
        from ews._analysis.composite.figure import composite_figure

        return composite_figure(self)


CAUTION = (
    "The rule alone raises alarms in noise far more often than its threshold suggests, since windows that grow share "
    "nearly all of their observations. The p-value is that of the whole record under the null named above."
)
