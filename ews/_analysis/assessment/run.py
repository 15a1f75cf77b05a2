"""``ews.detect(method="auto")``: indicators and detectors together, one joint test, one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.assessment.controls import CONTROLS, SENTENCES, draw_control
from ews._analysis.assessment.result import Assessment, Kind
from ews._common.alarms import SUFFICIENT_POWER, Statistic, hardly_more, westfall_young
from ews._common.progress import ProgressOption
from ews._common.words import cautions
from ews._significance import controls as _controls
from ews._significance.pipeline import Pipeline, Stages, in_chunks
from ews._significance.verdict import in_sentence, qualification, verdict_of
from ews.bifurcations import classifier, jacobian, restoring, spectral
from ews.bifurcations._classifier.features import SHORTEST
from ews.bifurcations._classifier.run import evidence_of
from ews.errors import EWSError, SeriesTooShortError, described
from ews.results import ARROWS, Detection

__all__ = ["assess", "beyond_trends", "bimodality", "check_length", "joint_statistics"]

FloatArray = npt.NDArray[np.float64]

EVIDENCE, BIMODALITY = "evidence", "bimodality"
LABELS = {EVIDENCE: "Evidence of the classifier", BIMODALITY: "Bimodality of the last half"}
MEMORY = ("ac1", "ac2", "ac3", "return_rate", "decay_time", "restoring_rate", "corrected_autocorrelation")


def assess(detection: Detection, pipeline: Pipeline, *, progress: ProgressOption = None) -> Assessment:
    """Add the classifier, a test for two states and the detectors to a detection, and test all together.

    The trends of the detection and of its surrogates are used again.
    """
    config = detection.config
    drawn = detection.residual[np.isfinite(detection.residual)]
    names = (*config.indicators, EVIDENCE, BIMODALITY)
    statistics = joint_statistics(pipeline)

    def beyond(residual: FloatArray) -> FloatArray:
        return beyond_trends(pipeline, residual)

    def measure(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        residual, measured = pipeline.measure_surrogates(rows)
        return residual, np.concatenate([pipeline.tau(measured), beyond(residual)])

    observed = np.concatenate(
        [np.array([detection.tau[name] for name in config.indicators]), beyond(_row(detection.residual))[:, 0]]
    )
    stages = Stages(
        progress, config.n_surrogates + len(CONTROLS) * _controls.power_series(config.n_surrogates, config.alpha)
    )
    surrogate = _surrogates(detection, pipeline, beyond, drawn, stages)
    single, adjusted = westfall_young(observed, surrogate, statistics)
    warned = [
        name
        for name, one, value, p in zip(names, statistics, observed, adjusted, strict=True)
        if one.warns(np.array(value), np.array(p), config.alpha)
    ]
    power = _power(measure, statistics, drawn, pipeline, detection, stages)
    options = _options(detection)
    # Cleaned and cut already: times and values as the detection used them, uneven where gaps were dropped.
    clean = {"time": detection.series.time, "missing": "drop", **options}
    classification = classifier(detection.series.values, n_surrogates=0, seed=config.seed, **clean)
    detectors, votes, notes = _detectors(detection, clean, classification)
    kind = _kind(warned, config.indicators)
    obstacles = () if detection.counts is None else detection.counts.obstacles(config.window)
    hints = (detection.spread.sentence(),) if detection.spread is not None and detection.spread.matters else ()
    return Assessment(
        verdict=verdict_of(bool(warned), min(power.values(), default=None), obstacles),
        kind=kind,
        bifurcation=classification.bifurcation if kind == "slowing down" else None,
        probability=classification.probability,
        statistic=dict(zip(names, map(float, observed), strict=True)),
        pvalue=dict(zip(names, map(float, single), strict=True)),
        pvalue_adjusted=dict(zip(names, map(float, adjusted), strict=True)),
        surrogate=dict(zip(names, surrogate, strict=True)),
        power=power,
        power_sentences=dict(SENTENCES),
        warned=tuple(warned),
        reasons=(
            *cautions(detection.series.notes),
            *obstacles,
            *_reasons(names, observed, adjusted, warned, pipeline, power, detection),
            *hints,
        ),
        votes=votes,
        notes=notes,
        detectors=detectors,
        detection=detection,
    )


def check_length(n: int) -> None:
    """Refuse a residual that the classifier cannot read, before anything is computed."""
    if n < SHORTEST:
        raise SeriesTooShortError("series", described(f"{n} observations"), f'at least {SHORTEST} with method="auto"')


def joint_statistics(pipeline: Pipeline) -> list[Statistic]:
    """How the joint test takes each indicator's trend, then the evidence and the bimodality."""
    return [
        *(Statistic(one.alarm) for one in pipeline.indicators),
        # As much of the level as all others together: it is the strongest of them, and min-p would give it one share.
        Statistic("up", sides=1, weight=float(len(pipeline.indicators) + 1)),
        Statistic("up", sides=1),
    ]


