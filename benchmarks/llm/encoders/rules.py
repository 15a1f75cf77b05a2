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

__all__ = ["Curve", "Mixed", "Variant", "curves_of", "replayed", "variants_of"]

TURNED = 0.1  # the trade-off of JEI-DNN whose threshold is turned


def replayed(kept: FirstTokenStates, policy: EncoderPolicy, heads: ExitHeads) -> EncoderOutput:
    """What a rule does, on states that are at hand."""
    return run_batches(kept, [(np.arange(len(kept)), None)], len(kept), policy=policy, heads=heads)


@dataclass(frozen=True)
class Variant:
    """A rule in one setting, with the heads that it reads."""

    setting: Any
    policy: EncoderPolicy
    heads: ExitHeads


def variants_of(made: Fitted) -> dict[str, tuple[str, list[Variant]]]:
    """Name → whose states are read, and the rule in each of its settings.

    Those of early warnings are fitted to the first half of the texts for choosing. JEI-DNN's settings are trade-offs,
    each with gates and heads that were trained for it, as published; and the threshold of one pair of these, which
    spares the training.
    """
    found: dict[str, tuple[str, EncoderPolicy, ExitHeads]] = {
        "pabee": ("pabee", PabeePolicy(), made.heads["pabee"]),
        "confidence": ("pabee", ConfidenceExit(), made.heads["pabee"]),
        "entropy": ("pabee", EntropyExit(), made.heads["pabee"]),
        "fixed": ("pabee", FixedDepthExit(depth=1), made.heads["pabee"]),
        "random": ("pabee", RandomDepthExit(seed=made.case.seed), made.heads["pabee"]),
        "palbert": ("palbert", PonderPolicy(), made.heads["palbert"]),
        "jei_threshold": ("jei_dnn", JEIPolicy(), made.gated[TURNED]),
        "thresholding": ("jei_warm", ConfidenceExit(), made.heads["jei_warm"]),
        "pabee_shared": ("shared", PabeePolicy(), made.heads["shared"]),
    }
    tuning = made.kept["pabee"][1]
    half = tuning.rows(torch.arange(len(tuning) // 2))
    for features in ("both", "windowed", "raw"):
        policy = EWSEncoderExit(features=features)
        policy.fit(half, *readings(made.heads["pabee"], half))
        found[f"ews_{features}"] = ("pabee", policy, made.heads["pabee"])
    layers = made.backbone.depth
    variants = {
        name: (
            system,
            [Variant(each, policy.with_setting(each), heads) for each in policy.settings(layers, heads.classes)],
        )
        for name, (system, policy, heads) in found.items()
    }
    variants["jei_dnn"] = ("jei_dnn", [Variant(each, JEIPolicy(), heads) for each, heads in made.gated.items()])
    return variants


@dataclass(frozen=True)
class Mixed:
    """What is said of each text where it follows one of two settings of a rule, by lot."""

    probabilities: Any
    depth: float


@dataclass(frozen=True)
class Curve:
    """A rule at each of its settings, from the deepest to the shallowest, and never leaving before them."""

    variants: list[Variant]
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
    """Name → whose states are read, and what the rule does at each of its settings."""
    found: dict[str, tuple[str, Curve]] = {}
    for name, (system, variants) in variants_of(made).items():
        _, tuning, test = made.kept[system]
        second = tuning.rows(torch.arange(len(tuning) // 2, len(tuning)))
        tried = [Variant("", NeverLeave(), variants[0].heads), *variants]
        done = [[replayed(kept, each.policy, each.heads) for each in tried] for kept in (second, test)]
        found[name] = (system, Curve(tried, *done))
    return found
