"""Frozen results: they carry the data, the config and the seed that made them; readers never recompute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.alarms import Alarm, Statistic, hardly_more
from ews._common.false_discovery import FalseDiscoveryMethod, false_discovery
from ews._common.layout import Report
from ews._common.lazy import lazy_arrays
from ews._common.plain import plain
from ews._common.publish import public
from ews._common.result import Result, ResultsByColumn
from ews._common.values import SpreadWithLevel, ValueCounts
from ews._common.words import number_text, p_clause, p_text, sentence
from ews.series import Series, TimeArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews import ScoreTests
    from ews._analysis.score_tests.result import ScoreTest
    from ews.changepoints import ChangePoints

__all__ = [
    "DetectConfig",
    "Detection",
    "Detections",
    "IndicatorSeries",
    "Kind",
    "Report",
    "Result",
    "Significance",
    "SurrogateBand",
    "Verdict",
]

FloatArray = npt.NDArray[np.float64]
Verdict = Literal["warning", "no warning", "inconclusive"]
Kind = Literal["slowing down", "flickering", "variance only", "none"]
ARROWS = {"up": "rises", "down": "falls", "both": "rises or falls"}


@public("ews")
@dataclass(frozen=True, slots=True)
class DetectConfig:
    """Every choice behind a result, as resolved for this series.

    Attributes
    ----------
    window : int
        Window length in samples.
    window_fraction : float
        The same as a fraction of the record.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    indicators : tuple of str
        Names of the indicators.
    trend : str
        Trend statistic.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test and of the intervals.
    causal : bool
        Whether only past samples were used at each time.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    season : int or None
        Period taken out first, in samples.
    seed : int
        Seed of every random number in the result.
    transform : str or None
        What the values were transformed by before detrending: a name, or the qualified name of a function.
    method : {"score", "kendall"}
        Which test gave the verdict.
    measurement_error : {"constant", "drifting"} or None
        Which measurement error was allowed for, asked for or by default.
    """

    window: int
    window_fraction: float
    detrend: str | None
    bandwidth: float | None
    indicators: tuple[str, ...]
    trend: str
    null: str
    n_surrogates: int
    alpha: float
    causal: bool
    until: str | None
    missing: str
    duplicates: str
    season: int | None
    seed: int
    transform: str | None = None
    method: Literal["score", "kendall"] = "score"
    measurement_error: Literal["default", "constant", "drifting"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IndicatorSeries:
    """One indicator over time, each value stamped with the right edge of its window.

    Attributes
    ----------
    name, label : str
        Registered name, and what a figure calls it.
    alarm : {"up", "down", "both"}
        Which direction warns.
    values : ndarray of shape (n,)
        NaN before the first full window.
    time : ndarray of shape (n,)
        The series' times.
    """

    name: str
    label: str
    alarm: Alarm
    values: FloatArray
    time: TimeArray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __len__(self) -> int:
        return int(self.values.size)


@lazy_arrays("lower", "median", "upper")
@dataclass(frozen=True, eq=False)
class SurrogateBand:
    """Where an indicator lies, time by time, under the null.

    Attributes
    ----------
    lower, median, upper : ndarray of shape (n,)
        Pointwise 2.5 %, 50 % and 97.5 % quantiles over surrogates; NaN before the first full window.
    """

    lower: FloatArray
    median: FloatArray
    upper: FloatArray


@public("ews")
@dataclass(frozen=True, eq=False)
class Significance(Result):
    """Significance of indicator trends: each against its distribution under the null model.

    Attributes
    ----------
    tau : dict of str to float
        Trend statistic of each indicator.
    pvalue : dict of str to float
        Two-sided, p = min(1, 2 min(p↑, p↓)), each p = (1 + r) / (1 + n).
    pvalue_adjusted : dict of str to float
        Min-p adjusted over the indicators (Westfall & Young 1993); never below `pvalue`'s smallest.
    surrogate_tau : dict of str to ndarray of shape (n_surrogates,)
        The trend statistic of each surrogate.
    null_sentence : str
        What the null is, with its fitted numbers.
    n_surrogates : int
        How many surrogates.
    seed : int
        Seed of the surrogates.
    """

    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    null_sentence: str
    n_surrogates: int
    seed: int

    _named_alike: ClassVar = "tau pvalue pvalue_adjusted surrogate_tau"
    _filled: ClassVar = "tau surrogate_tau"
    _shapes: ClassVar = {"surrogates": "surrogate_tau"}

    def _report(self) -> Report:
        report = Report("Significance of trends")
        rows = [
            [name, number_text(tau, 3), p_text(self.pvalue[name]), p_text(self.pvalue_adjusted[name])]
            for name, tau in self.tau.items()
        ]
        report.table(["indicator", "trend", "p", "adjusted p"], rows)
        report.section("Null", sentence(f"{self.null_sentence}; {self.n_surrogates} surrogates, seed {self.seed}"))
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row for each indicator.

        Returns
        -------
        pandas.DataFrame
            Columns tau, pvalue and pvalue_adjusted.
        """
        import pandas as pd

        columns = {name: dict(getattr(self, name)) for name in ("tau", "pvalue", "pvalue_adjusted")}
        return pd.DataFrame(columns).rename_axis("indicator")

    def plot(self) -> Figure:
        """Each observed trend among those of the surrogates.

        Returns
        -------
        matplotlib.figure.Figure
            A panel for each indicator.
        """
        from ews.plot import significance_figure

        return significance_figure(self)


