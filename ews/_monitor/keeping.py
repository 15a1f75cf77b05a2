"""A monitor as plain numbers, strings and lists, and back, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._kernels import sequential_step as step
from ews._monitor.indicator_monitor import IndicatorMonitor
from ews._monitor.update import SequentialConfig
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["FORMER", "Kept", "former", "read", "saved"]

FloatArray = npt.NDArray[np.float64]
Learning = list[tuple[list[float], list[float]] | None]

FORMER, _FORMAT = 1, 2
_ALLOWED = "what Monitor.to_dict gave"
_PARTS = {"monitor", "config", "names", "state", "learning", "apart", "seen", "clock"}
# Places of the state that are above 0 in every series that was learned.
_ABOVE = (step.UNIT, step.EVERY, step.POWER, step.COUNT, step.INFORMATION)


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


def former(options: dict[str, Any]) -> IndicatorMonitor:
    """The monitor of indicators, which was called Monitor."""
    warnings.warn(
        "ews.Monitor with these options is now ews.IndicatorMonitor, and will be refused in a later release",
        DeprecationWarning,
        stacklevel=3,
    )
    return IndicatorMonitor(**options)


def saved(
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


def read(given: Any) -> Kept:
    """The parts from what :func:`saved` gave, each looked at."""
    if not isinstance(given, Mapping) or given.get("monitor") != _FORMAT:
        raise InputTypeError("saved", described(f"a {type(given).__name__} of another kind"), _ALLOWED)
    if set(given) != _PARTS:
        raise ArgumentError("saved", described("a dictionary that lacks a part, or has others"), _ALLOWED)
    config, names = given["config"], given["names"]
    if not isinstance(config, dict) or set(config) != set(SequentialConfig.__dataclass_fields__):
        raise ArgumentError("saved", described("a configuration of other fields"), _ALLOWED)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ArgumentError("names", names, _ALLOWED)
    series = len(names)
    learning = [_stretch(one) for one in _listed("learning", given["learning"], series)]
    apart = [checks.number("apart", one, least=0.0) for one in _listed("apart", given["apart"], series)]
    rows = [_numbers("state", one, step.SIZE) for one in _listed("state", given["state"], series)]
    state = np.array(rows, np.float64).reshape(series, step.SIZE)
    for row, still in zip(state, learning, strict=True):
        if still is None and not (np.all(row[list(_ABOVE)] > 0.0) and abs(row[step.COEFFICIENT]) < 1.0):
            raise ArgumentError("state", described("a series without a spread"), _ALLOWED)
    return Kept(
        config, tuple(names), state, learning, apart, checks.whole("seen", given["seen"], least=0), given["clock"]
    )


def _listed(where: str, given: Any, n: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != n:
        raise ArgumentError(where, described(f"something else than {n} entries"), _ALLOWED)
    return given


def _numbers(where: str, given: Any, n: int | None) -> list[float]:
    if not isinstance(given, list) or (n is not None and len(given) != n):
        raise ArgumentError(where, described("something else than numbers"), _ALLOWED)
    return [checks.number(where, one, allowed=_ALLOWED) for one in given]


def _stretch(given: Any) -> tuple[list[float], list[float]] | None:
    if given is None:
        return None
    values, gaps = (_numbers("learning", part, None) for part in _listed("learning", given, 2))
    if len(values) != len(gaps):
        raise ArgumentError("learning", described(f"{len(values)} values and {len(gaps)} gaps"), _ALLOWED)
    return values, gaps
