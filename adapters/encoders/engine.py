"""One batch through an encoder, layer by layer, from which rows are really dropped as they leave."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapters.encoders.contract import EncoderPolicy, ExitView, Leave
from adapters.encoders.heads import ExitHeads, Reading
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["BatchResult", "Runnable", "require_fit", "run_batch"]


class _Pass(Protocol):
    @property
    def rows(self) -> int: ...
    @property
    def first(self) -> Tensor: ...
    @property
    def hidden(self) -> Tensor: ...
    def advance(self, index: int) -> None: ...
    def keep(self, index: Tensor) -> None: ...
    def own_logits(self) -> Tensor | None: ...


class Runnable(Protocol):
    """An encoder, or what was kept of it: see :class:`adapters.encoders.backbones.Backbone`."""

    @property
    def depth(self) -> int: ...
    @property
    def classes(self) -> int | None: ...
    @property
    def width(self) -> int: ...
    def open(self, inputs: Any) -> _Pass: ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """What a batch gave.

    Attributes
    ----------
    logits : Tensor of shape (rows, classes) or None
        What each row left with; None where neither a head nor the model has a classifier.
    hidden : Tensor of shape (rows, tokens, width) or None
        The states that each row left with; None unless asked for.
    depths : ndarray of int of shape (rows,)
        How many layers each row ran.
    deciding : float
        Seconds in heads and rule.
    """

    logits: Tensor | None
    hidden: Tensor | None
    depths: npt.NDArray[np.int64]
    deciding: float


def require_fit(encoder: Runnable, policy: EncoderPolicy, heads: ExitHeads | None) -> None:
    """Refuse a rule and heads that do not go together, or not with this encoder.

    Raises
    ------
    ews.errors.ArgumentError
        If they do not; the message says why.
    """
    given: object = policy
    if not isinstance(given, EncoderPolicy):
        raise InputTypeError("policy", policy, "an exit rule of encoders, such as adapters.encoders.PabeePolicy()")
    depths = tuple(policy.asks(encoder.depth))
    named = type(policy).__name__
    if heads is None:
        if depths:
            raise ArgumentError("heads", None, f"exit heads, which {named} asks")
        policy.bind(encoder.depth, encoder.classes or 0)
        return
    if heads.width != encoder.width or heads.exits not in (encoder.depth, encoder.depth - 1):
        raise ArgumentError(
            "heads",
            described(f"{heads.exits} heads for states of width {heads.width}"),
            f"{encoder.depth} heads (or {encoder.depth - 1}) for states of width {encoder.width}",
        )
    if heads.exits < encoder.depth and encoder.classes != heads.classes:
        raise ArgumentError(
            "heads",
            described(f"none after the last layer, and {heads.classes} classes before"),
            "a head after the last layer too, or a model whose own classifier has as many classes",
        )
    if policy.heads is not None and policy.heads != heads.kind:
        raise ArgumentError("policy", described(f"{named} with {heads.kind} heads"), f"{policy.heads} heads")
    policy.bind(encoder.depth, heads.classes)


@torch.inference_mode()
def run_batch(
    encoder: Runnable,
    inputs: Mapping[str, Tensor] | None,
    *,
    policy: EncoderPolicy,
    heads: ExitHeads | None = None,
    rows: npt.NDArray[np.int64] | None = None,
    with_hidden: bool = False,
) -> BatchResult:
    """Run a batch; rows that leave are dropped from it, and the rest goes on alone.

    Parameters
    ----------
    encoder : Runnable
        What runs the layers.
    inputs : mapping or None
        The batch.
    policy : EncoderPolicy
        Bound, and told that a call begins.
    heads : ExitHeads, optional
        What it asks.
    rows : ndarray of int, optional
        Which rows of the call these are (default: 0, 1, …).
    with_hidden : bool, default False
        Whether to return states, too.

    Returns
    -------
    BatchResult
        Answers and depths.
    """
    return _Batch(encoder, inputs, policy, heads, rows, with_hidden).run()


class _Batch:
    """The rows that still run, and what was said of them so far."""

    def __init__(
        self,
        encoder: Runnable,
        inputs: Mapping[str, Tensor] | None,
        policy: EncoderPolicy,
        heads: ExitHeads | None,
        rows: npt.NDArray[np.int64] | None,
        with_hidden: bool,
    ) -> None:
        self.layers = encoder.depth
        self.policy, self.heads = policy, heads
        self.batch = encoder.open(inputs)
        count = self.batch.rows
        self.rows = np.arange(count) if rows is None else np.asarray(rows)
        self.places = np.arange(count)  # of the rows that still run, in the batch as it came
        self.depths = np.full(count, self.layers)
        self.asked = frozenset(policy.asks(self.layers))
        last = max(self.asked, default=0)
        self._classes_alone = heads is not None and not heads.in_turn and policy.heads is None
        history = policy.history or (heads is not None and heads.in_turn)
        self.read_at = frozenset(range(1, last + 1)) if history else self.asked
        self.logits: Tensor | None = None
        self.hidden: Tensor | None = None
        self.deciding = 0.0
        self._with_hidden = with_hidden
        self._said: list[Tensor | None] = []
        self._halting: list[Tensor | None] = []
        self._held: dict[tuple[str, int], npt.NDArray[np.float64]] = {}  # by the rule, of the rows that still run
        self._carry: Tensor | None = None
        self._states = [self.batch.first] if policy.needs_states else []
        weight = None if heads is None else next(heads.parameters())
        first = self.batch.first
        apart = weight is not None and (weight.device, weight.dtype) != (first.device, first.dtype)
        self._moves = (weight.device, weight.dtype) if weight is not None and apart else None

    def run(self) -> BatchResult:
        with np.errstate(all="ignore"):  # of states that are not finite, whose rows stay
            return self._run()

    def _run(self) -> BatchResult:
        for depth in range(1, self.layers + 1):
            self.batch.advance(depth - 1)
            started = time.perf_counter()
            if self.policy.needs_states:
                self._states.append(self.batch.first)
            done = depth == self.layers
            wanted = depth in self.read_at or (done and self._heads_end())
            self._halting.append(None)
            self._said.append(self._read(depth) if wanted else None)
            if depth in self.asked:
                done = self._ask(depth) or done
            elif done:
                self._emit(None, self._said[-1])
            self.deciding += time.perf_counter() - started
            if done:
                break
        return BatchResult(self.logits, self.hidden, self.depths, self.deciding)

    def _heads_end(self) -> bool:
        """Whether the last answer is a head's, and not the model's own."""
        return self.heads is not None and self.heads.exits == self.layers

    def _read(self, depth: int) -> Tensor | None:
        """What the head after this layer says; the model's own classifier where there is none."""
        if self.heads is None or depth > self.heads.exits:
            return self.batch.own_logits()
        first = self.batch.first if self._moves is None else self.batch.first.to(*self._moves)
        if self._classes_alone:
            return self.heads.classify(depth, first)
        read: Reading = self.heads(depth, first, self._carry)
        self._carry = read.carry
        self._halting[-1] = read.halting
        return read.logits

    def _ask(self, depth: int) -> bool:
        """Let the rule decide; True where no row is left."""
        said = self._said[-1]
        assert said is not None  # require_fit sees to it
        view = ExitView(self.layers, self.rows, self._said, self._halting, self._states, self._held)
        answer = self.policy.leave(view)
        emitted = said if answer is None or answer.logits is None else answer.logits
        if depth == self.layers:
            self._emit(None, emitted)
            return True
        if answer is None:
            return False
        leaving = self._mask(answer, view)
        if not leaving.any():
            return False
        self.depths[self.places[leaving]] = depth
        if leaving.all():
            self._emit(None, emitted)
            return True
        self._emit(leaving, emitted)
        self._drop(~leaving)
        return False

    @staticmethod
    def _mask(answer: Leave, view: ExitView) -> npt.NDArray[np.bool_]:
        rows, count = answer.rows, len(view.rows)
        wanted: Any = rows.cpu().numpy() if isinstance(rows, Tensor) else rows
        if not isinstance(wanted, np.ndarray) or wanted.dtype != np.bool_ or wanted.shape != (count,):
            shape = described(f"{type(rows).__name__} of {getattr(rows, 'dtype', '?')}, {getattr(rows, 'shape', '?')}")
            raise InputTypeError("Leave.rows", shape, f"bool of shape ({count},)")
        leaving: npt.NDArray[np.bool_] = wanted
        return leaving & np.isfinite(view.scores).all(-1) if leaving.any() else leaving

    def _emit(self, leaving: npt.NDArray[np.bool_] | None, logits: Tensor | None) -> None:
        """Put down what rows leave with; all that are left for None."""
        if logits is None and leaving is None:
            logits = self.batch.own_logits()
        whole = leaving is None and len(self.places) == len(self.depths)
        if logits is not None:
            self.logits = logits if whole else self._put(self.logits, logits, leaving)
        if self._with_hidden:
            hidden = self.batch.hidden
            self.hidden = hidden if whole else self._put(self.hidden, hidden, leaving)

    def _put(self, into: Tensor | None, values: Tensor, leaving: npt.NDArray[np.bool_] | None) -> Tensor:
        found = values.new_empty(len(self.depths), *values.shape[1:]) if into is None else into
        places = self.places
        if leaving is not None:
            values = values[torch.from_numpy(np.flatnonzero(leaving)).to(values.device)]
            places = places[leaving]
        found[torch.from_numpy(places).to(found.device)] = values.to(found.device, found.dtype)
        return found

    def _drop(self, staying: npt.NDArray[np.bool_]) -> None:
        """Take the rows that left out of everything."""
        index = torch.from_numpy(np.flatnonzero(staying)).to(self.batch.first.device)
        self.batch.keep(index)
        self.places, self.rows = self.places[staying], self.rows[staying]
        for kept in (self._said, self._halting, self._states):
            held: list[Any] = kept
            held[:] = [None if each is None else each.index_select(0, index.to(each.device)) for each in held]
        for key, array in self._held.items():
            self._held[key] = array[staying]
        self._carry = None if self._carry is None else self._carry.index_select(0, index.to(self._carry.device))
