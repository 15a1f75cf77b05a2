"""Where each architecture keeps its layers, norm, head and projections: one file per family, chosen by its type.

Those of other packages come by :func:`register_family`, or by an entry point of the group ``earlywarning.families``,
named as the model type, which is loaded when such a model is met.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from adapters._common.plugins import installed
from adapters.errors import UnsupportedModelError
from adapters.families.base import FULL, SLIDING, Family, Masks, Rotary
from adapters.families.bloom import Bloom
from adapters.families.cohere import Cohere
from adapters.families.cohere2 import Cohere2
from adapters.families.deepseek import DeepSeekV2, DeepSeekV3
from adapters.families.falcon import Falcon
from adapters.families.gemma2 import Gemma2
from adapters.families.gemma3 import Gemma3
from adapters.families.gpt2 import GPT2
from adapters.families.gpt_neox import GPTNeoX
from adapters.families.granite import Granite
from adapters.families.llama import Llama
from adapters.families.mistral import Mistral
from adapters.families.mixtral import Mixtral
from adapters.families.olmo2 import OLMo2
from adapters.families.olmoe import OLMoE
from adapters.families.opt import OPT
from adapters.families.phi import Phi
from adapters.families.phi3 import Phi3
from adapters.families.placement import at_hand
from adapters.families.qwen2 import Qwen2
from adapters.families.qwen2_moe import Qwen2Moe
from adapters.families.qwen3 import Qwen3
from adapters.families.qwen3_moe import Qwen3Moe
from adapters.families.smollm3 import SmolLM3
from adapters.families.starcoder2 import StarCoder2
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["FAMILIES", "FULL", "SLIDING", "Family", "Masks", "Rotary", "at_hand", "family_of", "register_family"]

FAMILIES: tuple[type[Family], ...] = (
    Bloom,
    Cohere,
    Cohere2,
    DeepSeekV2,
    DeepSeekV3,
    Falcon,
    Gemma2,
    Gemma3,
    GPT2,
    GPTNeoX,
    Granite,
    Llama,
    Mistral,
    Mixtral,
    OLMo2,
    OLMoE,
    OPT,
    Phi,
    Phi3,
    Qwen2,
    Qwen2Moe,
    Qwen3,
    Qwen3Moe,
    SmolLM3,
    StarCoder2,
)
ATTENTIONS = ("eager", "sdpa")
_GROUP = "earlywarning.families"
_KNOWN: dict[str, type[Family]] = {name: family for family in FAMILIES for name in family.model_types}


def family_of(model: Any) -> Family:
    """The parts of a model, or an error that says why it cannot be taken apart.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.

    Returns
    -------
    Family
        Parts of the model.

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
    kind = model.config.model_type
    if kind not in _KNOWN and kind in (found := installed(_GROUP)):
        register_family(found[kind].load())
    if kind not in _KNOWN or model.get_output_embeddings() is None:
        raise UnsupportedModelError(
            "model",
            described(f"{type(model).__name__} (model_type {kind!r})"),
            f"a causal language model of type {', '.join(sorted(_KNOWN))} (or adapters.register_family)",
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
    family = _KNOWN[kind](model)
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


def register_family(family: type[Family]) -> type[Family]:
    """Register an architecture of your own: every policy, :func:`adapters.assess` and the rest then take it.

    A package that others install declares it as an entry point of the group ``earlywarning.families``, named as the
    model type, instead.

    Parameters
    ----------
    family : type
        A subclass of :class:`adapters.families.Family` that names its `model_types` and overrides what differs from
        Llama.

    Returns
    -------
    type
        The same, so that this can stand above a class.

    Raises
    ------
    ews.errors.InputTypeError
        If it is no such class, or names no types.
    ews.errors.ArgumentError
        If a type is known already.

    Examples
    --------
    >>> from adapters import register_family
    >>> from adapters.families import Family, family_of
    >>> from transformers import ArceeConfig, ArceeForCausalLM
    >>> @register_family
    ... class Arcee(Family):  # Llama, but for what its feed-forward blocks do within
    ...     model_types = ("arcee",)
    >>> config = ArceeConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
    ...     num_key_value_heads=2,
    ... )
    >>> family_of(ArceeForCausalLM(config)).depth
    3
    """
    given: object = family
    if not (isinstance(given, type) and issubclass(given, Family)):
        raise InputTypeError("family", family, "a subclass of adapters.families.Family")
    names: Any = family.model_types
    if not (isinstance(names, tuple) and names and all(isinstance(name, str) for name in names)):
        raise InputTypeError("family.model_types", names, "a tuple of one or more model types")
    for name in names:
        if _KNOWN.get(name, family) is not family:
            raise ArgumentError("family", described(f"another one for {name!r}"), f"its {_KNOWN[name].__name__}")
    _KNOWN.update(dict.fromkeys(names, family))
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
