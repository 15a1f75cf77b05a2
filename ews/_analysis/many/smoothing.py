"""What is taken out of rows of one length, whatever each of them lacks, and what is left, scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ews._analysis.detect.scores import LIMIT
from ews._analysis.many.codes import TESTS
from ews._analysis.score_tests.statistics import bounded, robust_residual, score
from ews.detrend import bandwidths
from ews.detrend.kernel_smoothers import half_kernel
from ews.detrend.local_polynomial import BANDWIDTHS, DEGREES, smoother_of
from ews.errors import ArgumentError, SeriesTooShortError, described

__all__ = ["Scored", "Smoothing", "scored"]

FloatArray = npt.NDArray[np.float64]

_CUT = 4.0  # standard deviations of the kernel, as for records without gaps
_VARIANCE = TESTS.index("variance")


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
    likeness: FloatArray  # (rows,): its lag-1 correlation, each pair in units of its own size
    drift: FloatArray  # (rows,)


def scored(smoothing: Smoothing, shapes: FloatArray, rows: FloatArray) -> Scored:
    """Statistics of rows, with the score of variance in units of what the times observed give it."""
    from ews._kernels.gaps import drift_rows, likeness_rows, memory_rows

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
    memory, likeness, drift = np.empty(count), np.empty(count), np.empty(count)
    memory_rows(tame, memory)
    likeness_rows(residual, likeness)
    best = np.where(np.isfinite(scores[:, 0]).all(axis=1), np.abs(scores[:, 0]).argmax(axis=1), 0)
    drift_rows(bounded(residual, LIMIT, far=5.0), shapes, best.astype(np.int64), drift)
    return Scored(np.ascontiguousarray(values.T), memory, likeness, drift)
