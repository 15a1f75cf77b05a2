"""Encoders that rows can leave early: one small file for each architecture, chosen by its type; others are refused."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakSet

from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from adapters.encoders.backbones.albert import Albert
from adapters.encoders.backbones.base import Backbone, EncoderPass
from adapters.encoders.backbones.bert import Bert
from adapters.encoders.backbones.mpnet import MPNet
from adapters.encoders.backbones.roberta import Roberta
from adapters.errors import UnsupportedModelError
from adapters.families.surroundings import changed
from ews.errors import InputTypeError, described

__all__ = ["BACKBONES", "Backbone", "EncoderPass", "backbone_of"]

BACKBONES: tuple[type[Backbone], ...] = (Albert, Bert, MPNet, Roberta)
_KNOWN: dict[str, type[Backbone]] = {name: kind for kind in BACKBONES for name in kind.model_types}
_ATTENTIONS = ("eager", "sdpa")
_MET: WeakSet[Any] = WeakSet()  # models whose weights are on one device


def backbone_of(model: Any) -> Backbone:
    """The parts of an encoder, or an error that says why rows cannot leave it early.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        What ``AutoModel`` or ``AutoModelForSequenceClassification`` makes.

    Returns
    -------
    Backbone
        Parts of the model, which stays as it is.

    Raises
    ------
    ews.errors.InputTypeError
        If it is no model of transformers.
    adapters.errors.UnsupportedModelError
        If its architecture or its task is not known here, it is a decoder, quantised, compiled, or without weights, its
        attention is neither eager nor sdpa, or something was put around modules that the engine does not call.

    Examples
    --------
    >>> from transformers import BertConfig, BertModel
    >>> config = BertConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2
    ... )
    >>> backbone_of(BertModel(config)).depth
    3
    """
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None:
        raise UnsupportedModelError("model", described("a compiled model"), "the model before it was compiled")
    if not isinstance(model, PreTrainedModel):
        hint = "model.get_base_model()" if hasattr(model, "get_base_model") else "an encoder of transformers"
        raise InputTypeError("model", described(f"a {type(model).__name__}"), hint)
    kind = model.config.model_type
    classes: Any = (type(model), type(model.config))
    if kind not in _KNOWN or not _is_of_a_known_task(*classes):
        raise UnsupportedModelError(
            "model",
            described(f"{type(model).__name__} (model_type {kind!r})"),
            f"what AutoModel or AutoModelForSequenceClassification makes of type {', '.join(sorted(_KNOWN))}",
        )
    _require_runnable(model)
    found = _KNOWN[kind](model)
    for module in dict.fromkeys((model, found.base, found.holder)):
        change = changed(module, own=("torch", "transformers"))
        if change is not None:
            raise UnsupportedModelError(
                "model",
                described(f"{change} on {type(module).__name__}, which is not called layer by layer"),
                "a hook on the embedding, a layer or the classifier, which are",
            )
    return found


@cache
def _is_of_a_known_task(model: type[Any], config: type[Any]) -> bool:
    mappings: tuple[Any, ...] = (AutoModel._model_mapping, AutoModelForSequenceClassification._model_mapping)
    return any(issubclass(model, mapping[config]) for mapping in mappings if config in mapping)


def _require_runnable(model: Any) -> None:
    """Refuse what has layers of a known kind, but would not run as they are called here."""
    config = model.config
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        raise UnsupportedModelError("model", described("a decoder (is_decoder=True)"), "an encoder")
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        raise UnsupportedModelError("model", described("a quantised model"), "weights in float32, bfloat16 or float16")
    if config._attn_implementation not in _ATTENTIONS:
        raise UnsupportedModelError(
            "model",
            described(f"attn_implementation={config._attn_implementation!r}"),
            "a model loaded with attn_implementation='sdpa' or 'eager'",
        )
    if model in _MET:  # looked at before every batch, which may be of one short text
        return
    devices = {each.device for each in model.parameters()}
    if len(devices) != 1 or next(iter(devices)).type == "meta":
        named = ", ".join(sorted(map(str, devices)))
        raise UnsupportedModelError(
            "model", described(f"weights on {named}"), "a model whose weights are on one device"
        )
    _MET.add(model)
