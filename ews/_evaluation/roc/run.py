"""``ews.roc`` and ``ews.compare_roc``: how well a score tells positive cases from negative ones, and how surely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ews._common import checks
from ews._common.seeds import resolve_seed
from ews._evaluation import resampling
from ews._evaluation.resampling import BoolArray, FloatArray, IntArray, Ordered
from ews._evaluation.roc.result import Roc, RocDifference
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    ValueRangeError,
    at,
    described,
)
from ews.series import real_numbers

__all__ = [
    "IntervalMethod",
    "check_bootstrap",
    "compare_roc",
    "compared",
    "measured",
    "read_groups",
    "read_labels",
    "roc",
]

IntervalMethod = Literal["bootstrap", "delong", "newcombe"]
INTERVALS: tuple[IntervalMethod, ...] = ("bootstrap", "delong", "newcombe")
# False-alarm rates at which the band of the curve is given.
GRID = np.linspace(0.0, 1.0, 101)


def roc(
    scores: Any,
    labels: Any,
    *,
    groups: Any = None,
    interval: IntervalMethod = "bootstrap",
    level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int | np.random.Generator | None = 0,
) -> Roc:
    """Receiver operating characteristic of a score, its area and the area's interval.

    The area under the curve (AUC) is the probability that a positive case scores higher than a negative one, a tie
    counting one half: 1 is perfect, 0.5 is chance, 0 is perfectly wrong.

    Parameters
    ----------
    scores : array_like of shape (n,)
        One number a case; larger speaks for a positive. ±∞ are allowed, NaN is not.
    labels : array_like of shape (n,)
        True or 1 for a positive case, False or 0 for a negative one; both must occur.
    groups : array_like of shape (n,), optional
        Which record each score comes from. Scores of one record are not independent: the bootstrap then draws whole
        records (default: every score is a record of its own).
    interval : {"bootstrap", "delong", "newcombe"}, default "bootstrap"
        How the interval of the area is made: quantiles of a bootstrap stratified by label; the normal interval with
        DeLong's variance; or Newcombe's score interval, which keeps its level in small samples and at areas near 1.
    level : float, default 0.95
        Level of the interval and of the band.
    n_bootstrap : int, default 2000
        How many bootstrap samples, for the band and the interval; 0 for neither.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the bootstrap.

    Returns
    -------
    Roc
        The curve, its band, the area and its interval.

    Raises
    ------
    ews.errors.ArgumentError
        If scores, labels or groups cannot be used, or an option is out of range.

    Notes
    -----
    Where a score separates the two kinds perfectly every bootstrap sample does so too, and its quantiles would claim
    certainty. There the interval is Newcombe's, and :attr:`Roc.notes` says so.

    References
    ----------
    Mann, H. B. & Whitney, D. R. (1947). On a test of whether one of two random variables is stochastically larger than
    the other. Ann. Math. Stat. 18, 50–60. DeLong, E. R. et al. (1988). Comparing the areas under two or more correlated
    receiver operating characteristic curves. Biometrics 44, 837–845. Newcombe, R. G. (2006). Confidence intervals for
    an effect size measure based on the Mann–Whitney statistic. Part 2. Statistics in Medicine 25, 559–573, method 5.
    Fawcett, T. (2006). An introduction to ROC analysis. Pattern Recognition Letters 27, 861–874.

    Examples
    --------
    >>> import ews
    >>> curve = ews.roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.auc
    0.75
    """
    checks.choice("interval", interval, INTERVALS)
    check_bootstrap(level=level, n_bootstrap=n_bootstrap)
    values = _read_scores("scores", scores)
    truth = read_labels(labels, values.size)
    members = read_groups(groups, values.size)
    if groups is not None and interval != "bootstrap":
        raise ArgumentError("interval", interval, '"bootstrap" with groups: the others take scores for independent')
    return measured(
        values, truth, members, interval=interval, level=float(level), n_bootstrap=int(n_bootstrap),
        seed=resolve_seed(seed),
    )  # fmt: skip


def compare_roc(
    scores_a: Any,
    scores_b: Any,
    labels: Any,
    *,
    groups: Any = None,
    level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int | np.random.Generator | None = 0,
) -> RocDifference:
    """Difference between the areas under the curves of two scores of the same cases, with its interval.

    The bootstrap is paired: each sample holds the same cases for both scores, so that what both find hard cancels.

    Parameters
    ----------
    scores_a, scores_b : array_like of shape (n,)
        The two scores of each case; larger speaks for a positive.
    labels : array_like of shape (n,)
        True or 1 for a positive case, False or 0 for a negative one.
    groups : array_like of shape (n,), optional
        Which record each case comes from; the bootstrap draws whole records.
    level : float, default 0.95
        Level of the interval.
    n_bootstrap : int, default 2000
        How many bootstrap samples, at least 1.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the bootstrap.

    Returns
    -------
    RocDifference
        AUC of a minus AUC of b, its interval and two-sided p-value.

    Raises
    ------
    ews.errors.ArgumentError
        If scores, labels or groups cannot be used, or an option is out of range.

    References
    ----------
    Robin, X. et al. (2011). pROC: an open-source package for R and S+ to analyze and compare ROC curves. BMC
    Bioinformatics 12, 77.

    Examples
    --------
    >>> import ews
    >>> found = ews.compare_roc([1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 1, 1])
    >>> found.difference
    1.0
    """
    check_bootstrap(level=level, n_bootstrap=n_bootstrap, least=1)
    a, b = _read_scores("scores_a", scores_a), _read_scores("scores_b", scores_b)
    if a.size != b.size:
        raise ArgumentError("scores_b", described(f"{b.size} scores"), f"{a.size}, one for each of scores_a")
    truth = read_labels(labels, a.size)
    members = read_groups(groups, a.size)
    return compared(a, b, truth, members, level=float(level), n_bootstrap=int(n_bootstrap), seed=resolve_seed(seed))


def measured(
    scores: FloatArray,
    labels: BoolArray,
    groups: IntArray,
    *,
    interval: IntervalMethod,
    level: float,
    n_bootstrap: int,
    seed: int,
) -> Roc:
    """:func:`roc` of what has been checked."""
    ordered = Ordered.of(scores, labels)
    ones = np.ones((1, scores.size))
    positive, negative = ordered.shares(ones)
    auc = float(resampling.areas(positive, negative)[0])
    band = np.full((2, GRID.size), np.nan)
    drawn = np.empty(0)
    if n_bootstrap:
        aucs, curves = [], []
        for weights in resampling.resampled_weights(labels, groups, n_bootstrap=n_bootstrap, seed=seed):
            shares = ordered.shares(weights)
            aucs.append(resampling.areas(*shares))
            curves.append(resampling.curves(*shares, GRID))
        drawn = np.concatenate(aucs)
        band = np.quantile(np.concatenate(curves), _tails(level), axis=0)
    bounds, notes = _interval(auc, drawn, ordered, groups, interval, level)
    return Roc(
        scores=scores,
        labels=labels,
        fpr=1.0 - negative[0, ::-1],
        tpr=1.0 - positive[0, ::-1],
        thresholds=np.append(np.inf, ordered.distinct[::-1]),
        auc=auc,
        interval=bounds,
        band_fpr=GRID,
        band_lower=band[0],
        band_upper=band[1],
        n_groups=int(groups.max()) + 1,
        method=interval,
        level=level,
        n_bootstrap=n_bootstrap,
        seed=seed,
        notes=notes,
    )


def compared(
    a: FloatArray, b: FloatArray, labels: BoolArray, groups: IntArray, *, level: float, n_bootstrap: int, seed: int
) -> RocDifference:
    """:func:`compare_roc` of what has been checked."""
    ordered = [Ordered.of(scores, labels) for scores in (a, b)]
    ones = np.ones((1, a.size))
    auc_a, auc_b = (float(resampling.auc_of(one, ones)[0]) for one in ordered)
    drawn = np.concatenate(
        [
            resampling.auc_of(ordered[0], weights) - resampling.auc_of(ordered[1], weights)
            for weights in resampling.resampled_weights(labels, groups, n_bootstrap=n_bootstrap, seed=seed)
        ]
    )
    low, high = np.quantile(drawn, _tails(level))
    # The level at which the interval would just touch 0; the added one keeps it above 0.
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return RocDifference(
        auc_a=auc_a,
        auc_b=auc_b,
        difference=auc_a - auc_b,
        interval=(float(low), float(high)),
        pvalue=min(1.0, 2.0 * (1.0 + beyond) / (1.0 + n_bootstrap)),
        level=level,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def _interval(
    auc: float, drawn: FloatArray, ordered: Ordered, groups: IntArray, method: str, level: float
) -> tuple[tuple[float, float], tuple[str, ...]]:
    positive, negative = ordered.positive, ordered.negative
    if method == "bootstrap" and not drawn.size:
        return (float("nan"), float("nan")), ()
    # Records, where scores come in groups: so many independent cases there are at the most.
    sizes = (np.unique(groups[positive]).size, np.unique(groups[negative]).size)
    if method == "newcombe":
        return resampling.newcombe_interval(auc, *sizes, level), ()
    if auc in (0.0, 1.0):
        note = (
            "the scores separate the two kinds without an overlap, so that no resampling varies: the interval is "
            "Newcombe's (2006)"
        )
        return resampling.newcombe_interval(auc, *sizes, level), (note,)
    if method == "delong":
        return _delong(auc, ordered, level), ()
    low, high = np.quantile(drawn, _tails(level))
    return (float(low), float(high)), ()


def _delong(auc: float, ordered: Ordered, level: float) -> tuple[float, float]:
    """Normal interval with the variance of the placements (DeLong et al. 1988, eq. 5), cut to [0, 1]."""
    from scipy.stats import norm

    below_positive, below_negative = np.diff(ordered.positive_starts), np.diff(ordered.negative_starts)
    m, n = ordered.positive.size, ordered.negative.size
    if min(m, n) < 2:
        raise SeriesTooShortError("labels", described(f"{m} positive and {n} negative cases"), "2 of each for DeLong's")
    # Share of the other kind that each case beats, ties halved; cases of equal score share it.
    of_positive = (ordered.negative_starts[:-1] + 0.5 * below_negative) / n
    of_negative = (m - ordered.positive_starts[1:] + 0.5 * below_positive) / m
    variance = np.sum(below_positive * (of_positive - auc) ** 2) / (m - 1) / m
    variance += np.sum(below_negative * (of_negative - auc) ** 2) / (n - 1) / n
    reach = float(norm.isf((1.0 - level) / 2.0) * np.sqrt(variance))
    return max(0.0, auc - reach), min(1.0, auc + reach)


def _tails(level: float) -> tuple[float, float]:
    return (0.5 * (1.0 - level), 0.5 * (1.0 + level))


def check_bootstrap(*, level: Any, n_bootstrap: Any, least: int = 0) -> None:
    """Refuse a level or a number of bootstrap samples that cannot be used."""
    checks.alpha(level, "level")
    checks.draws("n_bootstrap", n_bootstrap, least=least)


def _read_scores(argument: str, given: Any) -> FloatArray:
    values = real_numbers(argument, given)
    if np.isnan(values).any():
        where = int(np.flatnonzero(np.isnan(values))[0])
        raise MissingValuesError(argument, described(f"NaN {at(where)}"), "numbers; −∞ for what never warns")
    return values


def read_labels(given: Any, n: int) -> BoolArray:
    """Labels as booleans, both kinds present."""
    if isinstance(given, Mapping | str | bytes):
        raise InputTypeError("labels", given, "a sequence of True and False, or of 1 and 0")
    allowed = "True or 1 for a positive case, False or 0 for a negative one"
    values = checks.array("labels", given, allowed)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InputTypeError("labels", described(f"an array of type {values.dtype}, shape {values.shape}"), allowed)
    if values.size != n:
        raise ArgumentError("labels", described(f"{values.size} labels"), f"{n}, one for each case")
    strange = values[~np.isin(values, (0, 1))]
    if strange.size:
        raise ValueRangeError("labels", strange[0].item(), allowed)
    truth = values.astype(np.bool_)
    if truth.all() or not truth.any():
        kind = "positive" if truth.any() else "negative"
        raise SeriesTooShortError("labels", described(f"{n} {kind} cases"), "at least one positive and one negative")
    return truth


def read_groups(given: Any, n: int) -> IntArray:
    """Groups as numbers from 0; every case its own where none are given."""
    if given is None:
        return np.arange(n)
    allowed = "one name or number a case"
    values = checks.array("groups", given, allowed)
    if values.ndim != 1 or values.dtype.kind not in "biufUTSMO":
        raise InputTypeError("groups", described(f"an array of shape {values.shape}"), allowed)
    if values.size != n:
        raise ArgumentError("groups", described(f"{values.size} groups"), f"{n}, one for each case")
    if values.dtype.kind == "O":
        values = np.array([str(one) for one in values])
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)
