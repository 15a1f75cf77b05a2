"""The panels that figures of detectors in rolling windows share; drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ews.plot import BAND, BLUE, FONT, INK, MUTED, SHADE, SMALL, VERMILLION
from ews.plot import _figure as new_figure
from ews.plot import _letter as put_letter
from ews.plot import _style as style
from ews.plot import _time_axis as time_axis
from ews.summary import number_text, p_text, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews.bifurcations._windows import FloatArray
    from ews.series import TimeArray

__all__ = [
    "BAND",
    "BLUE",
    "FONT",
    "INK",
    "MUTED",
    "SMALL",
    "VERMILLION",
    "draw_band",
    "finish",
    "new_panels",
    "style",
    "trend_title",
]


def new_panels(result: Any, count: int, title: str, *, beside: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure with the series (and its trend) on top of `count` more panels on the same time axis.

    With `beside` > 0 one more panel of that relative width, without time, is the last of the list: it stands to the
    right of the others.
    """
    figure = new_figure(1.35 * (count + 1) + 0.75)
    figure.suptitle(title, fontsize=FONT + 2, fontweight="bold", color=INK).set_parse_math(False)
    grid = figure.add_gridspec(count + 1, 1 + (beside > 0), width_ratios=[1.0, beside] if beside else [1.0])
    panels = [figure.add_subplot(grid[0, 0])]
    panels += [figure.add_subplot(grid[row, 0], sharex=panels[0]) for row in range(1, count + 1)]
    top, series = panels[0], result.series
    top.plot(series.time, series.values, color=INK, lw=0.7, label="series")
    if result.config.detrend is not None or result.config.season is not None:
        top.plot(series.time, result.trend, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")
    top.set_ylabel((series.name or "series")[:16], parse_math=False)
    style(top)
    edge = series.time[result.config.window - 1]
    for axes in panels[1:]:
        axes.axvspan(series.time[0], edge, facecolor=SHADE, edgecolor="none", zorder=0)
    top.set_xlim(series.time[0], series.time[-1])
    return figure, panels + ([figure.add_subplot(grid[1:, 1])] if beside else [])


def draw_band(axes: Axes, time: TimeArray, value: FloatArray, lower: FloatArray, upper: FloatArray, label: str) -> None:
    """A curve in its band."""
    axes.fill_between(time, lower, upper, facecolor=BAND, edgecolor="none", label=label)
    axes.plot(time, value, color=BLUE, lw=1.7, solid_capstyle="round")


def trend_title(axes: Axes, result: Any) -> None:
    """τ and p above a panel; bold where they make a warning."""
    text = f"τ = {number_text(result.tau, 2)}"
    if result.config.n_surrogates:
        p = p_text(result.pvalue)
        text += f",  p {p if p.startswith('<') else '= ' + p}"
    weight = "bold" if result.warning else "normal"
    axes.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3)


def finish(figure: Figure, panels: list[Axes], result: Any) -> Figure:
    """Letters, legends and the axis of time of the panels that have one."""
    for axes, letter in zip(panels, "abcdefgh", strict=False):
        put_letter(axes, letter)
        axes.tick_params(labelbottom=axes is panels[-1])
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=3)
    time_axis(panels[-1], result)
    figure.align_ylabels(panels)
    return figure
