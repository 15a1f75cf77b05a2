"""What ``adapters`` raises and warns of, below the tree of :mod:`ews.errors`."""

from __future__ import annotations

from ews.errors import ArgumentError, EWSError, EWSWarning

__all__ = [
    "CheckpointMismatchError",
    "DivergedError",
    "FullDepthWarning",
    "MonotonicityError",
    "NothingDecidedWarning",
    "PolicyDtypeWarning",
    "PolicyMismatchError",
    "UnsupportedGenerationError",
    "UnsupportedModelError",
    "UnsupportedVersionError",
]


class UnsupportedModelError(ArgumentError):
    """The model's architecture, or what was done to it, is not one that layers can be left out of."""


class UnsupportedGenerationError(ArgumentError):
    """The way of generating cannot be combined with the policy; the message says what can."""


class UnsupportedVersionError(ArgumentError):
    """The installed version of transformers is not one that the engine is tested with; the message says which are."""


class PolicyMismatchError(ArgumentError):
    """A saved policy does not belong to this model, or its files were changed."""


class CheckpointMismatchError(PolicyMismatchError):
    """A checkpoint is of a training run with other data, settings or weights, or its files were changed."""


class DivergedError(EWSError):
    """A loss is not finite; the message names the step."""


class MonotonicityError(EWSError):
    """A policy with ``cache="monotone"`` asked for a layer whose cache has gaps."""


class FullDepthWarning(EWSWarning):
    """The policy cannot do what it promises here, and the model runs at full depth instead."""


class NothingDecidedWarning(EWSWarning):
    """A policy was plugged in and decided no token: everything ran through the full model."""


class PolicyDtypeWarning(EWSWarning):
    """A policy was calibrated with the same model in another type, with which its risk was not tested."""
