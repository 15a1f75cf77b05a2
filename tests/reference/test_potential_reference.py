"""The potential against R's earlywarnings: ``livpotential_ews(foldbif)``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ews.bifurcations._potential.wells import kernel_density, rule_of_thumb


def binned_as_in_r(x: np.ndarray, at: np.ndarray, bandwidth: float, n: int = 512) -> np.ndarray:
    """What R 4.2's ``density`` makes of a kernel density: bins, a circular convolution, and linear interpolation."""
    low, high = at[0] - 4 * bandwidth, at[-1] + 4 * bandwidth
    place = (x - low) / ((high - low) / (n - 1))
    left = np.floor(place).astype(int)
    mass = np.zeros(2 * n)
    np.add.at(mass, left, (1 - place + left) / x.size)
    np.add.at(mass, left + 1, (place - left) / x.size)
    distance = np.linspace(0, 2 * (high - low), 2 * n)
    distance[n + 1 :] = -distance[n - 1 : 0 : -1]
    weight = np.exp(-0.5 * (distance / bandwidth) ** 2) / (bandwidth * np.sqrt(2 * np.pi))
    density = np.fft.ifft(np.fft.fft(mass) * np.conj(np.fft.fft(weight))).real[:n]
    return np.interp(at, np.linspace(low, high, n), density)


def test_density_and_potential_of_foldbif(reference_data: Path, eco_data: Path) -> None:
    x = pd.read_csv(eco_data / "earlywarnings-R" / "csv" / "foldbif.csv")["y"].to_numpy()
    stored = pd.read_csv(reference_data / "earlywarningsR" / "livpotential_foldbif.csv")
    at, bandwidth = stored.x.to_numpy(), rule_of_thumb(x)
    # R evaluates the density between 512 bins; ours is exact. With its bins the numbers are the same to rounding.
    for density, tolerance in (
        (binned_as_in_r(x, at, bandwidth), 1e-12),
        (kernel_density(x, at, bandwidth), 1e-3),
    ):
        normalised = density / (density.sum() * (at[1] - at[0]))  # R scales to a Riemann sum of 1
        np.testing.assert_allclose(normalised, stored.dens, atol=tolerance)
        np.testing.assert_allclose(-np.log(normalised) / 2, stored.pot, atol=tolerance)
