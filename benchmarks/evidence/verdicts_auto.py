"""What ``ews.detect(method="auto")`` says of the series of :mod:`benchmarks.evidence.verdicts`."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

import ews
from benchmarks.evidence import tables
from benchmarks.evidence.verdicts import cases


def main() -> None:
    """Write the table; records of fewer than 40 samples are left out."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "eco"
    if beside.is_dir():
        os.environ.setdefault("EWS_DATA_DIR", str(beside))
    lines = []
    for group, known, series, options in cases():
        try:
            found = ews.detect(series, method="auto", n_surrogates=499, **options)
        except ews.errors.SeriesTooShortError:
            continue
        assert isinstance(found, ews.Assessment)
        lines.append(
            {
                "record": group,
                "series": series.columns[0] if isinstance(series, ews.datasets.Dataset) else series.name,
                "what is known": known,
                "n": len(found.detection.series),
                "verdict": found.verdict,
                "kind": found.kind,
                "towards": found.bifurcation or "",
                "P(bifurcation)": f"{1 - found.probability['null']:.2f}",
                "smallest adjusted p": f"{min(found.pvalue_adjusted.values()):.3f}",
                "power (fold, flip, Hopf)": ", ".join(f"{share:.2f}" for share in found.power.values()),
            }
        )
    tables.write("verdicts_auto", pd.DataFrame(lines))


if __name__ == "__main__":
    main()
