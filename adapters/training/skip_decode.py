"""SkipDecode fine-tuning: a causal model learns to go on writing under a schedule of layers, with the schedule on.

References
----------
Del Corro et al. (2023), SkipDecode: Autoregressive skip decoding with batching and caching for efficient LLM inference,
arXiv:2307.02628.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from adapters.decoding.contract import Policy
from adapters.families import Family, family_of
from adapters.training.loop import History
from adapters.training.registry import FitSettings
from adapters.training.scheduled import Schedule, scheduled_states
from adapters.training.texts import CausalBatch, require_texts
from adapters.training.tuning import tune

__all__ = ["tune_under_schedule"]


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
