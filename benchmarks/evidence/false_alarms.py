"""How often ``detect`` warns where nothing changes: rates over series drawn from nulls, seeds fixed beforehand.

Matched nulls are AR(1) series, without and with a linear trend; mismatched ones have a memory or noise that AR(1) does
not describe. Every series gets its own fitted null and its own surrogates, through the default pipeline of
:func:`ews.detect`. Two-sided p-values from B surrogates are multiples of 2 / (1 + B): 0.05 is one of them for the 199
of each indicator and the 999 of the joint test, so that the level of either is 0.05 and not less, but for ties.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from benchmarks.evidence import tables
from ews import nulls
from ews._analysis.detect.run import DEFAULT_INDICATORS
from ews._common.alarms import Statistic, westfall_young
from ews._significance.pipeline import Pipeline
from ews._significance.resolve import resolve_pipeline

SEED = 20_261_122
ALPHA = 0.05
BLOCK = 250
WARM_UP = 500
# Far from zero in every cell, so that the coefficient of variation is defined.
LEVEL = 20.0
SURROGATES = 199
JOINT_SURROGATES = 999
# std has the ranks of variance, and so its rates.
INDICATORS = ("variance", "cv", "skewness", "kurtosis", "ac1", "ac2", "ac3", "return_rate")
Draw = Callable[[np.random.Generator, int, int], np.ndarray]
Counted = TypeVar("Counted")


@dataclass(frozen=True)
class Cell:
    """One kind of series in which nothing changes: `draw` gives rows from a generator, their number and length."""

    name: str
    matched: bool
    draw: Draw


def filtered(noise: np.ndarray, *coefficients: float) -> np.ndarray:
    """An autoregression driven by `noise`, without its warm-up."""
    return lfilter([1.0], np.r_[1.0, -np.array(coefficients)], noise, axis=1)[:, WARM_UP:]


def autoregression(coefficient: float) -> Draw:
    return lambda generator, rows, n: filtered(generator.standard_normal((rows, n + WARM_UP)), coefficient)


def with_line(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """AR(1) 0.7 on a line that rises by four of its standard deviations."""
    return autoregression(0.7)(generator, rows, n) + np.linspace(0.0, 4.0 / np.sqrt(1 - 0.7**2), n)


def oscillating(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """AR(2) with a period of about 12 samples."""
    return filtered(generator.standard_normal((rows, n + WARM_UP)), 2 * 0.9 * np.cos(2 * np.pi / 12), -0.81)


def pink(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """1/f noise: a memory longer than any AR(1) has."""
    frequency = np.fft.rfftfreq(4 * n)
    spectrum = np.fft.rfft(generator.standard_normal((rows, 4 * n)), axis=1)
    spectrum[:, 1:] /= np.sqrt(frequency[1:])
    spectrum[:, 0] = 0.0
    return np.fft.irfft(spectrum, axis=1)[:, :n]


def heavy_tailed(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """AR(1) 0.5 driven by Student's t with 3 degrees of freedom: outliers."""
    return filtered(generator.standard_t(3, (rows, n + WARM_UP)), 0.5)


def volatile(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """White noise whose standard deviation doubles over the record, memory unchanged."""
    return generator.standard_normal((rows, n)) * np.linspace(1.0, 2.0, n)


CELLS = (
    Cell("white", True, autoregression(0.0)),
    Cell("AR(1) 0.3", True, autoregression(0.3)),
    Cell("AR(1) 0.7", True, autoregression(0.7)),
    Cell("AR(1) 0.9", True, autoregression(0.9)),
    Cell("AR(1) 0.7 + line", True, with_line),
    Cell("AR(2), period 12", False, oscillating),
    Cell("1/f noise", False, pink),
    Cell("AR(1) 0.5, Student t(3)", False, heavy_tailed),
    Cell("white, SD doubles", False, volatile),
)
LENGTHS = (100, 500)


def series_of(cell: Cell, n: int) -> tuple[int, int]:
    """How many series a cell has, and of how many of them, the first ones, the verdict is asked."""
    if n == 100:
        return 10_000, 10_000 if cell.matched else 2_000
    return (10_000, 2_000) if cell.matched else (1_000, 1_000)


def pipeline_of(n: int, indicators: Sequence[str]) -> Pipeline:
    """The default choices of :func:`ews.detect`."""
    return resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=indicators,
        trend="kendall",
        causal=False,
        season=None,
    )


