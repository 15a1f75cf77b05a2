"""The sampling of a record, done to it and to every surrogate alike: times, gaps, repeats, rounding and filling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._analysis.score_tests.measurement import fitted_with_error
from ews._analysis.score_tests.modes_at import ModesAt, modes_at
from ews._analysis.score_tests.scores_at import FEWEST_TRIPLES, Scorer, scorer
from ews._analysis.score_tests.shapes import weights, weights_at
from ews._analysis.score_tests.statistics import bounded, largest, robust_residual, score
from ews._common import checks
from ews._common.observations import Observations
from ews._common.transforms import Transform, transformed
from ews._kernels.score import DAMPING
from ews.detrend import METHODS, bandwidths
from ews.detrend.local_polynomial import BANDWIDTHS, DEGREES
from ews.detrend.local_polynomial_at import smoother_at
from ews.detrend.methods import SMOOTHER
from ews.errors import ArgumentError, described
from ews.nulls.at_times import AR1AtTimes
from ews.nulls.autoregressive import LARGEST_COEFFICIENT, draw_autoregression
from ews.nulls.modes_at_times import ModesAtTimes
from ews.nulls.with_error import AR1WithError
from ews.series import Series

__all__ = ["NO_DIFFERENCES", "RecordedNull", "Sampling", "kept_smoother", "sampling_of"]

FloatArray = npt.NDArray[np.float64]
Rows = Callable[[FloatArray], FloatArray]

# Values that take no more than so many levels, and a quarter of their number, were rounded or counted.
MOST_LEVELS = 20
# What is said of differencing.
NO_DIFFERENCES = "a smoother, a line or None: differences keep nothing of the memory that could drift"
# The noise of repeats draws from a stream of its own.
_REPEATS = 0x9E3779B9
_ROWS, _STEPS = 100, 5
_SAMPLES, _FEWEST_ROWS = 100_000, 4  # long rows tell as much as many short ones
_NEAR = 0.002  # under half of what the mean of so many rows misses by
_LEAST_SHARE = 0.01  # of the variance that is left to the noise between times, however noisy repeats are


@dataclass(frozen=True, eq=False)
class Sampling:
    """How a record was observed, and what was made of it.

    The record itself, and every surrogate of it, go the same way: values at the times of observation, as many repeats
    of each, rounded to the record's own levels, averaged, filled in or not, detrended, scored.
    """

    observations: Observations
    values: FloatArray  # (m,): averages at the times of observation, as they are analysed
    levels: FloatArray | None  # the values that observations can take, where these are few
    within: float  # standard deviation of repeats about their average
    trend: FloatArray  # (m,): of the values, by the smoother at the times of observation
    smooth: Rows  # (rows, m) to trends: that smoother
    scorer: Scorer  # of residuals at the times of observation
    kept: bool  # whether these are what is analysed; else an even grid, or the order alone
    shapes: FloatArray  # (shapes, n): drifts at what is analysed
    detrended: Rows  # rows of what is analysed to residuals
    modes: ModesAt | None = None  # by which the record oscillates, if it does

    @property
    def n(self) -> int:
        """How many samples are analysed."""
        return self.observations.n

    @property
    def damping_tested(self) -> bool:
        """Whether enough observations follow one another for damping, whatever the record is."""
        return not self.kept or self.scorer.triples >= FEWEST_TRIPLES

    def residual(self, rows: FloatArray) -> FloatArray:
        """Residuals of rows as they are analysed, (rows, n)."""
        return self.detrended(rows)

    def score(self, residual: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
        """What :func:`ews._analysis.score_tests.statistics.score` gives, for these times."""
        if self.kept:
            scores = self.scorer.scores(residual, limit)
        else:
            scores = score(residual, self.shapes, limit)[1]
        if self.modes is not None and self.holds_observations:
            scores[:, DAMPING, 0] = self.modes.damping(bounded(self.at_observations(residual), limit))
        return largest(scores), scores

    @property
    def holds_observations(self) -> bool:
        """Whether what is analysed holds the values at the times of observation: they, or a grid that has them."""
        return self.kept or (self.scorer.signed and self.observations.positions[-1] + 1 == self.n)

    def at_observations(self, residual: FloatArray) -> FloatArray:
        """From residuals of what is analysed, (rows, n), to those at the times of observation, (rows, m)."""
        if self.kept or residual.shape[1] == self.values.size:
            return residual
        return np.ascontiguousarray(residual[:, self.observations.positions.astype(np.intp)])

    def oscillating(self, residual: FloatArray, limit: float) -> Sampling:
        """The same for a record with this residual, (1, n), which may oscillate."""
        at = self.at_observations(residual) if self.holds_observations else (self.values - self.trend)[None]
        shape = weights_at(self.observations.positions)[0]
        return replace(self, modes=modes_at(bounded(at, limit)[0], self.observations.positions, shape, self._known()))

    def _known(self) -> FloatArray:
        """Variance of the noise of repeats and of rounding in the value at each time."""
        variance = self.within**2 / self.observations.counts
        if self.levels is not None and self.levels.size > 1:
            variance = variance + float(np.mean(np.diff(self.levels))) ** 2 / 12.0  # of even values between levels
        return np.asarray(variance)

    def as_recorded(self, rows: FloatArray, *, first: int = 0, seed: int = 0) -> FloatArray:
        """From a process at the times of observation, (rows, m), to what would have been analysed of it, (rows, n).

        Its trend counts as that of the record where values are rounded to levels, and is taken off again. Row k,
        counted from `first`, has the same noise of repeats whatever is drawn beside it.
        """
        return self.observations.filled(self.at_times(rows, first=first, seed=seed))

    def at_times(self, rows: FloatArray, *, first: int = 0, seed: int = 0) -> FloatArray:
        """:meth:`as_recorded` without filling: the averages at the times of observation, (rows, m)."""
        which = self.observations.which
        if which.size == self.values.size:
            return self._rounded(rows, self.trend)
        each = rows[:, which]
        if self.within > 0.0:
            sd = np.full(which.size, self.within)
            each = each + draw_autoregression(np.zeros(which.size), sd, first, rows.shape[0], seed=seed + _REPEATS)
        return self.observations.averaged(self._rounded(each, self.trend[which]))

    def _rounded(self, rows: FloatArray, trend: FloatArray) -> FloatArray:
        """Each value, trend and all, at the nearest level."""
        if self.levels is None:
            return rows
        middles = 0.5 * (self.levels[1:] + self.levels[:-1])
        return np.asarray(self.levels[np.searchsorted(middles, rows + trend)] - trend)

    def null(self, *, null: nulls.NullName, limit: float, seed: int, measurement_error: bool = False) -> RecordedNull:
        """The null whose surrogates, as recorded, have the memory and the spread that the record has.

        Red noise is fitted at the times of observation, before anything is filled in, and its coefficient and variance
        are moved until what rounding, averaging and the smoother leave of it agrees on average. Other nulls need an
        even grid: they are fitted to the residual of what is analysed. Of a record that oscillates, "ar1" is an
        oscillation with the modes that were fitted.
        """
        if null != "ar1":
            return RecordedNull(self, self._on_grid(null))
        if self.modes is not None:
            return RecordedNull(self, self.modes.null)
        if measurement_error:
            return RecordedNull(self, self._red_with_error(limit, seed))
        return RecordedNull(self, self._red(limit, seed))

    def _left(self, rows: FloatArray, limit: float) -> FloatArray:
        """Residuals at the times of observation, outliers pulled in."""

        def residual(rows: FloatArray) -> FloatArray:
            return rows - self.smooth(rows)

        return bounded(residual(rows) if limit == math.inf else robust_residual(rows, residual), limit)

    def _red_with_error(self, limit: float, seed: int) -> AR1WithError:
        def left(rows: FloatArray) -> FloatArray:
            return self.scorer.apart(self._left(rows, limit), np.nan)

        return fitted_with_error(
            left(self.values[None]),
            self.observations.positions,
            observed=lambda rows, first: self.at_times(rows, first=first, seed=seed),
            left=left,
            seed=seed,
        )

    def _on_grid(self, null: nulls.NullName) -> nulls.Null:
        if not self.scorer.signed or self.observations.positions[-1] + 1 != self.n:
            given = described(f"{null!r} for observations that are not on a complete grid")
            raise ArgumentError("null", given, '"ar1" where times are kept as they are; or missing="interpolate"')
        values = self.observations.filled(self.values[None])
        return nulls.fit(self.residual(values)[0], null=null)

    def _red(self, limit: float, seed: int) -> AR1AtTimes:
        residual = self.values - self.smooth(self.values[None])[0]
        unit = float(np.abs(residual).max()) or 1.0  # squares of which neither vanish nor overflow

        def measured(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            left = self._left(rows, limit)
            left = left - left.mean(axis=1, keepdims=True)
            return self.scorer.memory(left), np.mean((left / unit) ** 2, axis=1)

        phi, power = (float(one[0]) for one in measured(self.values[None]))
        if not math.isfinite(phi) or not power > 0.0:
            return AR1AtTimes(0.0, unit * math.sqrt(max(power, 0.0)), self.observations.positions)
        least = -LARGEST_COEFFICIENT if self.scorer.signed else 1e-4
        at, missed, slope, sd = float(np.clip(phi, least, LARGEST_COEFFICIENT)), math.nan, 1.0, unit * math.sqrt(power)
        sd *= math.sqrt(1.0 - at**2)
        before = math.nan
        rows = int(np.clip(_SAMPLES // self.values.size, _FEWEST_ROWS, _ROWS))
        for step in range(_STEPS):
            # The same numbers each time, so that the steps settle.
            drawn = AR1AtTimes(at, sd, self.observations.positions).draw(0, rows, seed=seed)
            found, spread = measured(self.at_times(drawn, seed=seed))
            defined = found[np.isfinite(found)]
            memory, variance = float(defined.mean()) if defined.size else math.nan, float(np.mean(spread))
            own = float(np.mean(measured(drawn)[1])) if self.levels is not None or self.within > 0.0 else variance
            wanted = max(power - (variance - own), _LEAST_SHARE * power)
            sd *= math.sqrt(wanted / own) if own > 0.0 else 1.0
            if step == _STEPS - 1 or not math.isfinite(memory):
                break
            error = phi - memory
            if abs(error) < _NEAR:
                break
            if math.isfinite(missed) and abs(at - before) > 1e-6:
                slope = float(np.clip((missed - error) / (at - before), 0.3, 1.5))
            before, missed = at, error
            moved = float(np.clip(at + error / slope, least, LARGEST_COEFFICIENT))
            sd *= math.sqrt((1.0 - moved**2) / (1.0 - at**2))
            at = moved
        return AR1AtTimes(at, sd, self.observations.positions)


@dataclass(frozen=True, eq=False)
class RecordedNull:
    """A null whose surrogates were observed as the record was."""

    sampling: Sampling
    noise: nulls.Null

    @property
    def sentence(self) -> str:
        """One line for the report."""
        done = []
        seen = self.sampling.observations
        if seen.values.size > seen.positions.size:
            done.append("averaged where repeats were")
        if self.sampling.levels is not None:
            done.append(f"rounded to the {self.sampling.levels.size} values that occur")
        if seen.use in ("interpolated", "held") and seen.positions.size < seen.n:
            done.append("filled in where the record was")
        if seen.use == "consecutive" and not self.sampling.kept:
            done.append("taken as consecutive")
        return f"{self.noise.sentence}{', ' if done else ''}{', '.join(done)}"

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates by number, (count, n), as they are analysed."""
        rows = self.noise.draw(first, count, seed=seed)
        if not isinstance(self.noise, AR1AtTimes | AR1WithError | ModesAtTimes):
            rows = rows[:, self.sampling.observations.positions.astype(np.intp)]
        return self.sampling.as_recorded(rows, first=first, seed=seed)


