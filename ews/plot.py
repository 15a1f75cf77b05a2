"""Figures from results. Matplotlib's objects are made directly, so that no global state of pyplot changes."""

from __future__ import annotations

import string
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ews._common.figures import (
    BAND,
    BLUE,
    FONT,
    INK,
    MUTED,
    ORANGE,
    RASTERIZE_ABOVE,
    SHADE,
    SMALL,
    SPARSE,
    VERMILLION,
    ResultFigure,
    new_figure,
    put_letter,
    style,
    time_axis,
)
from ews._common.layout import distinct
from ews._common.words import alarm_text, number_text, p_clause, trend_symbol, typeset
from ews.summary import counts, in_order, statistic_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

    from ews.results import Detection, Detections, Significance

__all__ = ["ResultFigure", "detection_figure", "detections_figure", "significance_figure"]

VERDICT_COLOURS = {"warning": VERMILLION, "no warning": BLUE, "inconclusive": MUTED}
# So many series are drawn over time; of more only the trends, at most as many as a page is high.
MOST_ROWS, MOST_LINES = 8, 60
_ARROWS = {"up": "↑", "down": "↓", "both": "↕"}


def detection_figure(detection: Detection) -> Figure:
    """Draw the series, its residual and each indicator against its surrogates.

    Parameters
    ----------
    detection : Detection
        The result.

    Returns
    -------
    matplotlib.figure.Figure
        One panel each for the series (with trend and change points), the residual, what drifted most (with method
        "score") and every indicator (with its band under the null); beside an indicator, the surrogates' trends with
        the observed one. Change it as any figure; save it with ``savefig``.

    References
    ----------
    Okabe, M. & Ito, K. (2008). Color universal design. https://jfly.uni-koeln.de/color

    Examples
    --------
    >>> import numpy as np, ews
    >>> from ews.plot import detection_figure
    >>> result = ews.detect(np.random.default_rng(1).standard_normal(100), n_surrogates=99)
    >>> detection_figure(result).get_suptitle()
    'series: inconclusive'
    """
    names = list(detection.indicators)
    tested = detection.config.n_surrogates > 0
    drifts = detection.scores is not None
    heights = [1.5, 1.0, *[1.25] * (drifts + len(names))]
    title = f"{_wrapped(detection.name, 60, lines=2)}: {detection.verdict}"
    figure = new_figure(sum(heights) * 0.95 + 0.75, title)
    ratios = [4.6, 1.0] if tested else [1.0, 1e-3]
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=ratios)
    letters = iter(string.ascii_lowercase)

    series = figure.add_subplot(grid[0, 0])
    _draw_series(series, detection)
    residual = figure.add_subplot(grid[1, 0], sharex=series)
    _draw_residual(residual, detection)
    shared = [series, residual]
    if drifts:
        shared.append(figure.add_subplot(grid[2, 0], sharex=series))
        _draw_drift(shared[-1], detection)
    for row, name in enumerate(names, start=2 + drifts):
        axes = figure.add_subplot(grid[row, 0], sharex=series)
        _draw_indicator(axes, detection, name)
        shared.append(axes)
    for axes in shared:
        put_letter(axes, next(letters))
        axes.tick_params(labelbottom=axes is shared[-1])
    time_axis(shared[-1], detection.series)
    series.set_xlim(detection.series.time[0], detection.series.time[-1])
    _legend(figure, grid, series, shared[2:], beside=tested)
    if tested:
        _draw_surrogates(figure, grid, detection, letters)
    figure.align_ylabels(shared)
    return figure


