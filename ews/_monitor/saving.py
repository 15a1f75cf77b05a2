"""Both monitors as plain numbers, strings and lists, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.plain import plain
from ews._kernels import sequential_step as step
from ews._monitor import saved_parts as parts
from ews._monitor.engine import Engine
from ews._monitor.result import MonitorCalibration, MonitorConfig, MonitorState
from ews._monitor.update import SequentialConfig
from ews.errors import described

__all__ = [
    "FORMER", "Kept", "loaded_calibration", "loaded_state", "read_engine", "read_monitor", "saved_engine",
    "saved_monitor",
]  # fmt: skip

FloatArray = npt.NDArray[np.float64]
Learning = list[tuple[list[float], list[float]] | None]

FORMER, _FORMAT = 1, 2
_PARTS = ("monitor", "config", "names", "state", "learning", "apart", "seen", "clock")
# Places of the state that are above 0 in every series that was learned.
_ABOVE = (step.UNIT, step.EVERY, step.POWER, step.COUNT, step.INFORMATION)
_BUFFERS = ("raw", "residual", "past", "average", "centre", "spread")


# ---- ews.Monitor --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """The parts of a monitor."""

    config: dict[str, Any]
    names: tuple[str, ...]
    state: FloatArray
    learning: Learning
    apart: list[float]
    seen: int
    clock: Any


def saved_monitor(
    config: SequentialConfig,
    names: tuple[str, ...],
    state: FloatArray,
    learning: Learning,
    apart: list[float],
    seen: int,
    clock: dict[str, Any],
) -> dict[str, Any]:
    """Everything that a monitor remembers."""
    return {
        "monitor": _FORMAT,
        "config": {**asdict(config), "tests": list(config.tests)},
        "names": list(names),
        "state": state.tolist(),
        "learning": [None if one is None else [list(part) for part in one] for one in learning],
        "apart": list(apart),
        "seen": seen,
        "clock": clock,
    }


def read_monitor(given: Any) -> Kept:
    """The parts from what :func:`saved_monitor` gave, each looked at."""
    if not isinstance(given, Mapping) or given.get("monitor") != _FORMAT:
        raise parts.of_another_kind(given)
    saved = parts.parts(dict(given), _PARTS, "a monitor")
    config = parts.parts(saved["config"], SequentialConfig.__dataclass_fields__, "a configuration")
    names = parts.entries("names", saved["names"])
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise parts.unusable("names", names)
    series = len(names)
    learning = [_stretch(one) for one in parts.entries("learning", saved["learning"], series)]
    apart = [
        parts.number_in("apart", one, lambda gap: gap >= 0.0) for one in parts.entries("apart", saved["apart"], series)
    ]
    state = parts.array("state", saved["state"], (series, step.SIZE))
    if not np.isfinite(state).all():
        raise parts.unusable("state", described("numbers that are not finite"))
    for row, still in zip(state, learning, strict=True):
        if still is None and not (np.all(row[list(_ABOVE)] > 0.0) and abs(row[step.COEFFICIENT]) < 1.0):
            raise parts.unusable("state", described("a series without a spread"))
    return Kept(config, tuple(names), state, learning, apart, parts.count("seen", saved["seen"]), saved["clock"])


def _stretch(given: Any) -> tuple[list[float], list[float]] | None:
    if given is None:
        return None
    values, gaps = (
        [parts.number_in("learning", one, np.isfinite) for one in parts.entries("learning", part)]
        for part in parts.entries("learning", given, 2)
    )
    if len(values) != len(gaps):
        raise parts.unusable("learning", described(f"{len(values)} values and {len(gaps)} gaps"))
    return values, gaps


# ---- ews.IndicatorMonitor -----------------------------------------------------------------------------------------


def saved_engine(engine: Engine) -> dict[str, Any]:
    """Everything that the engine remembers."""
    return {"seen": engine.seen, **{name: plain(getattr(engine, name).tolist()) for name in _BUFFERS}}


def read_engine(engine: Engine, saved: Any) -> None:
    """Fill a new engine with what another one remembered."""
    content = parts.parts(saved, ("seen", *_BUFFERS), "engine")
    engine.seen = parts.count("engine.seen", content["seen"])
    for name in _BUFFERS:
        setattr(engine, name, parts.array(f"engine.{name}", content[name], getattr(engine, name).shape))
    if engine.config.rule == "trend":
        engine.count_pairs()


def loaded_calibration(saved: Any, config: MonitorConfig) -> MonitorCalibration:
    """A calibration from its dictionary, every number in its range."""
    content = parts.parts(saved, [field.name for field in fields(MonitorCalibration)], "calibration")
    n = parts.count("calibration.n_simulations", content["n_simulations"], least=1)
    parts.count("calibration.reference_length", content["reference_length"])
    parts.count("calibration.horizon", content["horizon"], least=1)
    if isinstance(content["seed"], bool) or not isinstance(content["seed"], int):
        raise parts.unusable("calibration.seed", content["seed"])
    if content["source"] not in ("noise", "runs"):
        raise parts.unusable("calibration.source", content["source"])
    parts.number_in("calibration.false_alarm_rate", content["false_alarm_rate"], lambda rate: 0.0 < rate < 1.0)
    for name in ("coefficient", "innovation_sd"):
        content[name] = parts.number(f"calibration.{name}", content[name])
    for name in ("thresholds", "centre", "spread"):
        values = parts.parts(content[name], config.indicators, f"calibration.{name}")
        content[name] = {key: parts.number(f"calibration.{name}", values[key]) for key in config.indicators}
    for spread in content["spread"].values():
        if spread < 0.0:
            raise parts.unusable("calibration.spread", spread)
    values = parts.parts(content["maxima"], config.indicators, "calibration.maxima")
    content["maxima"] = {key: parts.ordered("calibration.maxima", values[key], n) for key in config.indicators}
    content["smallest"] = parts.ordered("calibration.smallest", content["smallest"], n)
    if not (content["smallest"][0] > 0.0 and content["smallest"][-1] <= 1.0):
        raise parts.unusable("calibration.smallest", described("p-values beyond (0, 1]"))
    return MonitorCalibration(**content)


def loaded_state(saved: Any, config: MonitorConfig) -> MonitorState:
    """A state from its dictionary."""
    content = parts.parts(saved, [field.name for field in fields(MonitorState)], "state")
    content["time"] = parts.instant("state.time", content["time"])
    content["index"], content["missing"] = (
        parts.count(f"state.{name}", content[name]) for name in ("index", "missing")
    )
    for name in ("value", "trend", "residual"):
        content[name] = parts.number(f"state.{name}", content[name])
    for name in ("indicators", "statistics", "pvalues"):
        values = parts.parts(content[name], config.indicators, f"state.{name}")
        content[name] = {key: parts.number(f"state.{name}", values[key]) for key in config.indicators}
    for name in ("alarms", "reasons"):
        if not isinstance(content[name], list) or not all(isinstance(text, str) for text in content[name]):
            raise parts.unusable(f"state.{name}", content[name])
        content[name] = tuple(content[name])
    return MonitorState(**content)
