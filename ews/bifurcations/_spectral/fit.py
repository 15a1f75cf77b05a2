"""The spectra that precede a fold, a flip and a Hopf bifurcation, the bounds of their parameters, and AIC weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ews.indicators.welch import TAPERS, frequencies, welch, without_mean

__all__ = [
    "MODELS",
    "Classified",
    "Fits",
    "Kind",
    "Spectra",
    "Welch",
    "akaike_weights",
    "classify",
    "fit",
    "named",
    "search_bounds",
    "spectrum",
    "stack",
]

FloatArray = npt.NDArray[np.float64]

Kind = Literal["fold", "flip", "hopf", "null"]
MODELS: tuple[Kind, ...] = ("fold", "flip", "hopf", "null")  # in the order of the kernel's codes
N_PARAMETERS = {"fold": 2, "flip": 2, "hopf": 3, "null": 1}

# Bury et al. (2020): S_fold(ω_max) ≤ ψ S_fold(0) and S_Hopf(0) ≤ ψ S_Hopf(ω₀), so that the shapes differ from white
# noise and from each other.
PSI_FOLD = 0.5
PSI_HOPF = 0.2
# Half the width of a spectral line at half its height, in units of 2 π / segment, under a Hamming taper (Harris 1978).
LINE_HALF_WIDTH = 0.65
# λ and 1 + r cannot be told from 0 below these (the first is in units of the lowest frequency).
LEAST_FOLD = 1e-3
LEAST_FLIP = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Least-squares fits of each model to each spectrum."""

    # (models, rows): weighted sum of squares left, as a share of the square of the row's highest power.
    squares: FloatArray
    # (models, rows): λ (fold), r (flip) or μ (Hopf); ω₀ (Hopf); per sample.
    first: FloatArray
    second: FloatArray
    amplitude: FloatArray  # (models, rows): factor of the shape; in units of the power


def peak_share() -> float:
    """Largest ``|μ| / ω₀`` at which the Hopf spectrum has a peak with S(0) ≤ ψ S(ω₀) (Bury et al. 2020)."""
    psi = PSI_HOPF
    # ω₀ ≥ |μ| / (2 √ψ) · √(4 − 3 ψ + √(ψ² − 16 ψ + 16))
    return 2 * math.sqrt(psi) / math.sqrt(4 - 3 * psi + math.sqrt(psi**2 - 16 * psi + 16))


