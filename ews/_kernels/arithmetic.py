"""a · b + c in one instruction where the processor has one.

This is the one contraction the kernels allow themselves, written out where it is meant: it rounds once instead of twice
and halves the work of the loops that sum products. Everything that "fastmath" would add on top (reordering, no NaN) is
left off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

__all__ = ["multiply_add"]


def multiply_add(a: float, b: float, c: float) -> float:
    """a · b + c (in plain Python: with two roundings)."""
    return a * b + c


@type_callable(multiply_add)  # type: ignore[untyped-decorator]
def _type(context: Any) -> Callable[[Any, Any, Any], Any]:
    return lambda a, b, c: types.float64(types.float64, types.float64, types.float64)


@lower_builtin(multiply_add, types.float64, types.float64, types.float64)  # type: ignore[untyped-decorator]
def _lower(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    """Emit llvm.fmuladd, which stays two instructions on processors without the fused one."""
    double = arguments[0].type
    contracted = builder.module.declare_intrinsic("llvm.fmuladd", [double], ir.FunctionType(double, [double] * 3))
    return builder.call(contracted, arguments)
