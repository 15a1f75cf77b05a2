"""What the residual could look like if nothing were changing: null models fitted to it, and surrogates drawn from them.

Each null is fitted once and then hands out rows by number: row k of a seed is the same whatever the number of threads
and the size of the chunks. Surrogates have the length of the residual; :func:`ews.significance` sends each of them
through detrending, windows and trend again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ews.errors import InputTypeError, SeriesTooShortError, UnknownNameError, ValueRangeError, described

__all__ = [
    "NAMES",
    "AAFT",
    "AR1",
    "ARMA",
    "Fourier",
    "IAAFT",
    "Null",
    "NullName",
    "Permutation",
    "StationaryBootstrap",
    "fit",
    "surrogates",
]

FloatArray = npt.NDArray[np.float64]
NullName = Literal["ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"]

# A coefficient of one has no stationary distribution to start from.
LARGEST_COEFFICIENT = 0.999


class Null(Protocol):
    """A fitted null model: it says what it is and draws surrogates by number."""

    @property
    def sentence(self) -> str:
        """One line for the report, with the fitted numbers."""

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates number `first` to ``first + count - 1``, of shape (count, n)."""


def _generator(seed: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(index,))))


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
        centred = residual - residual.mean()
        before, after = centred[:-1], centred[1:]
        power = float(before @ before)
        slope = float(before @ after) / power if power > 0 else 0.0
        slope = float(np.clip(slope, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT))
        innovations = after - slope * before
        return cls(slope, float(np.sqrt(innovations @ innovations / max(innovations.size - 1, 1))), residual.size)

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"AR(1) noise fitted to the residual (coefficient {self.coefficient:.3f})"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        coefficient = np.full(self.n, self.coefficient)
        return draw_autoregression(coefficient, np.full(self.n, self.innovation_sd), first, count, seed=seed)


def draw_autoregression(coefficient: FloatArray, sd: FloatArray, first: int, count: int, *, seed: int) -> FloatArray:
    """Rows of a (time-varying) first-order autoregression.

    Parameters
    ----------
    coefficient : ndarray of shape (n,)
        Lag-1 coefficient at each time.
    sd : ndarray of shape (n,)
        Standard deviation of the innovation at each time.
    first : int
        Number of the first row; row k is the same whatever is drawn beside it.
    count : int
        How many rows.
    seed : int
        Seed of the streams.

    Returns
    -------
    ndarray of shape (count, n)
        The rows.
    """
    from ews._kernels.autoregression import draw_ar1

    out = np.empty((count, coefficient.size))
    draw_ar1(coefficient, sd, np.uint64(seed % 2**64), first, out)
    return out


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

        scale = float(np.std(residual)) or 1.0
        scaled = (residual - residual.mean()) / scale
        best: Any = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a start value that is not stationary only costs iterations
            for p, q in cls.orders:
                fitted = ARIMA(scaled, order=(p, 0, q), trend="n").fit()
                if best is None or fitted.aic < best.aic:
                    best = fitted
        sd = float(np.sqrt(best.params[-1])) * scale
        return cls(tuple(map(float, best.arparams)), tuple(map(float, best.maparams)), sd, residual.size)

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"ARMA({len(self.ar)}, {len(self.ma)}) noise fitted to the residual, orders by AIC"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        from scipy.signal import lfilter

        warm_up = 500  # forgets the start at rest: 0.98 ** 500 is 4e-5
        noise = np.stack([_generator(seed, first + i).standard_normal(self.n + warm_up) for i in range(count)])
        rows = lfilter(np.r_[1.0, self.ma], np.r_[1.0, -np.asarray(self.ar)], noise * self.innovation_sd, axis=1)
        return np.ascontiguousarray(rows[:, warm_up:])


