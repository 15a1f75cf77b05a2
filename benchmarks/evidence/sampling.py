"""How often the score tests err, and what they see, on records as they come: gaps, uneven times, repeats, rounding.

Still noise is an AR(1) at the times of the record, or a damped oscillation: an AR(2) of a grid sixteen times as fine.
What is done to a record (``missing="keep"`` or ``"interpolate"``, averages of repeats, rounding) is done to each of 99
surrogates. These are others for each record: were they always the same, a rate would be that of one draw of the
critical values. Power is that on records with as many observations at even and at other times, which were read off one
finer simulation of each approach.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import ews
from benchmarks.evidence import peers, tables
from ews.nulls import AR1AtTimes
from ews.series import Duplicates, MissingKept

SEED = 20_261_129
SERIES = 400
STILL = 1200  # of red noise: of 32 cells that keep the level, with 400 series one or two would pass 0.06 by chance
SURROGATES = 99
LIMIT = 2.5
N = 200
WORKERS = 2
FINER = 8  # samples of a simulation for each observation
Record = tuple[np.ndarray, np.ndarray | None]  # values and times


def answer(record: Record, missing: MissingKept, duplicates: Duplicates, *, seed: int) -> np.ndarray:
    """Any rejection and a warning at the family-wise level, and the adjusted p of each test."""
    values, time = record
    found = ews.score_tests(
        values, time=time, missing=missing, duplicates=duplicates, n_surrogates=SURROGATES, seed=seed
    )
    return np.array([bool(found.kinds), found.warning, *(one.adjusted for one in found.tests)], dtype=np.float64)


def _answers(work: tuple[list[Record], MissingKept, Duplicates, int]) -> np.ndarray:
    records, missing, duplicates, part = work
    return np.array([answer(one, missing, duplicates, seed=i * WORKERS + part) for i, one in enumerate(records)])


def answers(records: list[Record], *, missing: MissingKept = "keep", duplicates: Duplicates = "raise") -> np.ndarray:
    """:func:`answer` of each record, on all cores."""
    parts = [records[first::WORKERS] for first in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS) as pool:
        return np.concatenate(
            list(pool.map(_answers, [(part, missing, duplicates, i) for i, part in enumerate(parts)]))
        )


def holes(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Where nothing was observed, (STILL, N): a share of the record at random, in one half, in one block."""
    for share in (0.1, 0.3, 0.6):
        yield f"{share:.0%} missing at random", rng.random((STILL, N)) < share
        half = np.zeros((STILL, N), dtype=bool)
        block = half.copy()
        late, length = rng.random(STILL) < 0.5, round(share * N)
        for i in range(STILL):
            part = slice(N // 2, N) if late[i] else slice(0, N // 2)
            half[i, part] = rng.random(N // 2) < share
            first = rng.integers(1, N - length - 1)
            block[i, first : first + length] = True
        yield f"{share:.0%} of one half missing", half
        yield f"{share:.0%} missing in one block", block


def stills() -> Iterator[tuple[str, MissingKept, Duplicates, list[Record]]]:
    """Still noise under each way of sampling, with what is made of it."""
    rng = np.random.default_rng(SEED)

    def noise(phi: float, at: np.ndarray | None = None) -> np.ndarray:
        at = np.arange(float(N)) if at is None else at - at[0]
        return AR1AtTimes(phi, 1.0, at).draw(0, 1, seed=int(rng.integers(2**62)))[0]

    for name, absent in holes(rng):
        rows = [np.where(one, np.nan, noise(0.5)) for one in absent]
        for missing in ("keep", "interpolate"):
            yield f"AR(1) 0.5, {name}", missing, "raise", [(row, None) for row in rows]
    for phi in (0.1, 0.9):
        rows = [np.where(rng.random(N) < np.where(np.arange(N) < N // 2, 0.6, 0.0), np.nan, noise(phi))
                for _ in range(STILL)]  # fmt: skip
        for missing in ("keep", "interpolate"):
            yield f"AR(1) {phi}, 60% of the first half missing", missing, "raise", [(row, None) for row in rows]
    jittered = [np.arange(N) + rng.uniform(-0.3, 0.3, N) for _ in range(STILL)]
    random = [np.cumsum(rng.exponential(size=N)) for _ in range(STILL)]
    denser = [N * np.sort(rng.random(N)) ** 0.5 for _ in range(STILL)]
    for name, times in (("times ± 0.3", jittered), ("random times", random), ("random times that get denser", denser)):
        records: list[Record] = [(noise(0.5, at), at) for at in times]
        for missing in ("keep", "interpolate"):
            yield f"AR(1) 0.5, {name}", missing, "raise", records
    for name, counts in (("8 falling to 1", np.linspace(8, 1, N).round()), ("1 to 3", 1.0 + rng.integers(0, 3, N))):
        at = np.repeat(np.arange(float(N)), counts.astype(int))
        records = [(noise(0.5)[at.astype(int)] + 2.0 * rng.standard_normal(at.size), at) for _ in range(STILL)]
        yield f"AR(1) 0.5, averages of {name} noisy repeats", "raise", "mean", records
    for phi in (0.5, 0.9):
        rows = [noise(phi) * np.sqrt(1.0 - phi**2) for _ in range(STILL)]
        yield f"AR(1) {phi}, rounded to some 5 levels", "raise", "raise", [(np.round(row), None) for row in rows]


# Of oscillating records: modulus of the pair over one step, period in steps, and how they are sampled.
OSCILLATING = (
    (0.95, 12.0, "random times that get denser"),
    (0.95, 12.0, "random times"),
    (0.95, 5.0, "random times that get denser"),
    (0.95, 5.0, "times ± 0.3"),
    (0.8, 6.0, "random times"),
    (0.95, 12.0, "30% missing at random"),
    (0.95, 12.0, "60% of the first half missing"),
    (0.99, 20.0, "60% of the first half missing"),
    (0.99, 20.0, "30% missing in one block"),
)
STEPS = 16  # of the simulation in one of the record


def oscillation(modulus: float, period: float, how: str, rng: np.random.Generator) -> Record:
    """A record of a damped oscillation that does not change."""
    modulus, period = modulus ** (1.0 / STEPS), period * STEPS
    warm_up = round(20.0 / (1.0 - modulus))
    noise = rng.standard_normal(N * STEPS + warm_up)
    x = lfilter([1.0], [1.0, -2.0 * modulus * np.cos(2.0 * np.pi / period), modulus**2], noise)[warm_up:]
    end = x.size - 1
    if "times" in how:
        at = np.arange(N) * STEPS + STEPS // 2 + rng.integers(-5, 6, N)
        if how != "times ± 0.3":
            at = np.unique((end * rng.random(N) ** (0.5 if "denser" in how else 1.0)).astype(int))
        return x[at], at / STEPS
    row, absent = x[::STEPS].copy(), np.zeros(N, dtype=bool)
    if "first half" in how:
        absent[: N // 2] = rng.random(N // 2) < 0.6
    elif "block" in how:
        first = rng.integers(1, round(0.7 * N) - 1)
        absent[first : first + round(0.3 * N)] = True
    else:
        absent = rng.random(N) < 0.3
    row[absent] = np.nan
    return row, None


def oscillating() -> pd.DataFrame:
    """Rates of rejection on oscillations that do not change."""
    lines = []
    for modulus, period, how in OSCILLATING:
        rng = np.random.default_rng([SEED, round(100 * modulus), round(period), len(how)])
        records = [oscillation(modulus, period, how, rng) for _ in range(SERIES)]
        for missing in ("keep", "interpolate"):
            found = answers(records, missing=missing)
            name = f"AR(2), modulus {modulus:g}, period {period:g}, {how}"
            line = {"record": name, "how": f'missing="{missing}"'}
            line |= {"any": found[:, 0].mean(), "warning": found[:, 1].mean()}
            print(line, flush=True)
            lines.append(line)
    return pd.DataFrame(lines).round(3)


def false_alarms() -> pd.DataFrame:
    """Rates of rejection on still noise."""
    lines = []
    for name, missing, duplicates, records in stills():
        found = answers(records, missing=missing, duplicates=duplicates)
        how = f'missing="{missing}"' if missing != "raise" else 'duplicates="mean"' if duplicates == "mean" else ""
        line = {"record": name, "how": how, "any": found[:, 0].mean(), "warning": found[:, 1].mean()}
        print(line, flush=True)
        lines.append(line)
    return pd.DataFrame(lines).round(3)


def readings(rows: np.ndarray, n: int) -> Iterator[tuple[str, list[Record]]]:
    """Records of `n` observations each of finer simulations, at even and other times over the same span."""
    rng = np.random.default_rng(SEED)
    size, end = len(rows), FINER * n
    even = np.arange(FINER - 1, end, FINER)
    yield "even", [(row[even], None) for row in rows]
    jitter = [FINER * np.arange(n) + 4 + rng.integers(-2, 3, n) for _ in range(size)]
    yield "times ± 0.3", [(row[at], at / FINER) for row, at in zip(rows, jitter, strict=True)]
    random = [np.sort(rng.choice(end, n, replace=False)) for _ in range(size)]
    yield "random times", [(row[at], at / FINER) for row, at in zip(rows, random, strict=True)]
    grid = [np.sort(rng.choice(np.arange(0, end, FINER // 2), n, replace=False)) for _ in range(size)]
    yield "twice as fine, half of it missing", [(row[at], at / FINER) for row, at in zip(rows, grid, strict=True)]


def power(n: int = 400, models: tuple[str, ...] = ("fold", "transcritical", "Hopf")) -> pd.DataFrame:
    """Power on approaches to a bifurcation, by how they were sampled."""
    lines = []
    for name in models:
        simulate: Any = peers.MODELS[name]
        options = inspect.signature(simulate).parameters
        driver = next(one for one, each in options.items() if isinstance(each.default, tuple))
        ramp = options[driver].default[0], simulate(n=10, seed=0).critical
        interval = options["interval"].default / FINER
        rows = simulate(n=FINER * n, interval=interval, **{driver: ramp}, replicates=SERIES, seed=SEED).values
        for how, records in readings(rows, n):
            found = answers(records)
            line = {"bifurcation": name, "n": n, "times": how, "any": found[:, 0].mean(), "warning": found[:, 1].mean()}
            print(line, flush=True)
            lines.append(line)
    return pd.DataFrame(lines).round(3)


def main() -> None:
    """Write docs/generated/sampling_false_alarms.csv, sampling_oscillating.csv and sampling_power.csv."""
    tables.write("sampling_false_alarms", false_alarms())
    tables.write("sampling_oscillating", oscillating())
    tables.write("sampling_power", power())


if __name__ == "__main__":
    main()
