"""The figure of a drift-diffusion-jump analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common import panels as draw
from ews._common.words import number_text, p_clause
from ews.bifurcations._jumps.result import LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews.bifurcations._jumps.result import DriftDiffusionJump

__all__ = ["jumps_figure"]


def jumps_figure(result: DriftDiffusionJump) -> Figure:
    """Draw series, components in time, and components against the state."""
    figure, timed, states = draw.layout(result, "Drift, diffusion and jumps", over_time=len(LABELS), below=len(LABELS))
    for (name, label), over_time, by_state in zip(LABELS.items(), timed[1:], states, strict=True):
        over_time.plot(result.series.time, result.in_time[name], color=draw.BLUE, lw=1.0)
        over_time.set_ylabel(label.capitalize().replace(" ", "\n"))
        text = f"τ = {number_text(result.tau[name], 2)}"
        if result.config.n_surrogates:
            text += f",  adjusted {p_clause(result.pvalue_adjusted[name])}"
        draw.say(over_time, text)
        by_state.plot(result.grid, result.by_state[name], color=draw.INK, lw=1.3)
        by_state.set_xlabel("state")
        by_state.set_title(label, fontsize=draw.FONT, color=draw.INK)
    return draw.finish(figure, timed, states, result)
