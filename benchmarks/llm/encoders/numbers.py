"""Scores with intervals over texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.encoders import expected_calibration_error
from adapters.encoders.run import EncoderOutput

__all__ = ["calibration_error", "interval", "metric_name", "metric_of", "probabilities"]

DRAWS = 2000
Score = Callable[[Any, Any], Any]  # of probabilities (texts, classes) and the truth


def metric_name(task_name: str) -> str:
    """What a task is scored by."""
    return "mcc" if task_name == "cola" else "accuracy"


def metric_of(task_name: str, found: Any, truth: Any) -> Any:
    """Accuracy, for CoLA Matthews' correlation; of classes, over the last axis."""
    if task_name != "cola":
        return (found == truth).mean(-1)
    a, b = found - found.mean(-1, keepdims=True), truth - truth.mean(-1, keepdims=True)
    below = np.sqrt((a**2).mean(-1) * (b**2).mean(-1))
    return np.where(below > 0, (a * b).mean(-1) / np.where(below > 0, below, 1.0), 0.0)


def interval(task_name: str, truth: Any, *found: Any) -> tuple[float, float, float]:
    """Value with a 95 % interval over texts; of two predictions, of the first less the second."""
    index = np.random.default_rng(0).integers(0, len(truth), (DRAWS, len(truth)))

    def value(rows: Any) -> Any:
        each = [metric_of(task_name, one[rows], truth[rows]) for one in found]
        return each[0] - each[1] if len(each) == 2 else each[0]

    low, high = np.quantile(value(index), [0.025, 0.975])
    return float(value(np.arange(len(truth)))), float(low), float(high)


def calibration_error(truth: Any, first: Any, second: Any) -> tuple[float, float, float]:
    """Calibration error of the first probabilities less that of the second, with a 95 % interval over texts."""
    index = np.random.default_rng(0).integers(0, len(truth), (DRAWS // 4, len(truth)))
    error = expected_calibration_error
    drawn = [error(first[rows], truth[rows]) - error(second[rows], truth[rows]) for rows in index]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return error(first, truth) - error(second, truth), float(low), float(high)


def probabilities(found: EncoderOutput) -> Any:
    """Of classes, shape (texts, classes)."""
    assert found.logits is not None
    return found.logits.double().softmax(-1).numpy()
