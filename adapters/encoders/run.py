"""A whole call: batches of an encoder under an exit rule, with a report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adapters._common.publish import public
from adapters.encoders.backbones import backbone_of
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.engine import Runnable, require_fit, run_batch
from adapters.encoders.heads import ExitHeads
from adapters.encoders.policies.never import NeverLeave
from adapters.encoders.report import EncoderReport

__all__ = ["EncoderOutput", "encode", "evaluating", "run_batches"]


@public("adapters.encoders")
@dataclass(frozen=True, slots=True, eq=False)
class EncoderOutput:
    """What rows left an encoder with.

    Attributes
    ----------
    logits : Tensor of shape (rows, classes) or None
        Of the head that each row left at; None where there are no heads and the model has no classifier.
    last_hidden_state : Tensor of shape (rows, tokens, width) or None
        The states that each row left with; None where there are several batches.
    report : EncoderReport
        Layers of each row, and the time.
    """

    logits: Tensor | None
    last_hidden_state: Tensor | None
    report: EncoderReport


def encode(
    model: Any, *, policy: EncoderPolicy | None = None, heads: ExitHeads | None = None, **inputs: Tensor
) -> EncoderOutput:
    """Run one batch through an encoder with early exits, one layer after another, dropping rows as they leave.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A BERT, RoBERTa, ALBERT or MPNet of ``AutoModel`` or ``AutoModelForSequenceClassification``. It is not changed.
    policy : EncoderPolicy, optional
        When rows leave (default: never, which is the plain model bit for bit).
    heads : ExitHeads, optional
        What the rule asks.
    **inputs : Tensor
        What the tokenizer makes: `input_ids`, `attention_mask` and so on.

    Returns
    -------
    EncoderOutput
        Logits and states that each row left with, and a report.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If rows cannot leave this model early.
    ews.errors.ArgumentError
        If rule, heads and model do not go together, or an input is not known.

    Examples
    --------
    >>> import torch
    >>> from transformers import BertConfig, BertModel
    >>> from adapters.encoders import PabeePolicy, encode, heads_named
    >>> config = BertConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=6, num_attention_heads=2
    ... )
    >>> model = BertModel(config).eval()
    >>> heads = heads_named("linear", width=16, classes=2, exits=6)
    >>> found = encode(model, policy=PabeePolicy(patience=5), heads=heads, input_ids=torch.tensor([[1, 2, 3]]))
    >>> found.report.depths, tuple(found.logits.shape)
    (array([6]), (1, 2))
    """
    backbone = backbone_of(model)
    rule = NeverLeave() if policy is None else policy
    require_fit(backbone, rule, heads)
    started = time.perf_counter()
    given = inputs.get("input_ids", inputs.get("inputs_embeds"))
    rule.begin(0 if given is None else len(given))
    found = run_batch(backbone, inputs, policy=rule, heads=heads, with_hidden=True)
    report = EncoderReport(backbone.depth, found.depths, time.perf_counter() - started, found.deciding)
    # Copies: those of inference mode could take no part in a graph, such as that of a student that learns from them.
    logits = None if found.logits is None else found.logits.clone()
    return EncoderOutput(logits, None if found.hidden is None else found.hidden.clone(), report)


def run_batches(
    encoder: Runnable,
    batches: Iterable[tuple[np.ndarray[Any, np.dtype[np.int64]], Mapping[str, Tensor] | None]],
    rows: int,
    *,
    policy: EncoderPolicy,
    heads: ExitHeads | None,
) -> EncoderOutput:
    """Run all batches of a call.

    Parameters
    ----------
    encoder : Runnable
        What runs the layers.
    batches : iterable of (ndarray of int, mapping)
        Which rows of the call a batch holds, and its inputs.
    rows : int
        How many there are in all.
    policy : EncoderPolicy
        When rows leave.
    heads : ExitHeads or None
        What it asks.

    Returns
    -------
    EncoderOutput
        In the order of the rows, without states.
    """
    require_fit(encoder, policy, heads)
    policy.begin(rows)
    depths = np.zeros(rows, dtype=np.int64)
    logits: Tensor | None = None
    seconds = deciding = 0.0
    for index, inputs in batches:
        started = time.perf_counter()
        found = run_batch(encoder, inputs, policy=policy, heads=heads, rows=index)
        seconds += time.perf_counter() - started
        deciding += found.deciding
        depths[index] = found.depths
        if found.logits is not None:
            if logits is None:
                logits = torch.empty(rows, found.logits.shape[1], dtype=torch.float32)
            logits[torch.from_numpy(index)] = found.logits.float().cpu()
    return EncoderOutput(logits, None, EncoderReport(encoder.depth, depths, seconds, deciding))


@contextmanager
def evaluating(*modules: nn.Module | None) -> Iterator[None]:
    """Modules in evaluation mode for the time of a block, and as they were afterwards, module by module.

    Parameters
    ----------
    *modules : nn.Module or None
        Which.
    """
    training = [each for module in modules if module is not None for each in module.modules() if each.training]
    try:
        for each in training:
            each.training = False
        yield
    finally:
        for each in training:
            each.training = True
