"""Maps written to zarr block by block, each marked when it is whole, so that an interrupted run is taken up again."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ews._analysis.many.codes import FIELDS, TESTS
from ews._analysis.many.plan import Plan
from ews._analysis.many.result import DetectManyConfig
from ews._common.extras import needed
from ews._common.false_discovery import false_discovery
from ews._common.progress import ProgressOption
from ews.errors import ArgumentError, MissingExtraError, described

__all__ = ["write"]

_PROGRESS, _DONE = "earlywarning_progress", "done"


def write(
    template: Any,
    tests: Plan,
    held: Any,
    blocks: Any,
    mask: Any,
    config: DetectManyConfig,
    *,
    store: Any,
    resume: bool,
    progress: ProgressOption,
) -> Any:
    """Test blocks that are not written yet, write them, then q over all; gives the Dataset, opened lazily.

    `held` is the plan, or what gives it once a pool is drawn.
    """
    xr, zarr = needed("xarray", "grid"), needed("zarr", "grid")
    if not hasattr(zarr.Group, "create_array"):
        raise MissingExtraError(f"this needs zarr 3, not {zarr.__version__}: pip install 'earlywarning[grid]'")
    path = os.fspath(store)
    chunks = blocks.chunks[:-1]
    identity = _identity(template, tests, blocks, mask)
    counts = tuple(map(len, chunks)) or (1,)
    if not _begun(path):
        if "://" not in path and Path(path).exists():
            raise ArgumentError("store", described(f"{path}, which is there and holds something else"), "a new name")
        _lay_out(template, path, chunks, zarr, counts, identity)
    elif not resume:
        raise ArgumentError("store", described(f"{path}, which exists"), "a new name, or resume=True to go on with it")
    group = zarr.open_group(path, mode="r+")
    marks = group[_PROGRESS]
    if marks.attrs.get("identity") != identity:
        given = described(f"{path}, begun with other data, chunks or choices")
        raise ArgumentError("store", given, "a new name, or the run that began it")
    done = marks[_DONE]
    written = np.asarray(done[...]).reshape(counts) == 1
    wanted = [place for place in np.ndindex(*counts) if not written[place]]
    _run(blocks, mask, chunks, wanted, held, path, progress, int(np.prod(counts)))
    if not marks.attrs.get("finished"):
        group["q"][...] = false_discovery(group["p"][...], method=config.fdr)  # type: ignore[arg-type]
        marks.attrs["finished"] = True
    return xr.open_zarr(path, consolidated=False)


def _begun(path: str) -> bool:
    """Whether a run was laid out there, marks and all."""
    zarr = needed("zarr", "grid")
    try:
        marks = zarr.open_group(path, mode="r")[_PROGRESS]
    except (KeyError, FileNotFoundError, ValueError):
        return False
    return bool(marks.attrs.get("identity"))


def _digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for one in arrays:
        found.update(one.astype(str).tobytes() if one.dtype.kind == "O" else np.ascontiguousarray(one).tobytes())
    return found.hexdigest()[:16]


def _identity(template: Any, tests: Plan, blocks: Any, mask: Any) -> str:
    """What has to be the same for a run to be taken up again."""
    said = {
        "shape": blocks.shape,
        "dtype": str(blocks.dtype),
        "chunks": blocks.chunks[:-1],
        "dims": list(map(str, template["p"].dims)),
        "variable": template.attrs["source_variable"],
        "coordinates": _digest(*(template[name].values for name in template["p"].dims if name in template.coords)),
        "time": _digest(np.asarray(tests.time)),
        "where": None if mask is None else _digest(mask.compute()),
        "config": template.attrs["earlywarning"],
    }
    return json.dumps(said, default=str)


def _lay_out(template: Any, path: str, chunks: Any, zarr: Any, counts: tuple[int, ...], identity: str) -> None:
    sizes = tuple(one[0] for one in chunks)
    encoding = {
        name: {"chunks": (*sizes, len(TESTS)) if "test" in template[name].dims else sizes}
        for name in template.data_vars
        if template[name].ndim
    }
    laid = template.drop_encoding().chunk(dict(zip(template["p"].dims, sizes, strict=True)))
    local = "://" not in path
    draft = f"{path}.part" if local else path  # a folder that is there is whole
    laid.to_zarr(draft, mode="w", compute=False, encoding=encoding, consolidated=False)
    marks = zarr.open_group(draft, mode="r+").create_group(_PROGRESS, overwrite=True)
    one = (1,) * len(counts)
    marks.create_array(_DONE, shape=counts, chunks=one, dtype="int8", fill_value=0)
    marks.attrs["identity"] = identity
    if local:
        Path(draft).rename(path)


def _places(chunks: Any, place: tuple[int, ...]) -> tuple[slice, ...]:
    found = []
    for sizes, at in zip(chunks, place, strict=False):
        start = sum(sizes[:at])
        found.append(slice(start, start + sizes[at]))
    return tuple(found)


def _run(
    blocks: Any,
    mask: Any,
    chunks: Any,
    wanted: list[tuple[int, ...]],
    held: Any,
    path: str,
    progress: ProgressOption,
    total: int,
) -> None:
    dask = needed("dask", "grid")
    each = dask.delayed(_write_block)
    plan = dask.delayed(held, traverse=False) if isinstance(held, Plan) else held
    if wanted and _client() is None:  # tasks go to it a few at a time: a pool is drawn once for all
        (plan,) = dask.persist(plan)
    data = blocks.to_delayed()
    asked = None if mask is None else mask.to_delayed()
    tasks = []
    for place in wanted:
        at = place if chunks else ()
        part = None if asked is None else asked[at] if at else asked[()]
        tasks.append(each(data[(*at, 0)], part, plan, path, _places(chunks, at), place))
    before = total - len(tasks)
    for count, _ in enumerate(_finished(dask, tasks), start=1):
        if callable(progress):
            progress(before + count, total)


def _finished(dask: Any, tasks: list[Any]) -> Iterator[Any]:
    """Tasks as they end: of the cluster where one is connected, else a few at a time on the scheduler that is set."""
    client = _client()
    if client is not None:
        ended: Any = needed("distributed", "grid").as_completed
        for future in ended(client.compute(tasks)):
            yield future.result()
            future.release()
        return
    step = 2 * (os.cpu_count() or 1)
    for start in range(0, len(tasks), step):
        yield from dask.compute(*tasks[start : start + step])


def _client() -> Any:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


_VARIABLES = ("verdict", "kind", "reason", "n", "p", "drift", "power", "z", "p_test")


def _write_block(
    block: Any, mask: Any, tests: Plan, path: str, region: tuple[slice, ...], place: tuple[int, ...]
) -> None:
    """Test one block, write its maps, then mark it."""
    zarr = needed("zarr", "grid")
    fields = tests.block(block, mask)
    group = zarr.open_group(path, mode="r+")
    k, first = len(TESTS), FIELDS.index("z_0")
    named = {name: fields[..., i] for i, name in enumerate(FIELDS[:first])}
    named |= {"p": named.pop("pvalue"), "z": fields[..., first : first + k], "p_test": fields[..., first + k :]}
    for name in _VARIABLES:
        array = group[name]
        array[region if region else ...] = named[name].astype(array.dtype)
    group[_PROGRESS][_DONE][place] = 1
