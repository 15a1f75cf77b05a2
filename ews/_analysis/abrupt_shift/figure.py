"""The figure of an abrupt-shift score, drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.figures import (
    BAND,
    BLUE,
    FONT,
    INK,
    RASTERIZE_ABOVE,
    SMALL,
    VERMILLION,
    new_figure,
    put_letter,
    style,
    time_axis,
)
from ews._common.words import number_text, p_clause, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.abrupt_shift.result import AbruptShift

__all__ = ["abrupt_shift_figure"]


def abrupt_shift_figure(result: AbruptShift) -> Figure:
    """Draw series and score.

    Parameters
    ----------
    result : AbruptShift
        The result.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels on one axis of time.
    """
    config, series = result.config, result.series
    figure = new_figure(3.6)
    figure.suptitle("Abrupt shift", fontsize=FONT + 2, fontweight="bold", color=INK)
    grid = figure.add_gridspec(2, 1)
    top = figure.add_subplot(grid[0, 0])
    bottom = figure.add_subplot(grid[1, 0], sharex=top)
    top.plot(series.time, series.values, color=INK, lw=0.7, rasterized=len(series) > RASTERIZE_ABOVE)
    top.set_ylabel((series.name or "series")[:16], parse_math=False)
    if config.n_surrogates:
        reach = float(np.quantile(result.surrogate_statistic, 1.0 - config.alpha))
        share = f"{100 * (1 - config.alpha):g} % of surrogates"
        bottom.axhspan(-reach, reach, facecolor=BAND, edgecolor="none", label=f"largest score of {share}")
    bottom.plot(series.time, result.score, color=BLUE, lw=1.7, label="score")
    bottom.set_ylabel("Score")
    for axes, letter in ((top, "a"), (bottom, "b")):
        style(axes)
        put_letter(axes, letter)
        axes.tick_params(labelbottom=axes is bottom)
        if result.statistic > 0:
            axes.axvline(result.location, color=VERMILLION, lw=1.0, ls=":")
    bottom.set_ylim(-1.05, 1.05)
    bottom.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=2)
    text = f"score {number_text(result.score[result.position], 2)}"
    if config.n_surrogates:
        text += f",  {p_clause(result.pvalue)}"
    weight = "bold" if result.warning else "normal"
    bottom.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3)
    top.set_xlim(series.time[0], series.time[-1])
    time_axis(bottom, series)
    figure.align_ylabels([top, bottom])
    return figure
