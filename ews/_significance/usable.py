"""Whether values, and what detrending leaves of them, can be analysed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ews.errors import ValueRangeError, described

__all__ = ["check_size", "residual_of"]

FloatArray = npt.NDArray[np.float64]

# Detrending an exact line leaves up to 1e-14 of the values' size.
ROUNDING = 1e-13
# Fourth powers must neither vanish nor overflow.
SMALLEST, LARGEST = 1e-70, 1e70


def check_size(values: FloatArray) -> None:
    """Refuse what has nothing to measure, or whose fourth powers overflow."""
    if values.size >= 2 and (values == values[0]).all():
        raise ValueRangeError("series", described(f"{values.size} equal values ({values[0]:g})"), "values that vary")
    if (size := float(np.abs(values).max())) > LARGEST:
        raise ValueRangeError("series", described(f"values up to {size:.3g}"), f"at most {LARGEST:g}: change the unit")


def residual_of(values: FloatArray, trend: FloatArray) -> FloatArray:
    """What detrending leaves; where that is rounding, zero, so that no indicator takes it for a signal."""
    residual = values - trend
    residual[np.abs(residual) <= 8 * np.finfo(np.float64).eps * np.abs(values)] = 0.0
    spread, size = float(np.nanmax(residual) - np.nanmin(residual)), float(np.abs(values).max())
    if spread <= ROUNDING * size:
        given = described(f"values that detrending leaves {spread:.1g} of, in a series of size {size:.3g}")
        raise ValueRangeError("series", given, "values that vary about their trend; or another way to detrend")
    if spread < SMALLEST:
        raise ValueRangeError(
            "series", described(f"a residual of size {spread:.1g}"), f"at least {SMALLEST:g}: change the unit"
        )
    return residual
