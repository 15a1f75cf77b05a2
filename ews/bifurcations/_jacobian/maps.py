"""From a window to the leading eigenvalue at each of its points: embedding, local maps, companion matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ews._significance.windows import FloatArray

__all__ = [
    "COMPANIONS",
    "Companion",
    "Eigenvalues",
    "Strengths",
    "choose_embedding",
    "eigenvalues",
    "leading_eigenvalues",
]

ComplexArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]

STANDARD_ERRORS = 2.0

Companion = Literal["full", "published"]
COMPANIONS: tuple[Companion, ...] = get_args(Companion)


@dataclass(frozen=True, slots=True)
class Strengths:
    """The strengths of localisation θ that are tried: first, first + spacing, …."""

    first: float
    spacing: float
    count: int


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """The leading eigenvalue in each window."""

    # (windows,): means over the points of a window of ``|ν|``, Re ν and ``|Im ν|``.
    modulus: FloatArray
    real: FloatArray
    imaginary: FloatArray
    shares: FloatArray  # (windows, 3): shares of the points at which ν is real and positive, real and negative, complex
    # (windows,): best θ, and its leave-one-out correlation.
    theta: FloatArray
    skill: FloatArray
    # (windows,): E and τ of each window.
    dimension: IntArray
    delay: IntArray

    @property
    def approach(self) -> FloatArray:
        """Distance gone towards the bifurcation that the last window's eigenvalues speak for.

        Re ν where most of them are real and positive, -Re ν where negative, ``|ν|`` where they are pairs: 1 at the
        bifurcation, and rising all the way, as ``|ν|`` is not where ν passes 0.
        """
        last = self.shares[-1]
        if np.isnan(last).any():
            return np.full(self.modulus.size, np.nan)
        return (self.real, -self.real, self.modulus)[int(np.argmax(last))]


def choose_embedding(part: FloatArray, dimensions: IntArray, delays: IntArray) -> tuple[int, int]:
    """The smallest embedding that predicts no worse than the best, by leave-one-out errors of the linear map.

    The map is linear (θ = 0), as in Grziwotz et al. (2023); all embeddings predict the same values, by one fit each,
    whose leave-one-out errors are e / (1 − h) with h the leverages. "No worse": the squared errors exceed those of the
    best by less than two standard errors of their mean difference. Every needless lag brings an eigenvalue that is
    noise, and where little can be predicted the best of many embeddings is best by chance.
    """
    largest = int(dimensions.max())
    ranked = sorted({(int(e), int(d) if e > 1 else int(delays.min())) for e in dimensions for d in delays})
    if len(ranked) == 1 or not np.isfinite(part).all():
        return ranked[0]
    reach = (largest - 1) * int(delays.max())
    target = part[reach + 1 :]
    errors: dict[tuple[int, int], FloatArray] = {}
    for delay in delays:
        lags = [part[reach - a * delay : part.size - 1 - a * delay] for a in range(largest)]
        squared = _squared_errors(np.stack([np.ones(target.size), *lags], axis=1), target)
        errors |= {(e, int(delay)): one for e, one in enumerate(squared.T, start=1)}
    best = min(ranked, key=lambda one: float(errors[one].mean()))
    for one in ranked:
        excess = errors[one] - errors[best]
        if excess.mean() <= STANDARD_ERRORS * excess.std(ddof=1) / np.sqrt(excess.size):
            return one
    return best


def _squared_errors(design: FloatArray, target: FloatArray) -> FloatArray:
    """Squared leave-one-out errors of linear fits on the first 2, 3, … columns, one column each."""
    orthonormal, triangle = np.linalg.qr(design)
    size = np.abs(np.diag(triangle))
    orthonormal[:, size <= 1e-10 * size.max()] = 0.0  # lags that repeat others add nothing
    # The first columns of Q span the first columns of the design: one factorisation serves every dimension.
    leverage = np.cumsum(orthonormal**2, axis=1)[:, 1:]
    fitted = np.cumsum(orthonormal * (orthonormal.T @ target), axis=1)[:, 1:]
    return np.asarray(((target[:, None] - fitted) / np.maximum(1.0 - leverage, 1e-12)) ** 2)


def leading_eigenvalues(coefficients: FloatArray, delay: int, companion: Companion = "full") -> ComplexArray:
    """Leading eigenvalue of each local map; of a complex pair, the one with positive imaginary part.

    x[t+1] = c₁ x[t] + c₂ x[t−τ] + … is a linear map of the last (E−1)τ + 1 values: its companion matrix has the c in
    the first row, at lags 0, τ, 2τ, …, and ones below the diagonal. That of Grziwotz et al. is E × E, with
    the c side by side as if τ were 1.
    """
    if companion == "published":
        delay = 1
    dimension = coefficients.shape[-1]
    if dimension == 1:
        return np.asarray(coefficients[..., 0], dtype=np.complex128)
    if dimension == 2 and delay == 1:  # ν² = c₁ ν + c₂
        half = 0.5 * coefficients[..., 0]
        root = np.sqrt((half * half + coefficients[..., 1]).astype(np.complex128))
        return np.asarray(np.where(half >= 0.0, half + root, half - np.conj(root)))
    size = (dimension - 1) * delay + 1
    matrix = np.zeros((*coefficients.shape[:-1], size, size))
    matrix[..., 0, ::delay] = coefficients
    below = np.arange(size - 1)
    matrix[..., below + 1, below] = 1.0
    every = np.linalg.eigvals(matrix).astype(np.complex128)
    moduli = np.abs(every)
    # Of a pair the moduli differ by rounding: the one with positive imaginary part is moved ahead.
    place = np.argmax(moduli * (1.0 + 1e-9 * (every.imag > 0)), axis=-1)
    return np.asarray(np.take_along_axis(every, place[..., None], axis=-1)[..., 0])


def eigenvalues(
    x: FloatArray,
    window: int,
    ends: IntArray,
    dimensions: IntArray,
    delays: IntArray,
    strengths: Strengths,
    companion: Companion,
) -> Eigenvalues:
    """Leading eigenvalues in windows of one series; each window chooses its embedding and its θ.

    NaN in windows without variation, or with a value that is not finite.
    """
    embeddings = np.array(
        [choose_embedding(x[end - window + 1 : end + 1], dimensions, delays) for end in ends], dtype=np.int64
    )
    numbers = np.full((8, ends.size), np.nan)
    for embedding in np.unique(embeddings, axis=0):  # windows of one embedding go together
        places = np.flatnonzero((embeddings == embedding).all(axis=1))
        chosen = int(embedding[0]), int(embedding[1])
        numbers[:, places] = _same_embedding(x, window, ends[places], *chosen, strengths, companion)
    return Eigenvalues(
        modulus=numbers[0],
        real=numbers[1],
        imaginary=numbers[2],
        shares=np.ascontiguousarray(numbers[3:6].T),
        theta=numbers[6],
        skill=numbers[7],
        dimension=embeddings[:, 0].copy(),
        delay=embeddings[:, 1].copy(),
    )


def _same_embedding(
    x: FloatArray,
    window: int,
    ends: IntArray,
    dimension: int,
    delay: int,
    strengths: Strengths,
    companion: Companion,
) -> FloatArray:
    """Means of ``|ν|``, Re ν, ``|Im ν|``, the three shares, θ and skill: shape (8, windows)."""
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
    out = np.full((8, ends.size), np.nan)
    known = np.isfinite(chosen[:, 0])
    leading = leading_eigenvalues(coefficients[known], delay, companion)
    pair = np.abs(leading.imag) > 1e-9 * np.abs(leading)
    out[0, known] = np.abs(leading).mean(axis=1)
    out[1, known] = leading.real.mean(axis=1)
    out[2, known] = np.abs(leading.imag).mean(axis=1)
    out[3, known] = (~pair & (leading.real > 0)).mean(axis=1)
    out[4, known] = (~pair & (leading.real <= 0)).mean(axis=1)
    out[5, known] = pair.mean(axis=1)
    out[6:] = chosen.T
    return out
