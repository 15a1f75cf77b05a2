"""A satellite record on a cluster: series a second and peak memory of ``ews.detect_many`` on dask, maps to zarr.

``python -m benchmarks.maps --side 2000 --times 300 --workers 2`` generates the grid lazily (AR(1) noise, a tenth
missing, single precision), tests each pixel with the tabulated null, and adds a line to
``docs/generated/maps_speed.csv``.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables

SEED = 20_261_129
MISSING = 0.1


def block(block_info: Any = None) -> np.ndarray:
    """One chunk of the grid, whose coefficient varies over space."""
    place = block_info[None]["array-location"]
    rows, columns, times = (stop - start for start, stop in place)
    rng = np.random.default_rng([SEED, place[0][0], place[1][0]])
    x = rng.standard_normal((times, rows, columns), dtype=np.float32)
    down = np.sin(np.arange(place[0][0], place[0][1]) / 100.0)[:, None]
    across = np.sin(np.arange(place[1][0], place[1][1]) / 70.0)
    phi = (0.4 + 0.2 * (down + across)).astype(np.float32)
    for t in range(1, times):
        x[t] += phi * x[t - 1]
    x[rng.random(x.shape, dtype=np.float32) < MISSING] = np.nan
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(side: int, times: int, chunk: int, workers: int) -> dict[str, object]:
    """One run, from nothing: tables and the start of the workers' kernels included."""
    import dask.array as da
    import xarray as xr
    from distributed import Client, LocalCluster

    sizes = tuple(min(chunk, side - start) for start in range(0, side, chunk))
    data = da.map_blocks(block, chunks=(sizes, sizes, (times,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    cube = xr.DataArray(data, dims=("y", "x", "time"), name="NDVI")
    folder = Path(tempfile.mkdtemp())
    try:
        with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as made, Client(made) as at:
            started = time.perf_counter()
            maps: Any = ews.detect_many(cube, null="table", store=folder / "maps.zarr")
            spent = time.perf_counter() - started
            peaks = at.run(peak).values()
            found = maps.load()
        return {
            "grid": f"{side} × {side} × {times}",
            "chunk": f"{chunk} × {chunk}",
            "workers": workers,
            "seconds": spent,
            "series a second": side * side / spent,
            "peak of a worker, GB": max(peaks) / 1e9,
            "warns at q ≤ 0.05": float((found.q <= 0.05).mean()),
            "p ≤ 0.05": float((found.p <= 0.05).mean()),
        }
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Run once, and add to the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    line = measured(**vars(parser.parse_args()))
    file = tables.FOLDER / "maps_speed.csv"
    before = [pd.read_csv(file)] if file.exists() else []
    tables.write("maps_speed", pd.concat([*before, pd.DataFrame([line])], ignore_index=True))


if __name__ == "__main__":
    main()