def kept_smoother(positions: FloatArray, *, detrend: str | None, bandwidth: float | None, causal: bool) -> Rows:
    """The smoother of rows observed at any positions: local polynomials, a line, or none; the others need even times.

    A bandwidth that is a fraction is one of the span of time; one of so many samples is that many steps.
    """
    if detrend is None:
        return np.zeros_like
    checks.choice("detrend", detrend, METHODS)
    if detrend == "difference":
        raise ArgumentError("detrend", detrend, NO_DIFFERENCES)
    span = float(positions[-1]) + 1.0
    if detrend == "linear" and not causal:
        centred = positions - positions.mean()
        design = np.stack([np.full(positions.size, positions.size**-0.5), centred / np.linalg.norm(centred)])
        return lambda rows: (rows @ design.T) @ design
    if detrend not in DEGREES:
        allowed = '"local_linear", "local_quadratic", None' + (', "linear"' if not causal else "")
        raise ArgumentError("detrend", detrend, f'{allowed} where times are kept as they are; or missing="interpolate"')
    degree = DEGREES[detrend]
    width = BANDWIDTHS[degree](positions.size) if bandwidth is None else bandwidth
    if bandwidths.is_fraction(checks.number("bandwidth", width, above=0.0)):
        return smoother_at(positions, width * span, causal=causal, degree=degree)
    sd = checks.number("bandwidth", width, above=0.0, most=span)
    return smoother_at(positions, sd, causal=causal, degree=degree)


