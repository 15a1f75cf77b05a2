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
    BloomConfig,
    Cohere2Config,
    CohereConfig,
    DeepseekV2Config,
    DeepseekV3Config,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    OlmoeConfig,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3Config,
    Qwen3MoeConfig,
    SmolLM3Config,
    Starcoder2Config,
)

__all__ = ["SINGLE", "THOROUGH", "TINY", "VOCABULARY", "WIDTH", "WINDOW", "WINDOWED"]

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


# Of four experts each token goes to two, so that tokens of a batch part.
_EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}


def _mixtral(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    mixture = {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 32}
    return MixtralConfig(**{**_GROUPED, "num_hidden_layers": layers, **mixture, **options})


def _qwen2_moe(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # Layer 1 has a plain block; beside the experts of the others is one for all tokens.
    mixture = {**_EXPERTS, "shared_expert_intermediate_size": 64, "mlp_only_layers": [1]}
    return Qwen2MoeConfig(**{**_GROUPED, "num_hidden_layers": layers, **mixture, **options})


def _qwen3_moe(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    mixture = {**_EXPERTS, "norm_topk_prob": True, "head_dim": 16}
    return Qwen3MoeConfig(**{**_GROUPED, "num_hidden_layers": layers, **mixture, **options})


def _olmoe(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    mixture = {"num_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 32}
    return OlmoeConfig(**{**_GROUPED, "num_hidden_layers": layers, **mixture, **options})


def _olmo2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return Olmo2Config(**{**_GROUPED, "num_hidden_layers": layers, **options})


def _gemma2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    mixed = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": WINDOW}
    capped = {"final_logit_softcapping": 20.0, "attn_logit_softcapping": 2.0}
    return Gemma2Config(**{**_GROUPED, "num_hidden_layers": layers, **mixed, **capped, **options})


def _granite(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    factors = {"embedding_multiplier": 3.0, "residual_multiplier": 0.6, "attention_multiplier": 0.2}
    scaled = {**factors, "logits_scaling": 1.5}
    return GraniteConfig(**{**_GROUPED, "num_hidden_layers": layers, **scaled, **options})


def _starcoder2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return Starcoder2Config(**{**_GROUPED, "num_hidden_layers": layers, "sliding_window": WINDOW, **options})


def _cohere(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    scaled = {"logit_scale": 0.7, "use_qk_norm": True}  # normed as in Command R+
    return CohereConfig(**{**_GROUPED, "num_hidden_layers": layers, **scaled, **options})


def _cohere2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    kinds = ["full_attention" if index % 3 == 2 else "sliding_attention" for index in range(layers)]
    mixed = {"sliding_window": WINDOW, "layer_types": kinds, "logit_scale": 0.7}
    return Cohere2Config(**{**_GROUPED, "num_hidden_layers": layers, **mixed, **options})


def _phi(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    rotary = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}
    return PhiConfig(**{**_GROUPED, "num_hidden_layers": layers, "rope_parameters": rotary, **options})


def _falcon(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # As 7B: halves side by side after one norm, one key for all queries.
    size = {"hidden_size": WIDTH, "ffn_hidden_size": 96, "num_attention_heads": 4, "initializer_range": 0.2}
    return FalconConfig(**{**_TOKENS, **size, "num_hidden_layers": layers, **options})


def _falcon_new(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    # As 40B: a norm for each half, keys for groups of queries.
    return _falcon(layers, {"new_decoder_architecture": True, "num_kv_heads": 2, **options})


def _falcon_serial(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return _falcon(layers, {"parallel_attn": False, "multi_query": False, "bias": True, **options})


# The first layer has a plain block, and the parts of a head are each of another size.
_LATENT: dict[str, Any] = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
    "kv_lora_rank": 20,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
}


def _deepseek_v2(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    return DeepseekV2Config(**{**_GROUPED, **_LATENT, "num_hidden_layers": layers, "q_lora_rank": None, **options})


def _deepseek_v3(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    grouped = {"n_group": 2, "topk_group": 1, "q_lora_rank": 24}
    return DeepseekV3Config(**{**_GROUPED, **_LATENT, "num_hidden_layers": layers, **grouped, **options})


def _bloom(layers: int, options: dict[str, Any]) -> PreTrainedConfig:
    size = {"hidden_size": WIDTH, "n_head": 4, "initializer_range": 0.2}
    return BloomConfig(**{**_TOKENS, **size, "n_layer": layers, **options})


def _from_config(config: PreTrainedConfig, attn_implementation: str, dtype: torch.dtype) -> PreTrainedModel:
    """A model with this attention and, of experts, products that there are in this type.

    Routers of DeepSeek compute in float32, whatever the type: in float64 it has plain blocks only, so that its
    attention can be told exactly; its mixtures are seen in float32, and those of others in both.

    Of Gemma 2 transformers has eager attention alone, for sdpa knows no bound. Here it has sdpa too, without the bound:
    eager attention is no measure of exactness, as it rounds to float32, and makes nan of padding in float64.
    """
    wanted: dict[str, Any] = {}
    if dtype == torch.float64 and hasattr(config, "num_experts_per_tok"):
        wanted["experts_implementation"] = "eager"
    if dtype == torch.float64 and hasattr(config, "first_k_dense_replace"):
        config.first_k_dense_replace = config.num_hidden_layers
    only_eager = not AutoModelForCausalLM._model_mapping[type(config)]._supports_sdpa
    way = "eager" if only_eager else attn_implementation
    unbound = way != attn_implementation and hasattr(config, "attn_logit_softcapping")
    if unbound:
        config.attn_logit_softcapping = None
    model = AutoModelForCausalLM.from_config(config, attn_implementation=way, **wanted)
    if unbound:
        model.config._attn_implementation_internal = attn_implementation
    return model


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
            model = _from_config(config, attn_implementation, dtype)
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.data += 0.2 * torch.randn_like(parameter)
            for name, buffer in model.named_buffers():
                if name.endswith("correction_bias"):  # of what is routed where
                    buffer += 0.2 * torch.randn_like(buffer)
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
    "mixtral": _builder(_mixtral),
    "qwen2_moe": _builder(_qwen2_moe),
    "qwen3_moe": _builder(_qwen3_moe),
    "olmoe": _builder(_olmoe),
    "olmo2": _builder(_olmo2),
    "gemma2": _builder(_gemma2),
    "granite": _builder(_granite),
    "starcoder2": _builder(_starcoder2),
    "cohere": _builder(_cohere),
    "cohere2": _builder(_cohere2),
    "phi": _builder(_phi),
    "falcon": _builder(_falcon),
    "falcon-new": _builder(_falcon_new),
    "falcon-serial": _builder(_falcon_serial),
    "deepseek_v2": _builder(_deepseek_v2),
    "deepseek_v3": _builder(_deepseek_v3),
    "bloom": _builder(_bloom),
}
# The widest matrices of tests run on these. Whatever drives layers, caches or masks in a way of its own is among them:
# of those left out each part is that of another (a mixture is Mixtral's, its plain blocks Llama's, the norms Gemma 3's
# or OLMo 2's, halves side by side are GPT-NeoX's, windows Mistral's or Cohere 2's, and latents are keys like others to
# the engine), which the tests of all models see.
THOROUGH = tuple(
    name
    for name in TINY
    if name
    not in (
        "cohere",
        "deepseek_v2",
        "deepseek_v3",
        "falcon",
        "falcon-serial",
        "gemma2",
        "granite",
        "olmoe",
        "phi",
        "qwen2_moe",
        "qwen3_moe",
        "starcoder2",
    )
)
# What these compute within attention is float32 whatever the type (and nan in float64, where BLOOM sees padding only).
SINGLE = ("bloom", "deepseek_v2")
# Those of which some layers slide.
WINDOWED = ("gemma3", "mistral", "gemma2", "starcoder2", "cohere2")
