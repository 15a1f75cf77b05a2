"""The figure of a spectral classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common import panels as draw
from ews.bifurcations._spectral.result import LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews.bifurcations._spectral.result import SpectralClassification

__all__ = ["spectral_figure"]


def spectral_figure(result: SpectralClassification) -> Figure:
    """Draw series, weights through time, and the spectrum with its fits."""
    title = f"Spectral classification: {LABELS[result.kind]}"
    figure, timed, (spectrum,) = draw.layout(result, title, over_time=1, below=1)
    draw.shade_first_window(timed[1], result)
    spectrum.plot(result.frequency, result.power, color=draw.INK, lw=0, marker="o", ms=3.5, label="Welch spectrum")
    for (name, label), line in zip(LABELS.items(), draw.LINES, strict=True):
        timed[1].plot(result.series.time, result.rolling_weight[name], label=label, **line)
        spectrum.plot(result.frequency, result.fitted[name], label=label, **line)
    timed[1].set_ylim(-0.03, 1.03)
    timed[1].set_ylabel("AIC weight")
    unit = {"": "unit of time", "days": "day"}[result.series.step_unit]
    spectrum.set_xlabel(f"angular frequency (radians per {unit})")
    spectrum.set_ylabel("Power density")
    return draw.finish(figure, timed, [spectrum], result)
