"""A calibrated guard as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from adapters.guard.calibration import GuardCalibration
from ews import Monitor
from ews.errors import ArgumentError

__all__ = ["load_guard", "save_guard"]

_FORMAT = 1


def save_guard(path: Path, monitors: Mapping[str, Monitor], calibration: GuardCalibration) -> None:
    """Write calibrated monitors and what they are based on."""
    saved = {
        "guard": _FORMAT,
        "prompts": calibration.prompts,
        "horizon": calibration.horizon,
        "false_alarm_rate": calibration.false_alarm_rate,
        "seed": calibration.seed,
        "model": calibration.model,
        "monitors": {name: monitor.to_dict() for name, monitor in monitors.items()},
    }
    path.write_text(json.dumps(saved), encoding="utf-8")


def load_guard(path: Path) -> tuple[dict[str, Monitor], GuardCalibration]:
    """Read what :func:`save_guard` wrote.

    Raises
    ------
    ews.errors.ArgumentError
        If the file is no saved guard.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        saved = None
    if not isinstance(saved, dict) or saved.get("guard") != _FORMAT:
        raise ArgumentError("path", str(path), "a file that Guarded.save wrote")
    try:
        monitors = {name: Monitor.from_dict(each) for name, each in saved["monitors"].items()}
        found = {name: monitor.calibration for name, monitor in monitors.items()}
        calibration = GuardCalibration(
            prompts=int(saved["prompts"]),
            horizon=int(saved["horizon"]),
            false_alarm_rate=float(saved["false_alarm_rate"]),
            seed=int(saved["seed"]),
            model=str(saved["model"]),
            signals=MappingProxyType({name: each for name, each in found.items() if each is not None}),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError("path", str(path), "a file that Guarded.save wrote, with all its parts") from error
    if set(calibration.signals) != set(monitors):
        raise ArgumentError("path", str(path), "a file whose monitors are all calibrated")
    return monitors, calibration
