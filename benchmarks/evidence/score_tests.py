"""What ``ews.score_tests`` sees, and how often it errs: power on five models, false alarms on many kinds of noise.

The models and nulls are those of ``benchmarks.evidence.peers``: "still" is the same model with its parameter standing
still, "same mean" has the mean path of the positive series as well. Every series goes through the public verb with its
defaults and 999 surrogates, in one setting for all cells. The bandwidth of the smoother and the weights of the joint
test were chosen on other seeds than this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import peers, tables

SEED = 20_261_130
SERIES = 1000
SURROGATES = 999
SEEDS = 20  # of the surrogates, in turn: one would give all records the same critical values
LENGTHS = (100, 400)
WORKERS = 2


def _answers(rows: np.ndarray) -> np.ndarray:
    """Of each row: any rejection, a warning, and the family-wise p of each test."""
    found = []
    for number, row in enumerate(rows):
        tests = ews.score_tests(row, n_surrogates=SURROGATES, seed=number % SEEDS)
        found.append([bool(tests.kinds), tests.warning, *(one.adjusted for one in tests.tests)])
    return np.array(found, dtype=np.float64)


def answers(rows: np.ndarray) -> np.ndarray:
    """:func:`_answers` on all cores."""
    with ProcessPoolExecutor(WORKERS) as pool:
        return np.concatenate(list(pool.map(_answers, np.array_split(rows, 4 * WORKERS))))


def power() -> pd.DataFrame:
    """Power and false alarms on the models of :mod:`benchmarks.evidence.peers`."""
    peers.SERIES, peers.SEED = SERIES, SEED
    lines = []
    for name, simulate in peers.MODELS.items():
        for n in LENGTHS:
            positive, null = peers.draw(simulate, n)
            found = {"approach": answers(positive)}
            found |= {key: answers(value) for key, value in peers.nulls_of(positive, null).items()}
            smallest = {key: value[:, 2:].min(axis=1) for key, value in found.items()}
            labels = np.repeat([1, 0], [len(positive), len(null)])
            line: dict[str, object] = {"bifurcation": name, "n": n}
            for key, value in found.items():
                line |= {f"any, {key}": value[:, 0].mean(), f"warning, {key}": value[:, 1].mean()}
            for key in ("still", "same mean"):
                scores = -np.concatenate([smallest["approach"], smallest[key]])
                line[f"AUC, {key}"] = ews.roc(scores, labels, n_bootstrap=0).auc
            print(line, flush=True)
            lines.append(line)
    return pd.DataFrame(lines).round(3)


def nulls(n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Still noise of many kinds, each of shape (SERIES, n)."""
    rng = np.random.default_rng([SEED, n])
    u, ease = np.linspace(0.0, 1.0, n), 300

    def filtered(noise: np.ndarray, first: float, second: float = 0.0) -> np.ndarray:
        x = noise.copy()
        for t in range(2, x.shape[1]):
            x[:, t] += first * x[:, t - 1] + second * x[:, t - 2]
        return x[:, ease:]

    def normal(spread: np.ndarray | float = 1.0) -> np.ndarray:
        scale = np.concatenate([np.full(ease, np.ravel(spread)[0]), np.broadcast_to(spread, n)])
        return rng.standard_normal((SERIES, n + ease)) * scale

    angle = 2 * np.pi / 12
    yield "white noise", normal()[:, ease:]
    yield "AR(1) 0.3", filtered(normal(), 0.3)
    yield "AR(1) 0.7", filtered(normal(), 0.7)
    yield "AR(1) 0.9", filtered(normal(), 0.9)
    yield "white noise, SD doubles", normal(1.0 + u)[:, ease:]
    yield "AR(1) 0.5, SD doubles", filtered(normal(1.0 + u), 0.5)
    yield "AR(1) 0.5, SD × 3 in a step", filtered(normal(np.where(u < 0.5, 1.0, 3.0)), 0.5)
    yield "AR(1) 0.5, t₃ innovations", filtered(rng.standard_t(3, (SERIES, n + ease)), 0.5)
    x = filtered(normal(), 0.5)
    far = rng.random(x.shape) < 0.02
    yield "AR(1) 0.5, 2 % outliers of 10 SD", np.where(far, x + 10 * x.std() * rng.choice([-1, 1], x.shape), x)
    yield "Poisson, mean 0.5", rng.poisson(0.5, (SERIES, n)).astype(float)
    yield "lognormal AR(1) 0.7", np.exp(0.7 * filtered(normal(), 0.7))
    yield "AR(2), period 12, modulus 0.95", filtered(normal(), 2 * 0.95 * np.cos(angle), -(0.95**2))
    yield "AR(2), period 12, modulus 0.99", filtered(normal(), 2 * 0.99 * np.cos(angle), -(0.99**2))
    phase = rng.uniform(0.0, 2 * np.pi, (SERIES, 1))
    yield "sine of period 12 in AR(1) 0.3", 2.0 * np.sin(angle * np.arange(n) + phase) + filtered(normal(), 0.3)
    frequencies = np.fft.rfftfreq(4 * n)
    frequencies[0] = frequencies[1]
    spectrum = rng.standard_normal((SERIES, frequencies.size)) + 1j * rng.standard_normal((SERIES, frequencies.size))
    yield "1/f noise", np.fft.irfft(spectrum / np.sqrt(frequencies), 4 * n)[:, :n]
    yield "random walk", normal()[:, ease:].cumsum(axis=1)
    yield "AR(1) 0.5 rounded to some 5 levels", np.round(filtered(normal(), 0.5))
    x = filtered(normal(), 0.9)
    error = rng.standard_normal(x.shape) * x.std()
    yield "AR(1) 0.9, constant measurement error", x + 0.5 * error
    yield "AR(1) 0.9, measurement error that falls", x + error * (1.0 - 0.9 * u)


def false_alarms() -> pd.DataFrame:
    """Rates of rejection on still noise."""
    lines: dict[str, dict[str, object]] = {}
    for n in LENGTHS:
        for name, rows in nulls(n):
            found = answers(rows)
            line = lines.setdefault(name, {"noise": name})
            line |= {f"any, n = {n}": found[:, 0].mean(), f"warning, n = {n}": found[:, 1].mean()}
            print(n, line, flush=True)
    return pd.DataFrame(list(lines.values())).round(3)


def main() -> None:
    """Write docs/generated/score_tests_power.csv and score_tests_false_alarms.csv."""
    tables.write("score_tests_power", power())
    tables.write("score_tests_false_alarms", false_alarms())


if __name__ == "__main__":
    main()
