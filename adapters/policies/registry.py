"""Exit policies by name, for command lines and tables; the contract suite runs on each."""

from __future__ import annotations

from typing import Any

from adapters.decoding.contract import Policy
from adapters.policies.confidence import ConfidencePolicy
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.fixed_point import FixedPointPolicy
from adapters.policies.never import NeverExitPolicy
from adapters.policies.random import RandomExitPolicy
from adapters.policies.saturation import SaturationPolicy
from ews.errors import UnknownNameError

__all__ = ["POLICIES", "policy_named"]

POLICIES: dict[str, type[Policy]] = {
    "confidence": ConfidencePolicy,
    "ews": EWSExitPolicy,
    "fixed": FixedExitPolicy,
    "fixed_point": FixedPointPolicy,
    "never": NeverExitPolicy,
    "random": RandomExitPolicy,
    "saturation": SaturationPolicy,
}


def policy_named(name: str, **options: Any) -> Policy:
    """A policy from its name.

    Parameters
    ----------
    name : str
        One of :data:`POLICIES`.
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
    if name not in POLICIES:
        raise UnknownNameError("policy", name, POLICIES)
    return POLICIES[name](**options)
