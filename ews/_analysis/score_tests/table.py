"""The statistics of surrogates, which a record is held against; kept for the next of its length and memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._common.kept import Kept
from ews._common.progress import ProgressOption
from ews._significance.pipeline import in_chunks

__all__ = ["TABLES", "rounded", "surrogate_table", "table_key"]

FloatArray = npt.NDArray[np.float64]

# Steps of the coefficient on Fisher's scale: a chance error of as much is had in 1600 samples. The null of the scores
# hardly depends on it: half a step moves a p of a single score by less than 0.01 (benchmarks.evidence.kept_tables).
_GRID = 0.025
TABLES: Kept[FloatArray] = Kept(128)  # one of 1,000 surrogates takes 32 kB


def rounded(coefficient: float) -> float:
    """The coefficient of red noise whose surrogates stand for those of this one."""
    return math.tanh(_GRID * round(math.atanh(coefficient) / _GRID))


def table_key(alike: Hashable | None, null: nulls.Null, count: int, seed: int) -> Hashable | None:
    """Equal where :func:`surrogate_table` is; None where it is drawn for one record only."""
    if alike is None or not isinstance(null, nulls.AR1):
        return None
    return alike, null.n, rounded(null.coefficient), count, seed


def surrogate_table(
    statistics: Callable[[FloatArray], FloatArray],
    alike: Hashable | None,
    null: nulls.Null,
    count: int,
    *,
    n: int,
    seed: int,
    progress: ProgressOption = None,
) -> FloatArray:
    """Statistics of surrogates, of shape (statistics, count); not to be written to.

    Parameters
    ----------
    statistics : callable
        From rows of surrogates to their statistics, of shape (statistics, rows), which no factor changes.
    alike : hashable or None
        Equal for all that measure alike, None where that is not known. Where it is, surrogates of red noise are drawn
        with the coefficient rounded, so that most records of one length find them drawn already; whether they do
        changes nothing.
    null : Null
        What surrogates are drawn from.
    count : int
        How many.
    n : int
        Length of a surrogate.
    seed : int
        Seed of the surrogates.
    progress : callable or None
        Called as ``progress(done, total)``.
    """
    key = table_key(alike, null, count, seed)
    if key is not None and isinstance(null, nulls.AR1):
        null = replace(null, coefficient=rounded(null.coefficient), innovation_sd=1.0)

    def measured(first: int, rows: int) -> FloatArray:
        return statistics(null.draw(first, rows, seed=seed))

    def draw() -> FloatArray:
        table = np.concatenate(in_chunks(measured, count, n=n, progress=progress), axis=1)
        table.flags.writeable = False
        return table

    table = TABLES.get(key, draw)
    if callable(progress):  # where nothing was drawn
        progress(count, count)
    return table
