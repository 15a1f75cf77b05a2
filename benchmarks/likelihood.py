"""Time the bootstrap of the likelihood ratio and its parts; prints one JSON object.

``seconds`` is the wall clock of the whole call, ``processor_seconds`` what its threads used: on an idle machine with as
many processors as ``threads`` the first is about the second divided by their number.
"""

from __future__ import annotations

import json
import math
import os
import time

import numpy as np

from ews.bifurcations import likelihood

OBSERVATIONS = 100
SERIES = 500


def red_noise(n: int, seed: int) -> np.ndarray:
    """A stationary autoregression about a level of 100."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(n)
    for i in range(1, n):
        x[i] = 0.6 * x[i - 1] + 0.8 * x[i]
    return 100.0 + 2.0 * x


def timed(**choices: object) -> dict[str, float]:
    """Wall clock and processor time of one call, after one that compiles."""
    values = red_noise(OBSERVATIONS, 1)
    likelihood(values, n_bootstrap=2, **choices)
    wall, used = time.perf_counter(), time.process_time()
    likelihood(values, n_bootstrap=SERIES, **choices)
    return {
        "seconds": round(time.perf_counter() - wall, 3),
        "processor_seconds": round(time.process_time() - used, 3),
    }


def main() -> None:
    """Print the numbers."""
    chosen = os.environ.get("EWS_NUM_THREADS")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        json.dumps(
            {
                "observations": OBSERVATIONS,
                "series": 2 * SERIES,
                "threads": int(chosen) if chosen else available,
                "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else math.nan,
                "saddle-node, towards": timed(),
                "saddle-node, free": timed(drift="free"),
                "transcritical, towards": timed(alternative="transcritical"),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
