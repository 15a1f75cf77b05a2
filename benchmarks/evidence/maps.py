"""Maps by the tabulated null: false discoveries where nothing changes, and a region that slows down found.

200 maps of AR(1) noise, its coefficient varying over space, a tenth missing at random, once with independent pixels and
once with innovations that neighbours share; then as many with a region in which the coefficient rises to near 1. And
how far p-values by the table lie from those that :func:`ews.detect` gives.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

import ews
from benchmarks.evidence import tables
from ews._analysis.many.smoothing import Smoothing
from ews._analysis.score_tests.oscillation import dominant_mode
from ews._analysis.score_tests.statistics import robust_residual

SEED = 20_261_129
MAPS, SIDE, TIMES = 200, 30, 300
MISSING = 0.1
REGION = slice(9, 21), slice(9, 21)  # of the map that slows down
RATE = ALPHA = 0.05
COMPARED = 100


def noise(number: int, *, shared: bool, rising: bool) -> np.ndarray:
    """One map, (SIDE, SIDE, TIMES), single precision."""
    rng = np.random.default_rng([SEED, number, shared, rising])
    start = 0.1 + 0.7 * np.clip(np.add.outer(np.linspace(0, 0.5, SIDE), np.linspace(0, 0.5, SIDE)), 0.0, 1.0)
    phi = np.repeat(start[..., None], TIMES, axis=2)
    if rising:
        phi[REGION] = np.linspace(0.3, 0.97, TIMES)
    steps = rng.standard_normal((TIMES, SIDE, SIDE))
    if shared:
        steps = gaussian_filter(steps, (0.0, 1.5, 1.5), mode="wrap")
        steps /= steps.std()
    x = np.empty((SIDE, SIDE, TIMES), dtype=np.float32)
    x[..., 0] = steps[0] / np.sqrt(1.0 - start**2)
    for t in range(1, TIMES):
        x[..., t] = phi[..., t] * x[..., t - 1] + steps[t]
    x[rng.random(x.shape) < MISSING] = np.nan
    return x


def measured(*, shared: bool, rising: bool, null: str, count: int) -> list[dict[str, object]]:
    """False discoveries, and discoveries in the region, on average over maps; a line for each way to q."""
    truth = np.zeros((SIDE, SIDE), dtype=bool)
    if rising:
        truth[REGION] = True
    false: dict[str, list[float]] = {"bh": [], "by": []}
    seen: dict[str, list[float]] = {"bh": [], "by": []}
    each = []
    for number in range(MAPS):
        found = ews.detect_many(noise(number, shared=shared, rising=rising), null=null, n_surrogates=count)
        each.append((found.pvalue[~truth] <= RATE).mean())
        for method in ("bh", "by"):
            warned = found.warnings(RATE, method=method)
            false[method].append((warned & ~truth).sum() / max(warned.sum(), 1))
            seen[method].append(warned[truth].mean() if rising else np.nan)
    return [
        {
            "pixels": "share innovations" if shared else "independent",
            "map": "a region slows down" if rising else "still",
            "null": null,
            "surrogates": count,
            "q by": method,
            "maps": MAPS,
            "false discovery rate": np.mean(false[method]),
            "its standard error": np.std(false[method]) / np.sqrt(MAPS),
            "still pixels with p ≤ 0.05": np.mean(each),
            "of the region found": np.mean(seen[method]),
        }
        for method in ("bh", "by")
    ]


def agreement() -> pd.DataFrame:
    """p by the table beside p by surrogates of each series: of the same scores, and as detect scores it."""
    lines = []
    for n, missing in ((100, 0.0), (300, 0.0), (300, MISSING)):
        rng = np.random.default_rng(SEED)
        phi = rng.uniform(0.0, 0.9, COMPARED)[:, None]
        x = rng.standard_normal((COMPARED, n))
        for t in range(1, n):
            x[:, t] += phi[:, 0] * x[:, t - 1]
        x[rng.random(x.shape) < missing] = np.nan
        table = ews.detect_many(x, null="table")
        alone = [ews.detect_many(row[None], null="pooled", n_surrogates=1999) for row in x]  # a pool of one
        own = [ews.detect(row, n_surrogates=1999) for row in x]
        p = np.array(list(ews.Detections({str(i): one for i, one in enumerate(own)}).pvalue.values()))
        warned = np.array([one.verdict == "warning" for one in own])
        error = np.array([one.config.measurement_error is not None for one in own])
        cycle = np.array([oscillates(row) for row in x])
        alike = np.array([one.pvalue[0] for one in alone])
        every = np.ones(COMPARED, dtype=bool)
        for beside, other, warns, these in (
            ("the same scores, surrogates of each series", alike, alike <= ALPHA, every),
            ("detect", p, warned, every),
            ("detect, where it takes a series for red noise", p, warned, ~error & ~cycle),
            ("detect, where it allows for measurement error", p, warned, error & ~cycle),
            ("detect, where it finds a mode of oscillation", p, warned, cycle),
        ):
            if these.any():
                apart, small = np.abs(table.pvalue - other), these & (other <= 0.1)
                lines.append(
                    {
                        "n": n,
                        "missing": missing,
                        "beside": beside,
                        "series": int(these.sum()),
                        "mean difference": (table.pvalue - other)[these].mean(),
                        "95 % of absolute difference": np.quantile(apart[these], 0.95),
                        "largest where p ≤ 0.1": apart[small].max() if small.any() else np.nan,
                        "warns, table": (table.verdict == 2)[these].mean(),
                        "warns, other": warns[these].mean(),
                    }
                )
    return pd.DataFrame(lines)


def oscillates(row: np.ndarray) -> bool:
    """Whether what is left of a series, gaps or none, has a mode of oscillation, as :func:`ews.detect` looks for it."""
    smoothing = Smoothing(row.size, "local_quadratic", None, False, None)
    residual = robust_residual(row[None], smoothing.residual)[0]
    return dominant_mode(residual) is not None


def main() -> None:
    """Measure and write both tables."""
    lines = [
        one
        for null, count in (("table", 10_000), ("pooled", 2_000))
        for rising in (False, True)
        for shared in (False, True)
        for one in measured(shared=shared, rising=rising, null=null, count=count)
    ]
    tables.write("maps", pd.DataFrame(lines))
    tables.write("maps_agreement", agreement())


if __name__ == "__main__":
    main()
