"""What a test of several variables could have seen: power on a system whose leading mode loses its stability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.multivariate.scoring import TESTED, MultivariateScoring
from ews._analysis.score_tests.statistics import STATISTICS
from ews._common.alarms import ClosedTest, Statistic, westfall_young
from ews._common.progress import ProgressOption
from ews._significance.controls import positive_control
from ews._significance.needed import times_needed
from ews._significance.pipeline import Stages, in_chunks
from ews.multivariate.autocorrelation_factors import first_factor
from ews.multivariate.nulls import LARGEST_RADIUS, VAR1, draw_vector_autoregression, fit_rows

__all__ = ["POWER_SENTENCE", "SENTENCES", "Seen", "driven", "most_controls", "power", "power_series", "seen", "towards"]

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

CONTROLS = 300  # settle a share to 0.03
GROUPS = 3
POWER_SENTENCE = (
    "positive control: a vector autoregression of this length, fitted to the residuals, the recovery rate of whose "
    "leading mode falls from the fitted one to zero as the square root of the time left, as on the way to a fold (or, "
    "for an oscillating mode, a Hopf bifurcation) reached at the end of the record"
)


# What each control is, with method="score"; for a Hopf bifurcation where the fitted map has a complex pair.
SENTENCES = {
    "fold": "the recovery rate along the direction of longest memory falls from the fitted one to zero as the square "
    "root of the time left",
    "flip": "the lag-1 coefficient along the direction that alternates most falls from the fitted one to −1 along a "
    "line",
    "hopf": "the modulus of the leading complex pair rises from the fitted one to 1, the recovery rate falling along a "
    "line",
}
# The statistic that a control moves, by its place.
_MOVES = {"fold": 0, "flip": 1, "hopf": 2}
_SERIES = 200  # settle a share to 0.03
_REAL = 1e-9


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test of this length sees."""

    share: Mapping[str, float]  # of the controls of each kind, those that warn
    needed: Mapping[str, float]  # observations that a record would need for enough of them to warn


def most_controls(n_surrogates: int) -> int:
    """How many controls :func:`seen` draws at most."""
    return len(SENTENCES) * min(_SERIES, max(50, n_surrogates))


def seen(
    scoring: MultivariateScoring,
    table: FloatArray,
    null: VAR1,
    *,
    alpha: float,
    seed: int,
    progress: ProgressOption = None,
) -> Seen:
    """Share of the controls of each kind that warn, held against the surrogates of the record, (4, surrogates).

    The null of a score hardly depends on the map that it is drawn with, so that one table serves all.
    """
    count, n = min(_SERIES, max(50, table.shape[1])), null.n
    maps = {kind: found for kind in SENTENCES if (found := towards(null, kind)) is not None}
    stages = Stages(progress, count * len(maps))
    warns = [i for i, one in enumerate(STATISTICS) if one.warns]
    share, needed = {}, {}
    test = ClosedTest(table, TESTED, alpha)
    for place, (kind, coefficients) in enumerate(maps.items()):
        own = int(np.random.SeedSequence([seed, 4, place]).generate_state(1, np.uint64)[0])

        def measure(first: int, rows: int, coefficients: FloatArray = coefficients, own: int = own) -> FloatArray:
            drawn = draw_vector_autoregression(coefficients, null.covariance, first, rows, seed=own)
            return scoring.statistics(drawn)

        parts = in_chunks(measure, count, n=scoring.pipeline.chunk_length, progress=stages.next())
        values = np.concatenate(parts, axis=1)
        share[kind] = float(test.claims(values)[warns].any(axis=0).mean())
        moved = _MOVES[kind]
        needed[kind] = n * times_needed(values[moved], table[moved], share[kind])
    return Seen(share, needed)


def towards(null: VAR1, kind: str) -> FloatArray | None:
    """Coefficients A(t), (n, variables, variables), of a system that goes to a bifurcation of this kind at its end.

    To a fold or a flip goes the direction l of longest memory, or the one that alternates most. With Γ the stationary
    covariance and r = Γ l / l'Γ l, the map A + r (φ(t) l' − l'A) makes of l'x a first-order autoregression with the
    coefficient φ(t), and leaves what is uncorrelated with it alone. To a Hopf bifurcation goes the leading complex pair
    of A; None where it has none.
    """
    left_over = 1.0 - (np.arange(null.n) + 1.0) / (null.n + 1.0)
    if kind == "hopf":
        values, right, left = _modes(null.coefficients)
        if not (paired := np.abs(values.imag) > _REAL).any():
            return None
        leading = int(np.argmax(np.where(paired, np.abs(values), -1.0)))
        value, modulus = values[leading], float(np.abs(values[leading]))
        path = value / modulus * np.minimum(np.power(modulus, left_over), LARGEST_RADIUS)
        return _moved(null.coefficients, path - value, right[:, leading], left[leading], paired=True)
    from scipy.linalg import solve_discrete_lyapunov

    scale = np.sqrt(np.maximum(np.diagonal(null.covariance), 1e-300))
    a = null.coefficients * scale[None, :] / scale[:, None]
    now = solve_discrete_lyapunov(a, null.covariance / np.outer(scale, scale))
    across = a @ now
    sign = 1.0 if kind == "fold" else -1.0
    along = first_factor(now[None], (2.0 * now - sign * (across + across.T))[None])[0, 1:]
    size = float(along @ now @ along)
    coefficient = float(along @ across @ along) / size
    if kind == "fold":
        ramp = positive_control(coefficient, null.n)
    else:
        ramp = np.maximum(np.linspace(np.clip(coefficient, -0.9, 0.95), -1.0, null.n), -LARGEST_RADIUS)
    change = ramp[:, None] * along - along @ a
    moved = a + (now @ along / size)[:, None] * change[:, None, :]
    return np.asarray(moved * scale[:, None] / scale[None, :], dtype=np.float64)