class TrendsOfIndicators(Result):
    """What detections of one series, of several variables and of maps share: trends held against surrogates."""

    __slots__ = ()
    _named_alike: ClassVar = "indicators tau pvalue pvalue_adjusted"
    _keys: ClassVar = {"power_sentence": "power_control", "pvalue": "pvalues", "pvalue_adjusted": "pvalues_adjusted"}

    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    verdict: Verdict
    power: float | None
    config: Any

    @property
    def untellable(self) -> bool:
        """Whether the values allow no answer, whatever the tests make of them: most of them equal, or a handful.

        Of several variables those of any.
        """
        counts = getattr(self, "counts", None)
        each = counts.values() if isinstance(counts, Mapping) else (counts,)
        return any(one is not None and bool(one.obstacles(self.config.window)) for one in each)

    @property
    def qualified(self) -> bool:
        """Whether this is a warning that is hardly likelier with a loss of resilience than without.

        True where the power is below twice the level: the reasons then say so.
        """
        return self.verdict == "warning" and self.power is not None and hardly_more(self.power, self.config.alpha)

    def statistics(self) -> pd.DataFrame:
        """One row for each indicator: trend, interval where there is one, and p-values.

        Returns
        -------
        pandas.DataFrame
            Columns tau, low, high, pvalue, pvalue_adjusted and alarm.
        """
        import pandas as pd

        columns: dict[str, Any] = {"tau": self.tau}
        if (intervals := getattr(self, "tau_interval", None)) is not None:
            columns |= {side: {name: pair[i] for name, pair in intervals.items()} for i, side in enumerate(_SIDES)}
        columns |= {"pvalue": self.pvalue, "pvalue_adjusted": self.pvalue_adjusted}
        columns["alarm"] = {name: indicator.alarm for name, indicator in self.indicators.items()}
        rows = [{"indicator": name} | {key: of[name] for key, of in columns.items()} for name in self.indicators]
        return pd.DataFrame(rows).set_index("indicator")

    def _beside(self, found: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("tau", "tau_interval", "pvalue", "pvalue_adjusted")
        of = {key: found[self._key(key)] for key in keys if hasattr(self, key)}
        return {
            "qualified": self.qualified,
            "statistics": {
                name: {key: numbers[name] for key, numbers in of.items()} | {"alarm": indicator.alarm}
                for name, indicator in self.indicators.items()
            },
        }

    def _numbers(self) -> str:
        """τ and adjusted p of each indicator, for a repr."""
        return ", ".join(
            f"{name} τ={'–' if np.isnan(tau := self.tau[name]) else f'{tau:+.2f}'}"
            + ("" if np.isnan(p := self.pvalue_adjusted[name]) else f" {p_clause(p).replace(' ', '')}")
            for name in self.indicators
        )


_SIDES = ("low", "high")


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


@public("ews")
@dataclass(frozen=True, eq=False)
class Detections(ResultsByColumn[Detection]):
    """One :class:`Detection` for each column of a table.

    Attributes
    ----------
    detections : dict of str to Detection
        By column, in the table's order.
    """

    detections: Mapping[str, Detection] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for each column, then how many warnings chance alone would give.

        Returns
        -------
        str
            Plain text.
        """
        from ews.summary import detections_summary

        return detections_summary(self)

    def to_dict(self) -> dict[str, Any]:
        """Each column's :meth:`Detection.to_dict`, with its p-value and q-value over the columns.

        Returns
        -------
        dict
            By column.
        """
        return {
            name: one.to_dict() | {"pvalue": plain(self.pvalue[name]), "qvalue": plain(self.qvalue[name])}
            for name, one in self.items()
        }

    @cached_property
    def pvalue(self) -> dict[str, float]:
        """One p-value for each column: that of its warning.

        The smallest family-wise p among the tests that may warn (with method="kendall", among the indicators that moved
        in their direction of alarm; 1 where none did); NaN without surrogates. It is at most alpha where the verdict is
        *warning*.
        """
        return {name: _warning_pvalue(detection) for name, detection in self.items()}

    @cached_property
    def qvalue(self) -> dict[str, float]:
        """q-value of each column over all columns, after Benjamini & Hochberg (see :func:`ews.false_discovery`)."""
        return self._qvalues("bh")

    def _qvalues(self, method: FalseDiscoveryMethod) -> dict[str, float]:
        q = false_discovery(list(self.pvalue.values()), method=method)
        return dict(zip(self, map(float, q), strict=True))

    def warnings(self, rate: float = 0.05, *, method: FalseDiscoveryMethod = "bh") -> tuple[str, ...]:
        """Columns that warn at a false discovery rate over all columns.

        Parameters
        ----------
        rate : float, default 0.05
            Expected share of false warnings among them, at most.
        method : {"bh", "by"}, default "bh"
            Benjamini & Hochberg, for columns that are independent or positively dependent; or Benjamini & Yekutieli,
            for any dependence.

        Returns
        -------
        tuple of str
            Names of the columns whose q-value is at most `rate`, in the table's order.

        Raises
        ------
        ews.errors.ArgumentError
            If the rate is not between 0 and 1, or the method is not known.
        """
        rate = checks.alpha(rate, "rate")
        return tuple(name for name, q in self._qvalues(method).items() if q <= rate)

    def to_frame(self) -> pd.DataFrame:
        """One row for each column and what is tested of it: the score tests, or the indicators with method="kendall".

        Returns
        -------
        pandas.DataFrame
            Indexed by (series, test) or (series, indicator), with the verdict, kind, bifurcation and q-value of the
            series beside the statistics.
        """
        import pandas as pd

        tables = {
            name: one.tested().assign(
                verdict=one.verdict, kind=one.kind, bifurcation=one.bifurcation, qvalue=self.qvalue[name]
            )
            for name, one in self.items()
        }
        return pd.concat(tables, names=["series"])

    def plot(self) -> Figure:
        """Indicator trends of all columns in one figure.

        Returns
        -------
        matplotlib.figure.Figure
            One row a column.
        """
        from ews.plot import detections_figure

        return detections_figure(self)

    def _page(self) -> str:
        from ews.report import page

        return page(self)

    def _repr_html_(self) -> str:
        from ews.report import fragment

        return fragment(self)

    def __repr__(self) -> str:
        return f"<Detections: {', '.join(f'{name}: {one.verdict}' for name, one in self.items())}>"


def _warning_pvalue(detection: Detection) -> float:
    """Smallest family-wise p of a test that may warn; 1 where there is none, NaN without surrogates."""
    if not detection.config.n_surrogates:
        return float("nan")
    if detection.untellable:  # values that allow no answer warn of nothing
        return 1.0
    if detection.scores is not None:
        return min((one.adjusted for one in detection.tests if one.warns and one.adjusted <= 1.0), default=1.0)
    found = [1.0]
    for name, indicator in detection.indicators.items():
        tau, p = np.array(detection.tau[name]), detection.pvalue_adjusted[name]
        if Statistic(indicator.alarm).warns(tau, np.array(p), 1.0):
            found.append(p)
    return min(found)
