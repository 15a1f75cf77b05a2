"""Tiny random causal language models, one or two of each family, built from a configuration without any download.

Every weight is drawn anew, norms and biases too, so that whoever forgets one is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

__all__ = ["TINY", "VOCABULARY", "WIDTH", "WINDOW"]

VOCABULARY, WIDTH, WINDOW = 101, 48, 8

# No token ends a generation, and 0 is padding.
_TOKENS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}
_GROUPED: dict[str, Any] = {
    **_TOKENS,
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}


def _llama(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return LlamaConfig(**{**_GROUPED, "num_hidden_layers": layers, **options})


def _qwen2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return Qwen2Config(**{**_GROUPED, "num_hidden_layers": layers, **options})


def _qwen3(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # Heads that are not width / heads wide, as in the released models.
    return Qwen3Config(**{**_GROUPED, "num_hidden_layers": layers, "head_dim": 16, **options})


def _smollm3(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # Two of five layers turn nothing.
    return SmolLM3Config(**{**_GROUPED, "num_hidden_layers": layers, "no_rope_layer_interval": 2, **options})


def _gemma3(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    kinds = ["full_attention" if index % 3 == 1 else "sliding_attention" for index in range(layers)]
    mixed = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": WINDOW, "layer_types": kinds}
    capped = {"final_logit_softcapping": 20.0}
    return Gemma3TextConfig(**{**_GROUPED, "num_hidden_layers": layers, **mixed, **capped, **options})


def _mistral(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return MistralConfig(**{**_GROUPED, "num_hidden_layers": layers, "sliding_window": WINDOW, **options})


def _mistral_full(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return _mistral(layers, {"sliding_window": None, **options})


def _phi3(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # Half of each head is turned, as in Phi-4-mini.
    rotary = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}
    return Phi3Config(**{**_GROUPED, "num_hidden_layers": layers, "rope_parameters": rotary, **options})


def _opt(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    size = {"hidden_size": WIDTH, "ffn_dim": 96, "num_attention_heads": 4, "init_std": 0.4}
    return OPTConfig(**{**_TOKENS, **size, "num_hidden_layers": layers, **options})


def _opt_post(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # Norms after the blocks, and a narrower embedding, as in OPT-350m. Large weights would make all tokens alike.
    return _opt(layers, {"do_layer_norm_before": False, "word_embed_proj_dim": 32, "init_std": 0.05, **options})


def _gpt2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    size = {"hidden_size": WIDTH, "n_inner": 96, "num_attention_heads": 4, "initializer_range": 0.2}
    return GPT2Config(**{**_TOKENS, **size, "num_hidden_layers": layers, **options})


def _gpt_neox(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    size = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "initializer_range": 0.4}
    return GPTNeoXConfig(**{**_TOKENS, **size, "num_hidden_layers": layers, **options})


def _gpt_neox_serial(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return _gpt_neox(layers, {"use_parallel_residual": False, **options})


def _builder(configured: Callable[[int, dict[str, Any]], PreTrainedConfig]) -> Callable[..., PreTrainedModel]:
    def build(
        *,
        layers: int = 5,
        dtype: torch.dtype = torch.float32,
        attn_implementation: str = "sdpa",
        seed: int = 0,
        **options: Any,
    ) -> PreTrainedModel:
        """A model in evaluation mode; further options go to its configuration."""
        config = configured(layers, options)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(config, attn_implementation=attn_implementation)
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.data += 0.2 * torch.randn_like(parameter)
            for module in model.modules():
                if type(module) is nn.Embedding:  # or the first layers drown the token
                    module.weight.data /= module.weight.data.std()
        # Parameters only: the frequencies of rotary positions stay in float32, as in a model that was loaded.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        model.config.dtype = dtype
        model.generation_config.eos_token_id = None
        model.generation_config.pad_token_id = 0
        return model.eval()

    return build


TINY: dict[str, Callable[..., PreTrainedModel]] = {
    "llama": _builder(_llama),
    "qwen2": _builder(_qwen2),
    "qwen3": _builder(_qwen3),
    "smollm3": _builder(_smollm3),
    "gemma3": _builder(_gemma3),
    "mistral": _builder(_mistral),
    "mistral-full": _builder(_mistral_full),
    "phi3": _builder(_phi3),
    "opt": _builder(_opt),
    "opt-post": _builder(_opt_post),
    "gpt2": _builder(_gpt2),
    "gpt_neox": _builder(_gpt_neox),
    "gpt_neox-serial": _builder(_gpt_neox_serial),
}
