"""From halting probabilities at each layer to the probability of leaving there."""

from __future__ import annotations

import math
import operator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = [
    "dense_at_both_ends",
    "exit_cdf",
    "exit_distribution",
    "gated_distribution",
    "hazard",
    "hazards",
    "largest_probability",
    "softmax_entropy",
    "softmax_statistics",
]

Floats = npt.NDArray[np.float64]
Array = TypeVar("Array", Tensor, npt.NDArray[np.float64])


def exit_cdf(halting: Array) -> Array:
    """Probability of having left after each layer, for halting probabilities λ.

    Parameters
    ----------
    halting : Tensor or ndarray of shape (..., layers)
        Probability of leaving after a layer, given that it was reached.

    Returns
    -------
    Tensor or ndarray of shape (..., layers)
        1 − ∏_{j ≤ i} (1 − λ_j).

    Examples
    --------
    >>> import torch
    >>> exit_cdf(torch.tensor([0.5, 0.5, 0.5]))
    tensor([0.5000, 0.7500, 0.8750])
    """
    found: Array = 1.0 - (1.0 - halting).cumprod(-1)
    return found


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


def hazards(gates: Floats) -> Floats:
    """Probability of leaving at each gate, given that it is reached: P_l / (1 − Σ_{j < l} P_j); 1 where none gets to.

    Parameters
    ----------
    gates : ndarray of shape (..., gates)
        g of each gate, within [0, 1].

    Returns
    -------
    ndarray of shape (..., gates)
        Within [0, 1].

    Examples
    --------
    >>> hazards(np.array([0.25, 0.5, 0.5])).round(4)
    array([0.25  , 0.6667, 1.    ])
    """
    return hazard(gates, gates.cumsum(-1) - gates)


def hazard(gate: Floats, spent: Floats) -> Floats:
    """Probability of leaving at one gate, given that it is reached.

    Parameters
    ----------
    gate, spent : ndarray of shape (...)
        g of the gate, and the sum of those before.

    Returns
    -------
    ndarray of shape (...)
        See :func:`hazards`.

    Examples
    --------
    >>> hazard(np.array([0.5]), np.array([0.25])).round(4)
    array([0.6667])
    """
    remaining = 1.0 - np.minimum(spent, 1.0)
    sure = gate >= remaining
    return np.where(sure, 1.0, gate / np.where(sure, 1.0, remaining))


def softmax_statistics(logits: Tensor) -> Tensor:
    """What a gate of JEI-DNN sees of an inference module's softmax, without its gradient.

    Parameters
    ----------
    logits : Tensor of shape (..., classes)
        What it says; two classes or more.

    Returns
    -------
    Tensor of shape (..., 4)
        Greatest probability, entropy, distance of the two greatest, and entropy of the renormalised squares, in
        float64.

    Examples
    --------
    >>> import torch
    >>> softmax_statistics(torch.zeros(1, 2))
    tensor([[0.5000, 0.6931, 0.0000, 0.6931]], dtype=torch.float64)
    """
    said = logits.detach().to("cpu", torch.float64).numpy()
    if len(said) == 1 and said.ndim == 2:
        found = np.array([_of_one(said[0].tolist())])
    else:
        with np.errstate(all="ignore"):
            found = _of_many(said)
    return torch.from_numpy(found).to(logits.device)


def _of_many(said: Floats) -> Floats:
    moved, weight, total = _softmax(said)
    squares = weight * weight  # renormalised below
    of_squares = squares.sum(-1)
    best, second = 1.0 / total, np.partition(weight, -2, axis=-1)[..., -2] / total
    sharper = np.log(of_squares) - 2.0 * (squares * moved).sum(-1) / of_squares
    return np.stack((best, _entropy(moved, weight, total), best - second, sharper), axis=-1)


def _of_one(said: list[float]) -> tuple[float, float, float, float]:
    """The same of one row: calls of numpy cost more than the sums of a few classes."""
    top = max(said)
    if not math.isfinite(top) or min(said) == -math.inf:  # what numpy makes of it is NaN, too
        return (math.nan,) * 4
    moved = [each - top for each in said]
    weight = [math.exp(each) for each in moved]
    squares = [each * each for each in weight]
    total, of_squares = sum(weight), sum(squares)
    return (
        1.0 / total,
        math.log(total) - sum(map(operator.mul, weight, moved)) / total,
        (1.0 - sorted(weight)[-2]) / total,
        math.log(of_squares) - 2.0 * sum(map(operator.mul, squares, moved)) / of_squares,
    )


def largest_probability(said: Floats) -> Floats:
    """Probability of the likeliest class.

    Parameters
    ----------
    said : ndarray of shape (rows, classes)
        Logits.

    Returns
    -------
    ndarray of shape (rows,)
        From 1 / classes to 1; NaN where logits are not finite.

    Examples
    --------
    >>> largest_probability(np.zeros((1, 2)))
    array([0.5])
    """
    return 1.0 / _softmax(said)[2]


def softmax_entropy(said: Floats) -> Floats:
    """Entropy of the probabilities of classes, in nats.

    Parameters
    ----------
    said : ndarray of shape (rows, classes)
        Logits.

    Returns
    -------
    ndarray of shape (rows,)
        From 0 to the logarithm of the classes; NaN where logits are not finite.

    Examples
    --------
    >>> softmax_entropy(np.zeros((1, 2))).round(4)
    array([0.6931])
    """
    return _entropy(*_softmax(said))


def _softmax(said: Floats) -> tuple[Floats, Floats, Floats]:
    """Logits less the greatest, their exponentials, and the sums of these."""
    moved = said - said.max(-1, keepdims=True)
    weight = np.exp(moved)
    return moved, weight, weight.sum(-1)


def _entropy(moved: Floats, weight: Floats, total: Floats) -> Floats:
    found: Floats = np.log(total) - (weight * moved).sum(-1) / total
    return found


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
