"""What :func:`ews.detect_multivariate` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.alarms import hardly_more
from ews._common.plain import ALLOWED, plain
from ews._common.publish import public
from ews._common.values import SpreadWithLevel, ValueCounts
from ews.errors import ArgumentError, described
from ews.results import DetectConfig, IndicatorSeries, Kind, SurrogateBand, TrendsOfIndicators, Verdict
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews import ScoreTests
    from ews._analysis.score_tests.result import ScoreTest
    from ews._common.layout import Report

__all__ = ["MultivariateConfig", "MultivariateDetection"]

FloatArray = npt.NDArray[np.float64]
_OF_VARIABLE = {
    "value": "values",
    "notes": "notes",
    "names": "name",
    "sampling": "sampling",
    "observations": "observations",
}
_OF_ALL = ("time", "time_name", "step", "step_unit")
_BY_COLUMN = ("trend", "residual", "scale")


@public("ews")
@dataclass(frozen=True, slots=True)
class MultivariateConfig(DetectConfig):
    """Every choice behind a :class:`MultivariateDetection`, as resolved for these variables.

    Attributes
    ----------
    standardize : bool
        Whether each residual was divided by its standard deviation.
    """

    standardize: bool = True


@public("ews")
@dataclass(frozen=True, eq=False)
class MultivariateDetection(TrendsOfIndicators):
    """Early-warning analysis of several variables of one system: verdict, kind, tests, indicators and power.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        By the rule of :func:`ews.detect`.
    reasons : tuple of str
        Why, in sentences.
    variables : dict of str to Series
        Each variable as it was analysed, all at the same times, with notes on what was done to it.
    trend, residual : ndarray of shape (n, variables)
        What detrending took out and what it left, in the variables' units.
    scale : ndarray of shape (variables,)
        What the residuals were divided by before they were measured.
    indicators : dict of str to IndicatorSeries
        Values over time.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic and its p-values; the p-values are NaN without surrogates. With method="score" they are context,
        from 199 surrogates, and decide nothing.
    surrogate_tau : dict of str to ndarray of shape (surrogates,)
        Trend statistic of each surrogate.
    surrogate_band : dict of str to SurrogateBand
        Where each indicator lies under the null; empty without surrogates.
    power : float or None
        Share of positive controls of this length that get a warning, of the kind that is seen least; None without
        surrogates.
    power_sentence : str
        What the positive controls are.
    config : MultivariateConfig
        Every choice and the seed.
    detrend_sentence, scale_sentence, null_sentence : str
        What was taken out, what it was divided by, and what it was tested against.
    counts : dict of str to ValueCounts
        Zeros, ties and distinct values of each variable, before any transform.
    spread : dict of str to SpreadWithLevel or None
        How the spread of each residual scales with the level of its variable.
    kind : {"slowing down", "variance only", "none"}
        What moved: memory or damping, or only the noise.
    bifurcation : {"flip", "hopf"} or None
        Where the drift leads, if the test tells: an eigenvalue that goes to +1 does so before several bifurcations.
    scores : ScoreTests or None
        The score tests, with the paths of what drifted, of the variables along `direction`; None with method="kendall".
    direction : dict of str to float
        Weights, in standard deviations, of the variables in the mode that `scores` shows: the slowest one, or the one
        that alternates where that is what drifted; empty with method="kendall".
    powers : dict of str to float
        Share of positive controls of each kind that get a warning; empty without surrogates.
    needed : int or None
        Where the verdict is *inconclusive*: about how many observations would show controls of every kind.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    variables: Mapping[str, Series]
    trend: FloatArray
    residual: FloatArray
    scale: FloatArray
    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    surrogate_band: Mapping[str, SurrogateBand]
    power: float | None
    power_sentence: str
    config: MultivariateConfig
    detrend_sentence: str
    scale_sentence: str
    null_sentence: str
    counts: Mapping[str, ValueCounts] = field(default_factory=dict)
    spread: Mapping[str, SpreadWithLevel | None] = field(default_factory=dict)
    kind: Kind = "none"
    bifurcation: str | None = None
    scores: ScoreTests | None = None
    direction: Mapping[str, float] = field(default_factory=dict)
    powers: Mapping[str, float] = field(default_factory=dict)
    needed: int | None = None

    _filled: ClassVar = "variables indicators surrogate_tau"
    _shapes: ClassVar = {
        "n": "variables indicators.values surrogate_band.lower surrogate_band.median surrogate_band.upper",
        "n,variables": "trend residual",
        "variables": "scale",
        "surrogates": "surrogate_tau",
    }
    _keys: ClassVar = {**TrendsOfIndicators._keys, "scale_sentence": "scale_sentence"}

    @property
    def series(self) -> Series:
        """The first variable: its times, step and their names hold for all."""
        return next(iter(self.variables.values()))

    @property
    def values(self) -> FloatArray:
        """The variables as a table of shape (n, variables)."""
        return np.column_stack([series.values for series in self.variables.values()])

    @property
    def tests(self) -> tuple[ScoreTest, ...]:
        """The score tests; empty with method="kendall"."""
        return () if self.scores is None else self.scores.tests

    @property
    def qualified(self) -> bool:
        """Whether this is a warning that is hardly likelier for any of the positive controls than without a change."""
        if self.verdict != "warning" or not self.powers:
            return False
        return hardly_more(max(self.powers.values()), self.config.alpha)

    def plot(self) -> Figure:
        """Variables, residuals, what drifted most (with method "score"), and each indicator with its surrogate band.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; save it with ``savefig``.
        """
        from ews._analysis.multivariate.figure import multivariate_figure

        return multivariate_figure(self)

    def _report(self) -> Report:
        from ews._analysis.multivariate.text import multivariate_report

        return multivariate_report(self)

    # ---- in the dictionary, numbers stand by the name of their variable ----

    def _written_fields(self) -> dict[str, Any]:
        found = super()._written_fields()
        variables, names = found["variables"], list(self.variables)
        for key, part in _OF_VARIABLE.items():
            found[key] = {name: variables[name][part] for name in names}
        for key in _OF_ALL:
            found[key] = variables[names[0]][key]
        found |= {key: dict(zip(names, plain(getattr(self, key).T), strict=True)) for key in _BY_COLUMN}
        return found | {"variables": names}

    @classmethod
    def _read_fields(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        try:
            names = saved["variables"]
            variables = {
                name: {part: saved[key][name] for key, part in _OF_VARIABLE.items()}
                | {key: saved[key] for key in _OF_ALL}
                for name in names
            }
            columns = {
                key: np.array([saved[key][name] for name in names], dtype=object).T.tolist() for key in _BY_COLUMN
            }
        except (KeyError, TypeError):
            raise ArgumentError("saved", described("variables without their numbers"), ALLOWED) from None
        return super()._read_fields({**saved, **columns, "variables": variables})

    def to_frame(self) -> pd.DataFrame:
        """Variables, trends, residuals and indicators side by side.

        Returns
        -------
        pandas.DataFrame
            One row an observation, indexed by time; columns of two levels: what (value, trend, residual, indicator) and
            of which variable or indicator.
        """
        import pandas as pd

        columns: dict[tuple[str, str], FloatArray] = {}
        for what, table in (("value", self.values), ("trend", self.trend), ("residual", self.residual)):
            columns |= {(what, name): table[:, place] for place, name in enumerate(self.variables)}
        columns |= {("indicator", name): one.values for name, one in self.indicators.items()}
        frame = pd.DataFrame(columns, index=pd.Index(self.series.time, name=self.series.time_name or "time"))
        frame.columns.names = ["what", "name"]
        return frame

    def __repr__(self) -> str:
        towards = f" towards {self.bifurcation}" if self.bifurcation else ""
        moved = "" if self.kind == "none" else f", {self.kind}{towards}"
        found = f"{self.verdict}{moved}; {self._numbers()}; n={len(self.series)}, seed={self.config.seed}"
        return f"<MultivariateDetection of {len(self.variables)} variables: {found}>"
