"""The default answer of maps: scores of drift pooled over spatial modes, and what these could have seen."""

from __future__ import annotations

from functools import partial

import numpy as np

from ews._analysis.detect.reasons import reasons_of
from ews._analysis.score_tests.paths import Path, memory_path, modulus_path, spread_path
from ews._analysis.score_tests.result import ScoreTests, ScoreTestsConfig
from ews._analysis.score_tests.shapes import SHAPES
from ews._analysis.score_tests.statistics import STATISTICS
from ews._analysis.score_tests.tested import fields_of, half_width, tests_of
from ews._analysis.spatial import kendall, null
from ews._analysis.spatial.modes import modes_of
from ews._analysis.spatial.record import Record
from ews._analysis.spatial.result import SpatialDetection
from ews._analysis.spatial.scoring import LIMIT, TESTED, SpatialScoring
from ews._common.alarms import ClosedTest
from ews._common.progress import ProgressOption
from ews._common.words import cautions
from ews._significance.needed import observations_needed, times_needed
from ews._significance.pipeline import Stages, in_chunks
from ews._significance.verdict import verdict_of
from ews.detrend import plan
from ews.results import Kind
from ews.series import Series
from ews.spatial import linear_field
from ews.spatial.grids import FloatArray

__all__ = ["answer"]

# Surrogates behind the p-values of the indicators, which are context and not the test.
CONTEXT = 199
CONTROLS = 100
BIFURCATIONS = {"memory towards −1": "flip", "damping": "hopf"}


def answer(record: Record) -> SpatialDetection:
    """Warn where memory or damping of the modes drifts towards instability, at the family-wise level."""
    config, n = record.config, len(record.grids)
    modes = modes_of(record.measured_on)
    scoring = SpatialScoring(plan("local_linear", n=n, bandwidth=None, causal=False, season=None))
    residual = scoring.residual(modes.amplitude[None])
    if not (residual != 0.0).any():  # maps that do not change: there is no drift to ask for
        return kendall.answer(record)
    observed, memory = scoring.scores(modes.amplitude[None])
    count, context = config.n_surrogates, min(CONTEXT, config.n_surrogates)
    stages = Stages(record.progress, count + (CONTROLS if count else 0))
    table, sentence = np.empty((len(STATISTICS), 0)), "no surrogates drawn"
    share: dict[str, float] = {}
    needed: int | None = None
    if count:
        draw, sentence = null.fit(modes, scoring, record.null, seed=config.seed)
        drawn = in_chunks(
            lambda first, rows: scoring.statistics(draw(first, rows)),
            count,
            n=modes.amplitude.size,
            progress=stages.next(),
        )
        table = np.concatenate(drawn, axis=1)
        share["fold"], times = _power(record, scoring, table, stages.next())
        needed = observations_needed({"fold": n * times}, n)
    scores = _result(record, scoring, residual[0], observed[:, 0], memory[0], table, sentence)
    warned = [name for name in scores.kinds if scores[name].warns]
    power = min(share.values(), default=None)
    verdict = verdict_of(bool(warned), power)
    kind: Kind = "slowing down" if warned else "variance only" if scores.kinds else "none"
    names = config.indicators
    defined, tau = record.trends(kendall.trend_of)
    trends = np.full((len(names), context), np.nan)
    if context and defined.any():
        trends[defined] = kendall.surrogate_trends(
            record.table[defined], record.trend, record.null, context, config.seed, record.grids.step
        )
    single, adjusted = kendall.pvalues(tau, trends)
    shares = [one.weight for one in TESTED]
    return SpatialDetection(
        **record.fields,
        verdict=verdict,
        reasons=(
            *cautions(record.grids.notes),
            *reasons_of(scores, warned, 1.0, {}, share, verdict, needed, None, shares),
        ),
        kind=kind,
        bifurcation=BIFURCATIONS.get(warned[0]) if warned else None,
        scores=scores,
        tau=kendall.by_name(names, tau),
        pvalue=kendall.by_name(names, single),
        pvalue_adjusted=kendall.by_name(names, adjusted),
        surrogate_tau=dict(zip(names, trends, strict=True)),
        power=power,
        powers=share,
        needed=needed if verdict == "inconclusive" else None,
        power_sentence=kendall.POWER_SENTENCE,
        null_sentence=sentence,
    )


