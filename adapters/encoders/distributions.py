"""From halting probabilities at each layer to the probability of leaving there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["dense_at_both_ends", "exit_cdf", "exit_distribution", "gated_distribution", "hazards", "softmax_statistics"]


def exit_cdf(halting: Tensor) -> Tensor:
    """Probability of having left after each layer, for halting probabilities λ.

    Parameters
    ----------
    halting : Tensor of shape (..., layers)
        Probability of leaving after a layer, given that it was reached.

    Returns
    -------
    Tensor of shape (..., layers)
        1 − ∏_{j ≤ i} (1 − λ_j).

    Examples
    --------
    >>> import torch
    >>> exit_cdf(torch.tensor([0.5, 0.5, 0.5]))
    tensor([0.5000, 0.7500, 0.8750])
    """
    return 1.0 - (1.0 - halting).cumprod(-1)


def exit_distribution(halting: Tensor) -> Tensor:
    """Probability of leaving after each layer (PonderNet); the last takes what is left, so that the sum is 1.

    Parameters
    ----------
    halting : Tensor of shape (..., layers)
        Halting probabilities λ; that of the last layer plays no part.

    Returns
    -------
    Tensor of shape (..., layers)
        p(i) = λ_i ∏_{j < i} (1 − λ_j).

    References
    ----------
    Banino, A., Balaguer, J. & Blundell, C. (2021). PonderNet: learning to ponder. arXiv:2107.05407, eq. 2.

    Examples
    --------
    >>> import torch
    >>> exit_distribution(torch.tensor([0.5, 0.5, 0.1]))
    tensor([0.5000, 0.2500, 0.2500])
    """
    reached = (1.0 - halting[..., :-1]).cumprod(-1)
    before = torch.cat((torch.ones_like(halting[..., :1]), reached), dim=-1)
    return torch.cat((halting[..., :-1] * before[..., :-1], before[..., -1:]), dim=-1)


def gated_distribution(gates: Tensor) -> Tensor:
    """Probability of leaving at each gate and at the final exit (JEI-DNN).

    P_l = max(0, min(g_l, 1 − Σ_{j < l} P_j)); the final exit takes what is left.

    Parameters
    ----------
    gates : Tensor of shape (..., layers − 1)
        g of each gate, within [0, 1].

    Returns
    -------
    Tensor of shape (..., layers)
        Probabilities that sum to 1.

    References
    ----------
    Regol, F., Chataoui, J. & Coates, M. (2024). Jointly-learned exit and inference for a dynamic neural network.
    ICLR 2024, arXiv:2310.09163.

    Examples
    --------
    >>> import torch
    >>> gated_distribution(torch.tensor([0.25, 0.5, 0.5]))
    tensor([0.2500, 0.5000, 0.2500, 0.0000])
    """
    left = gates.cumsum(-1).clamp(max=1.0)  # Σ_{j ≤ l} P_j: none is negative, and what is beyond 1 is cut off
    ends = torch.cat((torch.zeros_like(left[..., :1]), left, torch.ones_like(left[..., :1])), dim=-1)
    return ends.diff(dim=-1)


def hazards(gates: Tensor) -> Tensor:
    """Probability of leaving at each gate, given that it is reached: P_l / (1 − Σ_{j < l} P_j); 1 where none gets to.

    Parameters
    ----------
    gates : Tensor of shape (..., gates)
        g of each gate, within [0, 1].

    Returns
    -------
    Tensor of shape (..., gates)
        Within [0, 1].

    Examples
    --------
    >>> import torch
    >>> hazards(torch.tensor([0.25, 0.5, 0.5]))
    tensor([0.2500, 0.6667, 1.0000])
    """
    remaining = 1.0 - (gates.cumsum(-1) - gates).clamp(max=1.0)
    return torch.where(gates >= remaining, torch.ones_like(gates), gates / remaining)


def softmax_statistics(logits: Tensor) -> Tensor:
    """What a gate of JEI-DNN sees of an inference module's softmax, without its gradient.

    Parameters
    ----------
    logits : Tensor of shape (..., classes)
        What it says; two classes or more.

    Returns
    -------
    Tensor of shape (..., 4)
        Greatest probability, entropy, distance of the two greatest, and entropy of the renormalised squares.

    Examples
    --------
    >>> import torch
    >>> softmax_statistics(torch.zeros(1, 2))
    tensor([[0.5000, 0.6931, 0.0000, 0.6931]])
    """
    said = logits.detach().float()
    log = said.log_softmax(-1)
    two = log.topk(2, dim=-1).values.exp()
    sharper = (2.0 * said).log_softmax(-1)  # squares, renormalised
    found = (two[..., 0], _entropy(log), two[..., 0] - two[..., 1], _entropy(sharper))
    return torch.stack(found, dim=-1)


def dense_at_both_ends(count: int = 129) -> npt.NDArray[np.float64]:
    """Numbers from 0 to 1, the closer together the nearer to either: what thresholds on probabilities are tried at.

    Parameters
    ----------
    count : int, default 129
        How many; an odd number.

    Returns
    -------
    ndarray of shape (count,)
        Rising.

    Examples
    --------
    >>> dense_at_both_ends(5)
    array([0.    , 0.0625, 0.5   , 0.9375, 1.    ])
    """
    steps = np.linspace(0.0, 1.0, count)
    return np.where(steps < 0.5, 0.5 * (2.0 * steps) ** 3, 1.0 - 0.5 * (2.0 - 2.0 * steps) ** 3)


def _entropy(log: Tensor) -> Tensor:
    return -(log.exp() * log).sum(-1)
