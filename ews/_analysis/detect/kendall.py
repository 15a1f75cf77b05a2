"""Published practice: the trends of rolling indicators, each against surrogates (``method="kendall"``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._analysis.detect.record import Record
from ews._common.words import cautions
from ews._significance import controls
from ews._significance import surrogates as _significance
from ews._significance.pipeline import Stages
from ews._significance.verdict import TrendOutcome, decide
from ews.results import Detection, Kind, Significance

__all__ = ["answer"]

# Indicators whose trend speaks of memory: of slowing down rather than of the noise.
MEMORY = ("ac1", "ac2", "ac3", "return_rate", "decay_time", "restoring_rate", "corrected_autocorrelation")


def answer(record: Record) -> Detection:
    """Warn where the trend of an indicator lies beyond its null, in its direction of alarm."""
    tested, intervals, bands, power = _test(record)
    names = record.config.indicators
    outcomes = {
        one.name: TrendOutcome(one.label, one.alarm, tested.tau[one.name], tested.pvalue_adjusted[one.name])
        for one in record.pipeline.indicators
    }
    longer = "a longer record (ews.length_needed(result) estimates how long)"
    elsewhere = "other windows and bandwidths, all of them in one test (ews.sensitivity)"
    verdict, reasons = decide(
        list(outcomes.values()),
        alpha=record.test.alpha,
        n_surrogates=tested.n_surrogates,
        power=power,
        obstacles=record.obstacles,
        hints=record.hints,
        steps=[longer, *record.steps(), elsewhere],
    )
    warned = [] if record.obstacles else [name for name, one in outcomes.items() if one.warns(record.test.alpha)]
    kind: Kind = "none"
    if warned:
        kind = "slowing down" if any(name in MEMORY for name in warned) else "variance only"
    return Detection(
        **record.fields,
        verdict=verdict,
        reasons=(*cautions(record.series.notes), *reasons),
        kind=kind,
        trend=record.pipeline.level,
        residual=record.residual,
        tau=tested.tau,
        pvalue=tested.pvalue,
        pvalue_adjusted=tested.pvalue_adjusted,
        tau_interval=dict(zip(names, intervals, strict=True)),
        surrogate_tau=tested.surrogate_tau,
        surrogate_band=bands,
        power=power,
        powers={} if power is None else {"fold": power},
        power_sentence=controls.POWER_SENTENCE,
        null_sentence=tested.null_sentence,
    )


def _test(record: Record) -> tuple[Significance, list[tuple[float, float]], dict[str, Any], float | None]:
    """p-values, intervals, bands and power; all empty where no surrogates are asked for."""
    pipeline, tau, test = record.pipeline, record.tau, record.test
    if test.n_surrogates == 0:
        return _significance.untested(pipeline, tau, test.seed), [(np.nan, np.nan)] * tau.size, {}, None
    total = test.n_surrogates + controls.INTERVAL_SERIES + controls.power_series(test.n_surrogates, test.alpha)
    stages = Stages(record.progress, total)
    fitted = nulls.fit(record.finite, null=test.null)
    tested, bands = _significance.hold_against(
        pipeline, tau, fitted, n_surrogates=test.n_surrogates, seed=test.seed, progress=stages.next()
    )
    intervals = controls.tau_intervals(
        pipeline, tau, record.finite, alpha=test.alpha, seed=test.seed, progress=stages.next()
    )
    memory = nulls.AR1.fit(record.finite)
    power = controls.power(
        pipeline,
        memory.coefficient,
        alpha=test.alpha,
        n_surrogates=test.n_surrogates,
        seed=test.seed,
        innovation_sd=memory.innovation_sd,
        progress=stages.next(),
    )
    return tested, intervals, bands, power
