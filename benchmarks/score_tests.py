"""Time the default answer: beside that of windowed indicators, its steps for one surrogate, and of long records.

``python -m benchmarks.score_tests``. Called in turn, medians; EWS_NUM_THREADS sets the threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

import ews
from benchmarks.timing import interleaved
from ews import nulls
from ews._analysis.detect.controls import CLOSED, SEEN
from ews._analysis.score_tests.null import fitted_null
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import bounded, robust_residual, score
from ews._analysis.score_tests.table import TABLES
from ews.detrend.methods import SMOOTHER

N, SURROGATES, LIMIT, ROWS = 500, 1000, 2.5, 65
SERIES = 40
SECONDS = 10.0


def answers() -> dict[str, Callable[[], object]]:
    """Answers for one series after another, of one length: ours, and published practice with as many surrogates."""
    rows = itertools.cycle(nulls.AR1(0.6, 1.0, N).draw(0, SERIES, seed=1))

    def detect(method: Literal["score", "kendall"]) -> object:
        return ews.detect(next(rows), method=method, n_surrogates=SURROGATES)

    return {"score": partial(detect, "score"), "kendall": partial(detect, "kendall")}


def first_answers() -> dict[str, Callable[[], object]]:
    """The same where nothing that was drawn for a series is kept for the next."""
    later = answers()

    def first() -> object:
        TABLES.clear()
        SEEN.clear()
        CLOSED.clear()
        return later["score"]()

    return {**later, "score": first}


def times_faster(cases: dict[str, Callable[[], object]], seconds: float = SECONDS) -> tuple[float, float]:
    """How many times faster the default answer is, by the clock and by processor time."""
    taken = interleaved(cases, seconds=seconds)
    ours, theirs = taken["score"], taken["kendall"]
    return theirs.median / ours.median, theirs.processor / ours.processor


def steps() -> dict[str, Callable[[], object]]:
    """What is done to a chunk of surrogates, and the fit of the null."""
    plan, shapes, null = ews.detrend.plan(SMOOTHER, n=N), weights(N), nulls.AR1(0.6, 1.0, N)

    def residual_of(rows: np.ndarray) -> np.ndarray:
        return robust_residual(rows, lambda one: one - plan.rows(one))

    rows = null.draw(0, ROWS, seed=1)
    residual = residual_of(rows)
    return {
        "draw": partial(null.draw, 0, ROWS, seed=1),
        "smooth": partial(plan.rows, rows),
        "smooth, outliers pulled in": partial(residual_of, rows),
        "score": partial(score, residual, shapes, LIMIT),
        "all": lambda: score(residual_of(null.draw(0, ROWS, seed=1)), shapes, LIMIT),
        "fit of the null": lambda: fitted_null(
            bounded(residual[:1], LIMIT)[0], lambda some: bounded(residual_of(some), LIMIT), null="ar1", seed=1
        ),
    }


def main() -> None:
    """Print every figure."""
    for told, cases in (("of one series after another", answers()), ("of a first series", first_answers())):
        whole = interleaved(cases, seconds=SECONDS)
        print(told)
        for name, time in whole.items():
            print(f"{name:28}{1e3 * time.median:8.1f} ms, processor {1e3 * time.processor:8.1f} ms")
        ours, theirs = whole["score"], whole["kendall"]
        print(
            f"{'times faster':28}{theirs.median / ours.median:8.1f}, processor {theirs.processor / ours.processor:8.1f}"
        )
    for name, time in interleaved(steps(), seconds=SECONDS, most=1001).items():
        print(f"{name:28}{1e6 * time.processor / ROWS:8.2f} us for each of {ROWS} rows")


if __name__ == "__main__":
    main()
