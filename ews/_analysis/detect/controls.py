"""Positive controls: linear systems whose eigenvalue goes where a bifurcation takes it, and how many of them warn."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ews import detrend, nulls
from ews._analysis.score_tests.oscillation import Mode
from ews._analysis.score_tests.sampling import RecordedNull
from ews._analysis.score_tests.shares import OSCILLATING_SHARES, SHARES, sides_of
from ews._analysis.score_tests.statistics import STATISTICS
from ews._analysis.score_tests.table import rounded, surrogate_table, table_key
from ews._analysis.score_tests.testing import Scoring
from ews._common.alarms import SUFFICIENT_POWER, ClosedTest
from ews._common.kept import Kept
from ews._common.progress import ProgressOption
from ews._significance.controls import positive_control
from ews._significance.needed import times_needed
from ews._significance.pipeline import Stages, in_chunks
from ews.nulls.autoregressive import LARGEST_COEFFICIENT, draw_autoregression, draw_second_order
from ews.nulls.higher_order import AR
from ews.nulls.modes_at_times import ModesAtTimes
from ews.nulls.with_error import AR1WithError, with_error

__all__ = [
    "CONTROLS",
    "SENTENCES",
    "Fitted",
    "Seen",
    "control_series",
    "draw_control",
    "fitted_to",
    "seen",
    "seen_at_most",
]

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[int, int], FloatArray]  # of rows: from which number on, and how many

SENTENCES = {
    "fold": "the recovery rate falls from the fitted one to zero as the square root of the time left",
    "transcritical": "the recovery rate falls from the fitted one to zero along a line",
    "flip": "the lag-1 coefficient falls from the fitted one to −1 along a line",
    "hopf": "the modulus of a complex pair rises from the fitted one to 1, the recovery rate falling along a line",
}
CONTROLS = tuple(SENTENCES)
_WARNS = [i for i, one in enumerate(STATISTICS) if one.warns]
# The statistic that a control moves, by its place.
_MOVES = {"fold": 0, "transcritical": 0, "flip": 1, "hopf": 2}
# How many of each kind have been drawn after each stage; further stages draw of those only whose share is not yet clear
# of the one that suffices. The last settles a share to about 0.03.
_STAGES = (50, 100, 200)
_CLEAR = 3.0  # standard errors
# A pair with no cycle to go by turns an eighth of a circle a sample, and loses half of its distance.
_DEFAULT_ANGLE, _DEFAULT_MODULUS = np.pi / 4.0, 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test of this length sees."""

    share: Mapping[str, float]  # of the controls of each kind, those that warn
    # Observations that a record would need for enough of them to warn; no more than it has where that is so already.
    needed: Mapping[str, float]
    length: int = 0  # of a control


