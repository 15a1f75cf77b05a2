"""The pipeline that the series and every surrogate go through: detrend, window, trend.

Surrogates are drawn and measured in chunks small enough for the processor's cache; each chunk runs through compiled
kernels that release the GIL, on as many threads as there are processors (or EWS_NUM_THREADS). A surrogate depends on
its number and the seed only, so the result does not depend on the threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ews import trends
from ews._common.progress import Progress, ProgressOption
from ews._common.threads import thread_count
from ews.indicators.fused import fused

if TYPE_CHECKING:
    from ews.detrend import DetrendPlan
    from ews.indicators.registry import Indicator

__all__ = ["Pipeline", "Progress", "Stages", "TrendPipeline", "in_chunks"]

FloatArray = npt.NDArray[np.float64]
Measured = TypeVar("Measured")

# 32 rows of 1,000 samples fill 256 KiB: a chunk and its indicators stay in the second-level cache, and what Python does
# around them (some 80 µs a chunk, holding the GIL) is small beside the kernels' time.
CHUNK_SAMPLES = 32_768
# Rows longer than this are measured one at a time: what one needs on its way is then most of the memory.
ALONE_SAMPLES = 65_536


class TrendPipeline(ABC):
    """What the pipelines of one series and of several share: from residuals to trends, surrogates like the data."""

    if TYPE_CHECKING:
        indicators: Sequence[Any]
        window: int
        trend: trends.TrendMethod
        step: float

    @property
    @abstractmethod
    def n(self) -> int:
        """Length of the record."""

    @property
    def chunk_length(self) -> int:
        """Numbers that one row takes while it is measured, for cutting surrogates into chunks."""
        return self.n

    @abstractmethod
    def measure_surrogates(self, surrogates: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Residuals and indicators of surrogates of the residual."""

    def tau(self, measured: Sequence[FloatArray]) -> FloatArray:
        """Trend statistics, of shape (indicators, rows)."""
        taus = np.stack([trends.rows(values[:, self.window - 1 :], method=self.trend) for values in measured])
        return taus / self.step if self.trend == "theil_sen" else taus  # a slope per unit of time, not per sample

    def surrogate_tau(self, surrogates: FloatArray) -> FloatArray:
        """Trend statistics of surrogates of the residual, through detrending and windows again."""
        return self.tau(self.measure_surrogates(surrogates)[1])


@dataclass(frozen=True, eq=False)
class Pipeline(TrendPipeline):
    """Detrending, windows and trend, resolved for series of one length."""

    plan: DetrendPlan
    indicators: Sequence[Indicator]  # what is measured
    window: int  # window length in samples
    trend: trends.TrendMethod
    step: float
    # (n,): the trend of the observed series: put back under a surrogate for indicators that divide by the level.
    level: FloatArray

    @property
    def n(self) -> int:
        """Length of the record."""
        return self.level.size

    @property
    def drawn(self) -> int:
        """Length of a surrogate: that of the residual."""
        return self.level.size - (self.plan.method == "difference")

    def residual(self, rows: FloatArray) -> FloatArray:
        """Detrend surrogates of the residual again.

        Differences have nothing fitted to the series in them, and differencing a surrogate of differences would test a
        second difference: there the surrogate is the residual.
        """
        if self.plan.method == "difference":
            return np.concatenate([np.full((rows.shape[0], 1), np.nan), rows], axis=1)
        if self.plan.method is None and self.plan.season is None:
            return rows
        trend = self.plan.rows(rows)  # made for these rows: its memory is free
        return np.subtract(rows, trend, out=trend if trend.flags.c_contiguous else None)

    def measure(self, residual: FloatArray, raw: FloatArray) -> list[FloatArray]:
        """Indicators of rows, each of shape (rows, n)."""
        return fused(residual, window=self.window, indicators=self.indicators, raw=raw, step=self.step)

    def measure_surrogates(self, surrogates: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Residuals and indicators of surrogates of the residual."""
        residual = self.residual(surrogates)
        return residual, self.measure(residual, residual + self.level)


def in_chunks(
    task: Callable[[int, int], Measured], total: int, *, n: int, progress: ProgressOption = None
) -> list[Measured]:
    """Run ``task(first, count)`` over `total` rows of length `n`, in order, on several threads but for long rows.

    Progress is called after each chunk, on the calling thread; what the tasks return comes in the order of the rows.
    """
    rows = int(np.clip(CHUNK_SAMPLES // max(n, 1), 1, max(total, 1)))
    starts = range(0, total, rows)
    counts = [min(rows, total - first) for first in starts]
    threads = min(thread_count(), len(counts)) if n <= ALONE_SAMPLES else 1
    if threads <= 1:
        return [
            _reported(task(first, count), first + count, total, progress)
            for first, count in zip(starts, counts, strict=True)
        ]
    with ThreadPoolExecutor(threads) as pool:
        results = []
        try:
            for first, count, result in zip(starts, counts, pool.map(task, starts, counts), strict=True):
                results.append(_reported(result, first + count, total, progress))
        except BaseException:  # Ctrl-C waits for the chunks at work, not for those that wait
            pool.shutdown(cancel_futures=True)
            raise
        return results


class Stages:
    """One count of progress over several stages that each count from zero.

    Parameters
    ----------
    progress : callable or None
        Called as ``progress(done, total)`` over all stages.
    total : int
        Number of rows in all stages together.
    """

    def __init__(self, progress: ProgressOption, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def next(self) -> Progress | None:
        """The function that the next stage reports to."""
        progress, before = self._progress, self._done
        if not callable(progress):
            return None

        def report(done: int, _: int) -> None:
            self._done = before + done
            progress(self._done, self._total)

        return report


def _reported(result: Measured, done: int, total: int, progress: ProgressOption) -> Measured:
    if callable(progress):
        progress(done, total)
    return result
