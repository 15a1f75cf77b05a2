"""``ews.bifurcations.classifier``: which bifurcation a record looks like the approach to, learned from simulations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.pipeline import in_chunks
from ews._significance.windows import FloatArray, Prepared, SurrogateTest, check_test, prepare
from ews.bifurcations._classifier.features import SHORTEST, features
from ews.bifurcations._classifier.network import CLASSES, shipped
from ews.bifurcations._classifier.result import Classification, ClassifierConfig
from ews.detrend import plan as plan_detrending
from ews.errors import ArgumentError, SeriesTooShortError, described
from ews.series import Duplicates, Missing

__all__ = ["classifier", "evidence_of"]

# The share of bifurcations among the series of the training.
TRAINED_PREVALENCE = 0.5


@reported("drawing surrogates")
def classifier(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    prevalence: float = TRAINED_PREVALENCE,
    history: int = 20,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 500,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> Classification:
    r"""Probabilities that a record approaches a fold, transcritical, pitchfork, Hopf or flip bifurcation, or none.

    A small network reads about a hundred features of the residual (correlations, scales, spectra, curvature and
    changing autoregressions, and how each moves over the record) and has learned from random polynomial systems and
    maps whose bifurcation is known, and from noise of many colours, what each looks like. Its probabilities are
    calibrated on series that it did not learn from. The evidence for any bifurcation is also held against surrogates of
    the residual, which gives a p-value that owes nothing to the training.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray, of at least 40 samples.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", ...} or None, default "gaussian"
        What is taken out first (see :data:`ews.detrend.METHODS`). The training saw Gaussian smoothing most often, and
        lowess, lines and nothing at all.
    bandwidth : float or int, optional
        Its bandwidth or span (default: the method's own).
    prevalence : float, default 0.5
        Prior probability that a record like this one approaches a bifurcation, before it was looked at. The default is
        that of the training; where transitions are rare, say so.
    history : int, default 20
        At how many times on the way the record so far is classified, each time detrended anew without what came later;
        0 for none. Times before which the record is too short for its season or bandwidth are left out.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model for the p-value. The default takes the residual for Gaussian: of values that are strongly skewed its
        p-values are too small, and those of "iaaft" are better. Where most values are equal, as in counts that are
        mostly zero, those of every null are too small.
    n_surrogates : int, default 500
        How many surrogates; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to the values before anything is taken out of them (see :func:`ews.detect`).
    seed : int, numpy.random.Generator or None, default 0
        Seed of the surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    Classification
        Probabilities, evidence, p-value, and the probabilities through time.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    With logits :math:`z_k` (mean of three perceptrons) and temperature :math:`T`, the probabilities are
    :math:`p_k = e^{z_k/T} / \sum_j e^{z_j/T}`; a prevalence :math:`q` other than the trained one multiplies the odds of
    any bifurcation by :math:`q / (1 - q)`. The evidence is :math:`\ln((1 - p_0)/p_0)` at the trained prevalence,
    :math:`p_0` the probability of the null.

    The probabilities are right on average over systems like those of the training. They are not for a system of
    another kind, and a cause that moves variance and memory without a bifurcation is not told from one. Fold,
    transcritical and pitchfork bifurcations look alike from the residual; the probability of one of the three is known
    better than which.

    References
    ----------
    Bury, T. M. et al. (2021). Deep learning for early warning signals of tipping points. PNAS 118, e2106140118. Bury,
    T. M. et al. (2023). Predicting discrete-time bifurcations with deep learning. Nature Communications 14, 6331: the
    idea; network, features and simulations here are others. Guo, C. et al. (2017). On calibration of modern neural
    networks. ICML: the temperature.

    Examples
    --------
    >>> import ews
    >>> fish = ews.models.ricker(n=300, seed=1)
    >>> result = ews.bifurcations.classifier(fish, until=fish.transition, history=0, n_surrogates=99)
    >>> result.kind
    'flip'
    """
    asked = dict(locals())  # every choice as it was given
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    prevalence = checks.alpha(prevalence, "prevalence")
    history = checks.draws("history", history)
    try:
        prepared = prepare(asked | {"window": 0.5}, shortest=SHORTEST // 2)
    except SeriesTooShortError as error:  # that speaks of windows
        raise SeriesTooShortError(error.argument, error.given, f"at least {SHORTEST} for the classifier") from None
    if prepared.drawn.size < SHORTEST:
        given = described(f"{prepared.drawn.size} observations")
        raise SeriesTooShortError("series", given, f"at least {SHORTEST} for the classifier")
    log_odds = np.log(prevalence / (1.0 - prevalence) * (1.0 - TRAINED_PREVALENCE) / TRAINED_PREVALENCE)
    log_probabilities = shipped().log_probabilities(features(prepared.drawn.reshape(1, -1)))
    evidence = float(_evidence(log_probabilities)[0])
    surrogate, sentence = _surrogate_scores(prepared, test, progress)
    places, through_time = _history(prepared, int(history), log_odds)
    return Classification(
        **prepared.fields,
        probability=dict(zip(CLASSES, map(float, _with_prior(log_probabilities, log_odds)[0]), strict=True)),
        evidence=evidence,
        pvalue=float((1 + (surrogate >= evidence).sum()) / (1 + surrogate.size)) if surrogate.size else float("nan"),
        surrogate_evidence=surrogate,
        history_time=prepared.series.time[places],
        history_probability={name: through_time[:, k] for k, name in enumerate(CLASSES)},
        null_sentence=sentence,
        config=ClassifierConfig(
            prevalence=float(prevalence),
            history=int(history),
            null=null,
            **prepared.choices,
            **test.choices,
        ),
    )


def evidence_of(residuals: FloatArray) -> FloatArray:
    """Log odds of any bifurcation against none in residuals of shape (rows, n), at the trained prevalence."""
    return _evidence(shipped().log_probabilities(features(residuals)))


def _evidence(log_probabilities: FloatArray) -> FloatArray:
    """ln((1 − p₀) / p₀), without losing it near certainty."""
    some = np.logaddexp.reduce(log_probabilities[:, 1:], axis=1)
    return np.asarray(some - log_probabilities[:, 0])


def _with_prior(log_probabilities: FloatArray, log_odds: float) -> FloatArray:
    """Probabilities under another prevalence: Bayes' rule, the odds of any bifurcation multiplied."""
    shifted = log_probabilities.copy()
    shifted[:, 1:] += log_odds
    shifted -= shifted.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted)
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _surrogate_scores(prepared: Prepared, test: SurrogateTest, progress: ProgressOption) -> tuple[FloatArray, str]:
    """Evidence of surrogates of the residual, each detrended again."""
    if test.n_surrogates == 0:
        return np.empty(0), "no surrogates were drawn"
    fitted = nulls.fit(prepared.drawn, null=test.null)
    lost = int(prepared.pipeline.plan.method == "difference")

    def scores(first: int, count: int) -> FloatArray:
        rows = prepared.pipeline.residual(fitted.draw(first, count, seed=test.seed))[:, lost:]
        return evidence_of(rows)

    drawn = in_chunks(scores, test.n_surrogates, n=len(prepared.series), progress=progress)
    return np.concatenate(drawn), fitted.sentence


def _history(prepared: Prepared, history: int, log_odds: float) -> tuple[Any, FloatArray]:
    """Probabilities of the record so far at several times: what came later takes no part, in detrending either."""
    n = len(prepared.series)
    plan = prepared.pipeline.plan
    lost = int(plan.method == "difference")
    first = min(n, max(SHORTEST + lost, n // 2))
    ends = np.unique(np.linspace(first, n, history).round().astype(np.int64)) if history else np.empty(0, np.int64)
    places, rows = [], []
    for end in ends:
        so_far = prepared.series.values[:end].reshape(1, -1)
        try:
            shorter = plan_detrending(
                plan.method, n=int(end), bandwidth=plan.bandwidth, causal=plan.causal, season=plan.season
            )
        except ArgumentError:
            continue  # not yet two periods of the season, or as many samples as the bandwidth has
        residual = (so_far - shorter.rows(so_far))[:, lost:]
        places.append(end - 1)
        rows.append(_with_prior(shipped().log_probabilities(features(residual)), log_odds)[0])
    return np.array(places, dtype=np.int64), np.array(rows).reshape(len(rows), len(CLASSES))
