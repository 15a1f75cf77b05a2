"""What :func:`ews.sensitivity` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews._common.result import Result
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ews._common.layout import Report

__all__ = ["SensitivityConfig", "SensitivityMap"]

FloatArray = npt.NDArray[np.float64]
_BY_INDICATOR = (
    "tau", "pvalue", "median_tau", "median_pvalue", "median_pvalue_adjusted", "share_significant",
    "surrogate_median_tau",
)  # fmt: skip


@public("ews")
@dataclass(frozen=True, slots=True)
class SensitivityConfig:
    """Every choice behind a sensitivity map but those that it varies.

    Attributes
    ----------
    detrend : str or None
        Detrending method.
    trend : str
        Trend statistic.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level at which a cell counts as significant.
    causal : bool
        Whether only past samples were used at each time.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    season : int or None
        Period taken out first, in samples.
    seed : int
        Seed of the surrogates.
    transform : str or None
        What the values were transformed by before detrending.
    """

    detrend: str | None
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


@public("ews")
@dataclass(frozen=True, eq=False)
class SensitivityMap(Result):
    """Trends of indicators over a grid of windows and bandwidths.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    window : ndarray of shape (windows,), int
        Window lengths in samples.
    bandwidth : tuple of length bandwidths
        Bandwidths or spans, as given; None where the detrending has none.
    label, alarm : dict of str to str
        What a figure calls each indicator, and the direction that warns.
    tau : dict of str to ndarray of shape (bandwidths, windows)
        Trend statistic of each cell.
    pvalue : dict of str to ndarray of shape (bandwidths, windows)
        Two-sided p of each cell for itself; NaN without surrogates.
    median_tau : dict of str to float
        Median of the trend statistic over the grid.
    median_pvalue, median_pvalue_adjusted : dict of str to float
        Its two-sided p from the medians of the surrogates; and min-p adjusted over the indicators.
    surrogate_median_tau : dict of str to ndarray of shape (n_surrogates,)
        Median of each surrogate's trend statistic over the grid.
    null_sentences, detrend_sentences : tuple of str
        Null and detrending of each bandwidth.
    config : SensitivityConfig
        Every other choice and the seed.
    """

    series: Series
    window: npt.NDArray[np.int64]
    bandwidth: tuple[float | None, ...]
    label: Mapping[str, str]
    alarm: Mapping[str, str]
    tau: Mapping[str, FloatArray]
    pvalue: Mapping[str, FloatArray]
    median_tau: Mapping[str, float]
    median_pvalue: Mapping[str, float]
    median_pvalue_adjusted: Mapping[str, float]
    surrogate_median_tau: Mapping[str, FloatArray]
    null_sentences: tuple[str, ...]
    detrend_sentences: tuple[str, ...]
    config: SensitivityConfig

    _named_alike: ClassVar = (
        "tau pvalue label alarm median_tau median_pvalue median_pvalue_adjusted surrogate_median_tau"
    )
    _shapes: ClassVar = {
        "windows": "window",
        "bandwidths": "bandwidth null_sentences detrend_sentences",
        "bandwidths,windows": "tau pvalue",
        "surrogates": "surrogate_median_tau",
    }
    _filled: ClassVar = "label"
    _derived: ClassVar = ("share_significant",)

    @property
    def name(self) -> str:
        """Name of the series, or ``"series"``."""
        return self.series.name or "series"

    @property
    def window_fraction(self) -> FloatArray:
        """Window lengths as fractions of the record."""
        return np.asarray(self.window / len(self.series), dtype=np.float64)

    @property
    def share_significant(self) -> dict[str, float]:
        """Share of the cells with p ≤ alpha in the direction of alarm; NaN without surrogates.

        The cells are dependent: under the null the share is alpha/2 on average (alpha where both directions warn), but
        often 0 and sometimes large. The p-value of the median says how surely the grid as a whole has a trend.
        """
        nan = float("nan")
        return {name: float(self.counts(name).mean()) if self.config.n_surrogates else nan for name in self.tau}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Indicators whose median trend goes in the direction of alarm with an adjusted p of at most alpha."""
        return tuple(
            name
            for name, tau in self.median_tau.items()
            if self.median_pvalue_adjusted[name] <= self.config.alpha
            and (self.alarm[name] == "both" or (tau > 0 if self.alarm[name] == "up" else tau < 0))
        )

    def counts(self, name: str) -> npt.NDArray[np.bool_]:
        """Which cells are significant in the direction of alarm.

        Parameters
        ----------
        name : str
            An indicator.

        Returns
        -------
        ndarray of shape (bandwidths, windows), bool
            True where p ≤ alpha and the trend warns.
        """
        tau, alarm = self.tau[name], self.alarm[name]
        warns = np.ones(tau.shape, dtype=np.bool_) if alarm == "both" else tau > 0 if alarm == "up" else tau < 0
        return np.asarray((self.pvalue[name] <= self.config.alpha) & warns)

    def _report(self) -> Report:
        from ews._evaluation.sensitivity.text import sensitivity_report

        return sensitivity_report(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each indicator and cell.

        Returns
        -------
        pandas.DataFrame
            Columns indicator, bandwidth, window, window_fraction, tau and pvalue.
        """
        import pandas as pd

        rows = [
            {
                "indicator": name,
                "bandwidth": bandwidth,
                "window": int(window),
                "window_fraction": window / len(self.series),
                "tau": self.tau[name][i, j],
                "pvalue": self.pvalue[name][i, j],
            }
            for name in self.tau
            for i, bandwidth in enumerate(self.bandwidth)
            for j, window in enumerate(self.window)
        ]
        return pd.DataFrame(rows)

    def _beside(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {"indicators": {name: {key: found[key][name] for key in _BY_INDICATOR} for name in self.tau}}

    def plot(self) -> Figure:
        """A heat map of the trend for each indicator, with the histogram of its cells.

        Returns
        -------
        matplotlib.figure.Figure
            One row an indicator; dots mark cells that are significant in the direction of alarm.
        """
        from ews._evaluation.sensitivity.figure import sensitivity_figure

        return sensitivity_figure(self)

    def __repr__(self) -> str:
        medians = ", ".join(f"{name} median τ={tau:+.2f}" for name, tau in self.median_tau.items())
        cells = f"{self.window.size} windows × {len(self.bandwidth)} bandwidths"
        return f"<SensitivityMap of {self.name!r}: {cells}; {medians}>"