def search_bounds(highest: float, line: float) -> FloatArray:
    """Bounds of the search, one row a model, as :func:`ews._kernels.spectral_fit.fit_spectra` reads them.

    `highest` is the highest frequency that is fitted, `line` the distance between frequencies, 2 π / segment, both in
    radians per sample.
    """
    share = peak_share()
    fold = highest * math.sqrt(PSI_FOLD / (1 - PSI_FOLD))  # |λ| ≤ ω_max √(ψ / (1 − ψ))
    # No peak can be narrower than a line, so that one outlying frequency is no oscillation. The spectrum of a sampled
    # series is its own mirror image at π as at 0: a peak keeps the same distance from both, and one at π is a flip.
    width = LINE_HALF_WIDTH * line
    return np.array(
        [
            [LEAST_FOLD * line, fold, 0.0, 0.0, 0.0],
            [LEAST_FLIP, 1.0, 0.0, 0.0, 0.0],
            [width / share, math.pi - width / share, width, share, math.pi],
            [0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Welch spectra without the frequency 0, where taking the mean out of each segment has taken the power."""

    omega: FloatArray  # (m,): radians per sample, up to π
    # (rows, m): two-sided density, so that its integral from −π to π is the variance; in units squared per radian per
    # sample.
    density: FloatArray
    line: float  # distance between frequencies


@dataclass(frozen=True, slots=True)
class Welch:
    """Options of Welch's method, see :func:`ews.power_spectrum`."""

    segment: int
    overlap: float
    taper: str

    def windows(self, row: FloatArray, window: int) -> Spectra:
        """Spectrum of each window of one series."""
        return self._density(welch(row, window, self.segment, self.overlap, self.taper, "two")[window - 1 :], window)

    def whole(self, rows: FloatArray) -> Spectra:
        """Spectrum of each row, of shape (rows, n)."""
        n = rows.shape[1]
        length = min(self.segment, n)
        hop = length - int(self.overlap * length)
        segments = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)[:, ::hop]
        constant, cosine = TAPERS[self.taper]
        weights = constant - cosine * np.cos(2.0 * np.pi * np.arange(length) / length)
        centred = without_mean(segments.reshape(-1, length)) * weights
        power = np.abs(np.fft.rfft(centred)) ** 2 / weights.sum() ** 2
        return self._density(power.reshape(rows.shape[0], -1, power.shape[1]).mean(axis=1), n)

    def _density(self, power: FloatArray, window: int) -> Spectra:
        length = min(self.segment, window)
        constant, cosine = TAPERS[self.taper]
        # A line of power P is spread over Σ w² / (Σ w)² cycles per sample (Harris 1978), here over m periodic weights
        # w = a − b cos: Σ w = m a and Σ w² = m (a² + b² / 2).
        width = (constant**2 + cosine**2 / 2) / (length * constant**2)
        density = power[:, 1:] / (width * 2 * math.pi)
        return Spectra(2 * math.pi * frequencies(length)[1:], density, 2 * math.pi / length)


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """Fits of all models to rows of spectra, and their weights."""

    fits: Fits  # sums of squares and parameters
    # (models, rows): Akaike's criterion and its weights.
    aic: FloatArray
    weight: FloatArray


def classify(spectra: Spectra) -> Classified:
    """Fit every model to every spectrum and weight them, in the order of :data:`MODELS`; a row with NaN gives NaN."""
    bounds = search_bounds(float(spectra.omega[-1]), spectra.line)
    fits = fit(spectra.density, spectra.omega, np.ones(spectra.omega.size), bounds)
    aic, weight = akaike_weights(fits.squares, spectra.omega.size)
    return Classified(fits, aic, weight)


def stack(parts: list[Classified], *, before: int) -> Classified:
    """Put the windows of all parts in one row, after `before` NaN."""
    empty = np.full((len(MODELS), before), np.nan)

    def joined(values: list[FloatArray]) -> FloatArray:
        return np.concatenate([empty, *values], axis=1)

    names = ("squares", "first", "second", "amplitude")
    fits = Fits(*(joined([getattr(part.fits, name) for part in parts]) for name in names))
    return Classified(fits, joined([part.aic for part in parts]), joined([part.weight for part in parts]))


def fit(power: FloatArray, omega: FloatArray, weight: FloatArray, bounds: FloatArray) -> Fits:
    """Fit all models to rows of power at angular frequencies `omega` (radians per sample); a row with NaN gives NaN."""
    from ews._kernels.spectral_fit import fit_spectra

    rows, codes = power.shape[0], np.arange(len(MODELS))
    squares, parameters = np.empty((codes.size, rows)), np.empty((codes.size, rows, 3))
    fit_spectra(np.ascontiguousarray(power), omega, weight, codes, bounds, squares, parameters)
    return Fits(squares, *(np.ascontiguousarray(parameters[..., k]) for k in range(3)))


def spectrum(found: Classified, model: str, omega: FloatArray) -> FloatArray:
    """Density of the first row's fit of a model at `omega` (radians per sample), in the units of the spectrum."""
    from ews._kernels.spectral_fit import shape

    out, code = np.empty(omega.size), MODELS.index(model)
    shape(code, float(found.fits.first[code, 0]), float(found.fits.second[code, 0]), omega, out)
    return np.asarray(found.fits.amplitude[code, 0] * out, dtype=np.float64)


def named(found: Classified, step: float) -> dict[str, dict[str, FloatArray]]:
    """Parameters of each model by name, each of shape (rows,), in units of time.

    fold: sigma, lambda; flip: sigma, r; hopf: sigma, mu, omega0; null: sigma. σ is per square root of time for fold and
    Hopf, and per sample for flip and null.
    """
    fold, flip, hopf, null = range(len(MODELS))
    sigma = np.sqrt(2 * math.pi * found.fits.amplitude)  # every amplitude is σ² / 2π
    first = found.fits.first
    return {
        "fold": {"sigma": sigma[fold] / math.sqrt(step), "lambda": first[fold] / step},
        "flip": {"sigma": sigma[flip], "r": first[flip]},
        "hopf": {
            "sigma": sigma[hopf] / math.sqrt(step),
            "mu": first[hopf] / step,
            "omega0": found.fits.second[hopf] / step,
        },
        "null": {"sigma": sigma[null]},
    }


def akaike_weights(squares: FloatArray, n: float) -> tuple[FloatArray, FloatArray]:
    """Akaike's criterion for least squares, n ln(RSS / n) + 2 k, and its weights, in the order of :data:`MODELS`.

    A weight is exp(−ΔAIC / 2), divided by their sum (Burnham & Anderson 2002, section 2.9).
    """
    count = np.array([[N_PARAMETERS[name]] for name in MODELS], dtype=np.float64)
    # A perfect fit leaves rounding, not 0.
    aic = n * np.log(np.maximum(squares, np.finfo(np.float64).eps ** 2) / n) + 2.0 * count
    relative = np.exp(-0.5 * (aic - aic.min(axis=0)))
    return aic, relative / relative.sum(axis=0)
