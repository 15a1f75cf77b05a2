"""What a user waits for before any number: imports, cached kernels, the first compilation; and the memory of a test.

Each is measured in a new process, since a process can do it once only.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["cold_compilation", "first_detect", "import_time", "long_record", "peak_memory"]

FIRST_DETECT = """
import sys, time
import numpy as np
series = np.random.default_rng(1).standard_normal(1000)
before, used = time.perf_counter(), time.process_time()
import ews
ews.detect(series)
seconds, processor = time.perf_counter() - before, time.process_time() - used
import json
own = {"ews", "numpy", *sys.stdlib_module_names}
specs = {name: getattr(module, "__spec__", None) for name, module in sys.modules.items()}
# Some modules stand under a second name, under which they cannot be imported.
loaded = [name for name, spec in specs.items() if spec and spec.name == name and name.split(".")[0] not in own]
print(json.dumps({"seconds": seconds, "processor": processor, "loaded": loaded}))
"""

# Dependencies: what `detect` loads from outside of numpy (there already), itself and the standard library.
ONLY_DEPENDENCIES = """
import importlib, json, sys, time
import numpy as np
names = json.load(sys.stdin)
before = time.perf_counter()
for name in names:
    importlib.import_module(name)
print(json.dumps({"seconds": time.perf_counter() - before}))
"""

MEMORY = """
import json, sys, tracemalloc
import numpy as np
import ews
n, *counts = map(int, sys.argv[1:])
noise = np.random.default_rng(1).standard_normal(n)

def test(count):
    ews.significance(noise, indicators=("variance", "ac1"), n_surrogates=count)

test(64)  # loads the kernels
peaks = []
for count in counts:
    tracemalloc.start()
    test(count)
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
print(json.dumps(peaks))
"""

# What the process holds beyond what kernels and libraries took for a shorter record; Linux counts the most anew.
LONG_RECORD = """
import json, sys, time
import ews

def held(line):
    with open("/proc/self/status") as status:
        return next(1024 * int(one.split()[1]) for one in status if one.startswith(line))

n = int(sys.argv[1])
series = ews.nulls.AR1(0.5, 1.0, n).draw(0, 1, seed=1)[0]
ews.detect(series[:20_000])
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before, start = held("VmRSS"), time.perf_counter()
found = ews.detect(series)
most = held("VmHWM")
found.summary()
print(json.dumps({"seconds": time.perf_counter() - start, "times": (most - before) / (8 * n)}))
"""


def import_time(repeats: int = 21) -> dict[str, float]:
    """Median seconds of whole processes that import numpy, and numpy and ews, run in turn."""
    ways = {"numpy": "import numpy", "numpy and ews": "import numpy, ews"}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, code in ways.items():
            start = time.perf_counter()
            _run(code)
            if turn:  # the first fills the file cache
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in taken.items()}


def first_detect(repeats: int = 9) -> dict[str, float]:
    """Median seconds of ``import ews`` and a first ``detect``, kernels on disk, and of its dependencies' imports alone.

    The dependencies are the modules that such a process was seen to load, imported one after the other by a process
    that does nothing else; both have loaded numpy before the clock starts.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run(FIRST_DETECT, EWS_CACHE_DIR=folder)  # the first process compiles
        names = json.dumps(json.loads(_run(FIRST_DETECT, EWS_CACHE_DIR=folder).stdout)["loaded"])
        taken: dict[str, list[float]] = {"detect": [], "dependencies": []}
        for _ in range(repeats):
            taken["detect"].append(json.loads(_run(FIRST_DETECT, EWS_CACHE_DIR=folder).stdout)["seconds"])
            taken["dependencies"].append(json.loads(_run(ONLY_DEPENDENCIES, given=names).stdout)["seconds"])
    return {name: statistics.median(each) for name, each in taken.items()}


def cold_compilation(repeats: int = 3) -> tuple[float, str]:
    """Median seconds of ``import ews`` and a first ``detect`` in a new cache folder, and what it said on stderr."""
    taken, said = [], ""
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            done = _run(FIRST_DETECT, EWS_CACHE_DIR=folder)
            said = done.stderr.strip().replace(folder, "EWS_CACHE_DIR")
        taken.append(json.loads(done.stdout)["seconds"])
    return statistics.median(taken), said


def peak_memory(n: int, *counts: int) -> list[float]:
    """Peak bytes of the arrays and objects of tests on two indicators, with each number of surrogates of length `n`.

    The resident memory of the process says less: compiling, or loading, kernels has taken more before.
    """
    peaks: list[float] = json.loads(_run(MEMORY, arguments=(str(n), *map(str, counts))).stdout)
    return peaks


def long_record(n: int) -> tuple[float, float]:
    """Seconds of the default answer for a record of `n` samples, and its memory in units of the record's own.

    The report is in the time, not in the memory: its change points need more.
    """
    found = json.loads(_run(LONG_RECORD, arguments=(str(n),)).stdout)
    return found["seconds"], found["times"]


def _run(
    code: str, *, given: str | None = None, arguments: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a new process, in the folder of this repository."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=given,
        env={**os.environ, **environment},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
