"""The loop that all training here goes through: thin, on ``accelerate``, and continued bit for bit after a kill.

Devices, several processes and the reduction of gradients are accelerate's. Its checkpoints, and those of
``transformers.Trainer``, are not used: both keep the states of optimizers and generators as pickles, and whoever reads
a pickle runs what is in it. Here a checkpoint is safetensors and JSON (:mod:`adapters.training.checkpoint`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from adapters._common.checks import read_count
from adapters._common.publish import public
from adapters.errors import DivergedError
from adapters.training.checkpoint import (
    Checkpoint,
    chance_of,
    plain_settings,
    read_checkpoint,
    restore_chance,
    state_of_chance,
    write_checkpoint,
)
from adapters.training.content import data_digest, modules_digest
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["History", "count_steps", "fit_modules", "is_first_process"]

Loss = Callable[[Any, int], Tensor]


@public("adapters.training")
@dataclass(frozen=True, slots=True)
class History:
    """Course of a training run.

    Attributes
    ----------
    losses : ndarray of float64 of shape (steps,)
        Of each step, those before an interruption too.
    steps : int
        How many there were.
    resumed : int or None
        After which step a checkpoint was taken up; None for a run from the beginning.
    seconds : float
        Of this process.
    seed : int
        What chance began at.
    config : mapping of str to object
        What the run was given.
    """

    losses: np.ndarray[Any, np.dtype[np.float64]]
    steps: int
    resumed: int | None
    seconds: float
    seed: int
    config: Mapping[str, Any]


def count_steps(items: int, *, batch_size: int, epochs: int) -> int:
    """How many steps a run has, the last batch of an epoch being as short as it is.

    Parameters
    ----------
    items : int
        Of the data.
    batch_size, epochs : int
        As for :func:`fit_modules`.

    Returns
    -------
    int
        Steps.

    Examples
    --------
    >>> count_steps(10, batch_size=4, epochs=2)
    6
    """
    return epochs * math.ceil(items / batch_size)


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes: all of them have the same."""
    here = torch.distributed
    return not (here.is_available() and here.is_initialized()) or here.get_rank() == 0


