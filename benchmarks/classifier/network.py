"""The network and its training: a few small perceptrons on the features, averaged, then calibrated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import nn

from benchmarks.classifier.collection import CLASSES, Collection
from ews.bifurcations._classifier.network import LARGEST, Network

FloatArray = npt.NDArray[np.float64]

MEMBERS = 3
PRIOR = np.array([0.5, *[0.1] * 5])  # half of the series are null
HIDDEN = (96, 48)
EPOCHS = 14
BATCH = 4096


def logits(arrays: dict[str, npt.NDArray[np.generic]], collection: Collection) -> FloatArray:
    """What the shipped classifier computes before its temperature, here for calibration."""
    return Network.of(arrays).logits(collection.features.astype(np.float64))


def temperature(scores: FloatArray, labels: npt.NDArray[np.int64]) -> float:
    """The one number that the logits are divided by so that the log likelihood of held-out series is largest.

    Guo, C. et al. (2017). On calibration of modern neural networks. ICML.
    """

    def loss(log_temperature: float) -> float:
        return float(-(weights * log_softmax(scores / np.exp(log_temperature), axis=1)[rows, labels]).sum())

    rows = np.arange(labels.size)
    weights = (PRIOR * labels.size / np.bincount(labels, minlength=len(CLASSES)))[labels]
    return float(np.exp(minimize_scalar(loss, bounds=(-1.0, 1.0), method="bounded").x))


def train(collection: Collection, *, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Standardisation and weights, as plain arrays."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    raw = collection.features.astype(np.float64)
    centre = np.median(raw, axis=0)
    scale = 0.7413 * (np.quantile(raw, 0.75, axis=0) - np.quantile(raw, 0.25, axis=0)) + 1e-6
    inputs = torch.from_numpy(np.clip((raw - centre) / scale, -LARGEST, LARGEST).astype(np.float32))
    labels = torch.from_numpy(collection.labels)
    # Every class its share: half null, the rest in equal parts.
    counts = np.bincount(collection.labels, minlength=len(CLASSES))
    weights = torch.tensor(PRIOR / (counts / counts.sum()), dtype=torch.float32)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "centre": centre.astype(np.float32),
        "scale": scale.astype(np.float32),
    }
    for member in range(MEMBERS):
        network = nn.Sequential(
            nn.Linear(inputs.shape[1], HIDDEN[0]),
            nn.ReLU(),
            nn.Dropout(0.05),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], len(CLASSES)),
        )
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
        batches = (len(labels) + BATCH - 1) // BATCH
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=EPOCHS * batches)
        loss_of = nn.CrossEntropyLoss(weight=weights)
        for epoch in range(EPOCHS):
            total = 0.0
            for rows in torch.randperm(len(labels)).split(BATCH):
                optimiser.zero_grad()
                loss = loss_of(network(inputs[rows]), labels[rows])
                loss.backward()
                optimiser.step()
                schedule.step()
                total += loss.item() * len(rows)
            if epoch % 7 == 6:
                print(f"member {member}, epoch {epoch + 1}: loss {total / len(labels):.4f}", flush=True)
        for layer, module in enumerate(part for part in network if isinstance(part, nn.Linear)):
            arrays[f"weight_{member}_{layer}"] = module.weight.detach().numpy().T.copy()
            arrays[f"bias_{member}_{layer}"] = module.bias.detach().numpy().copy()
    return arrays
