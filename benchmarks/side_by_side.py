"""One statistic, every package that has it: in one process, called in turn, at one size or along a curve of sizes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.comparisons import (
    FOUR,
    bottleneck_variance,
    ews_kendall,
    ews_rolling,
    ewstools_rolling,
    noise,
    numbagg_rolling,
    pandas_rolling,
    polars_rolling,
    pymannkendall_kendall,
    scipy_kendall,
    screamer_rolling,
)
from benchmarks.timing import Timing, interleaved

__all__ = ["CURVES", "LONGEST", "PACKAGES", "STATISTICS", "along", "beside"]

FloatArray = npt.NDArray[np.float64]
Way = Callable[[FloatArray, int], Mapping[str, Any]]

PACKAGES = ("ews", "pandas", "polars", "bottleneck", "numbagg", "screamer", "ewstools", "scipy", "pymannkendall")
FEWEST = 7  # calls of each that a median is taken over
PAUSE = 0.003  # seconds between packages
WINDOW = 500
_ALL = "variance, skewness, kurtosis, AC1"


def _ways(indicators: tuple[str, ...]) -> dict[str, Way]:
    return {
        "ews": lambda x, window: ews_rolling(x, window=window, indicators=indicators),
        "pandas": lambda x, window: pandas_rolling(x, window=window, indicators=indicators),
        "polars": lambda x, window: polars_rolling(x, window=window, indicators=indicators),
        "screamer": lambda x, window: screamer_rolling(x, window=window, indicators=indicators),
        "ewstools": lambda x, window: ewstools_rolling(x, window=window, indicators=indicators),
    }


STATISTICS: Mapping[str, Mapping[str, Way]] = {
    "variance": {
        **_ways(("variance",)),
        "bottleneck": lambda x, window: bottleneck_variance(x, window=window),
        "numbagg": lambda x, window: numbagg_rolling(x, window=window, indicators=("variance",)),
    },
    "skewness": _ways(("skewness",)),
    "kurtosis": _ways(("kurtosis",)),
    "AC1": {**_ways(("ac1",)), "numbagg": lambda x, window: numbagg_rolling(x, window=window, indicators=("ac1",))},
    _ALL: _ways(FOUR),
    "Kendall's τ-b with time": {
        "ews": lambda x, _: ews_kendall(x),
        "scipy": lambda x, _: scipy_kendall(x),
        "pymannkendall": lambda x, _: pymannkendall_kendall(x),
    },
}
# What takes a second and more: all pairs in an array of n², and one Python call a window.
LONGEST = {
    ("pymannkendall", "Kendall's τ-b with time"): 1_000,
    ("ewstools", "AC1"): 10_000,
    ("ewstools", _ALL): 10_000,
}


def beside(
    statistic: str, n: int, window: int, seconds: float, packages: tuple[str, ...] = PACKAGES
) -> dict[str, Timing]:
    """Times of one statistic of one series, of each package that has it and is installed.

    Raises
    ------
    ValueError
        If two packages do not give the same numbers.
    """
    x = noise(n)
    ways = {
        package: STATISTICS[statistic][package]
        for package in packages
        if package in STATISTICS[statistic]
        and n <= LONGEST.get((package, statistic), n)
        and importlib.util.find_spec(package) is not None
    }
    ours = ways["ews"](x, window)
    for package, way in ways.items():
        for name, values in way(x, window).items():
            if not np.allclose(values, ours[name], rtol=1e-8, atol=1e-8, equal_nan=True):
                raise ValueError(f"{package} and ews give another {name}")
    return interleaved(
        {name: partial(way, x, window) for name, way in ways.items()}, seconds=seconds, fewest=FEWEST, pause=PAUSE
    )


def _panel(series: int, seconds: float) -> dict[str, Timing]:
    """Four statistics of many series of 500 samples, on one thread and on all, and writing as many numbers."""
    rows = np.random.default_rng(1).normal(size=(series, 500))
    frame = pd.DataFrame(rows.T)
    cases: dict[str, Callable[[], object]] = {
        f"ews, {threads} thread{'s' if threads > 1 else ''}": partial(_threaded, threads, rows)
        for threads in _threads()
    }
    cases["NumPy, writing alone"] = lambda: [np.full(rows.shape, 1.0) for _ in FOUR]
    if series <= 100:
        cases["pandas, without AC1"] = lambda: [getattr(frame.rolling(250), way)() for way in ("var", "skew", "kurt")]
    return interleaved(cases, seconds=seconds, fewest=FEWEST, pause=PAUSE)


def _threads() -> list[int]:
    from benchmarks.machine import cores

    return sorted({1, *(k for k in (2, 4, 8, 16) if k < cores()), cores()})


@contextmanager
def _environment(name: str, value: str) -> Any:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _threaded(threads: int, rows: FloatArray) -> None:
    with _environment("EWS_NUM_THREADS", str(threads)):
        ews_rolling(rows, window=250, indicators=FOUR)


CURVES: Mapping[str, tuple[int, ...]] = {
    "samples, windows of 100": (1_000, 10_000, 100_000, 1_000_000),
    "window, 100,000 samples": (10, 30, 100, 300, 1_000, 3_000, 10_000, 50_000),
    "samples, Kendall's τ-b": (30, 100, 300, 1_000, 10_000, 100_000),
    "series, of 500 samples each, windows of 250": (1, 10, 100, 1_000, 10_000),
}


def along(curve: str, size: int, seconds: float) -> tuple[dict[str, Timing], int]:
    """Times at one size of a curve, and how many samples they are for."""
    fast = ("ews", "pandas", "polars", "screamer", "scipy")
    if curve.startswith("window"):
        return beside(_ALL, 100_000, size, seconds, fast), 100_000
    if curve.startswith("series"):
        return _panel(size, seconds), 500 * size
    statistic, window = ("Kendall's τ-b with time", 1) if "Kendall" in curve else (_ALL, 100)
    return beside(statistic, size, window, seconds, fast), size