def fit_modules(
    modules: nn.Module,
    loss: Loss,
    data: Sequence[Any],
    collate: Callable[[list[Any]], Any],
    *,
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
    batch_size: int,
    epochs: int,
    seed: int,
    clip: float | None = None,
    accumulate: int = 1,
    config: Mapping[str, Any] | None = None,
    directory: Path | str | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    progress: bool | Callable[[int, int], object] | None = None,
) -> History:
    """Fit modules by gradient descent, in place.

    A loss may leave parameters without a gradient, in a phase that trains others: the optimizer passes them over.
    Whether modules drop out is theirs (``train()``, ``eval()``): nothing is switched here.

    Parameters
    ----------
    modules : nn.Module
        Holds every parameter that is trained. Those that do not require a gradient are neither changed nor saved. With
        several processes (``accelerate launch``) each has them on its own device.
    loss : callable
        Of what `collate` made and of the step, from 0; a scalar, the mean over the batch.
    data : sequence
        The items. They are drawn in an order of their own in each epoch, which depends on seed and epoch only.
    collate : callable
        Makes a batch of a list of items.
    optimizer : torch.optim.Optimizer
        Of parameters of the modules.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Of its learning rates; goes on by one after each step.
    batch_size : int
        Items in a step, over all processes.
    epochs : int
        How many times the data are gone through.
    seed : int
        Of the order, and of all that the loss draws from torch, numpy or Python, whose generators are then as before.
    clip : float, optional
        Largest norm of all gradients together.
    accumulate : int, default 1
        In how many parts a batch goes through, for memory; the loss is the mean over items all the same.
    config : mapping of str to object, optional
        Plain values on which the result depends too (a base model's fingerprint, settings of the loss): a checkpoint
        made with others is refused.
    directory : path, optional
        Where checkpoints go.
    checkpoint_every : int, optional
        Steps between two; default: one epoch. The last step is always kept.
    resume : bool, default False
        Whether to go on from the checkpoint in `directory`; from the beginning where there is none yet.
    progress : bool or callable, optional
        True for a bar on the terminal, or a function of steps done and steps in all.

    Returns
    -------
    History
        Losses and what made them.

    Raises
    ------
    ews.errors.ArgumentError
        If an argument is out of its range, or the directory holds a checkpoint and `resume` is False.
    adapters.errors.CheckpointMismatchError
        If the checkpoint is of other data, settings or weights, or was changed.
    adapters.errors.DivergedError
        If a loss is not finite; the message names the step.

    Examples
    --------
    >>> line = nn.Linear(1, 1)
    >>> history = fit_modules(
    ...     line, lambda batch, step: (line(batch) - 2 * batch).square().mean(), [0.5, 1.0, 2.0],
    ...     lambda items: torch.tensor(items)[:, None], optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
    ...     batch_size=2, epochs=50, seed=0,
    ... )
    >>> history.steps, bool(history.losses[-1] < 0.01)
    (100, True)
    """
    for name, value in (("batch_size", batch_size), ("epochs", epochs), ("accumulate", accumulate)):
        read_count(name, value)
    if not len(data):
        raise ArgumentError("data", described("no item"), "one item or more")
    if clip is not None and not clip > 0:
        raise ValueRangeError("clip", clip, "a number above 0, or None")
    if checkpoint_every is not None:
        read_count("checkpoint_every", checkpoint_every)
    if directory is None and (resume or checkpoint_every is not None):
        asked = "resume" if resume else "checkpoint_every"
        raise ArgumentError("directory", None, f"the folder of the checkpoints, as {asked} was given")
    _require_own(optimizer, modules)
    with _accelerate_as_before():
        run = _Run(modules, loss, optimizer, schedule)
        total = count_steps(len(data), batch_size=batch_size, epochs=epochs)
        given = {
            "batch_size": batch_size,
            "epochs": epochs,
            "seed": seed,
            "clip": clip,
            "accumulate": accumulate,
            "optimizer": [type(optimizer).__name__, *map(_settings, optimizer.param_groups)],
            "schedule": None if schedule is None else [type(schedule).__name__, schedule.state_dict()],
            **dict(config or {}),
        }
        given = plain_settings(given)
        began = time.perf_counter()
        losses: list[float] = []
        first, resumed = 0, None
        with chance_of(seed), _told(progress) as report:
            folder: Path | None = None
            identity: dict[str, Any] = {}
            if directory is not None:
                folder = Path(directory)
                identity = {"settings": given, "data": data_digest(data), "weights": modules_digest(modules)}
                found = read_checkpoint(folder, identity)
                if found is not None and not resume:
                    said = described(f"{str(folder)!r}, which holds a checkpoint")
                    raise ArgumentError("directory", said, "an empty folder, or resume=True")
                if found is not None:
                    first = resumed = found.step
                    losses = found.state["losses"].tolist()
                    run.restore(found.state)
            every = checkpoint_every or math.ceil(len(data) / batch_size)
            for step, chosen in _batches(len(data), batch_size, seed, first, total):
                losses.append(run.step([data[index] for index in chosen], collate, step, clip=clip, parts=accumulate))
                done = step + 1
                if folder is not None and (done % every == 0 or done == total):
                    run.save(folder, identity, done, losses)
                if report is not None:
                    report(done, total)
        optimizer.zero_grad(set_to_none=True)  # nobody needs the last gradients, which are as large as the modules
        seconds = time.perf_counter() - began
        return History(np.asarray(losses), total, resumed, seconds, seed, given)


@contextmanager
def _accelerate_as_before() -> Iterator[None]:
    """Leave accelerate's state to whoever comes next: it keeps one a process, as the first to ask for it wanted it."""
    from accelerate.state import AcceleratorState

    state: dict[str, Any] = AcceleratorState._shared_state
    was_there = bool(state)
    try:
        yield
    finally:
        if not was_there:
            state.clear()


