"""Autoregressive noise of any order: the null of records that oscillate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ews.nulls.null import FloatArray

__all__ = ["AR"]


@dataclass(frozen=True)
class AR:
    """Autoregressive noise of any order, which can hold several modes of oscillation.

    Attributes
    ----------
    reflections : tuple of float
        Reflection coefficients by Burg's method: stationary whatever they are.
    innovation_sd : float
        Standard deviation of the innovations.
    n : int
        Length of a surrogate.

    References
    ----------
    Burg, J. P. (1975). Maximum entropy spectral analysis. PhD thesis, Stanford University. Akaike, H. (1974). A new
    look at the statistical model identification. IEEE Trans. Autom. Control 19, 716–723. Schwarz, G. (1978). Estimating
    the dimension of a model. Ann. Stat. 6, 461–464.
    """

    reflections: tuple[float, ...]
    innovation_sd: float
    n: int

    @classmethod
    def fit(cls, residual: FloatArray, *, highest: int, penalty: float) -> AR:
        """Fit by Burg's method; of the orders up to `highest` the one with the least n log(error) + `penalty` · order.

        NaN where nothing was observed.
        """
        from ews._kernels.burg import burg

        seen = int(np.isfinite(residual).sum())
        largest = float(np.nanmax(np.abs(residual)))
        centred = residual / largest - np.nanmean(residual / largest)
        reflections, errors = np.empty(highest), np.empty(highest + 1)
        reached = burg(centred, reflections, errors)
        if reached < 0:
            return cls((), 0.0, residual.size)
        criterion = seen * np.log(errors[: reached + 1]) + penalty * np.arange(reached + 1)
        order = int(np.argmin(criterion))
        return cls(tuple(map(float, reflections[:order])), float(np.sqrt(errors[order])) * largest, residual.size)

    @property
    def coefficients(self) -> FloatArray:
        """Coefficients of the samples 1, 2, … back."""
        found = np.empty(0)
        for reflection in self.reflections:  # Levinson's recursion
            found = np.append(found - reflection * found[::-1], reflection)
        return found

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"AR({len(self.reflections)}) noise fitted to the residual, order by AIC"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        from ews._kernels.burg import draw_ar

        out = np.empty((count, self.n))
        draw_ar(np.array(self.reflections), self.innovation_sd, np.uint64(seed % 2**64), first, out)
        return out
