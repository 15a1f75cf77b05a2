"""Cubes of xarray and dask: lazy over space, and back with their coordinates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ews._analysis.many.codes import FIELDS, KINDS, REASONS, TESTS, VERDICTS
from ews._analysis.many.cubes import asked_of, time_of, variables_of, without_collisions
from ews._analysis.many.plan import Plan
from ews._analysis.many.pool import PIXELS
from ews._analysis.many.result import DetectManyConfig
from ews._common.extras import needed
from ews._common.false_discovery import false_discovery
from ews._common.labelled import filled
from ews._common.progress import ProgressOption
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["dataset_of", "detect_grid"]

PlanOf = Callable[[Any, int], Plan]
_SAMPLED = 64  # chunks, at most, whose series a pool is drawn of
BLOCK_SAMPLES = 8_000_000  # of data in memory that is written block by block


def detect_grid(
    data: Any,
    *,
    dim: str | None,
    time: Any,
    where: Any,
    plan: PlanOf,
    config: DetectManyConfig,
    store: Any,
    resume: bool,
    progress: ProgressOption,
    several: bool = False,
) -> Any:
    """The maps of a DataArray, Dataset or dask array, as a Dataset."""
    xr = needed("xarray", "grid")
    if hasattr(data, "chunks") and any(isinstance(size, float) for size in getattr(data, "shape", ())):
        given = described("a dask array with chunks of unknown size")
        raise InputTypeError("data", given, "known sizes: see compute_chunk_sizes() of dask arrays")
    if not hasattr(data, "dims"):
        data = xr.DataArray(data, dims=[*(f"dim_{i}" for i in range(data.ndim - 1)), dim or "time"])
    if isinstance(data, xr.Dataset):
        names = variables_of(data, dim)
        if len(names) == 1:
            data = data[names[0]]
        elif not names:
            given = described("a Dataset without variables of numbers")
            raise InputTypeError("data", given, "a variable of numbers")
        elif store is not None:
            given = described(f"a folder for maps of several variables, {', '.join(map(repr, names))}")
            raise ArgumentError("store", given, "a folder for each, with data[name]; or None")
        else:
            each = [
                detect_grid(
                    data[name], dim=dim, time=time, where=where, plan=plan, config=config, store=None, resume=False,
                    progress=progress, several=True,
                )
                for name in names
            ]  # fmt: skip
            index = xr.DataArray(list(map(str, names)), dims="variable", name="variable")
            return xr.concat(each, dim=index, combine_attrs="drop_conflicts")
    if not isinstance(data, xr.DataArray):
        raise InputTypeError("data", described(f"a {type(data).__name__}"), "a DataArray, Dataset or dask array")
    if data.dtype.kind not in "fiub":
        raise InputTypeError("data", described(f"values of type {data.dtype}"), "real numbers")
    if data.chunks is not None and data.name == data.data.name:  # xarray takes it over: a digest, not of the data alone
        data = data.rename(None)
    along = time_of(data, dim)
    data = without_collisions(filled(data), along, several=several)
    times = _times(data, along, time)
    tests = plan(times, data.sizes[along])
    cube = data.transpose(..., along)
    asked = None if where is None else asked_of(where, cube.isel({along: 0}, drop=True), xr)
    chunked = cube.chunks is not None
    if store is None and not chunked:
        fields = _in_memory(tests, cube.values, asked, progress)
        return dataset_of(fields, cube, along, config)
    da = needed("dask.array", "grid")
    if not chunked:
        cube = cube.chunk(_chunks(cube, along))
    if tests.smoothing is None and cube.dtype.kind == "f":
        cube = cube.where(np.isfinite(cube))  # ews.detect refuses infinities
    cube = cube.chunk({along: -1})
    blocks = cube.data
    mask = None if asked is None else da.from_array(asked.values, chunks=blocks.chunks[:-1])
    held = _pooled(tests, blocks, mask) if tests.pooled else tests
    if store is None:
        return dataset_of(_lazy(held, blocks, mask, da), cube, along, config)
    import pandas as pd

    from ews._analysis.many.store import write

    for name in cube.dims[:-1]:
        if isinstance(cube.indexes.get(name), pd.MultiIndex):
            given = described(f"the dimension {str(name)!r} with a MultiIndex, which zarr cannot hold, and store=")
            raise InputTypeError("data", given, f"data.reset_index({str(name)!r}) or data.unstack({str(name)!r})")
    template = dataset_of(_lazy(held, blocks, mask, da), cube, along, config)
    return write(template, tests, held, blocks, mask, config, store=store, resume=resume, progress=progress)


def _times(data: Any, along: str, time: Any) -> Any:
    if isinstance(time, str):
        if time not in data.coords or data.coords[time].dims != (along,):
            known = [str(name) for name, one in data.coords.items() if one.dims == (along,)]
            raise UnknownNameError("time", time, known)
        return data.coords[time].values
    if time is not None:
        return np.asarray(time)
    return data.coords[along].values if along in data.coords else None


def _chunks(cube: Any, along: str) -> dict[Any, int]:
    """Blocks over the first dimensions of space of data in memory."""
    size, chunks = cube.sizes[along], {along: -1}
    for name in reversed(cube.dims[:-1]):
        chunks[name] = max(1, min(cube.sizes[name], BLOCK_SAMPLES // max(size, 1)))
        size *= chunks[name]
    return chunks


def _in_memory(tests: Plan, values: Any, asked: Any, progress: ProgressOption) -> Any:
    from ews._analysis.many.run import _rows

    rows = values.reshape(-1, values.shape[-1])
    mask = None if asked is None else asked.values.reshape(-1)
    return _rows(tests, rows, mask, progress).reshape(*values.shape[:-1], len(FIELDS))


def _pooled(tests: Plan, blocks: Any, mask: Any) -> Any:
    """The plan with its pool, which is drawn when the first block is tested."""
    dask = needed("dask", "grid")
    parts = blocks.to_delayed()
    asked = None if mask is None else mask.to_delayed()
    places = list(np.ndindex(*parts.shape[:-1]))
    if len(places) > _SAMPLED:
        places = [places[at] for at in np.linspace(0, len(places) - 1, _SAMPLED).round().astype(int)]
    sample, plan = dask.delayed(_sample), dask.delayed(tests, traverse=False)
    most = -(-PIXELS // len(places))
    each = [sample(plan, parts[(*at, 0)], None if asked is None else asked[at], most) for at in places]
    return dask.delayed(_with_pool)(plan, each)


def _sample(tests: Plan, block: Any, mask: Any, most: int) -> Any:
    return tests.sample(block, mask, most)


def _with_pool(tests: Plan, samples: Any) -> Plan:
    return tests.with_pool(samples)


def _lazy(tests: Any, blocks: Any, mask: Any, da: Any) -> Any:
    """Fields of a dask array, (…, n), as one, (…, fields)."""
    options = {
        "dtype": np.float64,
        "drop_axis": blocks.ndim - 1,
        "new_axis": blocks.ndim - 1,
        "chunks": (*blocks.chunks[:-1], (len(FIELDS),)),
        "meta": np.empty((0,) * blocks.ndim),
        "name": None,
    }
    if mask is None:
        return da.map_blocks(_whole, blocks, tests=tests, **options)
    return da.map_blocks(_masked, blocks, mask[..., None], tests=tests, **options)


def _whole(block: Any, tests: Plan) -> Any:
    return tests.block(block)


def _masked(block: Any, mask: Any, tests: Plan) -> Any:
    return tests.block(block, mask[..., 0])


def dataset_of(fields: Any, cube: Any, along: str, config: DetectManyConfig) -> Any:
    """The maps of fields, (…, fields), over the space of a cube."""
    xr = needed("xarray", "grid")
    space = cube.dims[:-1]
    coords = {name: one for name, one in cube.coords.items() if along not in one.dims}
    k, first = len(TESTS), FIELDS.index("z_0")
    unit = "1"

    def one(name: str, kind: Any, **attrs: Any) -> Any:
        return xr.DataArray(fields[..., FIELDS.index(name)].astype(kind), dims=space, attrs=attrs)

    def flags(name: str, words: tuple[str, ...], long: str, lowest: int) -> Any:
        codes = np.arange(lowest, len(words), dtype=np.int8)
        named = [*(["not_tested"] if lowest < 0 else []), *(word.replace(" ", "_") for word in words)]
        return one(name, np.int8, long_name=long, flag_values=codes, flag_meanings=" ".join(named), units=unit)

    p = one("pvalue", np.float64, long_name="smallest family-wise p-value of a test that may warn", units=unit)
    found = {
        "verdict": flags("verdict", VERDICTS, "early-warning verdict", -1),
        "kind": flags("kind", KINDS, "what moved", -1),
        "reason": flags("reason", REASONS, "why there is no answer", 0),
        "n": one("n", np.int32, long_name="number of observations used", units=unit),
        "p": p,
        "q": xr.DataArray(_over_the_map(p.data, config.fdr), dims=space,
                          attrs={"long_name": f"q-value over the map ({config.fdr})", "units": unit}),
        "drift": one("drift", np.float64, long_name="change of the lag-1 coefficient over the record", units=unit),
        "power": one("power", np.float64, long_name="share of positive controls that would have warned", units=unit),
    }  # fmt: skip
    for name, start, long in (("z", first, "score of the test"), ("p_test", first + k, "family-wise p-value")):
        values = fields[..., start : start + k]
        found[name] = xr.DataArray(values, dims=(*space, "test"), attrs={"long_name": long, "units": unit})
    own = ("units", "long_name", "standard_name", "cell_methods", "valid_range", "_FillValue", "missing_value")
    attrs = {name: one for name, one in cube.attrs.items() if name not in own}
    attrs |= {
        "title": "early-warning signals",
        "source_variable": "" if cube.name is None else str(cube.name),
        "source_long_name": str(cube.attrs.get("long_name", "")),
        "source_units": str(cube.attrs.get("units", "")),
        "time_dimension": along,
        "Conventions": "CF-1.11",
        "earlywarning": json.dumps(asdict(config)),
    }
    names = xr.DataArray(np.array(TESTS, dtype=object), dims="test", attrs={"long_name": "score test"})
    return xr.Dataset(found, coords={**coords, "test": names}, attrs=attrs)


def _over_the_map(p: Any, fdr: Any) -> Any:
    """q-values of all pixels at once; lazy where p is."""
    if isinstance(p, np.ndarray):
        return false_discovery(p, method=fdr)
    return p.rechunk(-1).map_blocks(false_discovery, method=fdr, dtype=np.float64, meta=np.empty((0,) * p.ndim))
