"""Figures of evaluations, drawn as all others are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.figures import BLUE, FONT, GREEN, INK, MUTED, ORANGE, SMALL, VERMILLION, new_figure, put_letter, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews._evaluation.evaluate.result import Evaluation
    from ews._evaluation.roc.result import Roc

__all__ = ["LINES", "draw_curves", "evaluation_figure", "roc_figure"]

PURPLE, SKY = "#CC79A7", "#56B4E9"  # of Okabe & Ito's palette, as the others
# Colour and dashes of up to eight curves: they differ in grey and in dash too.
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "lw": 1.7},
    {"color": VERMILLION, "lw": 1.5, "dashes": (5.0, 1.5)},
    {"color": GREEN, "lw": 1.5, "dashes": (6.0, 1.5, 1.2, 1.5)},
    {"color": PURPLE, "lw": 1.5, "dashes": (2.5, 1.2)},
    {"color": ORANGE, "lw": 1.5, "dashes": (8.0, 2.0, 1.2, 1.2, 1.2, 2.0)},
    {"color": SKY, "lw": 1.5, "dashes": (3.5, 1.0, 1.0, 1.0)},
    {"color": INK, "lw": 1.2, "dashes": (1.0, 1.0)},
    {"color": MUTED, "lw": 1.2, "dashes": (10.0, 2.0)},
)
BANDED = 3  # bands of more curves hide each other


def draw_curves(axes: Axes, roc: Mapping[str, Roc]) -> None:
    """ROC curves, with their bands where they are few."""
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.7, ls=":", zorder=1)
    for place, (name, curve) in enumerate(roc.items()):
        line = LINES[place % len(LINES)]
        if len(roc) <= BANDED and np.isfinite(curve.band_lower).all():
            axes.fill_between(
                curve.band_fpr,
                curve.band_lower,
                curve.band_upper,
                facecolor=line["color"],
                alpha=0.15,
                edgecolor="none",
            )
        axes.plot(curve.fpr, curve.tpr, label=f"{name}: AUC {curve.auc:.2f}", **line)
    style(axes)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel("false-alarm rate", fontsize=FONT)
    axes.set_ylabel("detection rate", fontsize=FONT)


def roc_figure(roc: Mapping[str, Roc], title: str = "Receiver operating characteristic") -> Figure:
    """One panel with the curves."""
    figure = new_figure(3.6, title)
    axes = figure.add_subplot()
    draw_curves(axes, roc)
    legend(axes)
    return figure


def legend(axes: Axes, **where: Any) -> None:
    """A small legend without a frame; names are shown as they are, not as formulas."""
    drawn = axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, **{"loc": "lower right", **where})
    for text in drawn.get_texts():
        text.set_parse_math(False)


def evaluation_figure(evaluation: Evaluation) -> Figure:
    """ROC curves, areas with intervals, lead times."""
    panels = 3 if evaluation.lead else 2
    positive = int(evaluation.labels.sum())
    title = f"{positive} series before a transition against {evaluation.labels.size - positive} that go nowhere"
    figure = new_figure(3.2, title)
    grid = figure.add_gridspec(1, panels, width_ratios=[1.25, 0.8, 1.25][:panels])
    curves = figure.add_subplot(grid[0, 0])
    draw_curves(curves, evaluation.roc)
    put_letter(curves, "a")
    drawn = curves.get_legend_handles_labels()[0]
    figure.legend(
        drawn, list(evaluation.roc), loc="outside lower center", ncols=min(len(drawn), 5), fontsize=SMALL,
        frameon=False, labelcolor=INK, handlelength=3.0,
    )  # fmt: skip
    areas = figure.add_subplot(grid[0, 1])
    _draw_areas(areas, evaluation)
    put_letter(areas, "b")
    if evaluation.lead:
        leads = figure.add_subplot(grid[0, 2])
        _draw_leads(leads, evaluation)
        put_letter(leads, "c")
    return figure


def _draw_areas(axes: Axes, evaluation: Evaluation) -> None:
    names = list(evaluation.roc)
    for place, name in enumerate(names):
        curve, colour = evaluation.roc[name], LINES[place % len(LINES)]["color"]
        axes.plot(curve.interval, [place, place], color=colour, lw=1.5)
        axes.plot(curve.auc, place, marker="o", ms=5, color=colour, ls="none")
    axes.axvline(0.5, color=MUTED, lw=0.7, ls=":", zorder=1)
    style(axes)
    axes.set_yticks(range(len(names)), names)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    low = min([0.45, *(curve.interval[0] for curve in evaluation.roc.values())])
    axes.set_xlim(low - 0.03, 1.03)
    axes.set_xlabel(f"AUC, {100 * evaluation.config.level:g} % interval", fontsize=FONT)


def _draw_leads(axes: Axes, evaluation: Evaluation) -> None:
    """Share of positive series that had been warned of so long before the transition, as a step curve a method.

    One histogram a method would hide the others behind it; these curves hold the same counts.
    """
    unit = f" ({evaluation.time_unit})" if evaluation.time_unit else ""
    longest = 0.0
    for place, lead in enumerate(evaluation.lead.values()):
        given = np.sort(lead.lead[~np.isnan(lead.lead)])
        longest = max(longest, float(given[-1]) if given.size else 0.0)
        shares = np.arange(given.size, -1, -1) / lead.lead.size
        x = np.concatenate([[0.0], given, given[-1:]]) if given.size else np.array([0.0, 0.0])
        y = np.concatenate([shares, [0.0]]) if given.size else np.zeros(2)
        axes.plot(x, y, drawstyle="steps-pre", **LINES[place % len(LINES)])
    style(axes)
    axes.set_xlim(1.05 * longest if longest > 0 else 1.0, 0.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel(f"time before the transition{unit}", fontsize=FONT)
    axes.set_ylabel("share warned of", fontsize=FONT)
