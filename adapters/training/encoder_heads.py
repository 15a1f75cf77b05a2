"""Exit heads of an encoder, trained on kept states of a frozen one, or together with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from adapters._common.publish import public
from adapters.encoders.backbones import Backbone
from adapters.encoders.heads import ExitHeads
from adapters.encoders.states import FirstTokenStates, readings, states_with_gradient
from adapters.training.loop import History, fit_modules
from adapters.training.registry import FitSettings
from ews.errors import ArgumentError, ValueRangeError

__all__ = ["HEAD_RATE", "HeadsTask", "fit_heads", "read_rates", "weighted_mean"]

_LOOKED_AT, _AT_ONCE = 256, 32  # rows by whose states heads of an encoder that is trained begin; at once
HEAD_RATE = 1e-3  # of heads that are drawn, on a frozen encoder or with one that is trained

# Of what all heads say, shape (rows, layers, classes), their halting probabilities, labels and the step.
HeadsLoss = Callable[[Tensor, Tensor | None, Tensor, int], Tensor]


@public("adapters.training.encoder_heads")
@dataclass(frozen=True, slots=True, eq=False)
class HeadsTask:
    """What heads are trained on.

    Attributes
    ----------
    heads : ExitHeads
        Trained in place, from weights for states of unit spread, as those are that are drawn.
    labels : Tensor of int64 of shape (rows,)
        Index of each row's class.
    kept : FirstTokenStates or None
        States of a frozen encoder; None where it is trained, too.
    backbone : Backbone or None
        The encoder that is trained.
    inputs : sequence of mapping of str to Tensor, or None
        What it reads: one row each, without padding.
    collate : callable or None
        Makes a batch of rows of inputs.
    config : mapping
        What the result depends on besides, for checkpoints.
    """

    heads: ExitHeads
    labels: Tensor
    kept: FirstTokenStates | None = None
    backbone: Backbone | None = None
    inputs: Sequence[Mapping[str, Tensor]] | None = None
    collate: Callable[[list[Mapping[str, Tensor]]], dict[str, Tensor]] | None = None
    config: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def layers(self) -> int:
        """How many layers the encoder has."""
        held = self.kept if self.kept is not None else self.backbone
        assert held is not None  # one of the two is what a task is made of
        return held.depth

    def modules(self) -> nn.Module:
        """All that is trained."""
        held: dict[str, nn.Module] = {"heads": self.heads}
        if self.kept is None and self.backbone is not None:
            held["model"] = self.backbone.model
        return nn.ModuleDict(held)


def fit_heads(
    task: HeadsTask,
    loss: HeadsLoss,
    *,
    optimizer: Callable[[list[dict[str, Any]]], Optimizer],
    fit: FitSettings,
    head_rate: float | None = None,
    schedule: Callable[[Optimizer], LRScheduler] | None = None,
    config: Mapping[str, Any] | None = None,
) -> History:
    """Train exit heads, and their encoder if it is not frozen.

    Parameters
    ----------
    task : HeadsTask
        On what.
    loss : callable
        Of what all heads say, their halting probabilities, labels and step.
    optimizer : callable
        Makes one of groups of parameters, those of the heads first.
    fit : FitSettings
        How long, in what batches.
    head_rate : float, optional
        Learning rate of the heads (default: the optimizer's). Heads that are drawn have far to go where weights of a
        pretrained encoder have not.
    schedule : callable, optional
        Makes one of the optimizer.
    config : mapping, optional
        Settings of the loss, for checkpoints.

    Returns
    -------
    History
        Course of the run.
    """
    modules = task.modules()
    made = optimizer(_groups(task, head_rate))
    # Heads learn from states of unit spread, or some directions would learn a thousand times as slowly as others; what
    # that takes is part of their weights afterwards.
    centre, spread = _usual(task.kept if task.kept is not None else _states_before(task), task.heads)

    def of_unit_spread(states: FirstTokenStates) -> FirstTokenStates:
        first, rest = states.states[:, :1], states.states[:, 1:]
        moved = (rest - centre.to(rest)) / spread.to(rest)
        return replace(states, states=torch.cat((first, moved), 1))

    data: list[Any]
    if task.kept is not None:
        kept = of_unit_spread(task.kept)
        own = [None] * len(task) if kept.own is None else list(kept.own)
        data = list(zip(kept.states, own, task.labels.tolist(), strict=True))
    else:
        data = list(zip(task.inputs or (), task.labels.tolist(), strict=True))

    def collate(items: list[Any]) -> Any:
        labels = torch.tensor([item[-1] for item in items])
        if task.kept is not None:
            said = None if items[0][1] is None else torch.stack([item[1] for item in items])
            return torch.stack([item[0] for item in items]), said, labels
        assert task.collate is not None  # a task without kept states has one
        return task.collate([item[0] for item in items]), labels

    def of_batch(batch: Any, step: int) -> Tensor:
        if task.kept is not None:
            states = FirstTokenStates(batch[0], batch[1])
        else:
            assert task.backbone is not None
            states = of_unit_spread(states_with_gradient(task.backbone, batch[0]))
        return loss(*readings(task.heads, states), batch[-1], step)

    found = fit_modules(
        modules,
        of_batch,
        data,
        collate,
        optimizer=made,
        schedule=None if schedule is None else schedule(made),
        config={**dict(task.config or {}), **dict(config or {})},
        **fit.options(),
    )
    task.heads.rescale(-centre / spread, 1.0 / spread)
    return found


@torch.no_grad()
def _states_before(task: HeadsTask) -> FirstTokenStates:
    """Of some rows, as an encoder that is trained leaves them at first."""
    assert task.backbone is not None  # a task without kept states has these
    assert task.collate is not None
    some = list(task.inputs or ())[:_LOOKED_AT]
    model = task.backbone.model
    trained = [each for each in model.modules() if each.training]
    model.eval()
    try:
        batches = [task.collate(some[start : start + _AT_ONCE]) for start in range(0, len(some), _AT_ONCE)]
        parts = [states_with_gradient(task.backbone, each).states for each in batches]
    finally:
        for each in trained:
            each.training = True
    return FirstTokenStates(torch.cat(parts).float().cpu())


def _groups(task: HeadsTask, head_rate: float | None) -> list[dict[str, Any]]:
    """Parameters of the heads, then those of the encoder where it is trained."""
    modules = [task.heads] if task.backbone is None or task.kept is not None else [task.heads, task.backbone.model]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in module.parameters() if each.requires_grad]} for module in modules
    ]
    if head_rate is not None:
        groups[0]["lr"] = head_rate
    return [each for each in groups if each["params"]]


def _usual(kept: FirstTokenStates, heads: ExitHeads) -> tuple[Tensor, Tensor]:
    """Mean and spread of states, shape (layers, width): of each layer, or of all where one head reads all."""
    states = kept.states[:, 1:]
    over = (0,) if len(heads.reading()) > 1 else (0, 1)
    centre, spread = states.mean(over, keepdim=True), states.std(over, keepdim=True, correction=0)
    spread = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
    return centre.expand(1, *states.shape[1:])[0], spread.expand(1, *states.shape[1:])[0]


def read_rates(task: HeadsTask, fit: FitSettings, head_rate: float | None, *, encoder: float) -> tuple[float, float]:
    """Learning rates of all that is trained but the heads, and of the heads.

    Parameters
    ----------
    task : HeadsTask
        What is trained.
    fit : FitSettings
        Its rate is that of the encoder where that is trained, else of the heads.
    head_rate : float or None
        That of the heads where the encoder is trained, too.
    encoder : float
        The system's usual rate of an encoder.

    Returns
    -------
    (float, float)
        Rate of the optimizer, and of the heads.

    Raises
    ------
    ews.errors.ArgumentError
        If a rate is not above 0, or one of the heads is given while nothing else is trained.
    """
    for name, rate in (("learning_rate", fit.learning_rate), ("head_rate", head_rate)):
        if rate is not None and not 0 < rate < math.inf:
            raise ValueRangeError(name, rate, "a number above 0")
    if task.kept is not None:
        if head_rate is not None:
            raise ArgumentError("head_rate", head_rate, "None where the encoder is frozen: learning_rate is the heads'")
        alone = HEAD_RATE if fit.learning_rate is None else fit.learning_rate
        return alone, alone
    base = encoder if fit.learning_rate is None else fit.learning_rate
    return base, HEAD_RATE if head_rate is None else head_rate


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of (rows, layers) over layers by weights of shape (layers,), then over rows."""
    return (values * weights).sum(-1).mean() / weights.sum()
