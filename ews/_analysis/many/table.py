"""Tables of surrogates: statistics of AR(1) noise of one length and several memories, that rows are held against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.detect.controls import CONTROLS, Fitted, draw_control
from ews._analysis.many import keeping
from ews._analysis.many.codes import TESTS
from ews._analysis.many.smoothing import Scored, Smoothing, scored
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.shares import SHARES, sides_of
from ews._analysis.score_tests.statistics import STATISTICS
from ews._common.kept import Kept
from ews._significance.pipeline import in_chunks

__all__ = ["STEPS_SEEN", "WARNS", "held", "Tabulated", "ordered", "table_of"]

FloatArray = npt.NDArray[np.float64]

# Memories at which tables are drawn, on Fisher's scale; p-values are interpolated between them. How near they come to
# those of surrogates of each series is measured by benchmarks.evidence.maps.
_MEMORIES = np.tanh(np.linspace(-0.9, 2.7, 13))
# Of the steps from one time to the next, the shares that a table is drawn for: how many have both ends observed.
STEPS_SEEN = (1.0, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2)
_POWER = 200  # controls of each kind at each memory
WARNS = [i for i, one in enumerate(STATISTICS) if one.warns]
_SEEDS = {"gaps": 11, "surrogates": 12, "controls": 13}


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Tables of one length, one way of smoothing and one share of steps observed."""

    smoothing: Smoothing
    share: float
    count: int
    seed: int

    @cached_property
    def shapes(self) -> FloatArray:
        """The shapes of a drift."""
        return weights(self.smoothing.n)

    def gaps(self, rows: FloatArray, first: int, kind: str) -> FloatArray:
        """Rows, numbered from `first`, with as much missing at random as leaves this share of steps."""
        if self.share >= 1.0:
            return rows
        from scipy.special import ndtri

        entropy = np.random.SeedSequence([self.seed, _SEEDS["gaps"], _SEEDS[kind]]).generate_state(1, np.uint64)
        noise = nulls.AR1(0.0, 1.0, rows.shape[1]).draw(first, rows.shape[0], seed=int(entropy[0]))
        rows[noise >= ndtri(np.sqrt(self.share))] = np.nan
        return rows

    def _drawn(self, place: int) -> dict[str, FloatArray]:
        """Statistics and memory of the surrogates, and of the controls, at one of the memories."""
        n, coefficient = self.smoothing.n, float(_MEMORIES[place])
        noise = nulls.AR1(coefficient, 1.0, n)

        def draw(first: int, rows: int) -> Scored:
            drawn = self.gaps(noise.draw(first, rows, seed=self.seed), first, "surrogates")
            return scored(self.smoothing, self.shapes, drawn)

        parts = in_chunks(draw, self.count, n=n)
        fitted = Fitted(coefficient, 1.0, 0.5, float(np.pi / 4.0), 1.0)
        controls = []
        for column, kind in enumerate(CONTROLS):
            seed = np.random.SeedSequence([self.seed, _SEEDS["controls"], column]).generate_state(1, np.uint64)
            rows = draw_control(kind, fitted, n, seed=int(seed[0]))(0, _POWER)
            controls.append(scored(self.smoothing, self.shapes, self.gaps(rows, 0, "controls")))
        return {
            "values": np.concatenate([one.values for one in parts]),
            "memory": np.concatenate([one.memory for one in parts]),
            "control_values": np.stack([one.values for one in controls]),
            "control_memory": np.stack([one.memory for one in controls]),
            "control_likeness": np.stack([one.likeness for one in controls]),
        }

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        k, kinds = len(TESTS), len(CONTROLS)
        return {
            "values": (self.count, k),
            "memory": (self.count,),
            "control_values": (kinds, _POWER, k),
            "control_memory": (kinds, _POWER),
            "control_likeness": (kinds, _POWER),
        }

    @cached_property
    def drawn(self) -> list[dict[str, FloatArray]]:
        """What was drawn at each memory; from disk where any process of this user has done so.

        Processes that need the same table at once, as the workers of a cluster do, begin at different memories, and
        each finds there what the others have drawn.
        """
        found: dict[int, dict[str, FloatArray]] = {}
        start = os.getpid() % _MEMORIES.size
        for step in range(_MEMORIES.size):
            place = (start + step) % _MEMORIES.size
            key = (*vars(self.smoothing).items(), self.share, self.count, self.seed, place)
            found[place] = keeping.kept(key, self._shapes, lambda place=place: self._drawn(place))  # type: ignore[misc]
        return [found[place] for place in range(_MEMORIES.size)]

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean memory of what is left, each statistic, and of each set of them the smallest p over its share.

        Of the last there is one for each row of the shares, (sides, memories, 2^k, count).
        """
        k = len(TESTS)
        memory = np.empty(_MEMORIES.size)
        statistics = np.empty((_MEMORIES.size, k, self.count))
        smallest = np.empty((len(SHARES), _MEMORIES.size, 2**k, self.count))
        for place, drawn in enumerate(self.drawn):
            memory[place] = np.nanmean(drawn["memory"])
            statistics[place], smallest[:, place] = ordered(drawn["values"])
        return np.maximum.accumulate(memory), statistics, smallest

    def between(self, memory: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """The table below each memory, and how much the next one counts."""
        known = self.tables[0]
        last = known.size - 2
        at = np.clip(np.nan_to_num(memory), known[0], known[-1])
        node = np.clip(np.searchsorted(known, at, side="right") - 1, 0, last)
        step = known[node + 1] - known[node]
        share = np.where(step > 0.0, (at - known[node]) / np.where(step > 0.0, step, 1.0), 0.0)
        return node.astype(np.int64), np.clip(share, 0.0, 1.0)

    def adjusted(self, values: FloatArray, memory: FloatArray, likeness: FloatArray) -> FloatArray:
        """Family-wise p of each row and test."""
        _, statistics, smallest = self.tables
        return held(values, likeness, *self.between(memory), statistics, smallest)

    def seen(self, memory: FloatArray, alpha: float) -> FloatArray:
        """Share of the controls that warn where there is this memory, of the kind that is seen least."""
        node, share = self.between(memory)
        with _DRAWING:
            powers = POWERS.get((self.smoothing, self.share, self.count, self.seed, alpha), lambda: self._power(alpha))
        near, far = powers[node], powers[node + 1]
        return np.asarray(((1.0 - share)[:, None] * near + share[:, None] * far).min(axis=1))

    def _power(self, alpha: float) -> FloatArray:
        """Share of the controls that warn, (memories, kinds)."""
        found = np.empty((_MEMORIES.size, len(CONTROLS)))
        for place, drawn in enumerate(self.drawn):
            for column, values in enumerate(drawn["control_values"]):
                p = self.adjusted(values, drawn["control_memory"][column], drawn["control_likeness"][column])
                found[place, column] = np.mean((p[:, WARNS] <= alpha).any(axis=1))
        return found


def held(
    values: FloatArray,
    likeness: FloatArray,
    node: npt.NDArray[np.int64],
    part: FloatArray,
    statistics: FloatArray,
    smallest: FloatArray,
) -> FloatArray:
    """Family-wise p of rows, (rows, k), the level shared by how alike neighbours are; see :func:`ordered`."""
    from ews._kernels.gaps import closed_rows

    out = np.empty(values.shape)
    sides = sides_of(likeness)
    for side in map(int, np.unique(sides)):
        these = np.flatnonzero(sides == side)
        own = np.empty((these.size, values.shape[1]))
        rows = np.ascontiguousarray(values[these])
        closed_rows(rows, node[these], part[these], statistics, smallest[side], SHARES[side], own)
        out[these] = own
    return out


def ordered(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of surrogates, (count, k), each statistic ascending, (k, count), and the same of the smallest p of each set.

    Sets go by their bits, (sides, 2^k, count), and the smallest p is that over its share of the level, which depends on
    whether neighbours are alike; a statistic that is not defined counts as the largest.
    """
    count, k = values.shape
    known = np.where(np.isnan(values), np.inf, values).T
    statistics = np.sort(known, axis=1)
    rank = [count - np.searchsorted(statistics[i], known[i], side="left") for i in range(k)]
    own = np.array(rank) / (1.0 + count) / SHARES[:, :, None]
    smallest = np.full((len(SHARES), 2**k, count), np.nan)
    for members in range(1, 2**k):
        chosen = [i for i in range(k) if members >> i & 1]
        smallest[:, members] = np.sort(own[:, chosen].min(axis=1))
    return statistics, smallest


# Of one way of smoothing there are as many as shares of steps observed.
TABLES: Kept[Tabulated] = Kept(2 * len(STEPS_SEEN))
POWERS: Kept[FloatArray] = Kept(64)
_DRAWING = Lock()  # threads that need the same tables wait for the first of them


def table_of(smoothing: Smoothing, share: float, count: int, seed: int) -> Tabulated:
    """The tables, drawn."""
    with _DRAWING:
        key = (smoothing, share, count, seed)
        found = TABLES.get(key, lambda: Tabulated(smoothing, share, count, seed))
        found.tables  # noqa: B018  # drawn once, before others may look
        return found
