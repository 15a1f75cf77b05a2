"""The model's own norm and head: exact logits of all tokens, of some, or of many states a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapters.errors import UnsupportedModelError
from ews.errors import InputTypeError, ValueRangeError, described

if TYPE_CHECKING:
    from adapters.families import Family

__all__ = ["FullHead", "logits_in_parts", "softcapped", "top_tokens"]

_LOGITS_AT_ONCE = 2**24  # 64 MiB of them in float32


def logits_in_parts(family: Family, states: Tensor) -> Iterator[Tensor]:
    """Logits of many states, some rows after the others, so that memory does not grow with the vocabulary."""
    rows = max(1, _LOGITS_AT_ONCE // int(family.config.vocab_size))
    for part in torch.split(states, rows):
        yield family.logits(family.finish(part))


def top_tokens(family: Family, states: Tensor) -> Tensor:
    """The model's greedy prediction from each state (the logit lens, where states are not those of the last layer).

    Parameters
    ----------
    family : Family
        The model.
    states : Tensor of shape (rows, width)
        Residual stream, before the final norm.

    Returns
    -------
    Tensor of int64 of shape (rows,)
        The likeliest token of each, on the device of the states.

    References
    ----------
    nostalgebraist (2020). Interpreting GPT: the logit lens. LessWrong.
    """
    return torch.cat([logits.argmax(-1) for logits in logits_in_parts(family, states)]).to(states.device)


def softcapped(logits: Tensor, softcap: float | None) -> Tensor:
    """Logits within the bound c, as c·tanh(x / c), or as they are where there is none."""
    return logits if softcap is None else torch.tanh(logits / softcap) * softcap


class FullHead:
    """The model's own norm and head, by reference.

    Parameters
    ----------
    norm : callable
        From the residual stream, shape (rows, width), to what the head reads.
    weight : Tensor of shape (vocabulary, width)
        The head. It is not copied.
    bias : Tensor of shape (vocabulary,), optional
        Its bias.
    softcap : float, optional
        Bound c of logits, which become c·tanh(x / c) (Gemma 2); None for none.

    Raises
    ------
    ews.errors.InputTypeError
        If the weight is not a matrix.
    ews.errors.ValueRangeError
        If softcap is not above 0.

    References
    ----------
    Gemma Team (2024). Gemma 2: improving open language models at a practical size. arXiv 2408.00118, section 2.

    Examples
    --------
    >>> import torch
    >>> head = FullHead(torch.nn.Identity(), torch.eye(3))
    >>> head(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3.]])
    """

    def __init__(
        self,
        norm: Callable[[Tensor], Tensor],
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        softcap: float | None = None,
    ) -> None:
        if weight.ndim != 2:
            raise InputTypeError("weight", described(f"a tensor of shape {tuple(weight.shape)}"), "(vocabulary, width)")
        if softcap is not None and not softcap > 0:
            raise ValueRangeError("softcap", softcap, "above 0, or None")
        self.norm = norm
        self.weight = weight.detach()  # shares its storage
        self.bias = None if bias is None else bias.detach()
        self.softcap = softcap

    @classmethod
    def of(cls, family: Family) -> FullHead:
        """The head of a model.

        Parameters
        ----------
        family : Family
            The model, taken apart.

        Returns
        -------
        FullHead
            Its norm and head.

        Raises
        ------
        adapters.errors.UnsupportedModelError
            If its head is not a matrix or is kept out of memory, or its logits are scaled in a way that its family
            does not tell.
        """
        head: Any = family.head
        if getattr(head, "weight", None) is None or head.weight.ndim != 2 or not head.weight.is_floating_point():
            raise UnsupportedModelError(
                "model", described(f"a head of type {type(head).__name__}"), "a head with one weight"
            )
        scale = family.logit_scale
        for name in ("logit_scale", "logits_scaling"):
            if scale == 1 and getattr(family.config, name, None) not in (None, 1, 1.0):
                raise UnsupportedModelError(
                    "model", described(f"a configuration with {name}"), "logits that are not scaled"
                )
        softcap = getattr(family.config, "final_logit_softcapping", None)
        weight, bias = family.head_weights()
        norm: Callable[[Tensor], Tensor] = family.finish
        if scale != 1:  # of what the head reads, for its weight is not copied
            norm, bias = lambda hidden: family.finish(hidden) * scale, None if bias is None else bias * scale
        return cls(norm, weight, bias, softcap=softcap)

    @property
    def vocabulary(self) -> int:
        """How many tokens the head knows."""
        return int(self.weight.shape[0])

    @property
    def width(self) -> int:
        """Size of the residual stream."""
        return int(self.weight.shape[1])

    def __call__(self, hidden: Tensor) -> Tensor:
        """States, shape (rows, width), to logits, shape (rows, vocabulary)."""
        logits = nn.functional.linear(self.norm(hidden).to(self.weight.device), self.weight, self.bias)
        return softcapped(logits, self.softcap)

    def score(self, finished: Tensor, ids: Tensor) -> Tensor:
        """Exact logits of some tokens only.

        Parameters
        ----------
        finished : Tensor of shape (rows, width)
            States after the norm.
        ids : Tensor of int64 of shape (rows, candidates)
            The tokens, of each row its own.

        Returns
        -------
        Tensor of float32 of shape (rows, candidates)
            Their logits.
        """
        rows = self.weight.index_select(0, ids.reshape(-1)).view(*ids.shape, -1)
        found = torch.bmm(rows, finished.unsqueeze(-1)).squeeze(-1)
        if self.bias is not None:
            found = found + self.bias[ids]
        return softcapped(found.float(), self.softcap)