def detections_figure(detections: Detections) -> Figure:
    """Draw the series and the trends of their indicators, one row a series.

    Parameters
    ----------
    detections : Detections
        Results by column.

    Returns
    -------
    matplotlib.figure.Figure
        To the left each series with its trend, to the right each indicator's trend statistic with its interval and the
        range in which 95 % of the surrogates fall. A filled marker is significant in the direction of alarm. Beside the
        verdict, q: the false discovery rate over the series at which this one still warns. Warnings come first, then
        the smallest q. More than eight series are drawn as one line of markers each, at most 60 of them.

    Examples
    --------
    >>> import numpy as np, pandas as pd, ews
    >>> from ews.plot import detections_figure
    >>> noise = np.random.default_rng(1).standard_normal((100, 2))
    >>> result = ews.detect(pd.DataFrame(noise, columns=["a", "b"]), n_surrogates=99)
    >>> len(detections_figure(result).axes)
    4
    """
    rows = [(column, detections[column]) for column in in_order(detections)]
    if len(rows) > MOST_ROWS:
        return _many_figure(detections, rows)
    lines = max((len(detection.indicators) for _, detection in rows), default=1)
    height = max(0.95, 0.26 * lines + 0.35)
    figure = new_figure(height * max(len(rows), 1) + 0.75, _detections_title(detections))
    if not rows:
        return figure
    grid = figure.add_gridspec(len(rows), 2, width_ratios=[1.5, 1.0])
    shown = distinct(detections, 40)
    one_clock = len({(d.series.time[0], d.series.time[-1]) for _, d in rows}) == 1
    first: Axes | None = None
    forest: Axes | None = None
    for row, (column, detection) in enumerate(rows):
        left = figure.add_subplot(grid[row, 0], sharex=first if one_clock else None)
        first = first or left
        time, values = detection.series.time, detection.series.values
        left.plot(time, values, color=INK, lw=0.7, rasterized=values.size > RASTERIZE_ABOVE)
        _draw_trend(left, detection)
        style(left)
        left.set_xlim(time[0], time[-1])
        name = left.set_title(shown[column], loc="left", fontsize=FONT, color=INK, pad=3)
        name.set_parse_math(False)
        colour = VERDICT_COLOURS[detection.verdict]
        q = detections.qvalue[column]
        said = detection.verdict if np.isnan(q) else f"{detection.verdict}, {p_clause(q, of='q')}"
        left.set_title(said, loc="right", fontsize=FONT, fontweight="bold", color=colour, pad=3)
        last = row == len(rows) - 1
        left.tick_params(labelbottom=last or not one_clock)
        if last or not one_clock:
            time_axis(left, detection.series)
        right = figure.add_subplot(grid[row, 1], sharex=forest)
        forest = forest or right
        _draw_forest(right, detection)
        right.tick_params(labelbottom=last)
        if last:
            right.set_xlabel(f"trend of the indicator ({trend_symbol(detection.config.trend)})", fontsize=FONT)
            _forest_legend(figure, [one for _, one in rows])
    if forest is not None and rows[0][1].config.trend != "theil_sen":
        forest.set_xlim(-1.05, 1.05)
    return figure


def _detections_title(detections: Detections) -> str:
    warned = sum(detection.verdict == "warning" for detection in detections.values())
    said = f"Early-warning signals: {warned} of {len(detections)} series warn"
    if (stay := len(detections.warnings())) < warned:
        said += f", {stay} at a false discovery rate of 0.05"
    return said


