"""Hooks that reduce the residual stream to its signals while the layers run, and are gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adapters.families import Family
from adapters.heads.full import top_tokens
from adapters.signals import SIGNALS
from adapters.signals import signals as signals_of

__all__ = ["Recorder", "listening"]

# Signals look two layers back, so that three states are all that is held.
_HELD = 3


@contextmanager
def listening(family: Family, take: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand every state of the residual stream to `take`, for as long as the block lasts.

    Parameters
    ----------
    family : Family
        The model.
    take : callable
        Called with what enters the first layer and with what each layer leaves, shape (rows, tokens, width).

    Yields
    ------
    None
        The hooks are gone when the block ends, however it ends.
    """

    def before(_layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        take(args[0] if args else kwargs["hidden_states"])

    def after(_layer: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        take(output[0] if isinstance(output, tuple) else output)

    handles: list[RemovableHandle] = []
    try:
        handles.append(family.layers[0].register_forward_pre_hook(before, with_kwargs=True))
        for layer in family.layers:
            handles.append(layer.register_forward_hook(after))  # noqa: PERF401 (what is registered must be removed)
        yield
    finally:
        for handle in handles:
            handle.remove()


class Recorder:
    """Signals, and what the lens reads, of chosen positions of a pass.

    Three states of these positions are held at a time, whatever the number of layers.

    Parameters
    ----------
    family : Family
        The model.
    signals : sequence of str
        Of :data:`adapters.signals.SIGNALS`.
    lens : bool
        Whether the head reads every state.
    head : bool
        Whether it reads the last one.
    """

    def __init__(self, family: Family, *, signals: Sequence[str], lens: bool, head: bool) -> None:
        self.family = family
        self._columns = [SIGNALS.index(name) for name in signals]
        self._lens, self._head = lens, head
        self._kept: Tensor | None = None
        self._held: list[Tensor] = []
        self._found: list[Tensor] = []
        self._read: list[Tensor] = []

    def expect(self, kept: Tensor) -> None:
        """Begin a pass.

        Parameters
        ----------
        kept : Tensor of int64 of shape (kept,)
            Which positions of the batch count, numbered row by row; the others are padding.
        """
        self._kept = kept
        self._held, self._found, self._read = [], [], []

    def take(self, hidden: Tensor) -> None:
        """Take the next state.

        Parameters
        ----------
        hidden : Tensor of shape (rows, tokens, width)
            Of the whole batch.
        """
        assert self._kept is not None
        state = hidden.detach().flatten(0, 1).index_select(0, self._kept.to(hidden.device)).to(self._kept.device)
        self._held = [*self._held[1 - _HELD :], state]
        self._found.append(signals_of(torch.stack(self._held, 1))[:, -1, self._columns])
        last = len(self._found) == self.family.depth + 1
        if self._lens or (self._head and last):
            self._read.append(top_tokens(self.family, state))

    def taken(self) -> tuple[Tensor, Tensor | None]:
        """What the pass gave, on the host.

        Returns
        -------
        Tensor of shape (kept, depth + 1, signals), and Tensor of int64 of shape (kept, depth + 1) or (kept, 1), or None
            The signals; and the token that the head puts first after each depth (or after the last, or none).
        """
        found = torch.stack(self._found, 1).cpu()
        read = torch.stack(self._read, 1).cpu() if self._read else None
        self._held, self._found, self._read = [], [], []
        return found, read
