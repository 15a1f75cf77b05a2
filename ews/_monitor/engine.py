"""One sample more of many rows at once: smoother, windows and running statistics, with NumPy alone.

A monitor is one row; its calibration sends many simulated rows through this same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ews._monitor.result import MonitorConfig
from ews.detrend.bandwidths import sd_from_quartile_bandwidth
from ews.detrend.kernel_smoothers import half_kernel

__all__ = ["MEASURES", "Engine", "Step", "measure", "smoother_weights"]

FloatArray = npt.NDArray[np.float64]

MEASURES: tuple[str, ...] = ("mean", "variance", "std", "cv", "skewness", "kurtosis", "ac1", "ac2", "ac3")

# As ews.detrend.gaussian cuts its kernel.
_CUT = 4.0
# Half a range outside these bounds is scaled, so that fourth powers neither overflow nor vanish.
_SMALL, _LARGE = 2.0**-200, 2.0**200


class Step(NamedTuple):
    """What one sample gave: arrays of shape (rows,), and of shape (indicators, rows)."""

    trend: FloatArray
    residual: FloatArray
    indicators: FloatArray
    statistics: FloatArray


def smoother_weights(detrend: str | None, bandwidth: float | None) -> FloatArray:
    """Weights of the causal smoother, the oldest sample first; one weight where there is no smoother."""
    if detrend is None or bandwidth is None:
        return np.ones(1)
    if detrend == "running_mean":
        return np.ones(int(bandwidth + 1e-10))
    sd = sd_from_quartile_bandwidth(bandwidth)
    return np.ascontiguousarray(half_kernel(sd, int(_CUT * sd + 0.5))[::-1])


class Engine:
    """The state of `rows` monitors that see one sample each at a time.

    Parameters
    ----------
    config : MonitorConfig
        What is measured.
    rows : int
        How many.
    """

    def __init__(self, config: MonitorConfig, rows: int) -> None:
        self.config = config
        self.weights = smoother_weights(config.detrend, config.bandwidth)
        self.total = float(self.weights.sum())
        count = len(config.indicators)
        self.seen = 0
        self.raw = np.full((rows, max(self.weights.size, config.window)), np.nan)
        self.residual = np.full((rows, config.window), np.nan)
        self.past = np.full((count, rows, config.history if config.rule == "trend" else 0), np.nan)
        self.average = np.full((count, rows), np.nan)
        self.centre = np.full((count, rows), np.nan)
        self.spread = np.full((count, rows), np.nan)
        self.rising = np.zeros((count, rows), np.int64)  # pairs that rise less pairs that fall
        self.tied = np.zeros((count, rows), np.int64)

    @property
    def settled(self) -> int:
        """Samples after which every residual of a window comes from a full smoother."""
        return self.weights.size - 1 + self.config.window

    def start_level(self, centre: FloatArray, spread: FloatArray) -> None:
        """Measure levels from here on in standard deviations `spread` about `centre`, of shape (indicators, rows)."""
        self.centre, self.spread = centre.copy(), spread.copy()
        self.average = centre.copy()  # an EWMA chart starts at its target (Roberts 1959)

    def count_pairs(self) -> None:
        """Count rising and tied pairs of the whole history anew, as after loading it."""
        self.rising, self.tied = np.zeros_like(self.rising), np.zeros_like(self.tied)
        for lag in range(1, self.past.shape[-1]):  # all pairs at once would take memory with the history's square
            a, b = self.past[..., :-lag], self.past[..., lag:]
            self.rising += np.count_nonzero(b > a, axis=-1) - np.count_nonzero(b < a, axis=-1)
            self.tied += np.count_nonzero(b == a, axis=-1)

    def advance(self, values: FloatArray) -> Step:
        """Take in one sample of each row, of shape (rows,); what is not finite is missing."""
        with np.errstate(all="ignore"):
            present = np.where(np.isfinite(values), values, np.nan)
            _push(self.raw, present)
            residual = self._detrended(present)
            _push(self.residual, residual)
            self.seen += 1
            if self.seen < self.config.window:
                measured = np.full(self.average.shape, np.nan)
            else:
                levels = self.raw[:, -self.config.window :]
                measured = measure(self.residual, levels, self.config.indicators)
            counted = measured if self.seen >= self.settled else np.full(self.average.shape, np.nan)
            statistics = self._tau(counted) if self.config.rule == "trend" else self._level(counted)
            trend = np.zeros_like(present) if self.config.detrend is None else present - residual
            return Step(trend, residual, measured, statistics)

    def _detrended(self, present: FloatArray) -> FloatArray:
        """Residuals of the newest sample of each row.

        The smoother weighs differences from the newest sample, so that an offset costs no digits. Missing samples, and
        those before the first, are left out and the weights divided by the sum of the others.
        """
        if self.config.detrend is None:
            return present
        away = self.raw[:, -self.weights.size :] - present[:, None]
        there = ~np.isnan(away)
        if there.all():
            pull: FloatArray = (away * self.weights).sum(axis=-1) / self.total
        else:
            pull = np.where(there, away * self.weights, 0.0).sum(axis=-1) / (there * self.weights).sum(axis=-1)
        return np.where(np.isfinite(pull) & ~np.isnan(present), 0.0 - pull, np.nan)

    def _tau(self, newest: FloatArray) -> FloatArray:
        """Kendall's τ-b of the history against time; NaN unless all of it is there.

        Pairs are counted in whole numbers: those of the oldest value leave, those of the newest come (O(history)).
        """
        past = self.past
        oldest, later = past[..., :1], past[..., 1:]
        self.rising -= np.count_nonzero(later > oldest, axis=-1) - np.count_nonzero(later < oldest, axis=-1)
        self.tied -= np.count_nonzero(later == oldest, axis=-1)
        _push(past, newest)
        earlier, last = past[..., :-1], past[..., -1:]
        self.rising += np.count_nonzero(last > earlier, axis=-1) - np.count_nonzero(last < earlier, axis=-1)
        self.tied += np.count_nonzero(last == earlier, axis=-1)
        pairs = past.shape[-1] * (past.shape[-1] - 1) // 2
        untied = pairs - self.tied
        defined = (untied > 0) & ~np.isnan(past).any(axis=-1)
        # Kendall (1945), Biometrika 33, 239: no ties in time, so that one of the two factors is the number of pairs.
        return np.where(defined, self.rising / np.sqrt(float(pairs) * np.maximum(untied, 1)), np.nan)

    def _level(self, newest: FloatArray) -> FloatArray:
        """Exponentially weighted mean of each indicator, in standard deviations of the reference about its mean."""
        share = 2.0 / (self.config.history + 1.0)
        there = ~np.isnan(newest)
        moved = self.average + share * (newest - self.average)
        self.average = np.where(there, moved, self.average)
        return np.where(there & (self.spread > 0.0), (self.average - self.centre) / self.spread, np.nan)


def measure(windows: FloatArray, levels: FloatArray, names: Sequence[str]) -> FloatArray:
    """Indicators of full windows by their two-pass definitions, (names, rows); NaN for a window that holds one.

    `levels` are the same samples before detrending: the coefficient of variation divides by their mean.
    """
    out = np.empty((len(names), windows.shape[0]))
    n = float(windows.shape[1])
    if any(not name.startswith("ac") for name in names):
        mean, deviation, scale = _about_mean(windows)
        squares = deviation * deviation
        m2: FloatArray = squares.sum(axis=-1)
        m2 -= deviation.sum(axis=-1) ** 2 / n  # what rounding left in the mean
        variance = m2 / (n - 1.0) / scale / scale
        positive = np.where(m2 > 0.0, m2, np.nan)
    for place, name in enumerate(names):
        if name == "mean":
            out[place] = mean
        elif name == "variance":
            out[place] = variance
        elif name == "std":
            out[place] = np.sqrt(variance)
        elif name == "cv":
            centre = np.abs(_about_mean(levels)[0])
            out[place] = np.sqrt(variance) / np.where(centre > 0.0, centre, np.nan)
        elif name == "skewness":  # G1 of Joanes & Gill (1998), J. R. Stat. Soc. D 47, 183
            m3 = (squares * deviation).sum(axis=-1)
            out[place] = np.sqrt(n * (n - 1.0)) / (n - 2.0) * np.sqrt(n) * (m3 / positive) / np.sqrt(positive)
        elif name == "kurtosis":  # G2 of the same paper
            m4 = (squares * squares).sum(axis=-1)
            excess = (n + 1.0) * (n * (m4 / positive) / positive) - 3.0 * (n - 1.0)
            out[place] = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * excess
        else:
            out[place] = _correlation(windows, int(name.removeprefix("ac")))
    return out


def _correlation(windows: FloatArray, lag: int) -> FloatArray:
    """Pearson correlation of x[t] and x[t − lag] over the pairs inside each window; NaN where one does not vary."""
    later, earlier = _about_mean(windows[:, lag:])[1], _about_mean(windows[:, :-lag])[1]
    xx, yy = (later * later).sum(axis=-1), (earlier * earlier).sum(axis=-1)
    value = (later * earlier).sum(axis=-1) / np.sqrt(xx) / np.sqrt(yy)
    return np.where((xx > 0.0) & (yy > 0.0), np.minimum(np.maximum(value, -1.0), 1.0), np.nan)


def _about_mean(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray | float]:
    """Mean of each row, deviations from it times a power of two, and that power: 1 but for extreme ranges."""
    origin = x[:, :1]
    away = x - origin
    # From the first sample: a row of equal values leaves exactly 0, and an offset costs no digits.
    shift = away.sum(axis=-1, keepdims=True) / x.shape[1]
    reach = np.abs(away).max(axis=-1)
    extreme = ((reach < _SMALL) & (reach > 0.0)) | (reach > _LARGE)
    if not extreme.any():
        return origin[:, 0] + shift[:, 0], away - shift, 1.0
    half = 0.5 * x.max(axis=-1) - 0.5 * x.min(axis=-1)
    power = np.where(extreme & (half > 0.0), -np.clip(np.frexp(half)[1], -1000, 1000), 0)
    scale = np.ldexp(1.0, power)
    away = x * scale[:, None] - origin * scale[:, None]
    shift = away.sum(axis=-1, keepdims=True) / x.shape[1]
    return origin[:, 0] + shift[:, 0] / scale, away - shift, scale


def _push(buffer: FloatArray, newest: FloatArray) -> None:
    """Drop the oldest value along the last axis and append the newest."""
    buffer[..., :-1] = buffer[..., 1:]
    buffer[..., -1] = newest
