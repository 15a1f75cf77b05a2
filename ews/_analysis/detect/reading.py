"""From what a user hands over to a series that can be analysed: cleaned, of a usable size, detrended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.ages import Ages
from ews._common.missing_codes import far_note
from ews._tables.result import Table, ways_apart
from ews.errors import DuplicatedTimesError, MissingValuesError, ValueRangeError, described
from ews.series import Series, as_series

__all__ = ["check_size", "cleaned", "residual_of"]

FloatArray = npt.NDArray[np.float64]

# Detrending an exact line leaves up to 1e-14 of the values' size.
ROUNDING = 1e-13
# Fourth powers must neither vanish nor overflow.
SMALLEST, LARGEST = 1e-70, 1e70


def cleaned(data: Any, table: Table | None, **how: Any) -> Series:
    """The series, with what was recognised in the file that it was read from."""
    if table is None:
        return as_series(data, **how)
    if table.is_age:
        how["time"] = Ages(-data.index)
    elif table.is_age is not None:
        data = data.rename_axis(None)  # its name has been answered for
    try:
        series = as_series(data, **how)
    except DuplicatedTimesError as error:
        if not table.telling:
            raise
        raise DuplicatedTimesError(
            "time", error.given, f"{error.allowed}; {ways_apart(table.telling, table.time_name)}"
        ) from None
    except MissingValuesError as error:
        missing = np.flatnonzero(data.isna())
        first = missing[np.argsort(data.index[missing], kind="stable")[0]]
        values = "1 missing value" if missing.size == 1 else f"{missing.size} missing values"
        given = described(f"{values}, the first in row {table.rows[how['name']][first]}")
        raise MissingValuesError(error.argument, given, error.allowed) from None
    far = far_note(np.asarray(data, dtype=np.float64))  # the table has said so of its cells
    notes = (*table.notes, *(one for one in series.notes if one != far))
    return replace(series, notes=notes, time_name=table.time_name)


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
