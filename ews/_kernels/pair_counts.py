"""All pairs of a few hundred numbers at once: how many fall, sixteen to an instruction.

Quadratic, and yet faster than a sort of several hundred numbers, since no step waits for another and none branches.
What is written is LLVM's vector code, beside its plain twin.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

__all__ = ["WIDTH", "falling_pairs"]

WIDTH = 16
_ROWS, _TOTALS = 8, 4  # keys that each vector is compared with before the next is loaded; sums that take turns


def falling_pairs(keys: npt.NDArray[np.int32], size: int) -> int:
    """How many pairs of the first `size` keys (a multiple of 16, none negative) fall; −1 where two are equal."""
    if np.unique(keys[:size]).size < size:
        return -1
    return sum(int((keys[i + 1 : size] < keys[i]).sum()) for i in range(size))


_WORD, _INDEX = ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_INDEX, WIDTH)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


def _all(values: Any) -> ir.Constant:
    return ir.Constant(_VECTOR, list(values))


def _lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    keys = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    blocks = builder.ashr(arguments[1], _number(4))
    # A difference below zero is a falling pair, and one of zero the least without a sign.
    totals = [cgutils.alloca_once_value(builder, _all([0] * WIDTH)) for _ in range(_TOTALS)]
    leasts = [cgutils.alloca_once_value(builder, _all([1] * WIDTH)) for _ in range(_TOTALS)]
    result = cgutils.alloca_once_value(builder, _number(-1))

    def block_at(block: Any) -> Any:
        place = builder.gep(keys, [builder.shl(block, _number(4))])
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=4)

    def spread(place: Any) -> Any:
        one = builder.load(builder.gep(keys, [place]))
        single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), one, ir.Constant(_INDEX, 0))
        return builder.shuffle_vector(single, single, _all([0] * WIDTH))

    def smaller(a: Any, b: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 2)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.umin.v16i32"), [a, b])

    def compare(later: Any, earlier: Any, turn: int, after: int = -1) -> None:
        """Count those lanes that fall, of all or of those after one of them."""
        difference = builder.sub(later, earlier)
        falls = builder.lshr(difference, _all([31] * WIDTH))
        if after >= 0:
            falls = builder.and_(falls, _all(int(lane > after) for lane in range(WIDTH)))
            difference = builder.or_(difference, _all(int(lane <= after) for lane in range(WIDTH)))
        total, least = totals[turn % _TOTALS], leasts[turn % _TOTALS]
        builder.store(builder.add(builder.load(total), falls), total)
        builder.store(smaller(builder.load(least), difference), least)

    def reduced(name: str, parts: list[Any], join: Any) -> Any:
        values = builder.load(parts[0])
        for part in parts[1:]:
            values = join(values, builder.load(part))
        kind = ir.FunctionType(_INDEX, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{name}.v16i32")
        return builder.call(function, [values])

    with cgutils.for_range(builder, blocks) as outer:
        first = builder.shl(outer.index, _number(4))
        own = block_at(outer.index)
        for row in range(WIDTH - 1):
            compare(own, spread(builder.add(first, _number(row))), row, row)
        for start in range(0, WIDTH, _ROWS):
            rows = [spread(builder.add(first, _number(start + row))) for row in range(_ROWS)]
            with cgutils.for_range(builder, builder.sub(builder.sub(blocks, outer.index), _number(1))) as inner:
                later = block_at(builder.add(builder.add(outer.index, inner.index), _number(1)))
                for turn, earlier in enumerate(rows):
                    compare(later, earlier, turn)
        tied = builder.icmp_unsigned("==", reduced("umin", leasts, smaller), ir.Constant(_INDEX, 0))
        with builder.if_then(tied, likely=False):
            outer.do_break()
        last = builder.icmp_signed("==", outer.index, builder.sub(blocks, _number(1)))
        with builder.if_then(last):
            builder.store(builder.zext(reduced("add", totals, builder.add), _WORD), result)
    return builder.load(result)


_KINDS = (types.Array(types.int32, 1, "C"), types.intp)


@type_callable(falling_pairs)  # type: ignore[untyped-decorator]
def _typed(_: Any) -> Any:
    def typer(*_: Any) -> Any:
        return types.int64(*_KINDS)

    typer.__signature__ = inspect.signature(falling_pairs)  # type: ignore[attr-defined]
    return typer


lower_builtin(falling_pairs, *_KINDS)(_lower)
