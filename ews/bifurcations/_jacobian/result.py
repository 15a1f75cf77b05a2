"""What :func:`ews.bifurcations.jacobian` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, time_text
from ews._significance.windows import FloatArray, WindowedConfig
from ews.bifurcations._common import text as words
from ews.bifurcations._jacobian.maps import Companion
from ews.series import Series, TimeArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["JacobianConfig", "JacobianEigenvalue"]

# By the place of the eigenvalue, in the order of the columns of `shares`.
KINDS = ("fold, transcritical or pitchfork", "period doubling", "Hopf or Neimark-Sacker")
PLACES = ("real and positive", "real and negative", "a complex pair")


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class JacobianConfig(WindowedConfig):
    """Every choice behind a :class:`JacobianEigenvalue`, as resolved for the series.

    Attributes
    ----------
    null : str
        Null model of the surrogates.
    dimension, delay : int or None
        Embedding, E delays τ samples apart, if it was given; None where each window chose its own.
    theta : float or None
        Strength of localisation, likewise.
    companion : {"full", "published"}
        Companion matrix of the local maps: of the whole recurrence, or E × E as published.
    stride : int
        Distance between windows in samples.
    """

    null: str
    dimension: int | None
    delay: int | None
    theta: float | None
    companion: Companion
    stride: int


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class JacobianEigenvalue(Result):
    """The dynamical eigenvalue in rolling windows.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    index : ndarray of shape (windows,), int64
        Last sample of each window.
    time : ndarray of shape (windows,)
        Its time.
    modulus, real, imaginary : ndarray of shape (windows,)
        Means over the points of a window of ``|ν|``, Re ν and ``|Im ν|``, per sample; NaN where a window does not vary.
    shares : ndarray of shape (windows, 3)
        Shares of the points at which ν is real and positive, real and negative, a complex pair.
    theta, skill : ndarray of shape (windows,)
        Strength of localisation, and the leave-one-out correlation that chose it.
    dimension, delay : ndarray of shape (windows,), int64
        Embedding: E delays, τ samples apart.
    approach : ndarray of shape (windows,)
        What is tested: Re ν, −Re ν or ``|ν|`` by the place of ν in the last window; 1 at the bifurcation.
    tau : float
        Kendall's τ-b of the approach with time.
    pvalue : float
        Two-sided p of τ; NaN without surrogates. Each surrogate has its own place.
    surrogate_tau : ndarray of shape (n_surrogates,)
        τ of each surrogate.
    modulus_tau, modulus_pvalue : float
        The same of ``|ν|``, as published.
    detrend_sentence, null_sentence : str
        What was taken out, and what τ was tested against.
    config : JacobianConfig
        Every choice and the seed.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    index: npt.NDArray[np.int64]
    time: TimeArray
    modulus: FloatArray
    real: FloatArray
    imaginary: FloatArray
    shares: FloatArray
    theta: FloatArray
    skill: FloatArray
    dimension: npt.NDArray[np.int64]
    delay: npt.NDArray[np.int64]
    approach: FloatArray
    tau: float
    pvalue: float
    surrogate_tau: FloatArray
    modulus_tau: float
    modulus_pvalue: float
    detrend_sentence: str
    null_sentence: str
    config: JacobianConfig

    _shapes: ClassVar = {"n": "trend residual", "axis": "index", "axis,3": "shares", "surrogates": "surrogate_tau"}
    _keys: ClassVar = {"time": "window_time"}
    _derived: ClassVar = ("warning", "kind")
    _table: ClassVar = ("modulus", "real", "imaginary", "approach", "shares", "theta", "skill", "dimension", "delay")
    _axis: ClassVar = "time"

    @property
    def kind(self) -> str | None:
        """The bifurcation that the eigenvalue's place in the last window speaks for, whether or not it is near.

        ``"fold, transcritical or pitchfork"``, ``"period doubling"`` or ``"Hopf or Neimark-Sacker"``, by where the
        eigenvalue lies at most of the window's points; None where the window has no eigenvalue.
        """
        last = self.shares[-1]
        return None if np.isnan(last).any() else KINDS[int(np.argmax(last))]

    @property
    def warning(self) -> bool:
        """Whether ν approaches its place at the bifurcation more steadily than the null allows."""
        return bool(self.tau > 0 and self.pvalue <= self.config.alpha)

    def _report(self) -> Report:
        config = self.config
        shown = np.unique(np.linspace(0, self.index.size - 1, 6).astype(np.int64))
        answer = [
            words.trend_clause("the approach to the bifurcation", self.tau, self.pvalue),
            words.trend_clause("|ν|", self.modulus_tau, self.modulus_pvalue),
        ]
        if self.kind is not None:
            place = int(np.argmax(self.shares[-1]))
            answer.append(
                f"in the last window |ν| is {number_text(self.modulus[-1])} (1 is the bifurcation), ν {PLACES[place]} "
                f"at {100 * self.shares[-1, place]:.0f} % of the points"
            )
            answer.append(f"that is where ν lies before a {self.kind} bifurcation")
        chosen = [
            f"{name} chosen in each window" if given is None else f"{name} = {number_text(given)}"
            for name, given in (("E", config.dimension), ("τ", config.delay), ("θ", config.theta))
        ]
        if config.companion == "published":
            chosen.append("E × E companion matrix as published")
        columns = [(self.modulus, 3), (self.real, 3), (self.imaginary, 3), (self.dimension, 1), (self.delay, 1)]
        columns += [(self.theta, 2), (self.skill, 2)]
        rows = [[time_text(self.time[i]), *(number_text(one[i], digits) for one, digits in columns)] for i in shown]
        return words.report(
            "Eigenvalue of the S-map Jacobian",
            answer,
            series=self.series,
            config=config,
            detrend_sentence=self.detrend_sentence,
            sections=[
                (
                    "Model",
                    f"S-map, {', '.join(chosen)}; {self.index.size} windows, {config.stride} samples apart "
                    "(Grziwotz et al. 2023).",
                ),
                ("Test", words.surrogates_text(config, self.null_sentence)),
            ],
            header=["right edge", "|ν|", "Re ν", "|Im ν|", "E", "τ", "θ", "skill"],
            rows=rows,
            caution=(
                "The place of the eigenvalue says which bifurcation it would be, its trend whether one comes nearer. "
                "Observation noise pulls |ν| towards 0; a trend left in the residual pulls ν towards +1."
            ),
        )

    def plot(self) -> Figure:
        """Series, modulus and parts of the eigenvalue, and its path in the complex plane.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels on one axis of time, and the unit circle.
        """
        from ews._common import panels as draw

        place = f" (place of a {self.kind})" if self.kind else ""
        title = f"Eigenvalue of the S-map Jacobian{place}"
        figure, panels, (plane,) = draw.layout(self, title, over_time=2, beside=0.5)
        _, modulus, parts = panels
        modulus.plot(self.time, self.modulus, color=draw.BLUE, lw=1.7, marker=".", ms=4)
        modulus.axhline(1.0, color=draw.VERMILLION, lw=1.0, ls=":", label="bifurcation")
        modulus.set_ylabel("|ν|")
        parts.plot(self.time, self.real, color=draw.BLUE, lw=1.7, label="Re ν")
        parts.plot(self.time, self.imaginary, color=draw.INK, lw=1.0, dashes=(5, 1.5), label="|Im ν|")
        parts.set_ylabel("ν")
        draw.trend_title(parts, self)
        angle = np.linspace(0.0, np.pi, 90)
        plane.plot(np.cos(angle), np.sin(angle), color=draw.VERMILLION, lw=1.0, ls=":")
        plane.plot(self.real, self.imaginary, color=draw.BLUE, lw=0.7)
        plane.scatter(self.real, self.imaginary, c=np.arange(self.real.size), cmap="Greys", vmin=-5, s=12, zorder=3)
        plane.plot(self.real[-1:], self.imaginary[-1:], marker="o", ms=6, color=draw.VERMILLION, zorder=4)
        plane.set_aspect("equal")
        for axes in (modulus, parts):
            draw.shade_first_window(axes, self)
        draw.finish(figure, panels, [plane], self)
        plane.set_xlim(-1.15, 1.15)
        plane.set_ylim(-0.05, 1.15)
        plane.set_xlabel("Re ν")
        plane.set_ylabel("|Im ν|")
        return figure