class _Run:
    """Modules with what trains them, over all processes."""

    def __init__(self, modules: nn.Module, loss: Loss, optimizer: Optimizer, schedule: LRScheduler | None) -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        several = torch.distributed.is_available() and "WORLD_SIZE" in os.environ
        handlers: list[Any] = [DistributedDataParallelKwargs(find_unused_parameters=True)]
        self.accelerator = Accelerator(device_placement=False, kwargs_handlers=handlers)
        self.modules, self.optimizer, self.schedule = modules, optimizer, schedule
        self.named = {name: each for name, each in modules.named_parameters() if each.requires_grad}
        kept = set(modules.state_dict()) - {name for name, _ in modules.named_parameters(remove_duplicate=False)}
        self.buffers = {name: each for name, each in modules.named_buffers() if name in kept}
        self.device = next(iter(self.named.values())).device
        self.computes: Any = _Computes(modules, loss)
        if several and self.accelerator.num_processes > 1:
            own = self.accelerator.device
            if (self.device.type, self.device.index or 0) != (own.type, own.index or 0):
                given = described(f"parameters on {self.device}")
                raise ArgumentError("modules", given, f"parameters on {own}, the device of this process")
            self.computes = self.accelerator.prepare(self.computes)

    def step(
        self,
        items: list[Any],
        collate: Callable[[list[Any]], Any],
        step: int,
        *,
        clip: float | None,
        parts: int,
    ) -> float:
        """One step on some items; the loss."""
        from accelerate.utils import send_to_device

        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        if processes > 1:  # each takes as many: the first ones again where they do not come out even
            items = (items * processes)[: math.ceil(len(items) / processes) * processes][rank::processes]
        size = math.ceil(len(items) / parts)
        cut = [items[start : start + size] for start in range(0, len(items), size)]
        self.optimizer.zero_grad(set_to_none=True)  # parameters of other phases are then passed over
        found = 0.0
        for number, part in enumerate(cut):
            waits = self.accelerator.no_sync(self.computes) if number < len(cut) - 1 else nullcontext()
            with waits:
                value = self.computes(send_to_device(collate(part), self.device), step)
                if not isinstance(value, Tensor) or value.numel() != 1:
                    raise InputTypeError("loss", described(f"a {type(value).__name__}"), "a function to one number")
                share = value * (len(part) / len(items)) if len(cut) > 1 else value
                found += float(share.detach())
                self.accelerator.backward(share)
        if processes > 1:  # so that all of them stop where one must
            found = float(self.accelerator.reduce(torch.tensor(found, device=self.device), "mean"))
        if not math.isfinite(found):
            raise DivergedError(f"the loss is {found} at step {step}: a smaller learning rate or clip= may help")
        if clip is not None:
            self.accelerator.clip_grad_norm_(self.named.values(), clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return found

    def save(self, folder: Path, identity: Mapping[str, Any], step: int, losses: list[float]) -> None:
        """A checkpoint, by one of the processes."""
        state = {
            "parameters": {name: each.detach() for name, each in self.named.items()},
            "buffers": self.buffers,
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "chance": state_of_chance(),
            "losses": torch.tensor(losses, dtype=torch.float64),
        }
        if self.accelerator.is_main_process:
            write_checkpoint(folder, Checkpoint(identity, step, state))
        self.accelerator.wait_for_everyone()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Everything as it was saved."""
        with torch.no_grad():
            for held, saved in ((self.named, state["parameters"]), (self.buffers, state["buffers"])):
                for name, each in held.items():
                    each.copy_(saved[name])
        self.optimizer.load_state_dict(dict(state["optimizer"]))
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        restore_chance(state["chance"])


class _Computes(nn.Module):
    """The loss as a module's forward, which is what several processes reduce gradients around."""

    def __init__(self, modules: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.held = modules
        self._loss = loss

    def forward(self, batch: Any, step: int) -> Tensor:
        """The loss of a batch."""
        return self._loss(batch, step)


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """What an optimizer was told of a group of parameters."""
    return {name: value for name, value in group.items() if name != "params"}


def _batches(items: int, size: int, seed: int, first: int, total: int) -> Iterator[tuple[int, list[int]]]:
    """Steps from `first` on, each with the indices of its items."""
    each = math.ceil(items / size)
    order: np.ndarray[Any, np.dtype[np.int64]] = np.empty(0, dtype=np.int64)
    for step in range(first, total):
        epoch, place = divmod(step, each)
        if place == 0 or step == first:
            order = np.random.default_rng([seed, epoch]).permutation(items)
        yield step, order[place * size : (place + 1) * size].tolist()


def _require_own(optimizer: Optimizer, modules: nn.Module) -> None:
    """That what is trained is what is saved."""
    if not isinstance(optimizer, Optimizer):
        given = described(f"a {type(optimizer).__name__}")
        raise InputTypeError("optimizer", given, "a torch optimizer of parameters of the modules")
    trained = {id(each) for each in modules.parameters() if each.requires_grad}
    if not trained:
        raise ArgumentError("modules", described("no parameter that requires a gradient"), "one or more")
    if any(id(each) not in trained for group in optimizer.param_groups for each in group["params"]):
        given = described("parameters that the modules do not hold, or that require no gradient")
        raise ArgumentError("optimizer", given, "parameters of the modules: no others would be saved")


@contextmanager
def _told(progress: Any) -> Iterator[Callable[[int, int], object] | None]:
    """Whom to tell of steps: a bar, a function, nobody."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("training", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    elif callable(progress):
        yield progress
    else:
        raise InputTypeError("progress", progress, "None, True for a bar, or a function of two numbers: done, total")
