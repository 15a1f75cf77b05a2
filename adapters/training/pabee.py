"""PABEE: a classifier after every layer, later ones weighted more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from adapters.training.encoder_heads import HeadsTask, fit_heads, read_rates, weighted_mean
from adapters.training.loop import History
from adapters.training.registry import FitSettings

__all__ = ["cross_entropies", "fit_pabee", "pabee_loss", "train_pabee"]


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each row after each layer.

    Parameters
    ----------
    logits : Tensor of shape (rows, layers, classes)
        What heads say.
    labels : Tensor of int64 of shape (rows,)
        The truth.

    Returns
    -------
    Tensor of shape (rows, layers)
        In nats.
    """
    return cross_entropy(logits.mT, labels[:, None].expand(logits.shape[:2]), reduction="none")


def pabee_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Loss of PABEE: Σ i·L_i / Σ i over layers i = 1, 2, …, L_i being the mean cross-entropy of head i.

    Parameters
    ----------
    logits : Tensor of shape (rows, layers, classes)
        What heads say.
    labels : Tensor of int64 of shape (rows,)
        The truth.

    Returns
    -------
    Tensor of shape ()
        The loss.

    References
    ----------
    Zhou, W. et al. (2020). BERT loses patience: fast and robust inference with early exit. NeurIPS 33, eq. 4.

    Examples
    --------
    >>> pabee_loss(torch.zeros(1, 3, 2), torch.tensor([0]))
    tensor(0.6931)
    """
    found = cross_entropies(logits, labels)
    return weighted_mean(found, torch.arange(1, found.shape[1] + 1, device=found.device, dtype=found.dtype))


def fit_pabee(task: HeadsTask, fit: FitSettings, *, head_rate: float | None = None) -> History:
    """Train linear heads, and the encoder where it is not frozen, by AdamW.

    Parameters
    ----------
    task : HeadsTask
        On what.
    fit : FitSettings
        How long; the learning rate is 1e-3 for heads alone, and 2e-5 of an encoder that is trained, unless given.
    head_rate : float, optional
        Learning rate of the heads where the encoder is trained, too (default: 1e-3).

    Returns
    -------
    History
        Course of the run.

    Raises
    ------
    ews.errors.ArgumentError
        If a rate is not above 0, or `head_rate` is given for heads alone.
    """
    rate, heads = read_rates(task, fit, head_rate, encoder=2e-5)
    return fit_heads(
        task,
        lambda logits, _halting, labels, _step: pabee_loss(logits, labels),
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=rate),
        fit=fit,
        head_rate=heads,
        config={"system": "pabee"},
    )


def train_pabee(
    model: nn.Module,
    data: Sequence[tuple[Any, Any]],
    *,
    tokenizer: Any,
    folder: Path | str,
    fit: FitSettings | None = None,
    frozen: bool = True,
    max_length: int = 128,
    head_rate: float | None = None,
) -> Mapping[str, Any]:
    """Train exits by patience for an encoder, and save them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The encoder.
    data : sequence of (text, label)
        What it is trained on.
    tokenizer : callable
        Of the encoder.
    folder : path
        Where :meth:`adapters.encoders.EarlyExitClassifier.save` writes.
    fit : FitSettings, optional
        How long, in what batches (default: what is usual for the system).
    frozen : bool, default True
        Whether the encoder stays as it is.
    max_length : int, default 128
        Tokens that a text is cut to.
    head_rate : float, optional
        See :func:`fit_pabee`.

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
    >>> found = training.train_pabee(BertModel(config), rows, tokenizer=words, folder=folder.name)
    >>> found["layers"]
    4
    >>> folder.cleanup()
    """
    return trained(
        "pabee",
        model,
        data,
        tokenizer=tokenizer,
        folder=folder,
        fit=fit,
        frozen=frozen,
        length=max_length,
        training={"head_rate": head_rate},
    )


def trained(
    system: str,
    model: nn.Module,
    data: Sequence[tuple[Any, Any]],
    *,
    tokenizer: Any,
    folder: Path | str,
    fit: FitSettings | None,
    frozen: bool,
    length: int,
    **options: Any,
) -> Mapping[str, Any]:
    """A classifier of some system, fitted and saved; plain numbers for a report."""
    from adapters.encoders.classifier import EarlyExitClassifier

    seed = 0 if fit is None else fit.seed
    made = EarlyExitClassifier(model, tokenizer, system=system, frozen=frozen, max_length=length, seed=seed, **options)
    texts, labels = [text for text, _ in data], [label for _, label in data]
    made.fit(texts, labels, fit=fit)
    made.save(folder)
    history = made.history_
    assert history is not None  # fit sets it
    score = made.score(texts, labels)
    report = made.report()
    return {
        "steps": history.steps,
        "loss": float(history.losses[-1]),
        "seconds": history.seconds,
        "training_accuracy": score,
        "mean_depth": report.mean_depth,
        "layers": report.layers,
    }
