"""Three panels of a suitability check: what heads read, what feed-forward blocks do, and what could be gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from adapters.assessment.result import Suitability

__all__ = ["draw_suitability"]

_INK, _MUTED, _BLUE, _VERMILLION = "#222222", "#666666", "#0072B2", "#D55E00"  # Okabe & Ito 2008
_FONT, _SMALL = 8.0, 7.0


def draw_suitability(found: Suitability) -> Figure:
    """Draw a check.

    Parameters
    ----------
    found : Suitability
        From :func:`adapters.assess`.

    Returns
    -------
    matplotlib.figure.Figure
        Agreement over depth, feed-forward blocks over depth, and time way by way.
    """
    from adapters.assessment.result import LEAVE_ALONE

    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    heads, blocks, gains = figure.subplot_mosaic([["heads", "blocks"], ["gains", "gains"]]).values()
    depths = [each.depth for each in found.lens]
    heads.plot(depths, [each.raw for each in found.lens], color=_BLUE, lw=1.5, label="own head")
    tuned = [(each.depth, each.tuned) for each in found.lens if each.tuned is not None]
    heads.plot(*zip(*tuned, strict=True), color=_VERMILLION, lw=1.5, marker="o", ms=3, label="tuned, short-listed")
    heads.set(xlabel="layers run", ylabel="tokens already right", ylim=(0, 1.03))
    layers = [each.layer + 1 for each in found.ffn]
    blocks.plot(layers, [each.cosine for each in found.ffn], color=_BLUE, lw=1.5, label="cosine before and after")
    changed = [(each.layer + 1, each.changed) for each in found.ffn if each.changed is not None]
    if changed:
        blocks.plot(*zip(*changed, strict=True), "o", color=_VERMILLION, ms=3, label="tokens changed without")
    lowest = min(0.0, *(each.cosine for each in found.ffn))
    blocks.set(xlabel="layer", ylabel="feed-forward block", ylim=(lowest, 1.03))
    for axes in (heads, blocks):
        axes.legend(frameon=False, fontsize=_SMALL, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    for row, gain in enumerate(reversed(found.gains)):
        gains.plot(gain.best, row, color=_MUTED, marker="|", ms=10, mew=1.5, ls="")
        if gain.achievable is not None:
            gains.plot([gain.achievable, 1.0], [row, row], color=_BLUE, lw=4, solid_capstyle="butt")
            gains.plot(gain.achievable, row, color=_BLUE, marker="o", ms=5)
    gains.axvline(1.0, color=_INK, lw=0.8)
    gains.axvline(LEAVE_ALONE, color=_INK, lw=0.8, ls=":")
    gains.set_yticks(range(len(found.gains)), [f"{gain.way} ({gain.cache})" for gain in reversed(found.gains)])
    gains.set(
        xlabel="time, share of the full model's (dot: achievable; tick: with perfect foresight)",
        xlim=(0, 1.05),
        ylim=(-0.6, len(found.gains) - 0.4),
    )
    figure.suptitle(f"{found.config.model_type}: {found.verdict}", fontsize=_FONT + 1)
    for axes in (heads, blocks, gains):
        axes.tick_params(labelsize=_SMALL)
        axes.xaxis.label.set_fontsize(_FONT)
        axes.yaxis.label.set_fontsize(_FONT)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
