"""a · b + c in one instruction where the processor has one.

This is the one contraction the kernels allow themselves, written out where it is meant: it rounds once instead of twice
and halves the work of the loops that sum products. Everything that "fastmath" would add on top (reordering, no NaN) is
left off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

__all__ = ["inverse_root", "inverse_root_of", "multiply_add"]

FloatArray = npt.NDArray[np.float64]


@overload
def multiply_add(a: float, b: float, c: float) -> float: ...
@overload
def multiply_add(a: FloatArray | float, b: FloatArray | float, c: FloatArray) -> FloatArray: ...
def multiply_add(a: Any, b: Any, c: Any) -> Any:
    """a · b + c of numbers or of lanes (in plain Python: with two roundings)."""
    return a * b + c


@type_callable(multiply_add)  # type: ignore[untyped-decorator]
def _type(context: Any) -> Callable[[Any, Any, Any], Any]:
    def typer(a: Any, b: Any, c: Any) -> Any:
        numbers = all(isinstance(each, types.Number) for each in (a, b, c))
        return types.float64(types.float64, types.float64, types.float64) if numbers else None

    return typer


@lower_builtin(multiply_add, types.float64, types.float64, types.float64)  # type: ignore[untyped-decorator]
def _lower(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    """Emit llvm.fmuladd, which stays two instructions on processors without the fused one."""
    double = arguments[0].type
    contracted = builder.module.declare_intrinsic("llvm.fmuladd", [double], ir.FunctionType(double, [double] * 3))
    return builder.call(contracted, arguments)


def inverse_root(a: float) -> float:
    """1 / sqrt(a) of a normal, positive number, to within two units in the last place; NaN of NaN."""
    return 1.0 / math.sqrt(a) if a > 0.0 else math.nan


@type_callable(inverse_root)  # type: ignore[untyped-decorator]
def _type_inverse_root(context: Any) -> Callable[[Any], Any]:
    return lambda a: types.float64(types.float64)


@lower_builtin(inverse_root, types.float64)  # type: ignore[untyped-decorator]
def _lower_inverse_root(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    double = arguments[0].type
    return inverse_root_of(
        builder,
        arguments[0],
        double,
        ir.IntType(64),
        lambda value: ir.Constant(double, value),
        lambda x, y, z: _lower(context, builder, of, (x, y, z)),
    )


def inverse_root_of(
    builder: Any, a: Any, double: Any, word: Any, number: Callable[[float], Any], add_product: Callable[..., Any]
) -> Any:
    """Halve and negate the exponent for a first guess (Moroz et al. 2018, Computation 6, 22), then refine it thrice.

    A root and a division take some 25 cycles of the one unit that does them; this takes 7 of units that idle.
    """

    def whole(value: int) -> Any:
        return ir.Constant(word, [value] * word.count if isinstance(word, ir.VectorType) else value)

    half = builder.lshr(builder.bitcast(a, word), whole(1))
    guess = builder.bitcast(builder.sub(whole(0x5FE6ED2102DCBFDA), half), double)  # within 3.5 %
    square = builder.fmul(builder.fmul(a, number(-0.5)), guess)
    root = builder.fmul(guess, add_product(square, guess, number(1.50087895511633457)))  # within 0.1 %
    for series in (number(0.375), None):  # with e = 1 − a r², 1 / sqrt(a) = r (1 + e/2 + 3/8 e² + …)
        short = add_product(builder.fneg(builder.fmul(a, root)), root, number(1.0))
        factor = add_product(series, short, number(0.5)) if series else number(0.5)
        root = add_product(builder.fmul(root, short), factor, root)
    return root
