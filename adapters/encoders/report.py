"""What an encoder ran: layers of each row, and the time that it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters._common.publish import public

__all__ = ["EncoderReport"]


@public("adapters.encoders")
@dataclass(frozen=True, slots=True, eq=False)
class EncoderReport:
    """Layers of each row of a call, and where its time went.

    Attributes
    ----------
    layers : int
        How many layers the encoder has.
    depths : ndarray of int of shape (rows,)
        How many of them each row ran.
    seconds : float
        Wall time of embedding, layers, heads and rule; without the tokenizer.
    deciding : float
        Seconds of it in exit heads and rule.
    """

    layers: int
    depths: npt.NDArray[np.int64]
    seconds: float
    deciding: float

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return len(self.depths)

    @property
    def mean_depth(self) -> float:
        """Layers that a row ran on average."""
        return float(self.depths.mean())

    @property
    def exits(self) -> dict[int, int]:
        """After how many layers how many rows left; those at `layers` went all the way."""
        found = np.bincount(self.depths, minlength=self.layers + 1)
        return {depth: int(count) for depth, count in enumerate(found) if count}

    @property
    def theoretical_speed_up(self) -> float:
        """Layers of the whole encoder by layers run; not a speed-up until it is measured."""
        return self.layers / self.mean_depth

    def __str__(self) -> str:
        """One line."""
        exits = ", ".join(f"{depth}: {count}" for depth, count in self.exits.items())
        return (
            f"{self.rows} rows in {self.seconds:.3f} s ({self.deciding:.3f} s deciding), {self.mean_depth:.2f} of "
            f"{self.layers} layers each on average (rows by layers: {exits})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and lists.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        return {
            "layers": self.layers,
            "depths": self.depths.tolist(),
            "seconds": self.seconds,
            "deciding": self.deciding,
            "mean_depth": self.mean_depth,
        }
