"""Figures of many series: maps of verdict, p and drift; and small multiples, a row a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ews._analysis.many.codes import REASONS, VERDICTS
from ews._common.figures import (
    BLUE,
    FONT,
    INK,
    MUTED,
    SMALL,
    VERMILLION,
    ResultFigure,
    new_figure,
    put_letter,
    style,
)
from ews.errors import InputTypeError, described

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ews._analysis.many.result import DetectionMap

__all__ = ["PER_PAGE", "draw_maps", "map_figure", "rows_figure"]

PER_PAGE = 50
_RATE = 0.05
# Light to dark in grey as well: none, no warning, inconclusive, warning.
_COLOURS = ("#FFFFFF", "#9CC9E5", "#D9D9D9", VERMILLION)


def map_figure(maps: Any) -> Figure:
    """Draw maps of verdict, p and drift, with the contour of q = 0.05.

    Colours are told apart by colour-blind readers and in grey.

    Parameters
    ----------
    maps : DetectionMap or xarray.Dataset
        From :func:`ews.detect_many`, of two dimensions beside time.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; save it with ``savefig``.

    Raises
    ------
    ews.errors.ArgumentError
        If it is no such map, or has other than two dimensions.

    Examples
    --------
    >>> import ews
    >>> cube = ews.nulls.AR1(0.5, 1.0, 100).draw(0, 12, seed=1).reshape(3, 4, 100)
    >>> len(ews.map_figure(ews.detect_many(cube, null="table", n_surrogates=99)).axes)
    6
    """
    labelled = hasattr(maps, "data_vars")
    names = ("verdict", "p" if labelled else "pvalue", "q" if labelled else "qvalue", "drift")
    known = maps.data_vars if labelled else dir(maps)
    if not all(name in known for name in names):
        given = described(f"a {type(maps).__name__} without {', '.join(name for name in names if name not in known)}")
        raise InputTypeError("maps", given, "what ews.detect_many gives")
    fields = [np.asarray(maps[name] if labelled else getattr(maps, name)) for name in names]
    if fields[0].ndim != 2:
        size = " × ".join(map(str, fields[0].shape))
        raise InputTypeError("maps", described(f"maps of shape {size}"), "two dimensions: choose along the others")
    return draw_maps(*fields, title=_title(fields[0]), **(_axes(maps) if labelled else {}))


def _axes(maps: Any) -> dict[str, Any]:
    """Names, edges and direction of the axes of a Dataset, where its coordinates are even numbers."""
    rows, columns = maps["verdict"].dims
    edges = []
    for name in (columns, rows):
        at = np.asarray(maps[name]) if name in maps.coords else np.arange(maps.sizes[name])
        if at.dtype.kind not in "fiu" or at.size < 2 or not np.allclose(np.diff(at), at[1] - at[0], rtol=1e-3):
            return {"labels": (str(columns), str(rows))}
        half = (float(at[-1]) - float(at[0])) / (at.size - 1) / 2.0
        edges += [float(at[0]) - half, float(at[-1]) + half]
    left, right, first, last = edges
    upwards = last > first
    extent = (left, right, first, last) if upwards else (left, right, last, first)
    return {"labels": (str(columns), str(rows)), "extent": extent, "upwards": upwards}


def draw_maps(
    verdict: npt.NDArray[Any],
    pvalue: npt.NDArray[Any],
    qvalue: npt.NDArray[Any],
    drift: npt.NDArray[Any],
    *,
    title: str,
    extent: tuple[float, float, float, float] | None = None,
    upwards: bool = False,
    labels: tuple[str, str] = ("column", "row"),
) -> ResultFigure:
    """Three maps side by side; `extent` is left, right, bottom and top, `upwards` whether rows go up."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm

    height, width = verdict.shape
    across = min(max(width / height, 0.5), 3.0)
    figure = new_figure(min(2.4 / across + 1.5, 6.5), title)
    where: Any = {"origin": "lower" if upwards else "upper", "extent": extent, "interpolation": "nearest"}
    if extent is not None:
        where["aspect"] = "auto"
    panels = [figure.add_subplot(1, 3, place + 1) for place in range(3)]
    colours = ListedColormap(_COLOURS)
    shown = panels[0].imshow(verdict, cmap=colours, norm=BoundaryNorm(np.arange(-1.5, 3.0), 4), **where)
    bar = figure.colorbar(shown, ax=panels[0], location="bottom", ticks=[-1, 0, 1, 2], fraction=0.08)
    bar.ax.set_xticklabels(["not tested", *VERDICTS], rotation=35, ha="right")
    shown = panels[1].imshow(pvalue, cmap="cividis", norm=LogNorm(1e-4, 1.0, clip=True), **where)
    bars = [bar, figure.colorbar(shown, ax=panels[1], location="bottom", fraction=0.08)]
    largest = float(np.nanmax(np.abs(drift))) if np.isfinite(drift).any() else 1.0
    reach = min(largest or 1.0, 2.0)
    shown = panels[2].imshow(drift, cmap="PuOr_r", vmin=-reach, vmax=reach, **where)
    bars.append(figure.colorbar(shown, ax=panels[2], location="bottom", fraction=0.08))
    found = np.nan_to_num(qvalue, nan=1.0) <= _RATE
    if found.any() and not found.all() and min(verdict.shape) >= 2:
        left, right, bottom, top = extent or (-0.5, width - 0.5, height - 0.5, -0.5)
        first, last = (bottom, top) if upwards else (top, bottom)
        lines = _outline(found, np.linspace(left, right, width + 1), np.linspace(first, last, height + 1))
        for axes in panels[1:]:  # white between dark lines: seen on light and on dark
            for colour, thick in ((INK, 1.5), ("#FFFFFF", 0.6)):
                axes.add_collection(LineCollection(lines, colors=colour, linewidths=thick), autolim=False)
    names = ("verdict", f"p (line: q = {_RATE})", "drift of lag-1 memory")
    for axes, name, letter in zip(panels, names, "abc", strict=True):
        _plain(axes)
        axes.set_title(name, fontsize=FONT, color=INK, pad=3)
        axes.set_xlabel(labels[0], parse_math=False)
        put_letter(axes, letter)
    panels[0].set_ylabel(labels[1], parse_math=False)
    for one in bars:
        one.ax.tick_params(labelsize=SMALL, colors=INK)
    return figure


