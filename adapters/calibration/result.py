"""What a calibration found: a rule, what it was fitted with, and the test that it passed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.costs import Costs
from adapters.calibration.fingerprint import Known, fingerprint
from adapters.calibration.risk import Target
from adapters.calibration.rules import Rule
from adapters.decoding.contract import CacheMode, Unit
from adapters.errors import PolicyDtypeWarning, PolicyMismatchError
from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet
from adapters.heads.fitted import ExitClassifier, FittedExit, FittedSkip
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from ews.errors import described

__all__ = ["Calibration", "CalibrationConfig", "calibration_dict", "new_calibration", "require_model"]


@public("adapters")
@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """Every choice behind a :class:`Calibration`.

    Attributes
    ----------
    risk, confidence : float
        What is promised.
    target : {"agreement", "sequence"}
        Whether `risk` is a share of tokens or of continuations.
    unit, cache : str
        What is left out, and how the cache is kept.
    features : {"windowed", "raw", "both"}
        What the classifiers see.
    window : int
        Layers in their window.
    texts, tokens : int
        How many texts there were, and tokens that a policy decides on.
    max_new_tokens : int
        How long continuations could be.
    seed : int
        Seed of the split of the texts and of the test.
    dtype : str
        Type of the model's weights.
    model_type : str
        Architecture.
    """

    risk: float
    confidence: float
    target: Target
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
    """Calibrated policy: thresholds, tuned lenses, heads and exit classifiers fitted to one model, and their test.

    Attributes
    ----------
    config : CalibrationConfig
        What it was made for.
    fingerprint : str
        Fingerprint of the model.
    rule : Rule or None
        Classifiers and thresholds; None where nothing saves anything at this risk.
    tensors : mapping of str to Tensor
        Translators and screen, see ``adapters.heads.shortlist.ShortListHead.tensors``.
    control : mapping
        The test that chose the rule, see ``adapters.calibration.risk.RiskControl``.
    costs : Costs
        What the rules were weighed with.
    expected : float
        Cost of a token under the rule in units of one through the full model, on the texts that chose it.
    """

    config: CalibrationConfig
    fingerprint: str
    rule: Rule | None
    tensors: Mapping[str, Tensor]
    control: Mapping[str, Any]
    costs: Costs
    expected: float
    # Not taken over by dataclasses.replace: another rule has met no model.
    _known: Known = field(default_factory=Known, init=False, repr=False, compare=False)
    _placed: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def bind(self, family: Family) -> tuple[dict[int, FittedExit], dict[int, FittedSkip]]:
        """Early exits and FFN skips for the model that they were fitted to; any other, or a changed one, is refused.

        Parameters
        ----------
        family : Family
            The model.

        Returns
        -------
        (dict of int to FittedExit, dict of int to FittedSkip)
            By depth.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If it is another model, or its weights were changed since. In another type it is the same, and a
            :class:`adapters.errors.PolicyDtypeWarning` is given.
        """
        require_model(self, family.model)
        self.warn_of_type(family.model)
        exits: dict[int, FittedExit] = {}
        skips: dict[int, FittedSkip] = {}
        window, features = self.config.window, self.config.features
        if self.rule is not None:
            if self.rule.exits:
                head = self._head(family)
            for each in self.rule.exits:
                predict = partial(head.predict, depth=each.depth)
                opening = (
                    None if each.classifier is None else ExitClassifier(each.classifier, each.classifier_threshold)
                )
                exits[each.depth] = FittedExit(opening, window, features, predict, each.threshold)
            for group in self.rule.skips:
                classifier = ExitClassifier(group.classifier, group.classifier_threshold)
                skips[group.layers[0]] = FittedSkip(classifier, window, features, group.layers)
        return exits, skips

    def _head(self, family: Family) -> ShortListHead:
        """The short-listed head of a model; what was calibrated of it stays where it was moved to."""
        full = FullHead.of(family)
        where = f"{full.weight.device} {full.weight.dtype}"
        if where not in self._placed:
            self._placed[where] = ShortListHead.from_tensors(full, self.tensors).tensors()
        return ShortListHead.from_tensors(full, self._placed[where])

    def warn_of_type(self, model: Any, *, stacklevel: int = 3) -> None:
        """Warn once where a model's weights are of a type with which its risk was not tested."""
        dtype = str(model.dtype).removeprefix("torch.")
        if dtype != self.config.dtype and dtype not in self._told:
            self._told.add(dtype)
            warnings.warn(
                f"the policy was calibrated with weights in {self.config.dtype} and the model has {dtype}: tokens may "
                f"differ between the two, and the risk of {self.config.risk:g} was not tested with {dtype}",
                PolicyDtypeWarning,
                stacklevel=stacklevel,
            )


def require_model(calibration: Calibration, model: Any) -> None:
    """Refuse a model that a calibration was not made with."""
    if not calibration._known.is_same(model, calibration.fingerprint):
        raise PolicyMismatchError(
            "model",
            described(
                f"a {model.config.model_type} model with fingerprint {fingerprint(model)[:12]}…: another, or one whose "
                "weights or adapters were changed since"
            ),
            f"the {calibration.config.model_type} model that the policy was calibrated with "
            f"(fingerprint {calibration.fingerprint[:12]}…)",
        )


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


def calibration_dict(calibration: Calibration) -> dict[str, Any]:
    """Everything but the tensors, as plain numbers and strings."""
    return {
        "config": asdict(calibration.config),
        "fingerprint": calibration.fingerprint,
        "rule": None if calibration.rule is None else calibration.rule.to_dict(),
        "control": dict(calibration.control),
        "costs": calibration.costs.to_dict(),
        "expected": calibration.expected,
    }
