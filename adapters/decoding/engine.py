"""What takes a model's calls while a policy is attached: reads them, and runs the layers that the policy wants.

The engine takes the place of the model's ``forward`` for one-token steps, and only for calls of its own thread within a
context manager. Everything around it, logits processors, sampling, stopping, streaming, is the model's own
``generate``.
"""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache

from adapters.decoding.contract import BoolArray, Deciding, Plan
from adapters.decoding.kv import is_as_seen, layer_lengths, require_known_cache, require_level, stamps
from adapters.decoding.level import complete as complete_level
from adapters.decoding.level import level_step
from adapters.decoding.masks import filled_slots, says_the_same
from adapters.decoding.pending import guard, unguard
from adapters.decoding.ragged import complete as complete_ragged
from adapters.decoding.ragged import ragged_step
from adapters.decoding.report import DecodingStatistics, Report
from adapters.decoding.runner import Runner
from adapters.decoding.session import Session
from adapters.decoding.verify import verified_step, withdraw
from adapters.errors import MonotonicityError, NothingDecidedWarning, UnsupportedGenerationError
from adapters.families import family_of
from adapters.families.convention import Call, require_no_states_wanted
from adapters.families.surroundings import (
    require_no_dropout,
    require_plain_attention,
    require_plain_layers,
    require_plain_model,
)
from ews.errors import described

__all__ = ["Engine"]


