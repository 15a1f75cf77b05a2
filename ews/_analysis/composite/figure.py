"""The figure of an expanding-window composite, drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

from ews._common.figures import (
    BAND,
    BLUE,
    FONT,
    INK,
    LINES,
    RASTERIZE_ABOVE,
    SMALL,
    VERMILLION,
    new_figure,
    put_letter,
    style,
    time_axis,
)
from ews._common.words import p_clause, time_text, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.composite.result import Composite

__all__ = ["composite_figure"]


def composite_figure(result: Composite) -> Figure:
    """Draw series, z-scores and composite.

    Parameters
    ----------
    result : Composite
        The result.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels on one axis of time.
    """
    config, series = result.config, result.series
    figure = new_figure(5.0)
    figure.suptitle("Expanding-window composite", fontsize=FONT + 2, fontweight="bold", color=INK)
    grid = figure.add_gridspec(3, 1)
    panels = [figure.add_subplot(grid[0, 0])]
    panels += [figure.add_subplot(grid[row, 0], sharex=panels[0]) for row in (1, 2)]
    top, middle, bottom = panels
    top.plot(series.time, series.values, color=INK, lw=0.7, label="series", rasterized=len(series) > RASTERIZE_ABOVE)
    if config.detrend is not None or config.season is not None:
        top.plot(series.time, result.trend, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")
    top.set_ylabel((series.name or "series")[:16], parse_math=False)
    for place, (name, values) in enumerate(result.zscores.items()):
        middle.plot(series.time, values, label=result.indicators[name].label, **LINES[place % len(LINES)])
    middle.set_ylabel("z-score")
    limit = result.score_mean + config.threshold * result.score_sd
    lower = result.score_mean - config.threshold * result.score_sd
    label = f"mean ± {config.threshold:g} SD so far"
    bottom.fill_between(series.time, lower, limit, facecolor=BAND, edgecolor="none", label=label)
    bottom.plot(series.time, result.score, color=BLUE, lw=1.7, label="composite")
    crossed = np.where(result.crossed, result.score, np.nan)
    bottom.plot(series.time, crossed, "o", ms=3, color=VERMILLION, label="crosses")
    bottom.set_ylabel("Composite")
    for axes, letter in zip(panels, string.ascii_lowercase, strict=False):
        style(axes)
        put_letter(axes, letter)
        axes.tick_params(labelbottom=axes is bottom)
        if result.alarm_time is not None:
            axes.axvline(result.alarm_time, color=VERMILLION, lw=1.0, ls=":")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=3)
    text = "no alarm" if result.alarm_time is None else f"alarm at {time_text(result.alarm_time)}"
    if config.n_surrogates:
        text += f",  {p_clause(result.pvalue)}"
    weight = "bold" if result.warning else "normal"
    bottom.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3)
    top.set_xlim(series.time[0], series.time[-1])
    time_axis(bottom, series)
    figure.align_ylabels(panels)
    return figure
