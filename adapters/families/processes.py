"""The processes that one model's weights are spread over, and what they tell each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from adapters.errors import UnsupportedModelError
from ews.errors import described

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

__all__ = ["Processes", "processes_of"]


class Processes:
    """A group of processes, the first of which decides.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
        Process group that shares the model.
    device : torch.device
        Where the group's messages must be.

    Attributes
    ----------
    count : int
        How many they are.
    is_first : bool
        Whether this is the one that decides.
    device : torch.device
        As given.
    """

    def __init__(self, group: ProcessGroup, device: torch.device) -> None:
        self.device = device
        self.count = torch.distributed.get_world_size(group)
        self._group = group
        self._first = torch.distributed.get_global_rank(group, 0)
        self.is_first = torch.distributed.get_rank() == self._first

    def sent(self, message: Tensor) -> Tensor:
        """What the first process has in place of `message`, on the group's device.

        It must be of the same shape and type on all; it is not changed on the first, and written over on the others.
        """
        message = message.detach().to(self.device).contiguous()
        torch.distributed.broadcast(message, src=self._first, group=self._group)
        return message

    def numbers(self, numbers: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The first process's whole numbers; each must have as many."""
        return self.sent(torch.from_numpy(np.array(numbers, dtype=np.int64))).cpu().numpy()


def processes_of(model: Any) -> Processes | None:
    """The processes that a model's weights are spread over by tensor parallelism.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.

    Returns
    -------
    Processes or None
        None where this process has all of it, as it mostly has; nothing is ever sent then.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If it is spread in another way, too: processes that hold different layers, or decode different texts, cannot
        leave out layers together.
    """
    mesh: Any = getattr(model, "_device_mesh", None)
    names = () if mesh is None else mesh.mesh_dim_names or ()
    elsewhere = any(mesh.size(dim) > 1 for dim, name in enumerate(names) if name != "tp")
    elsewhere = elsewhere or any(part.__name__ == "FSDPModule" for part in type(model).__mro__)
    if elsewhere or any(hasattr(weight, "ds_id") for weight in _weights(model)):
        raise UnsupportedModelError(
            "model",
            described("a model whose layers or batches are spread over processes (FSDP, ZeRO-3, pipeline)"),
            "tensor parallelism alone, as DistributedConfig(tp_plan='auto') gives, or a device_map in one process",
        )
    if mesh is None or (getattr(model, "_tp_size", None) or 1) <= 1:
        return None
    return Processes(mesh.get_group() if mesh.ndim == 1 else mesh.get_group("tp"), torch.device(mesh.device_type))


def _weights(model: Any) -> Iterator[Tensor]:
    """Of all modules, as often as they are held: this is quicker than to see which came before."""
    for module in model.modules():
        yield from (weight for weight in module._parameters.values() if weight is not None)
