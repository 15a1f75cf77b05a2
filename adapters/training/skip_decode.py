"""SkipDecode fine-tuning: a causal model learns to go on writing under a schedule of layers, with the schedule on.

References
----------
Del Corro et al. (2023), SkipDecode: Autoregressive skip decoding with batching and caching for efficient LLM inference,
arXiv:2307.02628.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from adapters.decoding.contract import Policy
from adapters.families import Family, family_of
from adapters.policies.skip_decode import SkipDecodePolicy
from adapters.training.loop import History
from adapters.training.registry import FitSettings
from adapters.training.scheduled import Schedule, scheduled_states
from adapters.training.texts import CausalBatch, require_texts
from adapters.training.tuning import save_tuned, tune

__all__ = ["train_skip_decode", "tune_under_schedule"]


def tune_under_schedule(
    model: Any,
    data: Sequence[Any],
    policy: Policy,
    *,
    fit: FitSettings | None = None,
    config: Mapping[str, Any] | None = None,
    lora: int | None = None,
) -> tuple[History, str]:
    """Tune a causal model in place, each position running the layers that a fixed schedule gives it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model. With LoRA it has an adapter of peft afterwards; else its own weights are others.
    data : sequence of Continuation
        Texts; prompts run in full, what follows is learned under the schedule.
    policy : Policy
        One whose plan of a token depends on its place alone, and in which no layer comes back: SkipDecode.
    fit : FitSettings, optional
        Epochs, rates, checkpoints.
    config : mapping of str to object, optional
        What tells the policy from others, for checkpoints.
    lora : int, optional
        Rank of adapters; default: all weights are trained.

    Returns
    -------
    (History, str)
        The run, and the fingerprint of the model before it.

    Raises
    ------
    ews.errors.ArgumentError
        If the policy decides while a token runs, or a text cannot be trained on.
    """
    family = family_of(model)
    texts = require_texts(data, family)
    schedule = Schedule(policy, family, max(len(each.tokens) - each.prompt - 1 for each in texts))

    def loss(family: Family, batch: CausalBatch, _step: int, _total: int) -> Tensor:
        return batch.loss(family, scheduled_states(family, batch, schedule))

    settings = {"policy": type(policy).__name__, "layers": schedule.last.tolist(), **dict(config or {})}
    return tune(model, texts, loss, fit=fit or FitSettings(), config=settings, lora=lora)


def train_skip_decode(
    model: Any,
    data: Sequence[Any],
    *,
    folder: Path | str,
    fit: FitSettings | None = None,
    tokenizer: Any = None,
    length: int | None = None,
    max_exit: int | None = None,
    min_exit: int | None = None,
    speedup: float | None = None,
    warmup_layers: int = 1,
    lora: int | None = None,
) -> Mapping[str, Any]:
    """Tune a causal model in place under SkipDecode's schedule, and write it with the policy.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model. With LoRA it has an adapter of peft afterwards; else its own weights are others.
    data : sequence of Continuation
        Texts; what follows each prompt is learned.
    folder : path
        Where the model, or the adapter, is written; :func:`adapters.training.load_tuned` gives the policy.
    fit : FitSettings, optional
        Epochs, rates, checkpoints.
    tokenizer : transformers tokenizer, optional
        Written beside a whole model.
    length : int, optional
        Tokens over which the depth falls; default: those after the prompt of the longest text.
    max_exit, min_exit : int, optional
        Layers of the first and of the last tokens, as for :class:`adapters.SkipDecodePolicy`.
    speedup : float, optional
        Target, from which these follow.
    warmup_layers : int, default 1
        Layers at the bottom that always run.
    lora : int, optional
        Rank of adapters on all linear layers; default: all weights are trained.

    Returns
    -------
    mapping of str to object
        What was done, as plain values.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is out of its range, or a text cannot be trained on.

    Examples
    --------
    >>> import tempfile
    >>> from adapters import full_model_continuations, training
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> folder = tempfile.TemporaryDirectory()
    >>> found = training.train_skip_decode(model, texts, folder=folder.name, speedup=1.5)
    >>> found["policy"]["name"]
    'skip_decode'
    >>> folder.cleanup()
    """
    texts = require_texts(data, family_of(model))
    given = {
        "length": max(len(each.tokens) - each.prompt for each in texts) if length is None else length,
        "max_exit": max_exit,
        "min_exit": min_exit,
        "speedup": speedup,
        "warmup_layers": warmup_layers,
    }
    options = {name: value for name, value in given.items() if value is not None}
    policy = SkipDecodePolicy(**options)  # type: ignore[arg-type]
    config = {"system": "skip_decode", "options": options}
    history, base = tune_under_schedule(model, texts, policy, fit=fit, config=config, lora=lora)
    return save_tuned(
        model,
        folder,
        system="skip_decode",
        base=base,
        lora=lora,
        policy=("skip_decode", options),
        history=history,
        tokenizer=tokenizer,
    )
