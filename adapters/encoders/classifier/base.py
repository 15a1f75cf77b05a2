"""What a classifier of sequences is made of: model, system, rule, and what was fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adapters._common.checks import read_count
from adapters.calibration.risk import RiskControl
from adapters.encoders.backbones import Backbone, backbone_of
from adapters.encoders.backbones.base import INPUTS
from adapters.encoders.classifier.labels import places_of
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.heads import ExitHeads
from adapters.encoders.inputs import Rows, read_rows
from adapters.encoders.registry import encoder_policy_named
from adapters.encoders.report import EncoderReport
from adapters.encoders.run import evaluating
from adapters.encoders.states import FirstTokenStates, states_of_rows
from adapters.encoders.systems import SYSTEMS, EncoderSystem
from adapters.encoders.uncertainty import ConformalSets
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

if TYPE_CHECKING:
    from adapters.training.loop import History

__all__ = ["ClassifierBase"]


class ClassifierBase:
    """Model, system and rule of a classifier; see :class:`adapters.encoders.EarlyExitClassifier`."""

    def __init__(
        self,
        model: Any,
        tokenizer: Callable[..., Any] | None = None,
        *,
        system: str = "pabee",
        policy: EncoderPolicy | str | None = None,
        frozen: bool = True,
        max_length: int = 128,
        batch_size: int = 32,
        seed: int = 0,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        if system not in SYSTEMS:
            raise UnknownNameError("system", system, tuple(SYSTEMS))
        if not isinstance(frozen, bool):
            raise InputTypeError("frozen", frozen, "True or False")
        if SYSTEMS[system].needs_frozen and not frozen:
            raise ArgumentError("frozen", False, f"True with system={system!r}, which trains nothing of the encoder")
        backbone = backbone_of(model)
        self.model, self.tokenizer = model, tokenizer
        self.system, self.frozen = system, frozen
        self.max_length = read_count("max_length", max_length)
        self.batch_size = read_count("batch_size", batch_size)
        self.seed = seed
        self.training = dict(training or {})
        given = self._system.rule(backbone.depth) if policy is None else policy
        self.policy: EncoderPolicy = encoder_policy_named(given) if isinstance(given, str) else given
        if not isinstance(self.policy, EncoderPolicy):
            raise InputTypeError("policy", policy, "an exit rule of encoders, or its name")
        self.classes_: list[Any] = []
        self.heads_: ExitHeads | None = None
        self.history_: History | None = None
        self.calibration_: RiskControl | None = None
        self.sets_: ConformalSets | None = None
        self._tuned: Any = None  # the copy that was trained, where the encoder is not frozen
        self._report: EncoderReport | None = None

    @property
    def _system(self) -> EncoderSystem:
        return SYSTEMS[self.system]

    def _backbone(self) -> Backbone:
        return backbone_of(self.model if self._tuned is None else self._tuned)

    @property
    def _pad_token(self) -> int:
        found = getattr(self.model.config, "pad_token_id", None)
        return 0 if found is None else int(found)

    def _rows(self, texts: Any) -> Rows:
        backbone = self._backbone()
        names = tuple(each for each in INPUTS if each != "token_type_ids" or backbone.has_token_types)
        return read_rows(texts, self.tokenizer, names=names, pad_token=self._pad_token, max_length=self.max_length)

    def _states(self, rows: Rows) -> FirstTokenStates:
        """States of rows after all layers, in their order."""
        backbone = self._backbone()
        with evaluating(backbone.model):
            found = states_of_rows(backbone, rows, batch_size=self.batch_size)
        if self.heads_ is None or backbone.device.type == "cpu":
            return found
        moved = None if found.own is None else found.own.to(backbone.device)
        return replace(found, states=found.states.to(backbone.device), own=moved)

    def _fitted(self) -> ExitHeads:
        if self.heads_ is None:
            raise ArgumentError("classifier", described("one that was not fitted"), "fit first, or load")
        return self.heads_

    def _truth(self, labels: Sequence[Any], count: int) -> npt.NDArray[np.int64]:
        return places_of(labels, self.classes_, count)
