"""ROSA: the restoring rate of a system whose forcing was observed, from the ratio of their spectra."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import ArgumentError, ValueRangeError, described
from ews.indicators.building import read_rows, read_step, read_window
from ews.indicators.welch import OVERLAP, Taper, frequencies, read_segments, welch

__all__ = ["rosa"]

FloatArray = npt.NDArray[np.float64]

SHORTEST_WINDOW = 12  # half of it as a segment leaves three frequencies for two unknowns
# Rates searched, in units of the lowest frequency and of the highest: beyond, the ratio is ω⁻² or flat to 1e-4.
BELOW, ABOVE, GRID = 1e-2, 1e2, 80
NARROWINGS = 40  # golden sections of a step of the grid: to rounding of the squares
AT_ONCE = 1_000_000
STRONGEST = 1e50  # κ in units of the ratio's root: the rate is far beyond those searched, and squares are numbers


def rosa(
    x: Any,
    forcing: Any,
    *,
    window: int | float,
    gain: float | None = None,
    segment: int | None = None,
    overlap: float = OVERLAP,
    taper: Taper = "hamming",
    step: float = 1.0,
    axis: int = -1,
) -> Any:
    r"""Restoring rate by the ratio of spectra (ROSA) in a sliding window, for a system whose forcing was observed.

    A linear system dx/dt = -λ x + κ f(t) turns the spectrum of its forcing, whatever that is, into

        S_x(ω) / S_f(ω) = κ² / (ω² + λ²).

    Memory and variance of the forcing cancel, where autocorrelation and variance of x take them for a loss of
    resilience. λ falls to 0 before a fold, transcritical or pitchfork bifurcation.

    Parameters
    ----------
    x : array_like
        The state (detrended, if it has a trend), of any shape with time along `axis`.
    forcing : array_like
        What drives it, of the same shape: in any unit, in step with `x`, and sampled finely enough to be seen. Of
        forcing without memory from sample to sample give the mean over each step.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 12 samples.
    gain : float, optional
        κ: change of `x` per unit of time that one unit of the forcing makes; 1 where the forcing is given as that
        change. Default: fitted in each window, which costs precision.
    segment : int, optional
        Length of Welch's segments in samples, at least 6. Default: half the window. Rates far below 2π / segment are
        not resolved.
    overlap : float, default 0.5
        Fraction of a segment that it shares with the next.
    taper : {"hamming", "hann"}, default "hamming"
        Weights over a segment.
    step : float, default 1.0
        Time between observations.
    axis : int, default -1
        The axis of time.

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`: λ, positive, per unit of time, at the right edge of each window. 0 where the ratio falls as
        ω⁻² down to the lowest frequency, infinite where it does not fall; NaN before the first full window, in windows
        with a missing sample, and where state or forcing do not vary.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, their shapes differ, or the window or an option cannot be used.

    Notes
    -----
    Both spectra are Welch's, over the same segments; the frequency 0 is left out. λ (and κ) make the sum of squared
    differences between the ratio and its formula smallest, with equal weights. That gives the low frequencies, where
    the ratio is large, their say, and the high ones, where sampling makes the formula inexact, little. The search
    covers all rates, so that there are no starting values.

    The sign differs from :func:`ews.restoring_rate`, whose λ is negative. What drives the system beside the forcing
    given adds to S_x alone, and makes λ too large where it is strong at high frequencies.

    References
    ----------
    Clarke, J. J., Huntingford, C., Ritchie, P. D. L. & Cox, P. M. (2023). Seeking more robust early warning signals for
    climate tipping points: the ratio of spectra method (ROSA). Environmental Research Letters 18, 035006.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> noise = np.random.default_rng(1).standard_normal(600)
    >>> forcing, x = np.zeros(600), np.zeros(600)
    >>> for t in range(1, 600):  # red forcing, and a system that returns at rate 0.1
    ...     forcing[t] = 0.9 * forcing[t - 1] + noise[t]
    ...     x[t] = x[t - 1] - 0.1 * x[t - 1] + forcing[t - 1]
    >>> bool(abs(ews.rosa(x, forcing, window=600, gain=1)[-1] - 0.1) < 0.01)
    True
    """
    spacing = read_step(step)
    if gain is not None and checks.number("gain", gain, allowed="a number other than 0, or None") == 0.0:
        raise ValueRangeError("gain", gain, "a number other than 0, or None")
    state = read_rows(x, axis)
    drive = read_rows(forcing, axis, argument="forcing").values
    if drive.shape != state.values.shape or np.shape(forcing) != np.shape(x):
        raise ArgumentError(
            "forcing", described(f"an array of shape {np.shape(forcing)}"), f"the shape of x, {np.shape(x)}"
        )
    pandas = sys.modules.get("pandas")
    labelled = pandas is not None and all(isinstance(one, pandas.Series | pandas.DataFrame) for one in (x, forcing))
    if labelled and not x.index.equals(forcing.index):
        raise ArgumentError("forcing", described("another index"), "that of x: samples are paired by place")
    samples = read_window(window, state.values.shape[1], shortest=SHORTEST_WINDOW)
    length, shared = read_segments(samples // 2 if segment is None else segment, overlap, taper, "two")
    if not SHORTEST_WINDOW // 2 <= length <= samples:
        raise ValueRangeError("segment", segment, f"a whole number from {SHORTEST_WINDOW // 2} to {samples} samples")
    omega = 2.0 * np.pi * frequencies(length)[1:]
    strength = None if gain is None else abs(float(gain) * spacing)
    out = np.full(state.values.shape, np.nan)
    for row, (one, other) in enumerate(zip(state.values, drive, strict=True)):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (
                welch(one, samples, length, shared, taper, "two") / welch(other, samples, length, shared, taper, "two")
            )[:, 1:]
        usable = np.isfinite(ratio).all(axis=1) & (ratio > 0.0).any(axis=1)
        out[row, usable] = _rates(ratio[usable], omega, strength)
    return state.restore(out / spacing)


def _rates(ratio: FloatArray, omega: FloatArray, strength: float | None) -> FloatArray:
    """λ per sample of each row of ratios; `strength` is κ in the root of their unit, or None to fit it."""
    found = np.empty(ratio.shape[0])
    # In units of its largest, whose square neither overflows nor vanishes; the least squares are the same.
    unit = ratio.max(axis=1)
    ratio = ratio / unit[:, None]
    size = max(1, AT_ONCE // (GRID * omega.size))
    for first in range(0, found.size, size):
        part = slice(first, first + size)
        with np.errstate(over="ignore"):
            of_part = None if strength is None else np.minimum(strength / np.sqrt(unit[part]), STRONGEST) ** 2
        found[part] = _search(ratio[part], omega, of_part)
    return found


def _search(ratio: FloatArray, omega: FloatArray, strength: FloatArray | None) -> FloatArray:
    """The least squares over a grid of log λ, then by golden sections of the two steps around its least."""
    grid = np.linspace(math.log(BELOW * omega[0]), math.log(ABOVE * omega[-1]), GRID)
    at_grid = _squares(ratio[:, None, :], omega, grid[None, :], None if strength is None else strength[:, None])
    best = at_grid.argmin(axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, GRID - 1)]
    golden = 0.5 * (math.sqrt(5.0) - 1.0)
    for _ in range(NARROWINGS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        falls = _squares(ratio, omega, right, strength) < _squares(ratio, omega, left, strength)
        low, high = np.where(falls, left, low), np.where(falls, high, right)
    rates = np.exp(0.5 * (low + high))
    rates[best == 0] = 0.0
    rates[best == GRID - 1] = np.inf
    return np.asarray(rates)


def _squares(ratio: FloatArray, omega: FloatArray, log_rate: FloatArray, strength: FloatArray | None) -> FloatArray:
    """Squared differences from κ² / (ω² + λ²), as a share of the squares; κ² at its best where it is free."""
    shape = 1.0 / (omega**2 + np.exp(2.0 * log_rate)[..., None])
    power = (ratio**2).sum(axis=-1)
    fitted = (ratio * shape).sum(axis=-1)
    shapes = (shape**2).sum(axis=-1)
    if strength is None:
        return np.asarray(1.0 - fitted**2 / (shapes * power))
    return np.asarray(1.0 + strength * (strength * shapes - 2.0 * fitted) / power)