def beyond_trends(pipeline: Pipeline, residual: FloatArray) -> FloatArray:
    """Evidence and bimodality of rows of residuals, of shape (2, rows)."""
    kept = residual[:, pipeline.level.size - pipeline.drawn :]
    return np.stack([evidence_of(kept), bimodality(kept)])


def bimodality(residual: FloatArray) -> FloatArray:
    """Sarle's coefficient of bimodality of the last half of each row, (g² + 1) / (k + 3 (n−1)² / ((n−2)(n−3))).

    A parabola is taken out of the half first: what a smoother leaves of a steep mean is skewed, and would pass for two
    states.

    Parameters
    ----------
    residual : ndarray of shape (rows, n)
        Residuals.

    Returns
    -------
    ndarray of shape (rows,)
        5/9 for a uniform distribution, 1/3 for a normal one, up to 1 for two points.

    References
    ----------
    SAS Institute (1990). SAS/STAT user's guide, version 6: the coefficient, g and k the adjusted skewness and excess
    kurtosis. Dakos, V. et al. (2013). Flickering as an early warning signal. Theoretical Ecology 6, 309–317: flickering
    between two states as a warning.
    """
    half = residual[:, residual.shape[1] // 2 :]
    n = half.shape[1]
    parabola, _ = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, n), 3))
    centred = half - (half @ parabola) @ parabola.T
    square = centred * centred
    with np.errstate(all="ignore"):
        variance = square.mean(axis=1)
        skewness = (square * centred).mean(axis=1) / variance**1.5 * np.sqrt(n * (n - 1.0)) / (n - 2.0)
        excess = (square * square).mean(axis=1) / variance**2 - 3.0
        kurtosis = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0)
        return np.asarray((skewness**2 + 1.0) / (kurtosis + 3.0 * (n - 1.0) ** 2 / ((n - 2.0) * (n - 3.0))))


def _row(residual: FloatArray) -> FloatArray:
    return np.ascontiguousarray(residual.reshape(1, -1))


def _surrogates(detection: Detection, pipeline: Pipeline, beyond: Any, drawn: FloatArray, stages: Stages) -> FloatArray:
    """Joint values of the surrogates that the detection drew: their trends are known, the rest is measured."""
    config = detection.config
    taus = np.stack([detection.surrogate_tau[name] for name in config.indicators])
    if config.n_surrogates == 0:
        return np.empty((taus.shape[0] + 2, 0))
    fitted = nulls.fit(drawn, null=cast(nulls.NullName, config.null))

    def more(first: int, count: int) -> FloatArray:
        found: FloatArray = beyond(pipeline.residual(fitted.draw(first, count, seed=config.seed)))
        return found

    parts = in_chunks(more, config.n_surrogates, n=pipeline.level.size, progress=stages.next())
    return np.concatenate([taus, np.concatenate(parts, axis=1)])


def _power(
    measure: Any,
    statistics: list[Statistic],
    drawn: FloatArray,
    pipeline: Pipeline,
    detection: Detection,
    stages: Stages,
) -> dict[str, float]:
    """Share of controls of each kind that the joint test warns of; empty without surrogates."""
    config = detection.config
    if config.n_surrogates == 0:
        return {}
    memory = nulls.AR1.fit(drawn)
    power = {}
    for place, kind in enumerate(CONTROLS):
        seed = int(np.random.SeedSequence([config.seed, 3, place]).generate_state(1, np.uint64)[0])
        power[kind] = _controls.share_warned(
            measure,
            draw_control(kind, drawn, memory.coefficient, memory.innovation_sd, seed=seed),
            statistics,
            n=pipeline.level.size,
            drawn=pipeline.drawn,
            alpha=config.alpha,
            n_surrogates=config.n_surrogates,
            seed=seed,
            innovation_sd=memory.innovation_sd,
            progress=stages.next(),
        )
    return power


