"""How transformers calls a causal language model, its layers and its masks: the one place that knows what may change.

Names differ between versions (the cache is ``past_key_values`` up to 5.23 and ``cache`` from 5.24 on), so they are read
from the signatures of what is there. A call whose meaning is not known here is refused: run without it being
understood, a policy would decide nothing, or for the wrong tokens.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from torch import Tensor, finfo, nn
from torch import bool as as_bool
from transformers import Cache, GenerationMixin
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast

from adapters.errors import UnsupportedGenerationError, UnsupportedModelError, UnsupportedVersionError
from ews.errors import ArgumentError, described

__all__ = ["OF_MODELS", "Call", "Convention", "convention_of", "require_no_states_wanted"]

_MAJOR, _FIRST_MINOR = 5, 16
_WANTED = f"{_MAJOR}.{_FIRST_MINOR} to {_MAJOR}.x: pip install 'transformers>={_MAJOR}.{_FIRST_MINOR},<{_MAJOR + 1}'"
# What a cache is called, newest first: of a model and its masks, and of a layer.
OF_MODELS = ("cache", "past_key_values")
_OF_LAYERS = (*OF_MODELS, "layer_past")
_OF_GENERATION = ("_prefill", "_sample", "_get_stopping_criteria", "_prepare_generation_config")
# What a call for one token may say. No model of 5.16 or later reads "cache_position", and none the tokenizer that
# ``generate`` hands on with everything else.
_UNDERSTOOD = frozenset(
    {"attention_mask", "cache_position", "input_ids", "logits_to_keep", "position_ids", "tokenizer", "use_cache"}
)
_OUTPUTS = frozenset({"output_attentions", "output_hidden_states", "output_router_logits"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model's ``forward``.

    Attributes
    ----------
    input_ids : Tensor of shape (rows, tokens) or None
        The tokens; None where embeddings were given.
    cache : transformers.Cache or None
        What came before.
    arguments : mapping
        All that was given, under the names that ``forward`` takes.
    """

    input_ids: Tensor | None
    cache: Any
    arguments: Mapping[str, Any]

    @property
    def is_of_one_token(self) -> bool:
        """Whether it asks for what follows a single token in each row."""
        return self.input_ids is not None and self.input_ids.ndim == 2 and self.input_ids.shape[1] == 1

    def get(self, name: str) -> Any:
        """An argument, None where it was not given."""
        return self.arguments.get(name)

    def require_understood(self, convention: Convention) -> None:
        """Refuse what would change the logits of a token, or what is returned with them, in a way not known here.

        Raises
        ------
        adapters.errors.UnsupportedGenerationError
            If it says something of that kind.
        """
        for name, value in self.arguments.items():
            if name in _UNDERSTOOD or name in (convention.cache, "return_dict") or value is None or value is False:
                continue
            if name in _OUTPUTS:
                raise _wanted(name, value)
            given = value if isinstance(value, bool | int | float | str) else described(f"a {type(value).__name__}")
            raise UnsupportedGenerationError(
                name, given, "None for a token that a policy decides on: call the model without the policy for that"
            )
        _require_plain_mask(self.get("attention_mask"))
        kept = self.get("logits_to_keep")
        if isinstance(kept, Tensor) and kept.tolist() not in ([0], [-1]):
            raise UnsupportedGenerationError("logits_to_keep", kept.tolist(), "a whole number, [0] or [-1]")


def require_no_states_wanted(call: Call, config: Any) -> None:
    """Refuse a configuration that has every call return states of layers, unless the call says otherwise.

    Parameters
    ----------
    call : Call
        A call for one token.
    config : transformers.PreTrainedConfig
        Of the model.

    Raises
    ------
    adapters.errors.UnsupportedGenerationError
        If it does.
    """
    for name in sorted(_OUTPUTS):
        if call.get(name) is None and getattr(config, name, None):
            raise _wanted(f"model.config.{name}", True)


def _wanted(name: str, value: Any) -> UnsupportedGenerationError:
    return UnsupportedGenerationError(
        name, value, "False: layers that were left out have none (see adapters.trajectories.capture)"
    )


def _require_plain_mask(mask: Any) -> None:
    """Refuse a mask that says more than which slots a row sees."""
    if isinstance(mask, Mapping):
        for each in mask.values():
            _require_plain_mask(each)
        return
    if not isinstance(mask, Tensor) or mask.ndim == 2:
        return
    found = None
    if mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[2] != 1:
        found = f"a mask of shape {tuple(mask.shape)}"
    elif mask.is_floating_point() and not ((mask == 0) | (mask <= finfo(mask.dtype).min / 2)).all():
        found = "a mask that adds other numbers than 0 and the least"
    elif not mask.is_floating_point() and mask.dtype != as_bool:
        found = f"a mask of shape (rows, 1, 1, slots) and type {mask.dtype}"
    if found is not None:
        raise UnsupportedGenerationError(
            "attention_mask",
            described(found),
            "shape (rows, slots), or (rows, 1, 1, slots) of bool, or of 0 and the least finite number or -inf",
        )


