"""When the restoring rate would reach 0 if its trend went on: the line, its bias, and the spread of the answer.

A window of w samples shows the restoring rate of its middle, so the line is fitted against the middles of the windows.
Estimates in short windows are biased towards stability; the line is corrected by simulation: one looks for the line
whose simulated series, sent through the same detrending and windows, give on average the line that was observed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ews._significance.pipeline import Pipeline, Stages, in_chunks
from ews._significance.windows import FloatArray
from ews.nulls.null import generator_of
from ews.nulls.resampling import StationaryBootstrap

__all__ = ["Line", "Noise", "Threshold", "extrapolate", "fit_line", "fit_noise", "time_to_threshold"]

Measure = Callable[[FloatArray], FloatArray]

LARGEST_COEFFICIENT = 0.999  # a series that does not return at all cannot be simulated for a whole record
CORRECTIONS = 3  # the bias changes little with the line: each step takes out most of what is left of it
CORRECTION_SHARE = 0.4  # of the bootstrap's series, for each correction


@dataclass(frozen=True)
class Line:
    """The restoring rate as a straight line, per sample."""

    level: float  # its value at the last sample
    slope: float  # its change per sample

    def at(self, samples_before_end: FloatArray) -> FloatArray:
        """Value at so many samples before the last one."""
        return self.level - self.slope * samples_before_end


@dataclass(frozen=True, eq=False)
class Noise:
    """What drives the system around its line: first-order autoregressive noise."""

    memory: float  # its lag-1 coefficient
    innovations: FloatArray  # (n - 2,): the innovations found in the residual, less their mean


@dataclass(frozen=True, eq=False)
class Threshold:
    """Samples from the end of the record until the line reaches 0."""

    observed: Line  # the line through the windows
    corrected: Line  # the line whose simulations give that line on average
    lines: FloatArray  # (n_bootstrap, 2): level and slope of the corrected line in each replicate of the bootstrap
    # (n_bootstrap,): samples until each of these reaches 0: 0 where it has, infinite where it never does.
    times: FloatArray


def time_to_threshold(level: FloatArray, slope: FloatArray) -> FloatArray:
    """Samples until lines reach 0: 0 where they have by now, infinite where they do not rise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(slope > 0.0, -level / slope, np.inf)
    return np.where(level >= 0.0, 0.0, times)


