"""What a detrending is (a plan for series of one length) and what it gives (trend and residual)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.labelled import refuse_dimensions
from ews._common.publish import public
from ews._common.result import Result
from ews.errors import InputTypeError, MissingValuesError, SeriesTooShortError, ValueRangeError, at, described

__all__ = ["DetrendPlan", "Detrended", "FloatArray", "Smooth", "one_series"]

FloatArray = npt.NDArray[np.float64]
Smooth = Callable[[FloatArray], FloatArray]  # rows of series to rows of trends

# Rows beyond these are scaled before they are smoothed; beyond the last, differences overflow.
_SMALL, _LARGE, _LARGEST = 1e-150, 1e150, 1e307


@public("ews.detrend")
@dataclass(frozen=True, eq=False)
class Detrended(Result):
    """A series split into a trend and what is left of it.

    Attributes
    ----------
    trend : ndarray of shape (n,)
        The smooth (or seasonal) part, in the units of the series.
    residual : ndarray of shape (n,)
        The series minus the trend.
    method : str
        Name of the method.
    bandwidth : float or None
        Bandwidth or span as it was given (see :mod:`ews.detrend`), None for methods that have none.
    causal : bool
        True if no value uses a later sample.
    """

    trend: FloatArray
    residual: FloatArray
    method: str
    bandwidth: float | None
    causal: bool

    _table: ClassVar = ("trend", "residual")


@public("ews.detrend")
@dataclass(frozen=True, eq=False)
class DetrendPlan:
    """A detrending worked out once for series of one length, to be applied to many.

    Made by :func:`ews.detrend.plan`. It holds no state that changes, so that threads can share it.

    Attributes
    ----------
    method : str or None
        Name of the method; None takes nothing out.
    n : int
        Length of the series that it is for.
    bandwidth : float or None
        Bandwidth or span as it was given, None for methods that have none.
    causal : bool
        True if no value uses a later sample.
    sentence : str
        One line that says what is done, for a report.
    season : int or None
        Period that is taken out first, in samples.
    """

    method: str | None
    n: int
    bandwidth: float | None
    causal: bool
    sentence: str
    smooth: Smooth = field(repr=False)
    season: int | None = None

    def rows(self, x: FloatArray) -> FloatArray:
        """Trend of each row; every row is treated as if it were alone.

        Parameters
        ----------
        x : ndarray of shape (rows, n)
            One series a row, all finite. Not changed.

        Returns
        -------
        ndarray of shape (rows, n)
            The trends.

        Raises
        ------
        ews.errors.InputTypeError
            If `x` does not have the shape that the plan is for.
        ews.errors.MissingValuesError
            If `x` has a NaN or an infinite value: it would spread over the trend.
        """
        x = np.ascontiguousarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.n:
            raise InputTypeError("x", described(f"an array of shape {x.shape}"), f"an array of shape (rows, {self.n})")
        largest = np.maximum(x.max(axis=1, initial=0.0), -x.min(axis=1, initial=0.0))  # NaN spreads to it
        if not (largest <= _LARGEST).all():
            _refuse_missing(x)
        extreme = (largest > _LARGE) | ((largest < _SMALL) & (largest > 0.0))
        if not extreme.any():
            return self.smooth(x)
        # Every smoother scales with the series: a power of two costs no digits, and no square overflows or vanishes.
        exponent = np.where(extreme, np.frexp(largest)[1], 0)[:, None]
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(self.smooth(np.ldexp(x, -exponent)), exponent))

    def apply(self, x: FloatArray) -> Detrended:
        """Split one series into trend and residual.

        Parameters
        ----------
        x : ndarray of shape (n,)
            The series, all finite. Not changed.

        Returns
        -------
        Detrended
            Trend and residual.

        Raises
        ------
        ews.errors.InputTypeError
            If `x` does not have the shape that the plan is for.
        ews.errors.MissingValuesError
            If `x` has a NaN or an infinite value.
        """
        x = one_series(x)
        trend = self.rows(x[None, :])[0]
        return Detrended(trend, x - trend, self.method or "none", self.bandwidth, self.causal)


def one_series(x: npt.ArrayLike) -> FloatArray:
    """Check that `x` is one non-empty, finite series of real numbers, and give it as contiguous float64."""
    allowed = "a one-dimensional array of real numbers"
    refuse_dimensions(x, "x")
    given = checks.array("x", x, allowed, ragged="a nested sequence of unequal lengths")
    if given.ndim != 1:
        raise InputTypeError("x", described(f"an array of shape {given.shape}"), allowed)
    if given.dtype.kind not in "iufb":
        raise InputTypeError("x", described(f"values of type {given.dtype}"), allowed)
    if given.size == 0:
        raise SeriesTooShortError("x", described("an empty array"), "at least one sample")
    with np.errstate(over="ignore"):  # of long doubles: to infinity, which is refused
        values = np.ascontiguousarray(given, dtype=np.float64)
    _refuse_missing(values)
    return values


def _refuse_missing(x: FloatArray) -> None:
    """Refuse what is not finite, or so large that differences overflow."""
    finite = np.isfinite(x)
    if not finite.all():
        where = np.argwhere(~finite)[0]
        raise MissingValuesError(
            "x",
            described(f"{np.count_nonzero(~finite)} missing or infinite values, the first {at(where[-1])}"),
            "finite values only: one NaN would spread over the whole trend; interpolate or drop them first",
        )
    if np.abs(x).max(initial=0.0) > _LARGEST:
        given = described(f"values of size {np.abs(x).max():.3g}")
        raise ValueRangeError("x", given, f"values up to {_LARGEST:.0e}: differences of larger ones overflow")