def in_processes(task: Callable[..., Counted], arguments: Iterable[tuple[object, ...]]) -> list[Counted]:
    """Call `task` with each of `arguments` on all processors; what comes back is in their order."""
    # Spawned, not forked: a compiled kernel may hold a lock.
    with ProcessPoolExecutor(initializer=one_thread, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(task, *one) for one in arguments]
        return [one.result() for one in waiting]


def one_thread() -> None:
    """Each process measures on one thread."""
    os.environ["EWS_NUM_THREADS"] = "1"


def pvalues(
    raw: np.ndarray, seeds: np.ndarray, indicators: Sequence[str], surrogates: int
) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Trends of each row, their p-values and those adjusted for each other."""
    pipeline = pipeline_of(raw.shape[1], indicators)
    statistics = [Statistic(one.alarm) for one in pipeline.indicators]
    trend = pipeline.plan.rows(np.ascontiguousarray(raw))
    residual = raw - trend
    taus = pipeline.tau(pipeline.measure(residual, raw.copy())).T
    for row, level, tau, seed in zip(residual, trend, taus, seeds, strict=True):
        own = Pipeline(pipeline.plan, pipeline.indicators, pipeline.window, pipeline.trend, 1.0, level)
        drawn = own.surrogate_tau(nulls.fit(row).draw(0, surrogates, seed=int(seed)))
        yield tau, *westfall_young(tau, drawn, statistics)


def count(place: int, n: int, block: int) -> np.ndarray:
    """Series of one block with p ≤ 0.05: for each indicator, for any of the defaults after adjustment, and warnings."""
    cell = CELLS[place]
    generator = np.random.default_rng([SEED, place, n, block])
    raw = LEVEL + cell.draw(generator, BLOCK, n)
    seeds = generator.integers(2**62, size=(2, BLOCK))
    single = sum(p <= ALPHA for _, p, _ in pvalues(raw, seeds[0], INDICATORS, SURROGATES))
    found = np.zeros(2)
    if block * BLOCK < series_of(cell, n)[1]:
        statistics = [Statistic(one.alarm) for one in pipeline_of(n, DEFAULT_INDICATORS).indicators]
        for tau, _, p in pvalues(raw, seeds[1], DEFAULT_INDICATORS, JOINT_SURROGATES):
            warns = [one.warns(tau[i], p[i], ALPHA) for i, one in enumerate(statistics)]
            found += [bool((p <= ALPHA).any()), any(warns)]
    return np.concatenate([single, found])


def main() -> None:
    """Write docs/generated/false_alarms.csv."""
    order = sorted(range(len(CELLS)), key=lambda place: not CELLS[place].matched)
    lines = []
    for place, n in ((place, n) for n in LENGTHS for place in order):
        cell = CELLS[place]
        series, asked = series_of(cell, n)
        counted = sum(in_processes(count, [(place, n, block) for block in range(series // BLOCK)]))
        rates = dict(zip(INDICATORS, counted[: len(INDICATORS)] / series, strict=True))
        joint = {"verdicts": asked, "any, adjusted": counted[-2] / asked, "warning": counted[-1] / asked}
        kind = "matched" if cell.matched else "mismatched"
        lines.append({"null": cell.name, "kind": kind, "n": n, "series": series} | rates | joint)
        tables.write("false_alarms", pd.DataFrame(lines).round(4))
    names = [cell.name for cell in CELLS]
    table = (
        pd.DataFrame(lines)
        .round(4)
        .sort_values(["null", "n"], key=lambda by: by.map(names.index) if by.name == "null" else by)
    )
    tables.write("false_alarms", table)


if __name__ == "__main__":
    main()
