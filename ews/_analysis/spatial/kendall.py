"""Published practice: the trends of indicators over maps, each against surrogates (``method="kendall"``)."""

from __future__ import annotations

import numpy as np

from ews import trends
from ews._analysis.spatial.record import Record
from ews._analysis.spatial.result import SpatialDetection
from ews._common.alarms import westfall_young
from ews._common.progress import ProgressOption
from ews._significance.pipeline import in_chunks
from ews._significance.verdict import TrendOutcome, decide
from ews.results import Kind
from ews.spatial import linear_field, surrogates
from ews.spatial.grids import FloatArray
from ews.spatial.registry import SpatialIndicator
from ews.spatial.surrogates import SpatialNull

__all__ = ["CONTROL_SIDE", "POWER_SENTENCE", "answer", "by_name", "pvalues", "surrogate_trends", "trend_of"]

CONTROLS = 100
CONTROL_SURROGATES = 199
# Larger controls cost more and tell the same: the power grows with the map, so that this is a lower bound.
CONTROL_SIDE = 32
# Indicators whose trend speaks of memory: the correlation of neighbours grows with it, and long waves do before others.
MEMORY = ("moran", "low_frequency_ratio")
POWER_SENTENCE = (
    "positive control: a linear field of this length, with recovery rate and diffusion estimated from the maps, whose "
    "recovery rate falls to zero as the square root of the time left"
)


def answer(record: Record) -> SpatialDetection:
    """Warn where the trend of an indicator lies beyond its null, in its direction of alarm."""
    config, chosen, table, step = record.config, record.chosen, record.table, record.grids.step
    count, null, trend = config.n_surrogates, record.null, record.trend
    defined, tau = record.trends(trend_of)
    drawn = np.full((len(chosen), count), np.nan)
    if count and defined.any():
        drawn[defined] = surrogate_trends(table[defined], trend, null, count, config.seed, step)
    single, adjusted = pvalues(tau, drawn)
    power = None
    if count and defined.all() and np.isfinite(tau).any():
        drawn_of_controls = min(count, CONTROL_SURROGATES)
        power = _power(
            record.measured_on, chosen, trend, null, config.alpha, drawn_of_controls, config.seed, record.progress
        )
    outcomes = {
        one.name: TrendOutcome(one.label, one.alarm, *each) for one, *each in zip(chosen, tau, adjusted, strict=True)
    }
    verdict, reasons = decide(
        list(outcomes.values()),
        alpha=config.alpha,
        n_surrogates=count,
        power=power,
        symbol="trend",
        undefined="is undefined in some maps, or the same in all",
        steps=["more maps", "fewer indicators, as each one more makes the test of all weaker"],
    )
    warned = [name for name, one in outcomes.items() if one.warns(config.alpha)]
    kind: Kind = "none"
    if warned:
        kind = "slowing down" if any(name in MEMORY for name in warned) else "variance only"
    names = config.indicators
    return SpatialDetection(
        **record.fields,
        verdict=verdict,
        reasons=reasons,
        kind=kind,
        tau=by_name(names, tau),
        pvalue=by_name(names, single),
        pvalue_adjusted=by_name(names, adjusted),
        surrogate_tau=dict(zip(names, drawn, strict=True)),
        power=power,
        powers={} if power is None else {"fold": power},
        power_sentence=POWER_SENTENCE,
        null_sentence=surrogates.sentence(table[defined], null) if count and defined.any() else "no surrogates drawn",
    )


def trend_of(table: FloatArray, trend: trends.TrendMethod, step: float) -> FloatArray:
    found = trends.rows(table, method=trend)
    return found / step if trend == "theil_sen" else found


def surrogate_trends(
    table: FloatArray, trend: trends.TrendMethod, null: SpatialNull, count: int, seed: int, step: float
) -> FloatArray:
    """Trends of surrogates, of shape (indicators, count)."""
    drawn = surrogates.draw(table, null, count, seed=seed)
    if trend == "theil_sen" and null in ("ar1", "fourier"):  # a slope needs the indicator's own values
        ordered = np.sort(table, axis=1)
        place = np.argsort(np.argsort(drawn, axis=2, kind="stable"), axis=2, kind="stable")
        drawn = np.take_along_axis(np.broadcast_to(ordered, drawn.shape), place, axis=2)
    return trend_of(drawn.reshape(-1, table.shape[1]), trend, step).reshape(count, len(table)).T


def pvalues(tau: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    single, adjusted = np.full(tau.size, np.nan), np.full(tau.size, np.nan)
    used = np.isfinite(tau)
    if used.any() and drawn.shape[1]:
        single[used], adjusted[used] = westfall_young(tau[used], drawn[used])
    return single, adjusted


def _power(
    values: FloatArray,
    chosen: list[SpatialIndicator],
    trend: trends.TrendMethod,
    null: SpatialNull,
    alpha: float,
    n_surrogates: int,
    seed: int,
    progress: ProgressOption,
) -> float:
    """Share of positive controls that the same test answers with a warning."""
    recovery, diffusion = linear_field.estimate(values)
    n = len(values)
    falling = np.maximum(recovery * np.sqrt(1.0 - (np.arange(n) + 1.0) / (n + 1.0)), 1e-3)
    shape = (min(values.shape[1], CONTROL_SIDE), min(values.shape[2], CONTROL_SIDE))

    def warned(first: int, count: int) -> int:
        found = 0
        for control in range(first, first + count):
            generator = np.random.default_rng(np.random.SeedSequence([seed, 4, control]))
            field = linear_field.simulate(falling, diffusion, shape, generator)
            table = np.stack([one.compute(field) for one in chosen])
            tau = trend_of(table, trend, 1.0)
            adjusted = pvalues(tau, surrogate_trends(table, trend, null, n_surrogates, seed + control, 1.0))[1]
            trends_found = zip(chosen, tau, adjusted, strict=True)
            found += any(TrendOutcome(one.label, one.alarm, *each).warns(alpha) for one, *each in trends_found)
        return found

    return sum(in_chunks(warned, CONTROLS, n=n * shape[0] * shape[1], progress=progress)) / CONTROLS


def by_name(names: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))
