"""JEI-DNN: gates and inference modules on a frozen encoder, trained in turn so that each knows what the other does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR

from adapters._common.checks import read_count, read_share
from adapters.encoders.distributions import gated_distribution
from adapters.encoders.heads import GatedHeads
from adapters.training.encoder_heads import HeadsLoss, HeadsTask, fit_heads, weighted_mean
from adapters.training.loop import History, count_steps
from adapters.training.pabee import cross_entropies, trained
from adapters.training.registry import FitSettings
from ews.errors import ArgumentError, described

__all__ = [
    "exit_weights",
    "fit_inference_modules",
    "fit_jei_dnn",
    "gate_loss",
    "gate_targets",
    "inference_loss",
    "train_jei_dnn",
    "warm_up_loss",
]

_SMALLEST_RATE = 2e-4  # what the cosine ends at
_PERIOD, _PHASES = 200, 4  # batches of a phase as published, and how many phases there are at least


def warm_up_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Loss of the inference modules before there are gates: cross-entropy weighted G + 1 − l, earlier exits more.

    Parameters
    ----------
    logits : Tensor of shape (rows, G + 1, classes)
        What they say, the final exit last.
    labels : Tensor of int64 of shape (rows,)
        The truth.

    Returns
    -------
    Tensor of shape ()
        Σ_l (G + 1 − l) CE_l by the sum of these weights, l from 0; the final exit has weight 1.

    Examples
    --------
    >>> warm_up_loss(torch.zeros(1, 3, 2), torch.tensor([0]))
    tensor(0.6931)
    """
    found = cross_entropies(logits, labels)
    return weighted_mean(found, torch.arange(found.shape[1], 0, -1, device=found.device, dtype=found.dtype))


def exit_weights(gates: Tensor) -> Tensor:
    """Weights of the inference modules' losses: P_l · G / Σ P, without a gradient.

    Parameters
    ----------
    gates : Tensor of shape (rows, G)
        g of each gate.

    Returns
    -------
    Tensor of shape (rows, G + 1)
        The final exit's is the last; each row sums to G.
    """
    leaves = gated_distribution(gates.detach())
    return leaves * (gates.shape[1] / leaves.sum(-1, keepdim=True))


def inference_loss(logits: Tensor, gates: Tensor, labels: Tensor) -> Tensor:
    """Loss of the inference modules: Σ_l w_l·CE_l over the exits that rows really leave at, the final one among them.

    Parameters
    ----------
    logits : Tensor of shape (rows, G + 1, classes)
        What they say.
    gates : Tensor of shape (rows, G)
        g of each gate. They weight the loss, and get no gradient from it.
    labels : Tensor of int64 of shape (rows,)
        The truth.

    Returns
    -------
    Tensor of shape ()
        Mean over rows.

    References
    ----------
    Regol, F., Chataoui, J. & Coates, M. (2024). Jointly-learned exit and inference for a dynamic neural network.
    ICLR 2024, arXiv:2310.09163.
    """
    return (exit_weights(gates) * cross_entropies(logits, labels)).sum(-1).mean()


def gate_targets(losses: Tensor, *, trade_off: float) -> Tensor:
    """What the gates should say: 1 from the exit on at which loss and cost together are least, 0 before.

    Parameters
    ----------
    losses : Tensor of shape (rows, G + 1)
        Cross-entropy at each exit.
    trade_off : float
        λ: what all layers cost, in nats; the cost C_l of an exit is its share of the layers.

    Returns
    -------
    Tensor of shape (rows, G)
        0 or 1; all 0 where the final exit is best.

    Examples
    --------
    >>> gate_targets(torch.tensor([[2.0, 0.5, 0.4], [1.0, 1.0, 0.1]]), trade_off=0.6)
    tensor([[0., 1.],
            [0., 0.]])
    """
    exits = losses.shape[1]
    cost = torch.arange(1, exits + 1, device=losses.device, dtype=losses.dtype) / exits
    best = (losses.detach() + trade_off * cost).argmin(-1, keepdim=True)
    return (torch.arange(exits - 1, device=losses.device) >= best).to(losses.dtype)


def gate_loss(logits: Tensor, gates: Tensor, labels: Tensor, *, trade_off: float) -> Tensor:
    """Loss of the gates: binary cross-entropy with their targets, ones weighted min(#zeros / #ones, 5).

    Parameters
    ----------
    logits : Tensor of shape (rows, G + 1, classes)
        What the inference modules say; they get no gradient from it.
    gates : Tensor of shape (rows, G)
        g of each gate.
    labels : Tensor of int64 of shape (rows,)
        The truth.
    trade_off : float
        See :func:`gate_targets`.

    Returns
    -------
    Tensor of shape ()
        Mean over rows and gates.
    """
    targets = gate_targets(cross_entropies(logits.detach(), labels), trade_off=trade_off)
    ones = targets.sum()
    heavier = ((targets.numel() - ones) / ones.clamp(min=1.0)).clamp(max=5.0)
    weights = torch.where(targets > 0, heavier, torch.ones_like(targets))
    return binary_cross_entropy(gates.clamp(1e-7, 1.0 - 1e-7), targets, weight=weights)


