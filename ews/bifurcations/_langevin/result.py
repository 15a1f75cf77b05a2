"""What :func:`ews.bifurcations.langevin` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, time_text
from ews._significance.windows import FloatArray, WindowedConfig
from ews.bifurcations._common import text as words
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LangevinConfig", "LangevinSlope"]


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class LangevinConfig(WindowedConfig):
    """Every choice behind a :class:`LangevinSlope`, as resolved for the series.

    Attributes
    ----------
    null : str
        Null model of the surrogates.
    """

    null: str


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class LangevinSlope(Result):
    """The slope of the drift in rolling windows, with its posterior.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    slope, slope_lower, slope_upper : ndarray of shape (n,)
        Posterior median (and mean) of the slope of the drift at the fixed point, and its central 1 − alpha credible
        band, per unit of time (per day for dates); at the right edge of each window, NaN before the first.
    noise, noise_lower, noise_upper : ndarray of shape (n,)
        Posterior median of σ and its band, in the series' units per square root of time.
    probability_unstable : ndarray of shape (n,)
        Posterior probability that the slope is not negative.
    fixed_point : ndarray of shape (n,)
        Mean of the residual in the window, put back on the trend at its right edge.
    tau : float
        Kendall's τ-b of the slope with time.
    pvalue : float
        Two-sided p of τ; NaN without surrogates.
    surrogate_tau : ndarray of shape (n_surrogates,)
        τ of each surrogate.
    detrend_sentence, null_sentence : str
        What was taken out, and what τ was tested against.
    config : LangevinConfig
        Every choice and the seed.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    slope: FloatArray
    slope_lower: FloatArray
    slope_upper: FloatArray
    noise: FloatArray
    noise_lower: FloatArray
    noise_upper: FloatArray
    probability_unstable: FloatArray
    fixed_point: FloatArray
    tau: float
    pvalue: float
    surrogate_tau: FloatArray
    detrend_sentence: str
    null_sentence: str
    config: LangevinConfig

    _shapes: ClassVar = {"surrogates": "surrogate_tau"}
    _derived: ClassVar = ("warning",)
    _table: ClassVar = (
        "trend",
        "residual",
        "slope",
        "slope_lower",
        "slope_upper",
        "noise",
        "noise_lower",
        "noise_upper",
        "probability_unstable",
        "fixed_point",
    )

    @property
    def warning(self) -> bool:
        """Whether the slope rises towards 0 more steadily than the null allows at the level asked for."""
        return bool(self.tau > 0 and self.pvalue <= self.config.alpha)

    def _report(self) -> Report:
        shown = np.unique(np.linspace(self.config.window - 1, len(self.series) - 1, 6).astype(np.int64))
        level = f"{100 * (1 - self.config.alpha):g} % band"
        rows = [
            [
                time_text(self.series.time[i]),
                number_text(self.slope[i]),
                f"{number_text(self.slope_lower[i], 3)} to {number_text(self.slope_upper[i], 3)}",
                number_text(self.probability_unstable[i], 2),
                number_text(self.noise[i]),
                f"{number_text(self.noise_lower[i], 3)} to {number_text(self.noise_upper[i], 3)}",
            ]
            for i in shown
        ]
        last = f"{number_text(self.slope_lower[-1], 3)} to {number_text(self.slope_upper[-1], 3)}"
        return words.report(
            "Slope of the Langevin drift",
            [
                words.trend_clause("the slope", self.tau, self.pvalue),
                f"in the last window it is {number_text(self.slope[-1])} ({level} {last}); 0 is the bifurcation",
            ],
            series=self.series,
            config=self.config,
            detrend_sentence=self.detrend_sentence,
            sections=[
                ("Model", "dx = h(x) dt + σ dW, h cubic, by the Euler scheme; exact posterior (Hessler & Kamps 2022)."),
                ("Test", words.surrogates_text(self.config, self.null_sentence)),
            ],
            header=["right edge", "slope", level, "P(unstable)", "noise", level],
            rows=rows,
            caution=(
                "The band is that of one window under the model: white noise, one state, a step short against the "
                "time of return. Red noise raises the slope by itself, and short windows lower it."
            ),
        )

    def plot(self) -> Figure:
        """Series, slope and noise, with their bands.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels on one axis of time.
        """
        from ews._common import panels as draw

        figure, panels, _ = draw.layout(self, "Slope of the Langevin drift", over_time=2)
        level = f"{100 * (1 - self.config.alpha):g} % credible band"
        time = self.series.time
        draw.draw_band(panels[1], time, self.slope, self.slope_lower, self.slope_upper, level)
        panels[1].axhline(0.0, color=draw.VERMILLION, lw=1.0, ls=":", label="bifurcation")
        panels[1].set_ylabel("Slope ζ")
        draw.trend_title(panels[1], self)
        draw.draw_band(panels[2], time, self.noise, self.noise_lower, self.noise_upper, level)
        panels[2].set_ylabel("Noise σ")
        for axes in panels[1:]:
            draw.shade_first_window(axes, self)
        return draw.finish(figure, panels, [], self)
