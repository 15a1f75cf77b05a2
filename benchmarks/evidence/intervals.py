"""How often the interval of a trend covers the trend that the system has on average."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.evidence import tables
from ews._significance import controls as _controls
from ews._significance.resolve import resolve_pipeline
from ews.nulls.autoregressive import draw_autoregression

INDICATORS = ("variance", "ac1", "skewness")
SERIES = 400
SEED = 20_261_122


def coverage(n: int, coefficient: np.ndarray) -> dict[str, float]:
    """Share of 95 % intervals that hold the median trend over 4,000 series of the same system."""
    pipeline = resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=INDICATORS,
        trend="kendall",
        causal=False,
        season=None,
    )
    unit = np.ones(n)
    many = pipeline.surrogate_tau(draw_autoregression(coefficient, unit, 0, 4000, seed=SEED))
    middle = np.median(many, axis=1)
    rows = draw_autoregression(coefficient, unit, 4000, SERIES, seed=SEED)
    residual, measured = pipeline.measure_surrogates(rows)
    taus = pipeline.tau(measured)
    inside = np.zeros(len(INDICATORS))
    for i in range(SERIES):
        intervals = _controls.tau_intervals(pipeline, taus[:, i], residual[i], alpha=0.05, seed=SEED + i)
        inside += [low <= value <= high for (low, high), value in zip(intervals, middle, strict=True)]
    return dict(zip(INDICATORS, inside / SERIES, strict=True))


def main() -> None:
    """Write docs/generated/intervals.csv."""
    lines = []
    for n in (100, 500):
        systems = {
            "AR(1) 0.5, constant": np.full(n, 0.5),
            "AR(1) from 0.3 to 0.8": np.linspace(0.3, 0.8, n),
            "fold control from 0.6": _controls.positive_control(0.6, n),
        }
        lines += [{"system": name, "n": n, **coverage(n, coefficient)} for name, coefficient in systems.items()]
    tables.write("intervals", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
