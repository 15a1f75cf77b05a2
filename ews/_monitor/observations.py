"""What a monitor is given: one value or many, of one series or many, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.labelled import filled, refuse_dimensions, time_dimension, times_along
from ews._monitor.reading import read_value, read_values
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["along_time", "as_rows", "pair_of"]

FloatArray = npt.NDArray[np.float64]


def as_rows(given: Any, known: tuple[str, ...], *, one: bool) -> tuple[FloatArray, tuple[str, ...]]:
    """Values of shape (n, series), and the names of the series, which must be those that are known."""
    names: tuple[str, ...] | None = None
    if isinstance(given, Mapping):
        if not given:
            raise InputTypeError("value" if one else "values", described("no series"), "one series or more")
        names = _names(list(given))
        if known and sorted(names) == sorted(known):
            names, given = known, {name: _by_text(given, name) for name in known}
        columns = list(given.values())
        parts = [[read_value(value)] if one else read_values("values", value).tolist() for value in columns]
        if len({len(part) for part in parts}) > 1:
            raise ArgumentError("values", described("series of different lengths"), "one value of each at each time")
        rows = np.array(parts, np.float64).T.reshape(-1, len(parts))
    elif hasattr(given, "columns"):
        names = _names(list(given.columns))
        if known and sorted(names) == sorted(known) and names != known:
            given = given[[list(given.columns)[names.index(name)] for name in known]]
            names = known
        columns = [read_values("values", given.iloc[:, place]) for place in range(given.shape[1])]
        rows = np.stack(columns, axis=1) if columns else np.empty((len(given), 0))
    elif one:
        rows = _row(given)
    else:
        rows, names = _table(given)
    if not rows.shape[1]:
        raise InputTypeError("value" if one else "values", described("no series"), "one series or more")
    if names is None and len(known) == rows.shape[1]:
        names = known
    if names is None:
        names = ("value",) if rows.shape[1] == 1 else tuple(f"series {k + 1}" for k in range(rows.shape[1]))
    if known and names != known:
        raise ArgumentError(
            "values", described(f"series {', '.join(names)[:80]}"), f"those before: {', '.join(known)[:80]}"
        )
    return np.ascontiguousarray(rows), names


def along_time(given: Any) -> tuple[Any, Any]:
    """A DataArray with its time first and what is filled missing, and its times (None where it has none)."""
    if hasattr(given, "data_vars") or given.ndim not in (1, 2):
        refuse_dimensions(given, "values")
    along = time_dimension(given) or given.dims[0]
    given = filled(given.transpose(along, ...))
    times, _ = times_along(given, along)
    return given, times if time_dimension(given) is not None else None


def pair_of(observation: Any) -> tuple[Any, Any]:
    """Time and value; no time where the observation is a value alone."""
    if isinstance(observation, tuple):
        if len(observation) != 2:
            raise InputTypeError(
                "observations", described(f"{len(observation)} things"), "values, or pairs (time, value)"
            )
        return observation
    return None, observation


def _row(given: Any) -> FloatArray:
    if (isinstance(given, np.ndarray) and given.ndim == 1) or (
        isinstance(given, Sequence) and not isinstance(given, str | bytes)
    ):
        return np.array([[read_value(value) for value in given]], np.float64).reshape(1, -1)
    return np.array([[read_value(given)]])


def _table(given: Any) -> tuple[FloatArray, tuple[str, ...] | None]:
    array = given if hasattr(given, "ndim") else checks.array("values", given, "numbers of shape (n,) or (n, series)")
    if array.ndim == 2:
        columns = [read_values("values", np.asarray(array)[:, place]) for place in range(array.shape[1])]
        return (np.stack(columns, axis=1) if columns else np.empty((len(array), 0))), None
    name = getattr(given, "name", None)
    return read_values("values", given)[:, None], None if name is None else _names([name])


def _names(given: list[Any]) -> tuple[str, ...]:
    names = tuple(str(name) for name in given)
    if len(set(names)) < len(names):
        raise ArgumentError("values", described("two series of one name"), "names that differ")
    return names


def _by_text(given: Mapping[Any, Any], name: str) -> Any:
    return next(value for key, value in given.items() if str(key) == name)
