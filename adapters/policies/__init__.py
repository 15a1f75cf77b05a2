"""Policies by name: each in one file, all under the contract of :mod:`adapters.decoding.contract`."""

from __future__ import annotations

from adapters.decoding.contract import Exit, FFNRoute, Plan, Policy, Promise, Trajectory
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.never import NeverExitPolicy
from adapters.policies.random import RandomExitPolicy

__all__ = [
    "Exit",
    "FFNRoute",
    "FixedExitPolicy",
    "NeverExitPolicy",
    "Plan",
    "Policy",
    "Promise",
    "RandomExitPolicy",
    "Trajectory",
]
