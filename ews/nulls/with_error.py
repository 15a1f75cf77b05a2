"""Red noise that was measured with error: the null of records whose measurement error is allowed for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ews.nulls.at_times import draw_at_times
from ews.nulls.autoregressive import draw_autoregression
from ews.nulls.null import FloatArray

__all__ = ["AR1WithError", "with_error"]

# Measurement error draws from a stream of its own.
_ERROR = 0x5BD1E995


@dataclass(frozen=True, eq=False)
class AR1WithError:
    """First-order autoregressive noise at the times of a record, and white measurement error of constant size on it.

    Evenly sampled it is an ARMA(1, 1) process.

    Attributes
    ----------
    coefficient, innovation_sd : float
        Of the noise beneath the error, over one step.
    error_sd : float
        Standard deviation of the error.
    positions : ndarray of shape (n,)
        Times, in steps.

    References
    ----------
    Granger, C. W. J. & Morris, M. J. (1976). Time series modelling and interpretation. J. R. Stat. Soc. A 139, 246–257.
    """

    coefficient: float
    innovation_sd: float
    error_sd: float
    positions: FloatArray

    @property
    def share(self) -> float:
        """The error's share of the variance."""
        error = self.error_sd**2 * (1.0 - self.coefficient**2)
        total = error + self.innovation_sd**2
        return error / total if total > 0.0 else 0.0

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return (
            f"AR(1) noise (coefficient {self.coefficient:.3f}) seen with measurement error of constant size "
            f"({self.share:.2f} of the variance), fitted to the residual"
        )

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        n = self.positions.size
        phi, sd = np.full(n, self.coefficient), np.full(n, self.innovation_sd)
        rows = draw_at_times(phi, sd, self.positions, first, count, seed=seed)
        return with_error(rows, self.error_sd, first, seed=seed)


def with_error(rows: FloatArray, sd: float, first: int, *, seed: int) -> FloatArray:
    """Rows, numbered from `first`, with white noise on them; row k gets the same whatever is drawn beside it."""
    if not sd > 0.0:
        return rows
    count, n = rows.shape
    return rows + draw_autoregression(np.zeros(n), np.full(n, sd), first, count, seed=seed + _ERROR)
