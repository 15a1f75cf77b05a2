"""A monitor as plain numbers, strings and lists, and back, bit for bit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._monitor.engine import Engine
from ews._monitor.result import MonitorCalibration, MonitorConfig, MonitorState
from ews.errors import ArgumentError, described

__all__ = ["loaded_calibration", "loaded_state", "read_engine", "saved_engine"]

FloatArray = npt.NDArray[np.float64]

_ALLOWED = "what IndicatorMonitor.to_dict gave"
_MOST_COUNTED = 2**53  # what a float counts in whole numbers
_BUFFERS = ("raw", "residual", "past", "average", "centre", "spread")


def saved_engine(engine: Engine) -> dict[str, Any]:
    """Everything that the engine remembers."""
    return {"seen": engine.seen, **{name: _plain(getattr(engine, name)[..., :].tolist()) for name in _BUFFERS}}


def read_engine(engine: Engine, saved: Any) -> None:
    """Fill a new engine with what another one remembered."""
    content = _parts(saved, ("seen", *_BUFFERS), "engine")
    engine.seen = _count("engine.seen", content["seen"])
    for name in _BUFFERS:
        setattr(engine, name, _array(f"engine.{name}", content[name], getattr(engine, name).shape))
    if engine.config.rule == "trend":
        engine.count_pairs()


def loaded_calibration(saved: Any, config: MonitorConfig) -> MonitorCalibration:
    """A calibration from its dictionary, every number in its range."""
    content = _parts(saved, [field.name for field in fields(MonitorCalibration)], "calibration")
    n = _count("calibration.n_simulations", content["n_simulations"], least=1)
    _count("calibration.reference_length", content["reference_length"])
    _count("calibration.horizon", content["horizon"], least=1)
    if isinstance(content["seed"], bool) or not isinstance(content["seed"], int):
        raise _unusable("calibration.seed", content["seed"])
    if content["source"] not in ("noise", "runs"):
        raise _unusable("calibration.source", content["source"])
    _number_in("calibration.false_alarm_rate", content["false_alarm_rate"], lambda rate: 0.0 < rate < 1.0)
    for name in ("coefficient", "innovation_sd"):
        content[name] = _number(f"calibration.{name}", content[name])
    for name in ("thresholds", "centre", "spread"):
        part = _parts(content[name], config.indicators, f"calibration.{name}")
        content[name] = {key: _number(f"calibration.{name}", part[key]) for key in config.indicators}
    for spread in content["spread"].values():
        if spread < 0.0:
            raise _unusable("calibration.spread", spread)
    part = _parts(content["maxima"], config.indicators, "calibration.maxima")
    content["maxima"] = {key: _ordered("calibration.maxima", part[key], n) for key in config.indicators}
    content["smallest"] = _ordered("calibration.smallest", content["smallest"], n)
    if not (content["smallest"][0] > 0.0 and content["smallest"][-1] <= 1.0):
        raise _unusable("calibration.smallest", described("p-values beyond (0, 1]"))
    return MonitorCalibration(**content)


def loaded_state(saved: Any, config: MonitorConfig) -> MonitorState:
    """A state from its dictionary."""
    content = _parts(saved, [field.name for field in fields(MonitorState)], "state")
    content["time"] = _time(content["time"])
    content["index"], content["missing"] = (_count(f"state.{name}", content[name]) for name in ("index", "missing"))
    for name in ("value", "trend", "residual"):
        content[name] = _number(f"state.{name}", content[name])
    for name in ("indicators", "statistics", "pvalues"):
        part = _parts(content[name], config.indicators, f"state.{name}")
        content[name] = {key: _number(f"state.{name}", part[key]) for key in config.indicators}
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
    if checks.is_number(saved) or (isinstance(saved, str) and saved in ("inf", "-inf")):
        return float(saved)
    raise _unusable(where, saved)


def _number_in(where: str, saved: Any, accepts: Callable[[float], bool]) -> None:
    if not checks.is_number(saved) or not accepts(float(saved)):
        raise _unusable(where, saved)


def _time(saved: Any) -> Any:
    """A number, or a date that is written out: numpy reads "now" and "NaT" as well."""
    if not isinstance(saved, str):
        return _number("state.time", saved)
    found: Any
    try:
        found = np.datetime64(saved, "ns")
    except ValueError:
        found = np.datetime64("NaT", "ns")
    if np.isnat(found) or not re.match(r"-?\d", saved):
        raise _unusable("state.time", saved)
    return found


def _count(where: str, saved: Any, least: int = 0) -> int:
    if isinstance(saved, bool) or not isinstance(saved, int) or not least <= saved <= _MOST_COUNTED:
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


def _ordered(where: str, saved: Any, n: int) -> FloatArray:
    """Numbers that rise, none missing."""
    found = _array(where, saved, (n,))
    if not bool(np.all(found[1:] >= found[:-1])) or np.isnan(found).any():
        raise _unusable(where, described("numbers that are not sorted"))
    return found


def _parts(saved: Any, names: Iterable[str], where: str) -> dict[str, Any]:
    """The values under these names, which must be all that there are."""
    found = {name: _part(saved, name, where) for name in names}
    if len(saved) > len(found):
        more = next(name for name in saved if name not in found)
        raise _unusable("saved", described(f"{where} with {more!r}, which is not known"))
    return found


def _part(saved: Any, name: str, where: str) -> Any:
    if not isinstance(saved, dict) or name not in saved:
        raise _unusable("saved", described(f"{where} without {name!r}"))
    return saved[name]


def _unusable(where: str, given: object) -> ArgumentError:
    return ArgumentError(where, given, _ALLOWED)
