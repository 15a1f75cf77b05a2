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
from ews.errors import ArgumentError, InputTypeError, SeriesTooShortError, UnknownNameError, described
from ews.series import index_of_time, real_numbers, split_columns

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
        return Panel(tuple(data), tuple(_numbers(name, data[name]) for name in data), (None,) * len(data))
    polars = sys.modules.get("polars")
    if by is None:
        columns, times = split_columns(data, time=time)
        if columns is None:
            return None
        if times is None and hasattr(index := getattr(data, "index", None), "levels"):
            times = index_of_time("data", index)
        values = tuple(_numbers(name, column) for name, column in columns.items())
        return Panel(tuple(columns), values, (times,) * len(columns))
    import pandas as pd

    if polars is not None and isinstance(data, polars.DataFrame):
        data = pd.DataFrame(data.to_dict(as_series=False))
    if not isinstance(data, pd.DataFrame):
        raise InputTypeError("data", described(f"a {type(data).__name__} with by="), "a DataFrame")
    return _long(data, list(by) if isinstance(by, Sequence) and not isinstance(by, str) else [by], value, time)


def _long(data: Any, by: Sequence[str], value: Any, time: Any) -> Panel:
    import pandas as pd

    known = list(map(str, data.columns))
    role: dict[str, str] = {}
    for argument, names in (("by", by), ("time", [time]), ("value", [value])):
        for name in names:
            if name is None:
                continue
            if not (isinstance(name, str) and name in data.columns):
                raise UnknownNameError(argument, name, known)
            if name in role:
                raise ArgumentError(argument, name, f"another column than {role[name]}= names")
            role[name] = argument
    if not by:
        raise ArgumentError("by", by, "the name of a column, or several")
    if data.empty:
        raise SeriesTooShortError("data", described("a table without rows"), "at least one observation")
    if value is None:
        rest = data.drop(columns=list(role)).select_dtypes("number")
        if rest.shape[1] != 1:
            given = described(f"{rest.shape[1]} columns of numbers beside {', '.join(map(repr, role))}")
            listed = f"the name of one of them: {', '.join(map(repr, rest.columns))}"
            raise ArgumentError("value", given, listed if rest.shape[1] else "a table with a column of numbers")
        value = rest.columns[0]
    for name in (*role, value):
        if isinstance(data[name], pd.DataFrame):
            raise InputTypeError("data", described(f"two columns named {name!r}"), "a name of its own for each column")
    if data[list(by)].isna().any(axis=None):
        raise ArgumentError("by", described(f"rows without a name in {', '.join(map(repr, by))}"), "a name in each row")
    if time is None and isinstance(data.index, pd.MultiIndex):
        raise InputTypeError(
            "data", described("a table whose index has several levels"), "data.reset_index(), and time="
        )
    data = data.assign(**{value: _numbers(value, data[value])})
    names, values, times = [], [], []
    for key, part in data.groupby(list(by), sort=False):
        names.append(", ".join(map(str, key if isinstance(key, tuple) else (key,))))
        values.append(part[value].to_numpy())
        own = part.index if time is None and not isinstance(data.index, pd.RangeIndex) else None
        times.append(part[time] if time is not None else own)
    return Panel(tuple(names), tuple(values), tuple(times))


def _numbers(name: str, column: Any) -> Any:
    """A column as floats, with the index that it has; infinities are missing."""
    try:
        numbers = real_numbers("data", column)
    except InputTypeError as error:
        values = np.asarray(column)
        text = next((one for one in values if isinstance(one, str)), None) if values.ndim == 1 else None
        held = str(error.given) if text is None else f"text such as {text!r}"
        allowed = "real numbers in each column of values: leave it out, or turn it into numbers (pandas.to_numeric)"
        raise InputTypeError("data", described(f"a column {name!r} of {held}"), allowed) from None
    numbers[~np.isfinite(numbers)] = np.nan
    if not hasattr(column, "index") or not hasattr(column, "to_frame") or "polars" in type(column).__module__:
        return numbers
    return type(column)(numbers, index=column.index, name=column.name)


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
