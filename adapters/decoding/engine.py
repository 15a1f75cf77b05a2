"""The pass through the layers: runs them one by one, asks the policy, and keeps the cache right.

The engine takes the place of the model's ``forward`` for one-token steps, and only within a context manager. Everything
around it, logits processors, sampling, stopping, streaming, is the model's own ``generate``.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache

from adapters.decoding.agreement import agreed_exit, agreed_feeds, agreed_plan
from adapters.decoding.contract import BoolArray, Exit, Plan, Policy, Trajectory
from adapters.decoding.heads import HeadCount
from adapters.decoding.kv import layer_lengths, require_known_cache
from adapters.decoding.masks import block_mask, filled_slots
from adapters.decoding.projection import Projection
from adapters.decoding.report import Ledger, Report
from adapters.decoding.session import Kept, Session, joined
from adapters.errors import MonotonicityError, UnsupportedGenerationError
from adapters.families import Rotary, at_hand, family_of
from adapters.families.convention import Call
from adapters.families.surroundings import require_plain_attention, require_plain_layers, require_plain_model
from ews.errors import ArgumentError, ValueRangeError, described

__all__ = ["Engine"]

_ABSENT = object()


class Engine:
    """Runs the layers of one model for one policy.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model of a known family.
    policy : Policy
        What decides.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If the model cannot be taken apart.
    """

    def __init__(self, model: Any, policy: Policy) -> None:
        self.family = family_of(model)
        self.model = model
        self.policy = policy
        self.require_plain(whole=True)
        policy.bind(weakref.proxy(self.family))
        self.heads = HeadCount(self.family.head)
        self.ledger = self._new_ledger()
        self._forward: Any = None
        self._session: Session | None = None
        self._prompt: Tensor | None = None
        self._reads = False
        self._projection: Projection | None = None

    # ---- plugging in ----------------------------------------------------------------------------------------------

    @contextmanager
    def attached(self) -> Iterator[Engine]:
        """Take the place of ``forward`` (and of ``generate``, to see where a generation begins and ends)."""
        from adapters.decoding.generation import watched

        model = self.model
        if hasattr(model.__dict__.get("forward"), "_early_exit_engine"):
            raise ArgumentError("model", described("one that a policy is attached to"), "a model without a policy")
        saved = {name: model.__dict__.get(name, _ABSENT) for name in ("forward", "generate", "_prefill")}
        self._forward = model.forward

        @functools.wraps(model.forward)
        def forward(*args: Any, **kwargs: Any) -> Any:
            return self._call(*args, **kwargs)

        forward._early_exit_engine = self  # type: ignore[attr-defined]
        model.forward = forward
        model.generate = watched(self, model.generate)
        model._prefill = self._reading(model._prefill)
        try:
            yield self
            self.finish()
        finally:
            self.policy.unbind()
            for name, value in saved.items():
                if value is _ABSENT:
                    model.__dict__.pop(name, None)
                else:
                    model.__dict__[name] = value
            self._session = None

    def _reading(self, prefill: Callable[..., Any]) -> Callable[..., Any]:
        """What ``generate`` reads the prompt with, which runs in full even where a single token of it is left."""

        @functools.wraps(prefill)
        def read(*args: Any, **kwargs: Any) -> Any:
            self._reads = True
            try:
                return prefill(*args, **kwargs)
            finally:
                self._reads = False

        return read

    def _new_ledger(self) -> Ledger:
        return Ledger(type(self.policy).__name__, self.policy.unit, self.policy.cache, self.family.depth)

    def begin(self) -> None:
        """A generation begins: complete what an earlier one left, and count anew."""
        self.finish()
        self.require_plain(whole=False)  # hooks may have come since the policy was attached
        self.ledger = self._new_ledger()

    def require_plain(self, *, whole: bool) -> None:
        """See that nothing around the layers would be passed over."""
        require_plain_model(self.family, whole=whole)
        if self.policy.unit != "layer":
            require_plain_layers(self.family)
        if self.policy.cache == "propagate" and self.policy.promise.leaves:
            require_plain_attention(self.family)

    def finish(self, *, keep_cache: bool = True) -> None:
        """A generation ends: bring the cache up to date (unless nobody will see it), and close the report."""
        session = self._session
        if session is not None:
            if keep_cache:
                started = time.perf_counter()
                with torch.no_grad():
                    self.complete(session)
                self.ledger.seconds += time.perf_counter() - started
            self._session = None
        self._prompt = None
        self.ledger.events += self.policy.events
        self.policy.events.clear()
        self.policy._report = Report.of(self.ledger)

    # ---- calls of the model ---------------------------------------------------------------------------------------

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        """One call of the model: a prompt goes through it as ever, a single token through the policy."""
        convention = self.family.convention
        call = convention.read(args, kwargs)
        cache = call.cache
        if self._reads or not call.is_of_one_token or not isinstance(cache, Cache) or self._is_empty(cache):
            return self._prompt_call(call)
        call.require_understood(convention)
        input_ids: Any = call.input_ids
        started = time.perf_counter()
        try:
            with torch.no_grad():
                given = (_moved(call.get(name), self.family.home) for name in ("position_ids", "attention_mask"))
                logits = self._token(input_ids.to(self.family.home), cache, *given).to(input_ids.device)
        except BaseException:
            self._session = None  # a step that broke off leaves a cache that cannot be completed
            raise
        self.ledger.seconds += time.perf_counter() - started
        output = convention.output(logits, cache)
        named = call.get("return_dict")
        named = self.model.config.return_dict if named is None else named
        return output if named else output.to_tuple()

    def _is_empty(self, cache: Cache) -> bool:
        session = self._session
        if session is not None and session.cache is cache:
            return False
        return int(cache.get_seq_length()) == 0

    def _prompt_call(self, call: Call) -> Any:
        input_ids = call.input_ids
        if self._session is not None:  # another prompt, or the next turn: the cache must be whole before it
            if self._session.gaps and self._session.cache is call.cache:
                raise MonotonicityError(
                    "several tokens go through all layers, some of which were left out before and have gaps in their "
                    "cache; with cache='monotone' one token may follow at a time (cache='propagate' fills the gaps)"
                )
            self.finish_session()
        if call.get("use_cache") is False and call.get("labels") is None:
            raise UnsupportedGenerationError("use_cache", False, "True: a policy decides for one new token at a time")
        if self._reads and self._prompt is not None and input_ids is not None:  # the next piece of it
            self._prompt = torch.cat((self._prompt, input_ids), dim=1)
        else:
            self._prompt = input_ids
        started = time.perf_counter()
        found = self._forward(**call.arguments)
        self.ledger.prompt_seconds += time.perf_counter() - started
        if input_ids is not None:
            self.ledger.prompt_tokens += input_ids.numel()
        return found

    def finish_session(self) -> None:
        """Complete the cache of what was decoded so far, and forget the session."""
        if self._session is not None:
            with torch.no_grad():
                self.complete(self._session)
            self._session = None

    def _open(self, cache: Cache, rows: int) -> Session:
        policy = self.policy
        self.require_plain(whole=False)
        self._projection = None  # weights may have changed since
        require_known_cache(cache, level=policy.cache in ("exact", "propagate"))
        session = Session(cache, rows, layer_lengths(cache))
        if policy.cache == "verify" and rows == 1:
            session.recorded = [getattr(layer, "record_past", None) for layer in cache.layers]
            drafting: Any = cache  # has no types here
            drafting.activate_past_recording()
        policy.start(rows, self._prompt)
        return session

    def _token(self, input_ids: Tensor, cache: Cache, position_ids: Tensor | None, attention_mask: Any) -> Tensor:
        """Logits, shape (rows, 1, vocabulary), after one more token in each row."""
        session = self._session
        if session is None or session.cache is not cache:
            self.finish_session()
            session = self._session = self._open(cache, len(input_ids))
        if position_ids is None:
            position_ids = self.family.positions(input_ids, attention_mask, session.length)
        session.attention_mask, session.masked = attention_mask, session.length + 1
        self.ledger.tokens += len(input_ids)
        self.ledger.steps += 1
        started = time.perf_counter()
        self.policy.taken(input_ids)
        self.ledger.deciding += time.perf_counter() - started
        if self.policy.cache == "verify":
            from adapters.decoding.verify import verified_step

            logits = verified_step(self, session, input_ids, position_ids)
        else:
            logits = self.step(session, input_ids, position_ids, None)
        started = time.perf_counter()
        self.policy.emitted(logits[:, -1])
        self.ledger.deciding += time.perf_counter() - started
        return logits

    # ---- one token ------------------------------------------------------------------------------------------------

    def plan(self, session: Session) -> Plan:
        """Ask the policy what it knows beforehand, and see that the cache can be kept right under it."""
        started = time.perf_counter()
        plan = self.policy.plan(session.length - session.begin)
        if self.family.processes is not None:
            plan = agreed_plan(self.family.processes, plan, rows=session.rows, depth=self.family.depth)
        if plan.skip_layers and self.policy.cache not in ("monotone", "propagate"):
            raise ArgumentError(
                "cache", self.policy.cache, "'monotone' or 'propagate' for a policy that leaves out layers in between"
            )
        if plan.feeds and self.policy.cache in ("deferred", "verify"):
            raise ArgumentError(
                "cache",
                self.policy.cache,
                "'exact', 'monotone' or 'propagate' for a policy that leaves out feed-forward blocks",
            )
        if plan.exit is not None and self.policy.cache == "exact":
            raise ArgumentError("cache", "exact", "another mode for a policy that leaves layers out")
        if plan.exit is not None and not (np.min(plan.exit) >= 1 and np.max(plan.exit) <= self.family.depth):
            raise ValueRangeError("exit", plan.exit, f"1 to {self.family.depth}, the layers of this model")
        if plan.feeds and self.policy.unit == "layer":
            require_plain_layers(self.family)
        self.ledger.deciding += time.perf_counter() - started
        return plan

    def step(self, session: Session, input_ids: Tensor, position_ids: Tensor, plan: Plan | None) -> Tensor:
        """One token through as many layers as the policy wants; logits of shape (rows, 1, vocabulary)."""
        plan = self.plan(session) if plan is None else plan
        rows = len(input_ids)
        ragged = rows > 1 and (bool(plan.checks) or isinstance(plan.exit, np.ndarray))
        if ragged or session.ragged is not None:
            from adapters.decoding.ragged import ragged_step

            return ragged_step(self, session, input_ids, position_ids, plan)
        return self._level_step(session, input_ids, position_ids, plan)

    def _level_step(self, session: Session, input_ids: Tensor, position_ids: Tensor, plan: Plan) -> Tensor:
        """All rows are equally far: a step with plain tensors and the cache itself."""
        family, ledger = self.family, self.ledger
        block = family.embed(input_ids, position_ids)
        last = family.depth if plan.exit is None else int(np.max(plan.exit))
        states = [block[:, -1]]
        trajectory = Trajectory(states, None)
        run = LevelRun(self, session, block, position_ids)
        checks = set(plan.checks)
        listens = bool(checks)
        if self.policy.cache == "verify":  # the whole model has the last word
            checks.discard(family.depth)
        leaving: Exit | None = None
        index = 0
        while index < last:
            if index in plan.skip_layers:
                run.leave_out(index)
            else:
                run.layer(index, decided=index in plan.feeds)
            if listens:
                states.append(run.block[:, -1].to(family.home))
            index += 1
            if index in checks:
                leaving = self.ask(trajectory)
                if leaving is not None:
                    break
        session.length += 1
        ledger.exits[index] += len(input_ids)
        if index < family.depth:
            run.leave(index)
        if leaving is not None and leaving.logits is not None:
            return leaving.logits[:, None]
        newest = run.block if (self.policy.cache == "verify" and index == family.depth) else run.block[:, -1:]
        return self.head(newest)

    def ask(self, trajectory: Trajectory) -> Exit | None:
        """The policy's answer at a check, the same on every process that shares the model."""
        started = time.perf_counter()
        looked = self.policy.looking
        with self.heads.counting() as heads:
            leaving = self.policy.check(trajectory)
        if self.family.processes is not None:
            leaving = agreed_exit(self.family.processes, leaving, rows=len(trajectory.state()))
        if leaving is not None and leaving.rows is not None and not np.any(leaving.rows):
            leaving = None
        if leaving is not None and self.policy.cache == "exact" and trajectory.depth < self.family.depth:
            raise ArgumentError("cache", "exact", "another mode for a policy that leaves layers out")
        looked = max(self.policy.looking - looked, heads.seconds)  # the policy's time may hold that of the head
        self.ledger.looking += looked
        self.ledger.heads += heads.rows
        self.ledger.deciding += time.perf_counter() - started - looked
        return leaving

    def feeds(self, index: int, middle: Tensor) -> BoolArray:
        """The policy's answer at a feed-forward block, for each row, the same on every process that shares a model."""
        started = time.perf_counter()
        rows = len(middle)
        runs = self.policy.feeds(index, middle[:, -1].to(self.family.home))
        if self.family.processes is not None:
            runs = agreed_feeds(self.family.processes, runs, rows=rows)
        self.ledger.deciding += time.perf_counter() - started
        return np.broadcast_to(runs, (rows,))

    def fed(self, index: int, middle: Tensor, after: Tensor) -> None:
        """Tell the policy what a feed-forward block did."""
        started = time.perf_counter()
        home = self.family.home
        self.policy.fed(index, middle[:, -1].to(home), after[:, -1].to(home))
        self.ledger.deciding += time.perf_counter() - started

    def head(self, hidden: Tensor) -> Tensor:
        """The model's own norm and head."""
        self.ledger.heads += hidden.shape[0] * hidden.shape[1]
        return self.family.logits(self.family.finish(hidden))

    @property
    def projection(self) -> Projection:
        """Key and value projections of all layers, stacked at first use in a generation."""
        if self._projection is None:
            self._projection = Projection(self.family)
        return self._projection

    # ---- completing -----------------------------------------------------------------------------------------------

    def complete(self, session: Session) -> None:
        """Run what was kept through the layers that it missed, so that the cache is that of the whole model."""
        if self.policy.cache == "verify":
            from adapters.decoding.verify import stop_recording, withdraw

            withdraw(session)
            stop_recording(session)
        if session.ragged is not None:
            from adapters.decoding.ragged import complete

            complete(self, session)
        elif session.kept:
            run = LevelRun(self, session, None, None)
            for index in range(session.kept[-1].depth, self.family.depth):
                run.layer(index, decided=False)


