"""The figure of a sensitivity map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.figures import BAND, BLUE, FONT, INK, MUTED, SMALL, VERMILLION, new_figure, put_letter, style
from ews._common.words import p_clause, trend_symbol, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews._evaluation.sensitivity.result import SensitivityMap

__all__ = ["sensitivity_figure"]

MAP = "RdBu_r"  # falls are blue, rises red, none white; the two ends differ in the numbers beside the bar too
MOST_TICKS = 6


def sensitivity_figure(found: SensitivityMap) -> Figure:
    """One row an indicator: heat map of the trend, histogram of its cells."""
    names = list(found.tau)
    figure = new_figure(1.75 * len(names) + 0.9, f"{found.name[:60]}: trends over windows and bandwidths")
    grid = figure.add_gridspec(len(names), 2, width_ratios=[2.2, 1.0])
    bounded = found.config.trend != "theil_sen"
    symbol = trend_symbol(found.config.trend)
    for row, name in enumerate(names):
        last = row == len(names) - 1
        axes = figure.add_subplot(grid[row, 0])
        limit = 1.0 if bounded else float(np.nanmax(np.abs(found.tau[name]), initial=1e-300))
        picture = axes.pcolormesh(
            np.arange(found.window.size + 1), np.arange(len(found.bandwidth) + 1), found.tau[name],
            cmap=MAP, vmin=-limit, vmax=limit, rasterized=True,
        )  # fmt: skip
        _mark_cells(axes, found, name)
        style(axes)
        _ticks(axes, found, labelled=last)
        axes.set_title(typeset(_heading(found, name)), loc="left", fontsize=FONT, color=INK, pad=4)
        bar = figure.colorbar(picture, ax=axes, pad=0.02, fraction=0.04)
        bar.ax.tick_params(labelsize=SMALL, colors=INK, width=0.7, length=3)
        bar.outline.set_visible(False)
        put_letter(axes, "abcdefghijklmnopqrstuvwxyz"[2 * row % 26])
        beside = figure.add_subplot(grid[row, 1])
        _histogram(beside, found, name, bounded=bounded)
        if row == 0 and found.config.n_surrogates:
            beside.legend(
                fontsize=SMALL, frameon=False, labelcolor=INK, loc="lower center", bbox_to_anchor=(0.55, 0.97), ncols=2,
                columnspacing=1.0, handlelength=1.2,
            )  # fmt: skip
        put_letter(beside, "abcdefghijklmnopqrstuvwxyz"[(2 * row + 1) % 26], points_left=4.0)
        if last:
            beside.set_xlabel(f"{symbol} of the cells (│ median)", fontsize=FONT)
    return figure


def _heading(found: SensitivityMap, name: str) -> str:
    text = f"{found.label[name]}: median {trend_symbol(found.config.trend)} = {found.median_tau[name]:+.2f}"
    if found.config.n_surrogates:
        text += f", adjusted {p_clause(found.median_pvalue_adjusted[name])}"
    return text


def _mark_cells(axes: Axes, found: SensitivityMap, name: str) -> None:
    i, j = np.nonzero(found.counts(name))
    axes.plot(j + 0.5, i + 0.5, ls="none", marker="o", ms=2.2, color=INK)


def _ticks(axes: Axes, found: SensitivityMap, *, labelled: bool) -> None:
    across = _some(found.window.size)
    axes.set_xticks([j + 0.5 for j in across], [f"{found.window_fraction[j]:.2g}" for j in across])
    axes.tick_params(labelbottom=labelled)
    if labelled:
        axes.set_xlabel(f"window (share of {len(found.series)} samples; ● significant)", fontsize=FONT)
    up = _some(len(found.bandwidth))
    axes.set_yticks([i + 0.5 for i in up], ["–" if (b := found.bandwidth[i]) is None else f"{b:g}" for i in up])
    axes.set_ylabel("bandwidth", fontsize=FONT)


def _some(n: int) -> list[int]:
    return sorted({round(k) for k in np.linspace(0, n - 1, min(n, MOST_TICKS))})


def _histogram(axes: Axes, found: SensitivityMap, name: str, *, bounded: bool) -> None:
    taus = found.tau[name].ravel()
    taus = taus[np.isfinite(taus)]
    drawn = found.surrogate_median_tau[name]
    drawn = drawn[np.isfinite(drawn)]
    everything = np.concatenate([taus, drawn])
    edges: Any = np.linspace(-1, 1, 41) if bounded else np.histogram_bin_edges(everything, bins=30)
    if drawn.size:
        weights = np.full(drawn.size, taus.size / drawn.size)  # as high as the other: shapes are to be compared
        axes.hist(drawn, bins=edges, weights=weights, color=BAND, label="surrogates' medians")
    axes.hist(taus, bins=edges, color=BLUE, alpha=0.75, label="cells")
    if np.isfinite(found.median_tau[name]):
        axes.axvline(found.median_tau[name], color=VERMILLION, lw=1.4)
    axes.axvline(0.0, color=MUTED, lw=0.6, ls=":")
    style(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_xlim(edges[0], edges[-1])
