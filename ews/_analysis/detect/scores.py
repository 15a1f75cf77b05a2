"""The default answer: score tests of a drifting linear map, what they could have seen, and the indicators beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ews._analysis.detect.bifurcation import named
from ews._analysis.detect.controls import CONTROLS, SENTENCES, Seen, control_series, fitted_to, seen_at_most
from ews._analysis.detect.reasons import reasons_of
from ews._analysis.detect.record import Record
from ews._analysis.score_tests.flickering import flickering
from ews._analysis.score_tests.result import ScoreTests
from ews._analysis.score_tests.testing import Held, Scoring, hold
from ews._analysis.score_tests.text import error_sentences
from ews._common.words import cautions, listed
from ews._significance import surrogates as _significance
from ews._significance.needed import observations_needed
from ews._significance.pipeline import Stages
from ews._significance.verdict import verdict_of
from ews.results import Detection, Kind

__all__ = ["LIMIT", "answer"]

# Robust standard deviations to which outliers are pulled in.
LIMIT = 2.5
# Share of the record that one value may make up where two states are looked for.
COMMON = 0.4
# Surrogates behind the p-values and bands of the indicators, which are context and not the test.
CONTEXT = 199
# Of long records fewer: so many samples in all, but enough for a p of 0.05.
CONTEXT_SAMPLES, FEWEST_CONTEXT = 20_000_000, 39
# Longer controls would only see more, and take as long as the record.
LONGEST_CONTROL = 20_000
# From −1 to +1 no coefficient of a stable record rises by more.
_MOST_DRIFT = 2.0


def answer(record: Record) -> Detection:
    """Warn where memory or damping drifts towards instability, at the family-wise level."""
    test, config = record.test, record.config
    count = min(test.n_surrogates, CONTEXT, max(FEWEST_CONTEXT, CONTEXT_SAMPLES // len(record.series)))
    controls = len(CONTROLS) * control_series(test.n_surrogates) if test.n_surrogates else 0
    stages = Stages(record.progress, test.n_surrogates + count + controls)
    scoring = Scoring(record.pipeline, LIMIT, record.sampling, measurement_error=config.measurement_error)
    fields = ("detrend", "bandwidth", "causal", "season", "transform", "until", "missing", "duplicates")
    choices = {name: getattr(config, name) for name in fields}
    held = hold(record.series, scoring, test, choices, progress=stages.next())
    scores = held.result
    # Values that allow no answer allow no claim either, whatever a score makes of them.
    claimed = () if record.obstacles else scores.kinds
    warned = [name for name in claimed if scores[name].warns]
    power = _power(record, held, stages)
    if count:
        context, bands = _significance.hold_against(
            record.pipeline, record.tau, held.null, n_surrogates=count, seed=test.seed, progress=stages.next()
        )
    else:
        context, bands = _significance.untested(record.pipeline, record.tau, test.seed), {}
    two_states = math.nan if record.obstacles else _flickering(record, held, count)
    probability = named(record, warned)
    least = min(power.share.values()) if power.share else None
    verdict = verdict_of(bool(warned), least, record.obstacles)
    needed = smallest = None
    if test.n_surrogates and not record.obstacles:
        needed = observations_needed(power.needed, len(record.series)) if verdict == "inconclusive" else None
        smallest = _smallest_drift(held, test.alpha, power.share)
    shares = [one.weight for one in held.scoring.tested]
    return Detection(
        **record.fields | {"config": replace(config, measurement_error=scores.config.measurement_error)},
        verdict=verdict,
        reasons=(
            *cautions(record.series.notes),
            *record.obstacles,
            *(
                _unheard(scores)
                if record.obstacles
                else reasons_of(scores, warned, two_states, probability, power.share, verdict, needed, smallest, shares)
            ),
            *(error_sentences(scores) if test.n_surrogates and not record.obstacles else ()),
            *_steps(record, verdict),
            *record.hints,
        ),
        kind=_kind(warned, two_states, claimed, test.alpha),
        flickering=two_states,
        bifurcation=next(iter(probability), None),
        probability=probability,
        scores=scores,
        trend=scores.trend,
        residual=scores.residual,
        tau=context.tau,
        pvalue=context.pvalue,
        pvalue_adjusted=context.pvalue_adjusted,
        tau_interval=dict.fromkeys(config.indicators, (math.nan, math.nan)),
        surrogate_tau=context.surrogate_tau,
        surrogate_band=bands,
        power=least,
        powers=power.share,
        needed=needed,
        smallest_drift=smallest,
        power_sentence=_sentence(power, len(record.series)),
        null_sentence=scores.null_sentence if test.n_surrogates else context.null_sentence,
    )


def _kind(warned: Sequence[str], two_states: float, claimed: Sequence[str], alpha: float) -> Kind:
    if warned:
        return "slowing down"
    if two_states <= alpha:
        return "flickering"
    return "variance only" if claimed else "none"


def _unheard(scores: ScoreTests) -> tuple[str, ...]:
    """What is said of the tests where the values allow no answer."""
    if not scores.config.n_surrogates:
        return ("no surrogates were drawn, so no drift was tested",)
    if not scores.kinds:
        return ()
    return (f"what the tests make of such values ({listed(scores.kinds)}) is shown, and is no evidence",)


def _flickering(record: Record, held: Held, count: int) -> float:
    """p of flickering against so many surrogates; NaN without any, or where most values are equal.

    Two values of which one is common are two groups, whatever the dynamics.
    """
    if not count or record.counts.share > COMMON:
        return math.nan
    observed = float(flickering(held.result.residual[None])[0])
    if not observed > 0.0:  # as of all surrogates
        return math.nan if math.isnan(observed) else 1.0
    drawn = flickering(record.pipeline.residual(held.null.draw(0, count, seed=record.test.seed)))
    return float((1 + np.count_nonzero(drawn >= observed)) / (1 + count))


def _power(record: Record, held: Held, stages: Stages) -> Seen:
    """What the test sees; nothing without surrogates."""
    if not record.test.n_surrogates:
        return Seen({}, {})
    return seen_at_most(
        LONGEST_CONTROL,
        held.scoring,
        held.table,
        fitted_to(record.finite, held.null, held.scoring.mode),
        held.null,
        alpha=record.test.alpha,
        seed=record.test.seed,
        progress=stages.next(),
    )


def _sentence(power: Seen, n: int) -> str:
    """What the controls are."""
    kinds = "; ".join(f"{kind}: {text}" for kind, text in SENTENCES.items())
    if not 0 < power.length < n:
        return kinds
    return f"{kinds}; each of {power.length:,} samples, of which a longer record only sees more"


def _smallest_drift(held: Held, alpha: float, share: Mapping[str, float]) -> float | None:
    """Rise of the lag-1 coefficient, from the first time to the last, that four in five such records would show.

    None where the controls say otherwise: most of those that rise by more, all the way to 1, were not seen. At uneven
    times a coefficient that hardly reaches from one observation to the next has an error that says nothing.
    """
    path, table = held.paths[0], held.table[0]
    error = path.drift_error
    defined = table[np.isfinite(table)]
    if not defined.size:
        return None
    found = float((np.quantile(defined, 1.0 - alpha) + 0.84) * error)
    left = 1.0 - float(np.mean(path.value))
    if not 0.0 < found <= _MOST_DRIFT or (share["transcritical"] < 0.5 and found < left):
        return None
    return found


def _steps(record: Record, verdict: str) -> list[str]:
    open_still = verdict == "inconclusive" and record.test.n_surrogates and not record.obstacles
    steps = record.steps() if open_still else []
    return [f"what may settle it: {'; '.join(steps)}"] if steps else []
