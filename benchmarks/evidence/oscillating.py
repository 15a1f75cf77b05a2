"""What the score tests see of oscillating records as they are measured, and how often they err on them.

Two damped modes of unlike period, both driven by constant noise, one of which loses its damping at the end of the
record; and measurement noise of half the standard deviation of both together. The control has constant damping. Every
record goes through the public verb with its defaults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from ews._analysis.score_tests.oscillation import dominant_mode
from ews._analysis.score_tests.statistics import STATISTICS, bounded

SEED = 20_261_131
SERIES = 400
N = 1000
SURROGATES = 199
LIMIT = 2.5
# Samples a period of the mode that loses damping, and its damping ratio at the start.
PERIODS = (10, 20, 40, 100)
DAMPING = (0.1, 0.3)
OTHER_DAMPING = 0.1
MEASUREMENT = 0.5  # of the standard deviation of both modes
WORKERS = min(2, os.cpu_count() or 1)
ALPHA = 0.05
CHUNKS = 4  # seeds count within one: the table is the same whatever the number of workers
_DAMPING = [one.name for one in STATISTICS].index("damping")
_WARNS = np.array([one.warns for one in STATISTICS])


def damped(
    rng: np.random.Generator, period: np.ndarray, damping: np.ndarray, n: int, *, warm_up: int = 2000
) -> np.ndarray:
    """A mode (rows, n) driven by constant noise: of period (rows,), in samples, and damping ratio at each time (n,)."""
    frequency = 2.0 * np.pi / period
    path = np.concatenate([np.full(warm_up, damping[0]), damping])
    drive = np.sqrt(1.0 - np.exp(-2.0 * damping[0] * frequency))  # variance 1 at the start
    state = np.zeros(period.size, dtype=complex)
    out = np.empty((period.size, n))
    for t, ratio in enumerate(path):
        noise = rng.standard_normal((2, period.size))
        state = np.exp((1j - ratio) * frequency) * state + drive * (noise[0] + 1j * noise[1])
        if t >= warm_up:
            out[:, t - warm_up] = state.real
    return out


def measured(period: float, damping: float, *, control: bool, series: int, seed: int, n: int = N) -> np.ndarray:
    """Records (series, n) of a mode that loses its damping, or does not, beside another, with measurement noise.

    The other's period is drawn from 10 to 100 samples, even in its logarithm, at least a factor 1.5 away.
    """
    rng = np.random.default_rng([SEED, seed, int(control)])
    other = 10.0 ** rng.uniform(1.0, 2.0, (50, series))
    far = np.abs(np.log(other / period)) > np.log(1.5)
    other = other[far.argmax(axis=0), np.arange(series)]
    path = np.full(n, damping) if control else np.linspace(damping, 0.0, n)
    x = damped(rng, np.full(series, float(period)), path, n) + damped(rng, other, np.full(n, OTHER_DAMPING), n)
    return np.asarray(x + MEASUREMENT * x.std(axis=1, keepdims=True) * rng.standard_normal(x.shape))


def _answers(rows: np.ndarray, surrogates: int = SURROGATES) -> np.ndarray:
    """Of each row: whether it oscillates, beyond second order, and the family-wise p of each statistic."""
    found = []
    for number, row in enumerate(rows):
        tests = ews.score_tests(row, n_surrogates=surrogates, seed=number)
        mode = dominant_mode(bounded(tests.residual[None], LIMIT)[0])
        resolved = mode is not None and mode.resolved
        found.append([mode is not None, resolved, *(one.adjusted for one in tests.tests)])
    return np.array(found, dtype=np.float64)


def answers(rows: np.ndarray) -> np.ndarray:
    """:func:`_answers` on all cores."""
    with ProcessPoolExecutor(WORKERS) as pool:
        return np.concatenate(list(pool.map(_answers, np.array_split(rows, CHUNKS))))


def summary(found: np.ndarray) -> dict[str, float]:
    """Rates of one cell: a warning, its being named Hopf, and whether the mode was resolved."""
    p = found[:, 2:]
    least = np.nanmin(p[:, _WARNS], axis=1)
    warned = least <= ALPHA
    named = warned & (p[:, _DAMPING] <= least)
    return {
        "warning": warned.mean(),
        "named Hopf": named.sum() / max(warned.sum(), 1),
        "any": (np.nanmin(p, axis=1) <= ALPHA).mean(),
        "resolved": found[:, 1].mean(),
    }


def power() -> pd.DataFrame:
    """Warnings before the loss of damping, and where the damping is constant."""
    lines = []
    for number, (period, damping) in enumerate(product(PERIODS, DAMPING)):
        found = {
            control: summary(answers(measured(period, damping, control=control, series=SERIES, seed=number)))
            for control in (False, True)
        }
        line = {"period": period, "damping ratio at the start": damping, **found[False]}
        lines.append(line | {f"{key}, constant damping": found[True][key] for key in ("warning", "any", "resolved")})
        print(lines[-1], flush=True)
    return pd.DataFrame(lines).round(3)


def still(n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Narrow-band noise, and a sine in noise, each of shape (SERIES, n)."""
    from scipy.signal import lfilter

    rng = np.random.default_rng([SEED, n])
    for modulus, period in product((0.8, 0.9, 0.99), (6, 12, 40)):
        warm_up = int(20 / (1.0 - modulus))
        denominator = [1.0, -2.0 * modulus * np.cos(2 * np.pi / period), modulus**2]
        noise = rng.standard_normal((SERIES, n + warm_up))
        yield f"AR(2), modulus {modulus}, period {period}", lfilter([1.0], denominator, noise, axis=1)[:, warm_up:]
    for period in (6, 12, 40):
        phase = rng.uniform(0.0, 2 * np.pi, (SERIES, 1))
        sine = 2.0 * np.sin(2 * np.pi * np.arange(n) / period + phase)
        yield f"sine of period {period} in white noise", sine + rng.standard_normal((SERIES, n))


def false_alarms() -> pd.DataFrame:
    """Warnings of records that oscillate and do not change."""
    lines = []
    for name, rows in still(400):
        found = summary(answers(rows))
        lines.append({"noise": name, "n": 400, **{key: found[key] for key in ("warning", "any", "resolved")}})
        print(lines[-1], flush=True)
    return pd.DataFrame(lines).round(3)


def main() -> None:
    """Write docs/generated/oscillating_power.csv and oscillating_false_alarms.csv."""
    tables.write("oscillating_power", power())
    tables.write("oscillating_false_alarms", false_alarms())


if __name__ == "__main__":
    main()
