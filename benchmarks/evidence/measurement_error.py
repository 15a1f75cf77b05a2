"""What ``ews.score_tests`` does of records with measurement error, with ``measurement_error=`` and without.

Still noise and the models of ``benchmarks.evidence.peers``, all with white measurement error on them: of constant size,
falling from there to a tenth of it over the record, or rising so. Its size is in units of the standard
deviation of what it lies on; of the models, of the first half of the detrended series. Warnings alone: noise that grows
may well be error that grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import ews
from benchmarks.evidence import peers, tables
from ews import detrend
from ews.detrend.methods import SMOOTHER

SEED = 20_261_202
SERIES = 500
SURROGATES = 299
SEEDS = 20  # of the surrogates, in turn: one would give all records the same critical values
LENGTHS = (100, 400)
WORKERS = 2
OPTIONS = {"none": None, "constant": "constant", "drifting": "drifting"}
COLUMNS = (*OPTIONS, "default")
# The size of the error over the record, from its first time to its last.
SIZES = {
    "none": (0.0, 0.0),
    "0.5": (0.5, 0.5),
    "1": (1.0, 1.0),
    "falls 1 → 0.1": (1.0, 0.1),
    "rises 0.1 → 1": (0.1, 1.0),
}
ERROR = 0.5  # its size on the models


def _warned(rows: np.ndarray) -> np.ndarray:
    """Of each row: a warning under each option, by default (which takes one of them), and whether error is named."""
    found = []
    for number, row in enumerate(rows):
        of = [
            ews.score_tests(row, n_surrogates=SURROGATES, seed=number % SEEDS, measurement_error=kind)
            for kind in OPTIONS.values()
        ]
        by_option = {one.config.measurement_error: one.warning for one in of}
        taken = ews.score_tests(row, n_surrogates=0).config.measurement_error
        found.append([*by_option.values(), by_option[taken], of[0].error_likely])
    return np.array(found, dtype=np.float64)


def warned(rows: np.ndarray) -> dict[str, float]:
    """Rates of :func:`_warned`, on all cores."""
    with ProcessPoolExecutor(WORKERS) as pool:
        each = np.concatenate(list(pool.map(_warned, np.array_split(rows, 4 * WORKERS))))
    return dict(zip([*COLUMNS, "named"], each.mean(axis=0), strict=True))


def noise(n: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Still noise with measurement error: what it is, its error, and SERIES rows."""
    rng = np.random.default_rng([SEED, n])
    ease = 300

    def red(phi: float, spread: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
        scale = np.concatenate([np.full(ease, spread[0]), np.linspace(*spread, n)])
        rows = lfilter([1.0], [1.0, -phi], rng.standard_normal((SERIES, n + ease)) * scale, axis=1)
        return rows[:, ease:] * np.sqrt(1.0 - phi * phi)

    for phi in (0.5, 0.9):
        for name, size in SIZES.items():
            yield f"AR(1) {phi:g}", name, red(phi) + np.linspace(*size, n) * rng.standard_normal((SERIES, n))
    yield "white noise", "none", red(0.0)
    for name in ("none", "0.5"):
        rows = red(0.9, (1.0, 2.0)) + SIZES[name][0] * rng.standard_normal((SERIES, n))
        yield "AR(1) 0.9, SD doubles", name, rows


def false_alarms() -> pd.DataFrame:
    """Rates of warnings on still noise."""
    lines: dict[tuple[str, str], dict[str, object]] = {}
    for n in LENGTHS:
        for name, error, rows in noise(n):
            found = warned(rows)
            line = lines.setdefault((name, error), {"noise": name, "error": error})
            line |= {f"{option}, n = {n}": found[option] for option in COLUMNS}
            line[f"error named, n = {n}"] = found["named"]
            print(line, flush=True)
    return pd.DataFrame(list(lines.values())).round(3)


def power() -> pd.DataFrame:
    """Rates of warnings on the models, on their way and standing still."""
    peers.SERIES, peers.SEED = SERIES, SEED
    lines = []
    for name, simulate in peers.MODELS.items():
        for n in LENGTHS:
            positive, still = peers.draw(simulate, n)
            plan = detrend.plan(SMOOTHER, n=n, bandwidth=None, causal=False)
            unit = float(np.median((positive - plan.rows(positive))[:, : n // 2].std(axis=1)))
            error = ERROR * unit * np.random.default_rng([SEED, n, 1]).standard_normal(positive.shape)
            line: dict[str, object] = {"bifurcation": name, "n": n}
            for key, rows in (("approach", positive), ("still", still)):
                found = warned(rows + error)
                line |= {f"{option}, {key}": found[option] for option in COLUMNS}
            print(line, flush=True)
            lines.append(line)
    return pd.DataFrame(lines).round(3)


def main() -> None:
    """Write docs/generated/measurement_error_false_alarms.csv and measurement_error_power.csv."""
    tables.write("measurement_error_false_alarms", false_alarms())
    tables.write("measurement_error_power", power())


if __name__ == "__main__":
    main()
