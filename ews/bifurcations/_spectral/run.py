"""``ews.bifurcations.spectral``: which bifurcation's spectrum the fluctuations have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.progress import ProgressOption, reported
from ews._common.transforms import Transform
from ews._significance.pipeline import in_chunks
from ews._significance.windows import check_test, prepare
from ews.bifurcations._spectral import fit as models
from ews.bifurcations._spectral.result import SpectralClassification, SpectralConfig
from ews.bifurcations._spectral.surrogates import rival_pvalues
from ews.errors import ValueRangeError
from ews.indicators.welch import OVERLAP, SEGMENT, Taper, read_segments
from ews.series import Duplicates, Missing

__all__ = ["spectral"]

FloatArray = npt.NDArray[np.float64]

# Fewer frequencies leave nothing to tell three parameters by.
SHORTEST_SEGMENT = 16


@reported("drawing surrogates")
def spectral(
    series: Any,
    *,
    time: Any = None,
    detrend: str | None = "gaussian",
    bandwidth: float | None = None,
    window: float = 0.5,
    segment: int = SEGMENT,
    overlap: float = OVERLAP,
    taper: Taper = "hamming",
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
) -> SpectralClassification:
    r"""Classify the bifurcation ahead by the shape of the power spectrum: fold, flip, Hopf or none.

    A linear system that is pushed by white noise, and returns to its equilibrium with eigenvalue λ < 0 (fold,
    transcritical, pitchfork) or μ ± iω₀ (Hopf) or with multiplier r < 0 (flip of a map), has one of the spectra

        S_fold(ω) = σ²/2π · 1 / (ω² + λ²),
        S_Hopf(ω) = σ²/4π · [1 / ((ω + ω₀)² + μ²) + 1 / ((ω − ω₀)² + μ²)],
        S_flip(ω) = σ²/2π · 1 / (1 + r² − 2 r cos ω),

    and white noise S_null(ω) = σ²/2π. Each is fitted by least squares to Welch's spectrum, of the whole record and of
    each window, and weighted by Akaike's criterion.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    time : array_like of shape (n,), optional
        Numbers or dates (default: the index of `series`, else 0, 1, …).
    detrend : {"gaussian", "ksmooth", "lowess", "loess", "linear", "difference", ...} or None, default "gaussian"
        What is taken out first (see :data:`ews.detrend.METHODS`): a trend is power at low frequencies, as of a fold.
    bandwidth : float or int, optional
        Its bandwidth or span (default: the method's own).
    window : float or int, default 0.5
        Window of the classification through time: a fraction of the record or a number of samples, at least 16.
    segment : int, default 40
        Length of Welch's segments in samples (Bury et al. 2020), at least 16; a shorter window is one segment.
        Oscillations of up to about half a segment can be told from a fold.
    overlap : float, default 0.5
        Fraction of a segment that it shares with the next.
    taper : {"hamming", "hann"}, default "hamming"
        Weights over a segment.
    n_surrogates : int, default 200
        How many series to draw from each rival of the best model, as fitted, and to classify again; 0 for none.
    alpha : float, default 0.05
        The kind is *decided* where every rival has a p-value of at most `alpha`.
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
        Seed of the surrogates; the fits need no random numbers.
    progress : None, True or callable, default None
        A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

    Returns
    -------
    SpectralClassification
        AIC weights, parameters and fitted spectra of the whole record; weights and parameters in each window, at its
        right edge; and the p-value of each rival.

    Raises
    ------
    ews.errors.ArgumentError
        For any input that cannot be used.

    Notes
    -----
    Bounds of Bury et al. (2020), with ψ = 0.5 for the fold and 0.2 for Hopf: ``|λ| ≤ ω_max √(ψ / (1 − ψ))``, so that
    the spectrum falls at least by half; ``ω₀ ≥ |μ| / (2√ψ) · √(4 − 3ψ + √(ψ² − 16ψ + 16))``, so that its peak is at
    least five times S(0); −1 < r < 0.

    Three choices differ from their package, ewstools. The spectrum is one-sided, so that each frequency counts once in
    the criterion: two sides double every difference of AIC. The frequency 0 is left out, because Welch's method takes
    the mean out of each segment and with it the power there; left in, red noise is read as an oscillation. And a Hopf
    peak is at least as wide as a line of the spectrum and keeps the distance from the Nyquist frequency that it keeps
    from 0: a peak there is a flip.

    Amplitudes are solved for in closed form and the other parameters searched for over the whole of their bounds, from
    every dip of a grid, so that the fit has no starting values and no random numbers.

    The ordinates of a Welch spectrum are neither independent nor of equal variance, so a weight is a score and no
    probability. The p-value of a rival says how often series drawn from it favour some other model as much as the
    series favours the best one (Cox 1962, by parametric bootstrap). White noise is never *decided*: a fold or flip that
    returns within a sample looks like it. A weight for the null says that the spectrum is flat, not
    that nothing will happen: of a system sampled more slowly than it recovers only white noise is seen.

    References
    ----------
    Cox, D. R. (1962). Further results on tests of separate families of hypotheses. J. R. Stat. Soc. B 24, 406-424.
    Bury, T. M., Bauch, C. T. & Anand, M. (2020). Detecting and distinguishing tipping points using spectral early
    warning signals. J. R. Soc. Interface 17, 20200482. Burnham, K. P. & Anderson, D. R. (2002). Model Selection and
    Multimodel Inference, 2nd ed. Springer. Golub, G. H. & Pereyra, V. (1973). The differentiation of pseudo-inverses
    and nonlinear least squares problems whose variables separate. SIAM J. Numer. Anal. 10, 413-432.

    Examples
    --------
    >>> import ews
    >>> population = ews.models.ricker(n=500, growth=(1.2, 1.9), seed=1)
    >>> result = ews.bifurcations.spectral(population, n_surrogates=99)
    >>> result.kind, result.decided
    ('flip', True)
    """
    asked = dict(locals())  # every choice as it was given
    test = check_test(null="ar1", n_surrogates=n_surrogates, alpha=alpha, seed=seed)
    length, shared = read_segments(segment, overlap, taper, "two")
    if length < SHORTEST_SEGMENT:
        raise ValueRangeError("segment", segment, f"a whole number of at least {SHORTEST_SEGMENT} samples")
    prepared = prepare(asked, shortest=SHORTEST_SEGMENT)
    n, step, drawn = len(prepared.series), prepared.series.step, prepared.drawn
    welch = models.Welch(length, shared, taper)
    whole = welch.whole(drawn.reshape(1, -1))
    found = models.classify(whole)
    kind = models.MODELS[int(np.argmax(found.weight[:, 0]))]

    def windows(first: int, count: int) -> models.Classified:
        part = prepared.residual[first : first + prepared.window - 1 + count]
        return models.classify(welch.windows(part, prepared.window))

    parts = in_chunks(windows, n - prepared.window + 1, n=prepared.window)
    rolling = models.stack(parts, before=prepared.window - 1)
    return SpectralClassification(
        kind=kind,
        weight={name: float(found.weight[i, 0]) for i, name in enumerate(models.MODELS)},
        aic={name: float(found.aic[i, 0]) for i, name in enumerate(models.MODELS)},
        parameters={
            name: {parameter: float(value[0]) for parameter, value in values.items()}
            for name, values in models.named(found, step).items()
        },
        frequency=whole.omega / step,
        power=whole.density[0] * step,
        fitted={name: models.spectrum(found, name, whole.omega) * step for name in models.MODELS},
        rolling_weight=dict(zip(models.MODELS, rolling.weight, strict=True)),
        rolling_parameters=models.named(rolling, step),
        pvalue=rival_pvalues(
            prepared, welch, found, kind, n_surrogates=test.n_surrogates, seed=test.seed, progress=progress
        ),
        **prepared.fields,
        config=SpectralConfig(
            **prepared.choices,
            **test.choices,
            window=prepared.window,
            segment=length,
            overlap=shared,
            taper=taper,
        ),
    )
