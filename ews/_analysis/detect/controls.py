"""Positive controls: linear systems whose eigenvalue goes where a bifurcation takes it, and how many of them warn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.score_tests.statistics import STATISTICS
from ews._analysis.score_tests.testing import TESTED, Scoring
from ews._common.alarms import SUFFICIENT_POWER, closed_claims
from ews._common.progress import ProgressOption
from ews._significance.controls import positive_control
from ews._significance.pipeline import Stages, in_chunks
from ews.nulls.autoregressive import LARGEST_COEFFICIENT, draw_autoregression

__all__ = ["CONTROLS", "SENTENCES", "Fitted", "Seen", "control_series", "draw_control", "fitted_to", "seen"]

FloatArray = npt.NDArray[np.float64]

SENTENCES = {
    "fold": "the recovery rate falls from the fitted one to zero as the square root of the time left",
    "transcritical": "the recovery rate falls from the fitted one to zero along a line",
    "flip": "the lag-1 coefficient falls from the fitted one to −1 along a line",
    "hopf": "the modulus of a complex pair rises from the fitted one to 1, the recovery rate falling along a line",
}
CONTROLS = tuple(SENTENCES)
# The statistic that a control moves, by its place.
_MOVES = {"fold": 0, "transcritical": 0, "flip": 1, "hopf": 2}
# Settles a share to about 0.03.
_SERIES = 300
# A pair with no cycle to go by turns an eighth of a circle a sample, and loses half of its distance.
_DEFAULT_ANGLE, _DEFAULT_MODULUS = np.pi / 4.0, 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test of this length sees."""

    share: Mapping[str, float]  # of the controls of each kind, those that warn
    # Observations that a record would need for enough of them to warn; no more than it has where that is so already.
    needed: Mapping[str, float]


def control_series(n_surrogates: int) -> int:
    """How many controls of each kind are drawn: not more than the test itself draws."""
    return min(_SERIES, max(50, n_surrogates))


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the controls start from: the memory, the noise and the cycle of the record."""

    coefficient: float
    innovation_sd: float
    # Modulus and angle of a complex pair of eigenvalues.
    modulus: float
    angle: float


def fitted_to(residual: FloatArray, null: nulls.Null) -> Fitted:
    """What a residual, of shape (n,), gives to its controls; the memory is that of the null where it is red noise."""
    memory = nulls.AR1.fit(residual)
    coefficient = null.coefficient if isinstance(null, nulls.AR1) else memory.coefficient
    return Fitted(coefficient, memory.innovation_sd, *_pair(residual))


def seen(
    scoring: Scoring,
    table: FloatArray,
    fitted: Fitted,
    *,
    alpha: float,
    seed: int,
    progress: ProgressOption = None,
) -> Seen:
    """Share of the controls of each kind that warn, held against the surrogates of the record.

    The null of a score hardly depends on the memory that it is drawn with, so that one table serves all.
    """
    n, count = scoring.pipeline.n, control_series(table.shape[1])
    stages = Stages(progress, count * len(CONTROLS))
    warns = [i for i, one in enumerate(STATISTICS) if one.warns]
    share, needed = {}, {}
    for place, kind in enumerate(CONTROLS):
        own = int(np.random.SeedSequence([seed, 3, place]).generate_state(1, np.uint64)[0])
        draw = draw_control(kind, fitted, n, seed=own)

        def measure(first: int, rows: int, draw: Callable[[int, int], FloatArray] = draw) -> FloatArray:
            return scoring.statistics(draw(first, rows))

        values = np.concatenate(in_chunks(measure, count, n=n, progress=stages.next()), axis=1)
        claimed = np.asarray(closed_claims(values, table, TESTED, alpha)[warns].any(axis=0))
        share[kind] = float(claimed.mean())
        moved = _MOVES[kind]
        needed[kind] = n * _times(values[moved], table[moved], share[kind])
    return Seen(share, needed)


def _times(values: FloatArray, null: FloatArray, share: float) -> float:
    """How many times the length would be enough: a score's distance from its null grows as the root of the length."""
    if share >= SUFFICIENT_POWER:
        return 1.0
    from scipy.stats import norm

    distance, spread = np.nanmean(values) - np.nanmean(null), np.nanstd(values)
    if not distance > 0.0:
        return math.inf
    # The bound that gives the share that was found, of a normal score.
    bound = distance - spread * float(norm.ppf(np.clip(share, 0.01, 0.99)))
    return max(1.0, float((bound + spread * norm.ppf(SUFFICIENT_POWER)) / distance)) ** 2


def draw_control(kind: str, fitted: Fitted, n: int, *, seed: int) -> Callable[[int, int], FloatArray]:
    """``draw(first, count)`` of rows of length `n` of a system whose eigenvalue goes to `kind`.

    Row i is the same however many are drawn.
    """
    sd = np.full(n, fitted.innovation_sd)
    left = 1.0 - (np.arange(n) + 1.0) / (n + 1.0)
    if kind == "hopf":
        moduli = np.minimum(np.power(fitted.modulus, left), LARGEST_COEFFICIENT)
        return lambda first, count: _second_order(moduli, fitted.angle, sd, first, count, seed)
    if kind == "fold":
        ramp = positive_control(fitted.coefficient, n)
    elif kind == "transcritical":
        ramp = np.minimum(np.power(min(max(fitted.coefficient, 0.05), 0.99), left), LARGEST_COEFFICIENT)
    else:
        start = min(max(fitted.coefficient, -0.9), 0.95)
        ramp = np.maximum(np.linspace(start, -1.0, n), -LARGEST_COEFFICIENT)
    return lambda first, count: draw_autoregression(ramp, sd, first, count, seed=seed)


def _pair(residual: FloatArray) -> tuple[float, float]:
    """Modulus and angle of the fitted AR(2)'s roots, if they are a pair."""
    centred = residual - residual.mean()
    design = np.column_stack([centred[1:-1], centred[:-2]])
    (first, second), *_ = np.linalg.lstsq(design, centred[2:], rcond=None)
    if first * first + 4.0 * second >= 0.0:
        return _DEFAULT_MODULUS, _DEFAULT_ANGLE
    modulus = float(np.sqrt(-second))
    return float(np.clip(modulus, 0.05, 0.95)), float(np.arccos(np.clip(first / (2.0 * modulus), -1.0, 1.0)))


def _second_order(moduli: FloatArray, angle: float, sd: FloatArray, first: int, count: int, seed: int) -> FloatArray:
    """AR(2) with a pair of roots whose modulus changes: x[t] = 2 r cos ω x[t−1] − r² x[t−2] + e."""
    burn = 200
    still = np.zeros(moduli.size + burn)
    # A coefficient of zero leaves the innovations alone: row i of these is the i-th stream of the seed.
    noise = draw_autoregression(still, np.concatenate([np.full(burn, sd[0]), sd]), first, count, seed=seed)
    steady = np.concatenate([np.full(burn, moduli[0]), moduli])
    out = noise.copy()
    for t in range(2, out.shape[1]):
        out[:, t] += 2.0 * steady[t] * np.cos(angle) * out[:, t - 1] - steady[t] ** 2 * out[:, t - 2]
    return np.ascontiguousarray(out[:, burn:])
