"""The contract between a policy and the engine: what is decided, when, and on what."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from torch import Tensor

from adapters._common.checks import read_count
from adapters._common.deprecated import adopt_renamed_methods, by_new_name, renamed_attribute, say_renamed
from adapters._common.publish import public
from ews.errors import ArgumentError, UnknownNameError, described

if TYPE_CHECKING:
    from adapters.decoding.engine import Engine
    from adapters.decoding.report import Report
    from adapters.families import Family

__all__ = ["CACHES", "UNITS", "CacheMode", "Exit", "FFNRoute", "Plan", "Policy", "Promise", "Trajectory", "Unit"]

Unit = Literal["layer", "ffn", "both"]
CacheMode = Literal["exact", "monotone", "propagate", "deferred", "verify"]
UNITS = ("layer", "ffn", "both")
CACHES = ("exact", "monotone", "propagate", "deferred", "verify")

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


@public("adapters")
class FFNRoute(IntEnum):
    """What takes the place of a feed-forward block for one token: nothing, the block itself, or a module of the policy.

    An array of bool is one of routes, True being the block.
    """

    LEFT_OUT = 0
    FULL = 1
    SUBSTITUTE = 2


@public("adapters")
@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """Plan of a token, known before its first layer: exit depth, skipped layers, and where to check; by default none.

    Attributes
    ----------
    exit : int, ndarray of int of shape (rows,), or None
        After how many layers to leave, for all rows or for each; None where that is decided on the way, or never.
    checks : tuple of int
        Depths, rising, after which :meth:`Policy.check` is asked. Depth d is after d layers; the last may be asked too,
        so that a policy can put its own head in place of the model's.
    skip_layers : frozenset of int
        Indices of layers that are left out for all rows (layer 0 cannot be).
    ffn_checks : frozenset of int
        Indices of layers whose feed-forward block is decided on: :meth:`Policy.run_ffn` is asked there.
    ffn_routes : ndarray of int of shape (layers,) or (rows, layers), or None
        :class:`adapters.FFNRoute` of each layer, for all rows or for each, where that is known already: nothing is
        asked, and `ffn_checks` is empty. Layers that are ``FFNRoute.FULL`` for all rows run as they are.
    """

    exit: int | IntArray | None = None
    checks: tuple[int, ...] = ()
    skip_layers: frozenset[int] = frozenset()
    ffn_checks: frozenset[int] = frozenset()
    ffn_routes: IntArray | None = None

    def __init__(
        self,
        exit: int | IntArray | None = None,  # noqa: A002 (its public name)
        checks: tuple[int, ...] = (),
        skip_layers: frozenset[int] = frozenset(),
        ffn_checks: frozenset[int] = frozenset(),
        ffn_routes: IntArray | None = None,
        *,
        feeds: frozenset[int] | None = None,
    ) -> None:
        if feeds is not None:
            say_renamed("Plan(feeds=...)", "Plan(ffn_checks=...)")
            ffn_checks = feeds
        for name, value in (
            ("exit", exit),
            ("checks", checks),
            ("skip_layers", skip_layers),
            ("ffn_checks", ffn_checks),
            ("ffn_routes", None if ffn_routes is None else np.asarray(ffn_routes)),
        ):
            object.__setattr__(self, name, value)

    def splits(self, index: int) -> bool:
        """Whether a layer is run in halves, since its feed-forward block may be left out or substituted."""
        if self.ffn_routes is None:
            return index in self.ffn_checks
        return bool(np.any(self.ffn_routes[..., index] != FFNRoute.FULL))

    def route(self, index: int, rows: IntArray | None = None) -> int | IntArray | None:
        """The route of some rows (None: all) in a layer; None where :meth:`Policy.run_ffn` says."""
        if self.ffn_routes is None:
            return None
        found: IntArray = self.ffn_routes[..., index]
        if found.ndim == 0:
            return int(found)
        return found if rows is None else found[rows]

    feeds = renamed_attribute("feeds", "ffn_checks")


@public("adapters")
@dataclass(frozen=True, slots=True)
class Exit:
    """Early exit at a check: which rows leave, and the logits that they emit.

    Attributes
    ----------
    rows : ndarray of bool of shape (asked,) or None
        Which of the rows that were asked leave; None for all.
    logits : Tensor of shape (leaving, vocabulary) or None
        What they emit; None for what the model's own norm and head make of their state.
    """

    rows: BoolArray | None = None
    logits: Tensor | None = None


@public("adapters")
class Trajectory:
    """Residual stream of the newest token after each layer so far, for the rows that still run.

    Nothing is copied until it is asked for.

    Parameters
    ----------
    states : sequence of Tensor of shape (all rows, width)
        After 0, 1, 2, … layers.
    rows : ndarray of int or None
        Indices of the rows that still run; None for all.
    """

    __slots__ = ("_index", "_states", "rows")

    def __init__(self, states: Sequence[Tensor], rows: IntArray | None) -> None:
        self._states = states
        self.rows = rows
        self._index: Tensor | None = None

    @property
    def depth(self) -> int:
        """How many layers have run."""
        return len(self._states) - 1

    def _of_rows(self, state: Tensor, axis: int) -> Tensor:
        if self.rows is None:
            return state
        if self._index is None:
            import torch

            self._index = torch.as_tensor(self.rows, device=state.device)
        return state.index_select(axis, self._index)

    def state(self, depth: int = -1) -> Tensor:
        """After `depth` layers (0: the embedding; default: the newest), shape (rows, width)."""
        return self._of_rows(self._states[depth], 0)

    def window(self, length: int) -> Tensor:
        """The newest `length` states (fewer near the first layer), oldest first, shape (rows, length, width)."""
        import torch

        return self._of_rows(torch.stack(list(self._states[-length:]), dim=1), 0)


@public("adapters")
@dataclass(frozen=True, slots=True)
class Promise:
    """Properties that a policy declares, and that the contract tests hold it to.

    Attributes
    ----------
    options : mapping of str to object
        Arguments with which some tokens of a small random model leave early.
    trained : mapping of str to object or None
        The same for a small trained model; None for `options`.
    caches : tuple of str
        Ways to keep the cache that it can be asked for.
    leaves : bool
        Some tokens leave early with these options.
    skips : bool
        Some layers in between are left out with these options, or feed-forward blocks are left out or substituted.
    row_by_row : bool
        What a row does depends on nothing but that row.
    waits : int or None
        How many times one check may wait for the device; None where that is not bounded.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    trained: Mapping[str, Any] | None = None
    caches: tuple[CacheMode, ...] = ("deferred", "propagate", "verify")
    leaves: bool = True
    skips: bool = False
    row_by_row: bool = True
    waits: int | None = 1


