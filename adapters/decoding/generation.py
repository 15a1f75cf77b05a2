"""``generate`` under a policy: what can be combined with it, and where a generation begins and ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor
from transformers import GenerationMixin, StoppingCriteriaList
from transformers.generation.configuration_utils import GenerationMode

from adapters.decoding.contract import Deciding
from adapters.decoding.engine import Engine
from adapters.decoding.plugging import plugged, require_free, turn
from adapters.errors import UnsupportedGenerationError
from adapters.families.convention import OF_MODELS
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    import torch

__all__ = ["attached", "decode", "signature_for_generate"]

_MODES = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)


@contextmanager
def attached(policy: Deciding, model: Any) -> Iterator[Engine]:
    """Let a policy decide for the calls of a model that come from this thread; yields what runs the layers."""
    with turn(policy, ends=False), _plugged(policy, model) as engine:
        yield engine
        engine.finish()
        engine.say_if_nothing_was_decided("block")


@contextmanager
def _plugged(policy: Deciding, model: Any) -> Iterator[Engine]:
    require_free(model)
    engine = Engine(model, policy)
    instead = {
        "forward": lambda engine, own, *args, **kwargs: engine.call(own, args, kwargs),
        "generate": _generate,
        "_prefill": _prefill,
        "_get_stopping_criteria": _stopping_criteria,
    }
    try:
        with plugged(engine, instead):
            yield engine
    finally:
        policy.unbind()


def _generate(engine: Engine, own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The model's ``generate``, of which the engine is told where it begins and ends."""
    with engine.lock:
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
        engine.begin(anew=True)
        # Layers that run or not are nothing to compile, as generate would with a cache of fixed size on a GPU.
        found = own(*args, **{**kwargs, "disable_compile": True})
        engine.finish(keep_cache=keep)
        engine.say_if_nothing_was_decided("generation")
    return found


def _prefill(engine: Engine, own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What ``generate`` reads the prompt with."""
    with engine.reading():
        return own(*args, **kwargs)


def _stopping_criteria(engine: Engine, own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The criteria that ``generate`` asks after each token."""
    return _Overheard.of(own(*args, **kwargs), engine)


class _Overheard(StoppingCriteriaList):
    """Stopping criteria that tell an engine which rows have ended and are padded from then on."""

    engine: Engine

    @classmethod
    def of(cls, criteria: StoppingCriteriaList, engine: Engine) -> StoppingCriteriaList:
        """The same criteria, overheard; as they are where rows are not padded, but written on."""
        if not any(hasattr(each, "eos_token_id") for each in criteria):
            return criteria
        found = cls(criteria)
        found.engine = engine
        return found

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """As the criteria say."""
        done: Tensor = super().__call__(input_ids, scores, **kwargs)
        self.engine.rows_ended(done)
        return done


def decode(
    policy: Deciding,
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    tokenizer: Any = None,  # noqa: ARG001 - generate has made its criterion of it
    **model_kwargs: Any,
) -> Any:
    """The decoding loop that ``generate(custom_generate=policy)`` runs: the model's own, with the engine attached.

    Parameters
    ----------
    policy : Deciding
        What decides.
    model, input_ids, logits_processor, stopping_criteria, generation_config, tokenizer, model_kwargs
        As ``generate`` prepared them.

    Returns
    -------
    Tensor or ModelOutput
        What the model's loop returns.
    """
    _require_plain(generation_config, _of_caller("assistant_model"))
    cache = next((model_kwargs[name] for name in OF_MODELS if name in model_kwargs), None)
    given = _of_caller("kwargs") or {}
    keep = bool(generation_config.return_dict_in_generate) or any(given.get(name) is not None for name in OF_MODELS)
    _require_cache(policy, keep and cache is not None)
    model_kwargs.pop("synced_gpus", None)
    generation_config.disable_compile = True  # generate's own copy; layers that run or not are nothing to compile
    with turn(policy, ends=True), _plugged(policy, model) as engine:
        engine.begin(anew=False)
        found = type(model)._sample(  # the one that generate would choose, a subclass's too
            model,
            cast("torch.LongTensor", input_ids),
            logits_processor=logits_processor,
            stopping_criteria=_Overheard.of(stopping_criteria, engine),
            generation_config=generation_config,
            streamer=_of_caller("streamer"),
            **model_kwargs,
        )
        engine.finish(keep_cache=keep)
        engine.say_if_nothing_was_decided("generation")
    return found


def signature_for_generate(call: Callable[..., Any]) -> inspect.Signature:
    """What a policy says it takes; ``generate`` asks this before it makes its stopping criteria.

    Up to transformers 5.24 ``generate`` takes the tokenizer out of its options and, where it is given a callable, does
    not hand it on, not even to the criterion of ``stop_strings``. It does with arguments that the callable names, and
    looks for these among the same options: so the tokenizer is put back there.

    Parameters
    ----------
    call : callable
        The policy's own ``__call__``.

    Returns
    -------
    inspect.Signature
        Its signature, with a tokenizer.
    """
    frame = _frame_of(GenerationMixin._extract_generation_mode_kwargs)
    if frame is not None:
        tokenizer = (frame.f_locals.get("generation_mode_kwargs") or {}).get("tokenizer")
        if tokenizer is not None:
            frame.f_locals["kwargs"]["tokenizer"] = tokenizer
    return inspect.signature(call)


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


def _require_cache(policy: Deciding, keep: bool) -> None:
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
    frame = _frame_of(GenerationMixin.generate)
    return None if frame is None else frame.f_locals.get(argument)


def _frame_of(function: Callable[..., Any]) -> FrameType | None:
    """Where a function runs that led to here; None where it does not."""
    code = inspect.unwrap(function).__code__
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame
