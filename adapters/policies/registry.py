"""Exit policies by name, for command lines and tables; the contract suite runs on each.

Those of other packages come by :func:`register_policy`, or by an entry point of the group ``earlywarning.policies``,
which is loaded when its name is asked for.
"""

from __future__ import annotations

from typing import Any

from adapters._common.registry import Registry
from adapters.decoding.contract import Policy
from adapters.policies.classifier import ClassifierPolicy
from adapters.policies.confidence import ConfidencePolicy
from adapters.policies.duo import DuoPolicy
from adapters.policies.entropy import EntropyPolicy
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.ffn_skip import FFNSkipPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.fixed_ffn import FixedFFNSkipPolicy
from adapters.policies.fixed_point import FixedPointPolicy
from adapters.policies.never import NeverExitPolicy
from adapters.policies.random import RandomExitPolicy
from adapters.policies.random_ffn import RandomFFNSkipPolicy
from adapters.policies.saturation import SaturationPolicy
from adapters.policies.skip_decode import SkipDecodePolicy
from adapters.policies.unified_skip import UnifiedSkipPolicy

__all__ = ["POLICIES", "policy_named", "policy_names", "register_policy"]

POLICIES: dict[str, type[Policy]] = {
    "classifier": ClassifierPolicy,
    "confidence": ConfidencePolicy,
    "duo": DuoPolicy,
    "entropy": EntropyPolicy,
    "ews": EWSExitPolicy,
    "ffn_skip": FFNSkipPolicy,
    "fixed": FixedExitPolicy,
    "fixed_ffn": FixedFFNSkipPolicy,
    "fixed_point": FixedPointPolicy,
    "never": NeverExitPolicy,
    "random": RandomExitPolicy,
    "random_ffn": RandomFFNSkipPolicy,
    "saturation": SaturationPolicy,
    "skip_decode": SkipDecodePolicy,
    "unified_skip": UnifiedSkipPolicy,
}

_REGISTRY: Registry[Policy] = Registry(POLICIES, Policy, "earlywarning.policies")


def policy_named(name: str, **options: Any) -> Policy:
    """Make a policy by its name.

    Parameters
    ----------
    name : str
        One of :func:`policy_names`.
    **options
        Of that policy.

    Returns
    -------
    Policy
        Ready to be plugged in.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no policy of this name.

    Examples
    --------
    >>> policy_named("fixed", depth=12).cache
    'monotone'
    """
    return _REGISTRY.make(name, options)


def policy_names() -> tuple[str, ...]:
    """Names that :func:`policy_named` takes: those of this package, registered ones, and those of installed packages.

    Returns
    -------
    tuple of str
        The names, sorted.
    """
    return _REGISTRY.names()


def register_policy(name: str, policy: type[Policy]) -> type[Policy]:
    """Register a policy of your own by a name: for :func:`policy_named`, command lines and the contract tests.

    A package that others install declares it as an entry point of the group ``earlywarning.policies`` instead.

    Parameters
    ----------
    name : str
        What it is called: letters, digits and underscores.
    policy : type
        A subclass of :class:`adapters.Policy` that can be made.

    Returns
    -------
    type
        The same.

    Raises
    ------
    ews.errors.ArgumentError
        If the name is taken, or is none.
    ews.errors.InputTypeError
        If it is no such class.

    Examples
    --------
    >>> from adapters import Plan, Policy, policy_named, register_policy
    >>> class Halfway(Policy):
    ...     def __init__(self, *, cache="deferred"):
    ...         super().__init__(unit="layer", cache=cache)
    ...
    ...     def bind(self, family):
    ...         self._plan = Plan(exit=family.depth // 2)
    ...
    ...     def plan(self, step):
    ...         return self._plan
    >>> register_policy("halfway", Halfway) is Halfway
    True
    >>> policy_named("halfway", cache="verify").cache
    'verify'
    """
    _REGISTRY.add(name, policy)
    return policy
