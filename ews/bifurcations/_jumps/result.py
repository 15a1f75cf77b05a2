"""What :func:`ews.bifurcations.jumps` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_text, sentence
from ews._significance.windows import FloatArray
from ews.bifurcations._common import text as words
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LABELS", "DriftDiffusionJump", "JumpsConfig"]

LABELS = {
    "conditional_variance": "conditional variance",
    "total_variance": "total variance",
    "diffusion": "diffusion",
    "jump_intensity": "jump intensity",
}


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class JumpsConfig:
    """Every choice behind a :class:`DriftDiffusionJump`, as resolved for the series.

    Attributes
    ----------
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    kernel_bandwidth : float
        SD of the kernel, in SDs of the series.
    points : int
        Size of the grid of states.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        Number of surrogates.
    alpha : float
        Level of the test.
    causal : bool
        Whether detrending used past samples only.
    season : int or None
        Period taken out first, in samples.
    transform : str or None
        What the values were transformed by before that.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of the surrogates.
    """

    detrend: str | None
    bandwidth: float | None
    kernel_bandwidth: float
    points: int
    null: str
    n_surrogates: int
    alpha: float
    causal: bool
    season: int | None
    transform: str | None
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class DriftDiffusionJump(Result):
    """Drift, diffusion and jumps of a series, as functions of the state and in time.

    Attributes
    ----------
    grid : ndarray of shape (points,)
        States, in the series' units.
    drift : ndarray of shape (points,)
        M₁, in the series' units per unit of time.
    by_state : mapping of str to ndarray of shape (points,)
        At each state of the grid: ``conditional_variance`` of the next value (units squared), ``total_variance`` M₂ and
        ``diffusion`` (units squared per unit of time), ``jump_intensity`` (per unit of time).
    jump_variance : float
        σ_Z², in units squared.
    in_time : mapping of str to ndarray of shape (n,)
        The same at the state of each time. Every value rests on the whole record.
    tau : mapping of str to float
        Kendall's τ-b of each in time; 0 where it is constant.
    pvalue, pvalue_adjusted : mapping of str to float
        Two-sided p of τ, alone and allowing for four; NaN without surrogates.
    surrogate_tau : mapping of str to ndarray of shape (n_surrogates,)
        τ of each surrogate.
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out (0 without) and what it left: the values analysed.
    detrend_sentence, null_sentence : str
        What was taken out, and what τ was tested against.
    config : JumpsConfig
        Every choice and the seed.
    """

    grid: FloatArray
    drift: FloatArray
    by_state: Mapping[str, FloatArray]
    jump_variance: float
    in_time: Mapping[str, FloatArray]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    series: Series
    trend: FloatArray
    residual: FloatArray
    detrend_sentence: str
    null_sentence: str
    config: JumpsConfig

    _named_alike: ClassVar = "tau pvalue pvalue_adjusted surrogate_tau"
    _shapes: ClassVar = {"points": "grid drift by_state", "surrogates": "surrogate_tau"}
    _derived: ClassVar = ("warning",)
    _table: ClassVar = ("trend", "residual", "in_time")

    @property
    def warning(self) -> bool:
        """Whether a component rises more steadily than the null allows, at the level asked for, given four."""
        return any(self.tau[name] > 0 and self.pvalue_adjusted[name] <= self.config.alpha for name in LABELS)

    def _report(self) -> Report:
        config, series = self.config, self.series
        rising = [LABELS[name] for name in LABELS if self.tau[name] > 0 and self.pvalue_adjusted[name] <= config.alpha]
        if rising:
            answer = f"more than the null allows, there is a rise of {' and of '.join(rising)}"
        elif config.n_surrogates:
            answer = "no component rises more than the null allows"
        else:
            answer = "no surrogates were asked for, so there are no p-values"
        report = Report(f"Drift, diffusion and jumps in {(series.name or 'series')!r}", answers=[answer])
        report.data(series, config)
        report.section("Detrending", sentence(self.detrend_sentence))
        report.section(
            "Model",
            f"dx = f(x) dt + g(x) dW + dJ; moments of the increments given the state, by a Gaussian kernel of SD "
            f"{number_text(config.kernel_bandwidth)} SD, at {config.points} states. Jumps have a variance of "
            f"{number_text(self.jump_variance)}.",
        )
        report.section("Test", words.surrogates_text(config, self.null_sentence, again="detrended and estimated"))
        over = {
            name: [number_text(float(end(self.by_state[name]))) for end in (np.nanmin, np.nanmax)] for name in LABELS
        }
        rows = [
            [
                label,
                " to ".join(over[name]),
                number_text(float(self.in_time[name][-1])),
                f"{self.tau[name]:+.2f}",
                p_text(self.pvalue[name]),
                p_text(self.pvalue_adjusted[name]),
            ]
            for name, label in LABELS.items()
        ]
        report.table(["component", "over states", "last", "τ", "p", "adjusted p"], rows)
        report.section(
            "Caution",
            "At a finite step Gaussian increments too give jumps, at the rate of one a step, and no diffusion. In "
            "time all components are functions of the state, which every sample of the record helped to estimate: a "
            "trend of the state alone moves them.",
        )
        return report

    def plot(self) -> Figure:
        """Series, components in time, and components against the state.

        Returns
        -------
        matplotlib.figure.Figure
            Five panels over time and a row of four over the states.
        """
        from ews.bifurcations._jumps.figure import jumps_figure

        return jumps_figure(self)
