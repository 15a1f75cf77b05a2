"""What this test could have seen: power on a positive control, and an interval for each trend.

Both come from first-order autoregressions whose coefficient drifts over the record, sent through the same pipeline as
the series: with the drift of a fold for the control, with the drift estimated from the residual for the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ews._common.alarms import Statistic, count_warnings
from ews._common.progress import ProgressOption
from ews._significance.pipeline import Pipeline, Stages, in_chunks
from ews.nulls.autoregressive import AR1, LARGEST_COEFFICIENT, draw_autoregression

__all__ = ["drift", "positive_control", "power", "share_warned", "tau_intervals"]

FloatArray = npt.NDArray[np.float64]

CONTROLS = 500
NULL_COEFFICIENTS = 3
NULL_SURROGATES = 1000
INTERVAL_SERIES = 400
POWER_SENTENCE = (
    "positive control: an autoregression of this length whose recovery rate falls from the fitted one to zero as the "
    "square root of the time left, as on the way to a fold reached at the end of the record"
)


def positive_control(coefficient: float, n: int) -> FloatArray:
    """Lag-1 coefficient, rising to almost 1, of a system that drifts at constant speed into a fold at the end.

    Near a fold the recovery rate goes as the square root of the distance: λ(t) = λ₀ √(1 − t/T), and φ = exp(−λ) (Wissel
    1984, Oecologia 65, 101–107). A start below 0.05 is taken as 0.05: a recovery rate needs a positive one.
    """
    start = -np.log(np.clip(coefficient, 0.05, 0.99))
    left = 1.0 - (np.arange(n) + 1.0) / (n + 1.0)
    return np.asarray(np.minimum(np.exp(-start * np.sqrt(left)), LARGEST_COEFFICIENT), dtype=np.float64)


def power(
    pipeline: Pipeline,
    coefficient: float,
    *,
    alpha: float,
    n_surrogates: int,
    seed: int,
    innovation_sd: float = 1.0,
    controls: int | None = None,
    progress: ProgressOption = None,
) -> float:
    """Share of positive controls that the test of :func:`ews.detect`, at the same level, answers with a warning."""

    def measure(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        residual, measured = pipeline.measure_surrogates(rows)
        return residual, pipeline.tau(measured)

    ramp = positive_control(coefficient, pipeline.drawn)
    unit = np.full(pipeline.drawn, innovation_sd)
    control_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0])
    return share_warned(
        measure,
        lambda first, count: draw_autoregression(ramp, unit, first, count, seed=control_seed),
        tuple(Statistic(one.alarm) for one in pipeline.indicators),
        n=pipeline.level.size,
        drawn=pipeline.drawn,
        alpha=alpha,
        n_surrogates=n_surrogates,
        seed=seed,
        innovation_sd=innovation_sd,
        controls=controls,
        progress=progress,
    )


def share_warned(
    measure: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    draw: Callable[[int, int], FloatArray],
    statistics: Sequence[Statistic],
    *,
    n: int,
    drawn: int,
    alpha: float,
    n_surrogates: int,
    seed: int,
    innovation_sd: float = 1.0,
    controls: int | None = None,
    progress: ProgressOption = None,
) -> float:
    """Share of the drawn series that a joint test of several statistics answers with a warning.

    `measure` turns rows of residuals, before they are detrended again, into those after it and the statistics, of shape
    (statistics, rows); ``draw(first, count)`` gives rows of length `drawn` for a record of length `n`. Each series gets
    its own red-noise null, looked up among three coefficients that span those of all; the test is min-p over the
    statistics, in the direction of alarm. The other options are those of :func:`power`.
    """
    null_seeds = [int(word) for word in np.random.SeedSequence([seed, 1]).generate_state(4, np.uint64)[1:]]

    def control(first: int, count: int) -> tuple[FloatArray, FloatArray]:
        residual, found = measure(draw(first, count))
        fitted = [AR1.fit(row[np.isfinite(row)]).coefficient for row in residual]
        return found, np.array(fitted)

    controls = _control_series(n_surrogates) if controls is None else controls
    surrogates = _null_surrogates(n_surrogates, alpha)
    stages = Stages(progress, controls + NULL_COEFFICIENTS * surrogates)
    parts = in_chunks(control, controls, n=n, progress=stages.next())
    values = np.concatenate([part[0] for part in parts], axis=1)
    fitted = np.concatenate([part[1] for part in parts])
    grid = np.quantile(fitted, np.linspace(0.1, 0.9, NULL_COEFFICIENTS))
    nearest = np.abs(fitted[:, None] - grid).argmin(axis=1)
    warned = 0
    for place, coefficient in enumerate(grid):
        null = AR1(float(coefficient), innovation_sd, drawn)

        def null_values(first: int, count: int, null: AR1 = null, place: int = place) -> FloatArray:
            return measure(null.draw(first, count, seed=null_seeds[place]))[1]

        table = np.concatenate(in_chunks(null_values, surrogates, n=n, progress=stages.next()), axis=1)
        warned += count_warnings(values[:, nearest == place], table, statistics, alpha)
    return warned / controls


def power_series(n_surrogates: int, alpha: float) -> int:
    """How many series :func:`power` simulates."""
    return _control_series(n_surrogates) + NULL_COEFFICIENTS * _null_surrogates(n_surrogates, alpha)


def _control_series(n_surrogates: int) -> int:
    """As many as settle a share to about 0.02, but not more than the test itself draws."""
    return min(CONTROLS, max(50, n_surrogates))


def _null_surrogates(n_surrogates: int, alpha: float) -> int:
    """Enough for p-values well below `alpha`, but no more than the test itself has."""
    return min(n_surrogates, max(NULL_SURROGATES, int(20 / alpha)))


def drift(residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lag-1 coefficient and innovation SD of a residual, each with a straight drift over the record.

    Least squares, kept inside (−0.99, 0.99) and above a tenth of the mean SD.
    """
    n = residual.size
    centred = residual - residual.mean()
    before, after = centred[:-1], centred[1:]
    u = np.linspace(-0.5, 0.5, n)
    design = np.column_stack([before, u[1:] * before])
    (level, slope), *_ = np.linalg.lstsq(design, after, rcond=None)
    coefficient = np.clip(level + slope * u, -0.99, 0.99)
    squares = (after - coefficient[1:] * before) ** 2
    line = np.polynomial.polynomial.polyfit(u[1:], squares, 1)
    variance = np.maximum(line[0] + line[1] * u, 0.01 * squares.mean())
    return coefficient, np.sqrt(variance)


