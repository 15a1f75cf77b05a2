"""Null models with a few parameters: red noise, and autoregressive moving-average noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ews._common.publish import public
from ews.nulls.null import FloatArray, generator_of

__all__ = ["AR1", "ARMA", "LARGEST_COEFFICIENT", "draw_autoregression", "draw_second_order"]

# A coefficient of one has no stationary distribution to start from.
LARGEST_COEFFICIENT = 0.999


@public("ews.nulls")
@dataclass(frozen=True)
class AR1:
    """First-order autoregressive (red) noise: the field's standard null.

    Attributes
    ----------
    coefficient : float
        Lag-1 coefficient, by least squares on the demeaned residual.
    innovation_sd : float
        Standard deviation of the innovations, in units of the series.
    n : int
        Length of a surrogate.

    References
    ----------
    Dakos, V. et al. (2008). Slowing down as an early warning signal for abrupt climate change. PNAS 105, 14308–14312.
    """

    coefficient: float
    innovation_sd: float
    n: int

    @classmethod
    def fit(cls, residual: FloatArray) -> AR1:
        """Fit by least squares."""
        centred, scale = _scaled(residual)
        before, after = centred[:-1], centred[1:]
        power = float(before @ before)
        slope = float(before @ after) / power if power > 0 else 0.0
        slope = float(np.clip(slope, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT))
        innovations = after - slope * before
        sd = float(np.sqrt(innovations @ innovations / max(innovations.size - 1, 1)))
        return cls(slope, sd * scale, residual.size)

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"AR(1) noise fitted to the residual (coefficient {self.coefficient:.3f})"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        coefficient = np.full(self.n, self.coefficient)
        return draw_autoregression(coefficient, np.full(self.n, self.innovation_sd), first, count, seed=seed)


def draw_autoregression(coefficient: FloatArray, sd: FloatArray, first: int, count: int, *, seed: int) -> FloatArray:
    """Rows (count, n) of a (time-varying) first-order autoregression.

    Row k, counted from `first`, is the same whatever is drawn beside it.
    """
    from ews._kernels.autoregression import draw_ar1

    out = np.empty((count, coefficient.size))
    draw_ar1(coefficient, sd, np.uint64(seed % 2**64), first, out)
    return out


def draw_second_order(
    near: FloatArray, far: FloatArray, sd: FloatArray, first: int, count: int, *, seed: int
) -> FloatArray:
    """Rows (count, n) of a (time-varying) second-order autoregression: coefficients of x[t − 1] and of x[t − 2].

    Row k, counted from `first`, is the same whatever is drawn beside it, and with `far` 0 that of
    :func:`draw_autoregression`.
    """
    from ews._kernels.autoregression import draw_ar2

    out = np.empty((count, near.size))
    draw_ar2(near, far, sd, np.uint64(seed % 2**64), first, out)
    return out


@public("ews.nulls")
@dataclass(frozen=True)
class ARMA:
    """Autoregressive moving-average noise, its orders chosen by AIC.

    Attributes
    ----------
    ar : tuple of float
        Autoregressive coefficients.
    ma : tuple of float
        Moving-average coefficients.
    innovation_sd : float
        Standard deviation of the innovations.
    n : int
        Length of a surrogate.

    References
    ----------
    Akaike, H. (1974). A new look at the statistical model identification. IEEE Trans. Autom. Control 19, 716–723.
    """

    ar: tuple[float, ...]
    ma: tuple[float, ...]
    innovation_sd: float
    n: int
    # Orders up to (2, 1) hold the red and the oscillating noise that short records can tell apart.
    orders: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1))

    @classmethod
    def fit(cls, residual: FloatArray) -> ARMA:
        """Fit each order by maximum likelihood and keep the least AIC."""
        import warnings

        from statsmodels.tsa.arima.model import ARIMA

        scaled, scale = _scaled(residual)
        deviation = float(np.std(scaled)) or 1.0
        best: Any = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a start value that is not stationary only costs iterations
            for p, q in cls.orders:
                try:
                    fitted = ARIMA(scaled / deviation, order=(p, 0, q), trend="n").fit()
                except np.linalg.LinAlgError:  # an order that this residual cannot tell
                    continue
                if best is None or fitted.aic < best.aic:
                    best = fitted
        sd = float(np.sqrt(best.params[-1])) * deviation * scale
        return cls(tuple(map(float, best.arparams)), tuple(map(float, best.maparams)), sd, residual.size)

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"ARMA({len(self.ar)}, {len(self.ma)}) noise fitted to the residual, orders by AIC"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        from scipy.signal import lfilter

        warm_up = 500  # forgets the start at rest: 0.98 ** 500 is 4e-5
        moving, autoregressive = np.r_[1.0, self.ma], np.r_[1.0, -np.asarray(self.ar)]
        out = np.empty((count, self.n))
        for i in range(count):
            noise = generator_of(seed, first + i).standard_normal(self.n + warm_up)
            out[i] = self.innovation_sd * lfilter(moving, autoregressive, noise)[warm_up:]
        return out


def _scaled(residual: FloatArray) -> tuple[FloatArray, float]:
    """The demeaned residual in units of its largest deviation, whose squares neither vanish nor overflow; the unit."""
    largest = float(np.abs(residual).max())
    centred = residual / largest - np.mean(residual / largest) if largest > 0 else residual
    scale = float(np.abs(centred).max())
    return (centred / scale, scale * largest) if scale > 0 else (np.zeros_like(residual), 1.0)
