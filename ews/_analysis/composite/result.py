"""What :func:`ews.composite` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews._significance.windows import plain
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
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class Composite:
    """Indicators against their own history, added up.

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
    alarm_time: Any
    statistic: float
    pvalue: float
    surrogate_statistic: FloatArray
    detrend_sentence: str
    null_sentence: str
    config: CompositeConfig

    @property
    def warning(self) -> bool:
        """Whether the rule raised an alarm that the null gives no more often than the level asked for."""
        return bool(self.alarm_time is not None and self.pvalue <= self.config.alpha)

    def summary(self) -> str:
        """The result as plain text.

        Returns
        -------
        str
            What was found, how, and the composite at a few times.
        """
        from ews import summary as words
        from ews._common.layout import section, table, wrap

        config, series = self.config, self.series
        heading = f"Expanding-window composite of {(series.name or 'series')!r}"
        lines = [heading, "=" * len(heading), ""]
        for one in self._answer():
            lines += wrap(words.sentence(one), first="  - ", rest="    ")
        lines.append("")
        lines += section("Data", words.series_text(series, config))
        for note in series.notes:
            lines += section("", words.sentence(f"Note: {note}"))
        lines += section("Detrending", words.sentence(self.detrend_sentence))
        over = "all observations so far" if config.window is None else f"the last {config.window} observations"
        labels = ", ".join(indicator.label for indicator in self.indicators.values())
        lines += section("Indicators", f"{labels}; on {over}, from observation {config.burn_in} on.")
        lines += section(
            "Rule",
            f"{config.consecutive} times in a row more than {config.threshold:g} standard deviations above the "
            "composite's mean so far.",
        )
        if config.n_surrogates:
            text = f"{self.null_sentence}; {config.n_surrogates} surrogates, seed {config.seed}; level {config.alpha:g}"
            lines += section("Test", words.sentence(text))
        else:
            lines += section("Test", "No surrogates were asked for, so there is no p-value and no warning.")
        lines.append("")
        places = np.unique(np.linspace(config.burn_in, len(series) - 1, 6).astype(np.int64))
        rows = [
            [
                words.time_text(series.time[place]),
                words.number_text(self.score[place], 3),
                words.number_text(self.score_mean[place], 3),
                words.number_text(self.score_sd[place], 3),
                "yes" if self.crossed[place] else "no",
            ]
            for place in places
        ]
        lines += table(["time", "composite", "mean so far", "SD so far", "crosses"], rows)
        lines += ["", *section("Caution", CAUTION)]
        return "\n".join(lines)

    def _answer(self) -> list[str]:
        from ews.summary import number_text, p_clause, time_text

        if self.alarm_time is None:
            first = "the rule raised no alarm"
        else:
            first = f"the rule first raised an alarm at {time_text(self.alarm_time)}"
        held = f"the composite held {number_text(self.statistic, 3)} standard deviations"
        if np.isnan(self.pvalue):
            return [first, held]
        found = "a warning" if self.warning else "no warning"
        return [first, f"{held}, which surrogates do with {p_clause(self.pvalue)}: {found}"]

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

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists; NaN becomes None.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        from ews import __version__

        return {
            "earlywarning": __version__,
            "name": self.series.name,
            "config": plain(asdict(self.config)),
            "detrend": self.detrend_sentence,
            "null": self.null_sentence,
            "notes": list(self.series.notes),
            "warning": self.warning,
            "alarm_time": plain(self.alarm_time),
            "statistic": plain(self.statistic),
            "pvalue": plain(self.pvalue),
            "time": plain(self.series.time),
            "value": plain(self.series.values),
            "residual": plain(self.residual),
            "indicators": {name: plain(indicator.values) for name, indicator in self.indicators.items()},
            "zscores": plain(dict(self.zscores)),
            "score": plain(self.score),
            "score_mean": plain(self.score_mean),
            "score_sd": plain(self.score_sd),
            "crossed": plain(self.crossed),
            "surrogate_statistic": plain(self.surrogate_statistic),
        }

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
