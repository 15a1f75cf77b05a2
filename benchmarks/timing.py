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
    processor : float
        Median seconds of processor time, over all threads: what a busy machine changes least.
    calls : int
        How many calls these are taken over.
    """

    median: float
    lowest: float
    processor: float
    calls: int


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    fewest: int = 5,
    most: int = 51,
    pause: float = 0.0,
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
    pause : float, default 0.0
        Seconds of sleep before a case's calls, in which threads that the last one left spinning fall asleep: their
        processor time would be counted with this one's.

    Returns
    -------
    dict
        Name → :class:`Timing`.
    """
    for case in cases.values():
        case()
    once = {name: _seconds(case)[0] for name, case in cases.items()}
    longest = max(once.values())
    calls = {name: min(MOST_IN_A_TURN, max(1, math.floor(longest / spent))) for name, spent in once.items()}
    turn = sum(calls[name] * spent for name, spent in once.items())
    turns = min(most, max(fewest, math.floor(seconds / turn)))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(turns):
        for name, case in cases.items():
            time.sleep(pause)
            taken[name] += [_seconds(case) for _ in range(calls[name])]
    return {name: _timing(each) for name, each in taken.items()}


def _timing(taken: list[tuple[float, float]]) -> Timing:
    wall, processor = zip(*taken, strict=True)
    return Timing(statistics.median(wall), min(wall), statistics.median(processor), len(taken))


def _seconds(case: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of one call."""
    start, used = time.perf_counter(), time.process_time()
    case()
    return time.perf_counter() - start, time.process_time() - used
