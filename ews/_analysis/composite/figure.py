"""The figure of an expanding-window composite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common import panels as draw
from ews._common.words import p_clause, time_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.composite.result import Composite

__all__ = ["composite_figure"]


def composite_figure(result: Composite) -> Figure:
    """Draw series, z-scores and composite."""
    config, time = result.config, result.series.time
    figure, panels, _ = draw.layout(result, "Expanding-window composite", over_time=2)
    _, middle, bottom = panels
    for place, (name, values) in enumerate(result.zscores.items()):
        middle.plot(time, values, label=result.indicators[name].label, **draw.LINES[place % len(draw.LINES)])
    middle.set_ylabel("z-score")
    reach = config.threshold * result.score_sd
    label = f"mean ± {config.threshold:g} SD so far"
    draw.draw_band(bottom, time, result.score, result.score_mean - reach, result.score_mean + reach, label)
    crossed = np.where(result.crossed, result.score, np.nan)
    bottom.plot(time, crossed, "o", ms=3, color=draw.VERMILLION, label="crosses")
    bottom.set_ylabel("Composite")
    if result.alarm_time is not None:
        at: Any = result.alarm_time  # dates too, which matplotlib's types leave out
        for axes in panels:
            axes.axvline(at, color=draw.VERMILLION, lw=1.0, ls=":")
    text = "no alarm" if result.alarm_time is None else f"alarm at {time_text(result.alarm_time)}"
    draw.say(bottom, text + (f",  {p_clause(result.pvalue)}" if config.n_surrogates else ""), strong=result.warning)
    return draw.finish(figure, panels, [], result)
