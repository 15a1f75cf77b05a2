"""What is measured in a window: one registry, one file per family of indicators."""

from __future__ import annotations

from ews.indicators.registry import Indicator, get, names, register

__all__ = ["Indicator", "get", "names", "register"]
