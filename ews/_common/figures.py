"""What all figures share: colours, sizes, a figure without pyplot, the look of its axes and the axis of time.

Lines differ in lightness, dash and width as well as in colour (Okabe & Ito 2008), so that a figure reads in grey and
for colour-blind readers.
"""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from ews.errors import EWSWarning

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase

    from ews.series import Series

__all__ = [
    "BAND",
    "BLUE",
    "FONT",
    "GREEN",
    "INK",
    "LINES",
    "MUTED",
    "ORANGE",
    "RASTERIZE_ABOVE",
    "SHADE",
    "SMALL",
    "SPARSE",
    "VERMILLION",
    "WIDTH_INCHES",
    "ResultFigure",
    "frame_figure",
    "new_figure",
    "put_letter",
    "spectrum_figure",
    "style",
    "time_axis",
]

# Okabe & Ito's colours; their grey levels (0–1) are 0.13, 0.34, 0.47, 0.63 and 0.42.
INK = "#222222"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
ORANGE = "#E69F00"
GREEN = "#009E73"
BAND = "#D9D9D9"
SHADE = "#F3F3F3"
MUTED = "#666666"
FONT = 8.0
SMALL = 7.0
WIDTH_INCHES = 7.2  # two columns of a journal
RASTERIZE_ABOVE = 5000  # a vector path of more points weighs megabytes and shows no more
PANELS = 8  # so many fit a page
SPARSE = 80  # up to so many observations each gets a dot
# Colour, dashes and width of up to four curves in one panel: they differ in grey too.
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "lw": 1.7},
    {"color": VERMILLION, "lw": 1.5, "dashes": (5.0, 1.5)},
    {"color": GREEN, "lw": 1.5, "dashes": (6.0, 1.5, 1.2, 1.5)},
    {"color": MUTED, "lw": 1.2, "dashes": (1.2, 1.4)},
)

_GLYPH = re.compile(r"Glyph (\d+) .*missing from", re.DOTALL)


class ResultFigure(Figure):
    """A matplotlib figure that notebooks show without pyplot."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw it; where the font lacks characters of a name, say so once and what helps."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().draw(renderer)
        absent = {int(found[1]) for one in caught if (found := _GLYPH.match(str(one.message)))}
        for one in caught:
            if not _GLYPH.match(str(one.message)):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        if absent:
            shown = ", ".join(repr(chr(code)) for code in sorted(absent)[:5])
            message = (
                f"the figure's font lacks {shown}: boxes stand there; set matplotlib's font.family to one with them"
            )
            warnings.warn(message, EWSWarning, stacklevel=2)

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def new_figure(height: float, title: str = "") -> ResultFigure:
    """A white figure of a page's width and `height` inches, that pyplot knows nothing of; `title` is no mathematics."""
    figure = ResultFigure(figsize=(WIDTH_INCHES, height), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=FONT + 2, fontweight="bold", color=INK).set_parse_math(False)
    return figure


def style(axes: Axes) -> None:
    """Set every colour and size by hand: the user's style sheet must not make the figure unreadable."""
    axes.set_facecolor("white")
    axes.grid(False)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=INK, linewidth=0.7)
    axes.tick_params(
        which="both", labelsize=SMALL, colors=INK, width=0.7, length=3, direction="out", top=False, right=False
    )
    axes.tick_params(which="minor", length=0)
    axes.xaxis.label.set(color=INK, size=FONT)
    axes.yaxis.label.set(color=INK, size=FONT)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0)
    axes.yaxis.set_major_formatter(ScalarFormatter(useMathText=True))
    axes.ticklabel_format(axis="y", scilimits=(-3, 5))
    for axis in (axes.xaxis, axes.yaxis):
        axis.offsetText.set(size=SMALL, color=INK)


def put_letter(axes: Axes, letter: str, *, points_left: float = 14.0) -> None:
    """Letter of a panel, left of the axis, where no power of ten and no title stands."""
    axes.annotate(
        letter, (0.0, 1.0), xytext=(-points_left, 3.0), xycoords="axes fraction", textcoords="offset points", ha="left",
        va="bottom", fontsize=FONT + 1, fontweight="bold", color=INK,
    )  # fmt: skip


def time_axis(axes: Axes, series: Series) -> None:
    """Ticks and label of the axis of time, for numbers and for dates."""
    if series.time.dtype.kind == "M":
        # Of fewer at most, matplotlib has no interval for just under 4 years, days, hours or minutes, and warns.
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        label = series.time_name or ""
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
        label = series.time_name or "time"
    axes.set_xlabel(label, parse_math=False)


def frame_figure(title: str, frame: pd.DataFrame) -> ResultFigure:
    """A panel for each column of numbers; of one row the numbers side by side.

    A column has a band where its name with ``_lower`` and with ``_upper`` are columns too.
    """
    numbers = frame.select_dtypes(["number", "bool"])
    if len(frame) < 2:
        return _dots(title, numbers)
    names = [name for name in map(str, numbers) if not name.endswith(("_lower", "_upper"))][:PANELS]
    figure = new_figure(1.2 * max(len(names), 1) + 0.9, title)
    panels: list[Axes] = []
    for row, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, row + 1, sharex=panels[0] if panels else None)
        panels.append(axes)
        bounds = [f"{name}_lower", f"{name}_upper"]
        if set(bounds) <= set(numbers):
            low, high = (numbers[bound].to_numpy(float) for bound in bounds)
            axes.fill_between(frame.index, low, high, facecolor=BAND, edgecolor="none")
        marker = "." if len(frame) <= SPARSE else ""
        joined = "-" if frame.index.dtype.kind in "fiuM" else "none"  # names have no order to follow
        axes.plot(frame.index, numbers[name].to_numpy(float), color=BLUE, lw=1.2, ls=joined, marker=marker, ms=4,
                  rasterized=len(frame) > RASTERIZE_ABOVE)  # fmt: skip
        style(axes)
        axes.set_ylabel(name.replace("_", "\n", 1), parse_math=False)
        axes.tick_params(labelbottom=row == len(names) - 1)
        put_letter(axes, "abcdefgh"[row])
    if panels:
        panels[-1].set_xlabel("position" if frame.index.name is None else str(frame.index.name), parse_math=False)
        figure.align_ylabels(panels)
    return figure


def _dots(title: str, numbers: pd.DataFrame) -> ResultFigure:
    figure = new_figure(0.28 * max(numbers.shape[1], 1) + 1.0, title)
    axes = figure.add_subplot()
    values = numbers.to_numpy(float).reshape(-1)[: numbers.shape[1]]
    axes.axvline(0.0, color=MUTED, lw=0.6)
    axes.plot(values, range(values.size), "o", color=BLUE, ms=5)
    style(axes)
    axes.set_yticks(range(values.size), [str(name) for name in numbers][: values.size], fontsize=SMALL)
    axes.invert_yaxis()
    return figure


def spectrum_figure(title: str, at: Any, power: Any, label: str) -> ResultFigure:
    """The last spectrum of several, on the range of all of them."""
    figure = new_figure(3.0, title)
    axes = figure.add_subplot()
    rows = power.reshape(-1, power.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows):
        axes.fill_between(
            at, rows.min(axis=0), rows.max(axis=0), facecolor=BAND, edgecolor="none", label="range of all"
        )
        axes.plot(at, rows[-1], color=BLUE, lw=1.7, label="last")
        axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK)
    style(axes)
    axes.set_xlabel(label)
    axes.set_ylabel("Power")
    return figure
