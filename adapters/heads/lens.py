"""The tuned lens: from the state after some layers to the one after the last, fitted by ridge regression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["LensMoments", "TunedLens"]

_ROWS = 2048  # states per product


class LensMoments:
    """Second moments of the residual stream, from which tuned lenses and a screen are fitted, in bounded memory.

    Parameters
    ----------
    depths : sequence of int
        Depths to fit a lens at, each once, the last layer's not among them.
    width : int
        Size of the residual stream. Two matrices of float64 of this size are kept per depth.

    Raises
    ------
    ews.errors.ArgumentError
        If a depth comes twice.
    """

    def __init__(self, depths: Sequence[int], width: int) -> None:
        self.depths = tuple(int(depth) for depth in depths)
        if len(set(self.depths)) != len(self.depths):
            raise ArgumentError("depths", list(depths), "each depth once")
        self.width = int(width)
        self.count = 0
        size = len(self.depths)
        self._inner = torch.zeros(size, width, width, dtype=torch.float64)
        self._cross = torch.zeros(size, width, width, dtype=torch.float64)
        self._states = torch.zeros(size, width, dtype=torch.float64)
        self._finals = torch.zeros(width, dtype=torch.float64)
        self._finished = torch.zeros(width, width, dtype=torch.float64)

    def add(self, states: Tensor, finals: Tensor, finished: Tensor | None = None) -> None:
        """Count more tokens in.

        Parameters
        ----------
        states : Tensor of shape (tokens, depths, width)
            Residual stream at the depths.
        finals : Tensor of shape (tokens, width)
            After the last layer, before the norm.
        finished : Tensor of shape (tokens, width), optional
            The same after the norm; a screen is fitted to these.

        Raises
        ------
        ews.errors.InputTypeError
            If the shapes do not fit.
        """
        wanted = (len(finals), len(self.depths), self.width)
        if tuple(states.shape) != wanted or finals.shape[1:] != (self.width,):
            given = f"states of shape {tuple(states.shape)} and finals of shape {tuple(finals.shape)}"
            raise InputTypeError("states", described(given), "(tokens, depths, width) and (tokens, width)")
        for begin in range(0, len(finals), _ROWS):
            part = slice(begin, begin + _ROWS)
            final = finals[part].detach().float().cpu()
            for index in range(len(self.depths)):
                state = states[part, index].detach().float().cpu()
                self._inner[index] += state.T @ state
                self._cross[index] += state.T @ final
                self._states[index] += state.sum(0, dtype=torch.float64)
            self._finals += final.sum(0, dtype=torch.float64)
            if finished is not None:
                done = finished[part].detach().float().cpu()
                self._finished += done.T @ done
            self.count += len(final)

    @property
    def finished(self) -> Tensor:
        """Second moment of the states after the norm, float64 of shape (width, width)."""
        return self._finished / max(self.count, 1)

    def solve(self, index: int, ridge: float) -> tuple[Tensor, Tensor]:
        """Ridge regression of final − state on the state, about their means; weight (in, out) and bias, float32."""
        count = max(self.count, 1)
        state, final = self._states[index] / count, self._finals / count
        inner = self._inner[index] / count - torch.outer(state, state)
        cross = self._cross[index] / count - torch.outer(state, final)
        scale = inner.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
        damped = inner + ridge * scale * torch.eye(self.width, dtype=torch.float64)
        weight = torch.linalg.solve(damped, cross - inner)
        return weight.float(), (final - state - state @ weight).float()


class TunedLens:
    """Tuned lens: per depth an affine map from the state there to the one after the last layer, h + h A + b.

    Parameters
    ----------
    depths : sequence of int
        Where there is a lens.
    weight : Tensor of shape (depths, width, width)
        A, rows in.
    bias : Tensor of shape (depths, width)
        b.

    Raises
    ------
    ews.errors.InputTypeError
        If the shapes do not fit.

    References
    ----------
    Belrose, N. et al. (2023). Eliciting latent predictions from transformers with the tuned lens. arXiv 2303.08112,
    eq. 8; here fitted by ridge regression to the last state instead of by gradient steps on the logits.

    Examples
    --------
    >>> import torch
    >>> states = torch.randn(50, 1, 4, generator=torch.Generator().manual_seed(0))
    >>> moments = LensMoments((3,), 4)
    >>> moments.add(states, 2 * states[:, 0] + 1)
    >>> lens = TunedLens.of_moments(moments, ridge=1e-6)
    >>> lens(torch.zeros(1, 4), 3)
    tensor([[1.00, 1.00, 1.00, 1.00]])
    """

    def __init__(self, depths: Sequence[int], weight: Tensor, bias: Tensor) -> None:
        self.depths = tuple(int(depth) for depth in depths)
        size = len(self.depths)
        if (
            weight.ndim != 3
            or weight.shape[1] != weight.shape[2]
            or tuple(bias.shape) != (size, weight.shape[1])
            or len(weight) != size
        ):
            given = f"{size} depths, weight {tuple(weight.shape)}, bias {tuple(bias.shape)}"
            raise InputTypeError("weight", described(given), "(depths, width, width) and (depths, width)")
        self.weight, self.bias = weight, bias
        self._of = {depth: index for index, depth in enumerate(self.depths)}

    @classmethod
    def of_moments(cls, moments: LensMoments, *, ridge: float = 0.1) -> TunedLens:
        """Fit to sums of states.

        Parameters
        ----------
        moments : LensMoments
            The sums.
        ridge : float, default 0.1
            Penalty on A, in units of the mean variance of a feature of the state.

        Returns
        -------
        TunedLens
            In float32.

        Raises
        ------
        ews.errors.ValueRangeError
            If ridge is not above 0.
        ews.errors.ArgumentError
            If nothing was counted.
        """
        if not ridge > 0:
            raise ValueRangeError("ridge", ridge, "above 0")
        if moments.count == 0:
            raise ArgumentError("moments", described("sums of no states"), "at least one state")
        width = moments.width
        fitted = [moments.solve(index, ridge) for index in range(len(moments.depths))]
        weights = [weight for weight, _ in fitted] or [torch.zeros(0, width, width)]
        biases = [bias for _, bias in fitted] or [torch.zeros(0, width)]
        join = torch.stack if fitted else torch.cat
        return cls(moments.depths, join(weights), join(biases))

    def __contains__(self, depth: object) -> bool:
        return depth in self._of

    def __call__(self, hidden: Tensor, depth: int) -> Tensor:
        """States at a depth, shape (rows, width), to where the last layer would take them."""
        if depth not in self._of:
            raise ValueRangeError("depth", depth, f"one of {', '.join(map(str, self.depths))}, where there is a lens")
        index = self._of[depth]
        return torch.addmm(hidden + self.bias[index], hidden, self.weight[index])

    def to(self, like: Tensor) -> TunedLens:
        """The same lens with the type and device of a tensor."""
        return TunedLens(self.depths, self.weight.to(like), self.bias.to(like))
