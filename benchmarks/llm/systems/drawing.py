"""Three pictures of one model: the fronts, depth by position, and what arrives of a theoretical gain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from benchmarks.llm.systems.account import BUDGETS
from benchmarks.llm.systems.contenders import CONTROL, EWS, SYSTEMS
from benchmarks.llm.systems.tables import agreement

__all__ = ["draw"]

# Colours that are told apart without red and green (Okabe and Ito), and shapes beside them.
_COLOURS = ("#0072b2", "#56b4e9", "#000000", "#d55e00", "#e69f00", "#cc79a7", "#009e73", "#999999")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X")


def draw(
    judged: Mapping[tuple[str, float], Any], timed: Mapping[tuple[str, float], Any], title: str, path: Path
) -> None:
    """Draw to a file."""
    figure, (front, depth, arrives) = plt.subplots(1, 3, figsize=(15, 5.2), layout="constrained")
    known = {place: each for place, each in judged.items() if "reason" not in each}
    clock = bool(timed)
    for number, system in enumerate(SYSTEMS):
        colour, shape = _COLOURS[number % len(_COLOURS)], _SHAPES[number % len(_SHAPES)]
        places = [(system, budget) for budget in BUDGETS if (system, budget) in known]
        if not places:
            continue
        line = "-" if system in (EWS, CONTROL) else ":"
        style: dict[str, Any] = {"color": colour, "marker": shape, "markersize": 6, "linewidth": 1, "linestyle": line}
        style |= {"label": system, "zorder": 3}
        if system == EWS:
            style["zorder"] = 5
        elif system == CONTROL:  # around those of the policy, where the two are level
            style |= {"markersize": 11, "markerfacecolor": "none"}
        shares = [timed[place]["time_share"] if place in timed else None for place in places]
        theory = [known[place]["theory"] for place in places]
        front.plot(shares if clock else theory, [agreement(known[place]) for place in places], **style)
        if None not in shares:
            arrives.plot([1 - each for each in theory], [1 - each for each in shares], **style)
        middle = (system, BUDGETS[1])
        if middle in known:
            depth.plot(known[middle]["depths"], color=colour, linewidth=1.2, linestyle=line)
    front.axvline(1.0, color="0.8", linewidth=1, zorder=0)
    front.set(
        xlabel="time per token, of the full model's" if clock else "theoretical cost of a token (not timed)",
        ylabel="agreement with the full model",
        title="Agreement and cost",
    )
    depth.set(
        xlabel="token of the continuation", ylabel="layers", title=f"Depth by position, budget {BUDGETS[1]:g}", ylim=0
    )
    arrives.plot((0, 0.5), (0, 0.5), color="0.8", linewidth=1, zorder=0)
    arrives.set(xlabel="gain in theory", ylabel="gain measured", title="Realised against theoretical gain")
    if not clock:
        arrives.text(0.5, 0.5, "not measured", ha="center", va="center", transform=arrives.transAxes, color="0.4")
    handles, labels = front.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)
