"""From what a user hands over to a cleaned series."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ews._common.ages import Ages
from ews._common.missing_codes import far_note
from ews._tables.result import Table, ways_apart
from ews.errors import DuplicatedTimesError, MissingValuesError, described
from ews.series import Series, as_series

__all__ = ["cleaned"]


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
