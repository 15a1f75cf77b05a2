"""A cache in which tokens wait for layers that they left out: whoever looks at it has them completed first.

Between the calls of a loop of one's own a cache lies open: it may be cropped, copied, pickled, rearranged, reset or
read. While tokens wait, layers hold different numbers of them, and none of these would do what it should. So the cache
then takes a class of its own, under which every access to its layers completes them. Its length, and what else a
decoding loop asks at each token, is answered without.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remembered
from typing import Any

from transformers import Cache

__all__ = ["guard", "unguard"]

# Answered as things stand: the first layer holds every token that was taken in.
_ASKED = (
    "__len__",
    "__repr__",
    "get_mask_sizes",
    "get_max_length",
    "get_query_offset",
    "get_seq_length",
    "is_compileable",
    "is_croppable",
    "is_dummy",
    "is_initialized",
    "is_linear",
    "is_sliding",
    "max_batch_size",
)


def guard(cache: Cache, complete: Callable[[], None]) -> None:
    """Have a cache completed before anybody looks at its layers; `complete` raises where that cannot be."""
    held = cache.__dict__
    held["_complete"] = complete
    kind: Any = type(cache)
    cache.__class__ = _guarded(kind)


def unguard(cache: Cache) -> None:
    """Let it be what it was."""
    if "_complete" in cache.__dict__:
        del cache.__dict__["_complete"]
        cache.__class__ = type(cache)._plain  # type: ignore[attr-defined]


@remembered
def _guarded(plain: Any) -> type[Cache]:
    """The class of a cache of some class while tokens wait in it."""

    def layers(self: Any) -> Any:
        if not self.__dict__.get("_asked"):
            complete = self.__dict__["_complete"]
            complete()
        return self.__dict__["layers"]

    def set_layers(self: Any, given: Any) -> None:
        self.__dict__["layers"] = given

    def reduced(self: Any, protocol: Any) -> Any:
        _ = self.layers  # after which it is a plain cache
        return self.__reduce_ex__(protocol)

    def reset(self: Any) -> None:
        unguard(self)  # nothing is left that would have to be completed
        self.reset()

    members: dict[str, Any] = {
        "_plain": plain,
        "layers": property(layers, set_layers),
        "__reduce_ex__": reduced,
        "reset": reset,
        "__module__": plain.__module__,
        "__doc__": plain.__doc__,
        **{name: _as_it_stands(plain, name) for name in _ASKED if hasattr(plain, name)},
    }
    return type(plain.__name__, (plain,), members)


def _as_it_stands(plain: type[Cache], name: str) -> Any:
    """A method or property that does not complete anything."""
    member: Any = next(each.__dict__[name] for each in plain.__mro__ if name in each.__dict__)
    function: Any = member.fget if isinstance(member, property) else member

    def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.__dict__.get("_asked")
        self.__dict__["_asked"] = True
        try:
            return function(self, *args, **kwargs)
        finally:
            if before is None:
                self.__dict__.pop("_asked", None)

    return property(asked) if isinstance(member, property) else asked
