"""The stock collections of the benchmark: positive controls that end at their transition, and what resembles them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import models
from ews.models import Simulation

__all__ = ["NULLS", "POSITIVES", "Positive", "draw_null"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Positive:
    """A model that is driven to its bifurcation."""

    simulate: Callable[..., Simulation]
    parameter: str  # the parameter that drives it
    # Where the ramp begins, and where the bifurcation is: the ramp ends there.
    first: float
    critical: float
    what: str  # what a reader should know of it

    def rising(self, *, n: int, replicates: int, seed: int) -> Simulation:
        """Records that end at the transition."""
        return self.simulate(n=n, replicates=replicates, seed=seed, **{self.parameter: (self.first, self.critical)})

    def constant(self, *, n: int, replicates: int, seed: int) -> Simulation:
        """The same model where the ramp begins, and stays."""
        return self.simulate(n=n, replicates=replicates, seed=seed, **{self.parameter: self.first})


# Ramps begin where the models' own defaults do.
POSITIVES: dict[str, Positive] = {
    "fold": Positive(models.harvested_population, "harvest", 1.0, 2.604365170651153, "harvested population (May 1977)"),
    "transcritical": Positive(models.transcritical, "harvest", 0.0, 1.0, "population dying out under harvest"),
    "hopf": Positive(models.hopf, "attack", 9.0, 15.686274509803923, "consumer and resource begin to cycle"),
    "flip": Positive(models.ricker, "growth", 0.5, 2.0, "Ricker's map doubles its period"),
    "pitchfork": Positive(models.pitchfork, "control", -1.0, 0.0, "one symmetric state gives way to two"),
}


def _red(coefficient: float) -> Callable[[np.random.Generator, int], FloatArray]:
    def draw(generator: np.random.Generator, n: int) -> FloatArray:
        return _autoregression(generator, n, coefficient)

    return draw


def _autoregression(generator: np.random.Generator, n: int, coefficient: float) -> FloatArray:
    """Stationary first-order autoregression of variance 1."""
    noise = generator.standard_normal(n)
    if coefficient == 0.0:
        return noise
    from scipy.signal import lfilter

    scale = float(np.sqrt(1.0 - coefficient**2))
    start = [coefficient * generator.standard_normal()]
    return np.asarray(lfilter([scale], [1.0, -coefficient], noise, zi=start)[0], dtype=np.float64)


def _pink(generator: np.random.Generator, n: int) -> FloatArray:
    """Gaussian noise of spectrum 1/f (Timmer & König 1995), the middle of a record four times as long."""
    length = 4 * n
    frequency = np.arange(1, length // 2 + 1)
    parts = generator.standard_normal((2, frequency.size)) / np.sqrt(frequency)
    spectrum = np.concatenate([[0.0], parts[0] + 1j * parts[1]])
    long = np.fft.irfft(spectrum, n=length)
    return np.asarray(long[n : 2 * n] / long.std(), dtype=np.float64)


def _trend(generator: np.random.Generator, n: int) -> FloatArray:
    """Red noise on a mean that drifts ever faster, by five standard deviations in all."""
    return _autoregression(generator, n, 0.5) + 5.0 * np.linspace(0.0, 1.0, n) ** 2


def _step(generator: np.random.Generator, n: int) -> FloatArray:
    """Red noise whose mean is moved from outside by four standard deviations, somewhere in the last 40 %."""
    record = _autoregression(generator, n, 0.5)
    record[int(generator.uniform(0.6, 0.95) * n) :] += 4.0
    return record


def _season(generator: np.random.Generator, n: int) -> FloatArray:
    """Red noise on a cycle of twelve samples with an amplitude of two standard deviations."""
    phase = generator.uniform(0.0, 2.0 * np.pi)
    cycle = 2.0 * np.sin(2.0 * np.pi * np.arange(n) / 12.0 + phase)
    return np.asarray(_autoregression(generator, n, 0.5) + cycle, dtype=np.float64)


def _spread(generator: np.random.Generator, n: int) -> FloatArray:
    """White noise whose standard deviation doubles: louder disturbances, no slower return."""
    return np.asarray(generator.standard_normal(n) * np.linspace(1.0, 2.0, n), dtype=np.float64)


# Family → what draws one record; "constant" is each positive's own model, and stands beside these.
NULLS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "white": _red(0.0),
    "red 0.3": _red(0.3),
    "red 0.7": _red(0.7),
    "red 0.9": _red(0.9),
    "pink": _pink,
    "trend": _trend,
    "step": _step,
    "season": _season,
    "spread": _spread,
}
CONSTANT = "constant"


def draw_null(family: str, *, n: int, replicates: int, seed: int) -> FloatArray:
    """Records of a null family, of shape (replicates, n); record i is the same however many are drawn."""
    place = list(NULLS).index(family)
    rows: list[Any] = []
    for row in range(replicates):
        stream = np.random.SeedSequence(seed, spawn_key=(place, row))
        rows.append(NULLS[family](np.random.Generator(np.random.PCG64(stream)), n))
    return np.array(rows, dtype=np.float64)