class Deciding(Protocol):
    """What the engine asks of whatever decides; see :class:`Policy` for what each means."""

    unit: Unit
    cache: CacheMode
    promise: ClassVar[Promise]
    drafts: int
    looking: float
    events: list[str]
    _report: Report | None

    def bind(self, family: Family) -> None: ...
    def unbind(self) -> None: ...
    def start(self, rows: int, input_ids: Tensor | None) -> None: ...
    def taken(self, input_ids: Tensor) -> None: ...
    def plan(self, step: int) -> Plan: ...
    def check(self, trajectory: Trajectory) -> Exit | None: ...
    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray | IntArray: ...
    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor: ...
    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None: ...
    def emitted(self, logits: Tensor) -> None: ...


class _AskedByGenerate:
    """The signature of a policy, which ``generate`` looks at; that of the class is as ever."""

    def __get__(self, policy: Policy | None, owner: type[Policy]) -> Any:
        if policy is None:
            raise AttributeError("__signature__")
        from adapters.decoding.generation import signature_for_generate

        return signature_for_generate(policy.__call__)


@public("adapters")
class Policy(ABC):
    """Policy of early exit, layer skipping or FFN skipping: what a token runs is decided while it is decoded.

    A policy is plugged into ``model.generate(..., custom_generate=policy)`` or, for any way of calling the model, into
    ``with policy.attach(model): ...``.

    Parameters
    ----------
    unit : {"layer", "ffn", "both"}
        What is left out: the layers after an exit (or layers in between), feed-forward blocks, or both.
    cache : {"exact", "monotone", "propagate", "deferred", "verify"}
        How keys and values of layers that were not run come about; see ``adapters.decoding.kv``.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4). Fewer
        are where so many would not pay, and none where none would; the report says so.

    Raises
    ------
    ews.errors.UnknownNameError
        If unit or cache is no such name.
    ews.errors.ArgumentError
        If `drafts` is no whole number from 1 on, or given where nothing is drafted.
    """

    def __init__(self, *, unit: Unit, cache: CacheMode, drafts: int | None = None) -> None:
        if unit not in UNITS:
            raise UnknownNameError("unit", unit, UNITS)
        if cache not in CACHES:
            raise UnknownNameError("cache", cache, CACHES)
        if drafts is not None:
            if cache != "verify":
                raise ArgumentError("drafts", drafts, f"None with cache={cache!r}; drafts are made with cache='verify'")
            self.drafts = read_count("drafts", drafts)
        self.unit: Unit = unit
        self.cache: CacheMode = cache
        self.looking = 0.0  # seconds in looks through a head of the policy's own; the engine times the model's
        self.heads = (
            0  # for policies that count looks of their own; the engine counts what runs through the model's head
        )
        self.events: list[str] = []  # what the report should say; the engine takes them when a generation ends
        self._report: Report | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        adopt_renamed_methods(cls, {"feeds": "run_ffn", "fed": "ffn_done"})

    __signature__ = _AskedByGenerate()
    promise: ClassVar[Promise] = Promise()
    drafts: int = 4  # tokens drafted at most before the full model checks, with cache="verify"

    @property
    def goes_by_step(self) -> bool:
        """Whether what is run goes by which token of a generation it is, or by those before: then tokens need an order.

        By default where the policy listens to tokens (:meth:`taken`, :meth:`emitted`). One whose :meth:`plan` is
        another at another step must say so itself; :func:`adapters.replay` relies on it.
        """
        own = type(self)
        return own.taken is not Policy.taken or own.emitted is not Policy.emitted

    # ---- what a policy says ---------------------------------------------------------------------------------------

    def bind(self, family: Family) -> None:
        """Bind the policy to the model, before anything runs; raise where the two do not fit.

        The engine hands out a weak reference, so that a policy that keeps it does not keep the model.

        Parameters
        ----------
        family : Family
            The model, taken apart.
        """

    def unbind(self) -> None:
        """Forget what was made of the model's weights; :meth:`bind` comes before the next use."""

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the model: a copy, or what is read from a pickle, meets it anew."""
        return {name: value for name, value in vars(self).items() if not _is_of_model(value)}

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation.

        Parameters
        ----------
        rows : int
            Size of the batch.
        input_ids : Tensor of shape (rows, tokens) or None
            The prompt.
        """

    def taken(self, input_ids: Tensor) -> None:
        """Receive the tokens that come in, shape (rows, 1): what the caller made of the logits emitted before."""

    @abstractmethod
    def plan(self, step: int) -> Plan:
        """Plan what a token runs, and where to check, before its first layer.

        Parameters
        ----------
        step : int
            Which token of this generation, from 0; the prompt, whose last position gives the first token, runs in full.

        Returns
        -------
        Plan
            When to leave, ask or leave out.
        """

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Decide which rows leave at a depth that the plan names.

        Parameters
        ----------
        trajectory : Trajectory
            The states so far, of the rows that still run.

        Returns
        -------
        Exit or None
            Rows that leave, and what they emit; None where none does.
        """
        return None

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray | IntArray:
        """Decide whether the feed-forward block of a layer runs, for all rows or for each.

        Parameters
        ----------
        index : int
            The layer.
        post_attention : Tensor of shape (rows, width)
            The residual stream after its attention, of the newest token.

        Returns
        -------
        bool or ndarray of bool or int of shape (rows,)
            True where it runs; or an :class:`adapters.FFNRoute` for each row, where something may stand in for it.
        """
        return True

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        """Compute what stands in for a feed-forward block, in rows whose route is ``FFNRoute.SUBSTITUTE``.

        Parameters
        ----------
        index : int
            The layer.
        post_attention : Tensor of shape (substituted, width)
            The residual stream of these rows after the attention, also where the block itself would have read what
            entered the layer (attention and block side by side).

        Returns
        -------
        Tensor of shape (substituted, width)
            What is added to it.

        Raises
        ------
        ews.errors.ArgumentError
            If the policy has nothing to put there.
        """
        allowed = "True or False of a policy without instead_of_ffn"
        raise ArgumentError("run_ffn", described("FFNRoute.SUBSTITUTE"), allowed)

    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:
        """Receive what a feed-forward block did, where :meth:`run_ffn` let it run for some rows.

        Parameters
        ----------
        index : int
            The layer.
        post_attention, after : Tensor of shape (rows, width)
            The residual stream before the block, and after its output was added: of all rows that were asked about.
            Those in which the block did not run are as they went on without it.
        """

    def feeds(self, index: int, middle: Tensor) -> bool | BoolArray:
        """The old name of :meth:`run_ffn`."""
        say_renamed("Policy.feeds", "Policy.run_ffn")
        runs: bool | BoolArray = by_new_name(self, "run_ffn")(index, middle)
        return runs

    def fed(self, index: int, middle: Tensor, after: Tensor) -> None:
        """The old name of :meth:`ffn_done`."""
        say_renamed("Policy.fed", "Policy.ffn_done")
        by_new_name(self, "ffn_done")(index, middle, after)

    def emitted(self, logits: Tensor) -> None:
        """Receive the logits emitted for a token, shape (rows, vocabulary), before the model's logits processors."""

    # ---- plugging it in -------------------------------------------------------------------------------------------

    @contextmanager
    def attach(self, model: Any) -> Iterator[Engine]:
        """Let the policy decide for every call of `model` that this thread makes within the block.

        Calls from other threads go through the full model, or follow a policy of theirs.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            A causal language model. It is as before when the block ends, however it ends.

        Yields
        ------
        Engine
            What runs the layers.

        Raises
        ------
        adapters.errors.UnsupportedModelError
            If layers cannot be left out of this model.
        """
        from adapters.decoding.generation import attached

        with attached(self, model) as engine:
            yield engine

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        tokenizer: Any = None,
        **model_kwargs: Any,
    ) -> Any:
        """What ``generate(custom_generate=policy)`` calls; not for direct use."""
        from adapters.decoding.generation import decode

        options = {"tokenizer": tokenizer, **model_kwargs}
        return decode(self, model, input_ids, logits_processor, stopping_criteria, generation_config, **options)

    def report(self) -> Report:
        """Report of what the last generation ran, and how long it took.

        Returns
        -------
        Report
            Tokens, layers, exits and times.

        Raises
        ------
        ews.errors.ArgumentError
            If nothing was generated yet.
        """
        if self._report is None:
            raise ArgumentError("report", described("a policy that has not generated yet"), "a call of generate first")
        return self._report


def _is_of_model(value: Any) -> bool:
    """Whether something is a family, held weakly or not, or a method of one."""
    from adapters.families import Family

    if type(value) in weakref.ProxyTypes:  # dead or alive
        return True
    return isinstance(getattr(value, "__self__", value), Family)
