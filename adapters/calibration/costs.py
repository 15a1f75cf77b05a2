"""What layers, heads and looks cost, in units of one layer for one token."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.families import Family

__all__ = ["Costs"]

# What is read from memory in the time of a gate.
_GATE_BYTES = 1e7
_ATTENTIONS = ("self_attn", "attention", "attn")  # what families call it


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in layers.

    Decoding one token reads every weight once and does little with it, so that time goes with bytes; these are the
    bytes, unless they were measured (see :func:`adapters.assess`).

    Attributes
    ----------
    head : float
        The norm and the full head.
    look : float
        Translator, screen and candidates.
    gate : float
        Signals, windows and the gate, at one depth: some fifty small operations, which between layers take about half a
        millisecond on a processor whatever the size of the model.
    feed : float
        The feed-forward block, of one layer.
    completion : float
        A layer for one token more in a pass that runs anyway.
    measured : bool
        Whether these are times.
    """

    head: float
    look: float
    gate: float = 0.5
    feed: float = 0.7
    completion: float = 0.25
    measured: bool = False

    @classmethod
    def of(cls, family: Family, *, rank: int, candidates: int) -> Costs:
        """From sizes of weights.

        Parameters
        ----------
        family : Family
            The model.
        rank, candidates : int
            Of the short-listed head, which holds a byte where the model holds `itemsize`.

        Returns
        -------
        Costs
            In layers.
        """
        middle = family.layers[family.depth // 2]
        parameters = list(middle.parameters())
        layer = sum(each.numel() for each in parameters)
        attention = next(part for name, part in middle.named_children() if name in _ATTENTIONS)
        attending = sum(each.numel() for each in attention.parameters())
        vocabulary, width = int(family.config.vocab_size), family.width
        size = parameters[0].element_size()
        look = vocabulary * rank / size + width * rank + candidates * width + width * width
        return cls(
            head=vocabulary * width / layer,
            look=look / layer,
            gate=min(0.5, _GATE_BYTES / (layer * size)),
            feed=1.0 - attending / layer,
        )

    def dense(self, layers: int) -> float:
        """A token through the whole model."""
        return layers + self.head
