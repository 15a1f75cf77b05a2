"""What stands in place of a model's methods while policies are attached to it, and whom each call belongs to.

A call belongs to the engine that was attached in the same thread, or the same asynchronous task. Whoever calls the
model from elsewhere gets the model's own methods, so that plain generations, and policies in other threads, go on
undisturbed.
"""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from adapters.errors import UnsupportedGenerationError
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from adapters.decoding.contract import Deciding
    from adapters.decoding.engine import Engine

__all__ = ["engine_of", "plugged", "require_free", "turn"]

# What generates without calling ``forward`` in a way that a policy could follow.
_CONTINUOUS = ("generate_batch", "init_continuous_batching", "continuous_batching_context_manager")
_ABSENT = object()
_active: ContextVar[tuple[Engine, ...]] = ContextVar("attached engines", default=())
_lock = threading.RLock()


def engine_of(model: Any) -> Engine | None:
    """The engine that calls of a model belong to here; None where they are the model's own."""
    return next((engine for engine in reversed(_active.get()) if engine.model is model), None)


def require_free(model: Any) -> None:
    """Refuse a model that a policy is attached to here.

    Raises
    ------
    ews.errors.ArgumentError
        If one is.
    """
    if engine_of(model) is not None:
        raise ArgumentError("model", described("one that a policy is attached to"), "a model without a policy")


@contextmanager
def plugged(engine: Engine, instead: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Have an engine take the calls of its model that come from here.

    Parameters
    ----------
    engine : Engine
        What takes them.
    instead : dict of str to callable
        Method → what is called in its place, with the engine and the model's own method before the arguments.

    Yields
    ------
    None
        The engine is attached within the block.
    """
    model = engine.model
    with _lock:
        socket = _socket_of(model) or _Socket(model, instead)
        socket.engines += 1
    _active.set((*_active.get(), engine))
    try:
        yield
    finally:
        _active.set(tuple(each for each in _active.get() if each is not engine))
        with _lock:
            socket.engines -= 1
            if not socket.engines:
                socket.close()


class _Socket:
    """The methods of one model that are replaced while any engine is attached to it."""

    def __init__(self, model: Any, instead: dict[str, Callable[..., Any]]) -> None:
        self.model = model
        self.engines = 0
        self._saved: dict[str, Any] = {}
        for name in (*instead, *_CONTINUOUS):
            if not hasattr(model, name):
                continue
            self._saved[name] = model.__dict__.get(name, _ABSENT)
            model.__dict__[name] = _Dispatch(self, name, getattr(model, name), instead.get(name))

    def close(self) -> None:
        """Put everything back."""
        for name, value in self._saved.items():
            if value is _ABSENT:
                self.model.__dict__.pop(name, None)
            else:
                self.model.__dict__[name] = value


class _Dispatch:
    """Stands in place of a method, and hands each call to the engine that it belongs to.

    A copy of the model, by :func:`copy.deepcopy` or a pickle, is a plain model: it gets its own method.
    """

    def __init__(self, socket: _Socket, name: str, own: Callable[..., Any], instead: Callable[..., Any] | None) -> None:
        functools.update_wrapper(self, own)
        self._early_exit_engine = socket
        self._name, self._own, self._instead = name, own, instead

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        engine = engine_of(self._early_exit_engine.model)
        if engine is None:
            return self._own(*args, **kwargs)
        with engine.told_by_errors():
            if self._instead is None:
                raise UnsupportedGenerationError(
                    self._name,
                    described("continuous batching"),
                    "generate: continuous batching keeps a cache of its own",
                )
            return self._instead(engine, self._own, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._own, memo)  # of the model that was copied

    def __reduce__(self) -> Any:
        return _as_it_is, (self._own,)


def _as_it_is(method: Any) -> Any:
    return method


def _socket_of(model: Any) -> _Socket | None:
    return getattr(model.__dict__.get("forward"), "_early_exit_engine", None)


# ---- whose turn it is ----------------------------------------------------------------------------------------------

_changed = threading.Condition()
_deciding: dict[int, tuple[int, bool]] = {}  # policy → the thread where it decides, and whether that ends by itself


@contextmanager
def turn(policy: Deciding, *, ends: bool) -> Iterator[None]:
    """Let a policy, which remembers one generation, decide for one caller at a time.

    Parameters
    ----------
    policy : Deciding
        What decides.
    ends : bool
        Whether this is a single generation. Others wait for the end of one, and are refused while a block is open that
        may hold the policy for as long as it likes.

    Yields
    ------
    None
        The policy is the caller's within the block.

    Raises
    ------
    ews.errors.ArgumentError
        If the policy is held by a block, or by the caller.
    """
    thread = threading.get_ident()
    with _changed:
        while (holder := _deciding.get(id(policy))) is not None:
            if holder[0] == thread or not holder[1]:
                raise ArgumentError(
                    "policy",
                    described("one that is attached or generating already"),
                    "a policy of its own for each generation at the same time (copy.deepcopy makes one)",
                )
            _changed.wait()
        _deciding[id(policy)] = (thread, ends)
    try:
        yield
    finally:
        with _changed:
            del _deciding[id(policy)]
            _changed.notify_all()
