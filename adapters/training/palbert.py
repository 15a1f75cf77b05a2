"""PALBERT: one classifier and one halting network for all layers, kept near a prior of when to leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from adapters._common.checks import read_share
from adapters.encoders.distributions import exit_distribution
from adapters.training.encoder_heads import HeadsTask, fit_heads, read_rates
from adapters.training.loop import History
from adapters.training.pabee import cross_entropies, trained
from adapters.training.registry import FitSettings
from ews.errors import ArgumentError, UnknownNameError, described

__all__ = ["fit_palbert", "palbert_loss", "ponder_prior", "tail_filled", "train_palbert"]

Prior = Literal["geometric", "normal"]
Direction = Literal["prior to exits", "exits to prior"]
_PRIORS = ("geometric", "normal")
_DIRECTIONS = ("prior to exits", "exits to prior")


def ponder_prior(layers: int, *, rate: float = 0.1, kind: Prior = "geometric") -> Tensor:
    """Prior of after which layer to leave, cut off at the last and normalised.

    Parameters
    ----------
    layers : int
        How many there are.
    rate : float, default 0.1
        λ_p: the probability of leaving after each layer, or one by the mean of the normal.
    kind : {"geometric", "normal"}, default "geometric"
        ``"geometric"``: λ_p (1 − λ_p)^{i − 1}. ``"normal"``: of mean 1 / λ_p and unit variance, at the layers.

    Returns
    -------
    Tensor of shape (layers,)
        Probabilities that sum to 1.

    Raises
    ------
    ews.errors.ArgumentError
        If the rate is not within (0, 1), or the kind is not known.

    Examples
    --------
    >>> ponder_prior(3, rate=0.5)
    tensor([0.5714, 0.2857, 0.1429])
    """
    share = read_share("rate", rate)
    if share in (0.0, 1.0):
        raise ArgumentError("rate", rate, "a number within (0, 1)")
    if kind not in _PRIORS:
        raise UnknownNameError("kind", kind, _PRIORS)
    depth = torch.arange(1, layers + 1, dtype=torch.float64)
    log = (depth - 1.0) * torch.log1p(torch.tensor(-share, dtype=torch.float64))
    if kind == "normal":
        log = -0.5 * (depth - 1.0 / share) ** 2
    return log.softmax(0).float()


def tail_filled(distribution: Tensor, *, epsilon: float = 0.05) -> Tensor:
    """Exit probabilities with the tail filled: ε / L after the layer at which their sum passes 1 − ε.

    Parameters
    ----------
    distribution : Tensor of shape (..., layers)
        Probabilities that sum to 1.
    epsilon : float, default 0.05
        0 leaves them as they are.

    Returns
    -------
    Tensor of shape (..., layers)
        As given up to that layer.

    Examples
    --------
    >>> tail_filled(torch.tensor([0.5, 0.5, 0.0, 0.0]), epsilon=0.2)
    tensor([0.5000, 0.5000, 0.0500, 0.0500])
    """
    share = read_share("epsilon", epsilon)
    if share == 0.0:
        return distribution
    layers = distribution.shape[-1]
    before = distribution.cumsum(-1) - distribution
    return torch.where(before > 1.0 - share, torch.full_like(distribution, share / layers), distribution)


def palbert_loss(
    logits: Tensor,
    halting: Tensor,
    labels: Tensor,
    *,
    prior: Tensor,
    beta: float = 0.5,
    direction: Direction = "prior to exits",
    epsilon: float = 0.05,
) -> Tensor:
    """Loss of PALBERT: Σ p(i)·CE_i + β·KL, p(i) being the probability of leaving after layer i.

    Parameters
    ----------
    logits : Tensor of shape (rows, layers, classes)
        What the classifier says.
    halting : Tensor of shape (rows, layers)
        λ_i.
    labels : Tensor of int64 of shape (rows,)
        The truth.
    prior : Tensor of shape (layers,)
        Of :func:`ponder_prior`.
    beta : float, default 0.5
        Weight of the divergence.
    direction : {"prior to exits", "exits to prior"}, default "prior to exits"
        KL(p_G‖p), as in the released code, or KL(p‖p_G).
    epsilon : float, default 0.05
        Of :func:`tail_filled`.

    Returns
    -------
    Tensor of shape ()
        The loss.

    Raises
    ------
    ews.errors.UnknownNameError
        If the direction is not known.

    References
    ----------
    Balagansky, N. & Gavrilov, D. (2022). PALBERT: teaching ALBERT to ponder. NeurIPS 35, arXiv:2204.03276. Banino, A.,
    Balaguer, J. & Blundell, C. (2021). PonderNet: learning to ponder. arXiv:2107.05407.
    """
    if direction not in _DIRECTIONS:
        raise UnknownNameError("direction", direction, _DIRECTIONS)
    leaves = tail_filled(exit_distribution(halting), epsilon=epsilon)
    expected = (leaves * cross_entropies(logits, labels)).sum(-1).mean()
    log, usual = leaves.clamp(min=1e-8).log(), prior.to(leaves.device, leaves.dtype)
    known = usual.clamp(min=1e-8).log()
    apart = usual * (known - log) if direction == "prior to exits" else leaves * (log - known)
    return expected + beta * apart.sum(-1).mean()


def fit_palbert(
    task: HeadsTask,
    fit: FitSettings,
    *,
    prior: Prior = "geometric",
    rate: float = 0.1,
    beta: float = 0.5,
    direction: Direction = "prior to exits",
    epsilon: float = 0.05,
    head_rate: float | None = None,
) -> History:
    """Train the shared classifier and the halting network, and the encoder where it is not frozen, by Adam.

    Parameters
    ----------
    task : HeadsTask
        On what.
    fit : FitSettings
        How long; the learning rate is 1e-3 for heads alone, and 1e-5 of an encoder that is trained, unless given.
    prior : {"geometric", "normal"}
        See :func:`ponder_prior`.
    rate : float
        λ_p of the prior.
    beta, direction, epsilon
        See :func:`palbert_loss`.
    head_rate : float, optional
        Learning rate of the heads where the encoder is trained, too (default: 1e-3).

    Returns
    -------
    History
        Course of the run.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is out of its range.
    """
    usual = ponder_prior(task.layers, rate=rate, kind=prior)
    step_size, heads = read_rates(task, fit, head_rate, encoder=1e-5)

    def loss(logits: Tensor, halting: Tensor | None, labels: Tensor, _step: int) -> Tensor:
        if halting is None:
            raise ArgumentError("heads", described("heads without halting probabilities"), "ponder heads")
        return palbert_loss(logits, halting, labels, prior=usual, beta=beta, direction=direction, epsilon=epsilon)

    return fit_heads(
        task,
        loss,
        optimizer=lambda groups: torch.optim.Adam(groups, lr=step_size),
        fit=fit,
        head_rate=heads,
        config={
            "system": "palbert",
            "prior": [prior, rate],
            "beta": beta,
            "direction": direction,
            "epsilon": epsilon,
        },
    )


def train_palbert(
    model: nn.Module,
    data: Sequence[tuple[Any, Any]],
    *,
    tokenizer: Any,
    folder: Path | str,
    fit: FitSettings | None = None,
    frozen: bool = True,
    max_length: int = 128,
    prior: Prior = "geometric",
    rate: float = 0.1,
    beta: float = 0.5,
    direction: Direction = "prior to exits",
    epsilon: float = 0.05,
    head_rate: float | None = None,
) -> Mapping[str, Any]:
    """Train learned halting for an encoder, and save it.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The encoder.
    data : sequence of (text, label)
        What is trained on.
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
    prior : {"geometric", "normal"}, default "geometric"
        See :func:`ponder_prior`.
    rate : float, default 0.1
        λ_p of the prior.
    beta : float, default 0.5
        Weight of the divergence from the prior (see :func:`palbert_loss`).
    direction : {"prior to exits", "exits to prior"}, default "prior to exits"
        Which divergence.
    epsilon : float, default 0.05
        See :func:`palbert_loss`.
    head_rate : float, optional
        Learning rate of the heads where the encoder is trained, too (default: 1e-3).

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
    >>> found = training.train_palbert(BertModel(config), rows, tokenizer=words, folder=folder.name)
    >>> found["layers"]
    4
    >>> folder.cleanup()
    """
    options = {
        "prior": prior,
        "rate": rate,
        "beta": beta,
        "direction": direction,
        "epsilon": epsilon,
        "head_rate": head_rate,
    }
    return trained(
        "palbert",
        model,
        data,
        tokenizer=tokenizer,
        folder=folder,
        fit=fit,
        frozen=frozen,
        length=max_length,
        training=options,
    )
