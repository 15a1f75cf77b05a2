"""What :func:`ews.bifurcations.spectral` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_clause, p_text
from ews._significance.windows import WindowedConfig
from ews.bifurcations._common import text as words
from ews.bifurcations._spectral.fit import MODELS, FloatArray, Kind
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SpectralClassification", "SpectralConfig"]

LABELS = {"fold": "fold", "flip": "flip", "hopf": "Hopf", "null": "none (white noise)"}
SYMBOLS = {"sigma": "σ", "lambda": "λ", "r": "r", "mu": "μ", "omega0": "ω₀"}


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class SpectralConfig(WindowedConfig):
    """Every choice behind a :class:`SpectralClassification`, as resolved for the series.

    Attributes
    ----------
    segment : int
        Length of Welch's segments, in samples.
    overlap : float
        Fraction of a segment shared with the next.
    taper : str
        Weights over a segment.
    """

    segment: int
    overlap: float
    taper: str


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class SpectralClassification(Result):
    """Spectral classification of the bifurcation ahead, over the whole record and through time.

    Attributes
    ----------
    kind : {"fold", "flip", "hopf", "null"}
        The model with the largest weight over the whole record.
    weight, aic : mapping of str to float
        Akaike weight and criterion of each model, over the whole record.
    parameters : mapping of str to mapping of str to float
        Of each model: sigma and lambda, r, or mu and omega0. Rates and frequencies are per unit of time (radians; per
        day for dates), σ per square root of time for fold and Hopf and per sample for flip and null.
    frequency, power : ndarray of shape (m,)
        Welch's spectrum of the whole record without the frequency 0: radians per unit of time, and two-sided density,
        in the series' units squared times time per radian.
    fitted : mapping of str to ndarray of shape (m,)
        Each model's spectrum.
    rolling_weight : mapping of str to ndarray of shape (n,)
        Akaike weights in each window, at its right edge; NaN before the first full window.
    rolling_parameters : mapping of str to mapping of str to ndarray of shape (n,)
        Parameters in each window.
    pvalue : mapping of str to float
        Of each rival: how often series drawn from it favour some other model over it as much as this series favours
        `kind`; NaN for `kind` itself and without surrogates.
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    detrend_sentence : str
        What was taken out.
    config : SpectralConfig
        Every choice and the seed.
    """

    kind: Kind
    weight: Mapping[str, float]
    aic: Mapping[str, float]
    parameters: Mapping[str, Mapping[str, float]]
    frequency: FloatArray
    power: FloatArray
    fitted: Mapping[str, FloatArray]
    rolling_weight: Mapping[str, FloatArray]
    rolling_parameters: Mapping[str, Mapping[str, FloatArray]]
    pvalue: Mapping[str, float]
    series: Series
    trend: FloatArray
    residual: FloatArray
    detrend_sentence: str
    config: SpectralConfig

    _named_alike: ClassVar = "weight aic parameters fitted rolling_weight"
    _shapes: ClassVar = {"m": "frequency power fitted"}
    _filled: ClassVar = "fitted"
    _derived: ClassVar = ("decided",)
    _table: ClassVar = ("trend", "residual", "rolling_weight", "rolling_parameters")

    @property
    def decided(self) -> bool:
        """Whether every rival has a p-value of at most alpha; never without surrogates."""
        return all(self.pvalue[rival] <= self.config.alpha for rival in MODELS if rival != self.kind)

    def _report(self) -> Report:
        tested = self.config.n_surrogates > 0
        last = max(MODELS, key=lambda name: _or_zero(self.rolling_weight[name][-1]))
        answer = [
            f"the spectrum of the whole record is that of {_article(self.kind)} "
            f"(Akaike weight {number_text(self.weight[self.kind], 3)})",
            f"in the last window it is that of {_article(last)} "
            f"(weight {number_text(float(self.rolling_weight[last][-1]), 3)})",
        ]
        if tested:
            most = max((name for name in MODELS if name != self.kind), key=self.pvalue.__getitem__)
            way = "every rival is refused" if self.decided else "not decided"
            answer.append(f"{way}: the hardest to refuse is {_article(most)} ({p_clause(self.pvalue[most])})")
        rows = [
            [
                LABELS[name],
                ", ".join(f"{SYMBOLS[key]} = {number_text(value)}" for key, value in self.parameters[name].items()),
                number_text(self.aic[name] - min(self.aic.values())),
                number_text(self.weight[name], 3),
                *([p_text(self.pvalue[name])] if tested else []),
            ]
            for name in MODELS
        ]
        config = self.config
        surrogates = (
            [
                (
                    "Surrogates",
                    f"{config.n_surrogates} from each rival as fitted, detrended again; level {config.alpha:g}, seed "
                    f"{config.seed}.",
                )
            ]
            if tested
            else []
        )
        return words.report(
            "Spectral classification",
            answer,
            series=self.series,
            config=config,
            detrend_sentence=self.detrend_sentence,
            sections=[
                (
                    "Spectrum",
                    f"Welch's method, one-sided: segments of {min(config.segment, len(self.series))} samples, overlap "
                    f"{config.overlap:g}, {config.taper.capitalize()} taper, without the frequency 0; least squares.",
                ),
                *surrogates,
            ],
            header=["model", "parameters", "ΔAIC", "weight", *(["p"] if tested else [])],
            rows=rows,
            caution=(
                "A spectrum shows how a system returns from small shocks, not where it is going: a fold's spectrum is "
                "that of any slow linear system, and coloured noise passes for one. Weights are scores, not "
                "probabilities."
            ),
        )

    def plot(self) -> Figure:
        """Series, weights through time, and the spectrum with the fits.

        Returns
        -------
        matplotlib.figure.Figure
            Three panels: the first two share the axis of time.
        """
        from ews.bifurcations._spectral.figure import spectral_figure

        return spectral_figure(self)


def _or_zero(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


def _article(kind: str) -> str:
    return "white noise" if kind == "null" else f"a {LABELS[kind]}"
