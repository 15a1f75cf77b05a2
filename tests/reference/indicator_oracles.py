"""The definition of each windowed indicator, one window at a time, as plainly as it can be written."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from tests.reference import naive_complexity

STEP = 0.5  # of sampling, where a definition has the unit of time
WINDOW = 20  # where a definition is of a whole window's length, gaps or not


def central(w: np.ndarray, power: int) -> float:
    return float(np.mean((w - w.mean()) ** power))


def pearson(w: np.ndarray, lag: int) -> float:
    late, early = w[lag:], w[:-lag]
    pairs = np.isfinite(late) & np.isfinite(early)
    return float(np.corrcoef(late[pairs], early[pairs])[0, 1])


def skewness(w: np.ndarray) -> float:
    n = w.size
    return np.sqrt(n * (n - 1)) / (n - 2) * central(w, 3) / central(w, 2) ** 1.5


def kurtosis(w: np.ndarray) -> float:
    n = w.size
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (central(w, 4) / central(w, 2) ** 2 - 3) + 6)


def density_ratio(w: np.ndarray, window: int) -> float:
    d = w - np.nanmean(w)
    phi = np.nansum(d[1:] * d[:-1]) / np.nansum(d * d)
    low, high = (1 + phi**2 - 2 * phi * np.cos(2 * np.pi * f) for f in (0.5 / (window - 1), 0.5))
    return high / low


def fourier_power(w: np.ndarray, frequency: float) -> float:
    t = np.arange(w.size)
    return float(np.abs(np.sum(w * np.exp(-2j * np.pi * frequency * t))) ** 2)


def spectral_exponent(w: np.ndarray) -> float:
    frequencies = [k / w.size for k in range(1, w.size) if 2 * k < w.size]
    power = [fourier_power(w - w.mean(), f) for f in frequencies]
    return float(np.polyfit(np.log(frequencies), np.log(power), 1)[0])


def smax(w: np.ndarray) -> float:
    signal = importlib.import_module("scipy.signal")
    n = min(40, w.size)
    return float(signal.welch(w, window="hamming", nperseg=n, noverlap=n // 2, scaling="spectrum")[1].max())


def restoring_rate(w: np.ndarray) -> float:
    position = np.arange(w.size)
    x = w - np.polyval(np.polyfit(position, w, 1), position)
    y = np.diff(x)
    design = np.column_stack([np.ones(y.size), x[:-1]])
    rho, last = 0.0, None
    for step in range(10):
        beta = np.linalg.lstsq(design[1:] - rho * design[:-1], y[1:] - rho * y[:-1], rcond=None)[0]
        if last is not None and step < 9 and np.max(np.abs((last - beta) / last)) < 1e-4:
            break
        last = beta
        e = y - design @ beta
        e = e - e.mean()
        rho = np.sum(e[1:] * e[:-1]) / (e.size - 1) / np.mean(e * e)
    return float(beta[1]) / STEP


def finite(statistic: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
    return lambda w: float(statistic(w[np.isfinite(w)]))


def positive(rate: Callable[[float], float]) -> Callable[[np.ndarray], float]:
    return lambda w: rate(pearson(w, 1)) if pearson(w, 1) > 0 else np.nan


# By the name of the indicator: a window with its missing samples → the value.
ORACLE: dict[str, Callable[[np.ndarray], float]] = {
    "mean": finite(np.mean),
    "variance": finite(lambda w: np.var(w, ddof=1)),
    "std": finite(lambda w: np.std(w, ddof=1)),
    "cv": finite(lambda w: np.std(w, ddof=1) / abs(np.mean(w))),
    "skewness": finite(skewness),
    "kurtosis": finite(kurtosis),
    "ac1": lambda w: pearson(w, 1),
    "ac2": lambda w: pearson(w, 2),
    "ac3": lambda w: pearson(w, 3),
    "return_rate": positive(lambda r: -np.log(r) / STEP),
    "decay_time": positive(lambda r: -STEP / np.log(r)),
    "restoring_rate": restoring_rate,
    "density_ratio": lambda w: density_ratio(w, WINDOW),
    "spectral_exponent": spectral_exponent,
    "smax": smax,
    "companion_eigenvalue": naive_complexity.companion_eigenvalue,
    "corrected_autocorrelation": naive_complexity.corrected_autocorrelation,
    "dfa_exponent": naive_complexity.dfa_exponent,
    "hurst_exponent": naive_complexity.hurst_exponent,
    "sample_entropy": naive_complexity.sample_entropy,
    "permutation_entropy": naive_complexity.permutation_entropy,
    "lempel_ziv_complexity": naive_complexity.lempel_ziv_complexity,
    "conditional_heteroskedasticity": naive_complexity.conditional_heteroskedasticity,
}
