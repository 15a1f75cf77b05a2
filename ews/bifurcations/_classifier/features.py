"""What the classifier sees of a residual: numbers that do not depend on its unit, each on many rows at once.

The residual is brought to mean 0 and SD 1. A feature that measures a change over the record stands beside the same
quantity at its end, since bifurcations differ in where the memory goes as well as in how: towards +1 (fold,
transcritical, pitchfork), towards −1 (flip), or to the unit circle at an angle (Hopf). The same correlations are taken
of normal scores (ranks), which single outliers cannot move.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FEATURES", "SHORTEST", "features"]

FloatArray = npt.NDArray[np.float64]

# The shortest residual: its last quarter still has lag-3 products to average.
SHORTEST = 40
# The longest that the classifier was trained on; longer ones are as good as this one to it.
LONGEST = 1500
LAGS = (1, 2, 3, 4)
SEGMENTS = ("all", "first half", "last half", "last quarter")
BANDS = (0.0, 0.05, 0.1, 0.17, 0.25, 0.35, 0.43, 0.5)
PLACES = (-0.5, 0.0, 0.5)  # start, middle and end of the record
ROLLING = ("variance", "ac1", "ac2", "skewness")
WINDOWS = (0.5, 0.25)
TINY = 1e-12


def features(rows: FloatArray) -> FloatArray:
    """Features of rows of at least 40 finite residuals, in the order of `FEATURES`; 0 where one is undefined.

    One is undefined where half of the record is constant.
    """
    n = rows.shape[1]
    with np.errstate(all="ignore"):
        z = rows - rows.mean(axis=1, keepdims=True)
        z = z / np.sqrt((z * z).mean(axis=1, keepdims=True))
        z = np.where(np.isfinite(z), z, 0.0)
        scores = _normal_scores(z)
        parts = [
            *_correlations(z),
            *_correlations(scores),
            *_scales(z),
            *_scales(scores),
            *_variogram(z),
            *_shape(z),
            *_changing_autoregression(z),
            *_changing_autoregression(scores),
            *_curvature(z),
            *_spectra(z),
            *_rolling_trends(z),
            np.full(rows.shape[0], np.log(min(n, LONGEST))),
        ]
        found = np.stack(parts, axis=1)
    return np.where(np.isfinite(found), found, 0.0)


def _names() -> tuple[str, ...]:
    correlations = [f"acf{lag}, {segment}" for segment in SEGMENTS for lag in LAGS]
    correlations += [f"change of acf{lag}" for lag in LAGS]
    scales = ["log variance ratio of halves", "log variance ratio, last quarter to first half", "trend of log size"]
    variogram = [f"log variogram ratio {lag} to 1, {segment}" for segment in SEGMENTS for lag in (2, 4)]
    variogram += [f"change of log variogram ratio {lag} to 1" for lag in (2, 4)]
    variogram += ["log variogram ratio of halves", "log variogram ratio, last quarter to first half"]
    shape = ["skewness", "kurtosis", "skewness, last half", "kurtosis, last half", "skewness of differences"]
    moving = ["a1", "a2", "t of change of a1", "t of change of a2", "t of change of AR(1)", "trend of innovations"]
    moving += [f"{what} of the leading root at {place}" for place in PLACES for what in ("modulus", "cosine")]
    curvature = [f"{what}, {where}" for where in ("all", "last half") for what in ("t quadratic", "t cubic")]
    curvature += ["noise and level", "noise and noise"]
    edges = list(pairwise(BANDS))
    spectra = [f"log power {low}-{high}, {part}" for part in ("last half", "change") for low, high in edges]
    spectra += ["peak frequency", "peak height", "slope of log power", "slope at low frequencies"]
    rolling = [f"tau of {name}, window {window}" for window in WINDOWS for name in ROLLING]
    return (
        *correlations,
        *[f"{name}, scores" for name in correlations],
        *scales,
        *[f"{name}, scores" for name in scales],
        *variogram,
        *shape,
        *moving,
        *[f"{name}, scores" for name in moving],
        *curvature,
        *spectra,
        *rolling,
        "log n",
    )


FEATURES = _names()


def _normal_scores(z: FloatArray) -> FloatArray:
    """Van der Waerden scores: the normal quantile of each sample's rank."""
    from scipy.special import ndtri

    n = z.shape[1]
    order = np.argsort(z, axis=1, kind="stable")
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    scores = np.empty_like(z)
    np.put_along_axis(scores, order, np.broadcast_to(quantiles, z.shape), axis=1)
    return scores


