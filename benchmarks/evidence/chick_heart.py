"""Period doubling in chick-heart aggregates: the rules that simulations chose, on records nobody tuned them to.

Intervals between beats against beat number, as published (Bury et al. 2023): 23 aggregates that begin to alternate, 23
that do not. A positive record ends before the beat of its transition. Three protocols:

- *at the end, neutral whole*: one prediction a record, 23 against 23.
- *at the end, neutral cut*: the same, the neutral records cut to the length of the positive one of the same rank by
  number, as a check on length.
- *published*: ten predictions a record, at 64, 68, …, 100 % of the way to its transition, or to its last beat where it
  has none, all pooled, 230 against 230. Early ones are harder, so that AUCs of this protocol are lower: published
  figures belong here and nowhere else.

Methods:

- *score tests*: `flip_scores.RULE`, chosen and committed before any record was scored, and the single statistics; what
  they see ends at the time of prediction, smoothing included.
- *classifier*: `flip_rule.RULE`, with the same cut.
- *trend of variance, of falling AC1*: Kendall's τ with the published settings, Gaussian bandwidth of 20 beats and
  window of half the segment. In the published protocol the smoother sees the whole segment at each of the ten times,
  and the beat of the transition, as it did there.

Intervals: stratified bootstrap over records, each with all its predictions. The records have been looked at more than
once by now: they confirm, they do not judge.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import flip_rule, flip_scores, tables
from benchmarks.evidence.joint_score import standardised
from ews import detrend

# Bury et al. (2023), for the published protocol.
PUBLISHED = {"trend of variance": 0.90, "trend of falling AC1": 0.81, "deep classifier": 0.94}
BANDWIDTH_BEATS = 20
SEED = 20_261_123
SINGLE = ("memory towards −1", "variance", "smallest p of the four")


@dataclass(frozen=True)
class Record:
    """One aggregate."""

    intervals: np.ndarray  # between beats, all of them
    stop: int  # beats that may be seen
    end: int  # beat of the transition, or the last one

    @property
    def segment(self) -> np.ndarray:
        """What may be seen."""
        return self.intervals[: self.stop]

    def until(self, share: float) -> int:
        """How many beats lie within a share of the way to the end, the beat of the transition included."""
        return int(np.floor(self.end * share + 1e-9)) + 1


def records(folder: Path) -> tuple[list[Record], list[Record]]:
    """Positive and neutral records, in the order of their numbers."""
    beats = pd.read_csv(folder / "df_chick.csv")
    transitions = pd.read_csv(folder / "df_transitions.csv").set_index("tsid").iloc[:, -1]
    positive, neutral = [], []
    for (kind, number), record in beats.groupby(["type", "tsid"], sort=True):
        intervals = record.sort_values("Beat number")["IBI (s)"].to_numpy(dtype=float)
        if kind == "pd":
            end = int(transitions[number])
            positive.append(Record(intervals, end, end))
        else:
            neutral.append(Record(intervals, len(intervals), len(intervals) - 1))
    return positive, neutral


def trends(row: np.ndarray, ends: Iterable[int]) -> Iterator[dict[str, float]]:
    """Kendall's τ of windowed variance and of falling AC1 up to each end, the smoother seeing the whole row."""
    plan = detrend.plan("gaussian", n=row.size, bandwidth=BANDWIDTH_BEATS, causal=False)
    residual = row - plan.rows(row[None])[0]
    window = row.size // 2
    measured = {
        "trend of variance": ews.variance(residual, window=window)[window - 1 :],
        "trend of falling AC1": -ews.autocorrelation(residual, window=window)[window - 1 :],
    }
    for end in ends:
        yield {name: ews.trends.kendall(values[: end - window + 1]).statistic for name, values in measured.items()}


def scores(row: np.ndarray) -> dict[str, float]:
    """What is scored from the row alone."""
    z = standardised(row)
    found = ews.bifurcations.classifier(row, history=0, n_surrogates=0)
    return {
        f"score tests, {flip_scores.RULE}": flip_scores.SCORES[flip_scores.RULE](z),
        **{f"score tests, {name}": flip_scores.SCORES[name](z) for name in SINGLE},
        "classifier": flip_rule.SCORES[flip_rule.RULE](found),
        "named flip": float(flip_scores.names_flip(z)),
    }


def at_the_end(record: Record) -> list[dict[str, float]]:
    """One prediction."""
    row = record.segment
    return [scores(row) | next(trends(row, [row.size]))]


def published(record: Record) -> list[dict[str, float]]:
    """Ten predictions, the trends as they were made there."""
    whole = record.intervals[: record.end + 1]
    ends = [record.until(share) for share in flip_scores.TIMES]
    found = trends(whole, ends)
    return [scores(whole[: min(end, record.stop)]) | one for end, one in zip(ends, found, strict=True)]


def named(positive: list[Record], neutral: list[Record]) -> pd.DataFrame:
    """What the public function says of each record at its end."""
    lines = []
    for kind, group in (("begins to alternate", positive), ("does not", neutral)):
        found = [ews.score_tests(record.segment) for record in group]
        warned = [one for one in found if one.warning]
        first = [next(name for name in one.kinds if one[name].warns) for one in warned]
        lines.append(
            {
                "records": kind,
                "number": len(group),
                "any alarm": sum(bool(one.kinds) for one in found),
                "warning": len(warned),
                **{name: first.count(name) for name in ("memory towards −1", "memory towards +1", "damping")},
                "memory towards −1 stands out": sum(
                    flip_scores.names_flip(standardised(record.segment)) for record in group
                ),
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    """Write docs/generated/chick_heart.csv, chick_heart_scores.csv and chick_heart_named.csv."""
    home = os.environ.get("EWS_DATA_DIR")
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "eco"
    positive, neutral = records(Path(home or beside) / "chick_heart")
    cut = [
        Record(one.intervals, min(one.stop, like.stop), one.end) for one, like in zip(neutral, positive, strict=True)
    ]
    protocols: dict[str, tuple[list[Record], Callable[[Record], list[dict[str, float]]]]] = {
        "at the end, neutral whole": (neutral, at_the_end),
        "at the end, neutral cut": (cut, at_the_end),
        "published": (neutral, published),
    }
    lines, each = [], []
    for protocol, (negative, predict) in protocols.items():
        predictions = [predict(record) for record in [*positive, *negative]]
        found = pd.DataFrame([one for of_record in predictions for one in of_record])
        groups = np.repeat(np.arange(len(predictions)), [len(one) for one in predictions])
        labels = (groups < len(positive)).astype(int)
        for name in found.columns.drop("named flip"):
            curve = ews.roc(found[name].to_numpy(), labels, groups=groups, seed=SEED)
            line = {"protocol": protocol, "method": name, "AUC": curve.auc}
            line |= {"low": curve.interval[0], "high": curve.interval[1]}
            lines.append(line | {"published": PUBLISHED.get(name) if predict is published else None})
        each.append(found.assign(protocol=protocol, record=groups, transition=labels))
    lines.append({"protocol": "published", "method": "deep classifier", "published": PUBLISHED["deep classifier"]})
    tables.write("chick_heart", pd.DataFrame(lines).round(3))
    tables.write("chick_heart_named", named(positive, neutral))
    tables.write("chick_heart_scores", pd.concat(each).round(4))


if __name__ == "__main__":
    main()
