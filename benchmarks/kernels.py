"""Time each kernel by itself, on one thread: nanoseconds a sample or microseconds a row, median of interleaved runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from ews._kernels.autoregression import draw_ar1
from ews._kernels.kendall import kendall_rows
from ews._kernels.moments import rolling_moments, statistics_array
from ews._kernels.random import fill_normal, new_state
from ews._kernels.sharing import place_tiles
from ews._kernels.slides import longest_slide, sliding_moments
from ews._kernels.smooth import smooth_reflect
from ews._kernels.tiles import longest_tile, tiled_moments

REPEATS = 7


def medians(cases: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median processor seconds of each case, run in turn so that a busy moment of the machine hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.thread_time()
            case()
            taken[name].append(time.thread_time() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def gaussian_weights(deviation: float) -> np.ndarray:
    """Gaussian weights cut at four standard deviations."""
    half = int(4.0 * deviation + 0.5)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / deviation) ** 2)
    return weights / weights.sum()


def against_pandas(n: int, window: int) -> None:
    """Four statistics: one fused pass against pandas' four."""
    x = np.random.default_rng(1).normal(size=(1, n))
    series = pd.Series(x[0])
    shifted = series.shift(1)
    rolling = series.rolling(window)
    results = {k: np.empty((k, 1, n)) for k in (1, 2, 4)}

    def pandas() -> None:
        rolling.var()
        rolling.skew()
        rolling.kurt()
        series.rolling(window - 1).corr(shifted)

    def fused(*codes: int) -> Callable[[], None]:
        which = np.array(codes)
        return lambda: rolling_moments(x, window, 1, which, results[len(codes)])

    cases = {"var": fused(1), "var ac1": fused(1, 4), "ac1": fused(4), "var skew kurt ac1": fused(1, 2, 3, 4)}
    times = medians({**cases, "pandas": pandas}, 5)
    for name in cases:
        print(f"  {name:24}{times[name] / n * 1e9:8.2f} ns/sample")
    ratio = times["pandas"] / times["var skew kurt ac1"]
    print(f"  {'pandas':24}{times['pandas'] / n * 1e9:8.2f} ns/sample, {ratio:.1f} x")


STEPS = {
    "mean, variance": (2, False, (1,)),
    "skewness": (3, False, (1, 2)),
    "kurtosis": (4, False, (1, 2, 3)),
    "lag-1 correlation": (4, True, (1, 2, 3, 4)),
}


def steps() -> dict[str, tuple[float, float]]:
    """What each statistic adds to the time of a pass that slides and of one that sums each window, and writing four.

    In nanoseconds a sample of 24,000, in windows of 500: all stays within the second-level cache.
    """
    n, window = 24_000, 500
    x, where = np.random.default_rng(1).normal(size=n), np.zeros(1, dtype=np.int64)
    memory = statistics_array(4, 1, n)
    out, starts = memory.reshape(-1), np.arange(4) * memory.shape[1]
    cases: dict[str, Callable[[], object]] = {}
    for name, (powers, paired, codes) in STEPS.items():
        for way, passes, longest in (
            ("slides", sliding_moments(powers, paired), longest_slide(window)),
            ("sums", tiled_moments(powers, paired, False), longest_tile(window)),
        ):
            tile, count = place_tiles(n, window, longest)
            unsafe = np.empty((count * tile, 2), dtype=np.int64)
            to = (np.array(codes), starts[: len(codes)], where, n, -1, unsafe, out)
            run = partial(passes, x, 1, n, n, window, tile, count, *to)
            cases[f"{name}, {way}"] = partial(_repeat, 40, run)
    cases["writing"] = partial(_repeat, 40, partial(out.fill, 1.0))
    times = {name: 1e9 * seconds / 40 / n for name, seconds in medians(cases, 31).items()}
    found, before = {}, (0.0, 0.0)
    for name in STEPS:
        now = times[f"{name}, slides"], times[f"{name}, sums"]
        found[name] = now[0] - before[0], now[1] - before[1]
        before = now
    return found | {"writing four numbers a sample": (times["writing"], times["writing"])}


def _repeat(times: int, call: Callable[[], object]) -> None:
    for _ in range(times):
        call()


def rows() -> None:
    """The steps of one surrogate of 1000 samples."""
    n, count, window = 1000, 32, 500
    phi, sigma = np.full(n, 0.7), np.ones(n)
    drawn, trend = np.empty((count, n)), np.empty((count, n))
    weights = gaussian_weights(74.1)
    values = np.empty((2, count, n))
    which = np.array([1, 4])
    draw_ar1(phi, sigma, np.uint64(1), 0, drawn)
    smooth_reflect(drawn, weights, trend)
    residual = drawn - trend
    rolling_moments(residual, window, 1, which, values)
    indicator = values.reshape(2 * count, n)
    tau = np.empty(2 * count)
    state = new_state(np.uint64(1), 0)
    cases: dict[str, Callable[[], object]] = {
        "fill_normal": lambda: fill_normal(state, drawn.reshape(-1)),
        "draw_ar1": lambda: draw_ar1(phi, sigma, np.uint64(1), 0, drawn),
        f"smooth_reflect, {weights.size} taps": lambda: smooth_reflect(drawn, weights, trend),
        "subtract": lambda: np.subtract(drawn, trend, out=residual),
        "rolling_moments": lambda: rolling_moments(residual, window, 1, which, values),
        "kendall_rows, 2 x 501": lambda: kendall_rows(indicator, tau),
    }
    for name, seconds in medians(cases, 31).items():
        print(f"  {name:28}{seconds / count * 1e6:8.2f} us/row")


def main() -> None:
    """Print every figure."""
    for n, window in ((100_000, 10), (100_000, 50), (100_000, 1000), (1_000_000, 1000), (100_000, 50_000)):
        print(f"rolling statistics, n = {n}, window = {window}")
        against_pandas(n, window)
    print("steps of four statistics: sums that slide, sums of each window by itself")
    for name, (slid, summed) in steps().items():
        print(f"  {name:32}{slid:8.2f}{summed:8.2f} ns/sample")
    print("steps of one surrogate of 1000 samples")
    rows()


if __name__ == "__main__":
    main()