def control_series(n_surrogates: int) -> int:
    """How many controls of each kind are drawn at most: no more than the test itself draws."""
    return min(_STAGES[-1], max(_STAGES[0], n_surrogates))


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the controls start from: the memory, the noise and the cycle of the record."""

    coefficient: float
    innovation_sd: float
    # Modulus and angle of a complex pair of eigenvalues, and the innovations that drive it.
    modulus: float
    angle: float
    drive_sd: float
    rest_sd: float = 0.0  # of white noise beside the pair, for all that is not in its mode
    error_sd: float = 0.0  # of measurement error, on all kinds


def fitted_to(residual: FloatArray, null: nulls.Null | RecordedNull, mode: Mode | None) -> Fitted:
    """What a residual, of shape (n,), gives to its controls; the memory is that of the null where it is red noise."""
    memory = nulls.AR1.fit(residual)
    noise = null.noise if isinstance(null, RecordedNull) else null
    if isinstance(noise, AR1WithError):
        sd = noise.innovation_sd
        return Fitted(noise.coefficient, sd, _DEFAULT_MODULUS, _DEFAULT_ANGLE, sd, error_sd=noise.error_sd)
    coefficient = noise.coefficient if isinstance(noise, nulls.AR1 | nulls.AR1AtTimes) else memory.coefficient
    if isinstance(noise, nulls.AR1AtTimes):  # consecutive observations are not a step apart
        return Fitted(coefficient, noise.innovation_sd, _DEFAULT_MODULUS, _DEFAULT_ANGLE, noise.innovation_sd)
    if isinstance(noise, ModesAtTimes):
        coefficient = noise.memory
    if mode is None or not (mode.resolved or isinstance(noise, ModesAtTimes)):
        return Fitted(coefficient, memory.innovation_sd, *_pair(residual), memory.innovation_sd)
    angle = min(2.0 * np.pi / mode.period, math.pi)  # of a step, on the grid of controls
    modulus = min(math.exp(-mode.damping * angle), LARGEST_COEFFICIENT)
    near, far, variance = 2.0 * modulus * math.cos(angle), -(modulus**2), float(np.var(residual))
    # Variance of an AR(2) (Box & Jenkins 1976, eq. 3.2.28), of which the mode has its share.
    gain = (1.0 - far) / ((1.0 + far) * ((1.0 - far) ** 2 - near**2))
    drive, rest = math.sqrt(mode.share * variance / gain), math.sqrt((1.0 - mode.share) * variance)
    return Fitted(coefficient, memory.innovation_sd, modulus, angle, drive, rest)


def seen_at_most(
    longest: int,
    scoring: Scoring,
    table: FloatArray,
    fitted: Fitted,
    null: nulls.Null,
    *,
    alpha: float,
    seed: int,
    progress: ProgressOption = None,
) -> Seen:
    """What a record sees, by controls no longer than `longest` where these show enough: a longer one only sees more."""
    n, count = scoring.pipeline.n, table.shape[1]
    if n > longest and isinstance(null, nulls.AR1 | AR | AR1WithError):
        of_length = {"positions": np.arange(longest)} if isinstance(null, AR1WithError) else {"n": longest}
        shorter, own = shortened(scoring, longest), replace(null, **of_length)
        few = surrogate_table(shorter.statistics, shorter.alike, own, count, n=longest, seed=seed)
        key = table_key(shorter.alike, own, count, seed)
        found = seen(shorter, few, fitted, alpha=alpha, seed=seed, key=key, progress=progress)
        if min(found.share.values()) >= SUFFICIENT_POWER:
            return found
    key = table_key(scoring.alike, null, count, seed)
    return seen(scoring, table, fitted, alpha=alpha, seed=seed, key=key, progress=progress)


def shortened(scoring: Scoring, n: int) -> Scoring:
    """The same for records of `n` samples."""
    pipeline = scoring.pipeline
    old = pipeline.plan
    width = old.bandwidth
    if width is not None and width >= n:  # a number of samples
        width = width / pipeline.n
    # A default that goes by the length is that of the longer record.
    plan = detrend.plan(old.method, n=n, bandwidth=width, causal=old.causal, season=old.season)
    return replace(scoring, pipeline=replace(pipeline, plan=plan, level=np.zeros(n)))


def seen(
    scoring: Scoring,
    table: FloatArray,
    fitted: Fitted,
    *,
    alpha: float,
    seed: int,
    key: Hashable | None = None,
    progress: ProgressOption = None,
) -> Seen:
    """Share of the controls of each kind that warn, held against the surrogates of the record.

    The null of a score hardly depends on the memory that it is drawn with, so that one table serves all; the level is
    shared as it would be of each control, had it been observed: what goes to a Hopf bifurcation oscillates. Equal keys
    say that tables are equal and that scoring is alike: controls of a first-order autoregression start there with the
    coefficient that the table was drawn with, and are kept for the next record of its length and memory.
    """
    if key is not None:
        fitted = replace(fitted, coefficient=rounded(fitted.coefficient), innovation_sd=1.0)
    most = control_series(table.shape[1])
    stages = Stages(progress, most * len(CONTROLS))

    def closed(oscillating: bool, side: int) -> ClosedTest:
        shares = (OSCILLATING_SHARES if oscillating else SHARES)[side]
        tested = [one.tested(float(share)) for one, share in zip(STATISTICS, shares, strict=True)]
        return ClosedTest(table, tested, alpha)

    def claims(kind: str, values: FloatArray, likeness: FloatArray) -> npt.NDArray[np.bool_]:
        found = np.zeros(values.shape[1], dtype=np.bool_)
        oscillating, sides = kind == "hopf", sides_of(likeness)
        for side in map(int, np.unique(sides)):
            which = None if key is None else (key, alpha, oscillating, side)
            test = CLOSED.get(which, partial(closed, oscillating, side))
            these = sides == side
            found[these] = test.claims(values[:, these])[_WARNS].any(axis=0)
        return found

    def found(*kinds: str) -> dict[str, tuple[float, float]]:
        return _shares(scoring, table, claims, fitted, kinds, most=most, seed=seed, progress=stages.next())

    memory = SEEN.get(None if key is None else (key, alpha), lambda: found("fold", "transcritical", "flip"))
    each = memory | found("hopf")
    if callable(progress):
        progress(most * len(CONTROLS), most * len(CONTROLS))
    n = scoring.pipeline.n
    return Seen({kind: each[kind][0] for kind in CONTROLS}, {kind: n * each[kind][1] for kind in CONTROLS}, n)


# Tests against one table, and what was seen of controls of memory: share and times, by kind.
CLOSED: Kept[ClosedTest] = Kept(64)
SEEN: Kept[dict[str, tuple[float, float]]] = Kept(256)


def _shares(
    scoring: Scoring,
    table: FloatArray,
    claims_of: Callable[[str, FloatArray, FloatArray], npt.NDArray[np.bool_]],
    fitted: Fitted,
    kinds: Sequence[str],
    *,
    most: int,
    seed: int,
    progress: ProgressOption,
) -> dict[str, tuple[float, float]]:
    """Of each kind the share that warns, and how many times the length would be enough."""
    draws = {kind: draw_control(kind, fitted, scoring.drawn, seed=_seed_of(kind, seed)) for kind in kinds}
    values = {kind: np.empty((len(STATISTICS), 0)) for kind in kinds}
    claims = {kind: np.empty(0, dtype=np.bool_) for kind in kinds}
    stages = Stages(progress, most * len(kinds))
    before = 0
    for count in sorted({min(stage, most) for stage in _STAGES}):
        drawn = [kind for kind in kinds if not _clear(claims[kind])]
        if not drawn:
            break
        found = _statistics(scoring, [draws[kind] for kind in drawn], before, count - before, stages.next())
        for kind, (*more, likeness) in zip(drawn, np.hsplit(found, len(drawn)), strict=True):
            values[kind] = np.concatenate([values[kind], more], axis=1)
            claims[kind] = np.concatenate([claims[kind], claims_of(kind, np.array(more), likeness)])
        before = count
    share = {kind: float(claims[kind].mean()) for kind in kinds}
    return {
        kind: (share[kind], times_needed(values[kind][_MOVES[kind]], table[_MOVES[kind]], share[kind]))
        for kind in kinds
    }


def _seed_of(kind: str, seed: int) -> int:
    return int(np.random.SeedSequence([seed, 3, CONTROLS.index(kind)]).generate_state(1, np.uint64)[0])


def _clear(claimed: npt.NDArray[np.bool_]) -> bool:
    """Whether a share differs from the one that suffices by more than chance."""
    if not claimed.size:
        return False
    error = math.sqrt(SUFFICIENT_POWER * (1.0 - SUFFICIENT_POWER) / claimed.size)
    return abs(float(claimed.mean()) - SUFFICIENT_POWER) > _CLEAR * error


def _statistics(
    scoring: Scoring, draws: Sequence[Draw], first: int, count: int, progress: ProgressOption
) -> FloatArray:
    """Statistics of `count` rows of each draw from its `first` on, side by side; last how alike neighbours are."""

    def measure(start: int, rows: int) -> FloatArray:
        parts, stop = [], start + rows
        while start < stop:
            place, within = divmod(start, count)
            taken = min(count - within, stop - start)
            parts.append(scoring.observed(draws[place](first + within, taken), first + within, place))
            start += taken
        residual = scoring.residual(parts[0] if len(parts) == 1 else np.concatenate(parts))
        return np.vstack([scoring.score(residual)[0], scoring.likeness_of(residual)])

    total = count * len(draws)
    return np.concatenate(in_chunks(measure, total, n=scoring.drawn, progress=progress), axis=1)


def draw_control(kind: str, fitted: Fitted, n: int, *, seed: int) -> Draw:
    """Rows of length `n` of a system whose eigenvalue goes to `kind`.

    Row i is the same however many are drawn.
    """
    system = _system(kind, fitted, n, seed)
    return lambda first, count: with_error(system(first, count), fitted.error_sd, first, seed=seed)


def _system(kind: str, fitted: Fitted, n: int, seed: int) -> Draw:
    """The system itself, without measurement error."""
    sd = np.full(n, fitted.innovation_sd)
    left = 1.0 - (np.arange(n) + 1.0) / (n + 1.0)
    if kind == "hopf":
        moduli = np.minimum(np.power(fitted.modulus, left), LARGEST_COEFFICIENT)
        near, far, drive = 2.0 * np.cos(fitted.angle) * moduli, -(moduli**2), np.full(n, fitted.drive_sd)

        def oscillating(first: int, count: int) -> FloatArray:
            rows = draw_second_order(near, far, drive, first, count, seed=seed)
            if fitted.rest_sd > 0.0:
                rest = np.full(n, fitted.rest_sd)
                rows += draw_autoregression(np.zeros(n), rest, first, count, seed=seed + 1)
            return rows

        return oscillating
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
