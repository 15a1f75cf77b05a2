"""What this test could have seen: power on a positive control, and an interval for each trend.

Both come from first-order autoregressions whose coefficient drifts over the record, sent through the same pipeline as
the series: with the drift of a fold for the control, with the drift estimated from the residual for the interval.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews._pipeline import Pipeline, Progress, Stages, in_chunks
from ews._significance import two_sided
from ews.nulls.autoregressive import AR1, LARGEST_COEFFICIENT, draw_autoregression

__all__ = ["drift", "positive_control", "power", "tau_intervals"]

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
    """Lag-1 coefficient of a system that drifts at constant speed into a fold at the end of the record.

    Parameters
    ----------
    coefficient : float
        Lag-1 coefficient at the start; taken as 0.05 where it is less, as a recovery rate needs a positive one.
    n : int
        Length of the record.

    Returns
    -------
    ndarray of shape (n,)
        Coefficients, rising to almost 1.

    Notes
    -----
    Near a fold the recovery rate goes as the square root of the distance: λ(t) = λ₀ √(1 − t/T), and φ = exp(−λ).

    References
    ----------
    Wissel, C. (1984). A universal law of the characteristic return time near thresholds. Oecologia 65, 101–107.
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
    progress: Progress | None = None,
) -> float:
    """Share of positive controls that the same test, at the same level, answers with a warning.

    Each control gets its own red-noise null, looked up among three coefficients that span those of the controls; the
    test is the one of :func:`ews.detect`: min-p over the indicators, in the direction of alarm.
    """
    n = pipeline.level.size
    ramp = positive_control(coefficient, pipeline.drawn)
    unit = np.full(pipeline.drawn, innovation_sd)
    control_seed, *null_seeds = (int(word) for word in np.random.SeedSequence([seed, 1]).generate_state(4, np.uint64))

    def control(first: int, count: int) -> tuple[FloatArray, FloatArray]:
        drawn = draw_autoregression(ramp, unit, first, count, seed=control_seed)
        residual, measured = pipeline.measure_surrogates(drawn)
        fitted = [AR1.fit(row[np.isfinite(row)]).coefficient for row in residual]
        return pipeline.tau(measured), np.array(fitted)

    controls = _control_series(n_surrogates) if controls is None else controls
    surrogates = _null_surrogates(n_surrogates, alpha)
    stages = Stages(progress, controls + NULL_COEFFICIENTS * surrogates)
    parts = in_chunks(control, controls, n=n, progress=stages.next())
    taus = np.concatenate([part[0] for part in parts], axis=1)
    fitted = np.concatenate([part[1] for part in parts])
    grid = np.quantile(fitted, np.linspace(0.1, 0.9, NULL_COEFFICIENTS))
    nearest = np.abs(fitted[:, None] - grid).argmin(axis=1)
    alarms = np.array([_SIGNS[indicator.alarm] for indicator in pipeline.indicators])
    warned = 0
    for place, value in enumerate(grid):
        null = AR1(float(value), innovation_sd, pipeline.drawn)

        def null_taus(first: int, count: int, null: AR1 = null, place: int = place) -> FloatArray:
            return pipeline.surrogate_tau(null.draw(first, count, seed=null_seeds[place]))

        table = np.concatenate(in_chunks(null_taus, surrogates, n=n, progress=stages.next()), axis=1)
        warned += _warnings(taus[:, nearest == place], table, alarms, alpha)
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


_SIGNS = {"up": 1.0, "down": -1.0, "both": 0.0}


def _warnings(taus: FloatArray, table: FloatArray, alarms: FloatArray, alpha: float) -> int:
    """How many columns of `taus` warn against the null `table`."""
    n = table.shape[1]
    each = np.stack([two_sided(row, row) for row in table])  # each surrogate counts itself: slightly conservative
    own = np.where(np.isnan(each), 2.0 / (1.0 + n), each).min(axis=0)
    pvalues = np.stack([two_sided(taus[i], table[i]) for i in range(table.shape[0])])
    adjusted = (1.0 + (own[None, None, :] <= pvalues[:, :, None]).sum(axis=2)) / (1.0 + n)
    adjusted = np.maximum(adjusted, pvalues)  # as in the test; and NaN, which warns of nothing, where a trend is NaN
    in_direction = (alarms[:, None] == 0) | (np.sign(taus) == alarms[:, None])
    return int(((adjusted <= alpha) & in_direction).any(axis=0).sum())


def drift(residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lag-1 coefficient and innovation SD of a residual, each with a straight drift over the record.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        The detrended series.

    Returns
    -------
    coefficient, sd : ndarray of shape (n,)
        Least-squares estimates, kept inside (−0.99, 0.99) and above a tenth of the mean SD.
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
    progress: Progress | None = None,
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
