"""The classifier's probabilities through time, as a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews.bifurcations._classifier.network import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ews.bifurcations._classifier.result import Classification

__all__ = ["draw_probabilities"]

# Okabe & Ito's colours; hatches tell them apart in grey.
COLOURS = {
    "null": "#E8E8E8",
    "fold": "#0072B2",
    "transcritical": "#56B4E9",
    "pitchfork": "#009E73",
    "hopf": "#E69F00",
    "flip": "#D55E00",
}
HATCHES = {"null": "", "fold": "", "transcritical": "//", "pitchfork": "\\\\", "hopf": "..", "flip": "xx"}


def draw_probabilities(axes: Axes, result: Classification) -> None:
    """Stack the probabilities from the null up."""
    bottom = np.zeros(result.history_time.size)
    for name, values in result.history_probability.items():
        axes.fill_between(
            result.history_time,
            bottom,
            bottom + values,
            facecolor=COLOURS[name],
            edgecolor="white",
            linewidth=0.4,
            hatch=HATCHES[name],
            label=LABELS[name],
        )
        bottom = bottom + values
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("Probability")
