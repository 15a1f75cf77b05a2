"""How little feed-forward blocks change, and what becomes of the text without them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import Plan, Policy
from adapters.families import Family
from adapters.texts.ablation import ablate_ffn
from adapters.texts.continuations import Continuation
from adapters.texts.reading import IntArray

__all__ = ["FFNCheck", "FixedFFNSkip", "check_ffn"]


@dataclass(frozen=True, slots=True)
class FFNCheck:
    """The feed-forward block of one layer.

    Attributes
    ----------
    layer : int
        Its index.
    cosine : float
        Median cosine, over tokens, of the residual stream before the block and after its output was added.
    changed : float or None
        Share of tokens that are others when this block alone is left out, for all but the prompt; None where not
        measured.
    """

    layer: int
    cosine: float
    changed: float | None


def check_ffn(
    family: Family,
    texts: Sequence[Continuation],
    *,
    indices: Sequence[int] | IntArray,
    layers: Collection[int],
    batch_size: int = 8,
) -> tuple[FFNCheck, ...]:
    """Cosines at every layer, and what changes without each of some blocks, on text that the full model wrote.

    Parameters
    ----------
    family : Family
        The model.
    texts : sequence of Continuation
        All texts.
    indices : sequence of int
        Which of them.
    layers : collection of int
        Whose blocks are left out, one after the other; each takes the layers above it once more.
    batch_size : int, default 8
        Texts in one pass.

    Returns
    -------
    tuple of FFNCheck
        One for each layer of the model.
    """
    groups = sorted({int(layer) for layer in layers})
    found = list(
        ablate_ffn(family, texts, indices=indices, groups=[(layer,) for layer in groups], batch_size=batch_size)
    )
    shares = np.concatenate([each.changed for each in found]).mean(axis=0)
    changed = dict(zip(groups, shares.tolist(), strict=True))
    checks = []
    for layer in range(family.depth):
        cosines = [
            torch.nn.functional.cosine_similarity(
                each.post_attention[layer].float(), each.states[layer + 1].float(), dim=-1
            )
            for each in found
        ]
        checks.append(FFNCheck(layer, float(torch.cat(cosines).median()), changed.get(layer)))
    return tuple(checks)


class FixedFFNSkip(Policy):
    """Static FFN skip: leave the same feed-forward blocks out for every token.

    Parameters
    ----------
    layers : collection of int
        Whose.
    """

    def __init__(self, layers: Collection[int]) -> None:
        super().__init__(unit="ffn", cache="exact")
        self._plan = Plan(ffn_checks=frozenset(layers))

    def plan(self, step: int) -> Plan:  # noqa: ARG002 (the contract's)
        """Always the same."""
        return self._plan

    def run_ffn(self, index: int, post_attention: Tensor) -> bool:  # noqa: ARG002 (the contract's)
        """None of those that are asked about."""
        return False
