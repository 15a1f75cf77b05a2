"""What the papers say, at equal mean depth, with an interval over texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.encoders import PonderPolicy
from benchmarks.llm.encoders.fitted import Fitted
from benchmarks.llm.encoders.numbers import DRAWS, calibration_error, interval, metric_name, metric_of, probabilities
from benchmarks.llm.encoders.rules import Curve, Mixed, replayed
from benchmarks.llm.encoders.table import BUDGETS

__all__ = ["CLAIMS", "claims_of"]

CLAIMS = (
    *("claim", "model", "task", "encoder", "measure", "first", "second", "first_depth", "second_depth"),
    *("difference", "low", "high", "n", "holds"),
)
SEEDS = 20
_PAIRS = (
    ("PALBERT over PABEE", "palbert", "pabee"),
    ("turned joint gates over thresholding", "jei_threshold", "thresholding"),
    ("a head a layer over one for all layers", "pabee", "pabee_shared"),
    ("windows over the same signals without", "ews_windowed", "ews_raw"),
    ("windows beside the signals over these alone", "ews_both", "ews_raw"),
    ("early warning over confidence", "ews_both", "confidence"),
)


def claims_of(made: Fitted, curves: dict[str, tuple[str, Curve]]) -> list[dict[str, Any]]:
    """Rows of one case; *holds* is "yes" or "no" where the interval is on one side of zero, else "not shown"."""
    truth, task_name, rows = made.truth[2], made.case.task, []
    for claim, first, second in _PAIRS:
        for budget in BUDGETS:
            depth = budget * made.backbone.depth
            one, other = curves[first][1].at_depth(depth), curves[second][1].at_depth(depth)
            if one is None or other is None:
                continue
            found = interval(task_name, truth, one.probabilities.argmax(1), other.probabilities.argmax(1))
            depths = one.depth, other.depth
            rows.append(_row(made, claim, metric_name(task_name), (first, second), depths, found))
            if first == "jei_threshold":
                rows.append(_calibration(made, claim, (first, second), one, other))
    return rows + _gating(made, curves) + _sampling(made, curves["palbert"][1])


def _calibration(made: Fitted, claim: str, names: tuple[str, str], one: Mixed, other: Mixed) -> dict[str, Any]:
    error = calibration_error(made.truth[2], one.probabilities, other.probabilities)
    return _row(made, claim, "ece (less is better)", names, (one.depth, other.depth), error, better=-1.0)


def _gating(made: Fitted, curves: dict[str, tuple[str, Curve]]) -> list[dict[str, Any]]:
    """Joint gating as published, one model a trade-off, beside thresholding at the mean depth that each has."""
    truth, rows, claim = made.truth[2], [], "joint gating over thresholding"
    curve = curves["jei_dnn"][1]
    for variant, found in list(zip(curve.variants, curve.test, strict=True))[1:]:
        one = Mixed(probabilities(found), found.report.mean_depth)
        other = curves["thresholding"][1].at_depth(one.depth)
        if other is None:
            continue
        names = f"jei_dnn, trade-off {variant.setting:g}", "thresholding"
        better = interval(made.case.task, truth, one.probabilities.argmax(1), other.probabilities.argmax(1))
        depths = one.depth, other.depth
        rows += [
            _row(made, claim, metric_name(made.case.task), names, depths, better),
            _calibration(made, claim, names, one, other),
        ]
    return rows


def _sampling(made: Fitted, curve: Curve) -> list[dict[str, Any]]:
    """Q-exit beside sampled exits of the same heads, at the mean depth of the latter."""
    truth, task_name, kept = made.truth[2], made.case.task, made.kept["palbert"][2]
    runs = [replayed(kept, PonderPolicy(exit="sample", seed=seed), curve.variants[0].heads) for seed in range(SEEDS)]
    drawn = np.stack([probabilities(run).argmax(1) for run in runs])
    depth = float(np.mean([run.report.mean_depth for run in runs]))
    mixed = curve.at_depth(depth)
    if mixed is None:
        return []
    answers = mixed.probabilities.argmax(1)
    random = np.random.default_rng(0)
    texts = random.integers(0, len(truth), (DRAWS, len(truth)))
    each = random.integers(0, SEEDS, DRAWS)  # which draw of exits: its chance is a part of what it is compared with
    differences = [
        metric_of(task_name, answers[rows], truth[rows]) - metric_of(task_name, drawn[seed][rows], truth[rows])
        for rows, seed in zip(texts, each, strict=True)
    ]
    scores = metric_of(task_name, drawn, truth)
    low, high = np.quantile(differences, [0.025, 0.975])
    found = float(metric_of(task_name, answers, truth) - scores.mean()), float(low), float(high)
    names, depths, claim = ("quantile", f"mean of {SEEDS} draws"), (mixed.depth, depth), "Q-exit over sampled exit"
    spread = -float(scores.std(ddof=1))
    steady = (spread, spread, spread)  # the quantile draws nothing, so that its own is 0
    return [
        _row(made, claim, metric_name(task_name), names, depths, found),
        _row(made, claim, "sd over draws (less is better)", names, depths, steady, better=-1.0),
    ]


def _row(
    made: Fitted,
    claim: str,
    measure: str,
    names: tuple[str, str],
    depths: tuple[float, float],
    found: tuple[float, float, float],
    *,
    better: float = 1.0,
) -> dict[str, Any]:
    difference, low, high = found
    ends = sorted((better * low, better * high))
    return {
        "claim": claim,
        "model": made.case.model,
        "task": made.case.task,
        "encoder": made.case.encoder,
        "measure": measure,
        "first": names[0],
        "second": names[1],
        "first_depth": depths[0],
        "second_depth": depths[1],
        "difference": difference,
        "low": low,
        "high": high,
        "n": len(made.truth[2]),
        "holds": "yes" if ends[0] > 0 else "no" if ends[1] < 0 else "not shown",
    }
