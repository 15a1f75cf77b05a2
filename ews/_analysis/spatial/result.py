"""What :func:`ews.detect_spatial` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.words import alarm_text, number_text, p_text, sentence, time_text, trend_name, trend_symbol
from ews.results import IndicatorSeries, TrendsOfIndicators, Verdict
from ews.spatial.grids import FloatArray, Grids

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["SpatialConfig", "SpatialDetection"]


@public("ews")
@dataclass(frozen=True, slots=True)
class SpatialConfig:
    """Every choice behind a :class:`SpatialDetection`.

    Attributes
    ----------
    indicators : tuple of str
        Names of the indicators.
    trend, null : str
        Trend statistic and null model.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test.
    until : str or None
        Last time used, as given.
    detrend_space : str or None
        What was taken out of each map.
    coarse_grain : int
        Side of the blocks that cells were averaged over.
    missing : str
        How NaN cells were handled.
    seed : int
        Seed of every random number in the result.
    """

    indicators: tuple[str, ...]
    trend: str
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    detrend_space: str | None
    coarse_grain: int
    missing: str
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class SpatialDetection(TrendsOfIndicators):
    """Spatial early-warning analysis of maps over time: indicators, trends, p-values and verdict.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        *Warning* where the min-p-adjusted p of an indicator in its alarm direction is ≤ alpha; else *no warning* where
        the power on a positive control of this length is ≥ 0.8; else *inconclusive*.
    reasons : tuple of str
        Why, in sentences.
    grids : Grids
        The maps that were analysed, with notes on what was done to them.
    indicators : dict of str to IndicatorSeries
        One value a map.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic and its p-values, two-sided, single and min-p adjusted; NaN without surrogates.
    surrogate_tau : dict of str to ndarray of shape (n_surrogates,)
        Trend statistic of each surrogate.
    power : float or None
        Share of positive controls that get a warning; None without surrogates.
    power_sentence, null_sentence, detrend_sentence : str
        What the control is, what the trends were tested against, what was taken out of the maps.
    config : SpatialConfig
        Every choice and the seed.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    grids: Grids
    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    power: float | None
    power_sentence: str
    null_sentence: str
    detrend_sentence: str
    config: SpatialConfig

    _shapes: ClassVar = {"n": "grids indicators.values", "surrogates": "surrogate_tau"}
    _filled: ClassVar = "indicators"
    _derived: ClassVar = ("shape",)

    @property
    def name(self) -> str:
        """Name of the quantity, or ``"maps"``."""
        return self.grids.name or "maps"

    @property
    def shape(self) -> tuple[int, ...]:
        """Maps, rows and columns."""
        return self.grids.values.shape

    def _report(self) -> Report:
        config = self.config
        report = Report(f"Spatial early-warning signals in {self.name!r}", self.verdict, self.reasons)
        count, height, width = self.shape
        span = f"{time_text(self.grids.time[0])} to {time_text(self.grids.time[-1])}"
        report.section("Data", f"{count} maps of {height} × {width} cells from {span}.")
        report.notes(self.grids.notes)
        coarse = config.coarse_grain
        blocks = f"; means over {coarse} × {coarse} cells" if coarse > 1 else ""
        report.section("Detrending", sentence(self.detrend_sentence + blocks))
        statistic = trend_name(config.trend)
        if config.n_surrogates:
            text = f"{self.null_sentence}; {config.n_surrogates} surrogates, seed {config.seed}"
            report.section("Null", sentence(text))
            report.section(
                "Test",
                f"{statistic} of each indicator over the maps, two-sided; p adjusted over the indicators by the min-p "
                f"of Westfall & Young; level {config.alpha:g}.",
            )
        else:
            report.section("Test", f"{statistic} only: no surrogates were asked for, so there is no p-value.")
        rows = [
            [
                indicator.label,
                number_text(self.tau[name], 3),
                p_text(self.pvalue[name]),
                p_text(self.pvalue_adjusted[name]),
                alarm_text(indicator.alarm),
            ]
            for name, indicator in self.indicators.items()
        ]
        report.table(["indicator", trend_symbol(config.trend), "p", "adjusted p", "alarm"], rows)
        if self.power is not None:
            report.section("Power", f"{self.power:.2f}; {self.power_sentence}.")
        report.section("Caution", CAUTION)
        return report

    def to_frame(self) -> pd.DataFrame:
        """The indicators side by side.

        Returns
        -------
        pandas.DataFrame
            One row a map, indexed by time.
        """
        import pandas as pd

        columns = {name: indicator.values for name, indicator in self.indicators.items()}
        return pd.DataFrame(columns, index=pd.Index(self.grids.time, name=self.grids.time_name or "time"))

    def plot(self) -> Figure:
        """A few maps on one scale, and each indicator over time.

        Returns
        -------
        matplotlib.figure.Figure
            Up to four maps on top, one panel an indicator below.
        """
        from ews._analysis.spatial.figure import spatial_figure

        return spatial_figure(self)

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.shape))
        found = f"{self.verdict}; {self._numbers()}"
        return f"<SpatialDetection of {self.name!r}: {found}; {size}, seed={self.config.seed}>"


CAUTION = (
    "A rising indicator is not proof: gradients, habitat and growing disturbance raise variance and correlation "
    "without any loss of resilience. The p-values hold for the null named above and for a record that was not chosen "
    "because it ended in a collapse."
)
