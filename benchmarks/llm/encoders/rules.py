"""Rules at a budget, and at a mean depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapters.encoders import (
    ConfidenceExit,
    EncoderPolicy,
    EntropyExit,
    EWSEncoderExit,
    ExitHeads,
    FixedDepthExit,
    JEIPolicy,
    NeverLeave,
    PabeePolicy,
    PonderPolicy,
    RandomDepthExit,
)
from adapters.encoders.run import EncoderOutput, run_batches
from adapters.encoders.states import FirstTokenStates, readings
from benchmarks.llm.encoders.fitted import Fitted
from benchmarks.llm.encoders.numbers import probabilities

__all__ = ["Curve", "Mixed", "curves_of", "replayed", "rules_of"]


def replayed(kept: FirstTokenStates, policy: EncoderPolicy, heads: ExitHeads) -> EncoderOutput:
    """What a rule does, on states that are at hand."""
    return run_batches(kept, [(np.arange(len(kept)), None)], len(kept), policy=policy, heads=heads)


def rules_of(made: Fitted) -> dict[str, tuple[str, EncoderPolicy]]:
    """Name → heads and rule. Those of early warnings are fitted to the first half of the texts for choosing."""
    found: dict[str, tuple[str, EncoderPolicy]] = {
        "pabee": ("pabee", PabeePolicy()),
        "confidence": ("pabee", ConfidenceExit()),
        "entropy": ("pabee", EntropyExit()),
        "fixed": ("pabee", FixedDepthExit(depth=1)),
        "random": ("pabee", RandomDepthExit(seed=made.case.seed)),
        "palbert": ("palbert", PonderPolicy()),
        "jei_dnn": ("jei_dnn", JEIPolicy()),
        "thresholding": ("jei_warm", ConfidenceExit()),
        "pabee_shared": ("shared", PabeePolicy()),
    }
    tuning = made.kept["pabee"][1]
    half = tuning.rows(torch.arange(len(tuning) // 2))
    for features in ("both", "windowed", "raw"):
        policy = EWSEncoderExit(features=features)
        policy.fit(half, *readings(made.heads["pabee"], half))
        found[f"ews_{features}"] = ("pabee", policy)
    return found


@dataclass(frozen=True)
class Mixed:
    """What is said of each text where it follows one of two settings of a rule, by lot."""

    probabilities: Any
    depth: float


@dataclass(frozen=True)
class Curve:
    """A rule at each of its settings, from the deepest to the shallowest, and never leaving before them."""

    heads: ExitHeads
    rules: list[EncoderPolicy]
    tuning: list[EncoderOutput]
    test: list[EncoderOutput]

    def at_budget(self, depth: float) -> int | None:
        """The setting whose mean depth on texts for choosing is nearest to a budget from below."""
        found = [(each.report.mean_depth, -place) for place, each in enumerate(self.tuning)][1:]
        within = [one for one in found if one[0] <= depth + 1e-9]
        return -max(within)[1] if within else None

    def at_depth(self, depth: float) -> Mixed | None:
        """A mean depth met on the scored texts, between the settings next to it; None where none is as shallow.

        That reads how deep texts go there, and no label.
        """
        means = np.array([each.report.mean_depth for each in self.test])
        if means.min() > depth or means.max() < depth:
            return None
        below = int(np.flatnonzero(means <= depth)[means[means <= depth].argmax()])
        above = int(np.flatnonzero(means >= depth)[means[means >= depth].argmin()])
        span = means[above] - means[below]
        share = 0.0 if span == 0 else (depth - means[below]) / span
        count = len(self.test[0].report.depths)
        deeper = np.random.default_rng(1).permutation(count) < round(share * count)
        said = np.where(deeper[:, None], probabilities(self.test[above]), probabilities(self.test[below]))
        depths = np.where(deeper, self.test[above].report.depths, self.test[below].report.depths)
        return Mixed(said, float(depths.mean()))


def curves_of(made: Fitted) -> dict[str, tuple[str, Curve]]:
    """Name → name of the heads, and what the rule does at each of its settings."""
    found: dict[str, tuple[str, Curve]] = {}
    for name, (system, policy) in rules_of(made).items():
        heads, (_, tuning, test) = made.heads[system], made.kept[system]
        second = tuning.rows(torch.arange(len(tuning) // 2, len(tuning)))
        rules = [NeverLeave(), *(policy.with_setting(each) for each in policy.settings(test.depth, heads.classes))]
        done = [[replayed(kept, rule, heads) for rule in rules] for kept in (second, test)]
        found[name] = (system, Curve(heads, rules, *done))
    return found
