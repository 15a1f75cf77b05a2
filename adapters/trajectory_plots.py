"""Figures of trajectories: how a signal fans out over the layers, and how long before the lens settles it warns.

They look like those of :mod:`ews.plot`, and pyplot knows nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from adapters.trajectories import Trajectories
from adapters.windows import STATISTICS
from ews.errors import ArgumentError, ValueRangeError, described

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fan_figure", "lead_figure"]

# The colours and sizes of ews.plot (Okabe & Ito 2008), told apart by lightness and dash too.
_INK, _MUTED, _BLUE, _VERMILLION = "#222222", "#666666", "#0072B2", "#D55E00"
_FONT, _SMALL, _WIDTH_INCHES = 8.0, 7.0, 7.2
_GROUPS: tuple[dict[str, Any], ...] = (
    {"color": _BLUE, "lw": 1.7},
    {"color": _VERMILLION, "lw": 1.5, "dashes": (5.0, 1.5)},
)
_BANDS = ((5, 95, 0.13), (25, 75, 0.25))
_WORDS = {"ac1": "lag-1 autocorrelation"}


def fan_figure(trajectories: Trajectories, signal: str = "cosine", *, split: int | None = None) -> Figure:
    """Draw how a signal is distributed over the tokens, layer by layer.

    Parameters
    ----------
    trajectories : Trajectories
        The tokens; captured with ``lens=True`` they fall into two groups.
    signal : str, default "cosine"
        Name of a signal, or of a windowed one.
    split : int, optional
        Tokens whose lens settles after so many layers or fewer are the early ones (default: the median of
        :meth:`Trajectories.settling`, or one less where that leaves nobody late).

    Returns
    -------
    matplotlib.figure.Figure
        Median, middle half and middle nine tenths of the tokens against the layer, for early and for late tokens.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no such signal.
    ews.errors.ArgumentError
        If a split is asked for and the lens was not read, or one of the groups is empty.
    """
    values, layers = trajectories.signal(signal), trajectories.layers(signal)
    groups = _groups(trajectories, split)
    figure, axes = _new_figure(3.0)
    for (label, members), line in zip(groups.items(), _GROUPS, strict=False):
        for low, high, alpha in _BANDS:
            lower, upper = _quantiles(values[members], (low, high))
            axes.fill_between(layers, lower, upper, facecolor=line["color"], edgecolor="none", alpha=alpha)
        (middle,) = _quantiles(values[members], (50,))
        axes.plot(layers, middle, label=f"{label} ({int(members.sum())} tokens)", **line)
    axes.set_xlabel("layers run")
    axes.set_ylabel(_label(signal))
    _style(axes)
    axes.set_title("median, middle 50 % and 90 % of the tokens", loc="right", fontsize=_SMALL, color=_MUTED, pad=3)
    axes.legend(loc="best", fontsize=_SMALL, frameon=False, labelcolor=_INK)
    return figure


def lead_figure(
    trajectories: Trajectories, signal: str, *, threshold: float, alarm: Literal["up", "down"] = "up"
) -> Figure:
    """Draw how many layers before the lens settles a signal first crosses a threshold.

    Parameters
    ----------
    trajectories : Trajectories
        The tokens, captured with ``lens=True``.
    signal : str
        Of their signals; as a rule a windowed one, such as ``"cosine_variance"`` of :meth:`Trajectories.windowed`.
    threshold : float
        In the unit of the signal.
    alarm : {"up", "down"}, default "up"
        Whether the signal warns above or below the threshold.

    Returns
    -------
    matplotlib.figure.Figure
        Number of tokens against the lead, settling less crossing in layers; negative where the signal crosses too
        late. The dashed line is what would be expected if crossing and settling had nothing to do with each other:
        every crossing with the settling of every token.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no such signal.
    ews.errors.ArgumentError
        If the lens was not read, the threshold is no finite number, or no token crosses it.
    """
    settling = trajectories.settling()
    crossing = trajectories.crossing(signal, threshold=threshold, alarm=alarm)
    crossed = np.isfinite(crossing)
    if not crossed.any():
        side = "above" if alarm == "up" else "below"
        raise ValueRangeError("threshold", threshold, f"one that {signal} of some token is {side}")
    leads = (settling[crossed] - crossing[crossed]).astype(np.int64)
    lowest, counts, expected = _lead_counts(settling[crossed], crossing[crossed].astype(np.int64))
    figure, axes = _new_figure(2.8)
    at = lowest + np.arange(counts.size)
    axes.bar(at, counts, width=0.8, color=_BLUE, alpha=0.75, label="tokens")
    line: dict[str, Any] = {"color": _VERMILLION, "lw": 1.5, "ls": (0, (5.0, 1.5))}
    edges = np.append(at - 0.5, at[-1] + 0.5)
    axes.stairs(expected, edges, label="if crossing and settling were unrelated", **line)
    axes.axvline(0.0, color=_MUTED, lw=0.8, ls=(0, (1.2, 1.4)))
    axes.set_xlabel("lead: layers from the crossing to the settling of the lens")
    axes.set_ylabel("tokens")
    _style(axes)
    sign = ">" if alarm == "up" else "<"
    axes.set_title(f"{_label(signal)} {sign} {threshold:.3g}", loc="left", fontsize=_FONT, color=_INK, pad=3)
    said = f"{np.mean(leads > 0):.0%} before, {np.mean(leads <= 0):.0%} at or after; {(~crossed).sum()} never cross"
    axes.set_title(said, loc="right", fontsize=_SMALL, color=_MUTED, pad=3)
    axes.legend(loc="best", fontsize=_SMALL, frameon=False, labelcolor=_INK)
    return figure


def _groups(trajectories: Trajectories, split: int | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Which tokens are drawn together."""
    if trajectories.lens_correct is None and split is None:
        return {"all": np.ones(len(trajectories), dtype=bool)}
    settling = trajectories.settling()
    if split is None:
        split = min(int(np.median(settling)), int(settling.max()) - 1)
        if split < settling.min():  # all settle at the same layer
            return {f"settled at layer {settling[0]}": np.ones(len(trajectories), dtype=bool)}
    early = settling <= split
    if early.all() or not early.any():
        given = described(f"{split}, which leaves no {'late' if early.all() else 'early'} token")
        raise ArgumentError("split", given, f"from {settling.min()} to {settling.max() - 1}")
    return {f"settled by layer {split}": early, "later": ~early}