def fit_jei_dnn(
    task: HeadsTask,
    fit: FitSettings,
    *,
    trade_off: float = 0.5,
    warm_up: int = 5,
    period: int | None = None,
) -> History:
    """Train inference modules and gates in turn, by SGD with momentum 0.9, weight decay 5e-4 and a cosine schedule.

    Parameters
    ----------
    task : HeadsTask
        On what; the encoder is frozen.
    fit : FitSettings
        How long; the learning rate begins at 0.01 unless given, and ends at 2e-4.
    trade_off : float, default 0.5
        λ: what all layers cost, in nats of cross-entropy.
    warm_up : int, default 5
        Epochs, of those of `fit`, in which there are no gates; gates that are never trained would let rows leave by
        chance, so that it must be fewer than all.
    period : int, optional
        Batches of a gate phase, and of an inference phase after it (default: 200, as published, or so many that there
        are two of each where the training is short).

    Returns
    -------
    History
        Course of the run.

    Raises
    ------
    ews.errors.ArgumentError
        If the encoder is not frozen, the heads have no gates, or an option is out of its range.
    """
    if task.kept is None:
        raise ArgumentError("frozen", False, "True: JEI-DNN trains nothing of the encoder")
    if not isinstance(task.heads, GatedHeads):
        raise ArgumentError("heads", described(f"{task.heads.kind} heads"), "gated heads")
    read_count("warm_up", warm_up, least=0)
    if period is not None:
        read_count("period", period)
    cost = read_share("trade_off", trade_off, high=float("inf"))
    if warm_up >= fit.epochs:
        raise ArgumentError("warm_up", warm_up, f"fewer than the {fit.epochs} epochs, or no gate is trained")
    warm = warm_up * count_steps(len(task), batch_size=fit.batch_size, epochs=1)
    gated = count_steps(len(task), batch_size=fit.batch_size, epochs=fit.epochs - warm_up)
    turn = min(_PERIOD, math.ceil(gated / _PHASES)) if period is None else period

    def loss(logits: Tensor, halting: Tensor | None, labels: Tensor, step: int) -> Tensor:
        if step < warm:
            return warm_up_loss(logits, labels)
        if halting is None:
            raise ArgumentError("heads", described("heads without gates"), "gated heads")
        gates = halting[:, :-1]  # the final exit has none
        if (step - warm) // turn % 2 == 0:
            return gate_loss(logits, gates, labels, trade_off=cost)
        return inference_loss(logits, gates, labels)

    return _fitted(task, loss, fit, {"system": "jei_dnn", "trade_off": cost, "warm_up": warm_up, "period": turn})


def fit_inference_modules(task: HeadsTask, fit: FitSettings) -> History:
    """Train inference modules alone, as before there are gates: what thresholding is given.

    Parameters
    ----------
    task : HeadsTask
        On what; the encoder is frozen.
    fit : FitSettings
        As for :func:`fit_jei_dnn`.

    Returns
    -------
    History
        Course of the run.
    """
    return _fitted(task, lambda logits, _gates, labels, _step: warm_up_loss(logits, labels), fit, {"system": "warm_up"})


def _fitted(task: HeadsTask, loss: HeadsLoss, fit: FitSettings, config: Mapping[str, Any]) -> History:
    """Heads fitted as the paper does: SGD with momentum under a cosine."""
    steps = count_steps(len(task), batch_size=fit.batch_size, epochs=fit.epochs)
    return fit_heads(
        task,
        loss,
        optimizer=lambda groups: torch.optim.SGD(groups, lr=fit.learning_rate or 0.01, momentum=0.9, weight_decay=5e-4),
        schedule=lambda made: CosineAnnealingLR(made, T_max=max(1, steps), eta_min=_SMALLEST_RATE),
        fit=fit,
        config=config,
    )


def train_jei_dnn(
    model: nn.Module,
    data: Sequence[tuple[Any, Any]],
    *,
    tokenizer: Any,
    folder: Path | str,
    fit: FitSettings | None = None,
    max_length: int = 128,
    trade_off: float = 0.5,
    warm_up: int = 5,
    period: int | None = None,
) -> Mapping[str, Any]:
    """Train gates and inference modules for an encoder that stays as it is, and save them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The encoder.
    data : sequence of (text, label)
        What is trained on.
    tokenizer : callable
        Of the encoder.
    folder : path
        Where :meth:`adapters.encoders.EarlyExitClassifier.save` writes.
    fit : FitSettings, optional
        How long, in what batches (default: what is usual for the system).
    max_length : int, default 128
        Tokens that a text is cut to.
    trade_off : float, default 0.5
        λ: what all layers cost, in nats of cross-entropy.
    warm_up : int, default 5
        Epochs in which there are no gates; fewer than all.
    period : int, optional
        Batches of a gate phase, and of an inference phase after it (default: 200, as published, or so many that there
        are two of each where the training is short).

    Returns
    -------
    mapping
        Plain numbers for a report.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is out of its range, or texts and labels cannot be used.
    adapters.errors.UnsupportedModelError
        If rows cannot leave this model early.

    Examples
    --------
    >>> import tempfile
    >>> from adapters import training
    >>> from transformers import BertConfig, BertModel
    >>> config = BertConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2
    ... )
    >>> def words(texts, **_):
    ...     return {"input_ids": [[2, 10 + len(each), 3] for each in texts]}
    >>> rows = [("short", 0), ("rather longer", 1)] * 20
    >>> folder = tempfile.TemporaryDirectory()
    >>> found = training.train_jei_dnn(BertModel(config), rows, tokenizer=words, folder=folder.name)
    >>> found["layers"]
    4
    >>> folder.cleanup()
    """
    options = {"trade_off": trade_off, "warm_up": warm_up, "period": period}
    return trained(
        "jei_dnn",
        model,
        data,
        tokenizer=tokenizer,
        folder=folder,
        fit=fit,
        frozen=True,
        length=max_length,
        training=options,
    )
