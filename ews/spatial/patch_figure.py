"""The figure of a patch-size distribution, drawn as :mod:`ews.plot` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ews._common.figures import INK, LINES, SMALL, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews.spatial.patch_distribution_result import PatchDistribution

__all__ = ["patch_figure"]


def patch_figure(result: PatchDistribution) -> Figure:
    """Draw the share of patches of a size or more, and the four laws."""
    figure = new_figure(3.2, f"Patch sizes: best {result.fits[result.best].label}")
    axes = figure.add_subplot()
    values, counts = np.unique(result.sizes, return_counts=True)
    share = np.cumsum(counts[::-1])[::-1] / result.sizes.size
    style(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(values, share, "o", ms=3, color=INK, label="patches")
    x = np.unique(np.round(np.geomspace(result.smallest, max(values[-1], result.smallest + 1), 60)))
    for line, fit in zip(LINES, result.fits.values(), strict=True):
        label = f"{fit.label} (weight {fit.weight:.2f})"
        axes.plot(x, np.maximum(result.survival(fit.name, x), 1e-300), label=label, **line)
    axes.set_ylim(0.5 / result.sizes.size, 1.3)
    axes.set_xlabel("patch size (cells)")
    axes.set_ylabel("share of this size or more")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK)
    return figure
