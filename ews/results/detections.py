"""The answers for the columns of a table, and the false discoveries among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common import checks
from ews._common.alarms import Statistic
from ews._common.false_discovery import FalseDiscoveryMethod, false_discovery
from ews._common.plain import plain
from ews._common.publish import public
from ews._common.result import ResultsByColumn
from ews.results.detection import Detection

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Detections"]


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
