"""Areas of indicators and detectors on the stock benchmark: docs/generated/benchmark.csv."""

from __future__ import annotations

import pandas as pd

import ews
from benchmarks.evidence import tables

SEED = 20_261_123
N, REPLICATES = 300, 100
INDICATORS = ("variance", "ac1", ews.TrendScore("ac1", "both"), "skewness", "restoring_rate")
DETECTORS = ("langevin", "jacobian")  # with their own defaults, whatever the indicators' detrending
NULLS = ("constant", "white", "red 0.7", "pink", "trend", "step", "season", "spread")


def rows(detrend: str, methods: tuple[object, ...]) -> list[dict[str, object]]:
    """A row for each method and transition, a column for each null."""
    found = ews.benchmark(
        n=N, replicates=REPLICATES, methods=methods, nulls=NULLS, detrend=detrend, n_times=1, n_bootstrap=200, seed=SEED
    )
    return [
        {"detrending": detrend, "method": method, "transition": positive}
        | dict(zip(NULLS, (f"{area:.2f}" for area in areas), strict=True))
        for method in found.methods
        for positive, areas in zip(found.positives, found.auc(method), strict=True)
    ]


def main() -> None:
    """Run the benchmark with two detrendings."""
    lines = rows("gaussian", (*INDICATORS, *DETECTORS)) + rows("lowess", INDICATORS)
    tables.write("benchmark", pd.DataFrame(lines))


if __name__ == "__main__":
    main()
