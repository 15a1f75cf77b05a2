"""Cost against agreement, with the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adapters.assessment.pareto import ParetoRow, front
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_pareto"]


def draw_pareto(rows: Sequence[ParetoRow], *, ax: Any = None) -> Axes:
    """Share of the full model's time against agreement with it.

    Parameters
    ----------
    rows : sequence of ParetoRow
        From :func:`adapters.assessment.pareto.pareto`, with agreement.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    Axes
        The drawing; left and above is better. Whiskers span the repeats, the line joins the front.

    Raises
    ------
    ews.errors.ArgumentError
        If no row has an agreement.
    """
    from matplotlib.figure import Figure

    known = [row for row in rows if row.agreement is not None]
    if not known:
        raise ArgumentError("rows", described("rows without agreement"), "rows of pareto(..., replay_texts=...)")
    axes: Axes = ax if ax is not None else Figure(figsize=(6.4, 4.4), layout="constrained").subplots()
    best = front(known)
    axes.plot(
        [row.time_share for row in best], [row.agreement or 0.0 for row in best], color="0.6", linewidth=1, zorder=1
    )
    kinds = list(dict.fromkeys(row.policy for row in known))
    for number, kind in enumerate(kinds):
        own = [row for row in known if row.policy == kind]
        spread = [
            [row.time_share - row.time_low for row in own],
            [row.time_high - row.time_share for row in own],
        ]
        axes.errorbar(
            [row.time_share for row in own],
            [row.agreement or 0.0 for row in own],
            xerr=spread,
            fmt="osD^vP*X"[number % 8],
            color=f"C{number % 10}",
            markersize=5,
            elinewidth=0.8,
            label=kind,
        )
    axes.axvline(1.0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xlabel("decoding time, share of the full model's")
    axes.set_ylabel("agreement with the full model")
    axes.legend(frameon=False, fontsize="small")
    return axes
