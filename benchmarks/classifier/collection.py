"""The labelled collection that the classifier learns from: features of detrended simulations, round by round."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.classifier import nulls, systems
from ews import detrend
from ews.bifurcations._classifier.features import LONGEST, SHORTEST, features
from ews.bifurcations._classifier.network import CLASSES

FloatArray = npt.NDArray[np.float64]

assert ("null", *systems.BIFURCATIONS) == CLASSES
# How residuals are made: the default of `ews.detect` for half of the rounds.
DETRENDING: tuple[tuple[str | None, float | None, float], ...] = (
    ("gaussian", 0.2, 0.5),
    ("gaussian", 0.1, 0.12),
    ("gaussian", 0.5, 0.08),
    ("lowess", 0.3, 0.15),
    ("linear", None, 0.1),
    (None, None, 0.05),
)


@dataclass(frozen=True)
class Collection:
    """Features, shape (series, features), class numbers and lengths, shape (series,)."""

    features: FloatArray
    labels: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def one_round(seed: tuple[int, int], each: int) -> Collection:
    """Series of one length: `each` of every bifurcation, and somewhat more nulls than bifurcations."""
    generator = np.random.default_rng(seed)
    n = int(np.exp(generator.uniform(np.log(SHORTEST), np.log(LONGEST))))
    method, bandwidth, _ = DETRENDING[generator.choice(len(DETRENDING), p=[share for *_, share in DETRENDING])]
    plan = detrend.plan(method, n=n, bandwidth=bandwidth, causal=False)
    found, labels = [], []
    for label, rows in labelled(n, each, generator):
        found.append(features(rows - plan.rows(rows)))
        labels.append(np.full(rows.shape[0], label))
    every = np.concatenate(labels)
    return Collection(np.concatenate(found).astype(np.float32), every, np.full(every.size, n))


def labelled(n: int, each: int, generator: np.random.Generator) -> Iterator[tuple[int, FloatArray]]:
    """Series of one length, as they would be recorded, by class."""
    parts: list[tuple[int, FloatArray]] = []
    for label, kind in enumerate(systems.BIFURCATIONS, start=1):
        # Twice half a batch, so that one round has flows and maps of a kind more often.
        parts.extend((label, systems.simulate(kind, "towards", each // 2, n, generator)) for _ in range(2))
        parts.append((0, systems.simulate(kind, "still", each // 2, n, generator)))
        parts.append((0, systems.simulate(kind, "away", each // 4, n, generator)))
    parts.extend((0, nulls.noise(each // 2, n, generator)) for _ in range(5))
    quiet = [index for index, (label, _) in enumerate(parts) if label == 0]
    for index in generator.choice(quiet, 2, replace=False):
        rows = parts[index][1]
        some = rows.shape[0] // 2
        changed = nulls.changing_noise(rows[:some], generator)
        parts[index] = (0, np.concatenate([changed, rows[some:]]))
    for label, rows in parts:
        if rows.shape[0]:
            yield label, nulls.overlay(rows, generator)


def collect(seed: int, rounds: int, each: int) -> Collection:
    """Several rounds, two at a time; a round depends on its number and the seed only."""
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(one_round, [(seed, number) for number in range(rounds)], [each] * rounds))
    return Collection(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )
