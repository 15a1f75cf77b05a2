"""Calibration of FFN skips, alone or beside early exits.

What is left out changes the states that follow, so that a rule cannot be judged from one recording: each candidate is
replayed on the texts that test it, from the conservative to the aggressive, until one fails.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adapters.calibration.costs import Costs
from adapters.calibration.exits import fit_head, reporting, split
from adapters.calibration.result import Calibration, CalibrationConfig, new_calibration
from adapters.calibration.risk import learn_then_test
from adapters.calibration.rules import DepthRule, Rule, SkipRule, choose_rules
from adapters.calibration.table import gather
from adapters.errors import FullDepthWarning
from adapters.families import Family
from adapters.heads.early_warning import EarlyWarning
from adapters.heads.exit_classifier import FeatureSet, classifier_features, states_needed
from adapters.heads.logistic import Logistic
from adapters.heads.shortlist import ShortListHead
from adapters.texts.ablation import ablate_ffn
from adapters.texts.continuations import Continuation, full_model_continuations
from adapters.texts.reading import IntArray
from adapters.texts.replaying import Replay, replay
from ews.errors import ArgumentError, described

__all__ = ["calibrate_ffn", "ffn_groups", "harmless_groups", "skips_for"]

# Share of the risk that the candidates aim at on the texts that they are chosen on, from conservative to aggressive.
_AIMS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
_MOST_TEXTS = 64  # on which groups are tried one by one


def ffn_groups(layers: int, window: int) -> list[tuple[int, ...]]:
    """Neighbouring layers that are decided on together, a tenth of the model each.

    A window of so many layers must lie before each; the last layer of the model is in none.
    """
    size = max(1, layers // 10)
    return [tuple(range(start, start + size)) for start in range(window + 1, layers - size, size)]


def harmless_groups(
    family: Family,
    texts: Sequence[Continuation],
    *,
    indices: IntArray,
    groups: Sequence[tuple[int, ...]],
    window: int,
    features: FeatureSet,
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Leave out one group after the other, for every token, and see whether the token emitted is the same.

    Returns
    -------
    (ndarray of bool of shape (tokens, groups), ndarray of shape (tokens, groups, features))
        Whether nothing changed, and what the classifier saw before each group.
    """
    needed = states_needed(window)
    harmless, seen = [], []
    for found in ablate_ffn(family, texts, indices=indices, groups=groups):
        windows = [torch.stack(found.states[group[0] + 1 - needed : group[0] + 1], dim=1) for group in groups]
        harmless.append(~found.changed)
        seen.append(np.stack([classifier_features(each, features=features).cpu().numpy() for each in windows], axis=1))
    return np.concatenate(harmless), np.concatenate(seen)


