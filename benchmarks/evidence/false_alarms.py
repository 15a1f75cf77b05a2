"""How often ``detect`` warns where nothing changes: rates over series drawn from nulls, seeds fixed beforehand.

Matched nulls are AR(1) series, without and with a linear trend; mismatched ones have a memory that AR(1) does not
describe. Every series gets its own fitted null and its own surrogates, as in ``ews.detect``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from benchmarks.evidence import tables
from ews import nulls
from ews._resolve import resolve_pipeline
from ews._significance import hold_against

SERIES = 1000
SURROGATES = 499
ALPHA = 0.05
INDICATORS = ("variance", "ac1", "skewness")
SEED = 20_261_122


def autoregression(coefficient: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        noise = generator.standard_normal((SERIES, n + 500))
        return lfilter([1.0], [1.0, -coefficient], noise, axis=1)[:, 500:]

    return draw


def with_trend(generator: np.random.Generator, n: int) -> np.ndarray:
    """AR(1) 0.7 on a line that rises by four of its standard deviations."""
    rows = autoregression(0.7)(generator, n)
    return rows + np.linspace(0.0, 4.0 / np.sqrt(1 - 0.7**2), n)


def oscillating(generator: np.random.Generator, n: int) -> np.ndarray:
    """AR(2) with a period of about 12 samples."""
    noise = generator.standard_normal((SERIES, n + 500))
    return lfilter([1.0], [1.0, -2 * 0.9 * np.cos(2 * np.pi / 12), 0.81], noise, axis=1)[:, 500:]


def pink(generator: np.random.Generator, n: int) -> np.ndarray:
    """1/f noise: a memory longer than any AR(1) has."""
    frequency = np.fft.rfftfreq(4 * n)
    spectrum = np.fft.rfft(generator.standard_normal((SERIES, 4 * n)), axis=1)
    spectrum[:, 1:] /= np.sqrt(frequency[1:])
    spectrum[:, 0] = 0.0
    return np.fft.irfft(spectrum, axis=1)[:, :n]


def heavy_tailed(generator: np.random.Generator, n: int) -> np.ndarray:
    """AR(1) 0.5 driven by Student's t with 3 degrees of freedom: outliers."""
    noise = generator.standard_t(3, (SERIES, n + 500))
    return lfilter([1.0], [1.0, -0.5], noise, axis=1)[:, 500:]


def volatile(generator: np.random.Generator, n: int) -> np.ndarray:
    """White noise whose standard deviation doubles over the record, memory unchanged."""
    return generator.standard_normal((SERIES, n)) * np.linspace(1.0, 2.0, n)


CELLS: dict[str, tuple[str, Callable[[np.random.Generator, int], np.ndarray]]] = {
    "white": ("matched", autoregression(0.0)),
    "AR(1) 0.3": ("matched", autoregression(0.3)),
    "AR(1) 0.7": ("matched", autoregression(0.7)),
    "AR(1) 0.9": ("matched", autoregression(0.9)),
    "AR(1) 0.7 + line": ("matched", with_trend),
    "AR(2), period 12": ("mismatched", oscillating),
    "1/f noise": ("mismatched", pink),
    "AR(1) 0.5, Student t(3)": ("mismatched", heavy_tailed),
    "white, SD doubles": ("mismatched", volatile),
}


def rates(rows: np.ndarray) -> dict[str, float]:
    """Share of rows with p ≤ 0.05 for each indicator, for any after adjustment, and with a warning."""
    n = rows.shape[1]
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
    residual = rows - pipeline.plan.rows(np.ascontiguousarray(rows))
    taus = pipeline.tau(pipeline.measure(residual, residual))
    single, any_adjusted, warnings = np.zeros(len(INDICATORS)), 0, 0
    for i, row in enumerate(residual):
        found = hold_against(pipeline, taus[:, i], nulls.fit(row), n_surrogates=SURROGATES, seed=SEED + i)
        single += [found.pvalue[name] <= ALPHA for name in INDICATORS]
        small = [name for name in INDICATORS if found.pvalue_adjusted[name] <= ALPHA]
        any_adjusted += bool(small)
        warnings += any(name == "skewness" or found.tau[name] > 0 for name in small)
    return dict(zip(INDICATORS, single / SERIES, strict=True)) | {
        "any, adjusted": any_adjusted / SERIES,
        "warning": warnings / SERIES,
    }


def main() -> None:
    """Write docs/generated/false_alarms.csv."""
    lines = []
    for number, (name, (kind, draw)) in enumerate(CELLS.items()):
        for n in (100, 500):
            rows = draw(np.random.default_rng([SEED, number, n]), n)
            lines.append({"null": name, "kind": kind, "n": n, **rates(rows)})
    table = pd.DataFrame(lines).round(3)
    tables.write("false_alarms", table)


if __name__ == "__main__":
    main()
