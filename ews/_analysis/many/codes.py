"""What the numbers in a map mean, as CF's flag attributes have it."""

from __future__ import annotations

from ews._analysis.score_tests.statistics import STATISTICS

__all__ = ["FIELDS", "KINDS", "OUTPUTS", "REASONS", "TESTS", "VERDICTS"]

# A code is a place here; −1 where nothing was tested.
VERDICTS = ("no warning", "inconclusive", "warning")
KINDS = ("none", "variance only", "flickering", "slowing down")
# Why a series has no answer, or that it was tested.
REASONS = (
    "tested",
    "not asked for",  # outside of `where`
    "nothing observed",
    "too few observations",
    "values allow no answer",
    "refused",  # by ews.detect, for another reason
    "not reached",  # by a run that writes its maps block by block
)
TESTS = tuple(one.name for one in STATISTICS)
# One series as numbers, in this order: what goes over the network, and into one block.
FIELDS = (
    "verdict",
    "kind",
    "reason",
    "n",
    "pvalue",
    "drift",
    "power",
    *(f"z_{i}" for i in range(len(TESTS))),
    *(f"adjusted_{i}" for i in range(len(TESTS))),
)
# What the Dataset of a cube holds, with the dimension of its tests.
OUTPUTS = ("verdict", "kind", "reason", "n", "p", "q", "drift", "power", "z", "p_test", "test")
