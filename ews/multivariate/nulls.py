"""Null models of several variables: what a residual could look like if nothing were changing.

Row k of a seed is the same whatever is drawn beside it, as in :mod:`ews.nulls`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from ews._common import checks
from ews.errors import SeriesTooShortError, described
from ews.multivariate.windows import FloatArray
from ews.nulls.null import generator_of

__all__ = [
    "NAMES",
    "VAR1",
    "JointFourier",
    "MultivariateNull",
    "MultivariateNullName",
    "draw_vector_autoregression",
    "fit",
    "fit_rows",
]

MultivariateNullName = Literal["var1", "fourier"]
NAMES: tuple[MultivariateNullName, ...] = ("var1", "fourier")

# A spectral radius of one has no stationary distribution to start from.
LARGEST_RADIUS = 0.999
# How well the mean of refits is known (a tenth of the scatter of one), and how often it is taken.
REFITS = 100
CORRECTIONS = 2


class MultivariateNull(Protocol):
    """A fitted null model: it says what it is and draws surrogates by number."""

    @property
    def sentence(self) -> str:
        """One line for the report, with the fitted numbers."""

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates number `first` to ``first + count - 1``, of shape (count, variables, n)."""


@dataclass(frozen=True, eq=False)
class VAR1:
    """Vector autoregression of first order, fitted by least squares.

    Attributes
    ----------
    coefficients : ndarray of shape (variables, variables)
        A in x[t] = A x[t−1] + e[t], shrunk to a spectral radius of 0.999 where least squares gives more.
    covariance : ndarray of shape (variables, variables)
        Covariance of the innovations e.
    n : int
        Length of a surrogate.
    shrunk : bool
        Whether A was shrunk.
    refitted : float or None
        Spectral radius that was fitted to the residuals, where A was calibrated to give it again.

    References
    ----------
    Lütkepohl, H. (2005). New introduction to multiple time series analysis, section 3.2. Springer.
    """

    coefficients: FloatArray
    covariance: FloatArray
    n: int
    shrunk: bool
    refitted: float | None = None

    @classmethod
    def fit(cls, residual: FloatArray) -> VAR1:
        """Fit to a residual of shape (variables, n)."""
        coefficients, covariance, shrunk = (one[0] for one in fit_rows(residual[None]))
        return cls(coefficients, covariance, residual.shape[1], bool(shrunk))

    @classmethod
    def mean(cls, coefficients: FloatArray, covariance: FloatArray, n: int) -> VAR1:
        """The mean of several fits, (fits, variables, variables), shrunk where it is not stationary."""
        mean = coefficients.mean(axis=0)
        radius = float(np.abs(np.linalg.eigvals(mean)).max())
        shrunk = radius > LARGEST_RADIUS
        return cls(mean * (LARGEST_RADIUS / radius if shrunk else 1.0), covariance.mean(axis=0), n, shrunk)

    def calibrated(self, detrend: Callable[[FloatArray], FloatArray], *, seed: int) -> VAR1:
        """The same null with a memory that detrending and fitting bring back to the one fitted.

        Least squares underestimates the memory of a short record, and detrending takes a part of it out; surrogates of
        the fit, detrended again, would have less than the residuals have, and their indicators too narrow a spread.

        Parameters
        ----------
        detrend : callable
            From surrogates of shape (rows, variables, n) to their residuals.
        seed : int
            Seed of the refits.

        Returns
        -------
        VAR1
            With A such that the mean of its refits is the A of this one, as nearly as it can be while stationary.

        References
        ----------
        Kilian, L. (1998). Small-sample confidence intervals for impulse response functions. Rev. Econ. Stat. 80,
        218–230: the bootstrap correction; here the refits are detrended too.
        """
        seed = int(np.random.SeedSequence([seed, 3]).generate_state(1, np.uint64)[0])
        found = self
        for _ in range(CORRECTIONS):
            refits = fit_rows(detrend(found.draw(0, REFITS, seed=seed)))[0]
            corrected = found.coefficients + self.coefficients - refits.mean(axis=0)
            found = VAR1.mean(corrected[None], self.covariance[None], self.n)
        return replace(found, shrunk=found.shrunk or self.shrunk, refitted=self.radius)

    @property
    def radius(self) -> float:
        """Largest modulus of an eigenvalue of A."""
        return float(np.abs(np.linalg.eigvals(self.coefficients)).max())

    @property
    def sentence(self) -> str:
        """One line for the report."""
        text = f"VAR(1) noise fitted to the residuals (spectral radius {self.radius:.3f}"
        if self.refitted is not None:
            text += f", which gives the fitted {self.refitted:.3f} again after detrending"
        return f"{text}; shrunk to be stationary)" if self.shrunk else f"{text})"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        constant = np.broadcast_to(self.coefficients, (self.n, *self.coefficients.shape))
        return draw_vector_autoregression(constant, self.covariance, first, count, seed=seed)


