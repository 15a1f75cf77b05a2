"""Cohere's Command R and Aya: both halves of a layer read one norm, and neighbours in a head are turned together."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from adapters.families.base import Family, Module, Rotary

__all__ = ["Cohere"]


class Cohere(Family):
    """A decoder whose attention and feed-forward block run side by side, with scaled logits."""

    model_types: ClassVar[tuple[str, ...]] = ("cohere",)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        return post_attention + layer.mlp(layer.input_layernorm(entering))

    def logits(self, finished: Tensor) -> Tensor:
        """What the head makes of it, over the vocabulary."""
        return self.head(finished) * self.logit_scale

    @property
    def logit_scale(self) -> float:
        """What the head's products are multiplied by to become logits."""
        model: Module = self.model
        return float(model.logit_scale)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        attention = self.attention(index)
        if attention.use_qk_norm:
            keys = attention.k_norm(keys.transpose(1, 2)).transpose(1, 2)
        return self.turned(index, keys, rotary)

    def turned(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys turned to their positions, in float32 as the layers do it."""
        assert rotary is not None
        cosine, sine = (each.unsqueeze(1) for each in rotary[self.kinds[index]])
        wide = keys.float()
        swapped = torch.stack((-wide[..., 1::2], wide[..., ::2]), dim=-1).flatten(-2)
        return (wide * cosine + swapped * sine).to(keys.dtype)
