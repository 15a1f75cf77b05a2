"""Figures with panels over time on top and panels with an axis of their own below; drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ews.plot import BAND, BLUE, FONT, INK, MUTED, ORANGE, RASTERIZE_ABOVE, SHADE, SMALL, VERMILLION
from ews.plot import _figure as new_figure
from ews.plot import _letter as put_letter
from ews.plot import _style as style
from ews.plot import _time_axis as time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "BLUE",
    "FONT",
    "GREEN",
    "INK",
    "LINES",
    "MUTED",
    "ORANGE",
    "SMALL",
    "VERMILLION",
    "finish",
    "layout",
    "shade_first_window",
]

GREEN = "#009E73"  # Okabe & Ito's bluish green
# Colour, dashes and width of up to four curves in one panel: they differ in grey too.
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "lw": 1.7},
    {"color": VERMILLION, "lw": 1.5, "dashes": (5.0, 1.5)},
    {"color": GREEN, "lw": 1.5, "dashes": (6.0, 1.5, 1.2, 1.5)},
    {"color": MUTED, "lw": 1.2, "dashes": (1.2, 1.4)},
)


def layout(result: Any, title: str, *, over_time: int, below: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """Lay out the series, `over_time` more panels on its axis of time, and a row of `below` panels.

    Parameters
    ----------
    result : object
        With ``series``, ``trend`` and ``config``.
    title : str
        Heading of the figure.
    over_time, below : int
        How many panels.

    Returns
    -------
    figure : Figure
        The figure.
    timed, others : list of Axes
        The panels; the first of `timed` shows the series.
    """
    figure = new_figure(1.35 * (over_time + 1) + 2.1 + 0.75)
    figure.suptitle(title, fontsize=FONT + 2, fontweight="bold", color=INK).set_parse_math(False)
    grid = figure.add_gridspec(over_time + 2, below, height_ratios=[1.35] * (over_time + 1) + [2.1])
    top = figure.add_subplot(grid[0, :])
    timed = [top, *(figure.add_subplot(grid[row, :], sharex=top) for row in range(1, over_time + 1))]
    others = [figure.add_subplot(grid[-1, column]) for column in range(below)]
    series, config = result.series, result.config
    top.plot(series.time, series.values, color=INK, lw=0.7, label="series", rasterized=len(series) > RASTERIZE_ABOVE)
    if config.detrend is not None or config.season is not None:
        top.plot(series.time, result.trend, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")
    top.set_ylabel((series.name or "series")[:16], parse_math=False)
    return figure, timed, others


def shade_first_window(axes: Axes, result: Any) -> None:
    """Grey up to the right edge of the first window, where a windowed statistic has no value."""
    time = result.series.time
    axes.axvspan(time[0], time[result.config.window - 1], facecolor=SHADE, edgecolor="none", zorder=0)


def finish(figure: Figure, timed: Sequence[Axes], others: Sequence[Axes], result: Any) -> Figure:
    """Style, letters, legends and the axis of time.

    Parameters
    ----------
    figure : Figure
        The figure.
    timed, others : sequence of Axes
        Its panels.
    result : object
        With ``series``.

    Returns
    -------
    Figure
        The same figure.
    """
    for axes, letter in zip([*timed, *others], string.ascii_lowercase, strict=False):
        style(axes)
        put_letter(axes, letter)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=2)
    for axes in timed:
        axes.tick_params(labelbottom=axes is timed[-1])
    timed[0].set_xlim(result.series.time[0], result.series.time[-1])
    time_axis(timed[-1], result)
    figure.align_ylabels(list(timed))
    return figure