@dataclass(frozen=True, eq=False)
class Fourier:
    """Random phases: the residual's periodogram, nothing else of it.

    Attributes
    ----------
    amplitudes : ndarray of shape (n // 2 + 1,)
        Modulus of the Fourier transform of the demeaned residual.
    n : int
        Length of a surrogate.

    References
    ----------
    Theiler, J. et al. (1992). Testing for nonlinearity in time series: the method of surrogate data. Physica D 58,
    77–94.
    """

    amplitudes: FloatArray
    n: int
    sentence: ClassVar[str] = "surrogates with the residual's periodogram and random phases"

    @classmethod
    def fit(cls, residual: FloatArray) -> Fourier:
        """Take the periodogram."""
        return cls(np.abs(np.fft.rfft(residual - residual.mean())), residual.size)

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        phases = np.stack([_generator(seed, first + i).random(self.amplitudes.size) for i in range(count)])
        spectrum = self.amplitudes * np.exp(2j * np.pi * phases)
        spectrum[:, 0] = 0.0
        if self.n % 2 == 0:  # the last coefficient of an even length is real
            spectrum[:, -1] = self.amplitudes[-1] * np.where(phases[:, -1] < 0.5, -1.0, 1.0)
        return np.fft.irfft(spectrum, n=self.n, axis=1)


@dataclass(frozen=True, eq=False)
class AAFT:
    """Amplitude-adjusted Fourier transform: the residual's own values, near its spectrum.

    Attributes
    ----------
    residual : ndarray of shape (n,)
        What the surrogates rearrange.

    References
    ----------
    Theiler, J. et al. (1992). Testing for nonlinearity in time series: the method of surrogate data. Physica D 58,
    77–94.
    """

    residual: FloatArray
    sentence: ClassVar[str] = "amplitude-adjusted Fourier surrogates of the residual"

    @classmethod
    def fit(cls, residual: FloatArray) -> AAFT:
        """Keep the residual."""
        return cls(residual.copy())

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        values = np.sort(self.residual)
        ranks = np.argsort(np.argsort(self.residual, kind="stable"), kind="stable")
        out = np.empty((count, self.residual.size))
        for i in range(count):
            generator = _generator(seed, first + i)
            gaussian = np.sort(generator.standard_normal(values.size))[ranks]
            shuffled = _random_phases(gaussian, generator)
            out[i] = values[np.argsort(np.argsort(shuffled, kind="stable"), kind="stable")]
        return out


@dataclass(frozen=True, eq=False)
class IAAFT:
    """Iterated AAFT: the residual's own values, its spectrum approached by iteration.

    Attributes
    ----------
    residual : ndarray of shape (n,)
        What the surrogates rearrange.
    iterations : int
        Upper bound on the number of iterations; it stops where the order no longer changes.

    References
    ----------
    Schreiber, T. & Schmitz, A. (1996). Improved surrogate data for nonlinearity tests. Phys. Rev. Lett. 77, 635–638.
    """

    residual: FloatArray
    iterations: int = 100
    sentence: ClassVar[str] = "iterated amplitude-adjusted Fourier surrogates of the residual"

    @classmethod
    def fit(cls, residual: FloatArray) -> IAAFT:
        """Keep the residual."""
        return cls(residual.copy())

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        values = np.sort(self.residual)
        amplitudes = np.abs(np.fft.rfft(self.residual))
        out = np.empty((count, values.size))
        for i in range(count):
            current = _generator(seed, first + i).permutation(self.residual)
            ranks = np.argsort(current, kind="stable")
            for _ in range(self.iterations):
                phases = np.angle(np.fft.rfft(current))
                adjusted = np.fft.irfft(amplitudes * np.exp(1j * phases), n=values.size)
                order = np.argsort(adjusted, kind="stable")
                current = np.empty_like(values)
                current[order] = values
                if np.array_equal(order, ranks):
                    break
                ranks = order
            out[i] = current
        return out


def _random_phases(x: FloatArray, generator: np.random.Generator) -> FloatArray:
    spectrum = np.abs(np.fft.rfft(x))
    return np.fft.irfft(spectrum * np.exp(2j * np.pi * generator.random(spectrum.size)), n=x.size)


