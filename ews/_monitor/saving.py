"""A monitor as plain numbers, strings and lists, and back, bit for bit."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._monitor.engine import Engine
from ews._monitor.result import MonitorCalibration, MonitorConfig, MonitorState
from ews.errors import ArgumentError, described

__all__ = ["loaded_calibration", "loaded_state", "read_engine", "saved_calibration", "saved_engine", "saved_state"]

FloatArray = npt.NDArray[np.float64]

_ALLOWED = "what Monitor.to_dict gave"
_BUFFERS = ("raw", "residual", "past", "average", "centre", "spread")


def saved_engine(engine: Engine) -> dict[str, Any]:
    """Everything that the engine remembers."""
    return {"seen": engine.seen, **{name: _plain(getattr(engine, name)[..., :].tolist()) for name in _BUFFERS}}


def read_engine(engine: Engine, saved: Any) -> None:
    """Fill a new engine with what another one remembered."""
    engine.seen = _count("engine.seen", _part(saved, "seen", "engine"))
    for name in _BUFFERS:
        before = getattr(engine, name)
        setattr(engine, name, _array(f"engine.{name}", _part(saved, name, "engine"), before.shape))
    if engine.config.rule == "trend":
        engine.count_pairs()


def saved_calibration(calibration: MonitorCalibration) -> dict[str, Any]:
    """All fields of a calibration."""
    content = {name: getattr(calibration, name) for name in MonitorCalibration.__dataclass_fields__}
    for name in ("thresholds", "centre", "spread"):
        content[name] = {key: _plain(value) for key, value in content[name].items()}
    content["maxima"] = {key: _plain(value.tolist()) for key, value in content["maxima"].items()}
    content["smallest"] = _plain(content["smallest"].tolist())
    for name in ("coefficient", "innovation_sd"):
        content[name] = _plain(content[name])
    return content


def loaded_calibration(saved: Any, config: MonitorConfig) -> MonitorCalibration:
    """A calibration from its dictionary."""
    content = {name: _part(saved, name, "calibration") for name in MonitorCalibration.__dataclass_fields__}
    n = _count("calibration.n_simulations", content["n_simulations"], least=1)
    for name in ("reference_length", "horizon", "seed"):
        content[name] = _count(f"calibration.{name}", content[name])
    if content["source"] not in ("noise", "runs"):
        raise _unusable("calibration.source", content["source"])
    for name in ("coefficient", "innovation_sd", "false_alarm_rate"):
        content[name] = _number(f"calibration.{name}", content[name])
    for name in ("thresholds", "centre", "spread"):
        part = content[name]
        content[name] = {key: _number(f"calibration.{name}", _part(part, key, name)) for key in config.indicators}
    content["maxima"] = {
        key: _array("calibration.maxima", _part(content["maxima"], key, "maxima"), (n,)) for key in config.indicators
    }
    content["smallest"] = _array("calibration.smallest", content["smallest"], (n,))
    return MonitorCalibration(**content)


def saved_state(state: MonitorState) -> dict[str, Any]:
    """All fields of a state."""
    content = asdict(state)
    content["time"] = str(state.time) if isinstance(state.time, np.datetime64) else _plain(state.time)
    for name in ("value", "trend", "residual"):
        content[name] = _plain(content[name])
    for name in ("indicators", "statistics", "pvalues"):
        content[name] = {key: _plain(value) for key, value in content[name].items()}
    content["alarms"], content["reasons"] = list(state.alarms), list(state.reasons)
    return content


def loaded_state(saved: Any, config: MonitorConfig) -> MonitorState:
    """A state from its dictionary."""
    content = {name: _part(saved, name, "state") for name in MonitorState.__dataclass_fields__}
    time = content["time"]
    try:
        content["time"] = np.datetime64(time, "ns") if isinstance(time, str) else _number("state.time", time)
    except ValueError:
        raise _unusable("state.time", time) from None
    content["index"], content["missing"] = (_count(f"state.{name}", content[name]) for name in ("index", "missing"))
    for name in ("value", "trend", "residual"):
        content[name] = _number(f"state.{name}", content[name])
    for name in ("indicators", "statistics", "pvalues"):
        part = content[name]
        content[name] = {key: _number(f"state.{name}", _part(part, key, name)) for key in config.indicators}
    for name in ("alarms", "reasons"):
        if not isinstance(content[name], list) or not all(isinstance(text, str) for text in content[name]):
            raise _unusable(f"state.{name}", content[name])
        content[name] = tuple(content[name])
    return MonitorState(**content)


def _plain(value: Any) -> Any:
    """NaN as None and infinity as a string, which JSON has no numbers for."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    number = float(value)
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else str(number)


def _number(where: str, saved: Any) -> float:
    if saved is None:
        return math.nan
    if saved in ("inf", "-inf") or (isinstance(saved, int | float) and not isinstance(saved, bool)):
        return float(saved)
    raise _unusable(where, saved)


def _count(where: str, saved: Any, least: int = 0) -> int:
    if isinstance(saved, bool) or not isinstance(saved, int) or saved < least:
        raise _unusable(where, saved)
    return saved


def _array(where: str, saved: Any, shape: tuple[int, ...]) -> FloatArray:
    def numbers(part: Any, depth: int) -> Any:
        if depth == len(shape):
            return _number(where, part)
        if not isinstance(part, list) or len(part) != shape[depth]:
            raise _unusable(where, described(f"something else than numbers of shape {shape}"))
        return [numbers(item, depth + 1) for item in part]

    return np.array(numbers(saved, 0), np.float64).reshape(shape)


def _part(saved: Any, name: str, where: str) -> Any:
    if not isinstance(saved, dict) or name not in saved:
        raise _unusable("saved", described(f"{where} without {name!r}"))
    return saved[name]


def _unusable(where: str, given: object) -> ArgumentError:
    return ArgumentError(where, given, _ALLOWED)
