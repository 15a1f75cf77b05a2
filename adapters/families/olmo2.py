"""OLMo 2: norms after both halves of a layer and none before, and keys that are normed as one, all heads together."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from adapters.families.base import Family, Module, Rotary

__all__ = ["OLMo2"]


class OLMo2(Family):
    """A decoder with norms after the blocks, within the residual branch."""

    model_types: ClassVar[tuple[str, ...]] = ("olmo2",)

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + self.layers[index].post_attention_layernorm(found)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        return post_attention + layer.post_feedforward_layernorm(layer.mlp(post_attention))

    def attention_input_norm(self, index: int) -> Module:
        """One that does nothing: norms come after."""
        return nn.Identity()

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        return super().shape_keys(index, normed_together(self.attention(index).k_norm, keys), rotary)


def normed_together(norm: Module, keys: Tensor) -> Tensor:
    """Keys, shape (rows, heads, tokens, size), after a norm over all heads of a token."""
    heads = keys.transpose(1, 2)
    return norm(heads.flatten(2)).view(heads.shape).transpose(1, 2)
