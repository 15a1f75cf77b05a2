"""The indicators that :func:`ews.detect_spatial` knows: what each is called and which direction is an alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ews.errors import UnknownNameError
from ews.spatial.correlation import moran
from ews.spatial.grids import FloatArray
from ews.spatial.moments import skewness, variance
from ews.spatial.spectrum import low_frequency_ratio

__all__ = ["INDICATORS", "SpatialIndicator", "get"]


@dataclass(frozen=True, slots=True)
class SpatialIndicator:
    """What the library knows of one spatial indicator.

    Attributes
    ----------
    name, label : str
        What it is called, in code and in a figure.
    compute : callable
        From maps of shape (time, y, x) to values of shape (time,).
    alarm : {"up", "down", "both"}
        The direction of change that warns of a loss of resilience.
    gaps : bool
        Whether its definition allows for NaN cells.
    """

    name: str
    label: str
    compute: Callable[[FloatArray], FloatArray]
    alarm: Literal["up", "down", "both"]
    gaps: bool


INDICATORS: dict[str, SpatialIndicator] = {
    one.name: one
    for one in (
        SpatialIndicator("moran", "Moran's I", lambda maps: moran(maps, missing="drop"), "up", True),
        SpatialIndicator("variance", "Spatial variance", lambda maps: variance(maps, missing="drop"), "up", True),
        SpatialIndicator("skewness", "Spatial skewness", lambda maps: skewness(maps, missing="drop"), "both", True),
        SpatialIndicator("low_frequency_ratio", "Low-frequency ratio", low_frequency_ratio, "up", False),
    )
}


def get(name: str) -> SpatialIndicator:
    """Look up an indicator by name."""
    if name not in INDICATORS:
        raise UnknownNameError("indicators", name, tuple(INDICATORS))
    return INDICATORS[name]