def sampling_of(
    series: Series,
    *,
    transform: Transform = None,
    detrend: str | None = SMOOTHER,
    bandwidth: float | None = None,
    causal: bool = False,
    detrended: Rows | None = None,
) -> Sampling | None:
    """The sampling of a record; None where it is even and complete, without repeats and not rounded to few values.

    Parameters
    ----------
    series : Series
        From :func:`ews.series.as_series`; its values may have been transformed since.
    transform : str, callable or None
        By what they were: rounding and the noise of repeats are then looked at on that scale.
    detrend, bandwidth, causal
        What is taken out of what is analysed.
    detrended : callable, optional
        From rows of what is analysed to residuals, where that is an even grid or the order alone; needed there.
    """
    seen = series.observations
    raw = series.values if seen is None else transformed(seen.values, transform)[0] if transform else seen.values
    levels = np.unique(raw)
    rounded = levels.size <= min(MOST_LEVELS, raw.size // 4)
    if seen is None:
        if not rounded:
            return None
        n = len(series)
        seen = Observations(np.arange(n, dtype=np.float64), np.ones(n), raw, "consecutive", n)
    kept = seen.use == "kept"
    positions = seen.positions
    values = series.values if kept else seen.averaged(raw[None])[0]
    spare = raw.size - positions.size
    away = raw - values[seen.which]
    size = float(np.abs(away).max())
    within = size * math.sqrt(float(((away / size) ** 2).sum()) / spare) if spare and size > 0.0 else 0.0
    method = detrend if kept or detrend is None else SMOOTHER
    smooth = kept_smoother(positions, detrend=method, bandwidth=bandwidth if method == detrend else None, causal=causal)
    trend = smooth(values[None])[0] if method is not None else np.full(values.size, values.mean())
    at = weights_at(positions)
    if kept or detrended is None:
        if not kept:
            raise TypeError("what is not analysed at its own times needs to be told how it is detrended")
        detrended = _residual(smooth)
    return Sampling(
        observations=seen,
        values=values,
        levels=levels if rounded else None,
        within=within,
        trend=trend,
        smooth=smooth,
        scorer=scorer(positions, at),
        kept=kept,
        shapes=at if kept else weights(seen.n),
        detrended=detrended,
    )


def _residual(smooth: Rows) -> Rows:
    return lambda rows: rows - smooth(rows)
