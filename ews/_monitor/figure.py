"""The figure of a monitor: the series with the alarms, and the evidence against the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.figures import INK, LINES, MUTED, PANELS, RASTERIZE_ABOVE, SMALL, VERMILLION, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._monitor.update import MonitorUpdate

__all__ = ["draw"]


def draw(found: MonitorUpdate) -> Figure:
    """A panel for each of the first series that fit a page, those that alarm first; one of evidence below."""
    alarmed = {alarm.name for alarm in found.alarms}
    order = sorted(range(len(found.names)), key=lambda place: found.names[place] not in alarmed)[: PANELS - 1]
    figure = new_figure(1.1 * len(order) + 2.0, "Monitor")
    axes = np.atleast_1d(figure.subplots(len(order) + 1, 1, sharex=True, height_ratios=[*[1.0] * len(order), 1.4]))
    rough = len(found.time) > RASTERIZE_ABOVE
    for panel, place in zip(axes, order, strict=False):
        name = found.names[place]
        panel.plot(found.time, found.values[:, place], color=INK, lw=0.7, rasterized=rough)
        for alarm in found.alarms:
            if alarm.name == name:
                panel.axvline(alarm.time, color=VERMILLION, lw=1.0)
        panel.set_ylabel(name if len(name) < 20 else f"{name[:18]}…", parse_math=False)
    below = axes[-1]
    whole = sum(found.evidence.values(), np.zeros(found.values.shape))
    parts = {"all tests": whole, **found.evidence} if len(found.evidence) > 1 else found.evidence
    for look, (test, evidence) in zip((LINES * 2)[: len(parts)], parts.items(), strict=True):
        largest = np.where(np.isnan(evidence), -np.inf, evidence).max(axis=1, initial=-np.inf)
        below.plot(found.time, np.where(largest > 0.0, largest, np.nan), label=test, rasterized=rough, **look)
    below.axhline(found.limit, color=MUTED, lw=1.0, ls=":", label="limit")
    for panel in axes:
        style(panel)
    below.set_yscale("log")
    below.set_ylim(1.0, 3.0 * found.limit)
    below.set_ylabel("evidence" if len(found.names) == 1 else "largest evidence")
    below.legend(fontsize=SMALL, frameon=False, labelcolor=INK, loc="best", ncols=2)
    if len(order) < len(found.names):
        figure.text(0.99, 0.01, f"{len(found.names) - len(order)} more series not shown", ha="right", fontsize=SMALL)
    below.set_xlabel("time" if found.time.dtype.kind == "M" else "observation or time")
    figure.align_ylabels(list(axes))
    return figure
