"""The figure of a likelihood ratio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ews._common.figures import BLUE, INK, MUTED, SMALL, SPARSE, VERMILLION, new_figure, put_letter, style
from ews._common.times import numeric
from ews._common.words import number_text, p_clause, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews.bifurcations._likelihood.result import LikelihoodRatio, TransitionFit

__all__ = ["likelihood_figure"]


def likelihood_figure(result: LikelihoodRatio) -> Figure:
    """Draw the series with its fitted levels, the rates, and, with a bootstrap, the ratios and the ROC curve."""
    tested = result.null_ratios.size > 0
    figure = new_figure(4.6 if tested else 3.8, _title(result))
    rows = figure.add_gridspec(2, 1, height_ratios=[1.2, 1.0])
    series = figure.add_subplot(rows[0])
    _draw_levels(series, result)
    below = rows[1].subgridspec(1, 3) if tested else rows[1].subgridspec(1, 1)
    panels = [series, figure.add_subplot(below[0])]
    _draw_rates(panels[1], result)
    if tested:
        panels += [figure.add_subplot(below[1]), figure.add_subplot(below[2])]
        _draw_ratios(panels[2], result)
        _draw_roc(panels[3], result)
    for letter, axes in zip("abcd", panels, strict=False):
        put_letter(axes, letter)
    return figure


def _title(result: LikelihoodRatio) -> str:
    p = "" if math.isnan(result.pvalue) else f", {p_clause(result.pvalue)}"
    name = result.name if len(result.name) <= 40 else result.name[:39] + "…"
    return f"{name}: {result.config.alternative} against constant rate, D = {number_text(result.ratio, 3)}{p}"


def _course(result: LikelihoodRatio) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rate and level of the tested fit at each observation."""
    fit: TransitionFit = result.alternative
    elapsed = numeric(result.series.time)
    part = (elapsed - elapsed[0]) / (elapsed[-1] - elapsed[0])
    distance = np.maximum(fit.R_start + part * (fit.R_end - fit.R_start), 0.0)
    if result.config.alternative == "saddle-node":
        return 2.0 * np.sqrt(distance), fit.theta + np.sqrt(distance)
    return distance / fit.theta, fit.theta * distance


def _draw_levels(axes: Axes, result: LikelihoodRatio) -> None:
    time, values = result.series.time, result.series.values
    axes.plot(time, values, color=INK, lw=0.7, marker="." if values.size <= SPARSE else "", ms=3, label="series")
    axes.plot(time, np.full(values.size, result.null.level), color=BLUE, lw=1.4, ls="--", label="level, constant rate")
    axes.plot(time, _course(result)[1], color=VERMILLION, lw=1.8, label=f"level, {result.config.alternative}")
    style(axes)
    axes.set_xlabel(result.series.time_name or "time", parse_math=False)
    axes.set_ylabel(result.name[:24], parse_math=False)
    _legend(axes)


def _draw_rates(axes: Axes, result: LikelihoodRatio) -> None:
    time = result.series.time
    axes.plot(time, np.full(time.size, result.null.rate), color=BLUE, lw=1.4, ls="--")
    axes.plot(time, _course(result)[0], color=VERMILLION, lw=1.8)
    style(axes)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(result.series.time_name or "time", parse_math=False)
    axes.set_ylabel("rate of return")
    axes.tick_params(axis="x", labelrotation=30 if time.dtype.kind == "M" else 0)


def _draw_ratios(axes: Axes, result: LikelihoodRatio) -> None:
    top = max(float(np.quantile(np.concatenate([result.null_ratios, result.test_ratios]), 0.99)), result.ratio, 1e-3)
    bins = np.linspace(0.0, top * 1.05, 26).tolist()
    axes.hist(np.minimum(result.null_ratios, top), bins=bins, color=BLUE, alpha=0.45, label="null")
    axes.hist(np.minimum(result.test_ratios, top), bins=bins, histtype="step", color=VERMILLION, lw=1.4, label="model")
    axes.axvline(result.ratio, color=INK, lw=1.4, ls=":", label="observed")
    style(axes)
    axes.set_xlabel("ratio D of series drawn")
    axes.set_ylabel("number")
    _legend(axes)


def _draw_roc(axes: Axes, result: LikelihoodRatio) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
    axes.plot(result.false_positive_rate, result.true_positive_rate, color=VERMILLION, lw=1.6)
    style(axes)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("false positives")
    axes.set_ylabel("true positives")
    axes.text(0.96, 0.06, typeset(f"area {result.auc:.2f}"), ha="right", fontsize=SMALL, color=INK)


def _legend(axes: Axes) -> None:
    legend = axes.legend(fontsize=SMALL, frameon=False, loc="best")
    for text in legend.get_texts():
        text.set_parse_math(False)
        text.set_color(INK)
