"""How many threads work on many rows."""

from __future__ import annotations

import os

from ews.errors import ValueRangeError

__all__ = ["thread_count"]


def thread_count() -> int:
    """What ``EWS_NUM_THREADS`` says, or the processors that this process may use."""
    chosen = os.environ.get("EWS_NUM_THREADS")
    if chosen is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not chosen.isdigit() or int(chosen) < 1:
        raise ValueRangeError("EWS_NUM_THREADS", chosen, "an integer of 1 or more")
    return int(chosen)
