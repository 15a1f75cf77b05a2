"""Rates of p ≤ 0.05 of the indicators that take longer, where nothing changes: AR(1) 0.7, 100 samples, one cell each.

Default pipeline, each series against its own fitted null. With 79 surrogates 0.05 is a possible p-value, as with 199.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.evidence import tables
from benchmarks.evidence.false_alarms import ALPHA, INDICATORS, LEVEL, autoregression, in_processes, pvalues
from ews.indicators import names

SEED = 20_261_123
SURROGATES = 79
SERIES = 2000
BLOCK = 100
N = 100


def slow() -> tuple[str, ...]:
    """Every registered indicator that has no cell of its own elsewhere."""
    return tuple(name for name in names() if name not in (*INDICATORS, "std"))


def count(block: int) -> np.ndarray:
    """Series of one block with p ≤ 0.05, and those whose trend is undefined, for each indicator."""
    generator = np.random.default_rng([SEED, block])
    raw = LEVEL + autoregression(0.7)(generator, BLOCK, N)
    seeds = generator.integers(2**62, size=BLOCK)
    found = [np.stack([p <= ALPHA, np.isnan(tau)]) for tau, p, _ in pvalues(raw, seeds, slow(), SURROGATES)]
    return np.sum(found, axis=0)


def main() -> None:
    """Write docs/generated/false_alarms_slow.csv."""
    small, undefined = sum(in_processes(count, [(block,) for block in range(SERIES // BLOCK)])) / SERIES
    table = pd.DataFrame(
        {
            "statistic": slow(),
            "null": "AR(1) 0.7",
            "kind": "matched",
            "n": N,
            "series": SERIES,
            "p ≤ 0.05": small,
            "trend undefined": undefined,
        }
    ).round(4)
    tables.write("false_alarms_slow", table)


if __name__ == "__main__":
    main()
