"""A second device, pretended: tensors told to be there compute on the CPU and refuse to meet those that are not.

The rules are those of a GPU beside another: operands, indices included, must be on one device unless they are single
numbers, and only ``to`` moves anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

__all__ = ["HERE", "THERE", "DeviceMismatch", "TwoDevices", "dispatched"]

HERE, THERE = torch.device("cpu"), torch.device("cuda:1")


class DeviceMismatch(AssertionError):
    """Tensors of two devices met."""


class TwoDevices(TorchFunctionMode):
    """While it is entered, tensors may be on a device that this machine does not have.

    Attributes
    ----------
    moves : int
        How often something was moved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.moves = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return _place(args[0])
        if func is Tensor.to:
            return self._moved(func, args, kwargs)
        if func == Tensor.cpu:
            return self._moved(Tensor.to, (*args, HERE), kwargs)
        if func == Tensor.numpy and _place(args[0]) != HERE:
            raise DeviceMismatch(f"numpy of a tensor on {_place(args[0])}")
        places = {_place(each) for each in _tensors((args, kwargs)) if each.ndim > 0}
        if len(places) > 1:
            raise DeviceMismatch(f"{getattr(func, '__name__', func)}: tensors on {sorted(map(str, places))}")
        (place,) = places or {HERE}
        if kwargs.get("device") is not None:
            place = torch.device(kwargs.pop("device"))
        return _tagged(func(*args, **kwargs), place)

    def _moved(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        tensor, *rest = args
        goal = kwargs.pop("device", None)
        if rest and isinstance(rest[0], Tensor):
            goal, kwargs["dtype"] = _place(rest[0]), rest.pop(0).dtype
        elif rest and isinstance(rest[0], str | torch.device):
            goal = rest.pop(0)
        goal = _place(tensor) if goal is None else torch.device(goal)
        found = func(tensor, *rest, **kwargs) if rest or kwargs else tensor
        if goal != _place(tensor):
            self.moves += 1
            found = found.clone()
        return _tagged(found, goal)


def dispatched(model: nn.Module, there: tuple[nn.Module, ...]) -> nn.Module:
    """Put some parts of a model on the second device, and let accelerate's hooks carry what they are called with."""
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    class Carries(AlignDevicesHook):
        def init_hook(self, module: nn.Module) -> nn.Module:
            return module

    far = {part for module in there for part in module.modules()}
    for part in model.modules():
        place = THERE if part in far else HERE
        for weight in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            _tagged(weight, place)
        hook = Carries(execution_device=place, io_same_device=part is model, skip_keys="past_key_values")
        if len(part.state_dict()):
            add_hook_to_module(part, hook)
    return model


def _place(tensor: Tensor) -> torch.device:
    return getattr(tensor, "_pretended_device", HERE)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def _tagged(found: Any, place: torch.device) -> Any:
    for tensor in _tensors(found):
        tensor._pretended_device = place  # type: ignore[attr-defined]
    return found
