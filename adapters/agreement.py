"""One decision for all processes that share a model: that of the first of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from adapters.policies.base import Exit, Trajectory

__all__ = ["agreed"]


def agreed(model: Any, leaving: Exit | None, trajectory: Trajectory) -> Exit | None:
    """The decision of the first process, on every process of a tensor-parallel group.

    States are the same on all of them up to rounding; near a threshold that is not enough, and processes that disagree
    wait for each other for ever.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.
    leaving : Exit or None
        What this process decided.
    trajectory : Trajectory
        On what.

    Returns
    -------
    Exit or None
        What all do.
    """
    if (getattr(model, "_tp_size", None) or 1) <= 1:
        return leaving
    state = trajectory.state()
    mask = np.zeros(len(state), dtype=bool)
    if leaving is not None:
        mask[:] = True if leaving.rows is None else leaving.rows
    decided = torch.as_tensor(mask, device=state.device).to(torch.uint8)
    group = model._device_mesh.get_group() if getattr(model, "_device_mesh", None) is not None else None
    torch.distributed.broadcast(decided, src=0, group=group)
    rows = decided.cpu().numpy().astype(bool)
    if not rows.any():
        return None
    if np.array_equal(rows, mask):
        return leaving
    # Without logits of its own the row takes what the model's head makes of its state.
    return Exit(rows=rows)
