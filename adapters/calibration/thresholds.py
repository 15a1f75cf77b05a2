"""Calibration of rules with one threshold by Learn then Test: the most aggressive one whose risk is held.

Exits leave the text that the full model wrote as it is, so that all thresholds are judged from one recording: at each
depth, the number that the rule goes by, and whether the prediction there is the full model's token.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.exits import reporting
from adapters.calibration.risk import RiskControl, Target, learn_then_test, smallest_sample
from adapters.calibration.table import trajectories_of
from adapters.decoding.contract import Plan, Trajectory
from adapters.errors import FullDepthWarning
from adapters.families import Family, family_of
from adapters.heads.full import top_tokens
from adapters.texts.continuations import Continuation, full_model_continuations
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["Thresholded", "ThresholdCalibration", "calibrate_threshold"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_LEVEL_SHARE = 0.3  # of the texts, for the thresholds that are tried; the rest test them
_LEVELS = 60
_ROWS = 512  # tokens whose vocabulary-wide scores are held at once


class Thresholded(Protocol):
    """What is asked of a rule: see :class:`adapters.policies.threshold.ThresholdPolicy`."""

    leaves_below: ClassVar[bool]
    threshold: float

    def bind(self, family: Family) -> None: ...
    def unbind(self) -> None: ...
    def plan(self, step: int) -> Plan: ...
    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]: ...
    def threshold_at(self, token: int) -> float: ...


@public("adapters")
@dataclass(frozen=True, slots=True)
class ThresholdCalibration:
    """Calibration of a rule with one threshold: what was chosen, and the test that it passed.

    Attributes
    ----------
    policy : str
        Class name of the rule.
    threshold : float or None
        The threshold; None where none holds the risk.
    thresholds : tuple of float
        All that were tried, from conservative to aggressive; they come from texts that tested nothing.
    control : mapping
        The test, see ``adapters.calibration.risk.RiskControl``.
    mean_depth : float
        After how many layers tokens leave on the texts of the test.
    depth : int
        Layers of the model.
    tokens : int
        Tokens of the test.
    max_new_tokens, seed : int
        Length of the continuations; seed of the split and of the test.
    """

    policy: str
    threshold: float | None
    thresholds: tuple[float, ...]
    control: Mapping[str, Any]
    mean_depth: float
    depth: int
    tokens: int
    max_new_tokens: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists, for :func:`json.dumps`."""
        return asdict(self) | {"thresholds": list(self.thresholds)}


@dataclass(frozen=True, slots=True)
class _Looks:
    """What a rule sees of each token at each depth that it asks at.

    Attributes
    ----------
    text, token : ndarray of int64 of shape (tokens,)
        Index of its text, and its number in what was written there.
    depths : tuple of int
        Where it asks.
    found : ndarray of float64 of shape (tokens, depths)
        Larger where it is surer; NaN where it is not defined.
    correct : ndarray of bool of shape (tokens, depths)
        Whether the prediction there is the full model's token.
    """

    text: IntArray
    token: IntArray
    depths: tuple[int, ...]
    found: FloatArray
    correct: BoolArray

    def outcome(self, limits: FloatArray, layers: int) -> tuple[BoolArray, IntArray]:
        """Whether each token is the full model's, and after how many layers it leaves, with a limit for each."""
        leaves = self.found >= limits[:, None]
        first = np.where(leaves.any(axis=1), leaves.argmax(axis=1), -1)
        agrees = np.where(first < 0, True, self.correct[np.arange(len(first)), first])
        return agrees, np.asarray((*self.depths, layers))[first]


