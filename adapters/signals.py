"""From hidden states to a few numbers for each layer, in time proportional to their width, on their device.

All are ratios or logarithms, so that they do not depend on the unit of the residual stream.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ews.errors import InputTypeError, described

__all__ = ["SIGNALS", "signals"]

SIGNALS = ("cosine", "update_norm", "log_norm", "alignment")


def signals(states: Tensor) -> Tensor:
    r"""Four signals of the residual stream after each layer.

    With :math:`h_l` the state after layer l and :math:`\Delta_l = h_l - h_{l-1}`:

    ``cosine``
        :math:`\cos(h_l, h_{l-1})`: near 1 where a layer changes little (the saturation of CALM).
    ``update_norm``
        :math:`\|\Delta_l\| / \|h_{l-1}\|`: the size of what the layer adds.
    ``log_norm``
        :math:`\log \|h_l\|`.
    ``alignment``
        :math:`\cos(\Delta_l, \Delta_{l-1})`: whether layers go on in the direction of the one before.

    Parameters
    ----------
    states : Tensor of shape (..., layers, width)
        The residual stream, of any floating type; sums are taken in float32, or in float64 for float64.

    Returns
    -------
    Tensor of shape (..., layers, 4)
        In the order of :data:`SIGNALS`; NaN where a signal needs an earlier layer, and where a state or an update that
        it is a ratio or a logarithm of has zero length.

    Raises
    ------
    ews.errors.InputTypeError
        If the states are no floating tensor of two or more dimensions.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2 (hidden-state saturation).
    Geiping, J. et al. (2025). Scaling up test-time compute with latent reasoning. arXiv:2502.05171 (relative update).

    Examples
    --------
    >>> import torch
    >>> states = torch.tensor([[3.0, 4.0], [3.0, 4.0], [6.0, 8.0]])
    >>> signals(states)[2, :3]
    tensor([1.0000, 1.0000, 2.3026])
    """
    kind: object = states
    if not isinstance(kind, Tensor) or not kind.is_floating_point() or kind.ndim < 2:
        given = f"a {type(kind).__name__}"
        if isinstance(kind, Tensor):
            given = f"a tensor of shape {tuple(kind.shape)} and type {kind.dtype}"
        raise InputTypeError("states", described(given), "a floating tensor of shape (..., layers, width)")
    states = states.to(torch.promote_types(states.dtype, torch.float32))
    updates = states.diff(dim=-2)
    norms = torch.linalg.vector_norm(states, dim=-1)
    norms = norms.where(norms > 0, torch.nan)
    sizes = torch.linalg.vector_norm(updates, dim=-1)
    turns = (states[..., 1:, :] * states[..., :-1, :]).sum(-1)
    agrees = (updates[..., 1:, :] * updates[..., :-1, :]).sum(-1)
    found = states.new_full((*norms.shape, len(SIGNALS)), torch.nan)
    found[..., 1:, 0] = turns / (norms[..., 1:] * norms[..., :-1])
    found[..., 1:, 1] = sizes / norms[..., :-1]
    found[..., 2] = norms.log()
    found[..., 2:, 3] = agrees / (sizes[..., 1:] * sizes[..., :-1])
    return found
