"""Tables of series: wide, a column each, and long, one below the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.many.codes import FIELDS
from ews._analysis.many.plan import Plan
from ews._common.progress import ProgressOption
from ews._significance.pipeline import in_chunks
from ews._tables.result import Table
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described
from ews.series import split_columns

__all__ = ["Panel", "read", "tested"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Panel:
    """Series by name, each with its values and its times (None: those that the values carry)."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    times: tuple[Any, ...]


def read(data: Any, *, by: Any, value: Any, time: Any) -> Panel | None:
    """The series of a table; None where `data` is none."""
    if isinstance(data, Table):
        if by is not None:
            raise ArgumentError("by", by, "None for a table that was read with by=")
        return Panel(tuple(data), tuple(data[name] for name in data), (None,) * len(data))
    polars = sys.modules.get("polars")
    if by is None:
        columns, times = split_columns(data, time=time)
        if columns is None:
            return None
        return Panel(tuple(columns), tuple(columns.values()), (times,) * len(columns))
    import pandas as pd

    if polars is not None and isinstance(data, polars.DataFrame):
        data = pd.DataFrame(data.to_dict(as_series=False))
    if not isinstance(data, pd.DataFrame):
        raise InputTypeError("data", described(f"a {type(data).__name__} with by="), "a DataFrame")
    return _long(data, [by] if isinstance(by, str) else list(by), value, time)


def _long(data: Any, by: Sequence[str], value: Any, time: Any) -> Panel:
    import pandas as pd

    known = list(map(str, data.columns))
    for argument, names in (("by", by), ("value", [value]), ("time", [time])):
        for name in names:
            if name is not None and not (isinstance(name, str) and name in data.columns):
                raise UnknownNameError(argument, name, known)
    if not by:
        raise ArgumentError("by", by, "the name of a column, or several")
    if value is None:
        rest = data.drop(columns=[*by, *([] if time is None else [time])]).select_dtypes("number")
        if rest.shape[1] != 1:
            given = described(f"{rest.shape[1]} columns of numbers beside {', '.join(map(repr, by))}")
            raise ArgumentError("value", given, f"the name of one of them: {', '.join(map(repr, rest.columns))}")
        value = rest.columns[0]
    if data[list(by)].isna().any(axis=None):
        raise ArgumentError("by", described(f"rows without a name in {', '.join(map(repr, by))}"), "a name in each row")
    names, values, times = [], [], []
    for key, part in data.groupby(list(by), sort=False):
        names.append(", ".join(map(str, key if isinstance(key, tuple) else (key,))))
        values.append(part[value].to_numpy())
        own = part.index if time is None and not isinstance(data.index, pd.RangeIndex) else None
        times.append(part[time] if time is not None else own)
    return Panel(tuple(names), tuple(values), tuple(times))


def tested(panel: Panel, plan: Callable[[Any, int], Plan], *, tabulated: bool, progress: ProgressOption) -> FloatArray:
    """Fields of each series."""
    total = len(panel.names)
    if not tabulated:
        tests = plan(None, 0)
        out = np.empty((total, len(FIELDS)))
        for i, (values, time) in enumerate(zip(panel.values, panel.times, strict=True)):
            out[i] = tests.one(values, time)
            if callable(progress):
                progress(i + 1, total)
        return out
    rows, times = _aligned(panel)
    tests = plan(times, rows.shape[1])
    if tests.pooled:
        tests = tests.with_pool([tests.sample(rows)])
    parts = in_chunks(lambda first, count: tests.block(rows[first : first + count]), total, n=rows.shape[1],
                      progress=progress)  # fmt: skip
    return np.concatenate(parts)


def _aligned(panel: Panel) -> tuple[FloatArray, Any]:
    """Series as rows over all times that any of them has; in order where none has any."""
    import pandas as pd

    columns = []
    for name, values, time in zip(panel.names, panel.values, panel.times, strict=True):
        own = getattr(values, "index", None) if time is None else None
        index = pd.Index(np.asarray(time)) if time is not None else own
        numbers = np.asarray(values, dtype=np.float64)
        one = pd.Series(numbers, index=index)
        if not one.index.is_unique:
            given = described(f"several values at one time of {name!r}")
            raise ArgumentError("time", given, "each time once with null='table'; or null='ar1'")
        columns.append(one)
    joined = pd.concat(columns, axis=1, sort=True)
    times = None if isinstance(joined.index, pd.RangeIndex) else joined.index
    return np.ascontiguousarray(joined.to_numpy(np.float64).T), times
