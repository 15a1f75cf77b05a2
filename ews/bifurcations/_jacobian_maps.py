"""From a window to the leading eigenvalue at each of its points: embedding, local maps, companion matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews.bifurcations._windows import FloatArray

__all__ = ["Eigenvalues", "Strengths", "choose_embedding", "eigenvalues", "leading_eigenvalues"]

ComplexArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strengths:
    """The strengths of localisation θ that are tried: first, first + spacing, …."""

    first: float
    spacing: float
    count: int


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """The leading eigenvalue in each window.

    Attributes
    ----------
    modulus, real, imaginary : ndarray of shape (windows,)
        Means over the points of a window of |ν|, Re ν and |Im ν|.
    shares : ndarray of shape (windows, 3)
        Shares of the points at which ν is real and positive, real and negative, complex.
    theta, skill : ndarray of shape (windows,)
        Best θ, and its leave-one-out correlation.
    """

    modulus: FloatArray
    real: FloatArray
    imaginary: FloatArray
    shares: FloatArray
    theta: FloatArray
    skill: FloatArray


def choose_embedding(part: FloatArray, dimensions: IntArray, delays: IntArray) -> tuple[int, int]:
    """The smallest embedding whose leave-one-out skill is within one standard error of the best.

    The model is linear (θ = 0), as in Grziwotz et al. (2023); all embeddings predict the same values, by one least-
    squares fit each, whose leave-one-out errors are e / (1 − h) with h the leverages. Near ties go to the smallest
    embedding, since every needless lag brings an eigenvalue that is noise (the one-standard-error rule).

    Parameters
    ----------
    part : ndarray of shape (m,)
        The first window.
    dimensions, delays : ndarray of int64
        Candidates.

    Returns
    -------
    (int, int)
        E and τ.
    """
    ranked = sorted({(int(e), int(d) if e > 1 else int(delays.min())) for e in dimensions for d in delays})
    if len(ranked) == 1 or not np.isfinite(part).all():
        return ranked[0]
    reach = max((e - 1) * d for e, d in ranked)
    target = part[reach + 1 :]
    skills = []
    for e, d in ranked:
        lags = [part[reach - a * d : part.size - 1 - a * d] for a in range(e)]
        skills.append(_skill(np.stack([np.ones(target.size), *lags], axis=1), target))
    best = max(skills)
    error = (1.0 - best**2) / np.sqrt(target.size - 1.0)  # of a correlation
    return next(one for one, skill in zip(ranked, skills, strict=True) if skill >= best - error)


def _skill(design: FloatArray, target: FloatArray) -> float:
    """Correlation of target and leave-one-out predictions of a linear fit."""
    orthonormal, triangle = np.linalg.qr(design)
    size = np.abs(np.diag(triangle))
    orthonormal = orthonormal[:, size > 1e-10 * size.max()]  # lags that repeat others add nothing
    leverage = (orthonormal**2).sum(axis=1)
    error = (target - orthonormal @ (orthonormal.T @ target)) / np.maximum(1.0 - leverage, 1e-12)
    predicted = target - error
    if np.ptp(predicted) == 0.0 or np.ptp(target) == 0.0:
        return -1.0
    return float(np.corrcoef(predicted, target)[0, 1])


def leading_eigenvalues(coefficients: FloatArray, delay: int) -> ComplexArray:
    """Leading eigenvalue of each local map; of a complex pair, the one with positive imaginary part.

    x[t+1] = c₁ x[t] + c₂ x[t−τ] + … is a linear map of the last (E−1)τ + 1 values: its companion matrix has the c in
    the first row, at lags 0, τ, 2τ, …, and ones below the diagonal. For τ = 1 that is the matrix of Grziwotz et al.

    Parameters
    ----------
    coefficients : ndarray of shape (..., E)
        Finite.
    delay : int
        τ.

    Returns
    -------
    ndarray of shape (...), complex128
        The eigenvalues of largest modulus.
    """
    dimension = coefficients.shape[-1]
    if dimension == 1:
        return np.asarray(coefficients[..., 0], dtype=np.complex128)
    if dimension == 2 and delay == 1:  # ν² = c₁ ν + c₂
        half = 0.5 * coefficients[..., 0]
        root = np.sqrt((half * half + coefficients[..., 1]).astype(np.complex128))
        return np.asarray(np.where(half >= 0.0, half + root, half - np.conj(root)))
    size = (dimension - 1) * delay + 1
    companion = np.zeros((*coefficients.shape[:-1], size, size))
    companion[..., 0, ::delay] = coefficients
    below = np.arange(size - 1)
    companion[..., below + 1, below] = 1.0
    every = np.linalg.eigvals(companion).astype(np.complex128)
    moduli = np.abs(every)
    # Of a pair the moduli differ by rounding: the one with positive imaginary part is moved ahead.
    place = np.argmax(moduli * (1.0 + 1e-9 * (every.imag > 0)), axis=-1)
    return np.asarray(np.take_along_axis(every, place[..., None], axis=-1)[..., 0])


def eigenvalues(
    x: FloatArray, window: int, ends: IntArray, dimension: int, delay: int, strengths: Strengths
) -> Eigenvalues:
    """Leading eigenvalues in windows of one series.

    Parameters
    ----------
    x : ndarray of shape (n,)
        The residual.
    window : int
        Window in samples.
    ends : ndarray of shape (windows,), int64
        Last sample of each window.
    dimension, delay : int
        E and τ.
    strengths : Strengths
        θ to choose from.

    Returns
    -------
    Eigenvalues
        NaN in windows without variation, or with a value that is not finite.
    """
    from ews._kernels.smap import rolling_local_maps

    points = window - 1 - (dimension - 1) * delay
    coefficients = np.empty((ends.size, points, dimension))
    chosen = np.empty((ends.size, 2))
    with np.errstate(all="ignore"):
        rolling_local_maps(
            np.require(x, np.float64, ("C", "W")),
            window,
            ends,
            dimension,
            delay,
            strengths.first,
            strengths.spacing,
            strengths.count,
            coefficients,
            chosen,
        )
    known = np.isfinite(chosen[:, 0])
    leading = leading_eigenvalues(coefficients[known], delay)
    means = np.full((3, ends.size), np.nan)
    means[0, known] = np.abs(leading).mean(axis=1)
    means[1, known] = leading.real.mean(axis=1)
    means[2, known] = np.abs(leading.imag).mean(axis=1)
    complex_ = np.abs(leading.imag) > 1e-9 * np.abs(leading)
    shares = np.full((ends.size, 3), np.nan)
    shares[known, 0] = (~complex_ & (leading.real > 0)).mean(axis=1)
    shares[known, 1] = (~complex_ & (leading.real <= 0)).mean(axis=1)
    shares[known, 2] = complex_.mean(axis=1)
    return Eigenvalues(means[0], means[1], means[2], shares, chosen[:, 0].copy(), chosen[:, 1].copy())