def calibrate_ffn(
    family: Family,
    tokenizer: Any,
    texts: Sequence[Any],
    config: CalibrationConfig,
    *,
    costs: Costs | None,
    progress: bool,
) -> Calibration:
    """Fit and test; the arguments are those of :func:`adapters.calibration.run.calibrate`."""
    unit, window, features, most = config.unit, config.window, config.features, config.max_new_tokens
    groups = ffn_groups(family.depth, window)
    if not groups:
        raise ArgumentError("model", described(f"one of {family.depth} layers"), f"{window + 4} layers or more")
    lens_part, rule_part, test_part = split(len(texts), config.seed)
    if unit == "ffn":  # no head is fitted, so that these texts are free
        rule_part = np.concatenate((lens_part, rule_part))
    with reporting(progress, len(texts) * (2 if unit == "ffn" else 3) + len(_AIMS) * len(test_part)) as advance:
        written = full_model_continuations(
            family.model, texts, tokenizer=tokenizer, max_new_tokens=most, progress=advance
        )
        head: ShortListHead | None = None
        exit_rules: list[Rule] = []
        depths = tuple(
            int(depth) for depth in np.unique(np.linspace(2 * family.depth // 3, family.depth - 1, 3).round())
        )
        depths = (*(depth for depth in depths if depth > window), family.depth)
        if unit == "both":
            head = fit_head(family, written, lens_part, depths, advance)
            table = gather(family, written, head, indices=rule_part, depths=depths, window=window, features=features)
        rank, listed = (1, 1) if head is None else (head.screen.rank, head.candidates)
        weighed = costs or Costs.of(family, rank=rank, candidates=listed)
        tried = np.random.default_rng(config.seed).permutation(rule_part)[:_MOST_TEXTS]
        harmless, seen = harmless_groups(
            family, written, indices=tried, groups=groups, window=window, features=features
        )
        advance(len(texts))
        classifiers = [Logistic.fit(seen[:, at], harmless[:, at]) for at in range(len(groups))]
        scores = np.stack([classifier.score(seen[:, at]) for at, classifier in enumerate(classifiers)], axis=1)
        if head is not None:
            exit_rules = choose_rules(table, weighed, family.depth)
            exit_risks = [float((~rule.outcome(table)[1]).mean()) for rule in exit_rules]
        candidates: list[Rule] = []
        for aim in _AIMS:
            share = config.risk * aim * (0.5 if unit == "both" else 1.0)
            skips = skips_for(groups, classifiers, scores, harmless, share)
            exits: tuple[DepthRule, ...] = ()
            if exit_rules:
                allowed = [rule for rule, found in zip(exit_rules, exit_risks, strict=True) if found <= share]
                exits = allowed[-1].exits if allowed else ()
            rule = Rule(share, exits, skips)
            if (skips or exits) and (not candidates or (skips, exits) != (candidates[-1].skips, candidates[-1].exits)):
                candidates.append(rule)
        config = replace(config, tokens=sum(each.decided for each in written))
        plain = new_calibration(config, family.model, None, head, {}, weighed, 1.0)
        tested = [written[index] for index in test_part]
        found, control, expected = _test(plain, candidates, tested, family, advance, most)
    if found is None:
        warnings.warn(
            f"leaving out feed-forward blocks saves nothing at a risk of {config.risk:g} with confidence "
            f"{config.confidence:g} on {len(test_part)} texts: the policy runs at full depth",
            FullDepthWarning,
            stacklevel=4,
        )
    return replace(plain, rule=found, control=control, expected=expected)


def _test(
    plain: Calibration,
    candidates: Sequence[Rule],
    texts: Sequence[Continuation],
    family: Family,
    advance: Any,
    max_new_tokens: int,
) -> tuple[Rule | None, dict[str, Any], float]:
    """Replay candidates in their order until one fails; the cheapest that holds, the test, and what it costs."""
    config = plain.config
    losses: list[Any] = []
    sizes: Any = np.zeros(0)
    best: Rule | None = None
    control: dict[str, Any] = {}
    expected = 1.0
    for rule in candidates:
        policy = EarlyWarning(replace(plain, rule=rule).bind, unit=config.unit, cache=config.cache)
        seen = replay(family.model, policy, texts)
        advance(len(texts))
        differ, counts = seen.counts()
        kept = counts > 0
        losses.append(differ[kept])
        sizes = counts[kept]
        tested = learn_then_test(
            np.stack(losses),
            sizes,
            risk=config.risk,
            confidence=config.confidence,
            target=config.target,
            max_size=max_new_tokens - 1,
            seed=config.seed,
        )
        control = tested.to_dict()
        if tested.index != len(losses) - 1:
            break
        spent = _cost(rule, seen, plain.costs, family)
        if spent < expected:
            best, expected = rule, spent
    return best, control, expected


def _cost(rule: Rule, seen: Replay, costs: Costs, family: Family) -> float:
    """Cost of a token under a rule, in units of one through the full model."""
    left_out = seen.depth - seen.ffn_blocks
    predicted = np.zeros(len(seen.depth))
    for each in rule.exits:
        predicted += seen.depth >= each.depth
    spoke = np.isin(seen.depth, [each.depth for each in rule.exits if each.depth < family.depth])
    spent = seen.depth - costs.ffn * left_out + costs.prediction * predicted + costs.classifier * len(rule.skips)
    return float((spent + costs.head * ~spoke).mean() / costs.full_model(family.depth))


def skips_for(
    groups: Sequence[tuple[int, ...]],
    classifiers: Sequence[Logistic],
    scores: np.ndarray[Any, Any],
    harmless: np.ndarray[Any, Any],
    share: float,
) -> tuple[SkipRule, ...]:
    """Thresholds under which the groups change about this share of tokens, as far as each tried alone tells."""
    levels = np.unique(np.quantile(scores[np.isfinite(scores)], np.linspace(0, 1, 201)))[::-1]
    threshold = np.inf
    for level in levels:  # from conservative to aggressive
        opened = scores >= level
        if (opened & ~harmless).sum(axis=1).mean() > share:
            break
        threshold = float(level)
    if not np.isfinite(threshold):
        return ()
    used = np.flatnonzero((scores >= threshold).any(axis=0)).tolist()
    return tuple(SkipRule(groups[at], classifiers[at], threshold) for at in used)
