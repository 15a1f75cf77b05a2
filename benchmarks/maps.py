"""A satellite record on a cluster: series a second and peak memory of ``ews.detect_many`` on dask, maps to zarr.

``python -m benchmarks.maps --side 2000 --times 300 --workers 2`` generates the grid lazily (AR(1) noise, a tenth
missing, single precision), tests each pixel with the tabulated null, and puts a line into
``docs/generated/maps_speed.csv``: with ``--tables drawn`` from nothing, else with tables that lie on disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables as written
from ews._kernels.jit import cache_folder

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


def measured(side: int, times: int, chunk: int, workers: int, tables: str) -> dict[str, object]:
    """One run, generation of the grid, the load of kernels by each worker and writing of the maps included."""
    import dask.array as da
    import xarray as xr
    from distributed import Client, LocalCluster

    sizes = tuple(min(chunk, side - start) for start in range(0, side, chunk))
    data = da.map_blocks(block, chunks=(sizes, sizes, (times,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    cube = xr.DataArray(data, dims=("y", "x", "time"), name="NDVI")
    folder = Path(tempfile.mkdtemp())
    kept = cache_folder()
    if tables == "drawn" and kept is not None:
        shutil.rmtree(kept / "tables", ignore_errors=True)
    os.environ["EWS_NUM_THREADS"] = "1"  # of a worker: each has one processor
    try:
        with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as made, Client(made) as at:
            before = sum(at.run(time.process_time).values()) + time.process_time()
            started = time.perf_counter()
            maps: Any = ews.detect_many(cube, null="table", store=folder / "maps.zarr")
            spent = time.perf_counter() - started
            busy = sum(at.run(time.process_time).values()) + time.process_time() - before
            peaks = at.run(peak).values()
            found = maps.load()
        return {
            "grid": f"{side} × {side} × {times}",
            "chunk": f"{chunk} × {chunk}",
            "workers": workers,
            "tables": tables,
            "seconds": spent,
            "series a second": side * side / spent,
            "processor seconds": busy,
            "series a processor second": side * side / busy,
            "peak of a worker, GB": max(peaks) / 1e9,
            "warns at q ≤ 0.05": float((found.q <= 0.05).mean()),
            "p ≤ 0.05": float((found.p <= 0.05).mean()),
        }
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Run once, and put a line into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--chunk", type=int, default=250)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tables", choices=("drawn", "kept"), default="drawn")
    line = pd.DataFrame([measured(**vars(parser.parse_args()))])
    file = written.FOLDER / "maps_speed.csv"
    if file.exists():
        line = pd.concat([pd.read_csv(file), line], ignore_index=True)
    written.write("maps_speed", line.drop_duplicates(["grid", "chunk", "workers", "tables"], keep="last"))


if __name__ == "__main__":
    main()
