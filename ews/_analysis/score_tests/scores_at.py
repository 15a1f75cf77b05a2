"""The scores of residuals at any times: memory in continuous time, damping where observations follow one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.statistics import FAR, bounded
from ews._kernels.score import DAMPING, MEMORY, VARIANCE

__all__ = ["FEWEST_TRIPLES", "Scorer", "in_units", "scorer"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Damping needs three observations a step apart; from fewer such triples it is left untested.
FEWEST_TRIPLES = 20
# Steps this near to one count as one for damping: jitter of the times acts as a little noise, alike in all surrogates.
NEAR = 0.45
_GROUPS = 64
_SMALL, _LARGE = 1e-70, 1e70
_SIGNED = np.concatenate([[-0.98], np.linspace(-0.9, 0.9, 19), [0.98]])
_POSITIVE = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96, 0.99])


@dataclass(frozen=True, eq=False)
class Scorer:
    """What scores at given times need of these times, worked out once."""

    shapes: FloatArray  # (shapes, n): drift at each observation
    signed: bool  # whether memory may be negative: on a grid only
    triples: int  # how many observations follow two others a step apart
    steps: FloatArray  # (lengths,): distinct steps between observations
    place: IntArray  # (n − 1,): which of them it is
    coarse: FloatArray  # (candidates,): where the search for the coefficient starts
    tables: FloatArray  # (3, candidates, groups)
    group: IntArray  # (n − 1,)
    broken: IntArray  # (n,): where each observation stands once a blank is put where a step is not one

    def memory(self, bounded: FloatArray) -> FloatArray:
        """The coefficient over one step, of each row."""
        from ews._kernels.score_uneven import memory_of_rows

        phi = np.empty(bounded.shape[0])
        x = in_units(bounded)
        memory_of_rows(x, self.steps, self.place, self.coarse, self.tables, self.group, phi)
        return phi

    def scores(self, residual: FloatArray, limit: float) -> FloatArray:
        """Scores as :func:`ews._analysis.score_tests.statistics.score` has them, (rows, 3, shapes), at these times.

        Memory goes by the steps between observations. Damping goes by triples a step apart, and is NaN where there are
        fewer than 20. The variance goes by all observations.
        """
        from ews._kernels.score import score_rows
        from ews._kernels.score_uneven import score_memory_rows

        rows, shapes = residual.shape[0], self.shapes.shape[0]
        own = np.empty((rows, shapes))
        x = in_units(bounded(residual, limit, far=FAR))
        score_memory_rows(x, self.shapes, self.steps, self.place, self.coarse, self.tables, self.group, own)
        apart = np.empty((rows, 3, 1))
        score_rows(self.apart(residual, np.nan), self.apart(self.shapes[:1], 0.0), limit, FAR, apart)
        z = np.full((rows, 3, shapes), np.nan)
        z[:, MEMORY], z[:, VARIANCE, 0] = own, apart[:, VARIANCE, 0]
        if self.triples >= FEWEST_TRIPLES:
            z[:, DAMPING, 0] = apart[:, DAMPING, 0]
        return z

    def apart(self, rows: FloatArray, blank: float) -> FloatArray:
        """Rows with a blank put where a step is not one."""
        out = np.full((rows.shape[0], int(self.broken[-1]) + 1), blank)
        out[:, self.broken] = rows
        return out


def in_units(rows: FloatArray) -> FloatArray:
    """Rows of ordinary size: where fourth powers would leave the range of numbers, in units of their largest value."""
    largest = np.fmax.reduce(np.abs(rows), axis=1, initial=0.0)
    extreme = (largest > 0.0) & ((largest < _SMALL) | (largest > _LARGE))
    if not extreme.any():
        return np.require(rows, np.float64, ("C", "W"))
    unit = np.where(extreme, 2.0 ** np.clip(np.floor(np.log2(np.where(extreme, largest, 1.0))), -1022, 1022), 1.0)
    return np.ascontiguousarray(rows / unit[:, None])


def scorer(positions: FloatArray, shapes: FloatArray) -> Scorer:
    """Work out what the scores at these positions, in steps, need."""
    apart = np.diff(positions)
    signed = bool((positions == np.round(positions)).all())
    steps, place = np.unique(apart if signed else np.round(apart, 9), return_inverse=True)
    coarse = _SIGNED if signed else _POSITIVE
    # The start of the search needs no more than some lengths of a step.
    group_of = np.arange(steps.size)
    if steps.size > _GROUPS:
        group_of = np.arange(steps.size) * _GROUPS // steps.size
    lengths = np.bincount(group_of, weights=steps) / np.bincount(group_of)
    sign = np.where((coarse[:, None] < 0) & (np.round(lengths) % 2 == 1), -1.0, 1.0)
    size = np.maximum(np.abs(coarse), 1e-9)[:, None]
    variance = -np.expm1(2.0 * lengths * np.log(size)) / (1.0 - size**2)
    one = np.abs(apart - 1.0) <= NEAR
    return Scorer(
        shapes=np.require(shapes, np.float64, ("C", "W")),
        signed=signed,
        triples=int((one[1:] & one[:-1]).sum()),
        steps=steps,
        place=place.astype(np.int64),
        coarse=coarse,
        tables=np.stack([sign * size**lengths, 1.0 / variance, -np.log(variance)]),
        group=group_of[place].astype(np.int64),
        broken=np.concatenate([[0], np.cumsum(np.where(one, 1, 2))]).astype(np.int64),
    )
