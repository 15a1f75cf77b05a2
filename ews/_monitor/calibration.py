"""How far a monitor's running statistics go where nothing changes: in simulated noise, or in recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from ews._common.alarms import upper
from ews._common.progress import ProgressOption
from ews._monitor.engine import Engine, smoother_weights
from ews._monitor.result import MonitorCalibration, MonitorConfig
from ews.errors import ArgumentError, SeriesTooShortError, ValueRangeError, described
from ews.indicators import registry

__all__ = ["calibrated", "calibrated_on_runs", "levels_from", "shortest_reference", "signed"]

FloatArray = npt.NDArray[np.float64]

# Coefficients that are tried: a coefficient of one has no stationary distribution to start from.
_TRIED = np.tanh(np.linspace(-3.8, 3.8, 801))
# Largest sample that a calibration takes.
_SMALLEST, _LARGEST = 1e-60, 1e60
# Numbers that one chunk of simulations may keep (16 MB).
_MOST_KEPT = 2_000_000


def shortest_reference(config: MonitorConfig) -> int:
    """Fewest samples of a reference: two windows of residuals from a full smoother, and the history."""
    return smoother_weights(config.detrend, config.bandwidth).size - 1 + 2 * config.window + config.history


def signed(names: tuple[str, ...], statistics: FloatArray) -> FloatArray:
    """Statistics, of shape (indicators, rows), such that large values warn: magnitudes where both directions do."""
    return np.where(_warns_both_ways(names), np.abs(statistics), statistics)


@cache
def _warns_both_ways(names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Of shape (indicators, 1); looked up once, as the registry is slow for a loop."""
    return np.array([[registry.get(name).alarm == "both"] for name in names])


