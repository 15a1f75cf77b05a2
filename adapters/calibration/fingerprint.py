"""Which model something was fitted to, and whether its weights were changed since."""

from __future__ import annotations

import hashlib
import json
import weakref
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["Known", "fingerprint"]

_SAMPLED = 64  # values of each parameter
_PIECE = 1 << 20  # values that are added up at a time; a multiple of four
# What the same weights may be run with in different ways.
_SETTINGS = (
    "attention_multiplier",
    "attn_logit_softcapping",
    "do_layer_norm_before",
    "embedding_multiplier",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layer_types",
    "logit_scale",
    "logits_scaling",
    "norm_topk_prob",
    "num_attention_heads",
    "num_experts_per_tok",
    "num_key_value_heads",
    "parallel_attn",
    "query_pre_attn_scalar",
    "residual_multiplier",
    "rms_norm_eps",
    "rope_parameters",
    "routed_scaling_factor",
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
    named = [(name, each.detach()) for name, each in model.named_parameters()]
    held = [(name, each.flatten()) for name, each in named if not each.is_meta and each.numel()]
    samples = _read([(name, flat[_places(flat.numel(), flat.device)].to(torch.bfloat16)) for name, flat in held])
    for name, parameter in named:
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(samples.get(name, b""))
    digest.update(_adapters(model).encode())
    return digest.hexdigest()


class Known:
    """A model that was compared with a fingerprint, held weakly, and what shows that it was changed since.

    A sample of the weights is read each time. Where weights were written to, or are elsewhere, all of them are.
    """

    def __init__(self) -> None:
        self._model: weakref.ref[Any] | None = None
        self._written: list[tuple[int, int]] = []
        self._sums: list[int] = []

    def __reduce__(self) -> tuple[type[Known], tuple[()]]:
        """A copy has met no model."""
        return Known, ()

    def is_same(self, model: Any, expected: str) -> bool:
        """Whether a model is the one of this fingerprint, with the weights that it had when it was first asked about.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            The model.
        expected : str
            Its fingerprint.

        Returns
        -------
        bool
            False where it is another, or was changed.
        """
        if fingerprint(model) != expected:
            return False
        written = [(each.data_ptr(), each._version) for each in model.parameters()]
        if self._model is None or self._model() is not model:
            self._model, self._sums = weakref.ref(model), _sums(model)
        elif written != self._written and _sums(model) != self._sums:
            return False
        self._written = written
        return True


def _adapters(model: Any) -> str:
    """Which adapters of peft act, and how strongly; nothing where there are none."""
    names = ("active_adapters", "disable_adapters", "merged_adapters", "scaling")
    found = [
        f"{name} {[str(getattr(module, each, None)) for each in names]}"
        for name, module in model.named_modules()
        if isinstance(getattr(type(module), "disable_adapters", None), property)  # of models it is a method
    ]
    return "".join(found)


@lru_cache(maxsize=512)
def _places(count: int, device: torch.device) -> Tensor:
    """Where the sample of so many values is taken."""
    return torch.linspace(0, count - 1, min(_SAMPLED, count), dtype=torch.float64).long().to(device)


def _read(samples: list[tuple[str, Tensor]]) -> dict[str, bytes]:
    """The bytes of tensors of 16 bits, by one copy from each device."""
    found: dict[str, bytes] = {}
    for device in dict.fromkeys(each.device for _, each in samples):
        here = [(name, each) for name, each in samples if each.device == device]
        whole = torch.cat([each for _, each in here]).view(torch.int16).cpu().numpy()
        begin = 0
        for name, each in here:
            found[name] = whole[begin : begin + len(each)].tobytes()
            begin += len(each)
    return found


@torch.no_grad()
def _sums(model: Any) -> list[int]:
    """A whole number of each parameter's values, rounded to bfloat16 so that it is that of any type."""
    found = [_sum(each.detach().flatten()) for each in model.parameters() if not each.is_meta and each.numel()]
    return [int(each) for each in found]


def _sum(values: Tensor) -> Tensor:
    """Of the bits of values, four at a time and modulo 2⁶⁴; piece by piece, so that no piece leaves the processor."""
    rounded = values.new_zeros(_whole(min(values.numel(), _PIECE)), dtype=torch.bfloat16)
    total = torch.zeros((), dtype=torch.int64, device=values.device)
    for piece in torch.split(values, _PIECE):
        count, whole = len(piece), _whole(len(piece))
        rounded[:count].copy_(piece)
        rounded[count:whole].zero_()
        total += rounded[:whole].view(torch.int64).sum()
    return total


def _whole(count: int) -> int:
    """The next multiple of four."""
    return -(-count // 4) * 4
