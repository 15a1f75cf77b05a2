"""The curves of ``speed_scaling.csv`` as one figure: time a sample against size, on double logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["draw"]

_COLOURS = {
    "ews": "#0072b2",
    "ews, 1 thread": "#0072b2",
    "ews, 2 threads": "#56b4e9",
    "pandas": "#d55e00",
    "pandas, without AC1": "#d55e00",
    "polars": "#cc79a7",
    "screamer": "#009e73",
    "scipy": "#e69f00",
    "NumPy, writing alone": "#999999",
}


def draw(curves: Mapping[str, Sequence[tuple[int, Mapping[str, float]]]], path: Path) -> None:
    """Draw a panel for each curve: (size, package → nanoseconds a sample) from left to right."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9.0, 6.5), layout="constrained")
    for axis, (title, points) in zip(axes.flat, curves.items(), strict=True):
        packages = dict.fromkeys(package for _, times in points for package in times)
        for package in packages:
            line = [(size, times[package]) for size, times in points if package in times]
            axis.plot(*zip(*line, strict=True), "o-", ms=3, color=_COLOURS.get(package), label=package)
        unit, *rest = title.split(", ")
        axis.set(xscale="log", yscale="log", xlabel=unit, ylabel="ns a sample", title=", ".join(rest) or None)
        axis.set_ylim(top=6.0 * axis.get_ylim()[1])  # room above the lines
        axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper right")
        axis.grid(alpha=0.2)
    figure.savefig(path, dpi=130)
    plt.close(figure)
