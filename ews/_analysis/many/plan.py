"""How each of many series is tested, one after another or a block at a time; it travels to where the data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.detect.run import detect
from ews._analysis.many.codes import FIELDS, KINDS, REASONS, TESTS, VERDICTS
from ews._analysis.many.pool import PIXELS, Pool, pool_of
from ews._analysis.many.smoothing import Smoothing
from ews._analysis.many.tabulated import reasons, tabulated
from ews.errors import ArgumentError, SeriesTooShortError, described
from ews.results import Detection, Detections
from ews.series import as_series

__all__ = ["Plan", "Regular", "numbers_of", "regular"]

FloatArray = npt.NDArray[np.float64]

_ROWS = 1024  # rows of a block that are worked on together: what they need on their way is bounded by it
_SPARSEST = 4  # times as many steps as times, at most


@dataclass(frozen=True, eq=False)
class Regular:
    """Times as places on a grid of even steps."""

    order: npt.NDArray[np.int64]  # of the times as given
    place: npt.NDArray[np.int64]  # of each, in that order
    n: int

    def rows(self, given: FloatArray) -> FloatArray:
        """Rows as given, on the grid; NaN where there was no time."""
        if self.n == self.order.size:
            return given if (np.diff(self.order) == 1).all() else given[:, self.order]
        out = np.full((given.shape[0], self.n), np.nan)
        out[:, self.place] = given[:, self.order]
        return out


def regular(time: Any, n: int) -> Regular:
    """The grid of even steps that times lie on; refused where there is none."""
    places = np.arange(n, dtype=np.float64)
    if n < 3:
        given = described(f"{n} time(s)")
        raise SeriesTooShortError("data", given, "at least 20 steps from one time to the next")
    if time is None:
        return Regular(places.astype(np.int64), places.astype(np.int64), n)
    series = as_series(places, time=time, missing="keep", duplicates="mean", timed=True)
    if len(series) != n:
        raise ArgumentError("time", described("several observations at one time"), "each time once with null='table'")
    at = np.asarray(series.positions, dtype=np.float64)
    near = np.round(at)
    size = int(near[-1]) + 1
    if np.abs(at - near).max() > 1e-6 or size > _SPARSEST * n:
        given = described("times that do not lie on a grid of even steps")
        raise ArgumentError("time", given, "even steps, of which some may be missing, with null='table'; or null='ar1'")
    return Regular(series.values.astype(np.int64), near.astype(np.int64), size)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done with each series, (n,), of those that have the same times."""

    time: Any  # (n,), or None
    alpha: float
    n_surrogates: int
    seed: int
    smoothing: Smoothing | None  # with the tabulated null
    grid: Regular | None  # with the tabulated null
    options: Mapping[str, Any] = field(default_factory=dict)  # of ews.detect
    pooled: bool = False  # whether the null is of surrogates of many of the series together
    pool: Pool | None = None  # these, drawn

    def sample(self, data: Any, asked: Any = None, most: int = PIXELS) -> FloatArray:
        """Series along the last axis that can be tested, evenly spread over all of these: (up to `most`, n)."""
        if self.grid is None:
            raise TypeError("only what is pooled is sampled")
        given = np.asarray(data)
        rows, wanted = _flat(given, asked)
        testable = np.zeros(len(rows), dtype=np.bool_)
        for start in range(0, len(rows), _ROWS):
            these = slice(start, start + _ROWS)
            part = self.grid.rows(np.array(rows[these], dtype=np.float64, order="C"))
            part[~np.isfinite(part)] = np.nan
            testable[these] = reasons(part, None if wanted is None else wanted[these])[0] == 0
        found = np.flatnonzero(testable)
        if found.size > most:
            found = found[np.linspace(0, found.size - 1, most).round().astype(np.int64)]
        chosen = self.grid.rows(np.array(rows[found], dtype=np.float64, order="C"))
        chosen[~np.isfinite(chosen)] = np.nan
        return chosen

    def with_pool(self, samples: Sequence[FloatArray]) -> Plan:
        """The plan with the surrogates of these series, where it is for a pooled null."""
        if self.smoothing is None:
            raise TypeError("only what is pooled has a pool")
        rows = np.concatenate(samples)
        pool = pool_of(rows, self.smoothing, count=self.n_surrogates, seed=self.seed, alpha=self.alpha)
        return replace(self, pool=pool)

    def block(self, data: Any, asked: Any = None) -> FloatArray:
        """Fields of series along the last axis, (…, n) → (…, fields); those that `asked`, (…), leaves out are none."""
        given = np.asarray(data)
        shape = given.shape[:-1]
        rows, wanted = _flat(given, asked)
        out = np.empty((rows.shape[0], len(FIELDS)))
        for start in range(0, rows.shape[0], _ROWS):
            these = slice(start, start + _ROWS)
            part = np.array(rows[these], dtype=np.float64, order="C")
            out[these] = self.rows(part, None if wanted is None else wanted[these])
        return out.reshape(*shape, len(FIELDS))

    def rows(self, rows: FloatArray, asked: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """Fields of rows."""
        if self.smoothing is not None and self.grid is not None:
            return tabulated(
                self.grid.rows(rows),
                self.smoothing,
                alpha=self.alpha,
                count=self.n_surrogates,
                seed=self.seed,
                asked=asked,
                pool=self.pool,
            )
        out = np.empty((rows.shape[0], len(FIELDS)))
        for i, row in enumerate(rows):
            out[i] = nothing("not asked for") if asked is not None and not asked[i] else self.one(row, self.time)
        return out

    def one(self, values: FloatArray, time: Any) -> FloatArray:
        """Fields of one series by :func:`ews.detect`."""
        seen = int(np.isfinite(values).sum())
        if not seen:
            return nothing("nothing observed")
        try:
            answer = detect(
                values, time=time, alpha=self.alpha, n_surrogates=self.n_surrogates, seed=self.seed, **self.options
            )
        except SeriesTooShortError:
            return nothing("too few observations", seen)
        except ArgumentError as error:
            if error.argument not in ("series", "x"):  # what is wrong with a choice is wrong for all
                raise
            if np.unique(values[np.isfinite(values)]).size == 1:
                found = nothing("values allow no answer", seen)
                found[0] = VERDICTS.index("inconclusive")
                return found
            return nothing("refused", seen)
        if not isinstance(answer, Detection):
            raise TypeError("one series has one detection")
        return numbers_of(answer)


def _flat(given: npt.NDArray[Any], asked: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Series as rows, and which of them are asked for."""
    rows = given.reshape(-1, given.shape[-1])
    if asked is None:
        return rows, None
    return rows, np.broadcast_to(np.asarray(asked, dtype=np.bool_), given.shape[:-1]).reshape(-1)


def nothing(reason: str, n: int = 0) -> FloatArray:
    """Fields of a series that was not tested."""
    out = np.full(len(FIELDS), np.nan)
    out[:4] = -1.0, -1.0, REASONS.index(reason), n
    return out


def numbers_of(found: Detection) -> FloatArray:
    """Fields of a detection."""
    out = nothing("values allow no answer" if found.untellable else "tested", len(found.series))
    out[0], out[1] = VERDICTS.index(found.verdict), KINDS.index(found.kind)
    out[4] = Detections({"": found}).pvalue[""]
    if found.tests:
        out[5] = found.tests[0].end - found.tests[0].start
        out[7:] = [*(one.score for one in found.tests), *(one.adjusted for one in found.tests)]
    if found.power is not None:
        out[6] = found.power
    if len(found.tests) not in (0, len(TESTS)):
        raise TypeError("a detection has all tests or none")
    return out
