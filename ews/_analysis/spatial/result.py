"""What :func:`ews.detect_spatial` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ews import summary as words
from ews._common.layout import Report
from ews._common.publish import public
from ews._common.words import alarm_text, number_text, p_text, sentence, time_text, trend_name, trend_symbol
from ews.results import IndicatorSeries, Kind, TrendsOfIndicators, Verdict
from ews.spatial.grids import FloatArray, Grids

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews import ScoreTests
    from ews._analysis.score_tests.result import ScoreTest

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
    method : {"score", "kendall"}
        Which test gave the verdict.
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
    method: str = "score"


@public("ews")
@dataclass(frozen=True, eq=False)
class SpatialDetection(TrendsOfIndicators):
    """Spatial early-warning analysis of maps over time: verdict, kind, tests, indicators and power.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        By the rule of :func:`ews.detect`.
    reasons : tuple of str
        Why, in sentences.
    grids : Grids
        The maps that were analysed, with notes on what was done to them.
    indicators : dict of str to IndicatorSeries
        One value a map.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic and its p-values, two-sided, single and min-p adjusted; NaN without surrogates. With
        method="score" they are context, from 199 surrogates, and decide nothing.
    surrogate_tau : dict of str to ndarray of shape (surrogates,)
        Trend statistic of each surrogate.
    power : float or None
        Share of positive controls that get a warning; None without surrogates.
    power_sentence, null_sentence, detrend_sentence : str
        What the control is, what the trends were tested against, what was taken out of the maps.
    config : SpatialConfig
        Every choice and the seed.
    kind : {"slowing down", "variance only", "none"}
        What moved: memory or damping, or only the noise.
    bifurcation : {"flip", "hopf"} or None
        Where the drift leads, if the test tells: a coefficient that goes to +1 does so before several bifurcations.
    scores : ScoreTests or None
        The score tests, pooled over spatial modes, beside the mean over space, with the paths of what drifted; None
        with method="kendall", and for maps that do not change.
    powers : dict of str to float
        Share of positive controls by kind that get a warning; empty without surrogates.
    needed : int or None
        Where the verdict is *inconclusive*: about how many maps would show the controls.
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
    kind: Kind = "none"
    bifurcation: str | None = None
    scores: ScoreTests | None = None
    powers: Mapping[str, float] = field(default_factory=dict)
    needed: int | None = None

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

    @property
    def tests(self) -> tuple[ScoreTest, ...]:
        """The score tests; empty with method="kendall"."""
        return () if self.scores is None else self.scores.tests

    def _report(self) -> Report:
        config = self.config
        report = Report(f"Spatial early-warning signals in {self.name!r}", self.verdict, self.reasons)
        count, height, width = self.shape
        span = f"{time_text(self.grids.time[0])} to {time_text(self.grids.time[-1])}"
        towards = "" if self.bifurcation is None else f", towards a {words.bifurcation_text(self.bifurcation)}"
        kind = "nothing moves beyond what the null gives" if self.kind == "none" else self.kind + towards
        report.section("Kind", sentence(kind))
        report.section("Data", f"{count} maps of {height} × {width} cells from {span}.")
        report.notes(self.grids.notes)
        coarse = config.coarse_grain
        blocks = f"; means over {coarse} × {coarse} cells" if coarse > 1 else ""
        report.section("Detrending", sentence(self.detrend_sentence + blocks))
        if config.n_surrogates:
            text = f"{self.null_sentence}; {config.n_surrogates} surrogates, seed {config.seed}"
            report.section("Null", sentence(text))
        report.section("Test", self._test_text())
        if self.scores is not None:
            alike = cast(Any, self)
            strong = [one.name in self.scores.kinds for one in self.tests]
            report.table(words.tests_header(alike), words.tests_rows(alike), strong=strong)
            report.section("Indicators", words.context_text(alike))
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

    def _test_text(self) -> str:
        """The statistics, how their p-values are made, and the level."""
        config, statistic = self.config, trend_name(self.config.trend)
        if self.scores is not None:
            return (
                f"{words.significance_text(cast(Any, self))} Scores are added up over spatial modes, the mean over "
                "space and all waves of up to seven across the map, each detrended in time "
                f"({self.scores.detrend_sentence}); a growth of the noise that they share is taken out before."
            )
        if not config.n_surrogates:
            return f"{statistic} only: no surrogates were asked for, so there is no p-value."
        return (
            f"{statistic} of each indicator over the maps, two-sided; p adjusted over the indicators by the min-p "
            f"of Westfall & Young; level {config.alpha:g}."
        )

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
        moved = "" if self.kind == "none" else f", {self.kind}"
        found = f"{self.verdict}{moved}; {self._numbers()}"
        return f"<SpatialDetection of {self.name!r}: {found}; {size}, seed={self.config.seed}>"


CAUTION = (
    "A rising indicator is not proof: gradients, habitat and growing disturbance raise variance and correlation "
    "without any loss of resilience. The p-values hold for the null named above and for a record that was not chosen "
    "because it ended in a collapse."
)