def tau_intervals(
    pipeline: Pipeline,
    tau: FloatArray,
    residual: FloatArray,
    *,
    alpha: float,
    seed: int,
    progress: ProgressOption = None,
) -> list[tuple[float, float]]:
    """Central 1 − alpha interval of each trend, by parametric bootstrap from the drift estimated in the residual.

    The spread of the simulated trends about their median is laid around the observed one; rank correlations on Fisher's
    scale, atanh τ, where it is nearly the same everywhere.
    """
    coefficient, sd = drift(residual)
    seed = int(np.random.SeedSequence([seed, 2]).generate_state(1, np.uint64)[0])

    def taus(first: int, count: int) -> FloatArray:
        return pipeline.surrogate_tau(draw_autoregression(coefficient, sd, first, count, seed=seed))

    simulated = np.concatenate(in_chunks(taus, INTERVAL_SERIES, n=pipeline.level.size, progress=progress), axis=1)
    bounded = pipeline.trend != "theil_sen"
    intervals = []
    for observed, row in zip(tau, simulated, strict=True):
        row = row[~np.isnan(row)]
        if np.isnan(observed) or row.size < 20:
            intervals.append((np.nan, np.nan))
            continue
        if bounded:
            row, observed = np.arctanh(np.clip(row, -0.999, 0.999)), np.arctanh(np.clip(observed, -0.999, 0.999))
        spread = np.quantile(row, [alpha / 2, 1 - alpha / 2]) - np.median(row)
        low, high = observed + spread
        intervals.append((float(np.tanh(low)), float(np.tanh(high))) if bounded else (float(low), float(high)))
    return intervals
