"""What the residual could look like if nothing were changing: null models fitted to it, and surrogates drawn from them.

Each null is fitted once and then hands out rows by number: row k of a seed is the same whatever the number of threads
and the size of the chunks. Surrogates have the length of the residual; :func:`ews.significance` sends each of them
through detrending, windows and trend again.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ews._common import checks
from ews._common.seeds import resolve_seed
from ews.errors import MissingValuesError, SeriesTooShortError, ValueRangeError, described
from ews.nulls.at_times import AR1AtTimes
from ews.nulls.autoregressive import AR1, ARMA
from ews.nulls.null import FloatArray, Null
from ews.nulls.resampling import Permutation, StationaryBootstrap
from ews.nulls.spectral import AAFT, IAAFT, Fourier
from ews.series import real_numbers, refuse_huge

__all__ = [
    "NAMES",
    "AAFT",
    "AR1",
    "ARMA",
    "AR1AtTimes",
    "Fourier",
    "IAAFT",
    "Null",
    "NullName",
    "Permutation",
    "StationaryBootstrap",
    "fit",
    "surrogates",
]

NullName = Literal["ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"]

# Two parameters from fewer are noise.
FEWEST_VALUES = 8

_NULLS: dict[NullName, Any] = {
    "ar1": AR1,
    "arma": ARMA,
    "fourier": Fourier,
    "aaft": AAFT,
    "iaaft": IAAFT,
    "block": StationaryBootstrap,
    "permutation": Permutation,
}
NAMES: tuple[NullName, ...] = tuple(_NULLS)
_OF_NEW_VALUES = ("ar1", "arma", "fourier")  # the others rearrange what is there


def fit(residual: Any, *, null: NullName = "ar1") -> Null:
    """Fit a null model to a residual.

    Parameters
    ----------
    residual : array_like of shape (n,)
        The detrended series, finite.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Which model. Red noise is the default because it is what the field tests against and what short records can
        support; its error rates under each null are measured in the guide.

    Returns
    -------
    Null
        The fitted model, with ``draw`` and ``sentence``.

    Raises
    ------
    ews.errors.UnknownNameError
        If `null` is not known; the nearest name is suggested.
    ews.errors.InputTypeError, ews.errors.MissingValuesError
        If the residual is not a one-dimensional series of finite, real numbers.
    ews.errors.SeriesTooShortError
        For fewer than 8 values.
    ews.errors.ValueRangeError
        If all values are equal: nothing can be fitted to them; or if one is so large that surrogates overflow.

    Examples
    --------
    >>> import numpy as np, ews
    >>> ews.nulls.fit(np.sin(np.arange(50.0)), null="fourier").draw(0, 3, seed=1).shape
    (3, 50)
    """
    check(null=null)
    values = real_numbers("residual", residual)
    if values.size < FEWEST_VALUES:
        raise SeriesTooShortError("residual", described(f"{values.size} values"), f"at least {FEWEST_VALUES} values")
    if not np.isfinite(values).all():
        given = described(f"{int((~np.isfinite(values)).sum())} values that are not finite")
        raise MissingValuesError("residual", given, "finite numbers")
    if null in _OF_NEW_VALUES:
        refuse_huge("residual", values)
    if values.min() == values.max():
        raise ValueRangeError("residual", described(f"{values.size} equal values"), "values that vary")
    fitted: Null = _NULLS[null].fit(values)
    return fitted


def check(*, null: Any = "ar1", n_surrogates: Any = 0) -> None:
    """Check the name of a null and a number of surrogates."""
    checks.choice("null", null, NAMES)
    checks.draws("n_surrogates", n_surrogates)


def surrogates(
    residual: Any, *, null: NullName = "ar1", n_surrogates: int = 1000, seed: int | np.random.Generator | None = 0
) -> FloatArray:
    """Draw surrogates of a residual from a null model fitted to it.

    Parameters
    ----------
    residual : array_like of shape (n,)
        The detrended series, finite.
    null : {"ar1", "arma", "fourier", "aaft", "iaaft", "block", "permutation"}, default "ar1"
        Which model.
    n_surrogates : int, default 1000
        How many.
    seed : int, numpy.random.Generator or None, default 0
        Row k depends on the seed and on k only. None draws a fresh one.

    Returns
    -------
    ndarray of shape (n_surrogates, n)
        The surrogates, in units of the residual.

    Raises
    ------
    ews.errors.ArgumentError
        As :func:`fit`; and for a number of surrogates or a seed that is no integer of 0 or more.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.cumsum(np.random.default_rng(1).standard_normal(100))
    >>> ews.nulls.surrogates(x - x.mean(), n_surrogates=5, seed=7).shape
    (5, 100)
    """
    check(null=null, n_surrogates=n_surrogates)
    return fit(residual, null=null).draw(0, int(n_surrogates), seed=resolve_seed(seed))
