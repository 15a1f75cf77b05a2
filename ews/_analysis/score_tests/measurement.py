"""Measurement error: scores that it does not reach, the null that has it, and whether a record looks like it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.scores_at import in_units
from ews._common import checks
from ews._kernels.score import DAMPING, MEMORY
from ews._significance.pipeline import in_chunks
from ews.errors import ArgumentError, described
from ews.nulls.with_error import AR1WithError

__all__ = [
    "CHOICES",
    "ErrorChoice",
    "checked",
    "fitted_with_error",
    "instrumented",
    "looks_like_error",
    "remembers",
]

FloatArray = npt.NDArray[np.float64]
Rows = Callable[[FloatArray], FloatArray]

# "constant": as large at all times. "drifting": of any size at each time. "default": constant where a record looks like
# it, and none elsewhere.
ErrorChoice = Literal["default", "constant", "drifting"]
CHOICES: tuple[ErrorChoice, ...] = ("default", "constant", "drifting")

_SAMPLES, _ROWS, _FEWEST_ROWS = 100_000, 64, 4  # long rows tell as much as many short ones
_STEPS = 5
_LARGEST_COEFFICIENT, _LARGEST_SHARE = 0.98, 0.9  # what a share beyond leaves is white noise
# Studentised partial autocorrelation at lag 2 above which a record looks like measurement error. What the smoother
# leaves of red noise has less than 0, and passes 1 in a twentieth of records.
_EXCESS, _MEMORY = 1.0, 1.96


def checked(measurement_error: Any, *, null: str) -> ErrorChoice | None:
    """The measurement error to allow for; of constant size it is part of the null, which has to be red noise then."""
    if measurement_error is None:
        return None
    kind = checks.choice("measurement_error", measurement_error, CHOICES)
    if kind == "constant" and null != "ar1":
        raise ArgumentError(
            "measurement_error",
            described(f"{kind!r} with null={null!r}"),
            '"default", "drifting" or None; or null="ar1"',
        )
    return kind


def instrumented(x: FloatArray, shapes: FloatArray, scores: FloatArray) -> None:
    """Put scores of memory and damping by instruments in place of those by least squares, (rows, 3, shapes).

    Parameters
    ----------
    x : ndarray of shape (rows, n)
        Residuals, outliers pulled in, evenly spaced; NaN where nothing was observed.
    shapes : ndarray of shape (shapes, n)
        Drift over time, of each shape.
    scores : ndarray of shape (rows, 3, shapes)
        Written to.
    """
    from ews._kernels.score_instruments import instrument_rows

    z = np.empty((x.shape[0], 2, shapes.shape[0]))
    instrument_rows(in_units(x), np.require(shapes, np.float64, "C"), z)
    scores[:, [MEMORY, DAMPING]] = z


def looks_like_error(x: FloatArray) -> bool:
    """Whether memory two steps apart is stronger than memory over one step implies, as measurement error makes it.

    The partial autocorrelation at lag 2 is 0 for AR(1), and above 0 where white noise lies on it, whatever the sign of
    its coefficient; White's standard error. Several time scales show in the same way.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Residual, outliers pulled in, evenly spaced; NaN where nothing was observed.
    """
    x = in_units(x[None])[0]
    late, middle, early = x[2:], x[1:-1], x[:-2]
    seen = np.isfinite(late + middle + early)
    late, middle, early = late[seen], middle[seen], early[seen]
    power = float(middle @ middle)
    if not power > 0.0:
        return False
    product = late * middle
    if not abs(float(product.sum())) > _MEMORY * math.sqrt(float(product @ product)):
        return False
    terms = (late - float(product.sum()) / power * middle) * (early - float(early @ middle) / power * middle)
    return bool(float(terms.sum()) > _EXCESS * math.sqrt(float(terms @ terms)))


def remembers(x: FloatArray) -> bool:
    """Whether neighbours are alike on the whole, as those of red noise are. On the way to a flip they cease to be.

    Parameters
    ----------
    x : ndarray of shape (n,)
        As for :func:`looks_like_error`.
    """
    x = in_units(x[None])[0]
    return bool(np.nansum(x[1:] * x[:-1]) > 0.0)


def fitted_with_error(
    residual: FloatArray,
    positions: FloatArray,
    *,
    observed: Callable[[FloatArray, int], FloatArray],
    left: Rows,
    seed: int,
) -> AR1WithError:
    """AR(1) noise under measurement error of constant size, whose residuals have the memory of the record's.

    Of AR(1) under white noise the autocorrelations at lags 1 and 2 have the ratio φ, and the first falls short of φ by
    the noise's share of the variance. What the smoother takes off them is found by simulation: those that surrogates
    start from are moved until what is left of theirs agrees with the record.

    Parameters
    ----------
    residual : ndarray of shape (1, m)
        Of the record, as `left` gives it.
    positions : ndarray of shape (n,)
        The times of observation, in steps.
    observed : callable
        From rows of a process at these times, and the number of the first, to what would have been observed of them.
    left : callable
        From rows that were observed to evenly spaced residuals, outliers pulled in; NaN where nothing was observed.
    seed : int
        Seed of the simulations.

    References
    ----------
    Walker, A. M. (1960). Some consequences of superimposed error in time series analysis. Biometrika 47, 33–43.
    Gouriéroux, C., Monfort, A. & Renault, E. (1993). Indirect inference. J. Appl. Econometrics 8, S85–S118.
    """
    unit = float(np.nanmax(np.abs(residual), initial=0.0)) or 1.0  # squares of which neither vanish nor overflow
    wanted, power = _mean(_moments(residual, unit))
    # Between whole steps an alternation is not defined. Of few pairs an autocorrelation may pass 1.
    least = -_LARGEST_COEFFICIENT if np.array_equal(positions, np.round(positions)) else 0.0
    start, size = np.clip(wanted, least, _LARGEST_COEFFICIENT), unit * math.sqrt(power)
    rows = int(np.clip(_SAMPLES // positions.size, _FEWEST_ROWS, _ROWS))
    for _ in range(_STEPS):
        # The same numbers each time, so that the steps settle.
        noise = _of_moments(start, size, positions)

        def drawn(first: int, count: int, noise: AR1WithError = noise) -> FloatArray:
            return _moments(left(observed(noise.draw(first, count, seed=seed), first)), unit)

        found, spread = _mean(np.concatenate(in_chunks(drawn, rows, n=positions.size), axis=1))
        start = np.clip(start + (wanted - found), least, _LARGEST_COEFFICIENT)
        size *= math.sqrt(power / spread) if spread > 0.0 else 1.0
    return _of_moments(start, size, positions)


def _moments(rows: FloatArray, unit: float) -> FloatArray:
    """Variance of each row, and autocovariances at lags 1 and 2, (3, rows)."""
    x = rows / unit
    x -= np.nanmean(x, axis=1, keepdims=True)
    return np.stack([np.nanmean(x[:, lag:] * x[:, : x.shape[1] - lag], axis=1) for lag in (0, 1, 2)])


def _mean(moments: FloatArray) -> tuple[FloatArray, float]:
    """Autocorrelations at lags 1 and 2, and the variance, on average over rows."""
    power, found = moments[0], moments[1:]
    defined = power > 0.0
    if not defined.any():
        return np.zeros(2), 0.0
    return (found[:, defined] / power[defined]).mean(axis=1), float(power.mean())


def _of_moments(autocorrelation: FloatArray, size: float, positions: FloatArray) -> AR1WithError:
    """The noise of these autocorrelations at lags 1 and 2, of standard deviation `size`; the nearest that there is."""
    first, second = (float(one) for one in autocorrelation)
    phi, share = first, 0.0
    if second > first * first and first != 0.0:
        phi = math.copysign(min(second / abs(first), _LARGEST_COEFFICIENT), first)
        share = float(np.clip(1.0 - first / phi, 0.0, _LARGEST_SHARE))
    innovation = size * math.sqrt((1.0 - share) * (1.0 - phi * phi))
    return AR1WithError(phi, innovation, size * math.sqrt(share), positions)
