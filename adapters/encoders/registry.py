"""Exit rules of encoders by name, for command lines and tables; the contract suite runs on each.

Those of other packages come by :func:`register_encoder_policy`, or by an entry point of the group
``earlywarning.encoder_policies``, which is loaded when its name is asked for.
"""

from __future__ import annotations

from typing import Any

from adapters._common.registry import Registry
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.policies.confidence import ConfidenceExit
from adapters.encoders.policies.entropy import EntropyExit
from adapters.encoders.policies.ews import EWSEncoderExit
from adapters.encoders.policies.fixed import FixedDepthExit
from adapters.encoders.policies.jei import JEIPolicy
from adapters.encoders.policies.never import NeverLeave
from adapters.encoders.policies.pabee import PabeePolicy
from adapters.encoders.policies.ponder import PonderPolicy
from adapters.encoders.policies.random import RandomDepthExit
from ews.errors import ArgumentError

__all__ = ["ENCODER_POLICIES", "encoder_policy_named", "encoder_policy_names", "register_encoder_policy"]

ENCODER_POLICIES: dict[str, type[EncoderPolicy]] = {
    "confidence": ConfidenceExit,
    "entropy": EntropyExit,
    "ews": EWSEncoderExit,
    "fixed": FixedDepthExit,
    "jei": JEIPolicy,
    "never": NeverLeave,
    "pabee": PabeePolicy,
    "ponder": PonderPolicy,
    "random": RandomDepthExit,
}

_REGISTRY: Registry[EncoderPolicy] = Registry(ENCODER_POLICIES, EncoderPolicy, "earlywarning.encoder_policies")


def encoder_policy_named(name: str, **options: Any) -> EncoderPolicy:
    """Make an exit rule of encoders by its name.

    Parameters
    ----------
    name : str
        One of :func:`encoder_policy_names`.
    **options
        Of that rule.

    Returns
    -------
    EncoderPolicy
        Ready for use.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no rule of this name.

    Examples
    --------
    >>> encoder_policy_named("pabee", patience=3)
    PabeePolicy(patience=3)
    """
    return _REGISTRY.make(name, options)


def encoder_policy_names() -> tuple[str, ...]:
    """Names that :func:`encoder_policy_named` takes.

    Returns
    -------
    tuple of str
        Those of this package, registered ones, and those of installed packages, sorted.

    Examples
    --------
    >>> "pabee" in encoder_policy_names()
    True
    """
    return _REGISTRY.names()


def register_encoder_policy(name: str, policy: type[EncoderPolicy]) -> type[EncoderPolicy]:
    """Register an exit rule of your own by a name: for :func:`encoder_policy_named` and the contract tests.

    Parameters
    ----------
    name : str
        What it is called: letters, digits and underscores.
    policy : type
        A subclass of :class:`EncoderPolicy` that can be made.

    Returns
    -------
    type
        The same.

    Raises
    ------
    ews.errors.ArgumentError
        If the name is taken, or is none, or it is no such class.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from adapters.encoders import ConfidenceExit, encoder_policy_named, register_encoder_policy
    >>> @dataclass(kw_only=True, eq=False)
    ... class Sure(ConfidenceExit):
    ...     threshold: float = 0.99
    >>> register_encoder_policy("sure", Sure) is Sure
    True
    >>> encoder_policy_named("sure").threshold
    0.99
    >>> from adapters.encoders.registry import ENCODER_POLICIES
    >>> del ENCODER_POLICIES["sure"]
    """
    _REGISTRY.add(name, policy)
    return policy


def name_of(policy: EncoderPolicy) -> str:
    """The name under which a rule's class is registered.

    Raises
    ------
    ews.errors.ArgumentError
        If it is not.
    """
    found = _REGISTRY.name_of(policy)
    if found is None:
        raise ArgumentError("policy", policy, "a rule that adapters.encoders.register_encoder_policy was told of")
    return found
