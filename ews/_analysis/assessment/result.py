"""What ``ews.detect(method="auto")`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from ews._common.alarms import Statistic, hardly_more
from ews._common.publish import public
from ews._common.result import Result, ResultsByColumn
from ews.results import Detection, Verdict

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews._common.layout import Report
    from ews.bifurcations import Classification

__all__ = ["Assessment", "Assessments", "Kind"]

FloatArray = npt.NDArray[np.float64]
Kind = Literal["slowing down", "flickering", "variance only", "none"]


@public("ews")
@dataclass(frozen=True, eq=False, repr=False)
class Assessment(Result):
    """Joint test of indicators and detectors: verdict, kind of warning, probability of each bifurcation, and power.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        *Warning* where the joint test finds a statistic beyond its null, in its direction of alarm; else *no warning*
        where every kind of positive control would have been warned of with a power of 0.8; else *inconclusive*.
    kind : {"slowing down", "flickering", "variance only", "none"}
        What moved: the memory or the classifier's evidence; the shape of the distribution, towards two states; or only
        the spread or the skewness.
    bifurcation : str or None
        With slowing down, the most probable of "fold", "transcritical", "pitchfork", "hopf" and "flip".
    probability : mapping of str to float
        Calibrated probability of each bifurcation and of none ("null"), were half of such records to approach one.
    statistic, pvalue, pvalue_adjusted : mapping of str to float
        Of each indicator's trend, of the classifier's "evidence" and of "bimodality": value, p alone (two-sided for
        trends, one-sided for the other two) and p by min-p over all.
    surrogate : mapping of str to ndarray of shape (n_surrogates,)
        Values of each statistic in the surrogates.
    power : mapping of str to float
        Share of positive controls of this length and noise that the same test warns of: towards a fold, a flip, a Hopf
        bifurcation. Empty without surrogates.
    power_sentences : mapping of str to str
        What each control is.
    warned : tuple of str
        The statistics beyond their null, in their direction of alarm.
    reasons : tuple of str
        What led to the verdict.
    votes : mapping of str to str
        The bifurcation that each detector speaks for, whether or not it is near.
    notes : tuple of str
        Detectors that could not run, and why.
    detectors : mapping of str to Result
        Results of the detectors that ran: "classifier", "spectral", "jacobian", "restoring".
    detection : Detection
        The indicators' result; its own p-values are over the indicators alone.
    """

    verdict: Verdict
    kind: Kind
    bifurcation: str | None
    probability: Mapping[str, float]
    statistic: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate: Mapping[str, FloatArray]
    power: Mapping[str, float]
    power_sentences: Mapping[str, str]
    warned: tuple[str, ...]
    reasons: tuple[str, ...]
    votes: Mapping[str, str]
    notes: tuple[str, ...]
    detectors: Mapping[str, Result]
    detection: Detection

    _keys: ClassVar = {"power_sentences": "power_sentences"}
    _derived: ClassVar = ("rivals", "qualified")

    @property
    def classification(self) -> Classification:
        """The classifier's result, through time."""
        found: Any = self.detectors["classifier"]
        return cast("Classification", found)

    @property
    def qualified(self) -> bool:
        """Whether this is a warning that is hardly likelier for any of the positive controls than without a change."""
        most = max(self.power.values(), default=1.0)
        return self.verdict == "warning" and hardly_more(most, self.detection.config.alpha)

    @property
    def rivals(self) -> tuple[str, ...]:
        """Bifurcations at least two thirds as probable as the one named: between them it is undecided."""
        if self.bifurcation is None:
            return ()
        least = 2 / 3 * self.probability[self.bifurcation]
        others = [name for name in self.probability if name not in ("null", self.bifurcation)]
        near = [name for name in others if self.probability[name] >= least]
        return tuple(sorted(near, key=lambda name: -self.probability[name]))

    @property
    def name(self) -> str:
        """Name of the series."""
        return self.detection.name

    def to_frame(self) -> pd.DataFrame:
        """The statistics of the joint test.

        Returns
        -------
        pandas.DataFrame
            One row a statistic: value, p alone, p adjusted.
        """
        import pandas as pd

        columns = {"statistic": self.statistic, "pvalue": self.pvalue, "pvalue_adjusted": self.pvalue_adjusted}
        return pd.DataFrame({name: dict(values) for name, values in columns.items()})

    def plot(self) -> Figure:
        """Series, probabilities through time, and each statistic among its surrogates.

        Returns
        -------
        matplotlib.figure.Figure
            Panels on white.
        """
        from ews._analysis.assessment.figure import assessment_figure

        return assessment_figure(self)

    def _report(self) -> Report:
        from ews._analysis.assessment.text import assessment_report

        return assessment_report(self)

    def _page(self) -> str:
        from ews._analysis.assessment.page import assessment_page

        return assessment_page(self)

    def __repr__(self) -> str:
        towards = f" towards {' or '.join((self.bifurcation, *self.rivals))}" if self.bifurcation else ""
        return f"<Assessment of {self.name}: {self.verdict}, {self.kind}{towards}>"


@public("ews")
@dataclass(frozen=True, eq=False, repr=False)
class Assessments(ResultsByColumn[Assessment]):
    """Joint tests of several columns, one :class:`Assessment` each.

    Attributes
    ----------
    assessments : mapping of str to Assessment
        Assessment of each column.
    """

    assessments: Mapping[str, Assessment]

    def _report(self) -> Report:
        from ews._analysis.assessment.text import assessments_report

        return assessments_report(self)

    def _page(self) -> str:
        from ews._analysis.assessment.page import assessments_page

        return assessments_page(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a column.

        Returns
        -------
        pandas.DataFrame
            Verdict, kind, bifurcation, probability of any bifurcation, smallest adjusted p in a direction of alarm (1
            where nothing moved in one), its q-value over all columns (Benjamini and Hochberg), smallest power.
        """
        import pandas as pd

        from ews._common.false_discovery import false_discovery

        smallest = [_warning_pvalue(one) for one in self.values()]
        return pd.DataFrame(
            {
                "verdict": [one.verdict for one in self.values()],
                "kind": [one.kind for one in self.values()],
                "bifurcation": [one.bifurcation for one in self.values()],
                "probability": [1.0 - one.probability["null"] for one in self.values()],
                "pvalue": smallest,
                "qvalue": false_discovery(smallest),
                "power": [min(one.power.values(), default=np.nan) for one in self.values()],
            },
            index=pd.Index(list(self), name="column"),
        )

    def plot(self) -> Figure:
        """The probabilities of each column, with its verdict.

        Returns
        -------
        matplotlib.figure.Figure
            One bar a column.
        """
        from ews._analysis.assessment.figure import assessments_figure

        return assessments_figure(self)

    def __repr__(self) -> str:
        return f"<Assessments of {len(self)} columns>"


def _warning_pvalue(result: Assessment) -> float:
    """Smallest adjusted p in a direction of alarm; 1 where there is none, NaN without surrogates."""
    if not result.detection.config.n_surrogates:
        return float("nan")
    found = [1.0]
    for name, p in result.pvalue_adjusted.items():
        indicator = result.detection.indicators.get(name)
        # Evidence and bimodality are one-sided: whatever their value, only more of it has a small p.
        tested = Statistic("up", sides=1) if indicator is None else Statistic(indicator.alarm)
        if tested.warns(np.array(result.statistic[name]), np.array(p), 1.0):
            found.append(float(p))
    return min(found)
