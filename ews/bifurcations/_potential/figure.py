"""The figure of a potential analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common import panels as draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ews.bifurcations._potential.result import PotentialWells

__all__ = ["potential_figure"]


def potential_figure(result: PotentialWells) -> Figure:
    """Draw series, wells through time, and the potential with its density."""
    plural = "well" if result.n_wells == 1 else "wells"
    figure, timed, (landscape, density) = draw.layout(
        result, f"Potential analysis: {result.n_wells} {plural}", over_time=1, below=2
    )
    places = timed[1]
    draw.shade_first_window(places, result)
    dots: dict[str, Any] = {"ls": "none", "ms": 2.2, "rasterized": True}
    for k in range(0, result.rolling_places.shape[1], 2):
        wells = result.rolling_places[:, k]
        if np.isfinite(wells).any():
            label = "wells" if k == 0 else None
            places.plot(result.series.time, wells, color=draw.BLUE, marker="o", label=label, **dots)
    for k in range(1, result.rolling_places.shape[1], 2):
        saddles = result.rolling_places[:, k]
        if np.isfinite(saddles).any():
            label = "saddles" if k == 1 else None
            places.plot(result.series.time, saddles, color=draw.VERMILLION, marker="x", label=label, **dots)
    places.set_ylabel("Wells in the window")

    likely = result.density > 1e-3 * result.density.max()  # further out the walls rise without bound
    landscape.plot(result.grid[likely], result.potential[likely], color=draw.INK, lw=1.4)
    for values, colour, marker in ((result.wells, draw.BLUE, "o"), (result.saddles, draw.VERMILLION, "x")):
        height = np.interp(values, result.grid, result.potential)
        landscape.plot(values, height, color=colour, marker=marker, ms=6, ls="none")
    landscape.set_ylabel("Potential U")
    density.fill_between(result.grid, result.density, color=draw.BAND)
    density.plot(result.grid, result.density, color=draw.INK, lw=1.0)
    density.set_ylabel("Density f")
    for axes in (landscape, density):
        axes.set_xlabel((result.series.name or "series")[:30], parse_math=False)
    return draw.finish(figure, timed, [landscape, density], result)