def _many_figure(detections: Detections, rows: list[tuple[str, Detection]]) -> Figure:
    """One line a series and one panel an indicator: trend, interval, and the range of the surrogates."""
    kept, left = rows[:MOST_LINES], len(rows) - MOST_LINES
    names = list(dict.fromkeys(name for _, detection in kept for name in detection.indicators))
    figure = new_figure(0.165 * len(kept) + 1.4, _detections_title(detections))
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    shown = distinct([column for column, _ in kept], 28)
    for axes, name in zip(panels, names, strict=True):
        axes.axvline(0.0, color=MUTED, lw=0.6, zorder=1)
        for place, (_, detection) in enumerate(kept):
            if name in detection.indicators:
                _draw_trend_line(axes, detection, name, place, "o")
        style(axes)
        axes.set_title(kept[0][1].indicators[name].label if name in kept[0][1].indicators else name, fontsize=FONT)
        axes.tick_params(axis="y", length=0)
        if kept[0][1].config.trend != "theil_sen":
            axes.set_xlim(-1.05, 1.05)
    labels = [shown[column] for column, _ in kept]
    panels[0].set_yticks(range(len(kept)), labels, parse_math=False)
    panels[0].set_ylim(len(kept) - 0.4, -0.6)
    for label, (_, detection) in zip(panels[0].get_yticklabels(), kept, strict=True):
        label.set(color=VERDICT_COLOURS[detection.verdict], fontweight="bold" if _warns(detection) else "normal")
    more = f" ({left} more, with larger q, are in the table)" if left > 0 else ""
    text = f"trend of the indicator ({trend_symbol(kept[0][1].config.trend)}){more}"
    panels[len(panels) // 2].set_xlabel(text, fontsize=FONT)
    _forest_legend(figure, [detection for _, detection in kept], lines=False)
    return figure


def _warns(detection: Detection) -> bool:
    return detection.verdict == "warning"


def _draw_series(axes: Axes, detection: Detection) -> None:
    time, values = detection.series.time, detection.series.values
    heavy = values.size > RASTERIZE_ABOVE
    dots = "." if values.size <= SPARSE else ""
    axes.plot(time, values, color=INK, lw=0.7, marker=dots, ms=3, label="series", rasterized=heavy)
    _draw_trend(axes, detection)
    for i, shift in enumerate(detection.changepoints.time):
        axes.axvline(shift, color=ORANGE, lw=1.2, ls=":", label="shift of the mean" if i == 0 else None, zorder=1)
    axes.set_ylabel(_wrapped(detection.name, 16, lines=3), parse_math=False)
    style(axes)


def _draw_trend(axes: Axes, detection: Detection) -> None:
    """What was taken out, where anything was; thinner where it swings with the seasons."""
    time, taken = detection.series.time, detection.trend
    if detection.config.season is not None:
        axes.plot(time, taken, color=VERMILLION, lw=1.0, dashes=(3, 1), label="season and trend")
    elif detection.config.detrend is not None:
        axes.plot(time, taken, color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out")


def _draw_residual(axes: Axes, detection: Detection) -> None:
    time, residual = detection.series.time, detection.residual
    axes.axhline(0.0, color=MUTED, lw=0.6, zorder=1)
    axes.plot(time, residual, color=INK, lw=0.7, rasterized=residual.size > RASTERIZE_ABOVE)
    axes.set_ylabel("Residual")
    style(axes)


def _draw_drift(axes: Axes, detection: Detection) -> None:
    """What drifted most significantly, as the score tests estimate it, with its interval."""
    scores: Any = detection.scores
    tested = [one for one in detection.tests if one.adjusted == one.adjusted]
    # What warns before what does not, however significant.
    warning = [one for one in tested if one.warns and one.name in scores.kinds] or tested
    one = min(warning, key=lambda test: (test.adjusted, test.pvalue), default=detection.tests[0])
    name, label, unstable = _PATHS[one.name]
    time = detection.series.time
    value, lower, upper = (getattr(scores, name + end) for end in ("", "_lower", "_upper"))
    heavy = value.size > RASTERIZE_ABOVE
    level = f"{100 * (1 - detection.config.alpha):g} % interval"
    axes.fill_between(time, lower, upper, facecolor=BLUE, alpha=0.18, edgecolor="none", label=level, rasterized=heavy)
    axes.plot(time, value, color=BLUE, lw=1.7, label="what drifts", rasterized=heavy)
    if unstable is not None and abs(unstable - value[-1]) < 0.6:
        axes.axhline(unstable, color=VERMILLION, lw=1.0, ls=":", label="instability")
    axes.set_ylabel(_wrapped(label, 16, lines=3))
    style(axes)
    text = f"drift of {one.name}"
    if detection.config.n_surrogates:
        text += f",  {p_clause(one.adjusted, of='family-wise p')}"
    weight = "bold" if one.name in scores.kinds and not detection.untellable else "normal"
    axes.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3, y=1.0)


# The path that each score test estimates, what the figure calls it, and where stability ends.
_PATHS: dict[str, tuple[str, str, float | None]] = {
    "memory towards +1": ("memory", "Lag-1 coefficient", 1.0),
    "memory towards −1": ("memory", "Lag-1 coefficient", -1.0),
    "damping": ("modulus", "Squared modulus", 1.0),
    "variance": ("spread", "Standard deviation", None),
}


def _draw_indicator(axes: Axes, detection: Detection, name: str) -> None:
    indicator = detection.indicators[name]
    time, values = indicator.time, indicator.values
    heavy = values.size > RASTERIZE_ABOVE
    edge = time[detection.config.window - 1]
    axes.axvspan(time[0], edge, facecolor=SHADE, edgecolor="none", zorder=0)
    axes.text(
        0.012, 0.08, f"first window ({detection.config.window} samples)", transform=axes.transAxes, fontsize=SMALL,
        color=MUTED, style="italic", va="bottom",
    )  # fmt: skip
    band = detection.surrogate_band.get(name)
    if band is not None:
        axes.fill_between(
            time, band.lower, band.upper, facecolor=BAND, edgecolor="none", label="95 % of surrogates", rasterized=heavy
        )
        axes.plot(time, band.median, color=MUTED, lw=0.9, ls=(0, (1.2, 1.4)), label="their median")
    axes.plot(time, values, color=BLUE, lw=1.7, label="indicator", rasterized=heavy, solid_capstyle="round")
    guide = _guide(values)
    if guide is not None:
        axes.plot(time, guide, color=VERMILLION, lw=1.0, dashes=(6, 1.5, 1.2, 1.5), label="its linear trend")
    axes.set_ylabel(_wrapped(indicator.label, 16, lines=3))
    style(axes)
    text = f"{trend_symbol(detection.config.trend)} = {statistic_text(detection.tau[name], detection)}"
    if detection.config.n_surrogates:
        text += f",  adjusted {p_clause(detection.pvalue_adjusted[name])}"
    text += f",  alarm: {alarm_text(indicator.alarm)} {_ARROWS[indicator.alarm]}"
    weight = "bold" if counts(detection, name) else "normal"
    axes.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, fontweight=weight, pad=3, y=1.0)