def calibrated(
    config: MonitorConfig,
    reference: FloatArray,
    *,
    horizon: int,
    false_alarm_rate: float,
    n_simulations: int,
    seed: int,
    progress: ProgressOption = None,
) -> tuple[MonitorCalibration, Engine]:
    """Fit noise to the reference, send it through the monitor, and keep how far its statistics go.

    The engine that is returned with the thresholds has one row, which has seen the reference. For the options see
    :meth:`ews.IndicatorMonitor.calibrate`.
    """
    least = shortest_reference(config)
    if reference.size < least:
        raise SeriesTooShortError("reference", described(f"{reference.size} observation(s)"), f"at least {least}")
    _check_size("reference", reference)
    engine = Engine(config, 1)
    tally = _Tally(engine.average.shape)
    residual = np.empty(reference.size)
    for t in range(reference.size):
        step = engine.advance(reference[t : t + 1])
        residual[t] = step.residual[0]
        if engine.seen >= engine.settled:
            tally.add(step.indicators)
    noise = _fit(config, residual[engine.weights.size - 1 :])
    engine.start_level(tally.centre, tally.spread)

    # The trend looks back only so far: what a simulation does before that changes nothing.
    warm_up = reference.size
    if config.rule == "trend":
        warm_up = min(warm_up, engine.settled + config.history)
    kept = engine.raw.size + engine.residual.size + max(engine.past.size, engine.average.size)
    rows = int(np.clip(_MOST_KEPT // kept, 1, n_simulations))
    starts = range(0, n_simulations, rows)
    maxima = np.concatenate(
        [
            _simulate(
                config,
                noise,
                np.random.default_rng([seed, first]),
                rows=min(rows, n_simulations - first),
                mean=float(reference.mean()),
                warm_up=warm_up,
                horizon=horizon,
                report=_counting(progress, place, len(starts) * (warm_up + horizon)),
            )
            for place, first in enumerate(starts)
        ],
        axis=1,
    )
    calibration = _with_thresholds(
        config,
        np.where(np.isnan(maxima), np.inf, maxima),  # a statistic that was never defined counts as large
        source="noise",
        coefficient=noise.coefficient,
        innovation_sd=noise.innovation_sd,
        reference_length=reference.size,
        horizon=horizon,
        false_alarm_rate=false_alarm_rate,
        seed=seed,
        centre=tally.centre[:, 0],
        spread=tally.spread[:, 0],
    )
    return calibration, engine


def calibrated_on_runs(config: MonitorConfig, runs: FloatArray, *, false_alarm_rate: float) -> MonitorCalibration:
    """Keep how far the statistics go in records in which nothing changes, of shape (runs, horizon)."""
    first_level = Engine(config, 1).settled + (config.history - 1 if config.rule == "trend" else 0)
    if runs.shape[1] < first_level:
        raise SeriesTooShortError(
            "runs", described(f"{runs.shape[1]} observation(s) of each"), f"at least {first_level} of each"
        )
    _check_size("runs", runs)
    half = levels_from(config, runs.shape[0])
    count = len(config.indicators)
    centre, spread = np.full(count, np.nan), np.full(count, np.nan)
    if half:
        measured = _settled_indicators(Engine(config, half), runs[:half])
        there = np.isfinite(measured).sum(axis=(1, 2)) > 1
        centre[there] = np.nanmean(measured[there], axis=(1, 2))
        spread[there] = np.nanstd(measured[there], axis=(1, 2), ddof=1)
    engine = Engine(config, runs.shape[0] - half)
    engine.start_level(*(np.repeat(one[:, None], runs.shape[0] - half, axis=1) for one in (centre, spread)))
    return _with_thresholds(
        config,
        _largest(engine, runs[half:].T),
        source="runs",
        coefficient=np.nan,
        innovation_sd=np.nan,
        reference_length=half,
        horizon=runs.shape[1],
        false_alarm_rate=false_alarm_rate,
        seed=0,
        centre=centre,
        spread=spread,
    )


def _check_size(argument: str, samples: FloatArray) -> None:
    """Refuse numbers whose fourth powers, in the spread of a variance, overflow or vanish."""
    finite = samples[np.isfinite(samples)]
    largest = float(np.abs(finite).max(initial=0.0))
    if largest and not _SMALLEST <= largest <= _LARGEST:
        given = described(f"samples of size {largest:.3g}")
        raise ValueRangeError(argument, given, f"sizes from {_SMALLEST:g} to {_LARGEST:g}: choose another unit")


def levels_from(config: MonitorConfig, runs: int) -> int:
    """How many of the runs say what the level is; the others say how far it goes."""
    return runs // 2 if config.rule == "level" else 0


def _settled_indicators(engine: Engine, runs: FloatArray) -> FloatArray:
    """Indicators of shape (indicators, time, rows), from where every residual comes from a full smoother."""
    steps = [engine.advance(values).indicators for values in runs.T]
    return np.stack(steps[engine.settled - 1 :], axis=1)


def _largest(engine: Engine, samples: Iterable[FloatArray]) -> FloatArray:
    """The largest statistic over samples of shape (rows,), of shape (indicators, rows); −∞ where there is none."""
    largest = np.full(engine.average.shape, -np.inf)
    for values in samples:
        largest = np.fmax(largest, signed(engine.config.indicators, engine.advance(values).statistics))
    return largest


def _with_thresholds(
    config: MonitorConfig,
    maxima: FloatArray,
    *,
    source: Literal["noise", "runs"],
    coefficient: float,
    innovation_sd: float,
    reference_length: int,
    horizon: int,
    false_alarm_rate: float,
    seed: int,
    centre: FloatArray,
    spread: FloatArray,
) -> MonitorCalibration:
    """The calibration that follows from the largest statistics, of shape (indicators, horizons)."""
    ordered = np.sort(maxima, axis=1)
    # Each horizon counts itself: slightly conservative.
    smallest = np.sort(np.min([upper(row, row) for row in maxima], axis=0))
    names = config.indicators
    return MonitorCalibration(
        source=source,
        coefficient=coefficient,
        innovation_sd=innovation_sd,
        reference_length=reference_length,
        horizon=horizon,
        false_alarm_rate=false_alarm_rate,
        n_simulations=maxima.shape[1],
        seed=seed,
        thresholds={
            name: _threshold(row, smallest, false_alarm_rate) for name, row in zip(names, ordered, strict=True)
        },
        maxima=dict(zip(names, ordered, strict=True)),
        smallest=smallest,
        centre=dict(zip(names, centre.tolist(), strict=True)),
        spread=dict(zip(names, spread.tolist(), strict=True)),
    )


class _Tally:
    """Mean and standard deviation of indicators over time, one value after the other.

    Welford (1962), Technometrics 4, 419. Values that are not finite are left out.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count, self._centre, self._squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def add(self, values: FloatArray) -> None:
        """Count one value of each."""
        there = np.isfinite(values)
        self._count += there
        away = np.where(there, values - self._centre, 0.0)
        self._centre += away / np.maximum(self._count, 1.0)
        self._squares += away * np.where(there, values - self._centre, 0.0)

    @property
    def centre(self) -> FloatArray:
        """Means; NaN where nothing was counted."""
        return np.where(self._count > 0, self._centre, np.nan)

    @property
    def spread(self) -> FloatArray:
        """Standard deviations (ddof 1); NaN for fewer than two values."""
        squares = np.where(self._count > 1, self._squares, np.nan)
        return np.sqrt(squares / np.maximum(self._count - 1.0, 1.0))


@dataclass(frozen=True)
class _Noise:
    """AR(1) noise, and how well the reference tells its coefficient."""

    # Best guess.
    coefficient: float
    innovation_sd: float
    # Lag-1 autocorrelation of the reference's residual, corrected for bias, and its standard error.
    memory: float
    error: float
    power: float  # variance of the residual
    # (tried,): the same two of the residual of AR(1) noise with each coefficient tried and unit innovations.
    expected_memory: FloatArray
    expected_power: FloatArray

    def samples(self, generator: np.random.Generator, rows: int, mean: float) -> Iterator[FloatArray]:
        """Noise without end, (rows,) at each time, from coefficients that the reference could have come from."""
        memory = self.memory + self.error * generator.standard_normal(rows)
        coefficient = np.interp(memory, self.expected_memory, _TRIED)
        sd = np.sqrt(self.power / np.interp(coefficient, _TRIED, self.expected_power))
        state = generator.standard_normal(rows) * sd / np.sqrt(1.0 - coefficient**2)
        while True:
            yield mean + state
            state = coefficient * state + sd * generator.standard_normal(rows)


def _fit(config: MonitorConfig, residual: FloatArray) -> _Noise:
    """The AR(1) noise whose residual, after the same smoother, remembers as much as the reference's.

    A smoother takes out memory with the trend; noise fitted to the residual as it stands and smoothed again would
    remember too little.
    """
    m = residual.size
    # The residual r = h * x of AR(1) noise x, h one less the smoother: γ_r(k) = Σ_j c_h(j) γ_x(j − k).
    weights = smoother_weights(config.detrend, config.bandwidth)[::-1]
    if config.detrend is None:
        response, centred = np.ones(1), residual - residual.mean()
    else:
        response, centred = -weights / weights.sum(), residual
        response[0] += 1.0
    power = float(centred @ centred) / m
    if not power > 0.0:
        raise ArgumentError("reference", described("samples that leave no residual"), "samples that vary")
    overlap = np.correlate(response, response, "full")
    lags = np.arange(overlap.size) - (response.size - 1)
    expected_power, expected_memory = np.empty(_TRIED.size), np.empty(_TRIED.size)
    for place, phi in enumerate(_TRIED):
        own, next_one = (_covariances(overlap, lags, phi, k) for k in (0, 1))
        expected_power[place], expected_memory[place] = own, next_one / own
    expected_memory = np.maximum.accumulate(expected_memory)  # it rises; rounding may not
    memory = float(centred[1:] @ centred[:-1]) / (m * power)
    # First-order bias of a lag-1 autocorrelation, (1 + 4ρ) / m about a fitted mean (Kendall 1954, Biometrika 41, 403).
    memory += (1.0 + 4.0 * memory) / m if config.detrend is None else 3.0 * memory / m
    coefficient = float(np.interp(memory, expected_memory, _TRIED))
    return _Noise(
        coefficient=coefficient,
        innovation_sd=float(np.sqrt(power / np.interp(coefficient, _TRIED, expected_power))),
        memory=memory,
        error=_standard_error(overlap, lags, coefficient, m),
        power=power,
        expected_memory=expected_memory,
        expected_power=expected_power,
    )


def _covariances(overlap: FloatArray, lags: npt.NDArray[np.int64], phi: float, k: int) -> float:
    """Autocovariance at lag k of the residual of AR(1) noise with unit innovations."""
    return float(overlap @ phi ** np.abs(lags - k)) / (1.0 - phi * phi)


def _standard_error(overlap: FloatArray, lags: npt.NDArray[np.int64], phi: float, m: int) -> float:
    """Standard error of a lag-1 autocorrelation of m samples, by Bartlett (1946), J. R. Stat. Soc. B 8, 27."""
    reach = min(m, 2 * overlap.size + 200)
    covariance = np.array([_covariances(overlap, lags, phi, k) for k in range(reach + 2)])
    rho = covariance / covariance[0]
    rho = np.concatenate([rho[:0:-1], rho])
    middle, before, after = rho[1:-1], rho[:-2], rho[2:]
    first = covariance[1] / covariance[0]
    terms = middle**2 * (1.0 + 2.0 * first**2) + before * after - 4.0 * first * middle * before
    return float(np.sqrt(max(terms.sum(), 0.0) / m))


def _simulate(
    config: MonitorConfig,
    noise: _Noise,
    generator: np.random.Generator,
    *,
    rows: int,
    mean: float,
    warm_up: int,
    horizon: int,
    report: Callable[[int, int], None],
) -> FloatArray:
    """The largest statistic of each of `rows` horizons, of shape (indicators, rows); NaN where there was none."""
    engine = Engine(config, rows)
    samples = _told(noise.samples(generator, rows, mean), report, warm_up + horizon)
    tally = _Tally(engine.average.shape)
    for values in islice(samples, warm_up):
        step = engine.advance(values)
        if engine.seen >= engine.settled:
            tally.add(step.indicators)
    engine.start_level(tally.centre, tally.spread)
    largest = _largest(engine, islice(samples, horizon))
    return np.where(np.isneginf(largest), np.nan, largest)


def _told(samples: Iterator[FloatArray], report: Callable[[int, int], None], total: int) -> Iterator[FloatArray]:
    """The same samples; each says how many came before it."""
    for done, values in enumerate(samples, start=1):
        report(done, total)
        yield values


def _counting(progress: ProgressOption, place: int, total: int) -> Callable[[int, int], None]:
    """What the simulation in this place reports to, sample by sample."""

    def report(done: int, of: int) -> None:
        if callable(progress):
            progress(place * of + done, total)

    return report


def _threshold(ordered: FloatArray, smallest: FloatArray, rate: float) -> float:
    """The largest statistic that raises no alarm; infinity where none would."""
    n = ordered.size
    # What lies just above an ordered value is reached by one simulation less, or fewer still where several are equal.
    above = (1.0 + n - np.searchsorted(ordered, ordered, side="right")) / (1.0 + n)
    adjusted = np.maximum(above, (1.0 + np.searchsorted(smallest, above, side="right")) / (1.0 + n))
    enough = np.flatnonzero(adjusted <= rate)
    return float(ordered[enough[0]]) if enough.size else float("inf")