def _modes(coefficients: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """Eigenvalues, right eigenvectors as columns and left ones as rows, of products 1."""
    values, right = np.linalg.eig(coefficients)
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:  # no full set of modes: those of a neighbour that has one
        nudge = 1e-6 * np.diag(np.arange(1.0, values.size + 1))
        values, right = np.linalg.eig(coefficients + nudge)
        left = np.linalg.inv(right)
    return values.astype(np.complex128), right.astype(np.complex128), left.astype(np.complex128)


def _moved(
    coefficients: FloatArray,
    change: npt.NDArray[np.inexact[Any]],
    right: ComplexArray,
    left: ComplexArray,
    *,
    paired: bool,
) -> FloatArray:
    """A(t) with one eigenvalue changed, and its conjugate alike: the two changes add up to a real one."""
    moved = (change[:, None, None] * np.outer(right, left)).real
    return np.asarray(coefficients + (2.0 * moved if paired else moved), dtype=np.float64)


def driven(coefficients: FloatArray, n: int) -> FloatArray:
    """Coefficients A(t), (n, variables, variables), of a system whose leading mode loses its stability at the end.

    With right and left eigenvectors v and w, w'v = 1, of the eigenvalue λ, the matrix A + (λ(t) − λ) v w' has λ(t) in
    its place and all else alike: its modulus follows :func:`ews._significance.controls.positive_control`, its angle
    stays. The leading mode is the one of largest modulus among those that do not alternate (real part ≥ 0), as slowing
    down towards a fold or a Hopf bifurcation is what the indicators look for.
    """
    values, right, left = _modes(coefficients)
    size = np.where(values.real >= 0, np.abs(values), values.real)
    leading = int(np.argmax(size))
    value = values[leading]
    alternates = value.real < 0
    modulus = 0.0 if alternates else float(np.abs(value))
    ramp = positive_control(modulus, n)
    turn = 1.0 if alternates or modulus == 0 else value / modulus
    return _moved(coefficients, ramp * turn - value, right[:, leading], left[leading], paired=abs(value.imag) > 1e-12)


def power(
    pipeline: MultivariatePipeline,
    null: VAR1,
    *,
    alpha: float,
    n_surrogates: int,
    seed: int,
    stages: Stages | None = None,
) -> float:
    """Share of positive controls that the same test, at the same level, answers with a warning.

    A VAR(1) is fitted to each control's residual; the controls are sorted by its spectral radius into three groups, and
    those of a group are tested against surrogates of their mean fit.
    """
    control_seed, *null_seeds = (int(word) for word in np.random.SeedSequence([seed, 1]).generate_state(4, np.uint64))
    coefficients = driven(null.coefficients, null.n)

    def control(first: int, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        drawn = draw_vector_autoregression(coefficients, null.covariance, first, count, seed=control_seed)
        residual = pipeline.surrogate_residual(drawn)
        fitted = fit_rows(residual[:, :, pipeline.lost :])
        return pipeline.tau(pipeline.measure(residual)), fitted[0], fitted[1]

    controls, surrogates = _sizes(n_surrogates, alpha)
    stages = Stages(None, 0) if stages is None else stages
    parts = in_chunks(control, controls, n=pipeline.chunk_length, progress=stages.next())
    taus = np.concatenate([part[0] for part in parts], axis=1)
    fitted = np.concatenate([part[1] for part in parts])
    covariance = np.concatenate([part[2] for part in parts])
    order = np.argsort(np.abs(np.linalg.eigvals(fitted)).max(axis=1), kind="stable")
    warned = 0
    for place, group in enumerate(np.array_split(order, GROUPS)):
        typical = VAR1.mean(fitted[group], covariance[group], null.n)
        typical = typical.calibrated(pipeline.refitted, seed=null_seeds[place])

        def null_taus(first: int, count: int, typical: VAR1 = typical, place: int = place) -> FloatArray:
            return pipeline.surrogate_tau(typical.draw(first, count, seed=null_seeds[place]))

        drawn = in_chunks(null_taus, surrogates, n=pipeline.chunk_length, progress=stages.next())
        warned += _warnings(taus[:, group], np.concatenate(drawn, axis=1), pipeline, alpha)
    return warned / controls


def power_series(n_surrogates: int, alpha: float) -> int:
    """How many series :func:`power` simulates."""
    controls, surrogates = _sizes(n_surrogates, alpha)
    return controls + GROUPS * surrogates


def _sizes(n_surrogates: int, alpha: float) -> tuple[int, int]:
    """Controls, and surrogates of each group: enough for p-values well below `alpha`, but no more than the test has."""
    return min(CONTROLS, max(50, n_surrogates)), min(n_surrogates, max(200, int(20 / alpha)))


def _warnings(taus: FloatArray, table: FloatArray, pipeline: MultivariatePipeline, alpha: float) -> int:
    """How many columns of `taus` warn against the null `table`."""
    statistics = [Statistic(indicator.alarm) for indicator in pipeline.indicators]
    warned = 0
    for column in taus.T:
        adjusted = westfall_young(column, table, statistics)[1]
        warned += any(bool(one.warns(tau, p, alpha)) for one, tau, p in zip(statistics, column, adjusted, strict=True))
    return warned
