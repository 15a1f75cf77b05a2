"""What counts how many came before: the bits of a word, and sixteen tallies in a vector register.

No loop that numba compiles becomes these few instructions; what is written is LLVM's code, beside its plain twin.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, models, register_model, type_callable

__all__ = ["TALLIES", "no_tallies", "ones", "raise_first", "raised", "tally"]

Tallies = npt.NDArray[np.int32]

TALLIES = 16  # of 32 bits: a line of cache


def ones(word: np.uint64) -> int:
    """How many bits of a word are set."""
    return int(word).bit_count()


def no_tallies() -> Tallies:
    """TALLIES tallies of nothing."""
    return np.zeros(TALLIES, dtype=np.int32)


def tally(tallies: Tallies, place: int) -> int:
    """One of the tallies."""
    return int(tallies[place])


def raised(tallies: Tallies, count: int) -> Tallies:
    """The tallies, the first `count` of them one higher."""
    return tallies + (np.arange(TALLIES, dtype=np.int32) < count)


def raise_first(array: Tallies, place: int, count: int) -> None:
    """:func:`raised` of the tallies from array[place] on, in memory."""
    array[place : place + count] += 1


class _Tallies(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="Tallies")


_TALLIES, _ARRAY = _Tallies(), types.Array(types.int32, 1, "C")
_NUMBER, _WORD = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_NUMBER, TALLIES)


@register_model(_Tallies)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


Lower = Callable[[Any, Any, Any, Any], Any]


def _compile(function: Any, result: Any, *kinds: Any) -> Callable[[Lower], Lower]:
    """Make LLVM code the compiled form of a function on arguments of these kinds."""

    @type_callable(function)  # type: ignore[untyped-decorator]
    def typed(_: Any) -> Callable[..., Any]:
        def typer(*_: Any) -> Any:
            return result(*kinds)

        typer.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return typer

    return lambda lower: lower_builtin(function, *kinds)(lower)


@_compile(ones, types.int64, types.uint64)
def _ones(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.ctpop(arguments[0])


@_compile(no_tallies, _TALLIES)
def _no_tallies(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return ir.Constant(_VECTOR, [0] * TALLIES)


@_compile(tally, types.int64, _TALLIES, types.int64)
def _tally(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.zext(builder.extract_element(arguments[0], builder.trunc(arguments[1], _NUMBER)), _WORD)


@_compile(raised, _TALLIES, _TALLIES, types.int64)
def _raised(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    count = builder.trunc(arguments[1], _NUMBER)
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), count, ir.Constant(_NUMBER, 0))
    counts = builder.shuffle_vector(single, single, ir.Constant(_VECTOR, [0] * TALLIES))
    first = builder.icmp_signed("<", ir.Constant(_VECTOR, list(range(TALLIES))), counts)
    return builder.sub(arguments[0], builder.sext(first, _VECTOR))  # true is −1


@_compile(raise_first, types.void, _ARRAY, types.int64, types.int64)
def _raise_first(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    start = builder.gep(context.make_array(_ARRAY)(context, builder, arguments[0]).data, [arguments[1]])
    memory = builder.bitcast(start, _VECTOR.as_pointer())
    held = builder.load(memory, align=4)
    builder.store(_raised(context, builder, signature, (held, arguments[2])), memory, align=4)
    return context.get_dummy_value()
