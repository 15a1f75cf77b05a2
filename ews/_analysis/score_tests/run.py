"""``ews.score_tests``: do the coefficients of an autoregression drift, and towards which instability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._analysis.score_tests.measurement import ErrorChoice, checked
from ews._analysis.score_tests.recording import recorded
from ews._analysis.score_tests.result import ScoreTests
from ews._analysis.score_tests.testing import FEWEST, Scoring, hold
from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform, name_of
from ews._significance.resolve import on_scale
from ews._significance.usable import check_size, residual_of
from ews._significance.windows import check_test
from ews.detrend.methods import SMOOTHER
from ews.errors import SeriesTooShortError, described
from ews.series import Duplicates, MissingKept, as_series

__all__ = ["score_tests"]


@reported("drawing surrogates")
def score_tests(
    series: Any,
    *,
    time: Any = None,
    transform: Transform = None,
    detrend: str | None = SMOOTHER,
    bandwidth: float | None = None,
    limit: float | None = 2.5,
    null: nulls.NullName = "ar1",
    n_surrogates: int = 1000,
    alpha: float = 0.05,
    causal: bool = False,
    until: Any = None,
    missing: MissingKept = "keep",
    duplicates: Duplicates = "mean",
    season: int | None = None,
    measurement_error: ErrorChoice | None = "default",
    seed: int | np.random.Generator | None = 0,
    progress: ProgressOption = None,
) -> ScoreTests:
    r"""Score tests of a drifting linear map: memory, damping and variance, each in its direction.

    No window: the whole record is tested at once for a coefficient that changes with time, which sees far more than the
    trend of a windowed indicator, and by where the eigenvalue goes it tells the bifurcations apart.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray; at least 10 samples.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        What the values are transformed by first (see :func:`ews.detect`).
    detrend : {"local_quadratic", "local_linear", "gaussian", "linear", ...} or None, default "local_quadratic"
        What is taken out first (see :data:`ews.detrend.METHODS`). A smoother that lags behind a moving mean at the end
        of the record, as a weighted mean does, leaves there what passes for memory.
    bandwidth : float, int or length of time, optional
        Its bandwidth or span (default: the method's own): a fraction of the record, a number of samples, or of dated
        records a length of time such as "5y".
    limit : float or None, default 2.5
        Outliers are pulled in to this many robust standard deviations before memory and damping are measured, and left
        out beyond 5 of them, so that a few samples neither make nor hide a drift; None leaves them.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model of the surrogates. The scores of memory and damping have nearly the same distribution under all.
    n_surrogates : int, default 1000
        How many surrogates; 0 for no p-values.
    alpha : float, default 0.05
        Family-wise level over the four tests; the intervals hold 1 − `alpha`.
    causal : bool, default False
        Use present and past samples only, in detrending and in filling gaps.
    until : number or date, optional
        Last time used, for example a known transition.
    missing : {"keep", "raise", "interpolate", "drop"}, default "keep"
        What to do with NaN and with uneven spacing: take the observations at their own times, refuse, fill in, or take
        what is left as consecutive. Whatever is done to the record is done to its surrogates.
    duplicates : {"mean", "raise"}, default "mean"
        What to do with several observations at one time: average them, and as many of each surrogate, or refuse.
    season : int, optional
        Period in samples of a seasonal cycle that is taken out first.
    measurement_error : {"default", "constant", "drifting"} or None, default "default"
        Which measurement error is allowed for. "constant": as large at all times; the surrogates have as much of it as
        the record (with null="ar1"). "drifting": of any size at each time; memory and damping are then measured by
        instruments from further back, which measurement error does not reach, and which see less. By default
        "constant" where memory two steps apart is stronger than memory over one step implies, as error makes it, and
        the null is red noise; None elsewhere. None: it is never allowed for.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the surrogates.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    ScoreTests
        Scores and p-values, and the paths of what drifts with their intervals.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    With w the shape of a drift (linear; fold-like, −√(1 − u); late, −log(1 − u + 0.02); u the time from 0 to 1),
    centred and of unit length, and e the residual under the null:

    - *memory*: :math:`r_t = (\varphi + \beta w_t) r_{t-1} + e_t`. The score
      :math:`z = \sum \tilde w_t r_{t-1} e_t / \sqrt{\sum (\tilde w_t r_{t-1} e_t)^2}`, with
      :math:`\tilde w = w - \sum w r_{t-1}^2 / \sum r_{t-1}^2` the part of the drift that a constant coefficient cannot
      take up. Towards +1 the largest over the three shapes counts, towards −1 that of the linear one.
    - *damping*: :math:`r_t = (a + \alpha w_t) r_{t-1} + (b - \beta w_t) r_{t-2} + e_t`, the score of β with a, b and α
      as nuisances. −b is the squared modulus of a complex pair of eigenvalues.
    - *variance*: :math:`\sum w_t \log(r_t^2 / v + 0.05)`, centred, v the variance of the residual.

    White's denominators hold under unequal variances, so that noise that grows is no drift of memory. The four are
    tested together by closed testing with min-p over joint surrogates, each p over its share of the level. Most of that
    goes where the record's own memory points to: what reaches +1 (−1) at its end had neighbours alike (unlike) for most
    of it. Shares are 2.2 (towards +1), 0.1 (towards −1), 0.1 and 0.4 where the lag-1 correlation, each pair in units of
    its own size, is above 0.1, the first two the other way round below −0.1, and 1.1, 1.1, 0.4 and 0.8 between. Of a
    record that oscillates, by the poles of an autoregression, they are 0.3, 0.3, 2.4 and 0.6; where other modes or
    measurement noise lie beside its own, damping is that of the mode: of the record whitened by an autoregression, the
    score of a resonator of the mode's frequency, and the null has the same modes.

    Measurement error on an autoregression makes it an ARMA process. Of constant size it changes the null: AR(1) under
    white noise, as much as the autocorrelations at lags 1 and 2 tell. Where its size drifts, lag-1 memory drifts too,
    and :math:`(\varphi, \beta)` solve :math:`\sum (1, w_t)\, r_{t-2} u_t = 0` with
    :math:`u_t = r_t - (\varphi + \beta w_t) r_{t-1}` instead, in which no error meets itself; those of damping have
    instruments :math:`r_{t-3}, r_{t-4}`. The scores are then the drifts over Newey and West's standard errors, which
    allow for products one step (damping: two) apart.

    References
    ----------
    Nyblom, J. (1989). Testing for the constancy of parameters over time. JASA 84, 223–230. White, H. (1980). A
    heteroskedasticity-consistent covariance matrix estimator and a direct test for heteroskedasticity. Econometrica
    48, 817–838. Lin, C.-F. J. & Teräsvirta, T. (1994). Testing the constancy of regression parameters against
    continuous structural change. J. Econometrics 62, 211–228. Boettiger, C. & Hastings, A. (2012). Quantifying limits
    to detection of early warning for critical transitions. J. R. Soc. Interface 9, 2527–2539: drifting coefficients
    against constant ones. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing, ch. 2. Wiley.
    Walker, A. M. (1960). Some consequences of superimposed error in time series analysis. Biometrika 47, 33–43. Newey,
    W. K. & West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
    covariance matrix. Econometrica 55, 703–708.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=400, seed=3)
    >>> found = ews.score_tests(population, until=population.transition, n_surrogates=199)
    >>> found.kinds
    ('memory towards +1',)
    >>> bool(found.memory[-1] > found.memory[0])
    True
    """
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    if limit is not None:
        limit = checks.number("limit", limit, above=0.0, allowed="a positive number, or None")
    measurement_error = checked(measurement_error, null=test.null)
    timed = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates, causal=causal, timed=True)
    cleaned = on_scale(timed, transform)
    if len(cleaned) < FEWEST:
        given = described(f"{len(cleaned)} observation(s)")
        raise SeriesTooShortError("series", given, f"at least {FEWEST} for this test")
    check_size(cleaned.values)
    record = recorded(cleaned, detrend=detrend, bandwidth=bandwidth, causal=causal, season=season, transform=transform)
    scoring = Scoring(record.pipeline, limit, record.sampling, measurement_error=measurement_error)
    plan = record.pipeline.plan
    residual_of(cleaned.values, cleaned.values - record.pipeline.residual(cleaned.values[None])[0])  # or refuse
    choices = {
        "detrend": plan.method,
        "bandwidth": plan.bandwidth,
        "causal": plan.causal,
        "season": plan.season,
        "transform": name_of(transform),
        "until": None if until is None else str(until),
        "missing": missing,
        "duplicates": duplicates,
    }
    return hold(cleaned, scoring, test, choices, progress=progress).result
