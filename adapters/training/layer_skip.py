"""LayerSkip: a loss at exits through the model's own norm and head, and layers that drop out, deeper ones more often.

References
----------
Elhoushi et al. (2024), LayerSkip: Enabling early exit inference and self-speculative decoding, arXiv:2404.16710.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_count, read_share
from adapters.families import Family
from adapters.texts.batch import LayerPass
from adapters.training.registry import FitSettings
from adapters.training.texts import CausalBatch
from adapters.training.tuning import save_tuned, tune
from ews.errors import UnknownNameError

__all__ = ["Curriculum", "drop_rates", "exit_weights", "train_layer_skip"]

Curriculum = Literal["rotational", "gradual", "constant"]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def drop_rates(depth: int, most: float) -> FloatArray:
    """How often each layer drops out: the first never, the last at `most`, exponentially rising between (eq. 2).

    Parameters
    ----------
    depth : int
        Layers of the model.
    most : float
        Rate of the last.

    Returns
    -------
    ndarray of float64 of shape (depth,)
        The rates.

    Examples
    --------
    >>> drop_rates(3, 0.1).round(4).tolist()
    [0.0, 0.0414, 0.1]
    """
    rates: FloatArray = most * np.expm1(np.arange(depth) * math.log(2) / max(depth - 1, 1))
    return rates


def exit_weights(depth: int, step: int, total: int, *, scale: float, curriculum: Curriculum, period: int) -> FloatArray:
    """What the loss after each layer weighs in a step; together 1.

    The last layer always has its loss. Before they are made to sum to 1, its weight is depth − 1 + scale · Σ j over the
    layers below it, and that of layer i is scale · Σ j over j ≤ i where the curriculum has it on (eqs. 4 to 6).

    Parameters
    ----------
    depth : int
        Layers of the model.
    step, total : int
        Which step of how many.
    scale : float
        How much exits weigh.
    curriculum : {"rotational", "gradual", "constant"}
        Every `period`-th layer, others each step; layers from the last on, one more every total / (2 · depth) steps; or
        all of them.
    period : int
        Of the rotation.

    Returns
    -------
    ndarray of float64 of shape (depth,)
        The weights.

    Examples
    --------
    >>> exit_weights(4, 1, 100, scale=1.0, curriculum="rotational", period=2).round(3).tolist()
    [0.0, 0.143, 0.0, 0.857]
    """
    index = np.arange(depth)
    weights = scale * np.cumsum(index).astype(np.float64)
    weights[-1] = depth - 1 + scale * np.sum(index[:-1])
    if curriculum == "rotational":
        on = index % period == step % period
    elif curriculum == "gradual":
        on = index >= depth - 1 - math.floor(2 * depth * step / max(total, 1))
    else:
        on = np.ones(depth, dtype=bool)
    on[-1] = True
    weights = np.where(on, weights, 0.0)
    if depth == 1:
        return np.ones(1)
    found: FloatArray = weights / weights.sum()
    return found


def train_layer_skip(
    model: Any,
    data: Sequence[Any],
    *,
    folder: Path | str,
    fit: FitSettings | None = None,
    tokenizer: Any = None,
    exit_scale: float = 1.0,
    dropout: float = 0.1,
    curriculum: Curriculum = "rotational",
    period: int = 4,
    lora: int | None = None,
) -> Mapping[str, Any]:
    """Tune a causal model in place so that its layers below the last can be left through, and write it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model. With LoRA it has an adapter of peft afterwards; else its own weights are others.
    data : sequence of Continuation
        Texts; what follows each prompt is learned.
    folder : path
        Where the model, or the adapter, is written.
    fit : FitSettings, optional
        Epochs, rates, checkpoints.
    tokenizer : transformers tokenizer, optional
        Written beside a whole model.
    exit_scale : float, default 1.0
        How much the losses of exits weigh; 0 for none but that of the last layer.
    dropout : float, default 0.1
        How often the last layer drops out, for each text on its own.
    curriculum : {"rotational", "gradual", "constant"}, default "rotational"
        Which exits have a loss in a step.
    period : int, default 4
        Of the rotation.
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
    >>> found = training.train_layer_skip(model, texts, folder=folder.name)
    >>> found["system"]
    'layer_skip'
    >>> folder.cleanup()
    """
    if curriculum not in get_args(Curriculum):
        raise UnknownNameError("curriculum", curriculum, get_args(Curriculum))
    read_count("period", period)
    read_share("dropout", dropout, high=0.99)
    read_share("exit_scale", exit_scale, high=1e6)

    def loss(family: Family, batch: CausalBatch, step: int, total: int) -> Tensor:
        weights = exit_weights(family.depth, step, total, scale=exit_scale, curriculum=curriculum, period=period)
        found = torch.zeros((), device=family.home)
        for index, state in enumerate(_dropping_states(family, batch, drop_rates(family.depth, dropout))):
            if weights[index]:
                found = found + float(weights[index]) * batch.loss(family, state).to(found.device)
        return found

    config = {
        "system": "layer_skip",
        "exit_scale": exit_scale,
        "dropout": dropout,
        "curriculum": curriculum,
        "period": period,
    }
    history, base = tune(model, data, loss, fit=fit or FitSettings(), config=config, lora=lora)
    return save_tuned(
        model, folder, system="layer_skip", base=base, lora=lora, policy=None, history=history, tokenizer=tokenizer
    )


def _dropping_states(family: Family, batch: CausalBatch, rates: FloatArray) -> list[Tensor]:
    """The residual stream after each layer, some layers being left out for some texts."""
    layers = LayerPass(family, batch.batch)
    hidden, found = layers.embedded, []
    for index in range(family.depth):
        kept = torch.rand(len(hidden)) >= rates[index]  # on the host: the same draws on every device
        after = layers.run(index, hidden) if bool(kept.any()) else hidden
        hidden = after if bool(kept.all()) else torch.where(kept.to(after.device)[:, None, None], after, hidden)
        found.append(hidden)
    return found