def _quantiles(values: npt.NDArray[np.float64], percents: tuple[int, ...]) -> list[npt.NDArray[np.float64]]:
    """Percentiles of each column's finite values; NaN for a column that has none."""
    found = np.full((len(percents), values.shape[1]), np.nan)
    for column, sample in enumerate(values.T):
        finite = sample[np.isfinite(sample)]
        if finite.size:
            found[:, column] = np.percentile(finite, percents)
    return list(found)


def _lead_counts(
    settling: npt.NDArray[np.int64], crossing: npt.NDArray[np.int64]
) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The lowest lead; from there on how many tokens have each, and how many would if the two were unrelated."""
    lowest = int(settling.min() - crossing.max())
    length = int(settling.max() - crossing.min()) - lowest + 1
    counts = np.bincount(settling - crossing - lowest, minlength=length)
    settled = np.bincount(settling - settling.min()).astype(np.float64)
    crossed = np.bincount(crossing.max() - crossing).astype(np.float64)
    return lowest, counts, np.convolve(settled, crossed) / settling.size


def _label(signal: str) -> str:
    """``cosine_ac1`` to ``lag-1 autocorrelation of cosine``."""
    base, _, statistic = signal.rpartition("_")
    if base and statistic in STATISTICS:
        return f"{_WORDS.get(statistic, statistic)} of {base.replace('_', ' ')}"
    return signal.replace("_", " ")


def _new_figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ews.plot import ResultFigure

    figure = ResultFigure(figsize=(_WIDTH_INCHES, height), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _style(axes: Axes) -> None:
    """Colours and sizes by hand, whatever the user's style sheet says."""
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor("white")
    axes.grid(False)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=_INK, linewidth=0.7)
    axes.tick_params(labelsize=_SMALL, colors=_INK, width=0.7, length=3, direction="out", top=False, right=False)
    axes.xaxis.label.set(color=_INK, size=_FONT)
    axes.yaxis.label.set(color=_INK, size=_FONT)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0)
