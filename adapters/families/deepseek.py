"""DeepSeek V2 and V3: keys and values that all heads share, kept in the cache as a latent and a turned part."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapters.families.base import FULL, Rotary
from adapters.families.mixture import Mixture

__all__ = ["DeepSeekV2", "DeepSeekV3"]


class DeepSeekV3(Mixture):
    """A decoder of mixtures with multi-head latent attention.

    Where others have keys its cache holds the normed latent that keys and values of all heads are made of, and where
    others have values the part of the keys that is turned to its position.
    """

    model_types: ClassVar[tuple[str, ...]] = ("deepseek_v3",)

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (size, width), and biases of the latent and of the turned part of layer `index`."""
        (fused,) = self.key_value_modules(index)
        latent, turned = fused.weight.split(self._sizes(index))
        if fused.bias is None:
            return latent, turned, None, None
        return latent, turned, *fused.bias.split(self._sizes(index))

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that both come out of."""
        return (self.attention(index).kv_a_proj_with_mqa,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, size)."""
        (fused,) = self.key_value_modules(index)
        latent, turned = fused(normed).split(self._sizes(index), dim=-1)
        return latent, turned

    def key_value_heads(self, index: int) -> int:
        """One, which all heads share."""
        return 1

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Latents, shape (rows, 1, tokens, size), as the cache holds them: normed."""
        return self.attention(index).kv_a_layernorm(keys)

    def shape_values(self, index: int, values: Tensor, rotary: Rotary) -> Tensor:
        """The other part, shape (rows, 1, tokens, size), as the cache holds it: turned to its positions."""
        if not self.config.rope_interleave:
            return super().shape_keys(index, values, rotary)
        assert rotary is not None
        cosine, sine = (each.chunk(2, dim=-1)[0].unsqueeze(1) for each in rotary[self.kinds[index]])
        even, odd = values[..., ::2], values[..., 1::2]
        return torch.cat((even * cosine - odd * sine, odd * cosine + even * sine), dim=-1)

    def _sizes(self, index: int) -> tuple[int, int]:
        attention = self.attention(index)
        return attention.kv_lora_rank, attention.qk_rope_head_dim


class DeepSeekV2(DeepSeekV3):
    """The same, with positions as complex numbers of length one."""

    model_types: ClassVar[tuple[str, ...]] = ("deepseek_v2",)

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """What attention needs of the positions, shape (rows, tokens)."""
        found = self.decoder.rotary_emb(hidden, position_ids=position_ids)
        return {FULL: (found.real, found.imag)}

    def arguments(
        self, index: int, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> dict[str, Any]:
        """Keyword arguments of layer `index` and of its attention alike."""
        assert rotary is not None
        found = super().arguments(index, mask, position_ids, rotary, cache)
        return {**found, "position_embeddings": torch.complex(*rotary[FULL])}

    def shape_values(self, index: int, values: Tensor, rotary: Rotary) -> Tensor:
        """The part of the keys that is turned, shape (rows, 1, tokens, size), in float32 as the layers turn it."""
        assert rotary is not None
        pairs = torch.view_as_complex(values.float().unflatten(-1, (-1, 2)).contiguous())
        turned = torch.view_as_real(pairs * torch.complex(*rotary[FULL]).unsqueeze(1))
        return turned.flatten(-2).to(values.dtype)
