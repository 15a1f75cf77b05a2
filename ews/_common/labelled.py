"""xarray objects → one series along time, a dimension that is known by its coordinates, never by its place."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["PLACES", "Labelled", "filled", "one_series", "refuse_dimensions", "time_dimension", "times_along"]

PLACES = ("lat", "latitude", "lon", "longitude", "x", "y", "z", "level", "lev", "height", "altitude")
_NAMES = ("time", "date", "dates", "datetime", "year", "years", "month", "t")


class Labelled(NamedTuple):
    """What one series of xarray holds."""

    values: Any  # (n,): fill values as NaN
    time: Any  # its times, or None
    # Names of both.
    name: str | None
    time_name: str | None
    notes: tuple[str, ...]  # what had to be decided


def one_series(data: Any, time: Any) -> Labelled:
    """Values and times of a DataArray (or Dataset) of one dimension; a name as `time` is that of a coordinate."""
    refuse_dimensions(data, "series")
    along = data.dims[0]
    name = None if data.name is None else str(data.name)
    notes: tuple[str, ...] = ()
    values = data.values
    if fills := _fills(data):
        equal = np.isin(values, fills)
        if equal.any():
            values = np.where(equal, np.nan, values.astype(np.float64))
            notes = (f"values equal to the fill value were read as missing: {int(equal.sum())}",)
    coordinates = {str(key): one for key, one in data.coords.items() if one.dims == (along,)}
    if isinstance(time, str):
        if time not in coordinates:
            raise UnknownNameError("time", time, coordinates)
        return Labelled(values, coordinates[time].values, name, time, notes)
    if time is not None:
        return Labelled(values, None, name, str(along) if along in data.coords else None, notes)
    own = coordinates.get(str(along))
    times = {key: one for key, one in coordinates.items() if _is_time(key, one)}
    if own is not None and (str(along) in times or not times):
        chosen, others = str(along), [key for key in times if key != str(along)]
        if others and not _dated(own) and any(_dated(times[key]) for key in others):
            chosen = _only([key for key in others if _dated(times[key])])
    elif times:
        chosen = _only(list(times))
    else:
        _refuse_one_instant(data, along)
        return Labelled(values, None, name, None, (*notes, *_not_time(along)))
    if chosen != str(along):
        notes += (f"times are those of the coordinate {chosen!r} along the dimension {str(along)!r}",)
    if own is not None and chosen == str(along) and not times:
        _refuse_one_instant(data, along)
        notes += _not_time(along)
    return Labelled(values, coordinates[chosen].values, name, chosen, notes)


def filled(data: Any) -> Any:
    """A DataArray whose values equal to its fill value are missing; lazy where it is, and itself where none is said."""
    fills = _fills(data)
    if not fills:
        return data
    return data.astype(np.result_type(data.dtype, np.float32)).where(~data.isin(fills))


def _fills(data: Any) -> list[Any]:
    """Fill values that the attributes of a DataArray of numbers name, as its own type has them; NaN is none."""
    if data.dtype.kind not in "fiu":
        return []
    named = [one for key in ("_FillValue", "missing_value") for one in np.ravel(data.attrs.get(key, ()))]
    numbers = [one for one in named if isinstance(one, np.number) and not np.isnan(one)]
    return [data.dtype.type(one) if data.dtype.kind == "f" else one for one in numbers]


def time_dimension(data: Any) -> str | None:
    """The dimension of a DataArray that is time, by its name or its coordinates; None where none is."""
    named = [key for key in map(str, data.dims) if key.lower() in _NAMES]
    dated = [str(one.dims[0]) for key, one in data.coords.items() if one.ndim == 1 and _is_time(str(key), one)]
    return next(iter([*named, *dated]), None)


def times_along(data: Any, dimension: Any) -> tuple[Any, str | None]:
    """Times along one dimension of a DataArray and their name: its coordinate, or another that is time; or None."""
    along = {str(key): one for key, one in data.coords.items() if one.dims == (dimension,)}
    own = along.pop(str(dimension), None)
    times = [key for key, one in along.items() if _is_time(key, one)]
    if own is not None and (_is_time(str(dimension), own) or not times):
        return own.values, str(dimension)
    if not times:
        return None, None
    chosen = _only(times)
    return along[chosen].values, chosen


def refuse_dimensions(data: Any, argument: str) -> None:
    """Refuse what has not exactly one dimension, naming its dimensions and what to do; and what is not computed yet."""
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(data, polars.LazyFrame):
        raise InputTypeError(argument, described("a lazy table"), "data.collect()")
    if not hasattr(data, "dims") or not hasattr(data, "coords"):
        return
    if hasattr(data, "data_vars"):
        variables = ", ".join(map(repr, data.data_vars)) or "none"
        first = next(iter(data.data_vars), "name")
        given = described(f"an xarray.Dataset of the variables {variables}")
        allowed = f"one of its variables, such as data[{first!r}]; to test every place of them see ews.detect_many"
        raise InputTypeError(argument, given, allowed)
    if data.ndim == 1:
        return
    dimensions = " × ".join(map(str, data.dims)) or "no dimension"
    given = described(f"an xarray.DataArray of shape {data.shape}: {dimensions}")
    if data.ndim == 0:
        raise InputTypeError(argument, given, "values along one dimension, that of time")
    time = time_dimension(data)
    others = [str(key) for key in data.dims if str(key) != (time or str(data.dims[0]))]
    pixel = ", ".join(f"{key}=0" for key in others)
    columns = f"data.stack(place=({', '.join(map(repr, others))})).to_pandas()"
    if data.ndim == 2:
        columns = f"data.transpose({(time or str(data.dims[0]))!r}, ...).to_pandas()"
    raise InputTypeError(
        argument,
        given,
        f"values along {time or 'time'} alone: one place (data.isel({pixel})), or every place as a column "
        f"({columns}); to test every place at once see ews.detect_many, for statistics of maps ews.detect_spatial",
    )


def _not_time(along: Any) -> tuple[str, ...]:
    """Say that values run along a dimension that is called a place."""
    place = str(along).lower() in PLACES
    return (f"CAUTION: values run along the dimension {str(along)!r}, which was taken for time",) if place else ()


def _refuse_one_instant(data: Any, along: Any) -> None:
    instants = [str(key) for key, one in data.coords.items() if one.ndim == 0 and (str(key) == "time" or _dated(one))]
    if instants:
        given = described(f"values along {str(along)!r} at one {instants[0]}")
        raise InputTypeError("series", given, "values along time; or times for them in time=")


def _is_time(name: str, coordinate: Any) -> bool:
    attrs = coordinate.attrs
    said = attrs.get("axis") == "T" or attrs.get("standard_name") == "time"
    return said or name.lower() in _NAMES or _dated(coordinate)


def _dated(coordinate: Any) -> bool:
    from ews._common.encoded_times import is_model_date  # of coordinates only: indicators of an array need no calendar

    kind = coordinate.dtype.kind
    return kind == "M" or (kind == "O" and coordinate.size > 0 and is_model_date(np.ravel(coordinate.values)[0]))


def _only(names: list[str]) -> str:
    if len(names) > 1:
        given = described(f"the coordinates {' and '.join(map(repr, names))}, each of which may be the times")
        raise ArgumentError("time", given, f"the name of one of them, as in time={names[0]!r}")
    return names[0]
