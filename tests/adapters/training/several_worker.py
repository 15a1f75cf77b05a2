"""One of several processes that train together, on processors, started by ``torch.distributed.run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from adapters.training.loop import fit_modules


def run(folder: Path | None, **options: Any) -> nn.Module:
    """Train on 16 items, in batches of 4, two parameters of which take turns."""
    torch.manual_seed(0)
    modules = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)]).double()
    data = [np.random.default_rng(index).standard_normal(3) for index in range(16)]

    def loss(batch: torch.Tensor, step: int) -> torch.Tensor:
        found = modules[1 + step % 2](torch.tanh(modules[0](batch)))
        return (found[:, 0] - batch.sum(1)).square().mean()

    fit_modules(
        modules,
        loss,
        data,
        lambda items: torch.from_numpy(np.stack(items)),
        optimizer=torch.optim.Adam(modules.parameters(), lr=0.05),
        batch_size=4,
        epochs=2,
        seed=0,
        clip=1.0,
        directory=folder,
        **options,
    )
    return modules


class Stopped(Exception):
    """In the middle."""


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[1])

    def stop(done: int, total: int) -> None:
        """All processes alike."""
        if done == 5:
            raise Stopped

    try:
        run(place / "kept", checkpoint_every=3, accumulate=2, progress=stop)
    except Stopped:
        trained = run(place / "kept", checkpoint_every=3, accumulate=2, resume=True)
    rank = torch.distributed.get_rank()
    save_file({name: each.clone() for name, each in trained.state_dict().items()}, place / f"{rank}.safetensors")
    torch.distributed.destroy_process_group()
