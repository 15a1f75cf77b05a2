"""Figures over time: the series and more panels on its axis, panels with an axis of their own below or beside.

Drawn as :mod:`ews.plot` draws.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ews._common.figures import (
    BAND,
    BLUE,
    FONT,
    INK,
    LINES,
    MUTED,
    RASTERIZE_ABOVE,
    SHADE,
    SMALL,
    VERMILLION,
    new_figure,
    put_letter,
    style,
    time_axis,
)
from ews._common.words import number_text, p_clause, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews._significance.windows import FloatArray
    from ews.series import TimeArray

__all__ = [
    "BAND",
    "BLUE",
    "FONT",
    "INK",
    "LINES",
    "MUTED",
    "VERMILLION",
    "draw_band",
    "finish",
    "layout",
    "say",
    "shade_first_window",
    "trend_title",
]

HEIGHT, HEIGHT_BELOW, MARGIN = 1.35, 2.1, 0.75  # of a panel over time, of one below, of title and labels; inches


def layout(
    result: Any, title: str, *, over_time: int, below: int = 0, beside: float = 0.0
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Lay out the series, `over_time` more panels on its axis of time, and panels of another axis.

    The others lie `below`, so many in a row, or `beside`, one of that relative width. The first panel over time shows
    the series of the result, and the trend where it has one.
    """
    heights = [HEIGHT] * (over_time + 1) + [HEIGHT_BELOW] * (below > 0)
    widths = [1.0, beside] if beside else [1.0] * max(below, 1)
    figure = new_figure(sum(heights) + MARGIN, title)
    grid = figure.add_gridspec(len(heights), len(widths), height_ratios=heights, width_ratios=widths)
    columns: Any = 0 if beside else slice(None)
    top = figure.add_subplot(grid[0, columns])
    timed = [top, *(figure.add_subplot(grid[row, columns], sharex=top) for row in range(1, over_time + 1))]
    others = [figure.add_subplot(grid[-1, column]) for column in range(below)]
    others += [figure.add_subplot(grid[1:, 1])] if beside else []
    series, config = result.series, result.config
    top.plot(series.time, series.values, color=INK, lw=0.7, label="series", rasterized=len(series) > RASTERIZE_ABOVE)
    if any(getattr(config, choice, None) is not None for choice in ("detrend", "season")):
        top.plot(series.time, result.trend, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")
    top.set_ylabel((series.name or "series")[:16], parse_math=False)
    return figure, timed, others


def shade_first_window(axes: Axes, result: Any) -> None:
    """Grey up to the right edge of the first window, where a windowed statistic has no value."""
    time = result.series.time
    axes.axvspan(time[0], time[result.config.window - 1], facecolor=SHADE, edgecolor="none", zorder=0)


def draw_band(axes: Axes, time: TimeArray, value: FloatArray, lower: FloatArray, upper: FloatArray, label: str) -> None:
    """A curve in its band."""
    axes.fill_between(time, lower, upper, facecolor=BAND, edgecolor="none", label=label)
    axes.plot(time, value, color=BLUE, lw=1.7, solid_capstyle="round")


def trend_title(axes: Axes, result: Any) -> None:
    """τ and p above a panel; bold where they make a warning."""
    text = f"τ = {number_text(result.tau, 2)}"
    say(axes, text + (f",  {p_clause(result.pvalue)}" if result.config.n_surrogates else ""), strong=result.warning)


def say(axes: Axes, text: str, *, strong: bool = False) -> None:
    """A finding above a panel, to the right."""
    weight = "bold" if strong else "normal"
    axes.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3)


def finish(figure: Figure, timed: Sequence[Axes], others: Sequence[Axes], result: Any) -> Figure:
    """Style, letters, legends and the axis of time."""
    for axes, letter in zip([*timed, *others], string.ascii_lowercase, strict=False):
        style(axes)
        put_letter(axes, letter)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=2)
    for axes in timed:
        axes.tick_params(labelbottom=axes is timed[-1])
    timed[0].set_xlim(result.series.time[0], result.series.time[-1])
    time_axis(timed[-1], result.series)
    figure.align_ylabels(list(timed))
    return figure