def _options(detection: Detection) -> dict[str, Any]:
    config = detection.config
    return {
        "detrend": config.detrend,
        "bandwidth": config.bandwidth,
        "causal": config.causal,
        "season": config.season,
        "alpha": config.alpha,
    }


def _detectors(
    detection: Detection, options: dict[str, Any], classification: Any
) -> tuple[dict[str, Any], dict[str, str], tuple[str, ...]]:
    """What the detectors say of the kind of bifurcation; one that cannot run on this record says why."""
    values, window, seed = detection.series.values, detection.config.window, detection.config.seed
    runs: dict[str, Callable[[], Any]] = {
        "spectral": lambda: spectral(values, window=window, n_surrogates=0, seed=seed, **options),
        "jacobian": lambda: jacobian(values, window=window, n_surrogates=0, seed=seed, **options),
        "restoring": lambda: restoring(values, window=window, n_surrogates=0, n_bootstrap=0, seed=seed, **options),
    }
    found: dict[str, Any] = {"classifier": classification}
    notes = []
    for name, run in runs.items():
        try:
            found[name] = run()
        except EWSError as error:
            notes.append(f"{name} did not run: {error}")
    votes = {"classifier": classification.bifurcation}
    if "spectral" in found:
        last = {kind: weight[-1] for kind, weight in found["spectral"].rolling_weight.items()}
        votes["spectral"] = max(last, key=lambda kind: -1.0 if np.isnan(last[kind]) else float(last[kind]))
    if "jacobian" in found and found["jacobian"].kind is not None:
        votes["jacobian"] = found["jacobian"].kind.replace("period doubling", "flip")
    return found, votes, tuple(notes)


def _kind(warned: list[str], indicators: tuple[str, ...]) -> Kind:
    """What moved: two states, the memory, or only the spread."""
    if BIMODALITY in warned:
        return "flickering"
    if EVIDENCE in warned or any(name in warned for name in indicators if name in MEMORY):
        return "slowing down"
    return "variance only" if warned else "none"


def _reasons(
    names: tuple[str, ...],
    observed: FloatArray,
    adjusted: FloatArray,
    warned: list[str],
    pipeline: Pipeline,
    power: dict[str, float],
    detection: Detection,
) -> tuple[str, ...]:
    if not power:
        return ("no surrogates were drawn, so nothing was tested",)
    labels = {one.name: one.label for one in pipeline.indicators} | LABELS
    sentences = []
    for name, value, p in sorted(zip(names, observed, adjusted, strict=True), key=lambda one: one[0] not in warned):
        if np.isnan(value):
            sentences.append(f"{in_sentence(labels[name])} is undefined in this record")
            continue
        what = "τ" if name in detection.tau else "value"
        mark = "warns" if name in warned else "does not warn"
        against = ""
        if name not in warned and p <= detection.config.alpha:
            alarm = next((one.alarm for one in pipeline.indicators if one.name == name), "up")
            against = f", against its direction of alarm ({ARROWS[alarm]})"
        sentences.append(f"{in_sentence(labels[name])} {mark} ({what} = {value:+.2f}, adjusted p = {p:.3g}){against}")
    # A trend beyond all surrogates has p = 2/(1 + n); at its share of the level that is what is left of it.
    smallest = 2.0 * sum(one.weight for one in joint_statistics(pipeline)) / (1.0 + detection.config.n_surrogates)
    if smallest > detection.config.alpha:
        drawn = detection.config.n_surrogates
        least = f"an adjusted p of about {smallest:.2g} at best"
        sentences.append(f"{drawn} surrogates can give a trend {least}: draw more")
    seen = ", ".join(f"{100 * share:.0f} % of {kind} controls" for kind, share in power.items())
    sentences.append(f"a warning would have come for {seen} of this length")
    alpha = detection.config.alpha
    if warned and hardly_more(max(power.values()), alpha):
        sentences.insert(len(warned), qualification(max(power.values()), alpha))
    if not warned and min(power.values()) < SUFFICIENT_POWER:
        sentences.append(
            "what may settle it: a longer record; a season taken out or another scale, where the data lines name them"
        )
    return tuple(sentences)
