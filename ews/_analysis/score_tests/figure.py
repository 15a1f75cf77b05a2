"""The figure of :class:`ews.ScoreTests`: the series, and the paths of what may drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common import panels
from ews._common.words import p_clause

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.score_tests.result import ScoreTests

__all__ = ["draw"]


def draw(found: ScoreTests) -> Figure:
    """Series, memory, squared modulus and spread."""
    figure, (top, *rest), _ = panels.layout(found, "Score tests of drift", over_time=3)
    time, level = found.series.time, f"{100 * (1 - found.config.alpha):g} % interval"
    paths = (
        ("memory", "AR(1) coefficient", ("memory towards +1", "memory towards −1")),
        ("modulus", "Squared modulus", ("damping",)),
        ("spread", "Standard deviation", ("variance",)),
    )
    for axes, (path, label, names) in zip(rest, paths, strict=True):
        value, lower, upper = (getattr(found, path + end) for end in ("", "_lower", "_upper"))
        panels.draw_band(axes, time, value, lower, upper, level)
        axes.set_ylabel(label)
        least = min((found[name] for name in names), key=lambda one: one.adjusted)
        if found.config.n_surrogates:
            weight = "bold" if least.name in found.kinds else "normal"
            text = f"{least.name}: {p_clause(least.adjusted, of='family-wise p')}"
            axes.set_title(text, loc="right", fontsize=panels.FONT, color=panels.INK, fontweight=weight, pad=3)
    if found.memory.max() > 0.5:
        rest[0].axhline(1.0, color=panels.VERMILLION, lw=1.0, ls=":", label="instability")
    if found.memory.min() < -0.5:
        rest[0].axhline(-1.0, color=panels.VERMILLION, lw=1.0, ls=":")
    rest[1].axhline(1.0, color=panels.VERMILLION, lw=1.0, ls=":")
    return panels.finish(figure, [top, *rest], [], found)
