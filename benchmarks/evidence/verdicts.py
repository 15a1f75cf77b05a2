"""What ``detect`` says of real series, every choice fixed before the first run: docs/generated/verdicts.csv.

Cuts: lakes five days before the day of Peter Lake's peak; Lake Zurich at the published break point of each group; ice
cores right before the warming. Counts are taken as log(1 + x). Nothing else is chosen: the defaults of ``ews.detect``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables

# Peter Lake's phycocyanin peaks on day 180 of 2015; the same days of the lakes that were not fertilised are the
# control.
LAKE_CUT = 175
# Break points of Pomati et al.'s plankton groups, as published beside the data (year, month).
ZURICH = {
    "Cryptophytes (large)": (1996, 2),
    "Cryptophytes (small)": (1988, 10),
    "Cyanobacteria": (1986, 6),
    "Diatoms (large)": (2006, 8),
    "Diatoms (small)": (1996, 6),
    "Gold algae (large)": (1987, 6),
    "Gold algae (small)": (1996, 3),
    "Green algae (large)": (1987, 11),
    "Green algae (small)": (1988, 6),
    "Invertebrate predators": (1989, 10),
    "Large herbivores": (1992, 10),
    "Mixotrophic flagellates": (1996, 3),
    "Omnivores": (1986, 6),
}
STADIAL_YEARS = 1000
APART_YEARS = 1500


def cases() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """Group, name, series and options of each case."""
    for lake in ("peter", "paul"):
        data = ews.datasets.load(f"{lake}_lake_2015")
        for column in ("phycocyanin", "chlorophyll"):
            known = "fertilised, bloomed" if lake == "peter" else "control, no bloom"
            yield f"{lake.title()} Lake 2015", known, data[column], {"until": LAKE_CUT}
    zurich = ews.datasets.load("lake_zurich")
    for column, (year, month) in ZURICH.items():
        counts = np.log1p(zurich[column].to_frame()[column])
        cut = year + (month - 1) / 12
        yield "Lake Zurich", f"break {year}-{month:02d}", counts, {"until": cut, "season": 12, "missing": "interpolate"}
    for name, known in (
        ("younger_dryas", "before the end of the Younger Dryas"),
        ("daphnia", "food falls, extinct at the end"),
        ("glaciation", "before the end of a glaciation"),
        ("foldbif", "simulated, before a fold"),
        ("circulation", "simulated, before a collapse"),
        ("simulated_fold_control", "simulated, nothing changes"),
    ):
        data = ews.datasets.load(name)
        yield name.replace("_", " "), known, data, {"duplicates": "mean", "missing": "interpolate"}
    fold = ews.datasets.load("simulated_fold")
    yield "simulated fold", "before a fold", fold, {"until": fold.transition}
    ngrip = ews.datasets.load("ngrip")
    onsets = sorted(ngrip.transitions[ngrip.columns[0]])
    for before, onset in zip([ngrip.time[0], *onsets], onsets, strict=False):
        if onset - before >= APART_YEARS:
            stadial = ngrip.between(onset - STADIAL_YEARS, np.nextafter(onset, -np.inf))
            yield "NGRIP", f"before the warming {-onset:.0f} b2k", stadial, {"missing": "interpolate"}


def main() -> None:
    """Write docs/generated/verdicts.csv and verdict_counts.csv."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "eco"
    if beside.is_dir():
        os.environ.setdefault("EWS_DATA_DIR", str(beside))
    lines = []
    for group, known, series, options in cases():
        found = ews.detect(series, **options)
        assert isinstance(found, ews.Detection)
        least = min(found.tests, key=lambda one: (one.adjusted != one.adjusted, one.adjusted))
        lines.append(
            {
                "record": group,
                "series": series.columns[0] if isinstance(series, ews.datasets.Dataset) else series.name,
                "what is known": known,
                "n": len(found.series),
                "verdict": found.verdict,
                "kind": found.kind,
                "towards": " or ".join((found.bifurcation, *found.rivals)) if found.bifurcation else "–",
                "least p of": least.name,
                "family-wise p": f"{least.adjusted:.3f}",
                "lag-1 coefficient": f"{found.tests[0].start:.2f} → {found.tests[0].end:.2f}",
                "power (fold)": f"{found.powers['fold']:.2f}",
                "lowest power": f"{found.power:.2f}",
            }
        )
    table = pd.DataFrame(lines)
    tables.write("verdicts", table)
    counts = table.groupby(["record", "verdict"], sort=False).size().unstack(fill_value=0).reset_index()
    tables.write("verdict_counts", counts)


if __name__ == "__main__":
    main()