def fit_rows(rows: FloatArray) -> tuple[FloatArray, FloatArray, Any]:
    """Least-squares VAR(1) of each residual of shape (variables, n): coefficients, covariance, and which were shrunk.

    Coefficients of a spectral radius of more than 0.999 are shrunk to it: what is given is stationary.
    """
    n, v = rows.shape[2], rows.shape[1]
    centred = rows - rows.mean(axis=2, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=2, keepdims=True))
    scale = np.where(scale > 0, scale, 1.0)
    x = centred / scale
    before, after = x[:, :, :-1], x[:, :, 1:]
    # The pseudo-inverse: collinear variables have a fit of least norm, and their innovations are collinear too.
    power = before @ np.swapaxes(before, 1, 2)
    scaled = (after @ np.swapaxes(before, 1, 2)) @ np.linalg.pinv(power, rcond=1e-10, hermitian=True)
    radius = np.abs(np.linalg.eigvals(scaled)).max(axis=1)
    shrunk = radius > LARGEST_RADIUS
    scaled *= np.where(shrunk, LARGEST_RADIUS / np.where(radius > 0, radius, 1.0), 1.0)[:, None, None]
    errors = after - scaled @ before
    covariance = errors @ np.swapaxes(errors, 1, 2) / max(n - 1 - v, 1)
    coefficients = scaled * scale / np.swapaxes(scale, 1, 2)
    return coefficients, covariance * scale * np.swapaxes(scale, 1, 2), shrunk


def draw_vector_autoregression(
    coefficients: FloatArray, covariance: FloatArray, first: int, count: int, *, seed: int
) -> FloatArray:
    """Rows (count, variables, n) of a (time-varying) first-order vector autoregression, stationary at the first A.

    Row k, counted from `first`, is the same whatever is drawn beside it.
    """
    from scipy.linalg import solve_discrete_lyapunov

    n, v = coefficients.shape[:2]
    scale = np.sqrt(np.diagonal(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    units = scale[None, :] / scale[:, None]
    steps, noise = coefficients * units, covariance / np.outer(scale, scale)
    stationary = solve_discrete_lyapunov(steps[0], noise)
    start, root = _root(stationary), _root(noise)
    normal = np.stack([generator_of(seed, first + i).standard_normal((n, v)) for i in range(count)])
    # Sums over the last axis, not matrix products: a row must not depend on how many are drawn beside it.
    innovations = (normal[:, :, None, :] * root).sum(axis=3)
    out = np.empty((n, count, v))
    out[0] = (normal[:, 0, None, :] * start).sum(axis=2)
    for t in range(1, n):
        out[t] = (out[t - 1][:, None, :] * steps[t]).sum(axis=2) + innovations[:, t]
    return np.ascontiguousarray(np.moveaxis(out * scale, 0, 2))


def _root(covariance: FloatArray) -> FloatArray:
    """R with R R' the covariance, which may be singular."""
    size, axes = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return np.asarray(axes * np.sqrt(np.maximum(size, 0.0)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class JointFourier:
    """Random phases, the same for all variables: every auto- and cross-spectrum is kept.

    Attributes
    ----------
    residual : ndarray of shape (variables, n)
        Whose spectra are kept.

    References
    ----------
    Prichard, D. & Theiler, J. (1994). Generating surrogate data for time series with several simultaneously measured
    variables. Phys. Rev. Lett. 73, 951–954.
    """

    residual: FloatArray
    sentence: ClassVar[str] = (
        "Fourier surrogates of the residuals: random phases common to all variables, so that all auto- and "
        "cross-spectra are kept"
    )

    @classmethod
    def fit(cls, residual: FloatArray) -> JointFourier:
        """Keep the residual, of shape (variables, n)."""
        return cls(residual - residual.mean(axis=1, keepdims=True))

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Draw surrogates by number."""
        v, n = self.residual.shape
        spectrum = np.fft.rfft(self.residual, axis=1)
        out = np.empty((count, v, n))
        for i in range(count):  # one at a time, as in ews.nulls
            turn = np.exp(2j * np.pi * generator_of(seed, first + i).random(spectrum.shape[1]))
            turn[0] = 1.0
            if n % 2 == 0:  # the last coefficient of an even length is real
                turn[-1] = 1.0 if turn[-1].real >= 0 else -1.0
            out[i] = np.fft.irfft(spectrum * turn, n=n, axis=1)
        return out


def fit(residual: FloatArray, *, null: str) -> MultivariateNull:
    """Fit a null to a residual of shape (variables, n)."""
    null = checks.choice("null", null, NAMES)
    v, n = residual.shape
    if n < 2 * v + 8:
        given = described(f"{n} observations of {v} variables")
        raise SeriesTooShortError("data", given, f"at least {2 * v + 8} for a null fitted to so many variables")
    return VAR1.fit(residual) if null == "var1" else JointFourier.fit(residual)
