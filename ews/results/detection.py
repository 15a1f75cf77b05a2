"""The answer for one series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.alarms import hardly_more
from ews._common.layout import Report
from ews._common.plain import plain
from ews._common.publish import public
from ews._common.values import SpreadWithLevel, ValueCounts
from ews.results.config import DetectConfig
from ews.results.indicators import IndicatorSeries, SurrogateBand
from ews.results.trends import Kind, TrendsOfIndicators, Verdict
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews import ScoreTests
    from ews._analysis.score_tests.result import ScoreTest
    from ews.changepoints import ChangePoints

__all__ = ["Detection"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, eq=False)
class Detection(TrendsOfIndicators):
    """Early-warning analysis of one series: verdict, kind, tests, indicators and power.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        *Warning* where memory or damping drifts towards instability at the family-wise level (with method="kendall":
        where the trend of an indicator lies beyond its null, in its direction of alarm); else *no warning* where the
        power on every kind of positive control is ≥ 0.8; else *inconclusive*.
    reasons : tuple of str
        Why, in sentences.
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    indicators : dict of str to IndicatorSeries
        Values over time.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic of each indicator and its p-values, NaN without surrogates. With method="score" they are what a
        reader expects to see beside the tests, from 199 surrogates, and decide nothing.
    tau_interval : dict of str to (float, float)
        Central 1 − alpha interval of τ, from series simulated with the drift in memory and variance estimated from the
        residual; NaN without surrogates, and with method="score".
    surrogate_tau : dict of str to ndarray of shape (surrogates,)
        Trend statistic of each surrogate.
    surrogate_band : dict of str to SurrogateBand
        Where each indicator lies under the null; empty without surrogates.
    power : float or None
        Share of positive controls of this length that get a warning, of the kind that is seen least; None without
        surrogates.
    power_sentence : str
        What the positive controls are.
    config : DetectConfig
        Every choice and the seed.
    detrend_sentence, null_sentence : str
        What was taken out (and whether that looked ahead), and what it was tested against.
    counts : ValueCounts or None
        Zeros, ties and distinct values of the series, before any transform.
    spread : SpreadWithLevel or None
        How the spread of the residual scales with the level; None for a transformed series, or one without a level.
    kind : {"slowing down", "flickering", "variance only", "none"}
        What moved, the first that applies: memory or damping; the last half moves between two states; the noise alone.
    bifurcation : str or None
        With slowing down, the likeliest of "fold", "transcritical", "pitchfork", "flip" and "hopf" among those that the
        significant tests allow; None where a record of under 40 samples leaves several.
    probability : mapping of str to float
        Share of each bifurcation that the significant tests allow, the likeliest first; the classifier's where they
        allow several (:func:`ews.bifurcations.classifier`).
    scores : ScoreTests or None
        The score tests, with the paths of what drifted; None with method="kendall".
    powers : mapping of str to float
        Share of positive controls of each kind that get a warning; empty without surrogates.
    needed : int or None
        Where the verdict is *inconclusive*: about how many observations would show controls of every kind; None too
        where that is over a hundred times the record.
    smallest_drift : float or None
        The rise of the lag-1 coefficient over the record that would have shown in four of five records; None without
        surrogates, and where none from −1 to +1 would.
    flickering : float
        p of a test, beside the others and at its own level, of whether the last half moves between two states, against
        the surrogates of the context; NaN where it was not made.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    series: Series
    trend: FloatArray
    residual: FloatArray
    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    tau_interval: Mapping[str, tuple[float, float]]
    surrogate_tau: Mapping[str, FloatArray]
    surrogate_band: Mapping[str, SurrogateBand]
    power: float | None
    power_sentence: str
    config: DetectConfig
    detrend_sentence: str
    null_sentence: str
    counts: ValueCounts | None = None
    spread: SpreadWithLevel | None = None
    kind: Kind = "none"
    bifurcation: str | None = None
    probability: Mapping[str, float] = field(default_factory=dict)
    scores: ScoreTests | None = None
    powers: Mapping[str, float] = field(default_factory=dict)
    needed: int | None = None
    smallest_drift: float | None = None
    flickering: float = float("nan")

    _derived: ClassVar = ("rivals",)
    _filled: ClassVar = "indicators surrogate_tau"
    _shapes: ClassVar = {
        "n": "trend residual indicators.values surrogate_band.lower surrogate_band.median surrogate_band.upper",
        "surrogates": "surrogate_tau",
    }

    @cached_property
    def changepoints(self) -> ChangePoints:
        """Change points of the series' mean, found on first access (see :func:`ews.changepoints.change_points`)."""
        from ews.changepoints import ChangePoints, shifts

        # By position: with missing="drop" the observations are consecutive, whatever their times.
        index, penalty = shifts(self.series.values, penalty=None, min_size=max(3, min(5, len(self.series) // 2)))
        return ChangePoints(index, self.series.time[index], penalty)

    @property
    def name(self) -> str:
        """Name of the series, or ``"series"``."""
        return self.series.name or "series"

    @property
    def tests(self) -> tuple[ScoreTest, ...]:
        """The score tests; empty with method="kendall"."""
        return () if self.scores is None else self.scores.tests

    def tested(self) -> pd.DataFrame:
        """One row for each score test, or each indicator with method="kendall" (see :meth:`statistics`).

        Returns
        -------
        pandas.DataFrame
            Of score tests: columns score, shape, pvalue, adjusted, start, end, drift_low, drift_high and warns.
        """
        import dataclasses

        import pandas as pd

        if self.scores is None:
            return self.statistics()
        return (
            pd.DataFrame([dataclasses.asdict(one) for one in self.tests])
            .rename(columns={"name": "test"})
            .set_index("test")
        )

    @property
    def qualified(self) -> bool:
        """Whether this is a warning that is hardly likelier for any of the positive controls than without a change."""
        if self.verdict != "warning" or not self.powers:
            return False
        return hardly_more(max(self.powers.values()), self.config.alpha)

    @property
    def rivals(self) -> tuple[str, ...]:
        """Bifurcations at least two thirds as probable as the one named: between them it is undecided."""
        if self.bifurcation is None:
            return ()
        least = 2 / 3 * self.probability[self.bifurcation]
        near = [name for name, share in self.probability.items() if share >= least and name != self.bifurcation]
        return tuple(sorted(near, key=lambda name: -self.probability[name]))

    def _report(self) -> Report:
        from ews.summary import detection_report

        return detection_report(self)

    def to_frame(self) -> pd.DataFrame:
        """Series, trend, residual and indicators side by side.

        Returns
        -------
        pandas.DataFrame
            One row an observation, indexed by time.
        """
        import pandas as pd

        columns = {"value": self.series.values, "trend": self.trend, "residual": self.residual}
        columns |= {name: indicator.values for name, indicator in self.indicators.items()}
        return pd.DataFrame(columns, index=pd.Index(self.series.time, name=self.series.time_name or "time"))

    def _beside(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return super()._beside(found) | {"changepoints": plain(self.changepoints.time)}

    def plot(self) -> Figure:
        """Series with trend and change points, residual, what drifted, and each indicator with its surrogate band.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; save it with ``savefig``.
        """
        from ews.plot import detection_figure

        return detection_figure(self)

    def _page(self) -> str:
        from ews.report import page

        return page(self)

    def _repr_html_(self) -> str:
        from ews.report import fragment

        return fragment(self)

    def __repr__(self) -> str:
        towards = f" towards {' or '.join((self.bifurcation, *self.rivals))}" if self.bifurcation else ""
        moved = "" if self.kind == "none" else f", {self.kind}{towards}"
        found = f"{self.verdict}{moved}; {self._numbers()}"
        return f"<Detection of {self.name!r}: {found}; n={len(self.series)}, seed={self.config.seed}>"
