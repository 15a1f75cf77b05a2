"""Which model something was fitted to: a digest of its shape and of a sample of its weights."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

__all__ = ["fingerprint"]

_SAMPLED = 64  # values of each parameter
# What the same weights may be run with in different ways.
_SETTINGS = (
    "attention_multiplier",
    "do_layer_norm_before",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layer_types",
    "num_attention_heads",
    "num_key_value_heads",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_parameters",
    "scale_attn_by_inverse_layer_idx",
    "sliding_window",
    "use_parallel_residual",
)


@torch.no_grad()
def fingerprint(model: Any) -> str:
    """A digest that changes with the architecture and with the weights, but not with their type or device.

    Values are rounded to bfloat16 first, so that a model loaded in float32 and the same in bfloat16 are one model. In
    float16, which has other numbers than bfloat16, it can be another.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> model = LlamaForCausalLM(config)
    >>> before = fingerprint(model)
    >>> before == fingerprint(model.to(torch.bfloat16))
    True
    """
    digest = hashlib.sha256(model.config.model_type.encode())
    settings = {name: getattr(model.config, name, None) for name in _SETTINGS}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        flat = parameter.detach().flatten()
        if flat.is_meta or flat.numel() == 0:
            continue
        at = torch.linspace(0, flat.numel() - 1, min(_SAMPLED, flat.numel()), dtype=torch.float64).long()
        sample = flat[at.to(flat.device)].to(torch.bfloat16).view(torch.int16).cpu()
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()
