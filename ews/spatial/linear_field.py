"""A linear field in space and time, mode by mode: the positive control of the spatial test, and its null."""

from __future__ import annotations

import numpy as np

from ews.spatial.grids import FloatArray

__all__ = ["estimate", "simulate"]

SLOWEST, FASTEST = 0.01, 3.0
RINGS = 8  # of like q², which goes from 0 to 8


def simulate(
    recovery: FloatArray, diffusion: float, shape: tuple[int, int], generator: np.random.Generator
) -> FloatArray:
    """Simulate cells that recover at a rate, exchange with their neighbours and are disturbed at random.

    dx = −λ x dt + D ∇²x dt + dW on a torus, from the stationary state at the first rate, with ∇² the lattice Laplacian,
    and λ and D per map. Each Fourier mode is an Ornstein–Uhlenbeck process of rate λ + D q², q² = 4 − 2 cos k_x − 2 cos
    k_y, and is stepped exactly from map to map.
    """
    height, width = shape
    squared = 4.0 - 2.0 * np.cos(2 * np.pi * np.fft.fftfreq(height))[:, None]
    squared = squared - 2.0 * np.cos(2 * np.pi * np.fft.rfftfreq(width))[None, :]
    noise = np.fft.rfft2(generator.standard_normal((recovery.size, height, width)), axes=(1, 2))
    modes = np.empty_like(noise)
    rate = recovery[:, None, None] + diffusion * squared
    kept = np.exp(-rate)
    modes[0] = noise[0] / np.sqrt(2.0 * rate[0])
    shock = np.sqrt(-np.expm1(-2.0 * rate) / (2.0 * rate))
    for t in range(1, recovery.size):
        modes[t] = kept[t] * modes[t - 1] + shock[t] * noise[t]
    return np.asarray(np.fft.irfft2(modes, s=shape, axes=(1, 2)), dtype=np.float64)


def estimate(values: FloatArray) -> tuple[float, float]:
    """Recovery rate and diffusion, per map, of a linear field that decays, mode by mode, as the maps do.

    Least squares of −log φ on q², φ the lag-1 correlation of a mode, weighted by its power; without the mean over
    space, which follows whatever drives the system. NaN cells count as their map's mean.
    """
    from scipy.optimize import nnls

    present = ~np.isnan(values)
    held = np.where(present, values, 0.0)
    mean = held.sum(axis=(1, 2)) / np.maximum(present.sum(axis=(1, 2)), 1)
    filled = np.where(present, values, mean[:, None, None])
    filled = filled - filled.mean(axis=0)
    modes = np.fft.rfft2(filled, axes=(1, 2))
    height, width = values.shape[1:]
    squared = 4.0 - 2.0 * np.cos(2 * np.pi * np.fft.fftfreq(height))[:, None]
    squared = squared - 2.0 * np.cos(2 * np.pi * np.fft.rfftfreq(width))[None, :]
    power = (np.abs(modes[:-1]) ** 2).sum(axis=0)
    crossed = (modes[1:] * modes[:-1].conj()).real.sum(axis=0)
    crossed[0, 0] = 0.0
    power[0, 0] = 0.0  # the mean over space: it follows whatever drives the system, and would be taken for memory
    # Modes of like wavenumber are pooled: a single one has too few maps.
    place = np.minimum(squared.astype(np.int64), RINGS - 1).ravel()
    pooled = np.bincount(place, power.ravel(), RINGS)
    lagged = np.bincount(place, crossed.ravel(), RINGS)
    used = pooled > 0
    if not used.any():  # the maps do not change
        return FASTEST, 0.0
    wave = np.bincount(place, (power * squared).ravel(), RINGS)[used] / pooled[used]
    correlation = np.clip(lagged[used] / pooled[used], np.exp(-FASTEST), np.exp(-SLOWEST))
    weight = np.sqrt(pooled[used])
    design = np.column_stack([np.ones_like(wave), wave]) * weight[:, None]
    recovery, diffusion = nnls(design, -np.log(correlation) * weight)[0]
    return float(np.clip(recovery, SLOWEST, FASTEST)), float(diffusion)
