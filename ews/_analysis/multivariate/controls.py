"""What a test of several variables could have seen: power on a system whose leading mode loses its stability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._common.alarms import Statistic, westfall_young
from ews._significance.controls import positive_control
from ews._significance.pipeline import Stages, in_chunks
from ews.multivariate.nulls import VAR1, draw_vector_autoregression, fit_rows

__all__ = ["POWER_SENTENCE", "driven", "power"]

FloatArray = npt.NDArray[np.float64]

CONTROLS = 300  # settle a share to 0.03
GROUPS = 3
POWER_SENTENCE = (
    "positive control: a vector autoregression of this length, fitted to the residuals, the recovery rate of whose "
    "leading mode falls from the fitted one to zero as the square root of the time left, as on the way to a fold (or, "
    "for an oscillating mode, a Hopf bifurcation) reached at the end of the record"
)


def driven(coefficients: FloatArray, n: int) -> FloatArray:
    """Coefficients A(t), (n, variables, variables), of a system whose leading mode loses its stability at the end.

    With right and left eigenvectors v and w, w'v = 1, of the eigenvalue λ, the matrix A + (λ(t) − λ) v w' has λ(t) in
    its place and all else alike: its modulus follows :func:`ews._significance.controls.positive_control`, its angle
    stays. The leading mode is the one of largest modulus among those that do not alternate (real part ≥ 0), as slowing
    down towards a fold or a Hopf bifurcation is what the indicators look for.
    """
    values, right = np.linalg.eig(coefficients)
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:  # no full set of modes: those of a neighbour that has one
        nudge = 1e-6 * np.diag(np.arange(1.0, values.size + 1))
        values, right = np.linalg.eig(coefficients + nudge)
        left = np.linalg.inv(right)
    size = np.where(values.real >= 0, np.abs(values), values.real)
    leading = int(np.argmax(size))
    value = values[leading]
    alternates = value.real < 0
    modulus = 0.0 if alternates else float(np.abs(value))
    ramp = positive_control(modulus, n)
    turn = 1.0 if alternates or modulus == 0 else value / modulus
    mode = np.outer(right[:, leading], left[leading])
    change = (ramp * turn - value)[:, None, None] * mode
    # A pair: its conjugate moves alike, and the two changes add up to a real one.
    paired = abs(value.imag) > 1e-12
    return np.asarray(coefficients + (2.0 * change.real if paired else change.real), dtype=np.float64)


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
