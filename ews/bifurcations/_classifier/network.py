"""The trained network as plain arrays, and its forward pass in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CLASSES", "LABELS", "LARGEST", "Network", "shipped"]

FloatArray = npt.NDArray[np.float64]

# How reports name the classes.
LABELS = {
    "null": "no bifurcation",
    "fold": "fold",
    "transcritical": "transcritical",
    "pitchfork": "pitchfork",
    "hopf": "Hopf",
    "flip": "flip (period doubling)",
}
CLASSES = ("null", "fold", "transcritical", "pitchfork", "hopf", "flip")
# Standardised features are cut here: one far outside the range of the training says no more than one at its edge.
LARGEST = 5.0


@dataclass(frozen=True, eq=False)
class Network:
    """Several small perceptrons with rectified units; their logits are averaged and divided by a temperature."""

    # (features,): median and spread of each feature over the training series.
    centre: FloatArray
    scale: FloatArray
    # For each perceptron its layers, each a pair of weight, shape (in, out), and bias, shape (out,).
    members: tuple[tuple[tuple[FloatArray, FloatArray], ...], ...]
    temperature: float = 1.0  # fitted on series that were not trained on, so that the probabilities are calibrated

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Network:
        """Put together from arrays: centre, scale, temperature, weight_<member>_<layer>, bias_<member>_<layer>."""
        members: list[tuple[tuple[FloatArray, FloatArray], ...]] = []
        while f"weight_{len(members)}_0" in arrays:
            member = len(members)
            layers: list[tuple[FloatArray, FloatArray]] = []
            while (name := f"{member}_{len(layers)}") in {key.removeprefix("weight_") for key in arrays}:
                layers.append((_double(arrays[f"weight_{name}"]), _double(arrays[f"bias_{name}"])))
            members.append(tuple(layers))
        temperature = float(arrays["temperature"]) if "temperature" in arrays else 1.0
        return cls(_double(arrays["centre"]), _double(arrays["scale"]), tuple(members), temperature)

    def logits(self, features: FloatArray) -> FloatArray:
        """Mean logits of the members, shape (rows, classes), before the temperature."""
        inputs = np.clip((features - self.centre) / self.scale, -LARGEST, LARGEST)
        total = np.zeros((features.shape[0], len(CLASSES)))
        for layers in self.members:
            state = inputs
            for weight, bias in layers[:-1]:
                state = np.maximum(state @ weight + bias, 0.0)
            weight, bias = layers[-1]
            total += state @ weight + bias
        return total / len(self.members)

    def log_probabilities(self, features: FloatArray) -> FloatArray:
        """Log of the calibrated probability of each class, shape (rows, classes)."""
        scaled = self.logits(features) / self.temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))


def _double(array: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(array, dtype=np.float64)


@cache
def shipped() -> Network:
    """The network in the wheel."""
    with as_file(files("ews.bifurcations") / "classifier.npz") as path, np.load(path, allow_pickle=False) as arrays:
        return Network.of(dict(arrays))
