"""Time several ways of doing one thing side by side: in turn, so that a busy moment of the machine hits them all."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Timing", "interleaved"]

# A case much shorter than its peer is called this often in each of its turns: its median is then worth as much.
MOST_IN_A_TURN = 5


@dataclass(frozen=True)
class Timing:
    """How long one case took.

    Attributes
    ----------
    median, lowest : float
        Seconds of wall time.
    calls : int
        How many calls these are taken over.
    """

    median: float
    lowest: float
    calls: int


def interleaved(
    cases: Mapping[str, Callable[[], object]], *, seconds: float, fewest: int = 5, most: int = 51
) -> dict[str, Timing]:
    """Median wall time of each case, called in turn: A B A B …

    Parameters
    ----------
    cases : mapping of str to callable
        What is timed. Each is called twice before: to compile and fill caches, then to see how long a call takes.
    seconds : float
        Time to spend; it sets the number of turns.
    fewest, most : int
        Bounds of the number of turns.

    Returns
    -------
    dict
        Name → :class:`Timing`.
    """
    for case in cases.values():
        case()
    once = {name: _seconds(case) for name, case in cases.items()}
    longest = max(once.values())
    calls = {name: min(MOST_IN_A_TURN, max(1, math.floor(longest / spent))) for name, spent in once.items()}
    turn = sum(calls[name] * spent for name, spent in once.items())
    turns = min(most, max(fewest, math.floor(seconds / turn)))
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(turns):
        for name, case in cases.items():
            taken[name] += [_seconds(case) for _ in range(calls[name])]
    return {name: Timing(statistics.median(each), min(each), len(each)) for name, each in taken.items()}


def _seconds(case: Callable[[], object]) -> float:
    start = time.perf_counter()
    case()
    return time.perf_counter() - start
