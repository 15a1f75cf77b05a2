"""Which model something was fitted to: a digest of its shape and of a sample of its weights."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

__all__ = ["fingerprint"]

_SAMPLED = 64  # values of each parameter


@torch.no_grad()
def fingerprint(model: Any) -> str:
    """A digest that changes with the architecture and with the weights, but not with their type or device.

    Values are rounded to bfloat16 first, so that a model loaded in float32 and the same in bfloat16 are one model.

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
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        flat = parameter.detach().flatten()
        if flat.is_meta or flat.numel() == 0:
            continue
        at = torch.linspace(0, flat.numel() - 1, min(_SAMPLED, flat.numel()), dtype=torch.float64).long()
        sample = flat[at.to(flat.device)].to(torch.bfloat16).view(torch.int16).cpu()
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()