@dataclass(frozen=True, slots=True)
class Convention:
    """What one class of models calls its cache, and what a call of it looks like.

    Attributes
    ----------
    cache : str
        The keyword of ``forward``, of the model and of the module that holds its layers.
    layer : str
        The keyword of a layer and of its attention.
    mask : str
        The keyword of the functions that make masks.
    positional : tuple of str
        The arguments of ``forward`` in their order.
    """

    cache: str
    layer: str
    mask: str
    positional: tuple[str, ...]

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Read a call of ``forward``.

        Parameters
        ----------
        args, kwargs
            What it was called with.

        Returns
        -------
        Call
            What that says.

        Raises
        ------
        ews.errors.ArgumentError
            If an argument is given twice, or a cache comes under a name that this version of transformers ignores.
        """
        if len(args) > len(self.positional):
            raise ArgumentError("forward", described(f"{len(args)} positional arguments"), f"{len(self.positional)}")
        arguments = dict(zip(self.positional, args, strict=False))
        for name, value in kwargs.items():
            # Newer versions still take the older name.
            proper = self.cache if name in OF_MODELS[OF_MODELS.index(self.cache) :] else name
            if proper in arguments:
                raise ArgumentError(name, described("an argument that is given twice"), "each argument once")
            if proper != self.cache and isinstance(value, Cache):
                raise ArgumentError(
                    name, described(f"a {type(value).__name__}"), f"a cache under the name {self.cache!r}"
                )
            arguments[proper] = value
        return Call(arguments.get("input_ids"), arguments.get(self.cache), arguments)

    def output(self, logits: Tensor, cache: Cache) -> CausalLMOutputWithPast:
        """What ``forward`` returns."""
        return CausalLMOutputWithPast(logits=logits, **{self.cache: cache})  # type: ignore[arg-type]


def convention_of(model: nn.Module, layer: nn.Module) -> Convention:
    """What a model of the installed version of transformers takes.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    layer : nn.Module
        One of its layers.

    Returns
    -------
    Convention
        Names, read from the signatures of both.

    Raises
    ------
    adapters.errors.UnsupportedVersionError
        If this major version of transformers is not one that is known, is too old, or calls things differently.
    adapters.errors.UnsupportedModelError
        If ``forward`` of the model or of the layer takes no cache under a known name, or wants what is not known here.
    """
    installed = _installed()
    found = re.match(r"(\d+)\.(\d+)", installed)
    version = tuple(map(int, found.groups())) if found else (0, 0)
    if version[0] != _MAJOR or version[1] < _FIRST_MINOR:
        raise UnsupportedVersionError("transformers", installed, _WANTED)
    of_model: Any = type(model)  # the types of torch do not know that a class can be a key
    of_layer: Any = type(layer)
    return _read(of_model, of_layer)


@cache
def _read(model: Any, layer: Any) -> Convention:
    forward = _named_forward(model)
    parameters = inspect.signature(forward).parameters
    known = {"self", "input_ids"}
    wanted = [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and name not in known
    ]
    if "input_ids" not in parameters or wanted:
        raise UnsupportedModelError(
            "model", described(f"{model.__name__}, whose forward wants {wanted}"), "a forward that wants input_ids only"
        )
    own, mask = _named(forward, OF_MODELS), _named(create_causal_mask, OF_MODELS)
    inner = _named(layer.forward, _OF_LAYERS)
    for kind, name in ((model, own), (layer, inner)):
        if name is None:
            raise UnsupportedModelError(
                "model", described(f"{kind.__name__}, whose forward takes no cache"), f"one of {', '.join(_OF_LAYERS)}"
            )
    returned = {each.name for each in fields(CausalLMOutputWithPast)}
    if mask is None or own not in returned or not all(hasattr(GenerationMixin, name) for name in _OF_GENERATION):
        raise UnsupportedVersionError(
            "transformers", described(f"{_installed()}, which calls models in another way"), _WANTED
        )
    assert own is not None
    assert inner is not None
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(name for name, each in parameters.items() if each.kind in ordered and name != "self")
    return Convention(own, inner, mask, names)


def _named_forward(model: type[nn.Module]) -> Callable[..., Any]:
    """A model's ``forward``, or that of the class which it hands all on to, where it names no arguments itself."""
    for kind in model.__mro__:
        forward = kind.__dict__.get("forward")
        if forward is not None and "input_ids" in inspect.signature(forward).parameters:
            return forward
    return model.forward


def _installed() -> str:
    """The version of transformers, asked now: the module puts another in its place while it loads."""
    return str(sys.modules["transformers"].__version__)


def _named(function: Callable[..., Any], names: tuple[str, ...]) -> str | None:
    """The first of some names that a function takes."""
    taken = inspect.signature(function).parameters
    return next((name for name in names if name in taken), None)
