"""Verdicts at the same measured rate of false alarms: ``detect`` by both methods beside ewstools' trends.

The series are those of :mod:`benchmarks.evidence.peers`, the nulls with the mean path of the positives. A verdict has
the rate of false alarms that it has on the nulls of the row; each peer's threshold on its own trend is set so that it
has at least that rate on the same nulls (never less, so the comparison favours the peer), and its power is read there.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from benchmarks.evidence.peers import LENGTHS, MODELS, draw, ewstools_trends, nulls_of
from ews import nulls
from ews._common.alarms import Statistic
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import resolve_pipeline
from ews._significance.surrogates import hold_against

SERIES = 120
SURROGATES = 399
ALPHA = 0.05
SEED = 20_261_123


VERDICTS = ("detect", "detect, or variance only", 'detect, method="kendall"')


def warned(row: np.ndarray, seed: int) -> tuple[bool, ...]:
    """Whether each method warns; of the default also whether it says anything, noise that grows included."""
    scores = ews.score_tests(row, n_surrogates=SURROGATES, seed=seed)
    pipeline = pipeline_of(row.size)
    residual = row - pipeline.plan.rows(row[None])[0]
    tau = pipeline.tau(pipeline.measure(residual[None], residual[None]))[:, 0]
    fitted = nulls.fit(residual)
    tested = hold_against(pipeline, tau, fitted, n_surrogates=SURROGATES, seed=seed, banded=0)[0]
    trends = any(
        bool(Statistic(one.alarm).warns(np.array(tau[i]), np.array(tested.pvalue_adjusted[one.name]), ALPHA))
        for i, one in enumerate(pipeline.indicators)
    )
    return scores.warning, bool(scores.kinds), trends


def pipeline_of(n: int) -> Pipeline:
    """The defaults of ``ews.detect(method="kendall")``."""
    return resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=("variance", "ac1", "skewness"),
        trend="kendall",
        causal=False,
        season=None,
    )


def power_at(rate: float, positive: np.ndarray, null: np.ndarray) -> float:
    """Share of positive scores above the threshold that at least a share `rate` of the null scores exceed."""
    exceed = max(1, int(np.ceil(rate * null.size)))
    threshold = np.sort(null)[::-1][exceed - 1]
    return float(np.mean(positive >= threshold))


def main() -> None:
    """Write docs/generated/verdict_power.csv."""
    warnings.simplefilter("ignore")  # ewstools' own
    lines = []
    for name, simulate in MODELS.items():
        for n in LENGTHS:
            drawn = tuple(rows[:SERIES] for rows in draw(simulate, n))
            positive, null = drawn[0], nulls_of(*drawn)["same mean"]
            rows = np.concatenate([positive, null])

            def verdicts(first: int, count: int, rows: np.ndarray = rows) -> np.ndarray:
                return np.array([warned(rows[i], SEED + i) for i in range(first, first + count)])

            found = np.concatenate(in_chunks(verdicts, len(rows), n=n))
            peer = pd.DataFrame([ewstools_trends(row) for row in rows]).fillna(0.0)
            if name == "flip":
                peer["ac1"] = -peer["ac1"]
            peer["skew"] = peer["skew"].abs()
            for column, verdict in enumerate(VERDICTS):
                rate = found[SERIES:, column].mean()
                powers = {
                    key: power_at(rate, peer[key].to_numpy()[:SERIES], peer[key].to_numpy()[SERIES:]) for key in peer
                }
                best = max(powers, key=powers.__getitem__)
                lines.append(
                    {
                        "bifurcation": name,
                        "n": n,
                        "verdict": verdict,
                        "false alarms": rate,
                        "power": found[:SERIES, column].mean(),
                        "best peer": best,
                        "its power": powers[best],
                    }
                )
            tables.write("verdict_power", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
