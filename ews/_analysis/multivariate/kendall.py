"""Published practice: the trends of rolling indicators of all variables (``method="kendall"``)."""

from __future__ import annotations

import numpy as np

from ews._analysis.multivariate import controls
from ews._analysis.multivariate.record import Record
from ews._analysis.multivariate.result import MultivariateDetection
from ews._significance.pipeline import Stages
from ews._significance.surrogates import hold_against, untested
from ews._significance.verdict import TrendOutcome, decide
from ews.multivariate import nulls as joint_nulls
from ews.results import Kind, Significance, SurrogateBand

__all__ = ["answer"]

# Indicators whose trend speaks of memory: of slowing down rather than of the noise.
MEMORY = (
    "mean_autocorrelation",
    "largest_autocorrelation",
    "pca_autocorrelation",
    "maf_autocorrelation",
    "maf_eigenvalue",
    "jacobian_eigenvalue",
    "jacobian_index",
)


def answer(record: Record) -> MultivariateDetection:
    """Warn where the trend of an indicator lies beyond its null, in its direction of alarm."""
    tested, bands, power = _test(record)
    outcomes = {
        one.name: TrendOutcome(one.label, one.alarm, tested.tau[one.name], tested.pvalue_adjusted[one.name])
        for one in record.pipeline.indicators
    }
    verdict, reasons = decide(
        list(outcomes.values()),
        alpha=record.config.alpha,
        n_surrogates=tested.n_surrogates,
        power=power,
        obstacles=record.obstacles,
        hints=record.hints,
        steps=["a longer record", "fewer indicators, as each one more makes the test of all weaker"],
    )
    warned = [name for name, one in outcomes.items() if one.warns(record.config.alpha)]
    kind: Kind = "none"
    if warned:
        kind = "slowing down" if any(name in MEMORY for name in warned) else "variance only"
    return MultivariateDetection(
        **record.fields,
        **record.split(record.residual) | {"trend": record.taken.T.copy()},
        verdict=verdict,
        reasons=reasons,
        kind=kind,
        tau=tested.tau,
        pvalue=tested.pvalue,
        pvalue_adjusted=tested.pvalue_adjusted,
        surrogate_tau=tested.surrogate_tau,
        surrogate_band=bands,
        power=power,
        powers={} if power is None else {"fold": power},
        power_sentence=controls.POWER_SENTENCE,
        null_sentence=tested.null_sentence,
    )


def _test(record: Record) -> tuple[Significance, dict[str, SurrogateBand], float | None]:
    """p-values, bands and power; all empty where no surrogates are asked for."""
    config, pipeline = record.config, record.pipeline
    count, seed = config.n_surrogates, config.seed
    if count == 0:
        return untested(pipeline, record.tau, seed), {}, None
    finite = np.ascontiguousarray(record.residual[:, pipeline.lost :])
    fitted = joint_nulls.fit(finite, null=config.null)
    if isinstance(fitted, joint_nulls.VAR1):
        fitted = fitted.calibrated(pipeline.refitted, seed=seed)
    stages = Stages(record.progress, count + controls.power_series(count, config.alpha))
    tested, bands = hold_against(pipeline, record.tau, fitted, n_surrogates=count, seed=seed, progress=stages.next())
    memory = joint_nulls.VAR1.fit(finite)
    power = controls.power(pipeline, memory, alpha=config.alpha, n_surrogates=count, seed=seed, stages=stages)
    return tested, bands, power