class LevelRun:
    """One pass of a block of tokens, in which all rows are equally far."""

    def __init__(self, engine: Engine, session: Session, block: Tensor | None, position_ids: Tensor | None) -> None:
        self.engine, self.session, self.family = engine, session, engine.family
        self.own = 0 if block is None else block.shape[1]  # tokens that are new in this pass
        self.block: Any = block
        self.positions: Any = position_ids
        self.rotary: Rotary = None
        self.plain: Mapping[str, Tensor | None] | None = None
        if block is not None and position_ids is not None:
            self.rotary = self.family.rotary(block.to(self.family.home), position_ids)
            if session.is_level:
                self.plain = self.family.masks(block, session.attention_mask, session.cache, position_ids)
        self._masks: dict[tuple[Any, ...], Tensor | None] = {}

    def layer(self, index: int, *, decided: bool) -> None:
        """Run one layer, with the tokens that were kept before it."""
        session, family, ledger = self.session, self.family, self.engine.ledger
        if index in session.gaps:
            raise MonotonicityError(
                f"layer {index} was left out before and has gaps in its cache; with cache='monotone' it must stay out "
                "(cache='propagate' fills the gaps)"
            )
        self._take_in(index)
        self.block = family.placed(index, self.block)
        tokens = self.block.shape[1]
        context = {
            "mask": self._mask(index, tokens),
            "position_ids": self.positions,
            "rotary": self.rotary,
            "cache": session.cache,
        }
        if decided:
            with at_hand((family.layers[index],)):
                self.block = self._decided(index, context)
        else:
            self.block = family.run(index, self.block, **context)
        session.lengths[index] += tokens
        rows = self.block.shape[0]
        ledger.layers += rows * tokens
        ledger.completed += rows * (tokens - self.own)

    def _take_in(self, depth: int) -> None:
        """Put the tokens that were kept at this depth before those of the pass."""
        kept = self.session.kept
        found = []
        while kept and kept[-1].depth == depth:
            found.append(kept.pop())
        if not found:
            return
        found.reverse()
        if self.block is not None:
            found.append(Kept(self.block, self.positions, self.rotary, depth))
        device = found[-1].hidden.device
        self.block = torch.cat([each.hidden.to(device) for each in found], dim=1)
        self.positions = torch.cat([each.positions for each in found], dim=1)
        self.rotary = joined([each.rotary for each in found])

    def _decided(self, index: int, context: dict[str, Any]) -> Tensor:
        """A layer whose feed-forward block may be left out."""
        engine, family = self.engine, self.family
        entering = self.block
        middle = family.attend(index, entering, **context)
        runs = engine.feeds(index, middle)
        if runs.any() and not runs.all():
            rows = torch.as_tensor(np.flatnonzero(runs), device=middle.device)
            engine.ledger.attentions_only += int(len(runs) - runs.sum())
            after = middle.clone()
            after[rows] = family.feed(index, middle.index_select(0, rows), entering.index_select(0, rows))
            return after
        if not runs.any():
            engine.ledger.attentions_only += middle.shape[0]
            return middle
        after = family.feed(index, middle, entering)
        engine.fed(index, middle, after)
        return after

    def leave_out(self, index: int) -> None:
        """A layer in between that no row runs."""
        if self.engine.policy.cache == "monotone":
            self.session.gaps.add(index)
            return
        (pair,) = self.engine.projection(index, self.block, self.rotary, index + 1)
        self.session.cache.update(*pair, index)
        self.session.lengths[index] += self.block.shape[1]

    def leave(self, depth: int) -> None:
        """All rows leave after `depth` layers."""
        session, cache = self.session, self.engine.policy.cache
        if cache == "monotone":
            session.gaps.update(range(depth, self.family.depth))
        elif cache == "propagate":
            for index, pair in enumerate(self.engine.projection(depth, self.block, self.rotary), start=depth):
                session.cache.update(*pair, index)
                session.lengths[index] += self.block.shape[1]
        else:
            session.kept.append(Kept(self.block, self.positions, self.rotary, depth))

    def _mask(self, index: int, tokens: int) -> Tensor | None:
        family, session = self.family, self.session
        if self.plain is not None and tokens == 1:
            return self.plain[family.kinds[index]]
        layer: Any = session.cache.layers[index]
        length, offset = layer.get_mask_sizes(tokens)
        end = session.lengths[index] + tokens
        window = family.windows[index]
        key = (window, tokens, length, offset, end)
        if key not in self._masks:
            valid = session.valid_slots(filled_slots)
            sees_all = tokens == 1 and offset + length == end and (window is None or length <= window)
            self._masks[key] = (
                None
                if sees_all and valid is None
                else block_mask(
                    torch.arange(end - tokens, end, device=self.positions.device)[None],
                    kv_length=int(length),
                    kv_offset=int(offset),
                    valid=valid,
                    window=window,
                    dtype=self.block.dtype,
                    eager=family.config._attn_implementation == "eager",
                )
            )
        return self._masks[key]


def _moved(given: Any, device: Any) -> Any:
    """A tensor, a mapping of tensors or nothing, on a device."""
    if isinstance(given, Mapping):
        return {kind: _moved(each, device) for kind, each in given.items()}
    return given.to(device) if isinstance(given, Tensor) else given
