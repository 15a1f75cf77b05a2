"""Most memory that a package takes for a statistic, beyond the series: each in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side import LONGEST, STATISTICS, WINDOW

__all__ = ["peak"]

_SCRIPT = """
import json, pathlib, sys
from benchmarks.comparisons import noise
from benchmarks.side_by_side import STATISTICS

way = STATISTICS[sys.argv[1]][sys.argv[2]]
n, window = int(sys.argv[3]), int(sys.argv[4])
way(noise(2_000), window)  # imports, compiles
x = noise(n)

def resident(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])

pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
kept = way(x, window)
print(json.dumps(resident("VmHWM") - before))
"""


def peak(statistic: str, package: str, n: int) -> float | None:
    """Bytes beyond what the process held before the call, its results included.

    None where the package has no such statistic, takes too long for one, or the system does not tell.
    """
    asked = package in STATISTICS[statistic] and n <= LONGEST.get((package, statistic), n)
    if not asked or not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, statistic, package, str(n), str(WINDOW)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))
