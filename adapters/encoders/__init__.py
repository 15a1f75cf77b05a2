"""Early exit of encoders: sequences leave BERT, RoBERTa, ALBERT and MPNet once a rule says that the answer stands.

Rows that have left are dropped from the batch. The model is not changed; what is added are heads on its first token.
"""

from __future__ import annotations

from adapters.encoders.classifier import EarlyExitClassifier
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.encoders.heads import ExitHeads, GatedHeads, LinearHeads, PonderHeads, heads_named
from adapters.encoders.policies.confidence import ConfidenceExit
from adapters.encoders.policies.entropy import EntropyExit
from adapters.encoders.policies.ews import EWSEncoderExit
from adapters.encoders.policies.fixed import FixedDepthExit
from adapters.encoders.policies.jei import JEIPolicy
from adapters.encoders.policies.never import NeverLeave
from adapters.encoders.policies.pabee import PabeePolicy
from adapters.encoders.policies.ponder import PonderPolicy
from adapters.encoders.policies.random import RandomDepthExit
from adapters.encoders.registry import encoder_policy_named, encoder_policy_names, register_encoder_policy
from adapters.encoders.report import EncoderReport
from adapters.encoders.run import EncoderOutput, encode
from adapters.encoders.states import FirstTokenStates
from adapters.encoders.uncertainty import (
    ConformalSets,
    conformal_quantile,
    conformal_sets,
    expected_calibration_error,
)

__all__ = [
    "ConfidenceExit",
    "ConformalSets",
    "EarlyExitClassifier",
    "EWSEncoderExit",
    "EncoderOutput",
    "EncoderPolicy",
    "EncoderPromise",
    "EncoderReport",
    "EntropyExit",
    "ExitHeads",
    "ExitView",
    "FirstTokenStates",
    "FixedDepthExit",
    "GatedHeads",
    "JEIPolicy",
    "Leave",
    "LinearHeads",
    "NeverLeave",
    "PabeePolicy",
    "PonderHeads",
    "PonderPolicy",
    "RandomDepthExit",
    "conformal_quantile",
    "conformal_sets",
    "encode",
    "encoder_policy_named",
    "encoder_policy_names",
    "expected_calibration_error",
    "heads_named",
    "register_encoder_policy",
]
