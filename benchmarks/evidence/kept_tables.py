"""What a kept table of surrogates costs: p-values by it beside those of surrogates with the record's own coefficient.

``ews.detect`` and ``ews.score_tests`` round the coefficient of red noise to a grid, so that records of one length share
their surrogates. Each of 10,000 still records of many memories is held against both, drawn from one seed, so that
nothing but the rounding differs.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from ews._analysis.score_tests.recording import recorded
from ews._analysis.score_tests.testing import Scoring, hold
from ews._significance.windows import check_test

SEED = 20_261_201
SERIES = 5000
SURROGATES = 999
SEEDS = 5
LENGTHS = (100, 400)
WORKERS = 2
TOLERANCE = 0.01


class Own(Scoring):
    """A record that shares its surrogates with no other."""

    @property
    def alike(self) -> Hashable | None:
        """None: nothing is rounded."""
        return None


def _pairs(rows: np.ndarray) -> np.ndarray:
    """Of each row four p-values and the smallest adjusted one, by a kept table and by surrogates of its own."""
    found = []
    for number, row in enumerate(rows):
        seed = number % SEEDS
        shared = ews.score_tests(row, n_surrogates=SURROGATES, seed=seed)
        config = shared.config
        how = {"detrend": config.detrend, "bandwidth": config.bandwidth, "causal": False, "season": None}
        pipeline = recorded(shared.series, **how, transform=None).pipeline
        test = check_test(null="ar1", n_surrogates=SURROGATES, alpha=0.05, seed=seed)
        choices = how | {"transform": None, "until": None, "missing": config.missing, "duplicates": config.duplicates}
        own = hold(shared.series, Own(pipeline, config.limit), test, choices).result
        found.append(
            [[*(one.pvalue for one in each.tests), min(one.adjusted for one in each.tests)] for each in (shared, own)]
        )
    return np.array(found)


def rows_of(n: int) -> np.ndarray:
    """Still red noise, coefficients from 0 to 0.9, (SERIES, n)."""
    rng = np.random.default_rng([SEED, n])
    coefficient = rng.uniform(0.0, 0.9, SERIES)
    x = rng.standard_normal((SERIES, n))
    x[:, 0] /= np.sqrt(1 - coefficient**2)
    for t in range(1, n):
        x[:, t] += coefficient * x[:, t - 1]
    return x


def compared(n: int) -> list[dict[str, object]]:
    """How far the p-values lie apart, one line for all and one for those up to 0.1."""
    with ProcessPoolExecutor(WORKERS) as pool:
        pairs = np.concatenate(list(pool.map(_pairs, np.array_split(rows_of(n), 8 * WORKERS))))
    names = ("memory towards +1", "memory towards -1", "damping", "variance", "smallest adjusted")
    lines: list[dict[str, object]] = []
    for place, name in enumerate(names):
        kept, own = pairs[:, 0, place], pairs[:, 1, place]
        apart, small = np.abs(kept - own), own <= 0.1
        lines.append(
            {
                "n": n,
                "p of": name,
                "records": SERIES,
                "mean difference": (kept - own).mean(),
                "95 % of absolute difference": np.quantile(apart, 0.95),
                "within 0.01": np.mean(apart <= TOLERANCE),
                "within 0.01 where p ≤ 0.1": np.mean(apart[small] <= TOLERANCE),
                "largest where p ≤ 0.1": apart[small].max(),
                "rejected, kept": np.mean(kept <= 0.05),
                "rejected, own": np.mean(own <= 0.05),
            }
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Write docs/generated/kept_tables.csv."""
    tables.write("kept_tables", pd.DataFrame([line for n in LENGTHS for line in compared(n)]).round(4))


if __name__ == "__main__":
    main()
