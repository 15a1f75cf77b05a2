"""Trends of indicators against those of surrogates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_text, sentence

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Significance"]

FloatArray = npt.NDArray[np.float64]


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
