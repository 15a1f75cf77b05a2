"""Damped modes in noise at any times: the null of records that oscillate, where they are not even and complete."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ews.nulls.null import FloatArray

__all__ = ["ModesAtTimes"]


@dataclass(frozen=True, eq=False)
class ModesAtTimes:
    """A damped oscillation, another mode or red noise beside it, and white noise, observed at the times of a record.

    Attributes
    ----------
    modes : ndarray of shape (modes, 4)
        Rate of decay and angular frequency a step, variance, and share of the drive that the speed alone gets, of each;
        red noise has frequency 0.
    noise : ndarray of shape (n,)
        Variance of independent noise at each time.
    positions : ndarray of shape (n,)
        Times, in steps.

    References
    ----------
    Jones, R. H. (1981). Fitting a continuous time autoregression to discrete data. In Findley, D. F. (ed.), Applied
    Time Series Analysis II, 651–682. Academic Press. Foreman-Mackey, D. et al. (2017). Fast and scalable Gaussian
    process modeling with applications to astronomical time series. Astron. J. 154, 220.
    """

    modes: FloatArray
    noise: FloatArray
    positions: FloatArray

    @property
    def sentence(self) -> str:
        """One line for the report."""
        decay, frequency = self.modes[0, :2]
        beside = "".join(", another mode" if one > 0.0 else ", red noise" for one in self.modes[1:, 1])
        return (
            f"a damped oscillation at the times of the record (period {2.0 * math.pi / frequency:.4g} steps, damping "
            f"ratio {decay / frequency:.3f}{beside}, white noise; chosen over red noise by BIC)"
        )

    @property
    def memory(self) -> float:
        """Correlation of all but the white noise over one step, as red noise would have it: above 0."""
        decay, frequency, variance, smooth = self.modes.T
        ratio = np.divide(decay, frequency, out=np.zeros_like(decay), where=frequency > 0.0)
        over_one = np.exp(-decay) * (np.cos(frequency) + smooth * ratio * np.sin(frequency))
        return max(float(variance @ over_one / variance.sum()), 0.01)

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        from ews._kernels.modes_at import draw_modes

        out = np.empty((count, self.positions.size))
        draw_modes(np.diff(self.positions), self.modes, self.noise, np.uint64(seed % 2**64), first, out)
        return out
