"""The figure of a spatial detection, drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ews import plot as draw
from ews._common.figures import BLUE, INK, MUTED, SMALL, new_figure, put_letter, style, time_axis
from ews._common.panels import say
from ews._common.words import number_text, p_clause, time_text, trend_symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews._analysis.spatial.result import SpatialDetection

__all__ = ["spatial_figure"]

SNAPSHOTS = 4


def spatial_figure(result: SpatialDetection) -> Figure:
    """Draw snapshots, what drifted most, and the indicator series."""
    names = list(result.indicators)
    maps, time = result.grids.values, result.grids.time
    shown = np.unique(np.linspace(0, len(maps) - 1, SNAPSHOTS).astype(np.int64))
    drifts = result.scores is not None
    heights = [1.9, *[1.15] * (drifts + len(names))]
    figure = new_figure(sum(heights) + 0.7, f"{result.name[:60]}: {result.verdict}")
    grid = figure.add_gridspec(len(heights), len(shown), height_ratios=heights)
    low, high = float(np.nanmin(maps)), float(np.nanmax(maps))
    pictures = [figure.add_subplot(grid[0, column]) for column in range(len(shown))]
    image = None
    for axes, place in zip(pictures, shown, strict=True):
        image = axes.imshow(maps[place], vmin=low, vmax=high, cmap="cividis", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(time_text(time[place]), fontsize=SMALL, color=INK, pad=2, parse_math=False)
    if image is not None:
        bar = figure.colorbar(image, ax=pictures, fraction=0.03, pad=0.01)
        bar.ax.tick_params(labelsize=SMALL, colors=INK)
    letters = iter(string.ascii_lowercase)
    put_letter(pictures[0], next(letters))
    panels: list[Axes] = []
    if drifts:
        panels.append(figure.add_subplot(grid[1, :]))
        draw._draw_drift(panels[0], cast(Any, _Drift(result)))
        put_letter(panels[0], next(letters))
        panels[0].tick_params(labelbottom=False)
    for row, name in enumerate(names, start=1 + drifts):
        axes = figure.add_subplot(grid[row, :], sharex=panels[0] if panels else None)
        panels.append(axes)
        indicator = result.indicators[name]
        axes.plot(time, indicator.values, color=BLUE, lw=1.2)
        for place in shown:
            axes.axvline(time[place], color=MUTED, lw=0.6, ls=":", zorder=1)
        axes.set_ylabel(indicator.label)
        style(axes)
        text = f"{trend_symbol(result.config.trend)} = {number_text(result.tau[name], 2)}"
        if result.surrogate_tau[name].size:
            text += f",  adjusted {p_clause(result.pvalue_adjusted[name])}"
        say(axes, text, strong=result.pvalue_adjusted[name] <= result.config.alpha)
        put_letter(axes, next(letters))
        axes.tick_params(labelbottom=name == names[-1])
    time_axis(panels[-1], result.grids)  # type: ignore[arg-type]  # it reads times and their name alone
    panels[0].set_xlim(time[0], time[-1])
    figure.align_ylabels(panels)
    return figure


@dataclass(frozen=True, eq=False)
class _Drift:
    """What the panel of the drift reads of a detection, whose times are those of maps."""

    result: SpatialDetection

    def __getattr__(self, name: str) -> Any:
        return self.result.grids if name == "series" else getattr(self.result, name)
