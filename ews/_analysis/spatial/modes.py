"""Maps over time as the amplitudes of their spatial modes: slow ones, in which a loss of stability shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews.spatial.grids import FloatArray

__all__ = ["Modes", "modes_of"]

# The longest modes, up to so many waves across the map; the shorter ones recover fast and take long to compute.
MOST_WAVES = 7


@dataclass(frozen=True, eq=False)
class Modes:
    """Real amplitudes of the longest Fourier modes."""

    amplitude: FloatArray  # (modes, n): cosine and sine of each wave, and the mean over space first
    ring: npt.NDArray[np.int64]  # (modes,): how many waves, to the nearest whole number


def modes_of(values: FloatArray) -> Modes:
    """Amplitudes of maps, (n, y, x), whose values enter by the normal scores of their ranks among all.

    What an increasing transformation does to the values is no matter then, and long tails join no modes. NaN cells
    count as their map's mean.
    """
    scores = _normal_scores(values)
    height, width = scores.shape[1:]
    waves = np.fft.fft2(scores, axes=(1, 2)) / np.sqrt(height * width)
    amplitude, ring = [waves[:, 0, 0].real], [0]
    longest = max(height, width)
    for down in range(-MOST_WAVES, MOST_WAVES + 1):
        for across in range(MOST_WAVES + 1):
            number = float(np.hypot(down / height, across / width)) * longest
            half = across > 0 or down > 0  # the others are conjugates of these
            if not half or number > MOST_WAVES + 0.5 or 2 * abs(down) >= height or 2 * across >= width:
                continue
            wave = waves[:, down % height, across]
            amplitude += [wave.real, wave.imag]
            ring += [round(number)] * 2
    return Modes(np.ascontiguousarray(np.stack(amplitude)), np.array(ring, dtype=np.int64))


def _normal_scores(values: FloatArray) -> FloatArray:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    present = ~np.isnan(values)
    scores = np.zeros_like(values)
    scores[present] = ndtri((rankdata(values[present]) - 0.5) / np.count_nonzero(present))
    if not present.all():
        mean = scores.sum(axis=(1, 2)) / np.maximum(present.sum(axis=(1, 2)), 1)
        scores = np.where(present, scores, mean[:, None, None])
    return np.asarray(scores)
