"""The null of pooled scores: modes that remember as measured, and hang together where they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ews._analysis.spatial.modes import Modes
from ews._analysis.spatial.scoring import SpatialScoring
from ews.nulls.null import generator_of
from ews.spatial import surrogates
from ews.spatial.grids import FloatArray
from ews.spatial.surrogates import SpatialNull

__all__ = ["ModesNull", "fit"]

Draw = Callable[[int, int], FloatArray]  # of amplitudes: from which number on, and how many

LARGEST_COEFFICIENT = 0.98
_REFITS, _STEPS, _BURN = 10, 2, 50
# Correlations of innovations below so many standard errors are those of independent modes.
_CLEAR = 3.2


@dataclass(frozen=True, eq=False)
class ModesNull:
    """A first-order autoregression of each mode, with one coefficient for all modes of like wavelength."""

    coefficient: FloatArray  # (modes,)
    root: FloatArray  # (modes, modes): R R' is the covariance of the innovations
    n: int

    @property
    def sentence(self) -> str:
        """One line for the report."""
        low, high = float(self.coefficient.min()), float(self.coefficient.max())
        count = self.coefficient.size
        return f"AR(1) noise fitted to {count} spatial modes together (coefficients {low:.2f} to {high:.2f})"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number, (count, modes, n)."""
        from scipy.signal import lfilter

        shape = (self.n + _BURN, self.coefficient.size)
        noise = np.stack([generator_of(seed, first + i).standard_normal(shape) for i in range(count)]) @ self.root.T
        out = np.ascontiguousarray(np.swapaxes(noise, 1, 2))
        out[:, :, 0] /= np.sqrt(1.0 - self.coefficient**2)
        for place, phi in enumerate(self.coefficient):
            out[:, place] = lfilter([1.0], [1.0, -phi], out[:, place], axis=1)
        return np.ascontiguousarray(out[:, :, _BURN:])


def fit(modes: Modes, scoring: SpatialScoring, null: SpatialNull, *, seed: int) -> tuple[Draw, str]:
    """Surrogates of amplitudes by number, and what they are."""
    left = scoring.left(modes.amplitude[None])[0]
    if null != "ar1":

        def draw(first: int, count: int) -> FloatArray:
            return np.concatenate([surrogates.draw(left, null, 1, seed=_own(seed, first + i)) for i in range(count)])

        return draw, f"{surrogates.sentence(left, null)}, of {len(left)} spatial modes"
    fitted = _fitted(left, modes, scoring, seed)
    return lambda first, count: fitted.draw(first, count, seed=seed), fitted.sentence


def _own(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, 5, place]).generate_state(1, np.uint64)[0])


def _fitted(left: FloatArray, modes: Modes, scoring: SpatialScoring, seed: int) -> ModesNull:
    """Coefficients such that what the smoother leaves of the surrogates has those of what it left of the record."""
    target = _memory(left, modes)
    coefficient = target
    for _ in range(_STEPS):
        drawn = _with(coefficient, left).draw(0, _REFITS, seed=_own(seed, 0))
        refits = np.mean([_memory(one, modes) for one in scoring.left(drawn)], axis=0)
        coefficient = np.clip(coefficient + target - refits, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)
    return _with(coefficient, left)


def _memory(left: FloatArray, modes: Modes) -> FloatArray:
    """Lag-1 coefficient of each mode, by least squares over all of like wavelength."""
    across, power = (left[:, 1:] * left[:, :-1]).sum(axis=1), (left[:, :-1] ** 2).sum(axis=1)
    pooled = np.bincount(modes.ring, across), np.bincount(modes.ring, power)
    phi = np.divide(*pooled, out=np.zeros_like(pooled[0]), where=pooled[1] > 0.0)
    return np.asarray(np.clip(phi, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)[modes.ring])


def _with(coefficient: FloatArray, left: FloatArray) -> ModesNull:
    errors = left[:, 1:] - coefficient[:, None] * left[:, :-1]
    deviation = errors.std(axis=1)
    scaled = errors / np.where(deviation > 0.0, deviation, 1.0)[:, None]
    scaled = scaled - scaled.mean(axis=1, keepdims=True)
    correlation = scaled @ scaled.T / scaled.shape[1]
    correlation[np.abs(correlation) < _CLEAR / np.sqrt(scaled.shape[1])] = 0.0
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return ModesNull(coefficient, deviation[:, None] * root, left.shape[1])
