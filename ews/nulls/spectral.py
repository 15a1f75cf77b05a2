"""Null models that keep the residual's spectrum and draw its phases at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ews._common.publish import public
from ews.nulls.null import FloatArray, generator_of

__all__ = ["AAFT", "IAAFT", "Fourier"]


@public("ews.nulls")
@dataclass(frozen=True, eq=False)
class Fourier:
    """Phase-randomised Fourier surrogates: the residual's periodogram, with random phases.

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
        """Draw surrogates by number."""
        out = np.empty((count, self.n))
        for i in range(count):
            out[i] = _random_phases(self.amplitudes, self.n, generator_of(seed, first + i))
        return out


@public("ews.nulls")
@dataclass(frozen=True, eq=False)
class AAFT:
    """Amplitude-adjusted Fourier transform surrogates: the residual's own values, near its spectrum.

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
        """Draw surrogates by number."""
        values = np.sort(self.residual)
        ranks = np.argsort(np.argsort(self.residual, kind="stable"), kind="stable")
        out = np.empty((count, self.residual.size))
        for i in range(count):
            generator = generator_of(seed, first + i)
            gaussian = np.sort(generator.standard_normal(values.size))[ranks]
            shuffled = _random_phases(np.abs(np.fft.rfft(gaussian)), values.size, generator)
            out[i] = values[np.argsort(np.argsort(shuffled, kind="stable"), kind="stable")]
        return out


@public("ews.nulls")
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
        """Draw surrogates by number."""
        values = np.sort(self.residual)
        # In a unit, a power of two, in which sums neither overflow nor vanish: the order is all that is used.
        unit = -int(np.frexp(np.abs(values).max())[1])
        amplitudes = np.abs(np.fft.rfft(np.ldexp(self.residual, unit)))
        out = np.empty((count, values.size))
        for i in range(count):
            current = generator_of(seed, first + i).permutation(self.residual)
            ranks = np.argsort(current, kind="stable")
            for _ in range(self.iterations):
                phases = np.angle(np.fft.rfft(np.ldexp(current, unit)))
                adjusted = np.fft.irfft(amplitudes * np.exp(1j * phases), n=values.size)
                order = np.argsort(adjusted, kind="stable")
                current = np.empty_like(values)
                current[order] = values
                if np.array_equal(order, ranks):
                    break
                ranks = order
            out[i] = current
        return out


def _random_phases(amplitudes: FloatArray, n: int, generator: np.random.Generator) -> FloatArray:
    """A series of length n and mean 0 with these amplitudes. One row at a time: in a batch, what vector instructions
    do with a row could depend on its neighbours."""
    phases = generator.random(amplitudes.size)
    spectrum = amplitudes * np.exp(2j * np.pi * phases)
    spectrum[0] = 0.0
    if n % 2 == 0:  # the last coefficient of an even length is real
        spectrum[-1] = amplitudes[-1] * (-1.0 if phases[-1] < 0.5 else 1.0)
    return np.fft.irfft(spectrum, n=n)
