"""What ``detect`` can see: power on the positive control by length, memory, detrending and window.

This is also where the defaults come from: published practice (a Gaussian smoother of bandwidth 0.2 and a window of
half the record) is kept where no other choice is clearly better.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.evidence import tables
from ews._significance import controls as _controls
from ews._significance.resolve import resolve_pipeline

INDICATORS = ("variance", "ac1", "skewness")
DETRENDING: tuple[tuple[str | None, float | None], ...] = (
    ("gaussian", 0.1),
    ("gaussian", 0.2),
    ("gaussian", 0.5),
    ("linear", None),
)
SEED = 20_261_122


def share(n: int, coefficient: float, detrend: str | None, bandwidth: float | None, window: float) -> float:
    """Power of the default indicators for one choice."""
    pipeline = resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend=detrend,
        bandwidth=bandwidth,
        window=window,
        indicators=INDICATORS,
        trend="kendall",
        causal=False,
        season=None,
    )
    return _controls.power(pipeline, coefficient, alpha=0.05, n_surrogates=400, seed=SEED, controls=500)


def main() -> None:
    """Write docs/generated/power.csv."""
    lines = []
    for n in (50, 100, 200, 500, 1000, 2000):
        for coefficient in (0.3, 0.6, 0.8):
            line: dict[str, object] = {"n": n, "starting AC1": coefficient}
            for detrend, bandwidth in DETRENDING:
                for window in (0.25, 0.5):
                    label = f"{detrend}{'' if bandwidth is None else f' {bandwidth}'}, window {window}"
                    line[label] = share(n, coefficient, detrend, bandwidth, window)
            lines.append(line)
    tables.write("power", pd.DataFrame(lines).round(2))


if __name__ == "__main__":
    main()
