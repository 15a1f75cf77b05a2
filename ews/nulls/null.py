"""What every null model does, and where the random numbers of one surrogate come from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ews._common.publish import public

__all__ = ["FloatArray", "Null", "generator_of"]

FloatArray = npt.NDArray[np.float64]


@public("ews.nulls")
class Null(Protocol):
    """A fitted null model: it says what it is and draws surrogates by number."""

    @property
    def sentence(self) -> str:
        """One line for the report, with the fitted numbers."""

    def draw(self, first: int, count: int, *, seed: int) -> FloatArray:
        """Surrogates number `first` to ``first + count - 1``, of shape (count, n)."""


def generator_of(seed: int, index: int) -> np.random.Generator:
    """Random numbers of surrogate number `index`, whatever is drawn beside it."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(index,))))
