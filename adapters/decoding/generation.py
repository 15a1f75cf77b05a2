"""``generate`` under a policy: what can be combined with it, and where a generation begins and ends."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor
from transformers import GenerationMixin
from transformers.generation.configuration_utils import GenerationMode

from adapters.errors import UnsupportedGenerationError
from adapters.families.convention import OF_MODELS
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    import torch

    from adapters.decoding.contract import Policy
    from adapters.decoding.engine import Engine

__all__ = ["decode", "watched"]

_MODES = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)


def watched(engine: Engine, generate: Callable[..., Any]) -> Callable[..., Any]:
    """The model's ``generate``, which tells the engine where a generation begins and ends.

    Parameters
    ----------
    engine : Engine
        Attached to the model.
    generate : callable
        The bound method.

    Returns
    -------
    callable
        In its place.
    """

    @functools.wraps(generate)
    def generate_under_policy(*args: Any, **kwargs: Any) -> Any:
        if callable(kwargs.get("custom_generate")):
            raise ArgumentError(
                "custom_generate", described("a policy within attach"), "one of the two ways to plug a policy in"
            )
        given = kwargs.get("generation_config") or (args[1] if len(args) > 1 else None)
        options = {name: value for name, value in kwargs.items() if name != "generation_config"}
        config, _ = engine.model._prepare_generation_config(given, **options)
        _require_plain(config, kwargs.get("assistant_model"))
        keep = bool(config.return_dict_in_generate) or any(options.get(name) is not None for name in OF_MODELS)
        _require_cache(engine.policy, keep)
        engine.begin()
        # Layers that run or not are nothing to compile, as generate would with a cache of fixed size on a GPU.
        found = generate(*args, **{**kwargs, "disable_compile": True})
        engine.finish(keep_cache=keep)
        return found

    return generate_under_policy


def decode(
    policy: Policy,
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **model_kwargs: Any,
) -> Any:
    """The decoding loop that ``generate(custom_generate=policy)`` runs: the model's own, with the engine attached.

    Parameters
    ----------
    policy : Policy
        What decides.
    model, input_ids, logits_processor, stopping_criteria, generation_config, model_kwargs
        As ``generate`` prepared them.

    Returns
    -------
    Tensor or ModelOutput
        What the model's loop returns.
    """
    _require_plain(generation_config, _of_caller("assistant_model"))
    cache = next((model_kwargs[name] for name in OF_MODELS if name in model_kwargs), None)
    keep = bool(generation_config.return_dict_in_generate) or bool(getattr(cache, "_is_user_defined", False))
    _require_cache(policy, keep and cache is not None)
    model_kwargs.pop("synced_gpus", None)
    generation_config.disable_compile = True  # generate's own copy; layers that run or not are nothing to compile
    with policy.attach(model) as engine:
        found = GenerationMixin._sample(
            model,
            cast("torch.LongTensor", input_ids),
            logits_processor=logits_processor,
            stopping_criteria=stopping_criteria,
            generation_config=generation_config,
            streamer=_of_caller("streamer"),
            **model_kwargs,
        )
        engine.finish(keep_cache=keep)
    return found


def _require_plain(config: Any, assistant_model: Any) -> None:
    mode = config.get_generation_mode(assistant_model)
    if mode not in _MODES or (config.num_beams or 1) > 1:
        raise UnsupportedGenerationError(
            "generation mode",
            described(mode.name.lower().replace("_", " ") if mode not in _MODES else f"num_beams={config.num_beams}"),
            "greedy decoding or sampling (num_beams=1, no assistant)",
        )
    if config.use_cache is False:
        raise UnsupportedGenerationError("use_cache", False, "True: a policy decides for one new token at a time")
    for name in ("output_attentions", "output_hidden_states"):
        if getattr(config, name, None):
            raise UnsupportedGenerationError(
                name, True, "False: layers that were left out have none (see adapters.trajectories.capture)"
            )


def _require_cache(policy: Policy, keep: bool) -> None:
    if keep and policy.cache == "monotone":
        raise UnsupportedGenerationError(
            "past_key_values",
            described("a cache that is handed in or returned, with cache='monotone'"),
            "cache='propagate', or no return_dict_in_generate: layers left out for good have gaps in their cache",
        )


def _of_caller(argument: str) -> Any:
    """What ``generate`` was called with and, in transformers 5.23, does not hand to a callable.

    Without its streamer a caller would get the prompt and then wait for ever.
    """
    frame = inspect.currentframe()
    code = inspect.unwrap(GenerationMixin.generate).__code__
    while frame is not None:
        if frame.f_code is code:
            return frame.f_locals.get(argument)
        frame = frame.f_back
    return None
