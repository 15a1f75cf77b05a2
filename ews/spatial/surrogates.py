"""Joint surrogates of several indicator series: what their trends could be if nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ews.spatial.grids import FloatArray

__all__ = ["NULLS", "SpatialNull", "draw", "memory", "normal_scores"]

SpatialNull = Literal["ar1", "fourier", "block", "permutation"]
LARGEST_COEFFICIENT = 0.98


def normal_scores(table: FloatArray) -> FloatArray:
    """Ranks of each row, as quantiles of a normal distribution: a trend by ranks sees nothing else."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(table, axis=1) - 0.5) / table.shape[1]), dtype=np.float64)


def memory(scores: FloatArray) -> FloatArray:
    """Lag-1 coefficient of each row by least squares, corrected for the bias that a short record gives it.

    The bias is about −(1 + 3 φ) / n (Marriott & Pope 1954, Biometrika 41, 390–402, for an estimated mean).
    """
    n = scores.shape[1]
    before, after = scores[:, :-1], scores[:, 1:]
    before = before - before.mean(axis=1, keepdims=True)
    after = after - after.mean(axis=1, keepdims=True)
    squares = (before**2).sum(axis=1)
    raw = (before * after).sum(axis=1) / np.where(squares > 0, squares, 1.0)
    return np.asarray(np.clip((n * raw + 1.0) / (n - 3.0), -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT), dtype=np.float64)


def draw(table: FloatArray, null: SpatialNull, count: int, *, seed: int) -> FloatArray:
    """Surrogates of several series together, so that what they share stays shared: (count, indicators, time).

    Their ranks are what counts: AR(1) and Fourier surrogates are of normal scores.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    return NULLS[null](table, count, generator)


def sentence(table: FloatArray, null: SpatialNull) -> str:
    """One line for the report."""
    if null == "ar1":
        found = ", ".join(f"{value:.2f}" for value in memory(normal_scores(table)))
        return f"AR(1) noise fitted to the ranks of the indicators together (coefficients {found}, bias corrected)"
    if null == "fourier":
        return "series with the indicators' periodograms, their phases shifted by the same random angles"
    if null == "block":
        return f"stationary bootstrap of the maps (mean block {_block_length(table):.1f} maps)"
    return "maps in random order (assumes that they have no memory at all)"


def _ar1(table: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    from scipy.signal import lfilter

    scores = normal_scores(table)
    coefficient = memory(scores)
    innovations = scores[:, 1:] - coefficient[:, None] * scores[:, :-1]
    covariance = np.atleast_2d(np.cov(innovations))
    # Stationary covariance of a diagonal vector autoregression: Γ_ij = Σ_ij / (1 − φ_i φ_j).
    stationary = covariance / (1.0 - np.outer(coefficient, coefficient))
    n = table.shape[1]
    noise = generator.standard_normal((count, n, len(table)))
    first = noise[:, 0] @ _root(stationary).T
    shocks = noise[:, 1:] @ _root(covariance).T
    out = np.empty((count, len(table), n))
    out[:, :, 0] = first
    for i, phi in enumerate(coefficient):
        out[:, i, 1:] = lfilter([1.0], [1.0, -phi], shocks[:, :, i], axis=1, zi=phi * first[:, i : i + 1])[0]
    return out


def _root(covariance: FloatArray) -> FloatArray:
    """A matrix R with R Rᵀ = covariance, also where two indicators are the same."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)), dtype=np.float64)


def _fourier(table: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """Prichard & Theiler (1994), Phys. Rev. Lett. 73, 951–954: common phases keep the cross-spectra."""
    scores = normal_scores(table)
    n = table.shape[1]
    spectrum = np.fft.rfft(scores, axis=1)
    phases = generator.uniform(0.0, 2.0 * np.pi, (count, spectrum.shape[1]))
    turned = np.exp(1j * phases)
    if n % 2 == 0:
        turned[:, -1] = np.where(phases[:, -1] < np.pi, 1.0, -1.0)
    turned[:, 0] = 0.0
    return np.asarray(np.fft.irfft(spectrum[None] * turned[:, None], n=n, axis=2), dtype=np.float64)


def _block(table: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    n = table.shape[1]
    out = np.empty((count, *table.shape))
    starts = generator.random((count, n)) < 1.0 / _block_length(table)
    starts[:, 0] = True
    heads = generator.integers(n, size=(count, n))
    for row in range(count):
        block = np.cumsum(starts[row]) - 1
        offset = np.arange(n) - np.flatnonzero(starts[row])[block]
        out[row] = table[:, (heads[row][block] + offset) % n]
    return out


def _block_length(table: FloatArray) -> float:
    """Mean block for the series with the longest memory (Politis & White 2004, eq. 9, for an AR(1) process)."""
    n = table.shape[1]
    coefficient = float(np.abs(memory(normal_scores(table))).max())
    growth = (2.0 * coefficient / (1.0 - coefficient**2)) ** (2.0 / 3.0)
    return float(min(max(1.0, growth * n ** (1.0 / 3.0)), n / 2.0))


def _permutation(table: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    n = table.shape[1]
    order = generator.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    return np.asarray(table[:, order].transpose(1, 0, 2), dtype=np.float64)


NULLS: dict[SpatialNull, Callable[[FloatArray, int, np.random.Generator], FloatArray]] = {
    "ar1": _ar1,
    "fourier": _fourier,
    "block": _block,
    "permutation": _permutation,
}
