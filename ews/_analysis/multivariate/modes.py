"""The modes of several variables together: the slowest, the one that alternates most, and the one that oscillates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews.multivariate.autocorrelation_factors import first_factor
from ews.multivariate.nulls import fit_rows

__all__ = ["Modes", "modes_of", "projected", "radial"]

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

# A pair of eigenvalues is an oscillation where it turns by at least as much as it decays in a step (a damping ratio of
# at most √½), and so often within the record; else it is two slow modes that noise has joined.
_FEWEST_TURNS = 6


@dataclass(frozen=True, eq=False)
class Modes:
    """Directions in the space of the variables, of each record."""

    slow: FloatArray  # (rows, variables): the first min/max autocorrelation factor, which changes least in a step
    fast: FloatArray  # (rows, variables): the last one, which changes most
    pair: ComplexArray  # (rows, variables): left eigenvector of the leading oscillation of the VAR(1) map
    value: ComplexArray  # (rows,): its eigenvalue; 0 where nothing oscillates


def modes_of(x: FloatArray) -> Modes:
    """Modes of records of shape (rows, variables, n), of mean 0 and finite.

    References
    ----------
    Switzer, P. & Green, A. A. (1984). Min/max autocorrelation factors for multivariate spatial imagery. Stanford
    University, Technical Report 6. Hasselmann, K. (1988). PIPs and POPs. J. Geophys. Res. 93, 11015–11021: left
    eigenvectors of the map project on its modes.
    """
    n = x.shape[2]
    covariance = _products(x) / n
    slow = first_factor(covariance, _products(x[:, :, 1:] - x[:, :, :-1]) / (n - 1))[:, 1:]
    fast = first_factor(covariance, _products(x[:, :, 1:] + x[:, :, :-1]) / (n - 1))[:, 1:]
    values, left = np.linalg.eig(np.swapaxes(fit_rows(x)[0], 1, 2))
    values, left = values.astype(np.complex128), left.astype(np.complex128)
    angle, size = np.angle(values), np.abs(values)
    decay = -np.log(np.maximum(size, 1e-300))
    clear = (angle >= decay) & (angle >= 2.0 * math.pi * _FEWEST_TURNS / n) & (values.imag > 0.0)
    leading = np.where(clear, size, -1.0).argmax(axis=1)
    each = np.arange(x.shape[0])
    value = np.where(clear[each, leading], values[each, leading], 0.0)
    return Modes(slow, fast, left[each, :, leading], value)


def projected(directions: FloatArray, x: FloatArray) -> FloatArray:
    """Each record, (rows, variables, n), along its direction: (rows, n)."""
    return np.asarray((directions[:, :, None] * x).sum(axis=1))


def radial(modes: Modes, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far an oscillation is out at each sample, and how far out its map takes it to the next.

    With u the complex amplitude of the pair and λ its eigenvalue of angle θ: |u[t−1]| and Re(ū[t−1] e^{−iθ} u[t]) /
    |u[t−1]|, whose regression has the modulus of λ as its coefficient. Each of shape (rows, n − 1).
    """
    amplitude = (modes.pair[:, :, None] * x).sum(axis=1)
    before = np.abs(amplitude[:, :-1])
    turned = amplitude[:, 1:] * np.exp(-1j * np.angle(modes.value))[:, None]
    along = (np.conj(amplitude[:, :-1]) * turned).real
    return before, np.divide(along, before, out=np.zeros_like(before), where=before > 0.0)


def _products(x: FloatArray) -> FloatArray:
    return np.asarray(x @ np.swapaxes(x, 1, 2))
