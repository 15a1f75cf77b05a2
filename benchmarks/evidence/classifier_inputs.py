"""Whether the classifier, trained anew with the score statistics among its inputs, sees more than the score tests.

Two networks of the shipped make learn from the same simulations, drawn anew and fewer: one from the features of what
the default smoother leaves, one from these and the four score statistics. Both, the shipped network and the score
tests are asked about the models of :mod:`benchmarks.evidence.peers`, which none of them saw; nulls have the same mean.
The power is that at 5 % false alarms in the row; *either* is the smaller of two p, of the score tests and of the
network that was given them.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

from benchmarks.classifier import network
from benchmarks.classifier.collection import Collection, labelled
from benchmarks.evidence import peers, tables
from benchmarks.evidence.joint_score import LIMIT, smallest, standardised
from ews import detrend
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import robust_residual, score
from ews._significance.pipeline import in_chunks
from ews.bifurcations._classifier.features import FEATURES, SHORTEST, features
from ews.bifurcations._classifier.network import Network
from ews.bifurcations._classifier.run import evidence_of
from ews.detrend.methods import SMOOTHER

SEED = 20_261_129
ROUNDS, EACH, LONGEST = 60, 320, 800
WORKERS = 2


def inputs(rows: np.ndarray) -> np.ndarray:
    """Features of what the default smoother leaves, and the four score statistics."""
    n = rows.shape[1]
    plan, shapes = detrend.plan(SMOOTHER, n=n, bandwidth=None, causal=False), weights(n)

    def some(first: int, count: int) -> np.ndarray:
        residual = robust_residual(rows[first : first + count], lambda one: one - plan.rows(one))
        return np.concatenate([features(residual), score(residual, shapes, LIMIT)[0].T], axis=1)

    return np.nan_to_num(np.concatenate(in_chunks(some, len(rows), n=n)))


def one_round(number: int) -> Collection:
    """Series of one length."""
    generator = np.random.default_rng([SEED, number])
    n = int(np.exp(generator.uniform(np.log(SHORTEST), np.log(LONGEST))))
    found = [(inputs(rows), np.full(len(rows), label)) for label, rows in labelled(n, EACH, generator)]
    labels = np.concatenate([label for _, label in found])
    return Collection(np.concatenate([one for one, _ in found]).astype(np.float32), labels, np.full(labels.size, n))


def trained() -> dict[str, tuple[Network, int]]:
    """The two networks, and how many of the inputs each takes."""
    with ProcessPoolExecutor(WORKERS) as pool:
        parts = list(pool.map(one_round, range(ROUNDS)))
    every = np.concatenate([part.features for part in parts])
    labels, lengths = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "lengths"))
    print(f"{labels.size} series", flush=True)
    taken = {"trained anew": len(FEATURES), "trained anew with scores": every.shape[1]}
    return {
        name: (Network.of(network.train(Collection(every[:, :count], labels, lengths), seed=SEED)), count)
        for name, count in taken.items()
    }


def evidence(one: Network, found: np.ndarray) -> np.ndarray:
    """Log odds of any bifurcation against none."""
    logits = one.logits(found)
    return np.asarray(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0])


def _smallest(rows: np.ndarray) -> list[float]:
    return [smallest(standardised(row)) for row in rows]


def scored(rows: np.ndarray, networks: dict[str, tuple[Network, int]]) -> dict[str, np.ndarray]:
    """Every method's score of every series."""
    plan = detrend.plan("gaussian", n=rows.shape[1], bandwidth=0.2, causal=False)
    with ProcessPoolExecutor(WORKERS) as pool:
        tests = np.concatenate(list(pool.map(_smallest, np.array_split(rows, 4 * WORKERS))))
    found = inputs(rows)
    return {
        "score tests": tests,
        "shipped classifier": evidence_of(rows - plan.rows(rows)),
        **{name: evidence(one, found[:, :count]) for name, (one, count) in networks.items()},
    }


def either(one: np.ndarray, other: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The smaller of two p among the nulls of the row, its sign turned."""
    ranks = [np.sort(each[labels == 0]) for each in (one, other)]
    return -np.minimum(
        *(
            1 - np.searchsorted(rank, each, side="right") / rank.size
            for rank, each in zip(ranks, (one, other), strict=True)
        )
    )


def main() -> None:
    """Write docs/generated/classifier_inputs.csv."""
    peers.SEED = SEED
    networks, lines = trained(), []
    for name, simulate in peers.MODELS.items():
        for n in peers.LENGTHS:
            positive, null = peers.draw(simulate, n)
            rows = np.concatenate([positive, peers.nulls_of(positive, null)["same mean"]])
            labels = np.repeat([1, 0], [len(positive), len(null)])
            found = scored(rows, networks)
            found["either"] = either(found["score tests"], found["trained anew with scores"], labels)
            more, low, high = peers.gain(found["trained anew with scores"], found["score tests"], labels)
            line = {"bifurcation": name, "n": n, "series": len(positive)}
            line |= {key: peers.seen(value, labels) for key, value in found.items()}
            lines.append(line | {"with scores − score tests": more, "low": low, "high": high})
            print(lines[-1], flush=True)
    tables.write("classifier_inputs", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
