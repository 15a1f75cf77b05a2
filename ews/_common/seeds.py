"""One rule for seeds, whoever asks for random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews._common import checks

__all__ = ["resolve_seed"]


def resolve_seed(seed: Any) -> int:
    """The integer that a result records: itself, one drawn from a Generator, or a fresh one."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63 - 1))
    # Seeds of any size: a SeedSequence takes them, and records them exactly.
    allowed = "an integer of 0 or more, a numpy.random.Generator, or None"
    return checks.whole("seed", seed, least=0, most=10**300, allowed=allowed)
