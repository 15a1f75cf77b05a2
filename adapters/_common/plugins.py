"""What other installed packages add: entry points, found by name and loaded when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

__all__ = ["installed"]


def installed(group: str) -> Mapping[str, EntryPoint]:
    """Entry points of a group (such as ``"earlywarning.policies"``) by name, none of them loaded."""
    return {each.name: each for each in entry_points(group=group)}
