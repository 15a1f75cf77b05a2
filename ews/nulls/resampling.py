"""Null models that rearrange the residual: in blocks, or value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ews._common.publish import public
from ews.nulls.autoregressive import AR1
from ews.nulls.null import FloatArray, generator_of

__all__ = ["Permutation", "StationaryBootstrap"]


@public("ews.nulls")
@dataclass(frozen=True, eq=False)
class StationaryBootstrap:
    """Stationary bootstrap: blocks of the residual of random length, laid end to end.

    Attributes
    ----------
    residual : ndarray of shape (n,)
        Where the blocks come from; it is taken as a circle.
    mean_length : float
        Mean length of a block, in samples.

    References
    ----------
    Politis, D. N. & Romano, J. P. (1994). The stationary bootstrap. JASA 89, 1303–1313. Politis, D. N. & White, H.
    (2004). Automatic block-length selection for the dependent bootstrap. Econometric Reviews 23, 53–70: the mean block
    length, with the correction of Patton, A., Politis, D. N. & White, H. (2009), Econometric Reviews 28, 372–375.
    """

    residual: FloatArray
    mean_length: float

    @classmethod
    def fit(cls, residual: FloatArray) -> StationaryBootstrap:
        """Take a mean block length of n^(1/3) times the growth that the residual's memory asks for."""
        coefficient = abs(AR1.fit(residual).coefficient)
        # Politis & White (2004), eq. 9: (2 G² / D)^(1/3) n^(1/3), with D = 2 g(0)² as Patton, Politis & White (2009)
        # correct it; an AR(1) process has G / g(0) = 2 φ / (1 − φ²)
        growth = (2 * coefficient / (1 - coefficient**2)) ** (2 / 3)
        length = max(1.0, growth * residual.size ** (1 / 3))
        return cls(residual.copy(), float(min(length, residual.size / 2)))

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"stationary bootstrap of the residual (mean block {self.mean_length:.1f} samples)"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        n = self.residual.size
        out = np.empty((count, n))
        for i in range(count):
            generator = generator_of(seed, first + i)
            starts = generator.random(n) < 1.0 / self.mean_length
            starts[0] = True
            block = np.cumsum(starts) - 1
            offset = np.arange(n) - np.flatnonzero(starts)[block]
            out[i] = self.residual[(generator.integers(n, size=block[-1] + 1)[block] + offset) % n]
        return out


@public("ews.nulls")
@dataclass(frozen=True, eq=False)
class Permutation:
    """Random permutation of the residual's values: right only for residuals without memory.

    Attributes
    ----------
    residual : ndarray of shape (n,)
        What is permuted.
    """

    residual: FloatArray
    sentence: ClassVar[str] = "random permutations of the residual (assumes no memory at all)"

    @classmethod
    def fit(cls, residual: FloatArray) -> Permutation:
        """Keep the residual."""
        return cls(residual.copy())

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        out = np.empty((count, self.residual.size))
        for i in range(count):
            out[i] = generator_of(seed, first + i).permutation(self.residual)
        return out
