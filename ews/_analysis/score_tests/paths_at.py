"""Paths of drifting coefficients of observations at any times, with their bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.paths import Path, instrumented_path, modulus_path, path
from ews._analysis.score_tests.scores_at import FEWEST_TRIPLES, Scorer

__all__ = ["instrumented_path_at", "memory_path_at", "modulus_path_at"]

FloatArray = npt.NDArray[np.float64]


def memory_path_at(x: FloatArray, scorer: Scorer, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """φ + β w[i] over one step, of r[i] = (φ + β w[i])^d r[i−1] + e[i]: one step of Gauss and Newton from β = 0.

    At even times that is :func:`ews._analysis.score_tests.paths.memory_path`.
    """
    phi = float(scorer.memory(x[None])[0])
    steps = scorer.steps[scorer.place]
    decay, slope, spread = _decays(phi, steps)
    drift = slope * x[:-1] / spread
    target = (x[1:] - decay * x[:-1]) / spread + phi * drift

    def equations(block: slice) -> tuple[FloatArray, FloatArray]:
        return np.stack([drift[block], w[1:][block] * drift[block]]), target[block]

    return path(equations, target.size, w, np.eye(2), shape, quantile)


def modulus_path_at(x: FloatArray, scorer: Scorer, w: FloatArray, *, shape: str, quantile: float) -> Path:
    """The squared modulus of a complex pair, from observations that follow one another; NaN where these are too few."""
    if scorer.triples < FEWEST_TRIPLES:
        nothing = np.full_like(x, np.nan)
        return Path(shape, nothing, nothing, nothing, np.nan, np.nan)
    found = modulus_path(
        scorer.apart(x[None], np.nan)[0], scorer.apart(w[None], 0.0)[0], shape=shape, quantile=quantile
    )
    return _at(found, scorer)


def instrumented_path_at(
    x: FloatArray, scorer: Scorer, w: FloatArray, *, order: int, shape: str, quantile: float
) -> Path:
    """:func:`ews._analysis.score_tests.paths.instrumented_path`, from observations that follow one another."""
    with_blanks = scorer.apart(x[None], np.nan)[0], scorer.apart(w[None], 0.0)[0]
    return _at(instrumented_path(*with_blanks, order=order, shape=shape, quantile=quantile), scorer)


def _at(found: Path, scorer: Scorer) -> Path:
    """A path with blanks, at the observations alone."""
    ends = {name: getattr(found, name)[scorer.broken] for name in ("value", "lower", "upper")}
    return replace(found, **ends)


def _decays(phi: float, steps: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """φ^d, its derivative, and the innovation's standard deviation, in units of that over one step."""
    from ews._kernels.score_uneven import decays

    found = np.empty((3, steps.size))
    decays(phi, np.require(steps, np.float64, ("C", "W")), found[0], found[1], found[2])
    return found[0], found[1], np.sqrt(found[2])
