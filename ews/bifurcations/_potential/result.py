"""What :func:`ews.bifurcations.potential` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_clause, time_text
from ews._significance.windows import FloatArray, WindowedConfig
from ews.bifurcations._common import text as words
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PotentialConfig", "PotentialWells"]


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class PotentialConfig(WindowedConfig):
    """Every choice behind a :class:`PotentialWells`, as resolved for the series.

    Attributes
    ----------
    null : str
        Model of a record with one well.
    n_bootstrap : int
        How many resamples.
    kernel_bandwidth : float or None
        SD of the kernel as given; None is the rule of thumb.
    barrier : float
        Lowest barrier between two wells, in units of σ²/2.
    noise : float
        σ.
    """

    null: str
    n_bootstrap: int
    kernel_bandwidth: float | None
    barrier: float
    noise: float


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class PotentialWells(Result):
    """The potential of a series, its wells, and how sure their number is.

    Attributes
    ----------
    n_wells : int
        Number of wells over the whole record.
    wells : ndarray of shape (k,)
        Their places, in the series' units, rising; at most 8.
    saddles : ndarray of shape (k - 1,)
        The points between them.
    highest_barrier : float
        The highest barrier that parts two dips of the potential, whether it counts or not; 0 where there is one dip. In
        units of the potential.
    well_share : mapping of int to float
        Share of resamples with each number of wells; empty without resamples.
    pvalue : float
        How often a record of the same length and memory with one well has a barrier as high; NaN without surrogates.
    grid, density, potential : ndarray of shape (512,)
        Places, kernel density (per unit of the series) and potential −(σ²/2) ln f, whose level means nothing.
    kernel_bandwidth : float
        SD of the kernel over the whole record.
    rolling_wells, rolling_barrier : ndarray of shape (n,)
        Number of wells and highest barrier in each window, at its right edge; NaN before the first full window and
        where a window is constant.
    rolling_places : ndarray of shape (n, 15)
        Well, saddle, well, … in each window, rising, then NaN.
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out (0 without) and what it left: the values analysed.
    detrend_sentence, null_sentence, bootstrap_sentence : str
        What was taken out, what the highest barrier was tested against, and how the record was resampled.
    config : PotentialConfig
        Every choice and the seed.
    """

    n_wells: int
    wells: FloatArray
    saddles: FloatArray
    highest_barrier: float
    well_share: Mapping[int, float]
    pvalue: float
    grid: FloatArray
    density: FloatArray
    potential: FloatArray
    kernel_bandwidth: float
    rolling_wells: FloatArray
    rolling_barrier: FloatArray
    rolling_places: FloatArray
    series: Series
    trend: FloatArray
    residual: FloatArray
    detrend_sentence: str
    null_sentence: str
    bootstrap_sentence: str
    config: PotentialConfig

    _shapes: ClassVar = {
        "grid": "grid density potential",
        "wells": "wells",
        "saddles": "saddles",
        "n,places": "rolling_places",
    }
    _derived: ClassVar = ("several",)
    _table: ClassVar = ("trend", "residual", "rolling_wells", "rolling_barrier", "rolling_places")

    @property
    def several(self) -> bool:
        """Whether there are several wells, with a barrier that one well does not show at the level asked for."""
        return bool(self.n_wells > 1 and self.pvalue <= self.config.alpha)

    def _report(self) -> Report:
        config = self.config
        answer = [
            f"the whole record has {_count(self.n_wells)} at {_list(number_text(one) for one in self.wells)}"
            + (f", parted at {_list(number_text(one) for one in self.saddles)}" if self.saddles.size else "")
        ]
        if self.well_share:
            shares = (f"{_count(k)} in {100 * share:.3g} %" for k, share in sorted(self.well_share.items()))
            answer.append(f"of the resamples, there are {_list(shares)}")
        if config.n_surrogates:
            clause = p_clause(self.pvalue)
            if self.n_wells == 1:
                answer.append(f"no barrier counts; the highest is {number_text(self.highest_barrier, 3)} ({clause})")
            else:
                way = "more than one well gives" if self.several else "within what one well gives"
                answer.append(f"its highest barrier is {number_text(self.highest_barrier, 3)} ({clause}): {way}")
        shown = np.unique(np.linspace(config.window - 1, len(self.series) - 1, 6).astype(np.int64))
        rows = [
            [
                time_text(self.series.time[i]),
                number_text(self.rolling_wells[i]),
                ", ".join(number_text(one, 3) for one in self.rolling_places[i, ::2] if np.isfinite(one)) or "–",
                number_text(self.rolling_barrier[i], 3),
            ]
            for i in shown
        ]
        rule = "1.06 min(SD, IQR/1.34) n^(-1/5)" if config.kernel_bandwidth is None else "as given"
        tests = []
        if config.n_bootstrap:
            tests.append(("Bootstrap", f"{config.n_bootstrap} resamples, {self.bootstrap_sentence}."))
        if config.n_surrogates:
            text = (
                f"Highest barrier against {config.n_surrogates} surrogates: {self.null_sentence}; seed {config.seed}."
            )
            tests.append(("Test", text))
        return words.report(
            "Potential analysis",
            answer,
            series=self.series,
            config=config,
            detrend_sentence=self.detrend_sentence,
            sections=[
                (
                    "Potential",
                    f"U = -(σ²/2) ln f, σ = {number_text(config.noise)}; Gaussian kernel of SD "
                    f"{number_text(self.kernel_bandwidth)} ({rule}); wells are parted by at least "
                    f"{number_text(config.barrier)} σ²/2.",
                ),
                *tests,
            ],
            header=["right edge", "wells", "at", "highest barrier"],
            rows=rows,
            caution=(
                "Wells of a density are states only if the record visits each several times and nothing drifts: a "
                "trend, a step from outside or a cycle shows several wells too."
            ),
        )

    def plot(self) -> Figure:
        """Series, wells through time, and the potential.

        Returns
        -------
        matplotlib.figure.Figure
            Series; places of wells and saddles; potential and density of the whole record.
        """
        from ews.bifurcations._potential.figure import potential_figure

        return potential_figure(self)


def _count(number: int) -> str:
    return "1 well" if number == 1 else f"{number} wells"


def _list(parts: Any) -> str:
    *first, last = list(parts)
    return f"{', '.join(first)} and {last}" if first else str(last)