def _segments(z: FloatArray) -> list[FloatArray]:
    n = z.shape[1]
    return [z, z[:, : n // 2], z[:, n // 2 :], z[:, n - n // 4 :]]


def _correlations(z: FloatArray) -> list[FloatArray]:
    found: list[FloatArray] = []
    for segment in _segments(z):
        centred = segment - segment.mean(axis=1, keepdims=True)
        size = np.einsum("ij,ij->i", centred, centred) + TINY
        found += [np.einsum("ij,ij->i", centred[:, lag:], centred[:, :-lag]) / size for lag in LAGS]
    k = len(LAGS)
    first, last = found[k : 2 * k], found[2 * k : 3 * k]
    reach = np.sqrt(z.shape[1] / 4.0)  # the difference of two halves has an SD of about 2 / √n for white noise
    return found + [reach * (b - a) for a, b in zip(first, last, strict=True)]


def _scales(z: FloatArray) -> list[FloatArray]:
    n = z.shape[1]
    _, first, last, quarter = (segment.var(axis=1) + TINY for segment in _segments(z))
    u = np.linspace(-0.5, 0.5, n)
    size = np.log(np.abs(z) + 0.05)
    size = size - size.mean(axis=1, keepdims=True)
    slope = (size @ u) / (u @ u)
    error = size - slope[:, None] * u
    spread = np.sqrt((error * error).mean(axis=1) / (u @ u)) + TINY
    return [np.log(last / first), np.log(quarter / first), slope / spread]


def _variogram(z: FloatArray) -> list[FloatArray]:
    """Mean squares of differences, which a drifting mean hardly moves; for AR(1), lag 2 over lag 1 is 1 + φ."""
    found: list[FloatArray] = []
    sizes: list[FloatArray] = []
    for segment in _segments(z):
        one, two, four = (((segment[:, lag:] - segment[:, :-lag]) ** 2).mean(axis=1) + TINY for lag in (1, 2, 4))
        found += [np.log(two / one), np.log(four / one)]
        sizes.append(one)
    reach = np.sqrt(z.shape[1] / 4.0)
    _, first, last, quarter = sizes
    changes = [reach * (found[4] - found[2]), reach * (found[5] - found[3])]
    return [*found, *changes, np.log(last / first), np.log(quarter / first)]


def _shape(z: FloatArray) -> list[FloatArray]:
    found: list[FloatArray] = []
    for segment in (z, z[:, z.shape[1] // 2 :]):
        centred = segment - segment.mean(axis=1, keepdims=True)
        square = centred * centred
        variance = square.mean(axis=1) + TINY
        found += [
            (square * centred).mean(axis=1) / variance**1.5,
            np.log((square**2).mean(axis=1) / variance**2 + TINY),
        ]
    step = np.diff(z, axis=1)
    return [*found, (step**3).mean(axis=1) / ((step * step).mean(axis=1) + TINY) ** 1.5]


def _regress(columns: list[FloatArray], target: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Least squares in every row: coefficients, t values and residuals."""
    design = np.stack(columns, axis=1)  # rows, terms, samples
    product = design @ design.transpose(0, 2, 1)
    terms = product.shape[1]
    ridge = 1e-9 * np.trace(product, axis1=1, axis2=2) + TINY  # so small that it matters only where nothing varies
    inverse = np.linalg.inv(product + ridge[:, None, None] * np.eye(terms))
    coefficients = np.einsum("rij,rjn,rn->ri", inverse, design, target, optimize=True)
    residual = target - np.einsum("ri,rin->rn", coefficients, design)
    noise = (residual * residual).sum(axis=1) / (target.shape[1] - terms)
    t = coefficients / (np.sqrt(np.einsum("rii->ri", inverse) * noise[:, None]) + TINY)
    return coefficients, t, residual


def _changing_autoregression(z: FloatArray) -> list[FloatArray]:
    """AR(2) and AR(1) whose coefficients move along a line: x[t] = (a + b u) x[t−1] + (c + d u) x[t−2] + e."""
    n = z.shape[1]
    u = np.linspace(-0.5, 0.5, n)[2:]
    one, two, now = z[:, 1:-1], z[:, :-2], z[:, 2:]
    coefficients, t, error = _regress([one, two, u * one, u * two], now)
    a1, a2, slope1, slope2 = coefficients.T
    _, simple, _ = _regress([one, u * one], now)
    size = np.log(np.abs(error) + 0.05 * np.sqrt((error * error).mean(axis=1, keepdims=True)))
    size = size - size.mean(axis=1, keepdims=True)
    slope = (size @ u) / (u @ u)
    spread = np.sqrt((size * size).mean(axis=1) / (u @ u)) + TINY
    found = [a1, a2, t[:, 2], t[:, 3], simple[:, 1], slope / spread]
    for place in PLACES:
        found += _leading_root(a1 + slope1 * place, a2 + slope2 * place)
    return found


def _leading_root(a1: FloatArray, a2: FloatArray) -> list[FloatArray]:
    """Modulus and cosine of the larger root of r² = a₁ r + a₂."""
    disc = a1 * a1 + 4.0 * a2
    paired = disc < 0
    pair = np.sqrt(np.where(paired, -a2, 1.0))
    root = np.sqrt(np.where(paired, 0.0, disc))
    real = 0.5 * (a1 + np.where(a1 >= 0, root, -root))
    modulus = np.where(paired, pair, np.abs(real))
    cosine = np.where(paired, a1 / (2.0 * pair), np.sign(real))
    return [np.minimum(modulus, 2.0), cosine]


def _curvature(z: FloatArray) -> list[FloatArray]:
    """Quadratic and cubic terms of the next value given this one; whether noise goes with level or with noise."""
    found: list[FloatArray] = []
    for segment in (z, z[:, z.shape[1] // 2 :]):
        x = segment[:, :-1]
        _, t, error = _regress([np.ones_like(x), x, x * x - 1.0, x**3 - 3.0 * x], segment[:, 1:])
        found += [t[:, 2], t[:, 3]]
        if segment is z:
            square = error * error
            square = square / (square.mean(axis=1, keepdims=True) + TINY) - 1.0
            size = np.sqrt((square * square).mean(axis=1)) + TINY
            reach = np.sqrt(square.shape[1])
            noise_and_level = reach * (square * x).mean(axis=1) / (size * (x.std(axis=1) + TINY))
            noise_and_noise = reach * (square[:, 1:] * square[:, :-1]).mean(axis=1) / (size * size)
    return [*found, noise_and_level, noise_and_noise]


def _spectra(z: FloatArray) -> list[FloatArray]:
    """Share of the power in bands of frequency, in the last half and against the first; peak; slopes."""
    n = z.shape[1]
    half = n // 2
    taper = np.hanning(half + 2)[1:-1]
    frequency = np.fft.rfftfreq(half)
    bands = [_band(frequency, low, high) for low, high in pairwise(BANDS)]
    powers = []
    for segment in (z[:, :half], z[:, n - half :]):
        power = np.abs(np.fft.rfft((segment - segment.mean(axis=1, keepdims=True)) * taper, axis=1)) ** 2
        powers.append(power / (power[:, 1:].mean(axis=1, keepdims=True) + TINY))
    logs = [[np.log(power[:, band].mean(axis=1) + 1e-4) for band in bands] for power in powers]
    last = powers[1][:, 1:]
    width = max(1, half // 20)
    smooth = np.apply_along_axis(np.convolve, 1, last, np.ones(width) / width, "same") if width > 1 else last
    peak = smooth.argmax(axis=1)
    height = np.log(np.take_along_axis(smooth, peak[:, None], axis=1)[:, 0] + TINY)
    whole = np.abs(np.fft.rfft(z, axis=1))[:, 1:] ** 2
    x = np.log(np.fft.rfftfreq(n)[1:])
    y = np.log(whole + 1e-6 * n)
    few = max(6, int(n**0.6))
    slopes = [
        ((y[:, :k] - y[:, :k].mean(axis=1, keepdims=True)) @ (x[:k] - x[:k].mean()))
        / ((x[:k] - x[:k].mean()) @ (x[:k] - x[:k].mean()))
        for k in (x.size, min(few, x.size))
    ]
    return [*logs[1], *[b - a for a, b in zip(*logs, strict=True)], frequency[1:][peak], height, *slopes]


def _band(frequency: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.int64]:
    """Places of the frequencies in a band, without the mean; of the nearest one where the band has none."""
    inside = np.flatnonzero((frequency >= low) & (frequency < high + (high == BANDS[-1])) & (frequency > 0))
    nearest = 1 + int(np.abs(frequency[1:] - 0.5 * (low + high)).argmin())
    return inside if inside.size else np.array([nearest])


def _rolling_trends(z: FloatArray) -> list[FloatArray]:
    """Kendall's τ of rolling indicators: what the field looks at."""
    from ews import trends
    from ews.indicators import registry
    from ews.indicators.fused import fused

    indicators = [registry.get(name) for name in ROLLING]
    found: list[FloatArray] = []
    for share in WINDOWS:
        window = max(8, round(share * z.shape[1]))
        measured = fused(np.ascontiguousarray(z), window=window, indicators=indicators)
        found += [trends.rows(values[:, window - 1 :]) for values in measured]
    return found
