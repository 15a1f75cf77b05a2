"""What a monitor begins with: the state of a series after its reference, in which nothing is meant to change."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ews._kernels import sequential_step as step

__all__ = ["begun", "learned"]

FloatArray = npt.NDArray[np.float64]

_ROBUST = 1.4826  # median absolute deviations of Gaussian noise that make a standard deviation
_WORTH = 8.0  # observations that a first guess counts for
_NONE = (0.0,) * step.TESTS


def learned(values: FloatArray, gaps: FloatArray, smoothing: float) -> list[float] | None:
    """State after a reference of values that are there, and the times between them; None where they do not vary."""
    unit = _unit(values)
    if not unit > 0.0:
        return None
    every = float(np.median(gaps[1:]))
    state = begun(float(np.median(values)), unit, every, _lag_one(values, unit))
    watched(state, values, gaps, smoothing)
    state[step.COUNT] -= _WORTH
    return fresh(state)


def begun(origin: float, unit: float, every: float, coefficient: float) -> list[float]:
    """State before the first value, from a first guess."""
    state = [0.0] * step.SIZE
    state[step.ORIGIN], state[step.UNIT], state[step.EVERY] = origin, unit, every
    state[step.COEFFICIENT], state[step.POWER] = coefficient, 1.0 - coefficient**2
    state[step.COUNT], state[step.INFORMATION] = _WORTH, _WORTH / (1.0 - coefficient**2)
    return fresh(state)


def fresh(state: list[float]) -> list[float]:
    """The same state without evidence of any drift."""
    state[step.EVIDENCE :] = [0.0] * (step.SIZE - step.EVIDENCE)
    state[step.RISES : step.AGES] = [1.0] * step.TESTS
    return state


def watched(state: list[float], values: Sequence[float] | FloatArray, gaps: FloatArray, smoothing: float) -> None:
    """Take in a stretch from its start; the first value is only remembered."""
    out = [0.0] * (1 + 2 * step.TESTS)
    state[step.LAST], state[step.GAP] = (float(values[0]) - state[step.ORIGIN]) / state[step.UNIT], 0.0
    for value, gap in zip(values[1:], gaps[1:], strict=True):
        step.advance(state, float(value), float(gap), smoothing, _NONE, math.inf, out)


def _unit(values: FloatArray) -> float:
    """Robust standard deviation; the plain one where more than half are equal."""
    with np.errstate(all="ignore"):
        away = np.abs(values - np.median(values))
        largest = float(away.max())
        if not 0.0 < largest < math.inf:
            return 0.0
        robust = _ROBUST * float(np.median(away))
        return robust if robust > 0.0 else largest * float(np.sqrt(np.mean((away / largest) ** 2)))


def _lag_one(values: FloatArray, unit: float) -> float:
    """A first guess of the coefficient, whatever the gaps."""
    near = np.clip((values - np.median(values)) / unit, -step.CLIP, step.CLIP)
    power = float(near[:-1] @ near[:-1])
    return float(np.clip(near[1:] @ near[:-1] / power, -0.9, 0.97)) if power > 0.0 else 0.0
