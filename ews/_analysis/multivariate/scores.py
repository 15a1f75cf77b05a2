"""The default answer of several variables: scores of drift along their modes, and what these could have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ews._analysis.detect.reasons import reasons_of
from ews._analysis.multivariate import controls
from ews._analysis.multivariate.modes import Modes, modes_of, projected, radial
from ews._analysis.multivariate.record import Record
from ews._analysis.multivariate.result import MultivariateDetection
from ews._analysis.multivariate.scoring import LIMIT, TESTED, MultivariateScoring
from ews._analysis.score_tests.paths import Path, memory_path, modulus_path, path, spread_path
from ews._analysis.score_tests.result import ScoreTest, ScoreTests, ScoreTestsConfig
from ews._analysis.score_tests.shapes import SHAPES
from ews._analysis.score_tests.statistics import STATISTICS
from ews._analysis.score_tests.tested import fields_of, half_width, tests_of
from ews._analysis.score_tests.testing import FEWEST
from ews._common.words import cautions
from ews._significance.needed import observations_needed
from ews._significance.pipeline import Stages, in_chunks
from ews._significance.surrogates import hold_against, untested
from ews._significance.verdict import verdict_of
from ews.errors import SeriesTooShortError, described
from ews.multivariate import nulls as joint_nulls
from ews.results import Kind, SurrogateBand

__all__ = ["answer"]

FloatArray = npt.NDArray[np.float64]

# Surrogates behind the p-values and bands of the indicators, which are context and not the test.
CONTEXT = 199
ALTERNATING, DAMPING, SLOW = "memory towards −1", "damping", "memory towards +1"


def answer(record: Record) -> MultivariateDetection:
    """Warn where memory or damping of a mode drifts towards instability, at the family-wise level."""
    config, pipeline = record.config, record.pipeline
    if pipeline.n < FEWEST:
        raise SeriesTooShortError("data", described(f"{pipeline.n} observations"), f"at least {FEWEST} for score tests")
    count, context = config.n_surrogates, min(CONTEXT, config.n_surrogates)
    scoring = MultivariateScoring(pipeline)
    residual = scoring.residual(record.values[None])
    scored = _Scored.of(scoring, residual)
    table = np.empty((len(TESTED), 0))
    tested, bands = untested(pipeline, record.tau, config.seed), dict[str, SurrogateBand]()
    seen = controls.Seen({}, {})
    if count:
        null = _null(scoring, scoring.bounded(residual)[0], config.null, config.seed)
        stages = Stages(record.progress, count + context + controls.most_controls(count))
        drawn = in_chunks(
            lambda first, rows: scoring.statistics(null.draw(first, rows, seed=config.seed)),
            count,
            n=pipeline.chunk_length,
            progress=stages.next(),
        )
        table = np.concatenate(drawn, axis=1)
        tested, bands = hold_against(
            pipeline, record.tau, null, n_surrogates=context, seed=config.seed, progress=stages.next()
        )
        fitted = null if isinstance(null, joint_nulls.VAR1) else joint_nulls.VAR1.fit(scoring.bounded(residual)[0])
        seen = controls.seen(scoring, table, fitted, alpha=config.alpha, seed=config.seed, progress=stages.next())
    tests = scored.tests(table, config.alpha)
    shown = _alternates(tests, config.alpha)
    scores = scored.result(record, tests, tested.null_sentence, alternating=shown)
    warned = [name for name in scores.kinds if scores[name].warns]
    least = min(seen.share.values()) if seen.share else None
    verdict = verdict_of(bool(warned), least, record.obstacles)
    needed = observations_needed(seen.needed, pipeline.n) if verdict == "inconclusive" and count else None
    shares = [one.weight for one in TESTED]
    return MultivariateDetection(
        **record.fields,
        **record.split(residual[0]),
        verdict=verdict,
        reasons=(
            *dict.fromkeys(said for one in record.variables.values() for said in cautions(one.notes)),
            *record.obstacles,
            *reasons_of(scores, warned, 1.0, {}, seen.share, verdict, needed, None, shares),
            *record.hints,
        ),
        kind=_kind(warned, scores),
        bifurcation=scored.bifurcation(warned),
        scores=scores,
        direction=dict(zip(record.variables, map(float, scored.direction(shown)), strict=True)),
        tau=tested.tau,
        pvalue=tested.pvalue,
        pvalue_adjusted=tested.pvalue_adjusted,
        surrogate_tau=tested.surrogate_tau,
        surrogate_band=bands,
        power=least,
        powers=seen.share,
        needed=needed,
        power_sentence="; ".join(f"{kind}: {controls.SENTENCES[kind]}" for kind in seen.share),
        null_sentence=tested.null_sentence,
    )


@dataclass(frozen=True, eq=False)
class _Scored:
    """One record, scored: its standard residual, its modes and its statistics."""

    scoring: MultivariateScoring
    x: FloatArray  # (1, variables, n)
    modes: Modes
    observed: FloatArray  # (4,)
    memory: FloatArray  # (2, shapes): scores of memory of the slow and the alternating mode

    @classmethod
    def of(cls, scoring: MultivariateScoring, residual: FloatArray) -> _Scored:
        """Score a residual, (1, variables, n)."""
        x = scoring.standard(residual)
        modes = modes_of(x)
        observed, memory = scoring.scores(x, modes)
        return cls(scoring, x, modes, observed[:, 0], memory[:, 0])

    def direction(self, alternating: bool) -> FloatArray:
        """Weights of the variables, in standard deviations, in the mode shown; the largest is positive."""
        found = (self.modes.fast if alternating else self.modes.slow)[0]
        return np.asarray(found if found[np.argmax(np.abs(found))] > 0.0 else -found)

    def bifurcation(self, warned: Sequence[str]) -> str | None:
        """What the significant drifts lead to, where they say so: towards +1 several bifurcations lie."""
        if DAMPING in warned:
            slow = projected(self.modes.slow, self.x)[0]
            memory = float(slow[1:] @ slow[:-1] / (slow[:-1] @ slow[:-1]))
            # As the oscillation outgrows all else, the direction of longest memory follows it.
            if SLOW not in warned or abs(self.modes.value[0]) >= memory:
                return "hopf"
        return "flip" if warned and warned[0] == ALTERNATING else None

    def paths(self, alpha: float) -> tuple[Path, ...]:
        """What drifted, by statistic, of the shape that fits best where several are tested."""
        shapes, quantile = self.scoring.shapes, half_width(alpha)
        best = int(np.argmax(self.memory[0])) if np.isfinite(self.memory[0]).all() else 0
        slow, fast = (projected(one, self.x)[0] for one in (self.modes.slow, self.modes.fast))
        towards = partial(memory_path, quantile=quantile)
        return (
            towards(slow, shapes[best], shape=SHAPES[best]),
            towards(fast, shapes[0], shape=SHAPES[0]),
            self._modulus(slow, shapes[0], quantile),
            # Root mean square of the variables, each in its standard deviations.
            spread_path(np.sqrt(np.mean(self.x[0] ** 2, axis=0)), shapes[0], shape=SHAPES[0], quantile=quantile),
        )

    def _modulus(self, slow: FloatArray, w: FloatArray, quantile: float) -> Path:
        """Squared modulus of the pair; where nothing oscillates, of the slow mode's second-order autoregression."""
        if self.modes.value[0] == 0.0:
            return modulus_path(slow, w, shape=SHAPES[0], quantile=quantile)
        before, after = (one[0] for one in radial(self.modes, self.x))

        def equations(block: slice) -> tuple[FloatArray, FloatArray]:
            return np.stack([before[block], w[1:][block] * before[block]]), after[block]

        one = path(equations, before.size, w, np.eye(2), SHAPES[0], quantile)
        value, lower, upper = (np.sign(side) * side**2 for side in (one.value, one.lower, one.upper))
        middle = abs(float(one.value[0] + one.value[-1]))  # d(r²) = 2 r dr
        return Path(one.shape, value, lower, upper, float(value[-1] - value[0]), middle * one.drift_error)

    def tests(self, table: FloatArray, alpha: float) -> tuple[ScoreTest, ...]:
        """The four tests against surrogates, (4, n_surrogates)."""
        return tests_of(STATISTICS, TESTED, self.observed, table, self.paths(alpha), alpha)

    def result(
        self, record: Record, tests: tuple[ScoreTest, ...], null_sentence: str, *, alternating: bool
    ) -> ScoreTests:
        """The tests with the record along the mode shown, and the paths of what drifts."""
        config = record.config
        slow, fast, modulus, spread = self.paths(config.alpha)
        first = next(iter(record.variables.values()))
        values, residual = record.values, self.scoring.residual(record.values[None])[0]
        weights = self.direction(alternating) / _unit(self.scoring, residual)
        series = replace(
            first,
            values=weights @ values,
            name=f"{'alternating' if alternating else 'slowest'} mode of {len(record.variables)} variables",
            notes=(),
        )
        along = weights @ residual
        drifting = fields_of(memory=fast if alternating else slow, modulus=modulus, spread=spread)
        shared = {one.name for one in fields(ScoreTestsConfig)} - {"limit"}
        return ScoreTests(
            series=series,
            trend=series.values - along,
            residual=along,
            tests=tests,
            **drifting,
            detrend_sentence=record.pipeline.plan.sentence,
            null_sentence=null_sentence,
            config=ScoreTestsConfig(limit=LIMIT, **{name: getattr(config, name) for name in shared}),
        )


def _unit(scoring: MultivariateScoring, residual: FloatArray) -> FloatArray:
    """Standard deviation of each variable, outliers pulled in: what the modes' weights go by."""
    size = scoring.bounded(residual[None])[0].std(axis=1)
    return np.where(size > 0.0, size, 1.0)


def _null(scoring: MultivariateScoring, residual: FloatArray, null: str, seed: int) -> joint_nulls.MultivariateNull:
    """The null of a residual with outliers pulled in; of a VAR(1), the one whose own residuals have its map."""
    fitted = joint_nulls.fit(residual, null=null)
    if isinstance(fitted, joint_nulls.VAR1):
        return fitted.calibrated(scoring.left, seed=seed)
    return fitted


def _alternates(tests: Sequence[ScoreTest], alpha: float) -> bool:
    """Whether what alternates is what drifted: then that mode is shown, else the slowest."""
    slow, alternating = (next(one for one in tests if one.name == name) for name in (SLOW, ALTERNATING))
    return bool(alternating.adjusted <= alpha and not slow.adjusted <= alternating.adjusted)


def _kind(warned: Sequence[str], scores: ScoreTests) -> Kind:
    if warned:
        return "slowing down"
    return "variance only" if scores.kinds else "none"
