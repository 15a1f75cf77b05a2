"""Figure of a multivariate detection, drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ews import plot as draw
from ews._common import figures as paint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews._analysis.multivariate.result import MultivariateDetection

__all__ = ["multivariate_figure"]

# Colour and dashes of the variables: they differ in lightness too; more than these repeat.
LINES: tuple[dict[str, Any], ...] = (
    {"color": paint.INK},
    {"color": paint.BLUE, "dashes": (5.0, 1.5)},
    {"color": paint.VERMILLION, "dashes": (1.5, 1.2)},
    {"color": "#009E73", "dashes": (6.0, 1.5, 1.2, 1.5)},
    {"color": paint.MUTED, "dashes": (3.0, 1.0)},
)


def multivariate_figure(detection: MultivariateDetection) -> Figure:
    """Draw variables and residuals in standard deviations, what drifted most, and each indicator."""
    alike = cast(Any, detection)
    names = list(detection.indicators)
    tested = detection.config.n_surrogates > 0
    drifts = detection.scores is not None
    heights = [1.5, 1.2, *[1.25] * (drifts + len(names))]
    canvas = paint.new_figure(sum(heights) * 0.95 + 0.75, f"{len(detection.variables)} variables: {detection.verdict}")
    grid = canvas.add_gridspec(
        len(heights), 2, height_ratios=heights, width_ratios=[4.6, 1.0] if tested else [1.0, 1e-3]
    )
    letters = iter(string.ascii_lowercase)
    time = detection.series.time
    values = detection.values
    spread = np.where((sd := values.std(axis=0)) > 0, sd, 1.0)
    top = canvas.add_subplot(grid[0, 0])
    middle = canvas.add_subplot(grid[1, 0], sharex=top)
    for place, name in enumerate(detection.variables):
        style = {"lw": 0.8, **LINES[place % len(LINES)], "rasterized": time.size > paint.RASTERIZE_ABOVE}
        top.plot(time, (values[:, place] - values[:, place].mean()) / spread[place], label=name, **style)
        middle.plot(time, detection.residual[:, place] / detection.scale[place], **style)
    top.set_ylabel("Variables (SD)")
    middle.set_ylabel("Residuals (SD)" if detection.config.standardize else "Residuals")
    shared = [top, middle]
    for axes in shared:
        paint.style(axes)
    if drifts:
        shared.append(canvas.add_subplot(grid[2, 0], sharex=top))
        draw._draw_drift(shared[-1], alike)
    for row, name in enumerate(names, start=2 + drifts):
        axes = canvas.add_subplot(grid[row, 0], sharex=top)
        draw._draw_indicator(axes, alike, name)
        shared.append(axes)
    for axes in shared:
        paint.put_letter(axes, next(letters))
        axes.tick_params(labelbottom=axes is shared[-1])
    paint.time_axis(shared[-1], detection.series)
    top.set_xlim(time[0], time[-1])
    draw._legend(canvas, grid, top, shared[2:], beside=tested)
    if tested:
        draw._draw_surrogates(canvas, grid, alike, letters)
    canvas.align_ylabels(shared)
    return canvas