def fit_line(rates: FloatArray, window: int) -> FloatArray:
    """Level at the last sample, and slope per sample, of the least-squares line of each row; NaN are left out.

    The last window of a row ends at the last sample.
    """
    windows = rates.shape[1]
    before_end = np.arange(windows - 1, -1, -1) + 0.5 * (window - 1)  # from the middle of each window to the end
    known = np.isfinite(rates)
    count = np.maximum(known.sum(axis=1), 1)
    filled = np.where(known, rates, 0.0)
    mean_x = (known @ before_end) / count
    mean_y = filled.sum(axis=1) / count
    deviation = np.where(known, before_end[None, :] - mean_x[:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = -(deviation * (filled - mean_y[:, None])).sum(axis=1) / (deviation**2).sum(axis=1)
    return np.stack([mean_y + slope * mean_x, slope], axis=1)


def fit_noise(residual: FloatArray, line: Line, *, correlated: bool) -> Noise:
    """Memory (where `correlated`) and innovations of what is left of the increments once the line is taken out."""
    driving = residual[1:] - _coefficients(line, residual.size)[1:] * residual[:-1]
    driving = driving - driving.mean()
    before, after = driving[:-1], driving[1:]
    power = float(before @ before)
    memory = float(np.clip(before @ after / power, -0.95, 0.95)) if correlated and power > 0.0 else 0.0
    innovations = after - memory * before
    return Noise(memory, innovations - innovations.mean())


def extrapolate(
    residual: FloatArray,
    rates: FloatArray,
    pipeline: Pipeline,
    measure: Measure,
    *,
    correlated: bool,
    blocks: bool,
    n_bootstrap: int,
    seed: int,
    stages: Stages | None = None,
) -> Threshold:
    """Correct the line for its bias, and find how far it is known from `n_bootstrap` simulated series.

    Rates are per sample. With `blocks`, innovations are drawn in blocks from those found, instead of from a normal
    distribution; `correlated` noise may have memory.
    """
    stages = Stages(None, 0) if stages is None else stages
    observed = fit_line(rates.reshape(1, -1), pipeline.window)[0]
    if n_bootstrap == 0 or not np.isfinite(observed).all():
        line = Line(*map(float, observed))
        return Threshold(line, line, np.empty((0, 2)), np.empty(0))

    def simulated(line: Line, count: int) -> FloatArray:
        noise = fit_noise(residual, line, correlated=correlated)

        def lines(first: int, rows: int) -> FloatArray:
            drawn = simulate(line, noise, residual.size, first, rows, blocks=blocks, seed=seed)
            return fit_line(measure(pipeline.residual(drawn)), pipeline.window)

        return np.concatenate(in_chunks(lines, count, n=residual.size, progress=stages.next()))

    corrected = observed
    few = _few(n_bootstrap)
    for _ in range(CORRECTIONS):  # the same random numbers each time, so that the steps settle
        mean = np.nanmean(simulated(Line(*map(float, corrected)), few), axis=0)
        corrected = corrected + (observed - mean)
    line = Line(*map(float, corrected))
    spread = simulated(line, n_bootstrap)
    # Basic bootstrap (Davison & Hinkley 1997, eq. 5.6): the error of the estimate is turned round.
    lines = corrected - (spread - np.nanmean(spread, axis=0))
    lines = lines[np.isfinite(lines).all(axis=1)]
    return Threshold(Line(*map(float, observed)), line, lines, time_to_threshold(lines[:, 0], lines[:, 1]))


def drawn_series(n_bootstrap: int) -> int:
    """How many series :func:`extrapolate` simulates."""
    return CORRECTIONS * _few(n_bootstrap) + n_bootstrap if n_bootstrap else 0


def _few(n_bootstrap: int) -> int:
    return max(20, round(CORRECTION_SHARE * n_bootstrap))


def simulate(line: Line, noise: Noise, n: int, first: int, count: int, *, blocks: bool, seed: int) -> FloatArray:
    """Series whose restoring rate follows the line: x[t] = (1 + λ[t]) x[t−1] + η[t], η[t] = ρ η[t−1] + ε[t].

    Row k, counted from `first`, is the same whatever is drawn beside it. With `blocks`, ε is drawn in blocks from those
    found.
    """
    coefficients = _coefficients(line, n)
    warm_up = int(min(n, 5.0 / (1.0 - min(abs(coefficients[0]), 0.99)) + 10))
    length = n + warm_up
    driving = np.empty((count, length))
    if blocks:
        pool = StationaryBootstrap.fit(noise.innovations)
        repeats = -(-length // noise.innovations.size)
        for row in range(count):
            parts = [pool.draw(repeats * (first + row) + part, 1, seed=seed)[0] for part in range(repeats)]
            driving[row] = np.concatenate(parts)[:length]
    else:
        sd = float(np.sqrt(np.mean(noise.innovations**2)))
        for row in range(count):
            driving[row] = sd * generator_of(seed, first + row).standard_normal(length)
    along = np.concatenate([np.full(warm_up, coefficients[0]), coefficients])
    state = np.zeros(count)
    pushed = np.zeros(count)
    out = np.empty((length, count))
    for t in range(length):
        pushed = noise.memory * pushed + driving[:, t]
        state = along[t] * state + pushed
        out[t] = state
    return np.ascontiguousarray(out[warm_up:].T)


def _coefficients(line: Line, n: int) -> FloatArray:
    before_end = np.arange(n - 1, -1, -1, dtype=np.float64)
    return np.clip(1.0 + line.at(before_end), -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)
