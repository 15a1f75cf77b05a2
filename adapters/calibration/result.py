"""What a calibration found: a rule, what it was fitted with, and the test that it passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.costs import Costs
from adapters.calibration.fingerprint import fingerprint
from adapters.calibration.risk import Target
from adapters.calibration.rules import Rule
from adapters.decoding.contract import CacheMode, Unit
from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet
from adapters.heads.fitted import FittedExit, FittedFeeds, Gate
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from ews.errors import described

__all__ = ["Calibration", "CalibrationConfig", "calibration_dict", "new_calibration", "require_model"]


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
            if self.rule.exits:
                head = ShortListHead.from_tensors(FullHead.of(family), self.tensors)
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
        "costs": asdict(calibration.costs),
        "expected": calibration.expected,
    }
