"""The table: each rule at each budget."""

from __future__ import annotations

from typing import Any

from adapters.encoders import conformal_sets, expected_calibration_error
from benchmarks.llm.encoders.fitted import Fitted
from benchmarks.llm.encoders.numbers import interval, metric_name, probabilities
from benchmarks.llm.encoders.rules import Curve

__all__ = ["BUDGETS", "COLUMNS", "rows_of"]

BUDGETS = (0.4, 0.6, 0.8)  # shares of the layers
COLUMNS = (
    *("model", "task", "encoder", "system", "rule", "budget", "setting", "metric", "value", "low", "high", "n"),
    *("n_train", "n_tuning", "mean_depth", "layers", "theoretical_speed_up"),
    *("speed_up_1", "share_1", "speed_up_32", "share_32", "ece", "coverage", "set_size"),
)


def rows_of(made: Fitted, curves: dict[str, tuple[str, Curve]]) -> list[dict[str, Any]]:
    """Rows of one case, without times."""
    rows, ended = [], set()
    for name, (system, curve) in curves.items():
        if system not in ended:
            ended.add(system)
            rows.append(_row(made, system, "never", 1.0, curve, 0))
        for budget in BUDGETS:
            place = curve.at_budget(budget * made.backbone.depth)
            if place is not None:
                rows.append(_row(made, system, name, budget, curve, place))
    return rows


def _row(made: Fitted, system: str, name: str, budget: float, curve: Curve, place: int) -> dict[str, Any]:
    case, truth = made.case, made.truth[2]
    known = made.truth[1][len(made.truth[1]) // 2 :]
    before, found = curve.tuning[place], curve.test[place]
    likely = probabilities(found)
    value, low, high = interval(case.task, truth, likely.argmax(axis=1))
    sets = conformal_sets(probabilities(before), before.report.depths, known, alpha=0.1)
    measured = sets.measure(likely, found.report.depths, truth)
    return {
        "model": case.model,
        "task": case.task,
        "encoder": case.encoder,
        "system": system,
        "rule": name,
        "budget": budget,
        "setting": curve.variants[place].setting,
        "metric": metric_name(case.task),
        "value": value,
        "low": low,
        "high": high,
        "n": len(truth),
        "n_train": len(made.truth[0]),
        "n_tuning": len(known),
        "mean_depth": found.report.mean_depth,
        "layers": made.backbone.depth,
        "theoretical_speed_up": found.report.theoretical_speed_up,
        "ece": expected_calibration_error(likely, truth),
        "coverage": measured["coverage"],
        "set_size": measured["size"],
    }
