"""Calibrations of tiny models in which every part decides something, without a search or a test."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from adapters.calibration.costs import Costs
from adapters.calibration.exits import fit_head
from adapters.calibration.ffn import harmless_groups
from adapters.calibration.result import Calibration, CalibrationConfig, new_calibration
from adapters.calibration.rules import DepthRule, Rule, SkipRule
from adapters.calibration.table import ExitTable, gather
from adapters.decoding.contract import Unit
from adapters.families import family_of
from adapters.heads.exit_classifier import FeatureSet
from adapters.heads.logistic import Logistic
from adapters.texts.continuations import Continuation, full_model_continuations
from tests.adapters.tiny import TINY, VOCABULARY

__all__ = ["DEPTHS", "GROUPS", "LAYERS", "WINDOW", "between", "fitted", "model_of", "prompts", "seen", "written"]

LAYERS, WINDOW = 9, 4
DEPTHS, GROUPS = (6, 8, 9), ((5,), (6, 7))


@cache
def model_of(name: str, dtype: torch.dtype = torch.float64) -> Any:
    """A tiny model of nine layers, built once."""
    return TINY[name](layers=LAYERS, dtype=dtype)


def prompts(count: int, *, seed: int = 0, longest: int = 9) -> list[np.ndarray[Any, Any]]:
    """Token ids of prompts of different lengths."""
    rng = np.random.default_rng(seed)
    return [rng.integers(1, VOCABULARY, rng.integers(3, longest + 1)) for _ in range(count)]


@cache
def written(name: str, dtype: torch.dtype = torch.float64) -> tuple[Continuation, ...]:
    """What a tiny model goes on to write."""
    return tuple(full_model_continuations(model_of(name, dtype), prompts(5), max_new_tokens=12))


def between(values: Any, share: float) -> float:
    """A number that lies between two neighbouring values, so that rounding does not decide on which side they are."""
    ordered = np.unique(np.asarray(values)[np.isfinite(values)])
    at = min(int(share * (len(ordered) - 1)), len(ordered) - 2)
    return float((ordered[at] + ordered[at + 1]) / 2)


def _classifier(features: Any, event: Any, share: float) -> tuple[Logistic, float]:
    """Open for all but a share of the rows."""
    fit = Logistic.fit(features, event)
    return fit, between(fit.score(features), share)


@cache
def fitted(
    name: str, unit: Unit = "layer", features: FeatureSet = "both", dtype: torch.dtype = torch.float64
) -> Calibration:
    """A calibration whose gates open for some tokens and whose looks confirm some."""
    model, texts = model_of(name, dtype), written(name, dtype)
    family = family_of(model)
    every = np.arange(len(texts))
    head, exits, feeds = None, [], []
    if unit != "ffn":
        head = fit_head(family, texts, every[:2], DEPTHS, lambda _done: None)  # or it would know all that it sees
        table = gather(family, texts, head, indices=every, depths=DEPTHS, window=WINDOW, features=features)
        for at, depth in enumerate(DEPTHS):
            confidence = table.confidence[:, at]
            classifier, limit = (None, -np.inf)
            if depth < LAYERS:
                classifier, limit = _classifier(table.features[:, at], confidence > np.median(confidence), 0.4)
            exits.append(DepthRule(depth, classifier, limit, between(confidence, 0.5)))
    if unit != "layer":
        _, found = harmless_groups(family, texts, indices=every, groups=GROUPS, window=WINDOW, features=features)
        event = np.random.default_rng(0).random(len(found)) < 0.5
        feeds = [SkipRule(group, *_classifier(found[:, at], event, 0.5)) for at, group in enumerate(GROUPS)]
    config = CalibrationConfig(
        risk=0.05,
        confidence=0.95,
        target="agreement",
        unit=unit,
        cache={"layer": "deferred", "ffn": "exact", "both": "propagate"}[unit],  # type: ignore[arg-type]
        features=features,
        window=WINDOW,
        texts=len(texts),
        tokens=sum(each.decided for each in texts),
        max_new_tokens=12,
        seed=0,
        dtype=str(dtype).removeprefix("torch."),
        model_type=model.config.model_type,
    )
    rule = Rule(0.05, tuple(exits), tuple(feeds))
    return new_calibration(
        config, model, rule, head, {"index": 0, "risks": [0.0]}, Costs(head=8.0, prediction=1.0), 0.9
    )


def seen(
    depths: Sequence[int] = (4, 6, 8),
    *,
    texts: int = 40,
    tokens: int = 10,
    features: int = 3,
    seed: int = 0,
    signal: float = 2.0,
) -> ExitTable:
    """ExitTable as a model would give it: deeper is more often right, and confidence and gate tell of it."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(texts), tokens)
    ease = rng.normal(size=texts)[text] * 0.7 + rng.normal(size=len(text))
    level = np.stack([ease + 0.8 * at for at in range(len(depths))], axis=1)
    correct = rng.random(level.shape) < 1 / (1 + np.exp(-signal * level))
    confidence = 1 / (1 + np.exp(-(signal * level + rng.normal(size=level.shape))))
    noise = rng.normal(size=(*level.shape, features))
    noise[..., 0] += level
    return ExitTable(text, tuple(depths), noise, confidence, correct)
