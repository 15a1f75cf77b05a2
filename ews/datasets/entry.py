"""What is known of a data set before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ews._common.publish import public
from ews.datasets.files import File, is_here
from ews.datasets.readers import Content

__all__ = ["Availability", "Entry", "Kind"]

Kind: TypeAlias = Literal["bundled", "simulated", "remote", "local"]
Availability: TypeAlias = Literal["here", "to be fetched", "not here"]


@public("ews.datasets")
@dataclass(frozen=True)
class Entry:
    """What is known of a data set before it is loaded.

    Attributes
    ----------
    name : str
        The name that loads it.
    description : str
        One line.
    kind : {"bundled", "simulated", "remote", "local"}
        Whether it comes with this package or a dependency, from :mod:`ews.models`, from a public address, or only from
        the folder that ``EWS_DATA_DIR`` names, because its source publishes another format.
    time_name, time_unit, unit : str
        What the time axis is called, its unit, and the unit of the values.
    source, licence : str
        Where it comes from, and on which terms.
    read : callable
        Makes the content from the paths of ``files``.
    files : tuple of File
        The files it is made of.
    """

    name: str
    description: str
    kind: Kind
    time_name: str
    time_unit: str
    unit: str
    source: str
    licence: str
    read: Callable[..., Content]
    files: tuple[File, ...] = ()

    @property
    def availability(self) -> Availability:
        """Whether it can be loaded on this machine: at once, after fetching it, or not."""
        absent = [file for file in self.files if not is_here(file)]
        if not absent:
            return "here"
        return "to be fetched" if all(file.url for file in absent) else "not here"
