"""Where each architecture keeps its layers, norm, head and projections: one file per family, chosen by its type."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.base import FULL, SLIDING, Family, Masks, Rotary
from adapters.families.gemma3 import Gemma3
from adapters.families.gpt2 import GPT2
from adapters.families.gpt_neox import GPTNeoX
from adapters.families.llama import Llama
from adapters.families.mistral import Mistral
from adapters.families.opt import OPT
from adapters.families.phi3 import Phi3
from adapters.families.placement import at_hand
from adapters.families.qwen2 import Qwen2
from adapters.families.qwen3 import Qwen3
from ews.errors import InputTypeError, described

__all__ = ["FAMILIES", "FULL", "SLIDING", "Family", "Masks", "Rotary", "at_hand", "family_of"]

FAMILIES: tuple[type[Family], ...] = (Gemma3, GPT2, GPTNeoX, Llama, Mistral, OPT, Phi3, Qwen2, Qwen3)
ATTENTIONS = ("eager", "sdpa")


def family_of(model: Any) -> Family:
    """The parts of a model, or an error that says why it cannot be taken apart.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.

    Returns
    -------
    Family
        Its parts.

    Raises
    ------
    ews.errors.InputTypeError
        If it is no model of transformers.
    adapters.errors.UnsupportedModelError
        If its architecture is not known here, it is quantised, compiled, without weights, or spread over processes in
        another way than tensor parallelism, or its attention is neither eager nor sdpa.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2
    ... )
    >>> family_of(LlamaForCausalLM(config)).depth
    3
    """
    if hasattr(model, "_orig_mod"):
        raise UnsupportedModelError(
            "model", described("a compiled model"), "the model before torch.compile (its attribute _orig_mod)"
        )
    if getattr(model, "_compiled_call_impl", None) is not None:
        raise UnsupportedModelError(
            "model", described("a model after model.compile()"), "the same model, built or loaded anew"
        )
    if not isinstance(model, PreTrainedModel):
        raise InputTypeError("model", described(f"a {type(model).__name__}"), _within(model))
    known = {name: family for family in FAMILIES for name in family.model_types}
    kind = model.config.model_type
    if kind not in known or model.get_output_embeddings() is None:
        raise UnsupportedModelError(
            "model",
            described(f"{type(model).__name__} (model_type {kind!r})"),
            f"a causal language model of type {', '.join(sorted(known))}",
        )
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        raise UnsupportedModelError(
            "model",
            described("a quantised model"),
            "weights in float32, bfloat16 or float16 (GGUF files: load with GgufConfig(dequantize=True))",
        )
    if model.config._attn_implementation not in ATTENTIONS:
        raise UnsupportedModelError(
            "model",
            described(f"attn_implementation={model.config._attn_implementation!r}"),
            "a model loaded with attn_implementation='sdpa' or 'eager'",
        )
    family = known[kind](model)
    heads = family.key_value_heads(0)
    if heads % family.parts:
        raise UnsupportedModelError(
            "model",
            described(f"a model whose {heads} heads of keys and values are divided over {family.parts} processes"),
            f"a number of processes that divides {heads}, or one process and a device_map",
        )
    if any(str(device) == "meta" for device in (family.home, *family.devices)):
        raise UnsupportedModelError(
            "model",
            described("a model without weights (device 'meta')"),
            "one loaded by from_pretrained; device_map may spread it over devices or keep layers on disk",
        )
    return family


def _within(model: Any) -> str:
    """What to give in place of something that is no model of transformers, but may hold one."""
    if hasattr(model, "get_base_model"):  # a model of peft
        return (
            "model.get_base_model(), in which adapters like LoRA act as they do in the whole; or call the whole's own "
            "generate(..., custom_generate=policy)"
        )
    for name in ("module", "model"):  # parallel wrappers, pipelines
        held = getattr(model, name, None)
        if isinstance(held, PreTrainedModel):
            return f"the {type(held).__name__} within, its attribute {name}"
    return "a causal language model of transformers"
