"""Fit the early-warning policy to a model, and set its thresholds so that a stated risk holds."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.costs import Costs
from adapters.calibration.fingerprint import fingerprint
from adapters.calibration.risk import RiskControl, Target, learn_then_test, smallest_sample
from adapters.calibration.rules import Rule, choose_rules, losses_of
from adapters.calibration.table import Evidence, gather, trajectories_of
from adapters.decoding.contract import UNITS, CacheMode, Unit
from adapters.errors import FullDepthWarning, PolicyMismatchError, UnsupportedModelError
from adapters.families import Family, family_of
from adapters.heads.exit_classifier import FEATURES, FeatureSet
from adapters.heads.fitted import FittedExit, FittedFeeds, Gate
from adapters.heads.full import FullHead
from adapters.heads.lens import LensMoments, TunedLens
from adapters.heads.shortlist import ShortListHead
from adapters.texts.continuations import Continuation, dense_continuations
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = [
    "Calibration",
    "CalibrationConfig",
    "calibrate",
    "candidate_depths",
    "fit_head",
    "new_calibration",
    "reporting",
    "require_model",
    "split",
    "window_for",
]

# Shares of the texts for translators and head, for gates and rules; the rest decides how far the thresholds go.
_LENS_SHARE, _RULE_SHARE = 0.3, 0.2
_DEPTHS = 5
_WINDOW = 8
_LEAST_LAYERS = 5  # a window of three, the shortest that has a skewness, and two states before it


@public("adapters")
@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """What a calibration was asked for, and on what.

    Attributes
    ----------
    risk, confidence : float
        What is promised.
    target : {"agreement", "sequence"}
        Whether `risk` is a share of tokens or of continuations.
    unit, cache : str
        What is left out, and how the cache is kept.
    features : {"windowed", "raw", "both"}
        What the gates see.
    window : int
        Layers in their window.
    texts, tokens : int
        How many texts there were, and tokens that a policy decides on.
    max_new_tokens : int
        How long continuations could be.
    seed : int
        Of the split and of the test.
    dtype : str
        Type of the model's weights.
    model_type : str
        Architecture.
    """

    risk: float
    confidence: float
    target: str
    unit: Unit
    cache: CacheMode
    features: FeatureSet
    window: int
    texts: int
    tokens: int
    max_new_tokens: int
    seed: int
    dtype: str
    model_type: str


@public("adapters")
@dataclass(frozen=True, slots=True)
class Calibration:
    """A policy fitted to one model.

    Attributes
    ----------
    config : CalibrationConfig
        What it was made for.
    fingerprint : str
        Of the model.
    rule : Rule or None
        Gates and thresholds; None where nothing saves anything at this risk.
    tensors : mapping of str to Tensor
        Translators and screen, see ``adapters.heads.shortlist.ShortListHead.tensors``.
    control : mapping
        The test that chose the rule, see ``adapters.calibration.risk.RiskControl``.
    costs : Costs
        What the rules were weighed with.
    expected : float
        Cost of a token under the rule in units of one through the whole model, on the texts that chose it.
    """

    config: CalibrationConfig
    fingerprint: str
    rule: Rule | None
    tensors: Mapping[str, Tensor]
    control: Mapping[str, Any]
    costs: Costs
    expected: float
    # Not taken over by dataclasses.replace: what was bound for one rule is not that of another.
    _met: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def bind(self, family: Family) -> tuple[dict[int, FittedExit], dict[int, FittedFeeds]]:
        """Gates and looks for a model, after a look at whether it is the right one.

        Parameters
        ----------
        family : Family
            The model.

        Returns
        -------
        (dict of int to FittedExit, dict of int to FittedFeeds)
            By depth.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If it is another model.
        """
        here = (id(family.model), family.model.dtype, family.home)
        known = self._met.get(here)
        if known is not None and known[0] is family.model:
            return known[1], known[2]
        require_model(self, family.model)
        exits: dict[int, FittedExit] = {}
        feeds: dict[int, FittedFeeds] = {}
        if self.rule is not None:
            head = ShortListHead.from_tensors(FullHead.of(family), self.tensors) if self.rule.exits else None
            for each in self.rule.exits:
                predict = partial(head.predict, depth=each.depth)
                gate = Gate(each.gate, each.gate_threshold)
                exits[each.depth] = FittedExit(gate, self.config.window, self.config.features, predict, each.threshold)
            for group in self.rule.feeds:
                gate = Gate(group.gate, group.gate_threshold)
                fitted = FittedFeeds(gate, self.config.window, self.config.features, group.layers)
                feeds[group.layers[0]] = fitted
        self._met.clear()
        self._met[here] = (family.model, exits, feeds)
        return exits, feeds


def require_model(calibration: Calibration, model: Any) -> None:
    """Refuse a model that a calibration was not made with."""
    found = fingerprint(model)
    if found != calibration.fingerprint:
        raise PolicyMismatchError(
            "model",
            described(f"a {model.config.model_type} model with fingerprint {found[:12]}…"),
            f"the {calibration.config.model_type} model that the policy was calibrated with "
            f"(fingerprint {calibration.fingerprint[:12]}…)",
        )


def candidate_depths(layers: int, window: int) -> tuple[int, ...]:
    """Where rules may look: five depths from the middle on, and the last, where only the head can be saved."""
    first = max(window + 1, layers // 2)
    inner = np.unique(np.linspace(first, layers - 1, _DEPTHS).round().astype(int)) if first < layers else []
    return (*(int(depth) for depth in inner), layers)


def calibrate(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    risk: float = 0.05,
    confidence: float = 0.95,
    target: Literal["agreement", "sequence"] = "agreement",
    unit: Unit = "layer",
    features: FeatureSet = "both",
    max_new_tokens: int = 64,
    costs: Costs | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Calibration:
    """Fit and test; see :meth:`adapters.EWSExitPolicy.calibrate`, which this stands behind.

    Parameters
    ----------
    model, tokenizer, texts, risk, confidence, target, unit, features, max_new_tokens, seed, progress
        As there.
    costs : Costs, optional
        Measured costs (default: those that follow from sizes).

    Returns
    -------
    Calibration
        What was found.
    """
    targets = get_args(Target)
    for argument, value, names in (
        ("unit", unit, UNITS),
        ("features", features, FEATURES),
        ("target", target, targets),
    ):
        if value not in names:
            raise UnknownNameError(argument, value, names)
    family = family_of(model)
    if (getattr(model, "_tp_size", None) or 1) > 1:
        raise UnsupportedModelError(
            "model", described("one that is split over processes"), "the same model in one process"
        )
    if family.depth < _LEAST_LAYERS:
        raise UnsupportedModelError(
            "model", described(f"one of {family.depth} layers"), f"{_LEAST_LAYERS} layers or more, which hold a window"
        )
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts")
    texts = list(texts)
    tested = len(texts) - round(len(texts) * (_LENS_SHARE + _RULE_SHARE))
    least = smallest_sample(risk=risk, confidence=confidence)
    if tested < least:
        needed = int(np.ceil(least / (1 - _LENS_SHARE - _RULE_SHARE))) + 1
        raise ArgumentError(
            "texts",
            described(f"{len(texts)} texts, of which {tested} test the rules"),
            f"{needed} or more for a risk of {risk:g} with confidence {confidence:g}",
        )
    if unit != "layer":
        from adapters.calibration.ffn import calibrate_feeds

        return calibrate_feeds(
            family,
            tokenizer,
            texts,
            risk=risk,
            confidence=confidence,
            target=target,
            unit=unit,
            features=features,
            max_new_tokens=max_new_tokens,
            costs=costs,
            seed=seed,
            progress=progress,
        )
    window = window_for(family.depth)
    with reporting(progress, 3 * len(texts)) as advance:
        written = dense_continuations(
            model, texts, tokenizer=tokenizer, max_new_tokens=max_new_tokens, progress=advance
        )
        lens_part, rule_part, test_part = split(len(texts), seed)
        depths = candidate_depths(family.depth, window)
        head = fit_head(family, written, lens_part, depths, advance)
        evidence = gather(
            family,
            written,
            head,
            indices=np.concatenate((rule_part, test_part)),
            depths=depths,
            window=window,
            features=features,
            progress=lambda done: advance(2 * done),
        )
    weighed = costs or Costs.of(family, rank=head.screen.rank, candidates=head.candidates)
    rules = choose_rules(evidence.of_texts(rule_part), weighed, family.depth)
    control, rule = test_rules(
        rules, evidence.of_texts(test_part), test_part, risk, confidence, target, max_new_tokens, seed
    )
    expected = 1.0
    if rule is None:
        warnings.warn(
            f"no rule saves anything at a risk of {risk:g} with confidence {confidence:g} on {len(test_part)} texts: "
            "the policy runs at full depth",
            FullDepthWarning,
            stacklevel=3,
        )
    else:
        expected = rule.cost(evidence.of_texts(test_part), weighed, family.depth).mean() / weighed.dense(family.depth)
    config = CalibrationConfig(
        risk=risk,
        confidence=confidence,
        target=target,
        unit=unit,
        cache="deferred",
        features=features,
        window=window,
        texts=len(texts),
        tokens=sum(each.decided for each in written),
        max_new_tokens=max_new_tokens,
        seed=seed,
        dtype=str(model.dtype).removeprefix("torch."),
        model_type=model.config.model_type,
    )
    return new_calibration(config, model, rule, head, control.to_dict(), weighed, float(expected))


def new_calibration(
    config: CalibrationConfig,
    model: Any,
    rule: Rule | None,
    head: ShortListHead | None,
    control: Mapping[str, Any],
    costs: Costs,
    expected: float,
) -> Calibration:
    """A calibration with the model's fingerprint and the head's tensors."""
    tensors = {} if head is None else {name: tensor.cpu() for name, tensor in head.tensors().items()}
    return Calibration(config, fingerprint(model), rule, tensors, control, costs, expected)


def window_for(layers: int) -> int:
    """Layers in the gates' window: eight, or what a small model has."""
    return min(_WINDOW, layers - 2)


def split(texts: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Texts for the head, for the rules, and for the test, in an order that means nothing."""
    order = np.random.default_rng(seed).permutation(texts)
    first, second = round(texts * _LENS_SHARE), round(texts * (_LENS_SHARE + _RULE_SHARE))
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
        finished = torch.cat([family.finish(part) for part in finals.split(512)])
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
    evidence: Evidence,
    texts: np.ndarray[Any, Any],
    risk: float,
    confidence: float,
    target: Literal["agreement", "sequence"],
    max_new_tokens: int,
    seed: int,
) -> tuple[RiskControl, Rule | None]:
    """From the most careful rule on, as far as the risk allows."""
    tried = rules or [Rule(0.0, ())]  # where nothing saves, the whole model, which never differs
    losses, sizes = losses_of(tried, evidence, texts)
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


def calibration_dict(calibration: Calibration) -> dict[str, Any]:
    """Everything but the tensors, as plain numbers and strings."""
    return {
        "config": asdict(calibration.config),
        "fingerprint": calibration.fingerprint,
        "rule": None if calibration.rule is None else calibration.rule.to_dict(),
        "control": dict(calibration.control),
        "costs": asdict(calibration.costs),
        "expected": calibration.expected,
    }
