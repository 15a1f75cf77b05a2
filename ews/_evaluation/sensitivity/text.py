"""A sensitivity map in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ews._common.layout import Report
from ews._common.words import p_text, trend_name, trend_symbol
from ews._evaluation.words import rate_text

if TYPE_CHECKING:
    from ews._evaluation.sensitivity.result import SensitivityMap

__all__ = ["sensitivity_report"]

MOST_COLUMNS = 11
CAUTION = (
    "The grid shows how much hangs on window and bandwidth. It makes no use of its best cell, and nor should a report: "
    "the p-values of single cells hold for a cell that was chosen beforehand."
)


def sensitivity_report(found: SensitivityMap) -> Report:
    """One line for each indicator, then its trend over the grid."""
    config = found.config
    symbol = trend_symbol(config.trend)
    report = Report(f"Sensitivity to window and bandwidth in {found.name!r}")
    rows = []
    for name, label in found.label.items():
        tau = found.tau[name]
        rows.append(
            [
                label,
                f"{found.median_tau[name]:+.2f}",
                f"{tau.min():+.2f} to {tau.max():+.2f}",
                p_text(found.median_pvalue[name]),
                p_text(found.median_pvalue_adjusted[name]),
                rate_text(found.share_significant[name]),
            ]
        )
    report.table(["indicator", f"median {symbol}", "range", "p", "adjusted p", "significant"], rows)
    columns = _spread(found.window.size)
    for name, label in found.label.items():
        header = ["", *(str(found.window[j]) for j in columns)]
        body = [
            [_bandwidth(bandwidth), *(f"{found.tau[name][i, j]:+.2f}{_mark(found, name, i, j)}" for j in columns)]
            for i, bandwidth in enumerate(found.bandwidth)
        ]
        report.table(header, body, title=f"{label}: {symbol} by bandwidth (rows) and window in samples (columns)")
    report.data(found.series, config)
    method = "none" if config.detrend is None else config.detrend
    report.section("Detrending", f"{method}; {'causal' if config.causal else 'centred'}.")
    if config.n_surrogates:
        report.section(
            "Test",
            f"{trend_name(config.trend)} against {config.n_surrogates} surrogates ({config.null}, fitted to the "
            f"residual of each bandwidth; seed {config.seed}), each through the whole grid. p: of the median over the "
            f"grid, two-sided; adjusted by min-p over the indicators. Significant: cells with p ≤ {config.alpha:g} in "
            "the direction of alarm (*).",
        )
    else:
        report.section("Test", "No surrogates were asked for, so there are no p-values.")
    report.section("Caution", CAUTION)
    return report


def _spread(n: int) -> list[int]:
    """At most as many columns as a page holds, from the first to the last."""
    if n <= MOST_COLUMNS:
        return list(range(n))
    return sorted({round(i * (n - 1) / (MOST_COLUMNS - 1)) for i in range(MOST_COLUMNS)})


def _bandwidth(bandwidth: float | None) -> str:
    return "–" if bandwidth is None else f"{bandwidth:g}"


def _mark(found: SensitivityMap, name: str, i: int, j: int) -> str:
    return "*" if found.counts(name)[i, j] else " "