@dataclass(frozen=True, eq=False)
class StationaryBootstrap:
    """Blocks of the residual of random length, laid end to end.

    Attributes
    ----------
    residual : ndarray of shape (n,)
        Where the blocks come from; it is taken as a circle.
    mean_length : float
        Mean length of a block, in samples.

    References
    ----------
    Politis, D. N. & Romano, J. P. (1994). The stationary bootstrap. JASA 89, 1303–1313.
    """

    residual: FloatArray
    mean_length: float

    @classmethod
    def fit(cls, residual: FloatArray) -> StationaryBootstrap:
        """Take a mean block length of n^(1/3) times the growth that the residual's memory asks for."""
        coefficient = abs(AR1.fit(residual).coefficient)
        # Politis & White (2004), eq. 9, for an AR(1) process: (2 g² / D)^(1/3) n^(1/3)
        growth = (2 * coefficient / (1 - coefficient**2)) ** (2 / 3)
        length = max(1.0, growth * residual.size ** (1 / 3))
        return cls(residual.copy(), float(min(length, residual.size / 2)))

    @property
    def sentence(self) -> str:
        """One line for the report."""
        return f"stationary bootstrap of the residual (mean block {self.mean_length:.1f} samples)"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number."""
        n = self.residual.size
        out = np.empty((count, n))
        for i in range(count):
            generator = _generator(seed, first + i)
            starts = generator.random(n) < 1.0 / self.mean_length
            starts[0] = True
            block = np.cumsum(starts) - 1
            offset = np.arange(n) - np.flatnonzero(starts)[block]
            out[i] = self.residual[(generator.integers(n, size=block[-1] + 1)[block] + offset) % n]
        return out


@dataclass(frozen=True, eq=False)
class Permutation:
    """The residual's values in random order: right only for residuals without memory.

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
        """Surrogates by number."""
        return np.stack([_generator(seed, first + i).permutation(self.residual) for i in range(count)])


_NULLS: dict[str, Any] = {
    "ar1": AR1,
    "arma": ARMA,
    "fourier": Fourier,
    "aaft": AAFT,
    "iaaft": IAAFT,
    "block": StationaryBootstrap,
    "permutation": Permutation,
}
NAMES: tuple[str, ...] = tuple(_NULLS)


def fit(residual: Any, *, null: NullName = "ar1") -> Null:
    """Fit a null model to a residual.

    Parameters
    ----------
    residual : array_like of shape (n,)
        The detrended series, finite.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Which model. Red noise is the default because it is what the field tests against and what short records can
        support; its error rates under each null are measured in the guide.

    Returns
    -------
    Null
        The fitted model, with ``draw`` and ``sentence``.

    Raises
    ------
    ews.errors.UnknownNameError
        If `null` is not known; the nearest name is suggested.
    ews.errors.SeriesTooShortError
        For fewer than 8 values.

    Examples
    --------
    >>> import numpy as np, ews
    >>> ews.nulls.fit(np.sin(np.arange(50.0)), null="fourier").draw(0, 3, seed=1).shape
    (3, 50)
    """
    if null not in _NULLS:
        raise UnknownNameError("null", null, NAMES)
    values = np.asarray(residual, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        given = described(f"an array of shape {values.shape}, {int((~np.isfinite(values)).sum())} values not finite")
        raise InputTypeError("residual", given, "one dimension, finite numbers")
    if values.size < 8:
        raise SeriesTooShortError("residual", described(f"{values.size} values"), "at least 8 values")
    fitted: Null = _NULLS[null].fit(values)
    return fitted


def surrogates(residual: Any, *, null: NullName = "ar1", n_surrogates: int = 1000, seed: int = 0) -> FloatArray:
    """Draw surrogates of a residual from a null model fitted to it.

    Parameters
    ----------
    residual : array_like of shape (n,)
        The detrended series, finite.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Which model.
    n_surrogates : int, default 1000
        How many.
    seed : int, default 0
        Row k depends on the seed and on k only.

    Returns
    -------
    ndarray of shape (n_surrogates, n)
        The surrogates, in units of the residual.

    Raises
    ------
    ews.errors.UnknownNameError, ews.errors.SeriesTooShortError, ews.errors.ValueRangeError
        For an unknown null, fewer than 8 values, or a negative number of surrogates.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.cumsum(np.random.default_rng(1).standard_normal(100))
    >>> ews.nulls.surrogates(x - x.mean(), n_surrogates=5, seed=7).shape
    (5, 100)
    """
    if n_surrogates < 0:
        raise ValueRangeError("n_surrogates", n_surrogates, "an integer of 0 or more")
    return fit(residual, null=null).draw(0, n_surrogates, seed=seed)
