"""How long ``ews.Monitor`` waits before a false alarm, and how late it sees a drift, beside two usual charts.

Writes ``docs/generated/monitor_run_lengths.csv`` and ``docs/generated/monitor_delays.csv``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import lfilter

import ews
from benchmarks.evidence import tables

SEED = 20_261_130
REFERENCE = 200
ASKED = (1_000,)
SERIES, WATCHED = 1_000, 7  # run lengths of each cell, and for how many times the one asked for each series is watched
BLOCK = 250  # series at a time
DELAY_SERIES, DELAY_RUN_LENGTH, CHANGE, LATER = 500, 2_000, 600, 1_500
WINDOW = 50  # of the charts of indicators

FloatArray = npt.NDArray[np.float64]

NOISES: dict[str, dict[str, Any]] = {
    "AR(1), 0": {"coefficient": 0.0},
    "AR(1), 0.5": {},
    "AR(1), 0.9": {"coefficient": 0.9},
    "AR(1), 0.97": {"coefficient": 0.97},
    "AR(1), -0.5": {"coefficient": -0.5},
    "AR(1), 0.5, t3 innovations": {"kind": "t3"},
    "AR(1), 0.5, lognormal innovations": {"kind": "lognormal"},
    "AR(1), 0.5, 10 % missing": {"missing": 0.1},
    "AR(1), 0.9, t3, 10 % missing": {"coefficient": 0.9, "kind": "t3", "missing": 0.1},
    "AR(1), 0.7, exponential gaps": {"coefficient": 0.7, "uneven": True},
    "AR(1), 0.5, 2 % outliers of 10 SD": {"outliers": 0.02},
}


def innovations(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> FloatArray:
    """Independent noise of mean 0."""
    if kind == "t3":
        return rng.standard_t(3, shape)
    if kind == "lognormal":
        return np.asarray(rng.lognormal(size=shape) - np.exp(0.5))
    return np.asarray(rng.standard_normal(shape))


def noise(
    rng: np.random.Generator,
    n: int,
    series: int,
    *,
    coefficient: float = 0.5,
    kind: str = "normal",
    missing: float = 0.0,
    outliers: float = 0.0,
    uneven: bool = False,
) -> tuple[FloatArray, FloatArray | None]:
    """Values of shape (n, series) in which nothing drifts, and their times where they are uneven."""
    if uneven:
        time = np.cumsum(rng.exponential(size=n) + 0.01)
        x = np.empty((n, series))
        x[0] = rng.standard_normal(series)
        for t in range(1, n):
            kept = coefficient ** (time[t] - time[t - 1])
            x[t] = kept * x[t - 1] + np.sqrt(1.0 - kept**2) * rng.standard_normal(series)
        return x, time
    x = lfilter([1.0], [1.0, -coefficient], innovations(rng, kind, (n + 500, series)), axis=0)[500:]
    x = np.where(rng.random(x.shape) < outliers, x + 10.0 * x.std() * rng.standard_normal(x.shape), x)
    return np.where(rng.random(x.shape) < missing, np.nan, x), None


def run_lengths(asked: float, **options: Any) -> tuple[float, float, int]:
    """Average run length in observations that were there, its standard error, and how many alarms it rests on."""
    watched, alarms = 0, 0
    for block in range(SERIES // BLOCK):
        rng = np.random.default_rng([SEED, block])
        x, time = noise(rng, REFERENCE + int(WATCHED * asked), BLOCK, **options)
        found = ews.Monitor(average_run_length=asked, reference=REFERENCE).update_many(x, time)
        first: dict[str, int] = {}
        for alarm in found.alarms:
            first.setdefault(alarm.name, alarm.index)
        seen = np.cumsum(~np.isnan(x), axis=0)
        ends = [first.get(name, len(x) - 1) for name in found.names]
        watched += int(sum(seen[end, place] - REFERENCE for place, end in enumerate(ends)))
        alarms += len(first)
    length = watched / alarms
    return length, length / np.sqrt(alarms), alarms


# ---- delays -------------------------------------------------------------------------------------------------------


def drifting(rng: np.random.Generator, series: int, *, start: float, end: float, ramp: int) -> FloatArray:
    """AR(1) noise whose coefficient goes from `start` to `end` over `ramp` observations after the change."""
    n = REFERENCE + CHANGE + LATER
    e, x = rng.standard_normal((n, series)), np.zeros((n, series))
    for t in range(1, n):
        share = np.clip((t - REFERENCE - CHANGE + 1) / ramp, 0.0, 1.0)
        x[t] = (start + share * (end - start)) * x[t - 1] + e[t]
    return x


def cusum_of_variance(x: FloatArray) -> FloatArray:
    """CUSUM on the squares of each series in units of its reference, tuned to a doubled variance."""
    reference = x[:REFERENCE]
    z = (x - reference.mean(0)) / reference.std(0, ddof=1)
    out, total = np.zeros_like(x), np.zeros(x.shape[1])
    for t in range(REFERENCE, len(x)):
        total = np.maximum(0.0, total + z[t] ** 2 - 2.0 * np.log(2.0))
        out[t] = total
    return out


def ewma_of_memory(x: FloatArray) -> FloatArray:
    """Exponentially weighted lag-1 autocorrelation, in standard errors of the reference's."""
    reference = x[:REFERENCE]
    z = x - reference.mean(0)
    share, products, squares = 2.0 / (WINDOW + 1.0), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    ratio = np.zeros_like(x)
    for t in range(1, len(x)):
        products += share * (z[t] * z[t - 1] - products)
        squares += share * (z[t] ** 2 - squares)
        ratio[t] = products / np.maximum(squares, 1e-300)
    settled = ratio[WINDOW:REFERENCE]
    return np.asarray((ratio - settled.mean(0)) / settled.std(0, ddof=1))


