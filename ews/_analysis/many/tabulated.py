"""The tabulated null: surrogates of red noise of several memories, drawn once for all series of one length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.detect.controls import CONTROLS, Fitted, draw_control
from ews._analysis.detect.scores import LIMIT
from ews._analysis.many.codes import FIELDS, KINDS, REASONS, TESTS, VERDICTS
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import STATISTICS, bounded, robust_residual, score
from ews._common.alarms import SUFFICIENT_POWER
from ews._common.kept import Kept
from ews._common.values import HANDFUL
from ews._significance.pipeline import in_chunks
from ews.detrend import bandwidths
from ews.detrend.kernel_smoothers import half_kernel
from ews.detrend.local_polynomial import BANDWIDTHS, DEGREES, smoother_of
from ews.errors import ArgumentError, SeriesTooShortError, described

__all__ = ["FEWEST", "Scored", "Smoothing", "tabulated"]

FloatArray = npt.NDArray[np.float64]

# Memories at which tables are drawn, on Fisher's scale; p-values are interpolated between them. How near they come to
# those of surrogates of each series is measured by benchmarks.evidence.maps.
_MEMORIES = np.tanh(np.linspace(-0.9, 2.7, 13))
# Of the steps from one time to the next, the shares that a table is drawn for: how many have both ends observed.
_SHARES = (1.0, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2)
FEWEST = 20  # observations, and steps between two of them
_LEAST_SHARE = 0.15
_CUT = 4.0  # standard deviations of the kernel, as for records without gaps
_POWER = 200  # controls of each kind at each memory
_WARNS = [i for i, one in enumerate(STATISTICS) if one.warns]
_VARIANCE = TESTS.index("variance")
_SEEDS = {"gaps": 11, "surrogates": 12, "controls": 13}


@dataclass(frozen=True)
class Smoothing:
    """What is taken out of rows of one length, whatever each of them lacks."""

    n: int
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None

    def __post_init__(self) -> None:
        if self.detrend is not None and self.detrend not in DEGREES:
            allowed = f"{', '.join(map(repr, DEGREES))} or None with null='table'; or null='ar1'"
            raise ArgumentError("detrend", self.detrend, allowed)
        if self.detrend is None and self.bandwidth is not None:
            raise ArgumentError("bandwidth", self.bandwidth, "None where nothing is taken out")
        if self.season is not None and self.n < 2 * self.season:
            given = described(f"{self.n} times")
            raise SeriesTooShortError("data", given, f"at least two periods of {self.season} to know a season")

    @cached_property
    def sd(self) -> float:
        """Standard deviation of the kernel, in samples."""
        degree = DEGREES[str(self.detrend)]
        width = BANDWIDTHS[degree](self.n) if self.bandwidth is None else self.bandwidth
        sd = bandwidths.samples(width, self.n)
        if int(_CUT * sd) < 1:
            raise ArgumentError("bandwidth", width, "wide enough to reach a neighbour: at least 0.25 samples")
        return sd

    @cached_property
    def powers(self) -> tuple[FloatArray, int, int]:
        """Weights times powers of the distance, how many lie before a sample, and the degree."""
        degree, sd = DEGREES[str(self.detrend)], self.sd
        reach = int(_CUT * sd) if self.causal else min(int(_CUT * sd), self.n - 1)
        half = half_kernel(sd, reach)
        kernel = half[::-1] if self.causal else np.concatenate([half[:0:-1], half])
        distance = (np.arange(kernel.size) - reach) / sd
        return np.stack([kernel * distance**power for power in range(2 * degree + 1)]), reach, degree

    @cached_property
    def whole(self) -> Callable[[FloatArray], FloatArray]:
        """The smoother of rows without gaps."""
        return smoother_of(np.ones(self.n, dtype=np.bool_), self.sd, causal=self.causal, degree=self.powers[2])

    def residual(self, rows: FloatArray) -> FloatArray:
        """What is left of rows; NaN where nothing was observed."""
        if self.season is None:
            return self._left(rows)
        # Of the rows as they are, so that no cycle is left whatever is missing; then what a trend put into it goes.
        cycle = _phases(rows, self.season)
        cycle += _phases(self._left(rows - cycle), self.season)
        return self._left(rows - cycle)

    def _left(self, rows: FloatArray) -> FloatArray:
        if self.detrend is None:
            return np.asarray(rows - np.nanmean(rows, axis=1, keepdims=True))
        from ews._kernels.gaps import smooth_gaps

        gappy = np.isnan(rows).any(axis=1)
        out = np.empty_like(rows)
        if not gappy.all():
            complete = np.ascontiguousarray(rows[~gappy])
            out[~gappy] = complete - self.whole(complete)
        if gappy.any():
            powers, left, degree = self.powers
            part = np.empty((int(gappy.sum()), self.n))
            smooth_gaps(np.ascontiguousarray(rows[gappy]), powers, left, degree, part)
            out[gappy] = part
        return out


def _phases(rows: FloatArray, period: int) -> FloatArray:
    """The mean of each phase of what was observed, over a cycle of mean 0, at all times."""
    n = rows.shape[1]
    cycles = -(-n // period)
    padded = np.full((rows.shape[0], cycles * period), np.nan)
    padded[:, :n] = rows
    cycled = padded.reshape(rows.shape[0], cycles, period)
    seen = np.isfinite(cycled)
    mean = np.where(seen, cycled, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    mean -= mean.mean(axis=1, keepdims=True)
    return np.asarray(np.tile(mean, (1, cycles))[:, :n])


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows scored, before they are held against anything."""

    values: FloatArray  # (rows, 4)
    memory: FloatArray  # (rows,): lag-1 coefficient of the residual
    drift: FloatArray  # (rows,)


