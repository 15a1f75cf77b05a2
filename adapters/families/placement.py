"""Where a module computes, and how to have its weights at hand where they are kept elsewhere or in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["at_hand", "own_part", "runs_on"]


def _hooks(module: nn.Module) -> tuple[Any, ...]:
    """What accelerate does around a call of this module."""
    hook = module.__dict__.get("_hf_hook")  # by way of the module itself, one that has none takes long to say so
    return () if hook is None else tuple(getattr(hook, "hooks", (hook,)))


def runs_on(module: nn.Module) -> torch.device | str | int:
    """The device that a module computes on, as ``Tensor.to`` takes it; it need not be that of its weights."""
    for part in module.modules():
        for hook in _hooks(part):
            device: torch.device | str | int | None = getattr(hook, "execution_device", None)
            if device is not None:
                return device
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))


@contextmanager
def at_hand(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Load what accelerate has taken out of memory until a module is called, and let go of it again.

    Parameters
    ----------
    modules : iterable of nn.Module
        Whose own hooks to obey.

    Yields
    ------
    None
        The weights are there within the block.
    """
    loaded = []
    try:
        for module in modules:
            for hook in _hooks(module):
                if getattr(hook, "offload", False):
                    hook.pre_forward(module)
                    loaded.append((module, hook))
        yield
    finally:
        for module, hook in reversed(loaded):
            hook.post_forward(module, ())


def own_part(weight: Tensor, *, divided: bool) -> Tensor:
    """A weight as this process computes with it, plain, whether or not it is spread over processes.

    It is the part of this process where each goes on with its part of what comes out (`divided`), else all of it.
    """
    if not hasattr(weight, "placements"):  # as those have: asked without loading what defines them
        return weight
    from torch.distributed.tensor import DTensor, Shard

    spread: DTensor = weight  # type: ignore[assignment]
    own: Tensor = spread.redistribute(placements=[Shard(0)]).to_local() if divided else spread.full_tensor()
    return own
