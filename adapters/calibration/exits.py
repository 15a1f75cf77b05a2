"""Calibration of early exits: fit head, classifiers and rules on some texts, and test the rules on others."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adapters.calibration.costs import Costs
from adapters.calibration.result import Calibration, CalibrationConfig, new_calibration
from adapters.calibration.risk import RiskControl, Target, learn_then_test
from adapters.calibration.rules import Rule, choose_rules, losses_of
from adapters.calibration.table import ExitTable, gather, trajectories_of
from adapters.errors import FullDepthWarning
from adapters.families import Family
from adapters.heads.full import FullHead
from adapters.heads.lens import LensMoments, TunedLens
from adapters.heads.shortlist import ShortListHead
from adapters.texts.continuations import Continuation, full_model_continuations

__all__ = [
    "LENS_SHARE",
    "RULE_SHARE",
    "calibrate_exits",
    "candidate_depths",
    "fit_head",
    "reporting",
    "split",
    "test_rules",
    "window_for",
]

# Shares of the texts for translators and head, for classifiers and rules; the rest decides how far the thresholds go.
LENS_SHARE, RULE_SHARE = 0.3, 0.2
_DEPTHS = 5
_WINDOW = 8


def candidate_depths(layers: int, window: int) -> tuple[int, ...]:
    """Depths at which rules may predict: five from the middle on, and the last, where only the head can be saved."""
    first = max(window + 1, layers // 2)
    inner = np.unique(np.linspace(first, layers - 1, _DEPTHS).round().astype(int)).tolist() if first < layers else []
    return (*inner, layers)


def calibrate_exits(
    family: Family,
    tokenizer: Any,
    texts: Sequence[Any],
    config: CalibrationConfig,
    *,
    costs: Costs | None,
    progress: bool,
) -> Calibration:
    """Fit and test early exits; the arguments are those of :func:`adapters.calibration.run.calibrate`."""
    risk, confidence, most = config.risk, config.confidence, config.max_new_tokens
    with reporting(progress, 3 * len(texts)) as advance:
        written = full_model_continuations(
            family.model, texts, tokenizer=tokenizer, max_new_tokens=most, progress=advance
        )
        lens_part, rule_part, test_part = split(len(texts), config.seed)
        depths = candidate_depths(family.depth, config.window)
        head = fit_head(family, written, lens_part, depths, advance)
        table = gather(
            family,
            written,
            head,
            indices=np.concatenate((rule_part, test_part)),
            depths=depths,
            window=config.window,
            features=config.features,
            progress=lambda done: advance(2 * done),
        )
    weighed = costs or Costs.of(family, rank=head.screen.rank, candidates=head.candidates)
    rules = choose_rules(table.of_texts(rule_part), weighed, family.depth)
    control, rule = test_rules(
        rules, table.of_texts(test_part), test_part, risk, confidence, config.target, most, config.seed
    )
    expected = 1.0
    if rule is None:
        warnings.warn(
            f"no rule saves anything at a risk of {risk:g} with confidence {confidence:g} on {len(test_part)} texts: "
            "the policy runs at full depth",
            FullDepthWarning,
            stacklevel=4,
        )
    else:
        expected = rule.cost(table.of_texts(test_part), weighed, family.depth).mean() / weighed.full_model(family.depth)
    config = replace(config, tokens=sum(each.decided for each in written))
    return new_calibration(config, family.model, rule, head, control.to_dict(), weighed, float(expected))


def window_for(layers: int) -> int:
    """Layers in the exit classifiers' window: eight, or what a small model has."""
    return min(_WINDOW, layers - 2)


def split(texts: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Texts for the head, for the rules, and for the test, in an order that means nothing."""
    order = np.random.default_rng(seed).permutation(texts)
    first, second = round(texts * LENS_SHARE), round(texts * (LENS_SHARE + RULE_SHARE))
    return order[:first], order[first:second], order[second:]


@torch.no_grad()
def fit_head(
    family: Family,
    written: Sequence[Continuation],
    indices: np.ndarray[Any, Any],
    depths: Sequence[int],
    advance: Callable[[int], None],
) -> ShortListHead:
    """Translators and screen from the states of some texts."""
    inner = [depth for depth in depths if depth < family.depth]
    moments = LensMoments(inner, family.width)
    for text, states in trajectories_of(family, written, indices=indices):
        finals = states[-1]
        finished = torch.cat([family.finish(part) for part in torch.split(finals, 512)])
        at = (
            torch.stack([states[depth] for depth in inner], dim=1)
            if inner
            else finals.new_zeros((len(finals), 0, family.width))
        )
        moments.add(at, finals, finished)
        advance(2 * len(np.unique(text)))
    lens = TunedLens.of_moments(moments)
    return ShortListHead.fit(FullHead.of(family), moments.finished, lens=lens)


def test_rules(
    rules: Sequence[Rule],
    table: ExitTable,
    texts: np.ndarray[Any, Any],
    risk: float,
    confidence: float,
    target: Target,
    max_new_tokens: int,
    seed: int,
) -> tuple[RiskControl, Rule | None]:
    """From the most conservative rule on, as far as the risk allows."""
    tried = rules or [Rule(0.0, ())]  # where nothing saves, the full model, which never differs
    losses, sizes = losses_of(tried, table, texts)
    control = learn_then_test(
        losses, sizes, risk=risk, confidence=confidence, target=target, max_size=max_new_tokens - 1, seed=seed
    )
    return control, rules[control.index] if rules and control.index is not None else None


@contextlib.contextmanager
def reporting(shown: bool, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, or nothing."""
    if not shown:
        yield lambda _done: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("calibrating", total=total)
        yield lambda done: bar.advance(task, done)
