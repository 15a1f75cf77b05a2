"""Maps written to zarr block by block, each marked when it is whole, so that an interrupted run is taken up again."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ews._analysis.many.codes import FIELDS, REASONS, TESTS
from ews._analysis.many.plan import Plan
from ews._analysis.many.result import DetectManyConfig
from ews._common.extras import needed
from ews._common.false_discovery import false_discovery
from ews._common.progress import ProgressOption
from ews.errors import ArgumentError, InputTypeError, MissingExtraError, described

__all__ = ["write"]

_PROGRESS, _DONE = "earlywarning_progress", "digest"  # of the data of each block, 0 until it is whole
_LAYOUT = 2
_INCOMPLETE = "incomplete"  # an attribute of maps until they are whole
_UNREACHED = {"verdict": -1, "kind": -1, "reason": REASONS.index("not reached"), "n": 0}  # else NaN


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

    `held` is the plan, or what gives it once a pool is drawn. Blocks that are written are read again, and refused where
    they were of other values.
    """
    xr, zarr = needed("xarray", "grid"), needed("zarr", "grid")
    if not hasattr(zarr.Group, "create_array"):
        raise MissingExtraError(f"this needs zarr 3, not {zarr.__version__}: pip install 'earlywarning[grid]'")
    path = _path(store)
    identity = _identity(template, tests, blocks, mask)
    blocks, mask = _even(blocks, mask)
    chunks = blocks.chunks[:-1]
    counts = tuple(map(len, chunks)) or (1,)
    if not _begun(path):
        if "://" not in path and Path(path).exists():
            raise ArgumentError("store", described(f"{path}, which is there and holds something else"), "a new name")
        _lay_out(template, path, chunks, counts, identity)
    elif not resume:
        raise ArgumentError("store", described(f"{path}, which exists"), "a new name, or resume=True to go on with it")
    group = _group(path, "r+")
    marks = group[_PROGRESS]
    if marks.attrs.get("identity") != identity:
        given = described(f"a folder begun with other data, chunks, choices or version, {path}")
        raise ArgumentError("store", given, "a new name, or the run that began it")
    digests = np.asarray(marks[_DONE][...]).reshape(counts)
    _verify(blocks, digests, path, progress)
    _run(blocks, mask, digests, held, path, progress)
    if not marks.attrs.get("finished"):
        group["q"][...] = false_discovery(group["p"][...], method=config.fdr)  # type: ignore[arg-type]
        if _INCOMPLETE in group.attrs:
            del group.attrs[_INCOMPLETE]
        _consolidate(path)
        marks.attrs["finished"] = True
    return xr.open_zarr(path, consolidated=False)


def _path(store: Any) -> str:
    try:
        path = os.fspath(store)
    except TypeError:
        path = b""
    if not isinstance(path, str):
        raise InputTypeError("store", store, "the name or path of a folder")
    return path


def _group(path: str, mode: str) -> Any:
    """The group as it is, not as it was when its metadata were last gathered."""
    return needed("zarr", "grid").open_group(path, mode=mode, use_consolidated=False)


def _consolidate(path: str) -> None:
    """Gather metadata, without which xarray warns its reader; zarr warns that its format 3 does not know them yet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        needed("zarr", "grid").consolidate_metadata(path)


def _even(blocks: Any, mask: Any) -> tuple[Any, Any]:
    """Blocks of one size but at the ends, as chunks on disk are: two that shared one would undo each other's work."""
    sizes = tuple(max(one) for one in blocks.chunks[:-1])
    return blocks.rechunk((*sizes, -1)), None if mask is None else mask.rechunk(sizes)


def _begun(path: str) -> bool:
    """Whether a run was laid out there, marks and all."""
    try:
        marks = _group(path, "r")[_PROGRESS]
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
        "layout": _LAYOUT,
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


def _lay_out(template: Any, path: str, chunks: Any, counts: tuple[int, ...], identity: str) -> None:
    sizes = tuple(one[0] for one in chunks)
    encoding: dict[Any, dict[str, Any]] = {}
    for name, one in template.data_vars.items():
        encoding[name] = {"fill_value": _UNREACHED.get(name, np.nan)}
        if one.ndim:
            encoding[name]["chunks"] = (*sizes, len(TESTS)) if "test" in one.dims else sizes
    laid = template.drop_encoding().chunk(dict(zip(template["p"].dims, sizes, strict=True)))
    # What is lazy is laid out only; coordinates are written now, and text as zarr has a name for it.
    written = {name: one.compute() for name, one in template.drop_encoding().coords.items()}
    laid = laid.assign_coords({k: one.astype(object) if one.dtype.kind == "U" else one for k, one in written.items()})
    laid = laid.assign_attrs({_INCOMPLETE: "blocks whose reason is not_reached are not written yet: take resume=True"})
    local = "://" not in path
    draft = f"{path}.part" if local else path  # a folder that is there is whole
    laid.to_zarr(draft, mode="w", compute=False, encoding=encoding, consolidated=False, zarr_format=3)
    marks = _group(draft, "r+").create_group(_PROGRESS, overwrite=True)
    marks.create_array(_DONE, shape=counts, chunks=(1,) * len(counts), dtype="uint64", fill_value=0)
    marks.attrs["identity"] = identity
    _consolidate(draft)
    if local:
        Path(draft).rename(path)


def _places(chunks: Any, place: tuple[int, ...]) -> tuple[slice, ...]:
    found = []
    for sizes, at in zip(chunks, place, strict=False):
        start = sum(sizes[:at])
        found.append(slice(start, start + sizes[at]))
    return tuple(found)


def _of_block(block: Any) -> int:
    """Digest of the values of a block, which are read a plane at a time; never 0."""
    found = hashlib.sha256()
    for part in np.atleast_2d(np.asarray(block)):
        found.update(np.ascontiguousarray(part).view(np.uint8).data)
    return int.from_bytes(found.digest()[:8]) or 1


def _same(block: Any, digest: int) -> bool:
    return _of_block(block) == digest


def _verify(blocks: Any, digests: Any, path: str, progress: ProgressOption) -> None:
    """Refuse a store whose finished blocks were of other values; reading them takes a small part of testing them."""
    dask = needed("dask", "grid")
    each, data = dask.delayed(_same), blocks.to_delayed()
    places = [place for place in np.ndindex(*digests.shape) if digests[place]]
    tasks = [each(data[(*place, 0) if blocks.ndim > 1 else (0,)], int(digests[place])) for place in places]
    for count, same in enumerate(_finished(dask, tasks), start=1):
        if not same:
            given = described(f"a folder begun with other data, of other values in a block that is done, {path}")
            raise ArgumentError("store", given, "a new name, or the data that it was begun with")
        if callable(progress):
            progress(count, digests.size)


def _run(blocks: Any, mask: Any, digests: Any, held: Any, path: str, progress: ProgressOption) -> None:
    dask = needed("dask", "grid")
    chunks = blocks.chunks[:-1]
    wanted = [place for place in np.ndindex(*digests.shape) if not digests[place]]
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
    total = digests.size
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
    digest = _of_block(block)
    fields = tests.block(block, mask)
    group = _group(path, "r+")
    k, first = len(TESTS), FIELDS.index("z_0")
    named = {name: fields[..., i] for i, name in enumerate(FIELDS[:first])}
    named |= {"p": named.pop("pvalue"), "z": fields[..., first : first + k], "p_test": fields[..., first + k :]}
    for name in _VARIABLES:
        array = group[name]
        array[region if region else ...] = named[name].astype(array.dtype)
    group[_PROGRESS][_DONE][place] = digest