def scored(smoothing: Smoothing, shapes: FloatArray, rows: FloatArray) -> Scored:
    """Statistics of rows, with the score of variance in units of what the times observed give it."""
    from ews._kernels.gaps import drift_rows, memory_rows

    count = rows.shape[0]
    left = smoothing.residual if smoothing.causal else lambda x: robust_residual(x, smoothing.residual)
    residual = np.ascontiguousarray(left(rows))
    values, scores = score(residual, shapes, LIMIT)
    seen = np.isfinite(residual)
    total = seen.sum(axis=1)
    # Summed row by row: a matrix product's digits depend on how many rows there are.
    mean = np.where(seen, shapes[0], 0.0).sum(axis=1) / np.maximum(total, 1)
    length = np.sqrt((np.where(seen, shapes[0] - mean[:, None], 0.0) ** 2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        values[_VARIANCE] = np.where(seen.all(axis=1), values[_VARIANCE], values[_VARIANCE] / length)
    tame = bounded(residual, LIMIT)
    memory, drift = np.empty(count), np.empty(count)
    memory_rows(tame, memory)
    best = np.where(np.isfinite(scores[:, 0]).all(axis=1), np.abs(scores[:, 0]).argmax(axis=1), 0)
    drift_rows(bounded(residual, LIMIT, far=5.0), shapes, best.astype(np.int64), drift)
    return Scored(np.ascontiguousarray(values.T), memory, drift)


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
        for i, row in enumerate(rows):
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, _SEEDS["gaps"], _SEEDS[kind], first + i]))
            row[rng.random(row.size) >= np.sqrt(self.share)] = np.nan
        return rows

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean memory of what is left, each statistic, and of each set of them the smallest p over its weight."""
        n, k = self.smoothing.n, len(TESTS)
        shares = np.array([one.weight for one in STATISTICS])
        memory = np.empty(_MEMORIES.size)
        statistics = np.empty((_MEMORIES.size, k, self.count))
        smallest = np.full((_MEMORIES.size, 2**k, self.count), np.nan)
        for place, coefficient in enumerate(_MEMORIES):
            noise = nulls.AR1(float(coefficient), 1.0, n)

            def draw(first: int, rows: int, noise: nulls.AR1 = noise) -> Scored:
                drawn = self.gaps(noise.draw(first, rows, seed=self.seed), first, "surrogates")
                return scored(self.smoothing, self.shapes, drawn)

            parts = in_chunks(draw, self.count, n=n)
            values = np.concatenate([one.values for one in parts]).T
            values = np.where(np.isnan(values), np.inf, values)
            memory[place] = np.nanmean(np.concatenate([one.memory for one in parts]))
            statistics[place] = np.sort(values, axis=1)
            rank = [self.count - np.searchsorted(statistics[place, i], values[i], side="left") for i in range(k)]
            own = np.array(rank) / (1.0 + self.count) / shares[:, None]
            for members in range(1, 2**k):
                chosen = [i for i in range(k) if members >> i & 1]
                smallest[place, members] = np.sort(own[chosen].min(axis=0))
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

    def adjusted(self, found: Scored) -> FloatArray:
        """Family-wise p of each row and test."""
        from ews._kernels.gaps import closed_rows

        _, statistics, smallest = self.tables
        out = np.empty(found.values.shape)
        shares = np.array([one.weight for one in STATISTICS])
        closed_rows(found.values, *self.between(found.memory), statistics, smallest, shares, out)
        return out

    def power(self, alpha: float) -> FloatArray:
        """Share of the controls that warn, (memories, kinds)."""
        return POWERS.get((self.smoothing, self.share, self.count, self.seed, alpha), lambda: self._power(alpha))

    def _power(self, alpha: float) -> FloatArray:
        n, found = self.smoothing.n, np.empty((_MEMORIES.size, len(CONTROLS)))
        for place, coefficient in enumerate(_MEMORIES):
            fitted = Fitted(float(coefficient), 1.0, 0.5, float(np.pi / 4.0), 1.0)
            for column, kind in enumerate(CONTROLS):
                seed = np.random.SeedSequence([self.seed, _SEEDS["controls"], column]).generate_state(1, np.uint64)
                rows = draw_control(kind, fitted, n, seed=int(seed[0]))(0, _POWER)
                p = self.adjusted(scored(self.smoothing, self.shapes, self.gaps(rows, 0, "controls")))
                found[place, column] = np.mean((p[:, _WARNS] <= alpha).any(axis=1))
        return found


# Of one way of smoothing there are as many as shares of steps observed.
TABLES: Kept[Tabulated] = Kept(2 * len(_SHARES))
POWERS: Kept[FloatArray] = Kept(64)
_DRAWING = Lock()  # threads that need the same tables wait for the first of them


def tabulated(
    rows: FloatArray, smoothing: Smoothing, *, alpha: float, count: int, seed: int, asked: Any = None
) -> FloatArray:
    """Test rows of one length, (rows, n), at even times; NaN where nothing was observed: (rows, fields)."""
    from ews._kernels.gaps import countable_rows

    found = np.full((rows.shape[0], len(FIELDS)), np.nan)
    found[:, :2] = -1.0
    rows = np.where(np.isfinite(rows), rows, np.nan)
    seen = np.isfinite(rows)
    total, steps = seen.sum(axis=1), (seen[:, 1:] & seen[:, :-1]).sum(axis=1)
    share = steps / max(smoothing.n - 1, 1)
    told = np.empty(rows.shape[0], dtype=np.bool_)
    countable_rows(rows, HANDFUL, max(-(-smoothing.n // 4), 3), told)
    wanted = np.ones(rows.shape[0], dtype=np.bool_) if asked is None else asked
    short = (steps < FEWEST) | (share < _LEAST_SHARE)
    reason = np.select([~wanted, total == 0, short, ~told], [1, 2, 3, 4], 0)
    found[:, 2], found[:, 3] = reason, total
    found[reason == REASONS.index("values allow no answer"), 0] = VERDICTS.index("inconclusive")
    tested = np.flatnonzero(reason == 0)
    # Scores have no unit; a power of two costs no digits, and no square overflows or vanishes.
    nearest = np.argmin(np.abs(np.array(_SHARES)[:, None] - share[tested][None]), axis=0)
    for place in np.unique(nearest):
        these = tested[nearest == place]
        found[these] = _held(_tables(smoothing, _SHARES[place], count, seed), rows[these], found[these], alpha)
    return found


def _tables(smoothing: Smoothing, share: float, count: int, seed: int) -> Tabulated:
    with _DRAWING:
        key = (smoothing, share, count, seed)
        found = TABLES.get(key, lambda: Tabulated(smoothing, share, count, seed))
        found.tables  # noqa: B018  # drawn once, before others may look
        return found


def _held(table: Tabulated, rows: FloatArray, found: FloatArray, alpha: float) -> FloatArray:
    """Fields of rows held against the table."""
    k = len(TESTS)
    largest = np.nanmax(np.abs(rows), axis=1)
    unit = np.where((largest > 1e100) | (largest < 1e-100), np.frexp(largest)[1], 0)
    have = scored(table.smoothing, table.shapes, np.ldexp(rows, -unit[:, None]))
    p = table.adjusted(have)
    warns = p[:, _WARNS]
    own = np.where(np.isnan(warns), 1.0, warns).min(axis=1)
    node, share = table.between(have.memory)
    with _DRAWING:
        powers = table.power(alpha)
    seen = ((1.0 - share)[:, None] * powers[node] + share[:, None] * powers[node + 1]).min(axis=1)
    warned, moved = own <= alpha, (p <= alpha).any(axis=1)
    quiet = np.where(seen >= SUFFICIENT_POWER, VERDICTS.index("no warning"), VERDICTS.index("inconclusive"))
    still = np.where(moved, KINDS.index("variance only"), KINDS.index("none"))
    out = found.copy()
    out[:, 0] = np.where(warned, VERDICTS.index("warning"), quiet)
    out[:, 1] = np.where(warned, KINDS.index("slowing down"), still)
    out[:, 4], out[:, 5], out[:, 6] = own, have.drift, seen
    out[:, 7 : 7 + k], out[:, 7 + k :] = have.values, p
    return out
