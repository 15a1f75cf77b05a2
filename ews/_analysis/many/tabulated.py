"""The tabulated null: surrogates of red noise of several memories, drawn once for all series of one length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.many.codes import FIELDS, KINDS, REASONS, TESTS, VERDICTS
from ews._analysis.many.pool import Pool
from ews._analysis.many.smoothing import Smoothing, scored
from ews._analysis.many.table import STEPS_SEEN, WARNS, Tabulated, table_of
from ews._common.alarms import SUFFICIENT_POWER
from ews._common.values import HANDFUL

__all__ = ["reasons", "tabulated"]

FloatArray = npt.NDArray[np.float64]

FEWEST = 20  # observations, and steps between two of them
_LEAST_SHARE = 0.15


def tabulated(
    rows: FloatArray,
    smoothing: Smoothing,
    *,
    alpha: float,
    count: int,
    seed: int,
    asked: Any = None,
    pool: Pool | None = None,
) -> FloatArray:
    """Test rows of one length, (rows, n), at even times; NaN where nothing was observed: (rows, fields)."""
    found = np.full((rows.shape[0], len(FIELDS)), np.nan)
    found[:, :2] = -1.0
    rows = np.where(np.isfinite(rows), rows, np.nan)
    reason, total, share = reasons(rows, asked)
    found[:, 2], found[:, 3] = reason, total
    found[reason == REASONS.index("values allow no answer"), 0] = VERDICTS.index("inconclusive")
    tested = np.flatnonzero(reason == 0)
    if pool is not None:
        found[tested] = _held(pool, rows[tested], found[tested], alpha)
        return found
    nearest = np.argmin(np.abs(np.array(STEPS_SEEN)[:, None] - share[tested][None]), axis=0)
    for place in np.unique(nearest):
        these = tested[nearest == place]
        found[these] = _held(table_of(smoothing, STEPS_SEEN[place], count, seed), rows[these], found[these], alpha)
    return found


def reasons(rows: FloatArray, asked: Any = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Of rows without infinities: why each cannot be tested (0: it can), its observations, and its share of steps."""
    from ews._kernels.gaps import countable_rows

    n = rows.shape[1]
    seen = np.isfinite(rows)
    total, steps = seen.sum(axis=1), (seen[:, 1:] & seen[:, :-1]).sum(axis=1)
    share = steps / max(n - 1, 1)
    told = np.empty(rows.shape[0], dtype=np.bool_)
    countable_rows(rows, HANDFUL, max(-(-n // 4), 3), told)
    wanted = np.ones(rows.shape[0], dtype=np.bool_) if asked is None else asked
    short = (steps < FEWEST) | (share < _LEAST_SHARE)
    return np.select([~wanted, total == 0, short, ~told], [1, 2, 3, 4], 0), total, share


def _held(table: Tabulated | Pool, rows: FloatArray, found: FloatArray, alpha: float) -> FloatArray:
    """Fields of rows held against the table."""
    k = len(TESTS)
    if not len(rows):
        return found
    largest = np.nanmax(np.abs(rows), axis=1)
    # Scores have no unit; a power of two costs no digits, and no square overflows or vanishes.
    unit = np.where((largest > 1e100) | (largest < 1e-100), np.frexp(largest)[1], 0)
    have = scored(table.smoothing, table.shapes, np.ldexp(rows, -unit[:, None]))
    p = table.adjusted(have.values, have.memory, have.likeness)
    warns = p[:, WARNS]
    own = np.where(np.isnan(warns), 1.0, warns).min(axis=1)
    seen = table.seen(have.memory, alpha)
    warned, moved = own <= alpha, (p <= alpha).any(axis=1)
    quiet = np.where(seen >= SUFFICIENT_POWER, VERDICTS.index("no warning"), VERDICTS.index("inconclusive"))
    still = np.where(moved, KINDS.index("variance only"), KINDS.index("none"))
    out = found.copy()
    out[:, 0] = np.where(warned, VERDICTS.index("warning"), quiet)
    out[:, 1] = np.where(warned, KINDS.index("slowing down"), still)
    out[:, 4], out[:, 5], out[:, 6] = own, have.drift, seen
    out[:, 7 : 7 + k], out[:, 7 + k :] = have.values, p
    return out
