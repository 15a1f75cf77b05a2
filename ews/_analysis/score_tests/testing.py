"""The score tests of one record: statistics of its residual and of surrogates, closed testing, and what drifted."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.score_tests.measurement import (
    ErrorChoice,
    fitted_with_error,
    instrumented,
    looks_like_error,
    remembers,
)
from ews._analysis.score_tests.null import fitted_null
from ews._analysis.score_tests.oscillation import (
    Mode,
    dominant_mode,
    fitted_oscillating_null,
    mode_damping,
    mode_moduli,
)
from ews._analysis.score_tests.paths import (
    Path,
    instrumented_path,
    memory_path,
    modulus_path,
    path_between,
    spread_path,
)
from ews._analysis.score_tests.paths_at import instrumented_path_at, memory_path_at, modulus_path_at
from ews._analysis.score_tests.result import ScoreTests, ScoreTestsConfig
from ews._analysis.score_tests.sampling import NO_DIFFERENCES, RecordedNull, Sampling
from ews._analysis.score_tests.scores_at import FEWEST_TRIPLES
from ews._analysis.score_tests.shapes import SHAPES, weights
from ews._analysis.score_tests.shares import shares_of
from ews._analysis.score_tests.statistics import FAR, STATISTICS, bounded, largest, robust_residual, score
from ews._analysis.score_tests.table import rounded, surrogate_table
from ews._analysis.score_tests.tested import fields_of, half_width, tests_of
from ews._common.alarms import Statistic
from ews._common.progress import ProgressOption
from ews._significance.pipeline import Pipeline
from ews._significance.windows import SurrogateTest
from ews.detrend.local_polynomial import DEGREES
from ews.errors import ArgumentError, described
from ews.series import Series

__all__ = ["FEWEST", "Held", "Scoring", "hold"]

FloatArray = npt.NDArray[np.float64]

# The regression of damping has three coefficients, and needs a few terms more.
FEWEST = 10
# Of a value: what detrending leaves where nothing is left.
ROUNDING = 8 * np.finfo(np.float64).eps
# Times as many steps as observations, at most, on the grid of controls: of sparser records the steps are longer.
_SPARSEST = 20
_DAMPING = [one.name for one in STATISTICS].index("damping")


@dataclass(frozen=True, eq=False)
class Scoring:
    """How a record and everything that it is held against is scored: detrended, outliers bounded, four statistics."""

    pipeline: Pipeline
    limit: float | None  # robust standard deviations to which outliers are pulled in
    sampling: Sampling | None = None  # how the record was observed, where that was not evenly, completely and finely
    mode: Mode | None = None  # by which the record oscillates, if it does
    likeness: float = math.nan  # lag-1 correlation of its residual, which says where its eigenvalue may go
    measurement_error: ErrorChoice | None = None  # what is allowed for; "default" until the record is known

    def __post_init__(self) -> None:
        if self.pipeline.plan.method == "difference":
            raise ArgumentError("detrend", "difference", NO_DIFFERENCES)
        if self._error_in_null and not self._pairs:
            given = described(f"{self.measurement_error!r}, of a record without enough observations a step apart")
            least = f"None where fewer than {FEWEST_TRIPLES} observations follow two others a step apart"
            raise ArgumentError("measurement_error", given, least)

    @property
    def _error_in_null(self) -> bool:
        """Whether surrogates have measurement error: what drifts in its size has a mean size too."""
        return self.measurement_error in ("constant", "drifting")

    @property
    def _pairs(self) -> bool:
        """Whether enough observations follow others a step apart."""
        return self.sampling is None or self.sampling.damping_tested

    @property
    def reach(self) -> float:
        """The limit, infinite where there is none."""
        return math.inf if self.limit is None else self.limit

    @property
    def alike(self) -> Hashable | None:
        """Equal for all that score rows in the same way: with the default smoother, at even times; else None."""
        plan = self.pipeline.plan
        if (
            self.sampling is not None
            or plan.method not in DEGREES
            or plan.season is not None
            or (self.mode is not None and self.mode.resolved)
        ):
            return None
        width = repr(plan.bandwidth)  # 1 is a sample, 1.0 the whole record
        return plan.method, plan.n, width, plan.causal, self.limit, self.measurement_error

    @cached_property
    def shapes(self) -> FloatArray:
        """The shapes of a drift, of shape (3, n)."""
        return weights(self.pipeline.n) if self.sampling is None else self.sampling.shapes

    @property
    def tested(self) -> list[Statistic]:
        """How each statistic is tested: with most of the level where the record's memory points to."""
        shares = shares_of(self.likeness, oscillating=self.mode is not None)
        return [one.tested(float(share)) for one, share in zip(STATISTICS, shares, strict=True)]

    def of(self, residual: FloatArray) -> Scoring:
        """The same for a record with this residual, (1, n): how it oscillates, if it does, and what it remembers."""
        likeness = float(self.likeness_of(residual)[0])
        if self.sampling is not None:
            sampling = self.sampling.oscillating(residual, self.reach)
            mode = None if sampling.modes is None else sampling.modes.mode
            return replace(self, sampling=sampling, mode=mode, likeness=likeness)
        return replace(self, mode=dominant_mode(bounded(residual, self.reach)[0]), likeness=likeness)

    def likeness_of(self, residual: FloatArray) -> FloatArray:
        """Lag-1 correlations of residuals, (rows,), over neighbours a step apart, or all where none are."""
        from ews._kernels.gaps import likeness_rows

        likeness = np.empty(len(residual))
        likeness_rows(np.require(self.consecutive(residual, np.nan), np.float64, "C"), likeness)
        if np.isnan(likeness).all():  # no two are a step apart
            likeness_rows(np.require(residual, np.float64, "C"), likeness)
        return likeness

    def looks_like_error(self, residual: FloatArray) -> bool:
        """Whether a residual, (1, n), looks like measurement error on red noise; what oscillates does not tell."""
        return self.mode is None and looks_like_error(self._neighbours(residual))

    def allowing(self, likely: bool, residual: FloatArray, *, null: nulls.NullName) -> Scoring:
        """The same with the measurement error that is allowed for: of red noise, where nothing was asked for."""
        if self.measurement_error != "default":
            return self
        seen = likely and null == "ar1" and self._pairs and remembers(self._neighbours(residual))
        return replace(self, measurement_error="constant" if seen else None)

    def _neighbours(self, residual: FloatArray) -> FloatArray:
        """A residual, outliers pulled in, with a blank where neighbours are not a step apart."""
        return np.asarray(self.consecutive(bounded(residual, self.reach, far=FAR), np.nan)[0])

    def residual(self, rows: FloatArray) -> FloatArray:
        """What detrending leaves of rows, without far outliers pulling it along.

        A causal smoother is left as it is: what is far out is judged by the spread of the whole record.
        """
        if self.limit is None or self.pipeline.plan.causal:
            return self.pipeline.residual(rows)
        return robust_residual(rows, self.pipeline.residual)

    def residual_of(self, values: FloatArray) -> FloatArray:
        """The residual of the record, (1, n): zero where detrending leaves rounding."""

        def cleared(rows: FloatArray) -> FloatArray:
            residual = self.pipeline.residual(rows)
            return np.where(np.abs(residual) <= ROUNDING * np.abs(rows), 0.0, residual)

        rows = values[None]
        if self.limit is None or self.pipeline.plan.causal:
            return cleared(rows)
        residual = robust_residual(rows, cleared)
        return np.where(np.abs(residual) <= ROUNDING * np.abs(rows), 0.0, residual)

    def score(self, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The four statistics of residuals, (4, rows), and the scores of memory, damping and variance behind them."""
        if self.sampling is not None:
            values, scores = self.sampling.score(residual, self.reach)
        else:
            values, scores = score(residual, self.shapes, self.reach)
        if self.measurement_error == "drifting":
            x = self.consecutive(bounded(residual, self.reach, far=FAR), np.nan)
            instrumented(x, self.consecutive(self.shapes, 0.0), scores)
            return largest(scores), scores
        if self.sampling is None and self.mode is not None and self.mode.resolved:
            values[_DAMPING] = mode_damping(bounded(residual, self.reach), scores[:, 0, 0], self.mode)
        return values, scores

    def consecutive(self, rows: FloatArray, blank: float) -> FloatArray:
        """Rows with a blank put where observations that follow one another are not a step apart."""
        if self.sampling is None or not self.sampling.kept:
            return rows
        return self.sampling.scorer.apart(rows, blank)

    def statistics(self, rows: FloatArray) -> FloatArray:
        """The four statistics of rows, (4, rows), detrended first."""
        return self.score(self.residual(rows))[0]

    @property
    def drawn(self) -> int:
        """How long a row is that :meth:`observed` takes: the grid on which the record was observed."""
        if self.sampling is None:
            return self.pipeline.n
        positions = self.sampling.observations.positions
        return min(round(float(positions[-1])) + 1, _SPARSEST * positions.size)

    def observed(self, rows: FloatArray, first: int, seed: int) -> FloatArray:
        """Rows of a process at even times, (rows, drawn), as the record would have seen them; numbered from `first`."""
        if self.sampling is None:
            return rows
        positions = self.sampling.observations.positions
        at = np.round(positions * ((self.drawn - 1) / max(float(positions[-1]), 1.0))).astype(np.intp)
        return self.sampling.as_recorded(np.ascontiguousarray(rows[:, at]), first=first, seed=seed)

    def null(self, residual: FloatArray, *, null: nulls.NullName, seed: int) -> nulls.Null | RecordedNull:
        """The null whose residuals have the memory of this one, of shape (1, n); red noise only of what is not more."""
        if self.sampling is not None:
            return self.sampling.null(null=null, limit=self.reach, seed=seed, measurement_error=self._error_in_null)
        own = bounded(residual, self.reach)
        if null == "ar1" and self.mode is not None and not self.mode.alone:
            return fitted_oscillating_null(own[0])

        def left(rows: FloatArray) -> FloatArray:
            return bounded(self.residual(rows), self.reach)

        if null == "ar1" and self._error_in_null:
            positions = np.arange(self.pipeline.n, dtype=np.float64)
            return fitted_with_error(own, positions, observed=lambda rows, _: rows, left=left, seed=seed)
        return fitted_null(own[0], left, null=null, seed=seed)


@dataclass(frozen=True, eq=False)
class Held:
    """The score tests of a record, with what further tests are held against."""

    result: ScoreTests
    scoring: Scoring  # as the record asks for
    null: nulls.Null | RecordedNull
    table: FloatArray  # (4, n_surrogates): the statistics of the surrogates
    paths: tuple[Path, ...]  # what drifted, by statistic


def hold(
    series: Series,
    scoring: Scoring,
    test: SurrogateTest,
    choices: Mapping[str, Any],
    *,
    progress: ProgressOption = None,
) -> Held:
    """Score a series and its surrogates. `choices` are the fields of the configuration that the series went through."""
    values = series.values
    residual = scoring.residual_of(values)
    scoring = scoring.of(residual)
    likely = scoring.looks_like_error(residual)
    scoring = scoring.allowing(likely, residual, null=test.null)
    observed, scores = scoring.score(residual)
    null = scoring.null(residual, null=test.null, seed=test.seed)
    table = np.empty((len(STATISTICS), 0))
    if test.n_surrogates:
        table = surrogate_table(
            scoring.statistics, scoring.alike, null, test.n_surrogates, n=len(series), seed=test.seed, progress=progress
        )
    paths = _paths(residual[0], scoring, scores[0], test.alpha)
    best = [SHAPES[max(one.shapes, key=(one.sign * scores[0, one.row]).__getitem__)] for one in STATISTICS]
    tests = tests_of(STATISTICS, scoring.tested, observed[:, 0], table, paths, test.alpha, shapes=best)
    memory, _, modulus, spread = paths
    result = ScoreTests(
        series=series,
        trend=values - residual[0],
        residual=residual[0],
        tests=tests,
        **fields_of(memory=memory, modulus=modulus, spread=spread),
        detrend_sentence=scoring.pipeline.plan.sentence,
        null_sentence=_said(null, scoring),
        error_likely=likely,
        config=ScoreTestsConfig(
            **choices,
            **test.choices,
            limit=scoring.limit,
            null=test.null,
            measurement_error=scoring.measurement_error,
        ),
    )
    return Held(result, scoring, null, table, paths)


def _said(null: nulls.Null | RecordedNull, scoring: Scoring) -> str:
    """The null, and with which coefficient its surrogates are drawn where those of the nearest on a grid are shared."""
    if scoring.alike is None or not isinstance(null, nulls.AR1):
        return null.sentence
    return f"{null.sentence}, surrogates with the nearest of a grid of coefficients, {rounded(null.coefficient):.3f}"


def _paths(residual: FloatArray, scoring: Scoring, scores: FloatArray, alpha: float) -> tuple[Path, ...]:
    """What drifted, of the shape that fits best where several are tested; by statistic."""
    x = bounded(residual[None], scoring.reach, far=FAR)[0]
    shapes, quantile = scoring.shapes, half_width(alpha)
    best = int(np.argmax(np.abs(scores[0]))) if np.isfinite(scores[0]).all() else 0
    sampling = scoring.sampling
    kept = sampling.scorer if sampling is not None and sampling.kept else None
    spread = spread_path(residual, shapes[0], shape=SHAPES[0], quantile=quantile)
    if scoring.measurement_error == "drifting":
        at = instrumented_path if kept is None else partial(instrumented_path_at, scorer=kept)
        memory = at(x, w=shapes[best], order=1, shape=SHAPES[best], quantile=quantile)
        return memory, memory, at(x, w=shapes[0], order=2, shape=SHAPES[0], quantile=quantile), spread
    if kept is None:
        memory = memory_path(x, shapes[best], shape=SHAPES[best], quantile=quantile)
    else:
        memory = memory_path_at(
            bounded(residual[None], scoring.reach)[0], kept, shapes[best], shape=SHAPES[best], quantile=quantile
        )
    if sampling is not None and sampling.modes is not None and sampling.holds_observations:
        seen = bounded(sampling.at_observations(residual[None]), scoring.reach)[0]
        modulus = sampling.modes.modulus_path(seen, x.size, shape=SHAPES[0], quantile=quantile)
    elif kept is not None:
        x = bounded(residual[None], scoring.reach)[0]
        modulus = modulus_path_at(x, kept, shapes[0], shape=SHAPES[0], quantile=quantile)
    elif sampling is None and scoring.mode is not None and scoring.mode.resolved:
        modulus = path_between(*mode_moduli(x, scoring.mode), x.size, shape=SHAPES[0])
    else:
        modulus = modulus_path(x, shapes[0], shape=SHAPES[0], quantile=quantile)
    return memory, memory, modulus, spread
