"""What :func:`ews.bifurcations.restoring` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.times import numeric
from ews._common.words import number_text, time_text
from ews._significance.windows import FloatArray, WindowedConfig
from ews.bifurcations._common import text as words
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RestoringConfig", "RestoringTrend"]


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class RestoringConfig(WindowedConfig):
    """Every choice behind a :class:`RestoringTrend`, as resolved for the series.

    Attributes
    ----------
    null : tuple of str
        Null models of the surrogates.
    errors : str
        Noise of the regression.
    n_bootstrap : int
        How many simulated series.
    innovations : str
        Where their noise comes from.
    """

    null: tuple[str, ...]
    errors: str
    n_bootstrap: int
    innovations: str


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class RestoringTrend(Result):
    """The restoring rate in rolling windows, its trend, and when that would reach 0.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    rate : ndarray of shape (n,)
        λ per unit of time (per day for dates), at the right edge of each window; NaN before the first.
    tau : float
        Kendall's τ-b of λ with time.
    pvalues : dict of str to float
        Two-sided p of τ against each null; NaN without surrogates.
    surrogate_tau : dict of str to ndarray of shape (n_surrogates,)
        τ of each surrogate.
    line : (float, float)
        Trend line of λ, corrected for the bias of the windows: its value at the last observation, per unit of time, and
        its change per unit of time.
    line_uncorrected : (float, float)
        The line as fitted through the windows, against their middles.
    line_replicates : ndarray of shape (n_bootstrap, 2)
        Lines of the bootstrap.
    time_to_threshold : float
        Time from the last observation until the corrected line reaches 0: 0 where it has, infinite where it never does.
    time_interval : (float, float)
        Its central 1 − alpha interval; NaN without bootstrap. An infinite end: the record allows that 0 is never
        reached.
    probability_reached : float
        Share of the bootstrap's lines that reach 0 at any time.
    detrend_sentence : str
        What was taken out.
    null_sentences : dict of str to str
        What τ was tested against.
    config : RestoringConfig
        Every choice and the seed.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    rate: FloatArray
    tau: float
    pvalues: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    line: tuple[float, float]
    line_uncorrected: tuple[float, float]
    line_replicates: FloatArray
    time_to_threshold: float
    time_interval: tuple[float, float]
    probability_reached: float
    detrend_sentence: str
    null_sentences: Mapping[str, str]
    config: RestoringConfig

    _named_alike: ClassVar = "pvalues surrogate_tau"
    _shapes: ClassVar = {"surrogates": "surrogate_tau", "bootstrap,2": "line_replicates"}
    _derived: ClassVar = ("pvalue", "warning")
    _table: ClassVar = ("trend", "residual", "rate")

    @property
    def pvalue(self) -> float:
        """The largest p over the nulls: the trend is taken for real only if none of them explains it."""
        return float(np.max(list(self.pvalues.values())))

    @property
    def warning(self) -> bool:
        """Whether λ rises towards 0 more steadily than any of the nulls allows at the level asked for."""
        return bool(self.tau > 0 and self.pvalue <= self.config.alpha)

    def _report(self) -> Report:
        shown = np.unique(np.linspace(self.config.window - 1, len(self.series) - 1, 6).astype(np.int64))
        sections = []
        noise = "first-order autoregressive" if self.config.errors == "ar1" else "white"
        sections.append(("Model", f"Δx = λ x + c + noise, {noise} noise (Boers 2021)."))
        sections += [("Test", words.surrogates_text(self.config, text)) for text in self.null_sentences.values()]
        if self.config.n_bootstrap:
            sections.append(
                (
                    "Line",
                    f"{number_text(self.line[0])} at the end, {number_text(self.line[1])} per unit of time, "
                    f"corrected for the bias of the windows (uncorrected {number_text(self.line_uncorrected[0])} and "
                    f"{number_text(self.line_uncorrected[1])}); {self.config.n_bootstrap} simulated series.",
                )
            )
        return words.report(
            "Restoring rate",
            [
                words.trend_clause("the restoring rate", self.tau, self.pvalue),
                self.threshold_sentence,
            ],
            series=self.series,
            config=self.config,
            detrend_sentence=self.detrend_sentence,
            sections=sections,
            header=["right edge", "restoring rate"],
            rows=[[time_text(self.series.time[i]), number_text(self.rate[i])] for i in shown],
            caution=(
                "The time to the threshold holds if λ goes on along a straight line. Nothing says that it does: near a "
                "fold it falls faster at the end, and forcing may stop. Without a significant trend it is no forecast."
            ),
        )

    @property
    def threshold_sentence(self) -> str:
        """When the line reaches 0, in words, with its interval."""
        unit = f" {self.series.step_unit}" if self.series.step_unit else ""
        if np.isnan(self.line[1]):
            return "no line could be fitted, so there is no time to the threshold"
        if np.isinf(self.time_to_threshold):
            text = "the line does not reach 0: it does not rise"
        elif self.time_to_threshold == 0.0:
            text = "the line has reached 0 by the end of the record"
        else:
            text = f"the line reaches 0 after {number_text(self.time_to_threshold)}{unit} from the end of the record"
        low, high = self.time_interval
        if np.isnan(low):
            return text
        level = f"{100 * (1 - self.config.alpha):g} % interval"
        if np.isinf(low):
            return f"{text} ({level} unbounded: no line that the record allows does)"
        end = f"{number_text(high)}{unit}" if np.isfinite(high) else "never: unbounded"
        return f"{text} ({level} {number_text(low)} to {end})"

    def plot(self) -> Figure:
        """Series, restoring rate, and the line towards 0 with the band of its bootstrap.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels on one axis of time.
        """
        from ews._common import panels as draw

        figure, panels, _ = draw.layout(self, "Restoring rate", over_time=2)
        time = self.series.time
        panels[1].plot(time, self.rate, color=draw.BLUE, lw=1.7)
        panels[1].set_ylabel("λ")
        draw.trend_title(panels[1], self)
        self._draw_line(panels[2])
        for axes in panels[1:]:
            axes.axhline(0.0, color=draw.VERMILLION, lw=1.0, ls=":", label="threshold")
            draw.shade_first_window(axes, self)
        return draw.finish(figure, panels, [], self)

    def _draw_line(self, axes: Any) -> None:
        """The corrected line over the record, with the bootstrap's band."""
        from ews._common import panels as draw

        numbers = numeric(self.series.time)
        at = np.linspace(numbers[0] - numbers[-1], 0.0, 60)
        if self.line_replicates.size:
            curves = self.line_replicates[:, :1] + self.line_replicates[:, 1:] * at
            low, high = np.quantile(curves, [self.config.alpha / 2, 1 - self.config.alpha / 2], axis=0)
            level = f"{100 * (1 - self.config.alpha):g} % band"
            axes.fill_between(self._instants(at), low, high, facecolor=draw.BAND, edgecolor="none", label=level)
        axes.plot(self._instants(at), self.line[0] + self.line[1] * at, color=draw.BLUE, lw=1.7, label="corrected line")
        raw = self.line_uncorrected[0] + self.line_uncorrected[1] * at
        axes.plot(self._instants(at), raw, color=draw.MUTED, lw=1.0, dashes=(5, 1.5), label="as fitted")
        axes.set_ylabel("line of λ")

    def _instants(self, from_end: FloatArray) -> Any:
        """Times so far from the last observation, in the series' own kind of time."""
        if self.series.time.dtype.kind == "M":
            return self.series.time[-1] + np.round(from_end * 86_400e9).astype("timedelta64[ns]")
        return self.series.time[-1] + from_end
