"""Red noise at any times: an Ornstein–Uhlenbeck process sampled exactly, or AR(1) noise on a grid with gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ews._common.publish import public
from ews.nulls.autoregressive import draw_autoregression
from ews.nulls.null import FloatArray

__all__ = ["AR1AtTimes", "draw_at_times"]


@public("ews.nulls")
@dataclass(frozen=True, eq=False)
class AR1AtTimes:
    """First-order autoregressive (red) noise at the times of a record: continuous-time AR(1).

    Between observations d steps apart the coefficient is φ^d, and the innovation's variance
    σ² (1 − φ^2d) / (1 − φ²), as if the steps between had been drawn too.

    Attributes
    ----------
    coefficient : float
        φ, the coefficient over one step; below 0 only where all positions are whole.
    innovation_sd : float
        σ, the standard deviation of the innovations of one step.
    positions : ndarray of shape (n,)
        Times, in steps.

    References
    ----------
    Gillespie, D. T. (1996). Exact numerical simulation of the Ornstein–Uhlenbeck process and its integral. Phys. Rev. E
    54, 2084–2091. Robinson, P. M. (1977). Estimation of a time series model from unequally spaced data. Stochastic
    Process. Appl. 6, 9–24.
    """

    coefficient: float
    innovation_sd: float
    positions: FloatArray

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"AR(1) noise at the times of the record (coefficient {self.coefficient:.3f} a step)"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number; at even times they are those of :class:`ews.nulls.AR1`."""
        phi, sd = np.full(self.positions.size, self.coefficient), np.full(self.positions.size, self.innovation_sd)
        return draw_at_times(phi, sd, self.positions, first, count, seed=seed)


def draw_at_times(
    coefficient: FloatArray, sd: FloatArray, positions: FloatArray, first: int, count: int, *, seed: int
) -> FloatArray:
    """Rows (count, n) of a first-order autoregression that may drift, at any positions.

    `coefficient` and `sd` are those of one step, on the way to each observation. Row k, counted from `first`, is the
    same whatever is drawn beside it.
    """
    phi, spread = coefficient.copy(), sd.copy()
    steps = np.diff(positions)
    longer = np.flatnonzero(steps != 1.0)
    if longer.size:
        d, own = steps[longer], coefficient[longer + 1]
        rate = np.log(np.maximum(np.abs(own), 1e-300))
        phi[longer + 1] = np.where((own < 0) & (np.round(d) % 2 == 1), -1.0, 1.0) * np.exp(d * rate)
        ordinary = np.abs(own) != 1.0
        growth = np.where(ordinary, -np.expm1(2.0 * d * rate) / np.where(ordinary, 1.0 - own**2, 1.0), d)
        spread[longer + 1] = sd[longer + 1] * np.sqrt(growth)
    return draw_autoregression(phi, spread, first, count, seed=seed)
