"""The figure of an assessment: series, probabilities through time, statistics among their surrogates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._analysis.assessment.text import towards_text
from ews._common.figures import BAND, BLUE, INK, SMALL, VERMILLION, new_figure, put_letter, style, time_axis
from ews._common.layout import distinct
from ews._common.words import p_clause, typeset
from ews.bifurcations._classifier.figure import COLOURS, HATCHES, draw_probabilities
from ews.bifurcations._classifier.network import LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.assessment.result import Assessment, Assessments

__all__ = ["assessment_figure", "assessments_figure"]


def assessment_figure(result: Assessment) -> Figure:
    """Two panels over time, and one small panel for each statistic."""
    detection = result.detection
    names = list(result.statistic)
    kind = "" if result.kind == "none" else f": {result.kind}"
    towards = f", {towards_text(result)}" if result.bifurcation else ""
    figure = new_figure(5.6, f"{result.verdict.capitalize()}{kind}{towards}")
    grid = figure.add_gridspec(3, len(names), height_ratios=[1.2, 1.2, 1.0])
    top = figure.add_subplot(grid[0, :])
    below = figure.add_subplot(grid[1, :], sharex=top)
    top.plot(detection.series.time, detection.series.values, color=INK, lw=0.7, label="series")
    top.plot(detection.series.time, detection.trend, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")
    top.set_ylabel(detection.name[:16], parse_math=False)
    draw_probabilities(below, result.classification)
    panels = [figure.add_subplot(grid[2, place]) for place in range(len(names))]
    for axes, name in zip(panels, names, strict=True):
        drawn = result.surrogate[name]
        drawn = drawn[np.isfinite(drawn)]
        if drawn.size:
            axes.hist(drawn, bins=30, color=BAND)
        axes.axvline(result.statistic[name], color=VERMILLION if name in result.warned else BLUE, lw=1.8)
        axes.set_yticks([])
        axes.set_title(typeset(f"{name}\n{p_clause(result.pvalue_adjusted[name])}"), fontsize=SMALL, color=INK)
    for axes, letter in zip([top, below, *panels], "abcdefghijklmnop", strict=False):
        style(axes)
        put_letter(axes, letter)
    for axes in panels:
        axes.set_yticks([])
    for axes in (top, below):
        axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="upper left", ncols=3)
    top.tick_params(labelbottom=False)
    top.set_xlim(detection.series.time[0], detection.series.time[-1])
    time_axis(below, detection.series)
    return figure


def assessments_figure(results: Assessments) -> Figure:
    """One bar of probabilities a column."""
    figure = new_figure(1.0 + 0.28 * len(results))
    axes = figure.add_subplot()
    for place, one in enumerate(results.values()):
        left = 0.0
        for name, share in one.probability.items():
            label = LABELS[name] if place == 0 else None
            axes.barh(
                place, share, left=left, height=0.7, color=COLOURS[name], hatch=HATCHES[name], edgecolor="white",
                linewidth=0.4, label=label,
            )  # fmt: skip
            left += share
        axes.text(1.01, place, one.verdict, fontsize=SMALL, color=INK, va="center")
    style(axes)
    axes.set_yticks(range(len(results)), list(distinct(results, 24).values()), fontsize=SMALL, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("Probability")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6)
    return figure
