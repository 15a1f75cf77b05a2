"""How often, and for how long, the model's own head runs while a policy decides: counted here, not by policies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["HeadCount", "HeadUse"]


@dataclass(slots=True)
class HeadUse:
    """What went through a head.

    Attributes
    ----------
    rows : int
        States.
    seconds : float
        Time in it.
    """

    rows: int = 0
    seconds: float = 0.0


class HeadCount:
    """Listens at a head, by hooks that are there while it counts.

    Parameters
    ----------
    head : nn.Module
        The model's own.
    """

    def __init__(self, head: nn.Module) -> None:
        self._head = head

    @contextmanager
    def counting(self) -> Iterator[HeadUse]:
        """Count what this thread puts through the head within the block, whichever way it came by it.

        Yields
        ------
        HeadUse
            Complete when the block ends.
        """
        use, thread, began = HeadUse(), threading.get_ident(), [0.0]

        def before(_: nn.Module, __: Any) -> None:
            if threading.get_ident() == thread:
                began[0] = time.perf_counter()

        def after(_: nn.Module, given: tuple[Any, ...], __: Any) -> None:
            if threading.get_ident() == thread:
                use.seconds += time.perf_counter() - began[0]
                if given and isinstance(given[0], Tensor):
                    use.rows += given[0].numel() // max(given[0].shape[-1], 1)

        handles = self._head.register_forward_pre_hook(before), self._head.register_forward_hook(after)
        try:
            yield use
        finally:
            for handle in handles:
                handle.remove()
