"""``ews.bifurcations.langevin``: the slope of the drift in rolling windows, with its exact posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews import nulls
from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.windows import FloatArray, check_test, prepare, trend_test
from ews.bifurcations._langevin.result import LangevinConfig, LangevinSlope
from ews.series import Duplicates, Missing

__all__ = ["langevin"]

# Precision of one observation of u² and u³, u standard normal: E u⁴ and E u⁶. Constant and slope have a flat prior.
PRIOR_PRECISION = (0.0, 0.0, 3.0, 15.0)
SHORTEST_WINDOW = 12


@reported("drawing surrogates")
def langevin(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
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
) -> LangevinSlope:
    r"""Slope of the drift of a Langevin equation in a rolling window, with its credible band.

    In each window, dx = h(x) dt + σ dW with a cubic drift h and constant noise σ. The slope ζ = h'(x̄) at the fixed
    point, taken to be the window's mean x̄, is negative while the state is stable and rises to 0 at a fold,
    transcritical or pitchfork bifurcation.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default "gaussian"
        What is taken out before the windows (see :data:`ews.detrend.METHODS`): a drifting mean would be read as a weak
        restoring force.
    bandwidth : float or int, optional
        Its bandwidth or span (default: the method's own).
    window : float or int, default 0.5
        Window length: a fraction of the record or a number of samples, at least 12.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Null model for the trend of the slope.
    n_surrogates : int, default 500
        How many surrogates; 0 for no p-value.
    alpha : float, default 0.05
        Level of the test; the credible bands hold 1 − `alpha`.
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
        Seed of the surrogates. The posterior needs no random numbers.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    LangevinSlope
        Slope and noise with their bands, per window; trend of the slope and its p-value.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    By the Euler scheme, x[t+Δ] − x[t] ~ N(h(x[t]) Δ, σ² Δ): a linear regression of the increments on 1, u, u², u³ with
    u = (x − x̄) / s, s the SD of the window. Its posterior is known exactly, so that no Markov chain is run, nothing has
    to converge, and the band has no Monte Carlo error: the slope at u = 0 is one coefficient and has Student's t for
    its posterior, σ² an inverse gamma.

    Prior: 1/σ² for the noise and flat for constant and slope, as an agnostic reference; N(0, σ²/3) and N(0, σ²/15), in
    units of the regression, for the quadratic and the cubic coefficient: as much information as one observation holds
    (Kass & Wasserman 1995). Hessler & Kamps use (1 + θ₁²)^(−3/2) for the slope and fixed Gaussians of SD 4 and 8 for
    the higher ones, which depend on the units of x; in windows of 50 samples and more the data outweigh either.

    The Euler slope of a linear system sampled at Δ is (exp(λΔ) − 1) / Δ, which is close to the rate λ only for ``|λ|Δ``
    well below 1. Regression on the past is biased towards stability by about (1 + 3 exp(λΔ)) / (window Δ).

    References
    ----------
    Hessler, M. & Kamps, O. (2022). Bayesian on-line anticipation of critical transitions. New Journal of Physics 24,
    063021: the model, eq. 1-5. Kass, R. E. & Wasserman, L. (1995). A reference Bayesian test for nested hypotheses and
    its relationship to the Schwarz criterion. JASA 90, 928-934: unit information. Gelman, A. et al. (2013). Bayesian
    Data Analysis, 3rd ed., section 14.2: the posterior.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.harvested_population(n=400, seed=1)
    >>> result = ews.bifurcations.langevin(population, until=population.transition, n_surrogates=99)
    >>> bool(result.slope[-1] > result.slope[result.config.window - 1])
    True
    """
    asked = dict(locals())  # every choice as it was given
    test = check_test(null=null, n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    prepared = prepare(asked, shortest=SHORTEST_WINDOW)
    window_samples, step = prepared.window, prepared.series.step
    posterior = _posterior(prepared.residual.reshape(1, -1), window_samples)[:, 0]
    location, scale, squares, mean = posterior
    bands = _bands(location, scale, squares, window_samples, step, test.alpha)

    def measure(rows: FloatArray) -> FloatArray:
        slopes: FloatArray = _posterior(rows, window_samples)[0, :, window_samples - 1 :]
        return slopes

    tested = trend_test(location[window_samples - 1 :], measure, prepared, test, progress)
    return LangevinSlope(
        **prepared.fields,
        slope=location / step,
        **bands,
        fixed_point=mean + prepared.trend,
        tau=tested.tau,
        pvalue=tested.pvalue,
        surrogate_tau=tested.surrogate_tau,
        null_sentence=tested.null_sentence,
        config=LangevinConfig(
            **prepared.choices,
            **test.choices,
            window=prepared.window,
            null=null,
        ),
    )


def _posterior(rows: FloatArray, window: int) -> FloatArray:
    """Location and scale of the slope per sample, sum of squares, window mean: shape (4, rows, n)."""
    from ews._kernels.langevin import rolling_cubic_drift

    out = np.empty((4, *rows.shape))
    with np.errstate(all="ignore"):
        rolling_cubic_drift(np.require(rows, np.float64, ("C", "W")), window, np.array(PRIOR_PRECISION), out)
    return out


def _bands(
    location: FloatArray, scale: FloatArray, squares: FloatArray, window: int, step: float, alpha: float
) -> dict[str, Any]:
    """Quantiles of the exact posterior, in units of time."""
    from scipy.stats import chi2, t

    # Increments, less four coefficients, plus one for each proper prior (Gelman et al. 2013, section 14.2, 14.8).
    freedom = window - 1 - len(PRIOR_PRECISION) + np.count_nonzero(PRIOR_PRECISION)
    reach = float(t.isf(alpha / 2.0, freedom))
    lower, middle, upper = (float(chi2.isf(q, freedom)) for q in (alpha / 2.0, 0.5, 1.0 - alpha / 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unstable = t.cdf(location / scale, freedom)
    return {
        "slope_lower": (location - reach * scale) / step,
        "slope_upper": (location + reach * scale) / step,
        "probability_unstable": np.asarray(unstable, dtype=np.float64),
        "noise": np.sqrt(squares / middle / step),
        "noise_lower": np.sqrt(squares / lower / step),
        "noise_upper": np.sqrt(squares / upper / step),
    }
