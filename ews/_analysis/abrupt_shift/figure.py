"""The figure of an abrupt-shift score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common import panels as draw
from ews._common.words import number_text, p_clause

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.abrupt_shift.result import AbruptShift

__all__ = ["abrupt_shift_figure"]


def abrupt_shift_figure(result: AbruptShift) -> Figure:
    """Draw series and score."""
    config, series = result.config, result.series
    figure, panels, _ = draw.layout(result, "Abrupt shift", over_time=1)
    bottom = panels[1]
    if config.n_surrogates:
        reach = float(np.quantile(result.surrogate_statistic, 1.0 - config.alpha))
        share = f"{100 * (1 - config.alpha):g} % of surrogates"
        bottom.axhspan(-reach, reach, facecolor=draw.BAND, edgecolor="none", label=f"largest score of {share}")
    bottom.plot(series.time, result.score, color=draw.BLUE, lw=1.7, label="score")
    bottom.set_ylabel("Score")
    bottom.set_ylim(-1.05, 1.05)
    if result.statistic > 0:
        at: Any = result.location  # dates too, which matplotlib's types leave out
        for axes in panels:
            axes.axvline(at, color=draw.VERMILLION, lw=1.0, ls=":")
    text = f"score {number_text(result.score[result.position], 2)}"
    draw.say(bottom, text + (f",  {p_clause(result.pvalue)}" if config.n_surrogates else ""), strong=result.warning)
    return draw.finish(figure, panels, [], result)