class Engine:
    """Takes the calls of one model for one policy.

    Each cache that tokens are decoded with has a session of its own, for as long as the cache lives. Within a
    ``generate`` the policy decides for the cache of that generation; others (of ``guidance_scale``, say) go through the
    full model.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model of a known family.
    policy : Deciding
        What decides.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If the model cannot be taken apart.
    """

    def __init__(self, model: Any, policy: Deciding) -> None:
        self.family = family_of(model)
        self.model = model
        self.policy = policy
        self.require_plain(whole=True)
        policy.bind(weakref.proxy(self.family))
        self.runner = Runner(self.family, policy)
        self.lock = threading.RLock()  # for threads that share this engine
        self._sessions: weakref.WeakKeyDictionary[Cache, Session] = weakref.WeakKeyDictionary()
        self._prompts: weakref.WeakKeyDictionary[Cache, Tensor] = weakref.WeakKeyDictionary()
        self._latest: weakref.ref[Cache] | None = None  # whose session the policy is in
        self._reads = False  # generate reads the prompt
        self._main: weakref.ref[Cache] | None = None  # the cache of a generate that runs
        self._generates = False
        self._beside = 0  # tokens of other caches within a generate
        self._ended: BoolArray | None = None
        self._undecided: list[weakref.ref[Any]] = []  # caches of prompts that no token followed
        self._decided = 0  # tokens decided on, over all generations
        self._warned = False

    @property
    def statistics(self) -> DecodingStatistics:
        """Counts of the generation that runs, or ran last."""
        return self.runner.statistics

    # ---- where a generation begins and ends -----------------------------------------------------------------------

    def begin(self, *, anew: bool) -> None:
        """A generation begins: complete what an earlier one left, count anew, and look around `anew`.

        Hooks may have come since the policy was attached, if that was before.
        """
        self.finish()
        if anew:
            self.require_plain(whole=False)
        self.runner.statistics = self.runner.new_statistics()
        self._generates, self._main, self._ended, self._beside = True, None, None, 0

    def finish(self, *, keep_cache: bool = True) -> None:
        """A generation ends: bring the cache up to date (unless nobody will see it), and close the report."""
        statistics = self.statistics
        main = None if self._main is None else self._main()
        for cache, session in list(self._sessions.items()):
            if session.drafting is not None:
                statistics.events += session.drafting.events()
            if keep_cache or cache is not main:
                started = time.perf_counter()
                with torch.no_grad():
                    self._close(cache, session)
                statistics.seconds += time.perf_counter() - started
        self._sessions.clear()
        self._prompts.clear()
        if self._beside:
            statistics.events.append(
                f"{self._beside} tokens of another cache (as guidance_scale has one) went through the full model: "
                "within generate a policy decides for the cache of that generation"
            )
        statistics.events += self.policy.events
        self.policy.events.clear()
        self.policy._report = Report.of(statistics)
        self._generates, self._main, self._ended, self._beside = False, None, None, 0

    def say_if_nothing_was_decided(self, of: str) -> None:
        """Warn where a policy was plugged in for nothing, once for each time that it is plugged in."""
        if not (self._decided if of == "block" else self.statistics.tokens):
            self._say(f"it decided on no token of this {of}")

    def _say(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self.policy).__name__}: {what}. A policy decides for single tokens that follow a prompt, in "
                "the thread where it is attached; prompts (with the first new token), texts that are scored as a "
                "whole, and calls from other threads go through the full model",
                NothingDecidedWarning,
                stacklevel=4,
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """``generate`` reads the prompt, which runs in full even where a single token of it is left."""
        before, self._reads = self._reads, True
        try:
            yield
        finally:
            self._reads = before

    def rows_ended(self, done: Tensor) -> None:
        """Told which rows have come to their end, where padding follows."""
        if done.numel() > 1:
            now = done.cpu().numpy().astype(bool)
            self._ended = now if self._ended is None else self._ended | now

    def require_plain(self, *, whole: bool) -> None:
        """See that nothing around the layers would be passed over."""
        require_plain_model(self.family, whole=whole)
        if self.policy.cache == "verify":
            require_no_dropout(self.family)
        if self.policy.unit != "layer":
            require_plain_layers(self.family)
        if self.policy.cache == "propagate" and self.policy.promise.leaves:
            require_plain_attention(self.family)

    # ---- calls of the model ---------------------------------------------------------------------------------------

    def call(self, own: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """One call of the model: a prompt goes through it as ever, a single token through the policy.

        Parameters
        ----------
        own : callable
            The model's ``forward``.
        args, kwargs
            What was given.

        Returns
        -------
        CausalLMOutputWithPast or tuple
            What the model would return.
        """
        with self.lock:
            convention = self.family.convention
            call = convention.read(args, kwargs)
            cache = call.cache
            if self._generates and not self._reads and (self._main is None or self._main() is not cache):
                return self._call_beside(own, call)
            session = self._session_of(cache) if isinstance(cache, Cache) else None
            several = self._reads or not call.is_of_one_token or not isinstance(cache, Cache)
            if several or (session is None and int(cache.get_seq_length()) == 0):
                return self._prompt_call(own, call, session)
            call.require_understood(convention)
            if not self._generates:  # generate says of each of these whether it wants it
                require_no_states_wanted(call, self.model.config)
            input_ids: Any = call.input_ids
            started = time.perf_counter()
            try:
                with torch.no_grad():
                    given = (_moved(call.get(name), self.family.home) for name in ("position_ids", "attention_mask"))
                    logits = self._token(session, input_ids.to(self.family.home), cache, *given).to(input_ids.device)
            except BaseException:
                self._break_off(cache)
                raise
            self.statistics.seconds += time.perf_counter() - started
            output = convention.output(logits, cache)
            named = call.get("return_dict")
            named = self.model.config.return_dict if named is None else named
            return output if named else output.to_tuple()

    @contextmanager
    def told_by_errors(self) -> Iterator[None]:
        """Whoever meets an error knows that nothing was decided."""
        try:
            yield
        except BaseException:
            self._warned = True
            raise

    def _break_off(self, cache: Cache) -> None:
        """A step that broke off may leave a cache that cannot be completed, and that nobody should go on with."""
        session = self._sessions.pop(cache, None)
        if session is not None and (session.waits or set(layer_lengths(cache)) != {session.begun}):
            guard(cache, _refuse_broken)

    def _call_beside(self, own: Callable[..., Any], call: Call) -> Any:
        """Within a generate, with a cache that is not that of the generation."""
        if call.input_ids is not None:
            self._beside += call.input_ids.numel()
        return own(**call.arguments)

    def _session_of(self, cache: Cache) -> Session | None:
        """What is remembered of a cache, if it still is what it was; what it holds is read again where it is not."""
        session = self._sessions.get(cache)
        if session is None:
            return None
        unguard(cache)
        if is_as_seen(cache, session.seen):
            return session
        lengths = layer_lengths(cache)
        if not any(lengths):  # reset, for another text
            del self._sessions[cache]
            return None
        if session.kept or session.ragged is not None:
            del self._sessions[cache]
            raise UnsupportedGenerationError(
                "past_key_values",
                described("a cache that was changed layer by layer while tokens waited in it"),
                "changes by its own methods (crop, batch_select_indices, …), or cache='verify' or 'propagate'",
            )
        withdraw(session)
        session.lengths = lengths
        held = [length for index, length in enumerate(session.lengths) if index not in session.gaps]
        require_level(held)
        session.length = held[0]
        session.begin = min(session.begin, session.length)
        return session

    def _prompt_call(self, own: Callable[..., Any], call: Call, session: Session | None) -> Any:
        input_ids, cache = call.input_ids, call.cache
        if session is not None:  # the next turn: the cache must be whole before it
            if session.gaps:
                raise MonotonicityError(
                    "several tokens go through all layers, some of which were left out before and have gaps in their "
                    "cache; with cache='monotone' one token may follow at a time (cache='propagate' fills the gaps)"
                )
            with torch.no_grad():
                self._close(cache, session)
        caches = call.get("use_cache")
        if caches is None and cache is None:
            caches = getattr(self.model.config, "use_cache", None)
        if caches is False and call.get("labels") is None:
            raise UnsupportedGenerationError("use_cache", False, "True: a policy decides for one new token at a time")
        before = None if cache is None else self._prompts.get(cache)
        started = time.perf_counter()
        found = own(**call.arguments)
        self.statistics.prompt_seconds += time.perf_counter() - started
        if cache is None:
            cache = found.get(self.family.convention.cache) if isinstance(found, Mapping) else None
        if input_ids is not None:
            self.statistics.prompt_tokens += input_ids.numel()
            if isinstance(cache, Cache):
                if self._reads and before is not None:  # the next piece of it
                    input_ids = torch.cat((before, input_ids), dim=1)
                self._prompts[cache] = input_ids
        if self._reads and isinstance(cache, Cache):
            self._main = weakref.ref(cache)
        elif not self._generates:
            if any(each() is None for each in self._undecided):
                self._say("calls with several tokens follow each other, and no token that it would decide on")
            self._undecided.append(weakref.ref(cache if isinstance(cache, Cache) else found))
        return found

    def _open(self, cache: Cache, rows: int) -> Session:
        """Begin to decode with a cache."""
        policy = self.policy
        if not self._generates:  # else that was done where the generation began
            self.require_plain(whole=False)
        self.runner.forget_weights()
        require_known_cache(cache, level=policy.cache in ("exact", "propagate"))
        lengths = layer_lengths(cache)
        require_level(lengths)
        session = self._sessions[cache] = Session(weakref.ref(cache), rows, lengths)
        self._latest = None
        return session

    def _turn_to(self, cache: Cache, rows: int) -> None:
        """Have the policy begin a generation, where it was in another."""
        if self._latest is not None and self._latest() is cache:
            return
        self._latest = weakref.ref(cache)
        self.policy.start(rows, self._prompts.get(cache))

    def _token(
        self,
        session: Session | None,
        input_ids: Tensor,
        cache: Cache,
        position_ids: Tensor | None,
        attention_mask: Any,
    ) -> Tensor:
        """Logits, shape (rows, 1, vocabulary), after one more token in each row."""
        if session is None or session.rows != len(input_ids):
            if session is not None:
                self._close(cache, session)
            session = self._open(cache, len(input_ids))
        self._turn_to(cache, len(input_ids))
        session.seen, session.begun = [], session.length
        session.ended = self._ended
        if position_ids is None:
            position_ids = self.family.positions(input_ids, attention_mask, session.length)
        self._look_through(session, attention_mask)
        statistics = self.statistics
        statistics.tokens += session.counted
        statistics.steps += 1
        self._decided += 1
        self._undecided = [each for each in self._undecided if each() is not None and each() is not cache]
        started = time.perf_counter()
        self.policy.taken(input_ids)
        statistics.deciding += time.perf_counter() - started
        if self.policy.cache == "verify":
            logits = verified_step(self.runner, session, input_ids, position_ids)
        else:
            logits = self._step(session, input_ids, position_ids, self.runner.plan(session))
        session.seen = stamps(cache)
        if session.waits:
            self._guard(cache, session)
        started = time.perf_counter()
        self.policy.emitted(logits[:, -1])
        statistics.deciding += time.perf_counter() - started
        return logits

    def _look_through(self, session: Session, attention_mask: Any) -> None:
        """Take the mask of a new token; what was left for later under another one is done before."""
        depends = bool(session.kept or session.ahead or session.ragged)
        before = session.valid_slots(filled_slots) if depends else None
        if self.policy.cache in ("deferred", "verify"):
            attention_mask = _copied(attention_mask)  # the caller may write on in it
        earlier = session.attention_mask, session.masked
        session.attention_mask, session.masked = attention_mask, session.length + 1
        if depends and not says_the_same(before, session.valid_slots(filled_slots)):
            later = session.attention_mask, session.masked
            session.attention_mask, session.masked = earlier
            if session.ahead:
                session.drafting.checked(held=False)
                withdraw(session)
            self._complete(session)
            session.attention_mask, session.masked = later

    def _step(self, session: Session, input_ids: Tensor, position_ids: Tensor, plan: Plan) -> Tensor:
        """One token through as many layers as the policy wants; logits of shape (rows, 1, vocabulary)."""
        ragged = len(input_ids) > 1 and (bool(plan.checks) or isinstance(plan.exit, np.ndarray))
        if ragged or session.ragged is not None:
            return ragged_step(self.runner, session, input_ids, position_ids, plan)
        return level_step(self.runner, session, input_ids, position_ids, plan)

    # ---- completing -----------------------------------------------------------------------------------------------

    def _guard(self, cache: Cache, session: Session) -> None:
        """Have the cache completed before anybody looks at it."""
        held = weakref.ref(cache)

        def complete() -> None:
            if session.gaps:
                raise MonotonicityError(
                    "this cache has gaps where cache='monotone' left layers out for good: it cannot be read, copied, "
                    "changed or handed on (cache='propagate' and 'deferred' leave none); reset() empties it"
                )
            looked = held()
            assert looked is not None
            with self.lock, torch.no_grad():
                unguard(looked)
                self._complete(session)
                session.seen = stamps(looked)

        guard(cache, complete)

    def _complete(self, session: Session) -> None:
        """Run what was kept through the layers that it missed, so that the cache is that of the full model."""
        if session.ragged is not None:
            complete_ragged(self.runner, session)
        complete_level(self.runner, session)

    def _close(self, cache: Cache, session: Session) -> None:
        """Complete a cache, if that can be, and forget its session."""
        if not session.gaps:
            unguard(cache)
            self._complete(session)
        withdraw(session)
        self._sessions.pop(cache, None)


def _refuse_broken() -> None:
    raise UnsupportedGenerationError(
        "past_key_values",
        described("a cache in which a token broke off between layers"),
        "one that is filled anew from the prompt (reset() empties this one)",
    )


def _copied(given: Any) -> Any:
    """A tensor, a mapping of tensors or nothing, that nobody else writes to."""
    if isinstance(given, Mapping):
        return {kind: _copied(each) for kind, each in given.items()}
    return given.clone() if isinstance(given, Tensor) else given


def _moved(given: Any, device: Any) -> Any:
    """A tensor, a mapping of tensors or nothing, on a device."""
    if isinstance(given, Mapping):
        return {kind: _moved(each, device) for kind, each in given.items()}
    return given.to(device) if isinstance(given, Tensor) else given