def _power(record: Record, scoring: SpatialScoring, table: FloatArray, progress: ProgressOption) -> tuple[float, float]:
    """Share of positive controls that warn against the surrogates of the record, and how much longer would do."""
    values, n = record.measured_on, len(record.measured_on)
    recovery, diffusion = linear_field.estimate(values)
    falling = np.maximum(recovery * np.sqrt(1.0 - (np.arange(n) + 1.0) / (n + 1.0)), 1e-3)
    shape = (min(values.shape[1], kendall.CONTROL_SIDE), min(values.shape[2], kendall.CONTROL_SIDE))

    def measure(first: int, count: int) -> FloatArray:
        drawn = []
        for control in range(first, first + count):
            generator = np.random.default_rng(np.random.SeedSequence([record.config.seed, 4, control]))
            drawn.append(modes_of(linear_field.simulate(falling, diffusion, shape, generator)).amplitude)
        return scoring.statistics(np.stack(drawn))

    parts = in_chunks(measure, CONTROLS, n=n * shape[0] * shape[1], progress=progress)
    scored = np.concatenate(parts, axis=1)
    warns = [i for i, one in enumerate(STATISTICS) if one.warns]
    share = float(ClosedTest(table, TESTED, record.config.alpha).claims(scored)[warns].any(axis=0).mean())
    return share, times_needed(scored[0], table[0], share)


def _result(
    record: Record,
    scoring: SpatialScoring,
    residual: FloatArray,
    observed: FloatArray,
    memory: FloatArray,
    table: FloatArray,
    null_sentence: str,
) -> ScoreTests:
    """The tests, beside the mean over space and the paths of what drifts in all modes."""
    config, grids = record.config, record.grids
    paths = _paths(residual, scoring, int(np.argmax(memory)), half_width(config.alpha))
    tests = tests_of(STATISTICS, TESTED, observed, table, paths, config.alpha)
    mean = np.nanmean(record.measured_on, axis=(1, 2))
    left = scoring.residual(mean[None, None])[0, 0]
    return ScoreTests(
        series=Series(mean, grids.time, "mean over space", grids.time_name, grids.step, grids.step_unit, ()),
        trend=mean - left,
        residual=left,
        tests=tests,
        **fields_of(memory=paths[0], modulus=paths[2], spread=paths[3]),
        detrend_sentence=f"of each mode, {scoring.plan.sentence}",
        null_sentence=null_sentence,
        config=ScoreTestsConfig(
            transform=None,
            detrend="local_linear",
            bandwidth=float(scoring.plan.bandwidth) if scoring.plan.bandwidth is not None else None,
            causal=False,
            season=None,
            limit=LIMIT,
            null=config.null,
            n_surrogates=config.n_surrogates,
            alpha=config.alpha,
            until=config.until,
            missing=config.missing,
            duplicates="raise",
            seed=config.seed,
        ),
    )


def _paths(residual: FloatArray, scoring: SpatialScoring, best: int, quantile: float) -> tuple[Path, ...]:
    """What drifted, by statistic, if alike in all modes: one regression over all of them, in standard deviations."""
    count, n = residual.shape
    size = np.sqrt(np.mean(residual**2, axis=1, keepdims=True))
    x = np.divide(residual, size, out=np.zeros_like(residual), where=size > 0.0)
    even = scoring.even(x[None])[0]
    # Modes one after the other, a blank between them.
    joined = np.concatenate([even, np.full((count, 1), np.nan)], axis=1).ravel()
    shapes = [np.tile(np.append(w, w[-1]), count) for w in scoring.shapes]
    of_all = partial(_first, n)
    memory = of_all(memory_path(joined, shapes[best], shape=SHAPES[best], quantile=quantile))
    return (
        memory,
        of_all(memory_path(joined, shapes[0], shape=SHAPES[0], quantile=quantile)),
        of_all(modulus_path(joined, shapes[0], shape=SHAPES[0], quantile=quantile)),
        spread_path(np.sqrt(np.mean(x**2, axis=0)), scoring.shapes[0], shape=SHAPES[0], quantile=quantile),
    )


def _first(n: int, path: Path) -> Path:
    """The path over the times of one mode: they are the same for all."""
    return Path(path.shape, path.value[:n], path.lower[:n], path.upper[:n], path.drift, path.drift_error)
