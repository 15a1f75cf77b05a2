"""``ews.bifurcations.jacobian``: the leading eigenvalue of the S-map Jacobian in rolling windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.windows import FloatArray, check_test, prepare, trend_tests
from ews.bifurcations._jacobian.maps import COMPANIONS, Companion, IntArray, Strengths, eigenvalues
from ews.bifurcations._jacobian.result import JacobianConfig, JacobianEigenvalue
from ews.errors import SeriesTooShortError, described
from ews.series import Duplicates, Missing

__all__ = ["jacobian"]

LARGEST_DIMENSION = 6
LARGEST_DELAY = 3
WINDOWS = 25
SHORTEST_WINDOW = 20
POINTS_PER_COLUMN = 3  # local fits with fewer points for each of their coefficients are noise


@reported("drawing surrogates")
def jacobian(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    dimension: int | None = None,
    delay: int | None = None,
    theta: float | None = None,
    companion: Companion = "full",
    stride: int | None = None,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 200,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    season: int | None = None,
    transform: Transform = None,
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> JacobianEigenvalue:
    r"""Leading eigenvalue of the S-map Jacobian in a rolling window: how close to a bifurcation, and to which.

    Each window is z-scored and embedded in E delays; at every point a linear map to the next value is fitted, near
    points counting more; the leading eigenvalue ν of its companion matrix, averaged over the window, is the dynamical
    eigenvalue (DEV). ``|ν|`` rises to 1 at a bifurcation: with ν near +1 at a fold, transcritical or pitchfork, near -1
    at a period doubling, as a complex pair at a Hopf or Neimark-Sacker bifurcation.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default "gaussian"
        What is taken out before the windows (see :data:`ews.detrend.METHODS`). None is the published method; but a
        drifting level is then an eigenvalue near +1 that hides all others.
    bandwidth : float or int, optional
        Its bandwidth or span (default: the method's own).
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples, at least 20.
    dimension : int, optional
        E. Default: in each window, chosen with `delay` by the leave-one-out errors of the linear map: the smallest, up
        to 6, whose squared errors exceed those of the best by less than two standard errors.
    delay : int, optional
        τ, in samples. Default: in each window, chosen from 1 to 3.
    theta : float, optional
        Strength θ of localisation. Default: in each window the best of 0, 0.5, …, 2.5.
    companion : {"full", "published"}, default "full"
        Matrix whose eigenvalue ν is. ``"full"``: that of the whole recurrence, of (E-1)τ + 1 lags, whose ν is per
        sample. ``"published"``: the E × E matrix of Grziwotz et al. (2023), which has the coefficients in its first
        row whatever τ is. They differ for τ > 1 only.
    stride : int, optional
        Distance between windows in samples; the last one ends with the record. Default: about 25 windows, as each
        costs the square of its length.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model for the trends.
    n_surrogates : int, default 200
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
    JacobianEigenvalue
        ν per window, its trend and p-value, and the kind of bifurcation that its place speaks for.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    The S-map scales row j of the regression at point i by exp(-θ d(i, j) / mean d(i, ·)), d the distance of the delay
    vectors; the point itself takes no part. θ is the one whose leave-one-out predictions correlate best with what
    followed. For τ > 1 the E × E matrix takes the lags 0, τ, 2τ, … for 0, 1, 2, …: its eigenvalue is not the growth of
    a perturbation per step, and ``|ν|`` differs by up to some 0.2; ``companion="published"`` is for comparisons.

    On its way to a period doubling ν passes 0, and ``|ν|`` falls before it rises. What is tested is therefore the
    approach to the place where ν lies in the last window: Re ν, -Re ν or ``|ν|``; the published ``|ν|`` is tested
    beside it. Surrogates go through detrending, windows, embedding, choice of θ and of the place as the series does.

    The eigenvalue is that of one sampling step. A slow rotation, or a system that is sampled rarely, may look like a
    real one. Observation noise and short windows pull ``|ν|`` towards 0: it need not get to 1 at a bifurcation.

    References
    ----------
    Grziwotz, F. et al. (2023). Anticipating the occurrence and type of critical transitions. Science Advances 9,
    eabq4558. Sugihara, G. (1994). Nonlinear forecasting for the classification of natural time series. Philosophical
    Transactions of the Royal Society A 348, 477-495: the S-map. Hastie, T., Tibshirani, R. & Friedman, J. (2009). The
    Elements of Statistical Learning, section 7.10: smallest model within the error of the best.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.ricker(n=300, seed=1)
    >>> result = ews.bifurcations.jacobian(population, until=population.transition, n_surrogates=0)
    >>> result.kind
    'period doubling'
    """
    asked = dict(locals())  # every choice as it was given
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    strengths = _strengths(theta)
    companion = checks.choice("companion", companion, COMPANIONS)
    prepared = prepare(asked, shortest=SHORTEST_WINDOW)
    n, length = len(prepared.series), prepared.window
    dimensions, delays = _candidates(dimension, delay, length)
    stride = _stride(stride, n, length)
    ends = np.arange(n - 1, length - 2, -stride, dtype=np.int64)[::-1].copy()

    def measure(rows: FloatArray) -> list[FloatArray]:
        found = [eigenvalues(row, length, ends, dimensions, delays, strengths, companion) for row in rows]
        return [np.stack([one.approach for one in found]), np.stack([one.modulus for one in found])]

    found = eigenvalues(prepared.residual, length, ends, dimensions, delays, strengths, companion)
    approach, modulus = trend_tests([found.approach, found.modulus], measure, prepared, test, progress)
    return JacobianEigenvalue(
        **prepared.fields,
        index=ends,
        time=prepared.series.time[ends],
        modulus=found.modulus,
        real=found.real,
        imaginary=found.imaginary,
        shares=found.shares,
        theta=found.theta,
        skill=found.skill,
        dimension=found.dimension,
        delay=found.delay,
        approach=found.approach,
        tau=approach.tau,
        pvalue=approach.pvalue,
        surrogate_tau=approach.surrogate_tau,
        modulus_tau=modulus.tau,
        modulus_pvalue=modulus.pvalue,
        null_sentence=approach.null_sentence,
        config=JacobianConfig(
            **prepared.choices,
            **test.choices,
            window=prepared.window,
            null=null,
            dimension=None if dimension is None else int(dimension),
            delay=None if delay is None else int(delay),
            theta=None if theta is None else float(theta),
            companion=companion,
            stride=stride,
        ),
    )


def _strengths(theta: Any) -> Strengths:
    if theta is None:
        return Strengths(0.0, 0.5, 6)  # Grziwotz et al. (2023): 0, 0.5, …, 2.5
    return Strengths(checks.number("theta", theta, least=0.0, allowed="a number of 0 or more, or None"), 0.0, 1)


def _candidates(dimension: Any, delay: Any, window: int) -> tuple[IntArray, IntArray]:
    """The embeddings to choose from; only such as leave points enough in a window."""
    for name, given in (("dimension", dimension), ("delay", delay)):
        if given is not None:
            checks.whole(name, given, least=1, allowed="an integer of 1 or more, or None")
    delays = np.arange(1, LARGEST_DELAY + 1) if delay is None else np.array([int(delay)])
    dimensions = np.arange(1, LARGEST_DIMENSION + 1) if dimension is None else np.array([int(dimension)])
    # A quarter of the window may go to the lags, and each coefficient of the largest map needs points of its own.
    fits = [
        (dimension is not None or (e - 1) * delays.max() <= window // 4)
        and window - 1 - (e - 1) * delays.max() >= POINTS_PER_COLUMN * (e + 1)
        for e in dimensions
    ]
    if not any(fits):
        given = described(f"a window of {window} samples for dimension {dimensions[0]} and delay {delays.max()}")
        raise SeriesTooShortError("window", given, f"{POINTS_PER_COLUMN} points for each coefficient of a local map")
    return dimensions[np.array(fits)].astype(np.int64), delays.astype(np.int64)


def _stride(stride: Any, n: int, window: int) -> int:
    if stride is None:
        return max(1, (n - window) // (WINDOWS - 1))
    allowed = f"an integer from 1 to {n - window}, or None"
    return checks.whole("stride", stride, least=1, most=n - window, allowed=allowed)
