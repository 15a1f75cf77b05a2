"""The figures of a benchmark."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ews._common.figures import FONT, INK, SMALL, new_figure, put_letter, style
from ews._evaluation.evaluate.figure import draw_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._evaluation.benchmark.result import Benchmark

__all__ = ["benchmark_figure", "curves_figure"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DARK = 0.3  # farther than this from 1/2 a cell is so dark that its number is white


def benchmark_figure(found: Benchmark) -> Figure:
    """One heat map of areas a method."""
    columns = 1 if len(found.methods) == 1 or len(found.nulls) > 12 else 2
    rows = math.ceil(len(found.methods) / columns)
    title = f"AUC: {found.config.replicates} records of {found.config.n} samples of each kind"
    figure = new_figure(rows * (0.28 * len(found.positives) + 1.0) + 0.5, title)
    for place, method in enumerate(found.methods):
        axes = figure.add_subplot(rows, columns, place + 1)
        areas = found.auc(method)
        axes.imshow(areas, cmap="RdBu_r", vmin=0.0, vmax=1.0, aspect="auto")
        for (i, j), area in ((key, areas[key]) for key in _cells(areas.shape)):
            colour = "white" if abs(area - 0.5) > DARK else INK
            axes.text(j, i, f"{area:.2f}".removeprefix("0"), ha="center", va="center", fontsize=SMALL - 1, color=colour)
        style(axes)
        axes.set_yticks(range(len(found.positives)), found.positives)
        axes.set_xticks(range(len(found.nulls)), found.nulls, rotation=45, ha="right", rotation_mode="anchor")
        axes.tick_params(length=0)
        axes.set_title(method, loc="left", fontsize=FONT, color=INK, pad=4).set_parse_math(False)
        put_letter(axes, LETTERS[place % 26])
    return figure


def _cells(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(i, j) for i in range(shape[0]) for j in range(shape[1])]


def curves_figure(found: Benchmark, null: str) -> Figure:
    """One panel a transition, one curve a method."""
    columns = min(3, len(found.positives))
    rows = math.ceil(len(found.positives) / columns)
    figure = new_figure(2.5 * rows + 0.7, f"Transitions against the null {null!r}")
    for place, positive in enumerate(found.positives):
        axes = figure.add_subplot(rows, columns, place + 1)
        draw_curves(axes, {method: found.cells[positive, null, method].roc for method in found.methods})
        axes.set_title(positive, loc="left", fontsize=FONT, color=INK, pad=4)
        put_letter(axes, LETTERS[place % 26])
        if place == 0:
            drawn = axes.get_legend_handles_labels()[0]
            figure.legend(
                drawn, list(found.methods), loc="outside lower center", ncols=min(len(drawn), 5), fontsize=SMALL,
                frameon=False, labelcolor=INK, handlelength=3.0,
            )  # fmt: skip
    return figure