def _outline(found: npt.NDArray[np.bool_], x: npt.NDArray[Any], y: npt.NDArray[Any]) -> list[Any]:
    """Edges of pixels between those found and others, and along the rim; `x` and `y` are where pixels begin and end."""
    padded = np.pad(found, 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    flat = np.stack([np.stack([x[columns], y[rows]], axis=1), np.stack([x[columns + 1], y[rows]], axis=1)], axis=1)
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    steep = np.stack([np.stack([x[columns], y[rows]], axis=1), np.stack([x[columns], y[rows + 1]], axis=1)], axis=1)
    return [*flat, *steep]


def _plain(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set(color=INK, linewidth=0.7)
    axes.tick_params(labelsize=SMALL, colors=INK, width=0.7, length=3)
    axes.xaxis.label.set(color=INK, size=FONT)
    axes.yaxis.label.set(color=INK, size=FONT)


def rows_figure(result: DetectionMap, first: int) -> ResultFigure:
    """Drift and q of up to 50 series from number `first` on, a row each."""
    labels = result._labels()[first : first + PER_PAGE]
    these = slice(first, first + PER_PAGE)
    verdict, drift, q = (getattr(result, name).reshape(-1)[these] for name in ("verdict", "drift", "qvalue"))
    count = len(labels)
    whole = result.verdict.size
    pages = f"; series {first + 1} to {first + count} of {whole}" if whole > PER_PAGE else ""
    figure = new_figure(0.165 * max(count, 4) + 1.4, _title(result.verdict) + pages)
    left = figure.add_subplot(1, 2, 1)
    right = figure.add_subplot(1, 2, 2, sharey=left)
    rows = np.arange(count)
    looks: dict[int, dict[str, Any]] = {
        2: {"color": VERMILLION, "marker": "^", "label": "warning"},
        1: {"color": MUTED, "marker": "o", "mfc": "white", "label": "inconclusive"},
        0: {"color": BLUE, "marker": "s", "label": "no warning"},
    }
    for axes, values in ((left, drift), (right, np.where(np.isnan(q), np.nan, np.maximum(q, 1e-4)))):
        for code, look in looks.items():
            chosen = verdict == code
            axes.plot(values[chosen], rows[chosen], ls="none", ms=4.5, **look)
        style(axes)
        axes.set_axisbelow(True)
        axes.hlines(rows, 0, 1, transform=axes.get_yaxis_transform(), color="#EEEEEE", lw=0.5, zorder=0)
    reasons = result.reason.reshape(-1)[these]
    for row in np.flatnonzero(~np.isfinite(drift)):
        said = REASONS[int(reasons[row])]
        left.text(0.99, float(row), said, transform=left.get_yaxis_transform(), fontsize=min(SMALL, 7.0), color=MUTED,
                  ha="right", va="center", style="italic")  # fmt: skip
    left.axvline(0.0, color=MUTED, lw=0.7, zorder=1)
    right.set_xscale("log")
    right.set_xlim(7e-5, 1.5)
    left.margins(x=0.05)
    right.axvline(_RATE, color=MUTED, lw=0.9, ls="--", zorder=1)
    left.set_yticks(rows, [_short(name) for name in labels], fontsize=min(SMALL, 7.0), parse_math=False)
    left.set_ylim(count - 0.3, -0.7)
    right.tick_params(labelleft=False)
    left.set_xlabel("drift of lag-1 memory")
    right.set_xlabel(f"q over all series (dashed: {_RATE})")
    handles, names = left.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, fontsize=SMALL, frameon=False, labelcolor=INK, loc="outside lower center", ncols=3
        )
    put_letter(left, "a")
    put_letter(right, "b")
    return figure


def _short(name: str) -> str:
    """Beginning and end of a long name: names often differ in the last part."""
    return name if len(name) <= 28 else f"{name[:13].rstrip()}…{name[-14:].lstrip()}"


def _title(verdict: npt.NDArray[Any]) -> str:
    warned, tested = int(np.count_nonzero(verdict == 2)), int(np.count_nonzero(verdict >= 0))
    return f"{warned:,} of {tested:,} series warn"
