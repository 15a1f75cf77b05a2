"""What a token costs by the bytes that it reads, and the parameter with which a policy keeps within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.calibration.costs import Costs
from adapters.families import Family
from adapters.heads.shortlist import ShortListHead

__all__ = ["BUDGETS", "Account", "Use", "within"]

# Shares of the full model's cost of a token, head included; fixed before anything was measured.
BUDGETS = (0.9, 0.75, 0.6)
_STEPS = 16  # of a bisection
_KEYS = ("k_proj", "v_proj")


@dataclass(frozen=True)
class Use:
    """What a token runs, on average.

    Attributes
    ----------
    layers, ffn_blocks, heads : float
        Layers (completions not counted), feed-forward blocks, full heads.
    predictions, classifiers : float
        Short-listed heads and exit classifiers of windowed statistics.
    substitutes : float
        What stands in for feed-forward blocks, in whole blocks.
    """

    layers: float
    ffn_blocks: float
    heads: float
    predictions: float = 0.0
    classifiers: float = 0.0
    substitutes: float = 0.0


@dataclass(frozen=True)
class Account:
    """Costs of one model, in layers.

    Attributes
    ----------
    costs : Costs
        Of layer, head, feed-forward block, prediction.
    layers : int
        Of the model.
    projection : float
        Keys and values of one layer from an earlier state.
    short : bool
        Every head is the short-listed one.
    other : float
        What a token costs beside: the loop of ``generate``, which no policy spares.
    """

    costs: Costs
    layers: int
    projection: float
    short: bool = False
    other: float = 0.0

    @classmethod
    def of(cls, family: Family, head: ShortListHead) -> Account:
        """From sizes of weights."""
        costs = Costs.of(family, rank=head.screen.rank, candidates=head.candidates)
        middle = family.layers[family.depth // 2]
        layer = sum(each.numel() for each in middle.parameters())
        projected = sum(each.numel() for name, each in middle.named_parameters() if any(word in name for word in _KEYS))
        return cls(costs, family.depth, projected / layer)

    @classmethod
    def measured(cls, found: Mapping[str, Any], *, layers: int, token_seconds: float) -> Account:
        """From times.

        Parameters
        ----------
        found : mapping
            Of :class:`adapters.calibration.costs.Measured`, as plain numbers.
        layers : int
            Of the model.
        token_seconds : float
            What plain ``generate`` takes for a token on the same machine: what is neither layers nor head is `other`.

        Returns
        -------
        Account
            In layers, which are times.
        """
        costs = Costs(**found["costs"])
        other = max(token_seconds / found["layer_seconds"] - costs.full_model(layers), 0.0)
        return cls(costs, layers, found["projection"], other=other)

    @property
    def full(self) -> float:
        """A token through the full model."""
        return self.costs.full_model(self.layers) + self.other

    def share(self, use: Use, cache: str) -> float:
        """Cost of a token, of the full model's."""
        costs = self.costs
        missing = self.layers - use.layers
        filled = {"deferred": costs.completion, "propagate": self.projection}.get(cache, 0.0)
        feeds = use.layers - use.ffn_blocks - use.substitutes
        spent = (
            use.layers
            - costs.ffn * feeds
            + filled * missing
            + (costs.prediction if self.short else costs.head) * use.heads
            + self.other
        )
        return (spent + costs.prediction * use.predictions + costs.classifier * use.classifiers) / self.full


def within(cost: Callable[[float], float], target: float, ends: tuple[float, float]) -> float | None:
    """The value between two ends whose cost is the largest that does not exceed a target, by bisection.

    Parameters
    ----------
    cost : callable
        Falls or rises from one end to the other.
    target : float
        What must not be exceeded.
    ends : (float, float)
        Least and largest value.

    Returns
    -------
    float or None
        None where even the cheaper end costs more.
    """
    cheap, dear = sorted(ends, key=cost)
    if cost(cheap) > target:
        return None
    if cost(dear) <= target:
        return dear
    for _ in range(_STEPS):
        middle = (cheap + dear) / 2
        if cost(middle) <= target:
            cheap = middle
        else:
            dear = middle
    return cheap
