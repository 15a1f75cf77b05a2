"""``ews.benchmark``: methods on known transitions, each against everything that resembles one and is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.seeds import resolve_seed
from ews._common.transforms import Transform, name_of
from ews._evaluation.benchmark.result import Benchmark, BenchmarkCell, BenchmarkConfig
from ews._evaluation.benchmark.stock import CONSTANT, NULLS, POSITIVES, draw_null
from ews._evaluation.evaluate.lead_times import lead_times
from ews._evaluation.evaluate.run import check_running, whole_and_earlier
from ews._evaluation.roc import run as curves
from ews._evaluation.running import Analysis, running_scores
from ews._evaluation.scores import TrendScore, resolve_methods
from ews._significance.resolve import on_scale
from ews.series import Series, as_series
from ews.trends import TrendMethod

__all__ = ["DEFAULT_METHODS", "benchmark"]

FloatArray = npt.NDArray[np.float64]
DEFAULT_METHODS = ("variance", "ac1", TrendScore("ac1", "both"), "skewness")


@reported("scoring")
def benchmark(
    *,
    n: int = 500,
    replicates: int = 100,
    methods: Any = DEFAULT_METHODS,
    positives: Sequence[str] = tuple(POSITIVES),
    nulls: Sequence[str] = (CONSTANT, *NULLS),
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    trend: TrendMethod = "kendall",
    causal: bool = False,
    false_alarm_rate: float = 0.05,
    n_times: int = 10,
    burn_in: float = 0.5,
    level: float = 0.95,
    n_bootstrap: int = 500,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Benchmark:
    """Benchmark methods on positive controls and null families by their ROC curves.

    A method that tells a fold from the same model at rest may still take a trend, a step or louder noise for it. The
    benchmark holds each of five transitions against each of ten families that have none, all of one length.

    Parameters
    ----------
    n : int, default 500
        Samples in each record.
    replicates : int, default 100
        Records of each kind. The interval of an AUC of 0.8 is then about ±0.06 wide.
    methods : sequence or dict, default variance, ac1, ac1 in either direction, skewness
        As in :func:`ews.evaluate`: names, :class:`ews.TrendScore`, or functions from a record to a number. Before a
        period doubling the lag-1 autocorrelation falls, which is why it is there in either direction as well.
    positives : sequence of str, default ("fold", "transcritical", "hopf", "flip", "pitchfork")
        Positive controls: models of :mod:`ews.models` whose parameter moves from the value that is its default to the
        bifurcation, where the record ends.
    nulls : sequence of str
        Null families. "constant": the same model with the parameter at rest; "white", "red 0.3", "red 0.7", "red 0.9":
        autoregressions with that coefficient; "pink": 1/f noise; "trend": a mean that drifts ever faster, by 5 SD;
        "step": a mean moved from outside by 4 SD in the last 40 % of the record; "season": a cycle of 12 samples;
        "spread": white noise whose SD doubles. Default: all.
    detrend : str or None, default "gaussian"
        What is taken out before the windows, for the trends of indicators.
    bandwidth : float or int, optional
        Its bandwidth or span; fractions, here and of the window, are of the data that a score sees.
    window : float or int, default 0.5
        Window length.
    trend : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Trend statistic of an indicator.
    causal : bool, default False
        Use present and past samples only at each time.
    false_alarm_rate : float, default 0.05
        Share of the null records at which detections and lead times are measured.
    n_times : int, default 10
        How many times in a record the running score is taken at; 1 for no lead times, which is much faster.
    burn_in : float, default 0.5
        Share of a record before the first of them.
    level : float, default 0.95
        Level of the intervals.
    n_bootstrap : int, default 500
        How many bootstrap samples for each area.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them (see :func:`ews.detect`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of the records and of the bootstrap.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    Benchmark
        Areas, detection rates and lead times of each method, for each positive control against each null.

    Raises
    ------
    ews.errors.ArgumentError
        For a name that is not known, or a number out of range.

    Notes
    -----
    The fold's record ends where the upper equilibrium disappears. In about one of 200 records of the default length the
    population has collapsed a few samples before that; these are kept.

    References
    ----------
    Boettiger, C. & Hastings, A. (2012). Quantifying limits to detection of early warning for critical transitions. J.
    R. Soc. Interface 9, 2527–2539. Timmer, J. & König, M. (1995). On generating power law noise. Astronomy and
    Astrophysics 300, 707–710: pink noise.

    Examples
    --------
    >>> import ews
    >>> found = ews.benchmark(n=100, replicates=10, positives=["fold"], nulls=["constant", "white"], n_times=1)
    >>> found.to_frame().shape
    (8, 14)
    """
    chosen = dict(locals())  # every choice as it was given
    named = resolve_methods(methods)
    positives = checks.names("positives", positives, POSITIVES)
    nulls = checks.names("nulls", nulls, (CONSTANT, *NULLS))
    n = checks.whole("n", n, least=20)
    replicates = checks.draws("replicates", replicates, least=2)
    check_running(false_alarm_rate, n_times, burn_in)
    curves.check_bootstrap(level=level, n_bootstrap=n_bootstrap, least=1)
    seed = resolve_seed(seed)
    analysis = Analysis(
        season=None, **{name: chosen[name] for name in ("window", "detrend", "bandwidth", "trend", "causal")}
    )
    records = _records(positives, nulls, n=n, replicates=replicates, seed=seed)
    series = [one for rows in records.values() for one in rows]
    if transform is not None:
        for place, one in enumerate(series):
            series[place] = on_scale(one, transform, argument=f"transform, records of {one.name}")
    lengths = whole_and_earlier([n] * len(series), int(n_times), float(burn_in))
    scores = running_scores(series, named, lengths, analysis, progress=progress)
    times = np.stack([one.time[row - 1] for one, row in zip(series, lengths, strict=True)])
    config = BenchmarkConfig(
        n=n,
        replicates=replicates,
        window=window,
        detrend=detrend,
        bandwidth=bandwidth,
        trend=trend,
        causal=bool(causal),
        false_alarm_rate=float(false_alarm_rate),
        n_times=int(n_times),
        burn_in=float(burn_in),
        level=float(level),
        n_bootstrap=int(n_bootstrap),
        seed=seed,
        transform=name_of(transform),
    )
    first = {key: place * replicates for place, key in enumerate(records)}
    cells = {}
    for positive in positives:
        for null in nulls:
            beside = (positive, CONSTANT) if null == CONSTANT else ("", null)
            rows = np.concatenate([np.arange(first[key], first[key] + replicates) for key in ((positive, ""), beside)])
            for name, values in scores.items():
                cells[positive, null, name] = _cell(values[rows], times[rows], config)
    return Benchmark(positives=positives, nulls=nulls, methods=tuple(named), cells=cells, config=config)


def _records(
    positives: Sequence[str], nulls: Sequence[str], *, n: int, replicates: int, seed: int
) -> dict[tuple[str, str], list[Series]]:
    """Series of each kind: (positive, "") on their way, (positive, "constant") at rest, ("", family) of noise."""
    drawn: dict[tuple[str, str], list[Series]] = {}
    # One seed for each kind, so that a kind is the same whatever is run beside it.
    seeds = np.random.SeedSequence(seed).generate_state(2 * len(POSITIVES) + 1, np.uint64)
    for place, (name, model) in enumerate(POSITIVES.items()):
        if name not in positives:
            continue
        rising = model.rising(n=n, replicates=replicates, seed=int(seeds[2 * place]))
        drawn[name, ""] = [as_series(row, time=rising.time, name=name) for row in rising.values]
        if CONSTANT in nulls:
            constant = model.constant(n=n, replicates=replicates, seed=int(seeds[2 * place + 1]))
            drawn[name, CONSTANT] = [as_series(row, time=constant.time, name=name) for row in constant.values]
    for family in nulls:
        if family != CONSTANT:
            rows = draw_null(family, n=n, replicates=replicates, seed=int(seeds[-1]))
            drawn["", family] = [as_series(row, name=family) for row in rows]
    return drawn


def _cell(running: FloatArray, times: FloatArray, config: BenchmarkConfig) -> BenchmarkCell:
    """One method on one transition against one null; the first half of the rows is positive."""
    labels = np.arange(len(running)) < config.replicates
    curve = curves.measured(
        running[:, -1], labels, np.arange(len(running)), interval="bootstrap", level=config.level,
        n_bootstrap=config.n_bootstrap, seed=config.seed,
    )  # fmt: skip
    lead = None
    if config.n_times > 1:
        # In samples: models and noise have no common unit of time.
        samples = times / times[:, -1:] * (config.n - 1)
        end = np.full(len(running), float(config.n - 1))
        lead = lead_times(running, samples, end, labels, curve.threshold_at(config.false_alarm_rate))
    return BenchmarkCell(roc=curve, lead=lead)
