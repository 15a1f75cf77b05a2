"""xarray objects before anything is tested: their variables, time and coordinates, and which pixels are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ews._analysis.many.codes import OUTPUTS
from ews._common.labelled import PLACES, time_dimension
from ews.errors import ArgumentError, EWSWarning, InputTypeError, UnknownNameError, described

__all__ = ["asked_of", "time_of", "variables_of", "without_collisions"]


def time_of(data: Any, dim: Any) -> str:
    """The dimension of time of a DataArray."""
    if dim is not None:
        if dim not in data.dims:
            raise UnknownNameError("dim", dim, map(str, data.dims))
        return str(dim)
    if data.ndim == 1:
        return str(data.dims[0])
    found = time_dimension(data)
    if found is None:
        given = described(f"none, of data with the dimensions {_listed(data.dims)}")
        others = [str(name) for name in data.dims if str(name).lower() not in PLACES]
        hint = f", as in dim={others[0]!r}" if others else ""
        raise ArgumentError("dim", given, f"the one that is time{hint}")
    return found


def variables_of(data: Any, dim: Any) -> list[Any]:
    """Variables of a Dataset that are numbers over time, all over the same space; others, and text, are left out."""
    bounds = {one.attrs.get("bounds") for one in data.variables.values()}
    numbers = [name for name in data.data_vars if data[name].dtype.kind in "fiub"]
    if dim is not None and numbers and dim not in data.dims:
        raise UnknownNameError("dim", dim, map(str, data.dims))
    along = {name: time_dimension(data[name]) if dim is None else dim for name in numbers if name not in bounds}
    timed = [name for name, one in along.items() if one in data[name].dims]
    if not timed:
        return numbers
    space = {name: frozenset(data[name].dims) - {along[name]} for name in timed}
    if len(set(space.values())) > 1:
        examples = {one: name for name, one in reversed(space.items())}.values()  # a name of each
        said = ", ".join(f"{name!r} over {' × '.join(map(str, data[name].dims))}" for name in examples)
        first = [str(name) for name in timed if space[name] == space[timed[0]]]
        given = described(f"variables of different dimensions: {said}")
        raise InputTypeError("data", given, f"variables over the same space, such as data[{first!r}]")
    return timed


def without_collisions(data: Any, along: str, *, several: bool) -> Any:
    """The data with no coordinate called as an output is: those that are no dimension get another name, aloud."""
    taken = {*OUTPUTS, *(["variable"] if several else [])}
    for name in data.dims:
        if name in taken and name != along:
            given = described(f"a dimension {str(name)!r}, which is the name of an output")
            raise ArgumentError("data", given, f"another name, as in data.rename({name}='{name}_of_data')")
    new = {}
    for name, one in data.coords.items():
        if name in taken and along not in one.dims:
            new[name] = f"{name}_of_data"
            while new[name] in data.coords:
                new[name] += "_"
            text = f"the coordinate {str(name)!r} of the data has the name of an output: it is {new[name]!r} there"
            warnings.warn(text, EWSWarning, stacklevel=2)
    return data.rename(new) if new else data


def asked_of(where: Any, space: Any, xr: Any) -> Any:
    """Which pixels are asked for, over the dimensions of space: by coordinates where both have them, else by place."""
    from ews._analysis.many.run import read_where

    if not isinstance(where, xr.DataArray):
        return xr.DataArray(read_where(where, space.shape), dims=space.dims)
    strange = [name for name in where.dims if name not in space.dims]
    if strange:
        given = described(f"the dimensions {_listed(strange)}")
        raise InputTypeError("where", given, f"dimensions among {_listed(space.dims)}")
    if where.dtype.kind != "b":
        raise InputTypeError("where", described(f"values of type {where.dtype}"), "True and False")
    sizes = {name: where.sizes[name] for name in where.dims}
    if any(space.sizes[name] != size for name, size in sizes.items()):
        raise InputTypeError("where", described(f"sizes {sizes}"), f"those of the data, {dict(space.sizes)}")
    for name in where.dims:
        if name in where.indexes and name in space.indexes:
            where = where.isel({name: _places(where.indexes[name], space.indexes[name], name)})
    for name, own in where.coords.items():  # of two dimensions, such as the latitudes of a curved grid
        other = space.coords.get(name)
        if own.ndim > 1 and other is not None and set(other.dims) == set(own.dims):
            other = other.transpose(*own.dims)
            if not (own.values == other.values).all() and not _near(own.values, other.values):
                raise _different(f"a coordinate {str(name)!r}")
    whole = where.drop_vars(list(where.coords)).broadcast_like(space.drop_vars(list(space.coords)))
    return whole.transpose(*space.dims).compute()


def _places(own: Any, wanted: Any, name: Any) -> Any:
    """Where each of the data's coordinates is in the mask's."""
    if own.equals(wanted) or _near(own.to_numpy(), wanted.to_numpy()):
        return slice(None)
    if own.is_unique and wanted.is_unique:
        order, back = own.argsort(), wanted.argsort()
        if own[order].equals(wanted[back]) or _near(own[order].to_numpy(), wanted[back].to_numpy()):
            found = np.empty(len(own), dtype=np.intp)
            found[back] = order
            return found
    raise _different(f"coordinates along {str(name)!r}")


def _near(one: Any, other: Any) -> bool:
    """Whether coordinates differ by no more than single precision does."""
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu" or not one.size:
        return False
    return bool(np.allclose(one, other, rtol=0.0, atol=1e-6 * float(np.nanmax(np.abs(other))), equal_nan=True))


def _different(what: str) -> ArgumentError:
    allowed = "the coordinates of the data, in any order; or a mask without coordinates, which goes by position"
    return ArgumentError("where", described(f"{what} other than the data's"), allowed)


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(repr(str(name)) for name in names)
