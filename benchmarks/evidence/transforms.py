"""What the scale of the values does to warnings: noise whose spread follows a rising level, in which nothing changes.

Each series is AR(1) noise (lag-1 coefficient 0.5) around a level that rises from 20 to 150: multiplied, as biomass;
added, as a temperature; or counted, as Poisson counts of such a level. No resilience is lost in any, so that every
warning is false. By scale of the values: the share that trends of indicators warn of, which take variance that rises
for a warning; beside it what the score tests say of the values as measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables

SERIES = 40  # by trends of indicators
SCORED = 1000  # by the score tests
N = 150
FIRST, LAST = 20.0, 150.0
SEED = 20_261_128
SCALES = (None, "log", "sqrt", "anscombe")


def make(kind: str, seed: int) -> Any:
    """One series of this kind."""
    noise = ews.nulls.AR1(0.5, 1.0, N).draw(0, 1, seed=seed)[0] * np.sqrt(1 - 0.5**2)
    level = np.geomspace(FIRST, LAST, N)
    if kind == "SD a share of the level (biomass)":
        return level * np.exp(0.4 * noise)
    if kind == "counts (Poisson)":
        return np.random.default_rng([SEED, seed]).poisson(level).astype(float)
    return level + 5.0 * noise


def main() -> None:
    """Write docs/generated/transforms.csv."""
    lines = []
    for kind in ("SD a share of the level (biomass)", "counts (Poisson)", "SD that stays"):
        rows = [make(kind, SEED + place) for place in range(SERIES)]
        line: dict[str, object] = {"noise": kind, "series": SERIES}
        for scale in SCALES:
            if scale is not None and min(row.min() for row in rows) <= 0:
                line[scale] = np.nan
                continue
            found = [ews.detect(row, transform=scale, method="kendall", seed=place) for place, row in enumerate(rows)]
            line["as measured" if scale is None else scale] = np.mean([one.verdict == "warning" for one in found])  # type: ignore[union-attr]
            if scale is None:
                spreads = [one.spread for one in found]  # type: ignore[union-attr]
                line["Taylor exponent"] = np.median([one.exponent for one in spreads if one is not None])
                line["report says so"] = np.mean([one is not None and one.matters for one in spreads])
        for scale, name in ((None, "score tests"), ("log", "score tests, log")):
            tests = [ews.score_tests(make(kind, SEED + i), transform=scale, seed=i % 20) for i in range(SCORED)]
            line[f"warning, {name}"] = np.mean([one.warning for one in tests])
            line[f"variance only, {name}"] = np.mean([bool(one.kinds) and not one.warning for one in tests])
        lines.append(line)
    scored = [name for name in lines[0] if "score tests" in name]
    order = ["noise", "series", "Taylor exponent", "report says so", *scored, "as measured", *SCALES[1:]]
    tables.write("transforms", pd.DataFrame(lines)[order].round(3))


if __name__ == "__main__":
    main()
