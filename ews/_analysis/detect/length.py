"""How long a record would have to be for its test to see a loss of resilience."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ews._analysis.detect.controls import fitted_to, seen
from ews._analysis.score_tests.measurement import fitted_with_error
from ews._analysis.score_tests.result import ScoreTestsConfig
from ews._analysis.score_tests.testing import Scoring
from ews._common import checks
from ews._common.alarms import SUFFICIENT_POWER
from ews._significance import controls
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import resolve_pipeline
from ews.errors import InputTypeError
from ews.nulls.autoregressive import AR1
from ews.nulls.null import Null

if TYPE_CHECKING:
    from ews.results import Detection

__all__ = ["length_needed"]

FloatArray = npt.NDArray[np.float64]

# Shares of 400 controls are known to 0.02, which moves the length by less than a tenth.
CONTROLS, SURROGATES, MOST_TIMES = 400, 400, 32


def length_needed(detection: Detection, power: float = SUFFICIENT_POWER) -> int | None:
    """Estimate how many samples a record would need for its test to see a loss of resilience.

    Positive controls (with method="score" of every kind, of which the one that is seen least counts) are simulated at
    once, twice, four times, … the length, with the memory of the residual and the options of the detection, until
    enough of them get a warning.

    Parameters
    ----------
    detection : Detection
        From :func:`ews.detect`; a window or bandwidth that was a fraction of the record stays one.
    power : float, default 0.8
        Share of positive controls that should get a warning; from 0.8 on silence counts as *no warning*.

    Returns
    -------
    int or None
        Samples at the same sampling, to two digits; None where 32 times the record is not enough.

    Raises
    ------
    ews.errors.ValueRangeError
        If `power` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np, ews
    >>> noise = np.random.default_rng(1).standard_normal(60)
    >>> short = ews.detect(noise, n_surrogates=199)
    >>> ews.length_needed(short, 0.5) > 60
    True
    """
    if not hasattr(detection, "residual") or not hasattr(detection, "trend"):
        raise InputTypeError("detection", detection, "a result of ews.detect for one series")
    power = checks.number("power", power, above=0.0, below=1.0)
    config = detection.config
    residual = detection.residual[np.isfinite(detection.residual)]
    memory = AR1.fit(residual)
    before, lower = 0.0, len(detection.series)
    times = 1
    while times <= MOST_TIMES:
        n = times * len(detection.series)
        pipeline = resolve_pipeline(
            n=n,
            step=detection.series.step,
            level=np.full(n, float(np.mean(detection.trend))),
            detrend=config.detrend,
            bandwidth=config.bandwidth,
            window=config.window_fraction,
            indicators=config.indicators,
            trend=config.trend,
            causal=config.causal,
            season=config.season,
        )
        drawn = max(SURROGATES, int(4 / config.alpha))
        if detection.scores is not None:
            share = _of_scores(pipeline, residual, detection.scores.config, drawn)
        else:
            share = controls.power(
                pipeline,
                memory.coefficient,
                alpha=config.alpha,
                n_surrogates=drawn,
                seed=config.seed,
                innovation_sd=memory.innovation_sd,
                controls=CONTROLS,
            )
        if share >= power:
            between = 1.0 if times == 1 else (power - before) / (share - before)
            found = lower * (n / lower) ** between
            return int(float(f"{found:.2g}"))
        before, lower = share, n
        times *= 2
    return None


def _of_scores(pipeline: Pipeline, residual: FloatArray, config: ScoreTestsConfig, surrogates: int) -> float:
    """Power of the score tests at the pipeline's length, of the kind of control that is seen least."""
    alpha, seed = config.alpha, config.seed
    scoring = Scoring(pipeline, config.limit, measurement_error=config.measurement_error)
    null: Null = replace(AR1.fit(residual), n=pipeline.n)
    if config.measurement_error is not None:
        at = np.arange(pipeline.n, dtype=np.float64)
        null = fitted_with_error(residual[None], at, observed=lambda rows, _: rows, left=_as_it_is, seed=seed)

    def scored(first: int, count: int) -> FloatArray:
        return scoring.statistics(null.draw(first, count, seed=seed))

    table = np.concatenate(in_chunks(scored, surrogates, n=pipeline.n), axis=1)
    found = seen(scoring, table, fitted_to(residual, null, None), alpha=alpha, seed=seed)
    return min(found.share.values())


def _as_it_is(rows: FloatArray) -> FloatArray:
    return rows
