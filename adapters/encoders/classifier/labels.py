"""Labels as users give them, and as places among the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["encoded", "places_of"]


def places_of(labels: Sequence[Any], classes: Sequence[Any], count: int) -> npt.NDArray[np.int64]:
    """The place of each label among the classes, of as many as there are texts.

    Raises
    ------
    ews.errors.ArgumentError
        If a label is none of them, or there are more or fewer.
    """
    places = {label: place for place, label in enumerate(classes)}
    given = _plain(labels)
    unknown = [label for label in given if label not in places]
    if unknown:
        raise ArgumentError("labels", unknown[0], f"one of {', '.join(map(repr, classes))}")
    if len(given) != count:
        raise ArgumentError("labels", described(f"{len(given)} labels"), f"{count}, one for each text")
    return np.array([places[label] for label in given], dtype=np.int64)


def encoded(labels: Sequence[Any], count: int) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Classes, sorted, and the place of each label among them.

    Raises
    ------
    ews.errors.ArgumentError
        If there are not as many labels as texts, of one type, and two classes or more.
    """
    given = _plain(labels)
    if len(given) != count:
        raise ArgumentError("labels", described(f"{len(given)} labels"), f"{count}, one for each text")
    if len({type(label) for label in given}) > 1:
        raise InputTypeError("labels", described("labels of several types"), "labels of one type")
    classes = sorted(set(given))
    if len(classes) < 2:
        raise ArgumentError("labels", described(f"{len(classes)} class"), "two classes or more")
    return classes, places_of(given, classes, count)


def _plain(labels: Sequence[Any]) -> list[Any]:
    found = [label.item() if isinstance(label, np.generic | torch.Tensor) else label for label in labels]
    odd = [label for label in found if not isinstance(label, str | int)]
    if odd:
        raise InputTypeError("labels", odd[0], "strings, whole numbers or booleans")
    return found