def _guide(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Least-squares line through the indicator: a guide to the eye, not a test."""
    finite = np.isfinite(values)
    if finite.sum() < 3:
        return None
    at = np.arange(values.size, dtype=np.float64)
    intercept, slope = np.polynomial.polynomial.polyfit(at[finite], values[finite], 1)
    line = np.full(values.size, np.nan)
    line[finite] = intercept + slope * at[finite]
    return line


def _legend(figure: Figure, grid: GridSpec, series: Axes, indicators: list[Axes], *, beside: bool) -> None:
    """One legend for all panels: beside the series, where the surrogates' panels leave room, else below the figure."""
    handles, labels = series.get_legend_handles_labels()
    for more in (axes.get_legend_handles_labels() for axes in indicators[:2]):
        new = [(handle, label) for handle, label in zip(*more, strict=True) if label not in labels]
        handles, labels = handles + [handle for handle, _ in new], labels + [label for _, label in new]
    options: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "labelcolor": INK, "handlelength": 2.4}
    if beside:
        blank = figure.add_subplot(grid[0:2, 1])
        blank.set_axis_off()
        blank.set_label("legend")
        blank.legend(handles, labels, loc="upper left", borderaxespad=0.0, borderpad=0.0, **options)
    else:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), **options)


def _draw_surrogates(figure: Figure, grid: GridSpec, detection: Detection, letters: Any) -> None:
    """Beside each indicator: how the surrogates' trends are distributed, and where the observed one lies."""
    bounded = detection.config.trend != "theil_sen"
    names = list(detection.indicators)
    first = 2 + (getattr(detection, "scores", None) is not None)  # several variables have no score tests
    for row, name in enumerate(names, start=first):
        axes = figure.add_subplot(grid[row, 1])
        axes.set_label(f"surrogates of {name}")
        bins: Any = np.linspace(-1.0, 1.0, 26) if bounded else 25
        _draw_among(axes, detection.surrogate_tau[name], detection.tau[name], bins)
        if bounded:
            axes.set_xlim(-1.0, 1.0)
            axes.set_xticks([-1.0, 0.0, 1.0], ["−1", "0", "1"])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(3))
        put_letter(axes, next(letters), points_left=0.0)
        last = row == len(names) + first - 1
        if bounded:
            axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel(f"surrogates' {trend_symbol(detection.config.trend)}\n(▼ observed)")


