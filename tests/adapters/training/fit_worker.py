"""A small run in a process of its own, which a test kills: arguments are folder, steps between checkpoints, resume."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adapters.training.loop import History, fit_modules

ITEMS, EPOCHS, BATCH = 23, 3, 4  # 18 steps, the last of each epoch short


def run(folder: Path | None, *, every: int | None = None, resume: bool = False, seed: int = 3, **options: Any) -> Any:
    """Train with all that has a state: dropout, numpy, python, Adam, momentum of a schedule; modules and history."""
    torch.manual_seed(0)
    modules = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1), nn.Linear(1, 1))
    modules[4].requires_grad_(False)
    data = [(np.random.default_rng(index).standard_normal(4).astype(np.float32), index % 2) for index in range(ITEMS)]

    def loss(batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        given, wanted = batch
        noise = float(np.random.standard_normal()) + random.random()  # noqa: NPY002  # what users' losses draw from
        found = modules[4](modules[3](modules[:3](given).detach() if step % 3 == 2 else modules[:3](given)))
        return (found[:, 0] - wanted + 0.1 * noise).square().mean()

    def collate(items: list[Any]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(np.stack([each for each, _ in items])), torch.tensor([float(each) for _, each in items])

    optimizer = torch.optim.Adam([each for each in modules.parameters() if each.requires_grad], lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=40)
    options = {"clip": 0.5, "batch_size": BATCH, "epochs": EPOCHS, "config": {"system": "test"}, **options}
    history: History = fit_modules(
        modules,
        loss,
        options.pop("data", data),
        collate,
        optimizer=optimizer,
        schedule=schedule,
        seed=seed,
        directory=folder,
        checkpoint_every=every,
        resume=resume,
        **options,
    )
    return modules, history


if __name__ == "__main__":
    torch.set_num_threads(1)

    def wait(done: int, total: int) -> None:
        """Say how far it is, and give the test time to kill."""
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
        time.sleep(60 if done == int(sys.argv[3]) else 0)

    run(Path(sys.argv[1]), every=int(sys.argv[2]), progress=wait)
