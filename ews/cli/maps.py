"""``ews map``: a cube in a file to maps in another, block by block, on this machine or on a cluster."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from ews.cli.output import messages, progress_bar, show, write_figure
from ews.errors import ArgumentError, UnknownNameError, described

__all__ = ["run"]

_RATE = 0.05
_NETCDF = ("h5netcdf", "netCDF4")  # what xarray reads netCDF 4 with


def run(
    file: Path,
    *,
    variable: str | None,
    out: Path,
    dim: str | None,
    scheduler: str | None,
    resume: bool,
    figure: Path | None,
    force: bool,
    options: dict[str, Any],
) -> None:
    """Open, test, write, and say what was found."""
    from ews import detect_many, map_figure
    from ews._common.extras import needed

    xr, _ = needed("xarray", "grid"), needed("dask.array", "grid")
    if out.suffix != ".zarr":
        raise ArgumentError("--out", described(str(out)), "a name that ends in .zarr")
    if scheduler is not None and str(out) == str(file):
        raise ArgumentError("--out", described(str(out)), "another folder than the input")
    with _opened(xr, file) as data:
        cube = _variable(data, variable)
        along = dim or _dimension(cube)
        if along is not None and along in cube.dims:
            cube = cube.chunk({name: -1 if name == along else "auto" for name in cube.dims})
        with _scheduler(scheduler), progress_bar("testing") as report:
            found: Any = detect_many(cube, dim=along, store=out, resume=resume, progress=report, **options)
            maps = found.load()
    show(_said(maps, out))
    if figure is not None:
        write_figure(figure, map_figure(maps), dpi=300, force=force)
        messages().print(f"wrote {figure}", markup=False, soft_wrap=True)


@contextmanager
def _opened(xr: Any, file: Path) -> Iterator[Any]:
    """The data set in a folder of zarr or a netCDF file, lazily."""
    from ews._common.extras import importable, needed

    if not file.exists():
        raise ArgumentError("FILE", described(f"{file}, which is not there"), "a folder of zarr, or a netCDF file")
    if file.is_dir():
        needed("zarr", "grid")
    elif not any(map(importable, _NETCDF)):
        needed("h5netcdf", "grid")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated metadata", RuntimeWarning)
            data = xr.open_zarr(file, chunks={}) if file.is_dir() else xr.open_dataset(file, chunks={})
    except (ValueError, OSError, KeyError) as error:
        said = str(error)
        if "did not find a match" in said:  # of xarray, which then lists what it can be told to read with
            why = "is neither"
        else:
            why = f"cannot be read ({shorten(said, 60, placeholder=' …')})"
        given = described(f"{file}, which {why}")
        raise ArgumentError("FILE", given, "a folder of zarr, or a netCDF file") from None
    with data:
        yield data


def _variable(data: Any, name: str | None) -> Any:
    """The variable that was named, or the only one of numbers over several dimensions."""
    known = [str(one) for one in data.data_vars if data[one].dtype.kind in "fiub" and data[one].ndim > 1]
    if name is not None:
        if name not in data.data_vars:
            raise UnknownNameError("--var", name, known)
        return data[name]
    timed = [one for one in known if _dimension(data[one]) is not None]
    known = timed if len(timed) == 1 else known  # a mask has no time
    if len(known) != 1:
        listed = ", ".join(map(repr, known)) or "none"
        raise ArgumentError("--var", described(f"nothing, of the variables {listed}"), "the name of one")
    return data[known[0]]


def _dimension(cube: Any) -> str | None:
    from ews._common.labelled import time_dimension

    return time_dimension(cube)


@contextmanager
def _scheduler(address: str | None) -> Iterator[None]:
    """A cluster by its address; without one, threads of this process."""
    if address is None:
        yield
        return
    from ews._common.extras import needed

    distributed = needed("distributed", "grid")
    try:
        distributed.comm.resolve_address(address)  # a client that cannot is long in closing
        # No default yet: one that found no scheduler would be asked for all that this process computes later.
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        given = described(f"{address}, where no scheduler answers ({type(error).__name__})")
        raise ArgumentError("--scheduler", given, "an address such as tcp://host:8786") from None
    with client, client.as_current():
        yield


def _said(maps: Any, out: Path) -> str:
    """How many pixels came out how."""
    lines = []
    for name in ("verdict", "reason"):
        words = maps[name].attrs["flag_meanings"].split()
        codes = np.asarray(maps[name].attrs["flag_values"])
        counts = [(word, int((maps[name].values == code).sum())) for word, code in zip(words, codes, strict=True)]
        shown = [f"{count:,} {word.replace('_', ' ')}" for word, count in reversed(counts) if count]
        lines.append(f"{name}: {', '.join(shown)}")
    found = int((maps["q"].values <= _RATE).sum())
    lines.append(f"at a false discovery rate of {_RATE:g} over the map, {found:,} warn")
    return "\n".join([*lines, f"wrote {out}"])