def _draw_among(axes: Axes, drawn: npt.NDArray[np.float64], observed: float, bins: Any) -> None:
    """How the surrogates' values are distributed, and where the observed one lies."""
    axes.hist(drawn[np.isfinite(drawn)], bins=bins, color=BAND, edgecolor="white", linewidth=0.3)
    top = axes.get_ylim()[1]
    if np.isfinite(observed):
        axes.axvline(observed, ymax=0.94, color=VERMILLION, lw=1.6)
        axes.plot([observed], [top * 1.08], marker="v", ms=5, color=VERMILLION, clip_on=False)
    style(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_ylim(0.0, top * 1.12)


def significance_figure(significance: Significance) -> Figure:
    """Draw each observed trend among those of the surrogates, one panel for each indicator."""
    names = list(significance.tau)
    figure = new_figure(1.2 * len(names) + 0.9, "Trends among the surrogates'")
    for row, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, row + 1)
        _draw_among(axes, significance.surrogate_tau[name], significance.tau[name], 25)
        tau, p = number_text(significance.tau[name], 3), p_clause(significance.pvalue_adjusted[name])
        text = f"{name}: {tau},  adjusted {p}"
        axes.set_title(typeset(text), loc="right", fontsize=FONT, color=INK, pad=3)
    return figure


_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


def _draw_forest(axes: Axes, detection: Detection) -> None:
    names = list(detection.indicators)
    axes.axvline(0.0, color=MUTED, lw=0.6, zorder=1)
    for place, name in enumerate(names):
        _draw_trend_line(axes, detection, name, place, _MARKERS[place % len(_MARKERS)])
    style(axes)
    axes.set_yticks(range(len(names)), [detection.indicators[name].label for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _draw_trend_line(axes: Axes, detection: Detection, name: str, place: int, marker: str) -> None:
    """An indicator's trend with its interval, on the range that holds 95 % of the surrogates' trends."""
    taus = detection.surrogate_tau[name]
    taus = taus[np.isfinite(taus)]
    if taus.size:
        low, high = np.quantile(taus, [0.025, 0.975])
        axes.barh(place, high - low, left=low, height=0.62, color=BAND, zorder=1)
    axes.plot(detection.tau_interval[name], [place, place], color=BLUE, lw=1.3, zorder=2)
    axes.plot(
        detection.tau[name], place, marker=marker, ms=5, zorder=3, ls="none", markeredgecolor=BLUE,
        markerfacecolor=BLUE if counts(detection, name) else "white",
    )  # fmt: skip


def _forest_legend(figure: Figure, detections: Sequence[Detection], *, lines: bool = True) -> None:
    level = f"{100 * (1 - detections[0].config.alpha):g} % interval"
    intervals = any(np.isfinite(ends).all() for one in detections for ends in one.tau_interval.values())
    marker: dict[str, Any] = {"marker": "o", "ms": 5, "ls": "none", "markeredgecolor": BLUE}
    handles = [
        Line2D([], [], color=INK, lw=0.7, label="series"),
        Line2D([], [], color=VERMILLION, lw=1.6, dashes=(5, 1.5), label="trend taken out"),
        Patch(facecolor=BAND, label="95 % of surrogates"),
        *([Line2D([], [], color=BLUE, lw=1.3, label=level)] if intervals else []),
        Line2D([], [], markerfacecolor=BLUE, label="significant in alarm direction", **marker),
        Line2D([], [], markerfacecolor="white", label="not", **marker),
    ]
    figure.legend(
        handles=handles if lines else handles[2:], loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False,
        labelcolor=INK, columnspacing=1.2,
    )  # fmt: skip


def _wrapped(text: str, width: int, *, lines: int) -> str:
    """User text and labels, folded to the panel's height."""
    folded = textwrap.wrap(text, width) or [text]
    if len(folded) > lines:
        folded = [*folded[: lines - 1], folded[lines - 1][: width - 1] + "…"]
    return "\n".join(folded)