def limit_of(chart: Callable[[FloatArray], FloatArray], start: float) -> float:
    """The limit at which a chart has the run length asked for, in noise of the very coefficient: in its favour."""
    rng = np.random.default_rng([SEED, 77])
    still = noise(rng, REFERENCE + 4 * DELAY_RUN_LENGTH, 300, coefficient=start)[0]
    values = np.maximum.accumulate(chart(still)[REFERENCE:], axis=0)
    low, high = 0.0, float(values.max())
    for _ in range(50):
        middle = 0.5 * (low + high)
        reached = values >= middle
        times = np.where(reached.any(0), reached.argmax(0) + 1, len(values))
        length = times.sum() / max(int(reached.any(0).sum()), 1)
        low, high = (middle, high) if length < DELAY_RUN_LENGTH else (low, middle)
    return high


def delays(first: npt.NDArray[np.int64]) -> dict[str, float]:
    """What became of each series, from the place of its first alarm after the reference (−1 where there was none)."""
    change = REFERENCE + CHANGE
    early = (first >= 0) & (first < change)
    late = np.where(first < 0, np.inf, first - change + 1.0)[~early]
    return {
        "alarm before the change": float(early.mean()),
        "seen": float(np.isfinite(late).mean()),
        "median delay": float(np.median(late)),
    }


def first_of_monitor(x: FloatArray) -> npt.NDArray[np.int64]:
    """Place of each series' first alarm; −1 where there is none."""
    found = ews.Monitor(average_run_length=DELAY_RUN_LENGTH, tests=("memory towards +1",)).update_many(x)
    first = np.full(x.shape[1], -1)
    for alarm in reversed(found.alarms):
        first[found.names.index(alarm.name)] = alarm.index
    return first


def first_above(values: FloatArray, limit: float) -> npt.NDArray[np.int64]:
    """Place where each series' chart is first at its limit, after the reference; −1 where it never is."""
    reached = values >= limit
    reached[:REFERENCE] = False
    return np.where(reached.any(0), reached.argmax(0), -1)


def lengths() -> None:
    """Write how long the monitor waits before a false alarm."""
    lines = []
    for label, options in NOISES.items():
        for asked in ASKED:
            length, error, alarms = run_lengths(asked, **options)
            lines.append(
                {
                    "noise": label,
                    "asked for": asked,
                    "average run length": round(length),
                    "standard error": round(error),
                    "ratio": round(length / asked, 3),
                    "alarms": alarms,
                }
            )
    tables.write("monitor_run_lengths", pd.DataFrame(lines))


def lateness() -> None:
    """Write how late it sees a drift; the others at the same run length, and with as few alarms before the change."""
    late: list[dict[str, Any]] = []
    for start, end, ramp in ((0.3, 0.6, 1), (0.3, 0.9, 1), (0.5, 0.8, 1), (0.3, 0.9, 500), (0.6, 0.95, 500)):
        x = drifting(np.random.default_rng([SEED, 5]), DELAY_SERIES, start=start, end=end, ramp=ramp)
        memory = f"{start:g} to {end:g} {'at once' if ramp == 1 else f'over {ramp}'}"
        own = delays(first_of_monitor(x))
        late.append({"memory": memory, "chart": "ews.Monitor", "limit": f"run length {DELAY_RUN_LENGTH:,}"} | own)
        for name, chart in (
            ("CUSUM on variance", cusum_of_variance),
            ("EWMA on lag-1 autocorrelation", ewma_of_memory),
        ):
            values = chart(x)
            before = values[REFERENCE : REFERENCE + CHANGE].max(0)
            for limit, given in (
                (f"run length {DELAY_RUN_LENGTH:,}", limit_of(chart, start)),
                ("as few alarms before", float(np.quantile(before, 1.0 - own["alarm before the change"]))),
            ):
                line = {"memory": memory, "chart": name, "limit": limit}
                late.append(line | delays(first_above(values, given)))
    tables.write("monitor_delays", pd.DataFrame(late).round(3))


def main() -> None:
    """Write both tables."""
    lengths()
    lateness()


if __name__ == "__main__":
    main()
