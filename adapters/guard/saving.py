"""A calibrated guard as JSON, and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adapters._common.files import digest_of, has_digest, read_json, read_plain, write_whole
from adapters.errors import PolicyMismatchError
from adapters.guard.alarm import Detector
from adapters.guard.calibration import GuardCalibration
from adapters.guard.chart import ChartCalibration, ScoreChart
from adapters.guard.token_signals import TOKEN_SIGNALS
from ews import IndicatorMonitor, MonitorCalibration
from ews.errors import EWSError, described

__all__ = ["load_guard", "save_guard"]

_FORMAT = 3
_ALLOWED = "a file that Guarded.save wrote"
_MOST_BYTES = 64 << 20
_PARTS = ("prompts", "horizon", "false_alarm_rate", "seed", "model", "monitors", "looped")


def save_guard(path: Path, monitors: Mapping[str, Detector], calibration: GuardCalibration) -> None:
    """Write calibrated monitors and what they are based on, whole or not at all."""
    content = {
        "prompts": calibration.prompts,
        "horizon": calibration.horizon,
        "false_alarm_rate": calibration.false_alarm_rate,
        "seed": calibration.seed,
        "model": calibration.model,
        "looped": calibration.looped,
        "monitors": {name: monitor.to_dict() for name, monitor in monitors.items()},
    }
    saved = {"guard": _FORMAT, "sha256": digest_of(content), **content}
    write_whole(path, json.dumps(saved, allow_nan=False).encode())


def load_guard(path: Path) -> tuple[dict[str, Detector], GuardCalibration]:
    """Read what :func:`save_guard` wrote.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If the file is no saved guard, was changed, or has parts that are out of range or contradict each other.
    """
    saved = read_json(read_plain(path, "path", most=_MOST_BYTES, allowed=_ALLOWED), "path", allowed=_ALLOWED)
    if not isinstance(saved, dict) or type(saved.get("guard")) is not int:
        raise _refusal("path", described(f"{path.name}, which holds something else"))
    if saved["guard"] != _FORMAT:
        raise PolicyMismatchError("guard", saved["guard"], f"{_FORMAT}: calibrate and save again")
    if set(saved) != {"guard", "sha256", *_PARTS}:
        odd = sorted(set(saved) ^ {"guard", "sha256", *_PARTS})[0]
        raise _refusal("path", described(f"a guard {'with' if odd in saved else 'without'} {odd!r}"))
    content = {name: saved[name] for name in _PARTS}
    if not has_digest(content, saved["sha256"]):
        raise _refusal("path", described(f"{path.name} that was changed"))
    monitors = _monitors(content["monitors"])
    found = {name: monitor.calibration for name, monitor in monitors.items()}
    calibrations = {name: each for name, each in found.items() if each is not None}
    if set(calibrations) != set(monitors):
        raise PolicyMismatchError("path", described(f"monitors in {path.name}"), "monitors that are all calibrated")
    calibration = GuardCalibration(
        prompts=_count("prompts", content["prompts"], least=2),
        horizon=_count("horizon", content["horizon"], least=1),
        false_alarm_rate=_rate(content["false_alarm_rate"]),
        seed=_count("seed", content["seed"], least=-(2**63)),
        model=_fingerprint(content["model"]),
        signals=MappingProxyType(calibrations),
        looped=_count("looped", content["looped"], least=0),
    )
    for name, each in calibrations.items():
        _check_signal(name, each, monitors[name], calibration)
    return monitors, calibration


def _monitors(content: Any) -> dict[str, Detector]:
    if not isinstance(content, dict) or not content or not set(content) <= set(TOKEN_SIGNALS):
        raise PolicyMismatchError("monitors", content, f"one or more of {', '.join(TOKEN_SIGNALS)}")
    try:
        return {name: _detector(each) for name, each in content.items()}
    except EWSError as error:
        raise _refusal("monitors", described(str(error))) from None


def _detector(saved: Any) -> Detector:
    kind: Any = ScoreChart if isinstance(saved, dict) and "chart" in saved else IndicatorMonitor
    found: Detector = kind.from_dict(saved)
    return found


def _check_signal(
    name: str, found: ChartCalibration | MonitorCalibration, monitor: Detector, of: GuardCalibration
) -> None:
    """That a signal was calibrated on these runs, for its part of the rate, and fits into their horizon."""
    share = of.false_alarm_rate / len(of.signals)
    if not math.isclose(found.false_alarm_rate, share, rel_tol=1e-9):
        raise PolicyMismatchError(f"monitors.{name}.false_alarm_rate", found.false_alarm_rate, f"{share:g}, its part")
    source = found.source if isinstance(found, MonitorCalibration) else "runs"
    if source != "runs" or found.n_simulations > of.prompts:
        given = described(f"one from {found.n_simulations} {source}")
        raise PolicyMismatchError(f"monitors.{name}.calibration", given, f"one from at most {of.prompts} runs")
    if isinstance(monitor, IndicatorMonitor) and monitor.config.window > found.horizon:
        allowed = f"at most the horizon, {found.horizon}"
        raise PolicyMismatchError(f"monitors.{name}.window", monitor.config.window, allowed)


def _count(where: str, value: Any, *, least: int) -> int:
    if type(value) is not int or not least <= value < 2**63:
        raise PolicyMismatchError(where, value, f"a whole number, {least} or more")
    return value


def _rate(value: Any) -> float:
    if type(value) is not float or not 0.0 < value < 1.0:
        raise PolicyMismatchError("false_alarm_rate", value, "a number between 0 and 1")
    return value


def _fingerprint(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{16,128}", value):
        raise PolicyMismatchError("model", value, "the fingerprint of a model")
    return value


def _refusal(argument: str, given: object) -> PolicyMismatchError:
    return PolicyMismatchError(argument, given, _ALLOWED)
