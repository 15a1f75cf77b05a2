"""``ews.evaluate``: how well methods tell the series before a transition from those that go nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.seeds import resolve_seed
from ews._common.times import numeric
from ews._common.transforms import Transform, name_of
from ews._evaluation.collection import Records, read_collection
from ews._evaluation.evaluate.lead_times import LeadTimes, lead_times
from ews._evaluation.evaluate.result import Evaluation, EvaluationConfig
from ews._evaluation.roc import run as curves
from ews._evaluation.running import Analysis, running_scores
from ews._evaluation.scores import Method, resolve_methods
from ews._significance.resolve import on_scale
from ews.series import Duplicates, Missing
from ews.trends import TrendMethod

__all__ = ["evaluate", "whole_and_earlier"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@reported("scoring")
def evaluate(
    collection: Any,
    labels: Any = None,
    *,
    methods: Any = ("variance", "ac1", "skewness"),
    time: Any = None,
    until: Any = None,
    transition: Any = None,
    groups: Any = None,
    reference: str | None = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    trend: TrendMethod = "kendall",
    causal: bool = False,
    season: int | None = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    false_alarm_rate: float = 0.05,
    n_times: int = 20,
    burn_in: float = 0.5,
    level: float = 0.95,
    n_bootstrap: int = 2000,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Evaluation:
    """Measure how well methods tell series before a transition from series that go nowhere, and how early.

    Each method gives each series one score. Over the labelled collection the scores make a ROC curve, its area (AUC)
    with an interval, and paired differences between the methods. Run as the data come in, they make a lead time: how
    long before the transition the method warned, at the threshold that holds the false-alarm rate.

    Parameters
    ----------
    collection : list, dict, DataFrame, ndarray of shape (series, n), or Simulation
        The series: anything that :func:`ews.detect` reads, as a list or by name; the columns of a table; the rows of an
        array; or simulations of :mod:`ews.models`, each with any number of replicates.
    labels : sequence, dict or pandas Series, optional
        True or 1 for a series before a transition, False or 0 for one that goes nowhere; one for each member of the
        collection. Simulations know their own.
    methods : sequence or dict, default ("variance", "ac1", "skewness")
        Names of registered indicators (the score is the trend statistic, in the direction of alarm), of detectors
        ("classifier", "likelihood", "jacobian", "langevin", "restoring"), :class:`ews.TrendScore`, or any function from
        a pandas Series to a number, larger where it warns more.
    time : array_like or str, optional
        Times of all series, or the name of the column that holds them.
    until : number or date, or one for each series, optional
        Last time used. Default: the transition, where it is known.
    transition : number or date, or one for each series, optional
        When the transition came. Default: that of the simulation, else the last time used. Those of negative series
        only say where they are cut.
    groups : sequence or dict, optional
        Which record, site or culture each series comes from: the bootstrap then draws whole groups.
    reference : str, optional
        The method that the others are compared with (default: the first).
    detrend : str or None, default "gaussian"
        What is taken out before the windows, for the trends of indicators: as in :func:`ews.detect`.
    bandwidth : float or int, optional
        Its bandwidth or span. Fractions, here and of the window, are of the data that a score sees.
    window : float or int, default 0.5
        Window length.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    causal : bool, default False
        Use present and past samples only at each time within the data that a score sees.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    false_alarm_rate : float, default 0.05
        Share of negative series at which detections and lead times are measured.
    n_times : int, default 20
        How many times in a record the running score is taken at; 1 for no lead times, which is much faster.
    burn_in : float, default 0.5
        Share of a record before the first of them.
    level : float, default 0.95
        Level of intervals and bands.
    n_bootstrap : int, default 2000
        How many bootstrap samples, stratified by label and drawn by group.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them (see :func:`ews.detect`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of the bootstrap.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    Evaluation
        Scores, curves, differences and lead times by method.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used; the message names the argument, and the series where it is one of them.

    Notes
    -----
    A score at a time sees the data up to that time and nothing else: detrending, windows and trend are made anew from
    the shortened record, so that no lead time rests on what came later. The exception are values that
    ``missing="interpolate"`` filled: they lean on the sample after the gap, unless ``causal=True``. A score that is
    undefined counts as −∞: a method that says nothing gives no warning.

    The threshold is that of the whole negative records: at most `false_alarm_rate` of them reach it at their end. The
    lead time begins with the first running score from which on all reach it. Who looks again and again and does not
    wait for the end raises more false alarms; ``lead[method].ever`` says how many.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions. J.
    R. Soc. Interface 9, 2527–2539: ROC curves of early-warning signals. Fawcett, T. (2006). An introduction to ROC
    analysis. Pattern Recognition Letters 27, 861–874.

    Examples
    --------
    >>> import ews
    >>> rising = ews.models.harvested_population(n=200, harvest=(1.0, 2.6), replicates=20, seed=1)
    >>> constant = ews.models.harvested_population(n=200, harvest=1.0, replicates=20, seed=2)
    >>> found = ews.evaluate([rising, constant], [1, 0], n_times=1, n_bootstrap=200)
    >>> bool(found.roc["ac1"].auc > 0.7)
    True
    """
    chosen = dict(locals())  # every choice as it was given
    named = resolve_methods(methods)
    reference = next(iter(named)) if reference is None else reference
    reference = checks.choice("reference", reference, named)
    check_running(false_alarm_rate, n_times, burn_in)
    curves.check_bootstrap(level=level, n_bootstrap=n_bootstrap, least=1)
    seed = resolve_seed(seed)
    records = read_collection(
        collection,
        labels,
        **{name: chosen[name] for name in ("time", "until", "transition", "groups", "missing", "duplicates", "causal")},
    )
    scaled = []
    for key, one in zip(records.names, records.series, strict=True):
        scaled.append(on_scale(one, transform, argument=f"collection, {key!r}"))
    records = replace(records, series=tuple(scaled))
    analysis = Analysis(
        **{name: chosen[name] for name in ("window", "detrend", "bandwidth", "trend", "causal", "season")}
    )
    config = EvaluationConfig(
        window=window,
        detrend=detrend,
        bandwidth=bandwidth,
        trend=trend,
        causal=bool(causal),
        season=season,
        false_alarm_rate=float(false_alarm_rate),
        n_times=int(n_times),
        burn_in=float(burn_in),
        level=float(level),
        n_bootstrap=int(n_bootstrap),
        seed=seed,
        transform=name_of(transform),
    )
    return _measure(records, named, analysis, config, reference, progress)


def _measure(
    records: Records,
    methods: dict[str, Method],
    analysis: Analysis,
    config: EvaluationConfig,
    reference: str,
    progress: ProgressOption,
) -> Evaluation:
    lengths = whole_and_earlier([len(one) for one in records.series], config.n_times, config.burn_in)
    running = running_scores(records.series, methods, lengths, analysis, progress=progress)
    times = np.array(
        [numeric(one.time)[row - 1] - numeric(one.time)[0] for one, row in zip(records.series, lengths, strict=True)]
    )
    resampled = {"level": config.level, "n_bootstrap": config.n_bootstrap, "seed": config.seed}
    scores = {name: values[:, -1] for name, values in running.items()}
    found = {
        name: curves.measured(values, records.labels, records.groups, interval="bootstrap", **resampled)  # type: ignore[arg-type]
        for name, values in scores.items()
    }
    differences = {
        name: curves.compared(values, scores[reference], records.labels, records.groups, **resampled)  # type: ignore[arg-type]
        for name, values in scores.items()
        if name != reference
    }
    lead: dict[str, LeadTimes] = {}
    notes = list(records.notes)
    if config.n_times > 1:
        lead = {
            name: lead_times(
                values, times, records.transition, records.labels, found[name].threshold_at(config.false_alarm_rate)
            )
            for name, values in running.items()
        }
    negatives = int((~records.labels).sum())
    if config.false_alarm_rate * negatives < 1 - 1e-9:
        notes.append(
            f"with {negatives} negative series the threshold is above all of them; a new one reaches it with a "
            f"probability of about 1/{negatives + 1}"
        )
    undefined = {name: int(np.isneginf(values).sum()) for name, values in scores.items()}
    notes += [
        f"{name} is undefined in {count} of {len(records.series)} records, which count as giving no warning"
        for name, count in undefined.items()
        if count
    ]
    return Evaluation(
        names=records.names,
        labels=records.labels,
        groups=records.groups,
        n=np.array([len(one) for one in records.series]),
        transition=records.transition,
        time_unit=records.series[0].step_unit,
        times=times,
        scores=scores,
        running=running,
        roc=found,
        reference=reference,
        differences=differences,
        lead=lead,
        config=config,
        notes=tuple(notes),
    )


def whole_and_earlier(lengths: list[int], n_times: int, burn_in: float) -> IntArray:
    """How many samples each running score of each record sees, evenly spaced from the burn-in to the whole record."""
    n = np.array(lengths)[:, None]
    if n_times == 1:
        return n
    shares = burn_in + (1.0 - burn_in) * np.arange(n_times) / (n_times - 1)
    seen: IntArray = np.maximum(np.round(shares * n), 1).astype(np.int64)
    return seen


def check_running(false_alarm_rate: Any, n_times: Any, burn_in: Any) -> None:
    """Refuse choices for running scores that cannot be used."""
    for name, given in (("false_alarm_rate", false_alarm_rate), ("burn_in", burn_in)):
        checks.alpha(given, name)
    checks.whole("n_times", n_times, least=1, most=10_000, allowed="an integer from 1 to 10,000; 1 for no lead times")