def calibrate_threshold(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    policy: Thresholded,
    risk: float = 0.05,
    confidence: float = 0.95,
    target: Target = "agreement",
    max_new_tokens: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> ThresholdCalibration:
    """Fit and test; see :meth:`adapters.ConfidencePolicy.calibrate`, which this stands behind.

    Parameters
    ----------
    model, tokenizer, texts, risk, confidence, target, max_new_tokens, seed, progress
        See :meth:`adapters.ConfidencePolicy.calibrate`.
    policy : Thresholded
        The rule; its threshold is left as it was.

    Returns
    -------
    ThresholdCalibration
        What was found.
    """
    family = family_of(model)
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts")
    order = np.random.default_rng(seed).permutation(len(texts))
    first = round(len(texts) * _LEVEL_SHARE)
    least = smallest_sample(risk=risk, confidence=confidence)
    if len(texts) - first < least:
        given = described(f"{len(texts)} texts, of which {len(texts) - first} test the thresholds")
        needed = math.ceil(least / (1 - _LEVEL_SHARE)) + 1
        raise ArgumentError("texts", given, f"{needed} or more for a risk of {risk:g} with confidence {confidence:g}")
    policy.bind(family)
    try:
        with reporting(progress, 2 * len(texts)) as advance:
            written = full_model_continuations(
                model, texts, tokenizer=tokenizer, max_new_tokens=max_new_tokens, progress=advance
            )
            levels_of = _gather(family, policy, written, order[:first])
            advance(first)
            tested = _gather(family, policy, written, order[first:])
            advance(len(texts) - first)
    finally:
        policy.unbind()
    sign = -1.0 if policy.leaves_below else 1.0
    levels = _levels(levels_of.found)
    limits = [_limits(policy, sign * level, tested.token, sign) for level in levels]
    outcomes = [tested.outcome(limit, family.depth) for limit in limits]
    sizes = np.bincount(tested.text, minlength=len(texts))
    losses = np.stack([np.bincount(tested.text[~agrees], minlength=len(texts)) for agrees, _ in outcomes])
    kept = sizes > 0
    control: RiskControl = learn_then_test(
        losses[:, kept],
        sizes[kept],
        risk=risk,
        confidence=confidence,
        target=target,
        max_size=max_new_tokens - 1,
        seed=seed,
    )
    chosen = control.index
    if chosen is None:
        warnings.warn(
            f"no threshold holds a risk of {risk:g} with confidence {confidence:g} on {int(kept.sum())} texts: the "
            "policy runs at full depth",
            FullDepthWarning,
            stacklevel=3,
        )
    depth = np.full(len(tested.text), family.depth) if chosen is None else outcomes[chosen][1]
    return ThresholdCalibration(
        policy=type(policy).__name__,
        threshold=None if chosen is None else float(sign * levels[chosen]),
        thresholds=tuple(float(sign * level) for level in levels),
        control=control.to_dict(),
        mean_depth=float(depth.mean()),
        depth=family.depth,
        tokens=len(tested.text),
        max_new_tokens=max_new_tokens,
        seed=seed,
    )


def _limits(policy: Thresholded, threshold: float, tokens: IntArray, sign: float) -> FloatArray:
    """What each token's number must reach, for a threshold that may fall over a generation."""
    before, policy.threshold = policy.threshold, threshold
    try:
        of_token = {int(token): policy.threshold_at(int(token)) for token in np.unique(tokens)}
    finally:
        policy.threshold = before
    limits = sign * np.array([of_token[int(token)] for token in tokens])
    return limits if sign > 0 else np.nextafter(limits, np.inf)  # "below" leaves out the threshold itself


def _levels(found: FloatArray) -> FloatArray:
    """Thresholds from conservative to aggressive: quantiles of how sure each token ever is, and of all numbers."""
    known = np.where(np.isfinite(found), found, -np.inf)
    most = known.max(axis=1)
    seen = np.concatenate((most[np.isfinite(most)], known[np.isfinite(known)]))
    if not len(seen):
        raise ArgumentError("texts", described("texts of whose states nothing is defined"), "states that are finite")
    return np.unique(np.quantile(seen, np.linspace(0, 1, _LEVELS)))[::-1]


@torch.no_grad()
def _gather(family: Family, policy: Thresholded, written: Sequence[Continuation], indices: IntArray) -> _Looks:
    depths = policy.plan(0).checks
    if not depths:
        raise ArgumentError("depths", depths, "one depth or more, where tokens may leave")
    sign = -1.0 if policy.leaves_below else 1.0
    texts, found, correct = [], [], []
    for text, states in trajectories_of(family, written, indices=indices):
        full = top_tokens(family, states[-1])
        parts: list[tuple[list[Tensor], list[Tensor]]] = [([], []) for _ in depths]
        for start in range(0, len(full), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(full)))
            at = torch.as_tensor(rows, device=full.device)
            for depth, (numbers, right) in zip(depths, parts, strict=True):
                number, logits = policy.look(Trajectory(states[: depth + 1], rows))
                said = top_tokens(family, states[depth].index_select(0, at)) if logits is None else logits.argmax(-1)
                numbers.append(number)
                right.append(said.to(full.device) == full.index_select(0, at))
        texts.append(text)
        found.append(np.stack([sign * torch.cat(numbers).double().cpu().numpy() for numbers, _ in parts], axis=1))
        correct.append(np.stack([torch.cat(right).cpu().numpy() for _, right in parts], axis=1))
    text = np.concatenate(texts)
    token = np.zeros(len(text), dtype=np.int64)
    for one in np.unique(text):
        token[text == one] = 1 + np.arange((text == one).sum())  # token 0 comes from the prompt
    return _Looks(text, token, depths, np.concatenate(found), np.concatenate(correct))
