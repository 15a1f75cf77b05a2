"""Several numbers at a time: a type for kernels that do the same to as many independent stretches of samples.

A running sum is a chain in which each step waits for the one before, and no compiler breaks it up, because that would
change the rounding. Chains side by side, one in each lane of a vector register, need no breaking up: each lane adds in
the order in which it would alone. What that takes is samples that lie across, one step of all lanes after another:
:func:`to_lanes` and :func:`from_lanes` turn square blocks in registers.

There are as many lanes as a register has: eight with AVX-512, else four (two registers each would be more than there
are, and most of the time would go into putting them away). In compiled kernels a variable of this type is LLVM's vector
of so many doubles; in plain Python it is an array, and each function below its own plain twin.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import lower_builtin, models, register_model, type_callable

from ews._kernels.arithmetic import inverse_root_of, multiply_add

__all__ = [
    "LANES",
    "LINE",
    "backwards",
    "clipped",
    "expect",
    "from_lanes",
    "gather",
    "inverse_roots",
    "least",
    "load",
    "safe",
    "safe_product",
    "settle",
    "splat",
    "spread",
    "store",
    "stream_lanes",
    "to_lanes",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def _has_wide_registers() -> bool:
    """Whether the processor that is compiled for has AVX-512, and with it an instruction for a first guess of roots."""
    if config.CPU_FEATURES is not None:
        return "+avx512f" in config.CPU_FEATURES
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))


LINE = 8  # numbers in a line of cache
LANES = 8 if _has_wide_registers() else 4
# Where a window's sum of squares lies outside these bounds, fourth powers may have overflowed or vanished.
SMALL, LARGE = 1e-120, 1e120


# ---- plain twins -----------------------------------------------------------------------------------------------------


def splat(value: float) -> FloatArray:
    """The same number in all lanes."""
    return np.full(LANES, value)


def load(array: FloatArray, place: int) -> FloatArray:
    """The numbers from array[place] on."""
    return array[place : place + LANES].copy()


def store(array: FloatArray, place: int, values: FloatArray) -> None:
    """Write the numbers to array[place] and after."""
    array[place : place + LANES] = values


def spread(array: FloatArray, place: int) -> FloatArray:
    """array[place] in all lanes."""
    return np.full(LANES, array[place])


def backwards(values: FloatArray) -> FloatArray:
    """The last lane first."""
    return values[::-1].copy()


def gather(array: FloatArray, places: IntArray, offset: int) -> FloatArray:
    """array[place + offset], each lane from a place of its own."""
    return array[places + offset]


def to_lanes(source: FloatArray, places: IntArray, offset: int, count: int, target: FloatArray) -> None:
    """Lay `count` samples from each place side by side: target[j LANES + lane] = source[places[lane] + offset + j].

    Square blocks are read and written: up to LANES − 1 samples more.
    """
    for j in range((count + LANES - 1) // LANES * LANES):
        target[LANES * j : LANES * (j + 1)] = source[places + (offset + j)]


def from_lanes(source: FloatArray, at: int, step: int, target: FloatArray, places: IntArray, offset: int) -> None:
    """The way back, for a line: target[places[lane] + offset + j] = source[at + j step + lane], lane by lane."""
    for lane in range(LANES):
        for j in range(LINE):
            target[places[lane] + offset + j] = source[at + j * step + lane]


def stream_lanes(source: FloatArray, at: int, step: int, target: FloatArray, places: IntArray, offset: int) -> None:
    """:func:`from_lanes` past the cache, for whole lines of it: what is written must begin at a multiple of 64 bytes.

    No line is read before it is written, and nothing that is still needed has to leave the cache for it.
    """
    from_lanes(source, at, step, target, places, offset)


def settle() -> None:
    """Wait until what went past the cache can be seen by other threads."""


def expect(array: FloatArray, place: int) -> None:
    """Ask for array[place], which will be read soon: no result depends on it, and it need not exist."""


def least(one: FloatArray, other: FloatArray) -> FloatArray:
    """The smaller of each two; `other` where either is NaN."""
    return np.where(one < other, one, other)


def safe_product(one: FloatArray, other: FloatArray) -> FloatArray:
    """The products; NaN where a factor is not above SMALL, or the product not below LARGE²."""
    product = one * other
    return np.where((one > SMALL) & (other > SMALL) & (product < LARGE**2), product, np.nan)


def safe(values: FloatArray) -> FloatArray:
    """The values, and NaN for those that are not between SMALL and LARGE."""
    return np.where((values > SMALL) & (values < LARGE), values, np.nan)


def clipped(values: FloatArray) -> FloatArray:
    """The values, brought between −1 and 1; NaN stays."""
    return np.clip(values, -1.0, 1.0)


def inverse_roots(values: FloatArray) -> FloatArray:
    """1 / sqrt of normal, positive numbers, to within two units in the last place; NaN of NaN."""
    return np.asarray(1.0 / np.sqrt(values))


# ---- the same in vector code -----------------------------------------------------------------------------------------

_DOUBLE, _WORD, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_POWER = LANES.bit_length() - 1
_VECTOR, _WORDS = ir.VectorType(_DOUBLE, LANES), ir.VectorType(_WORD, LANES)


class _Lanes(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = _Lanes()
_FLOATS, _INTS = types.Array(types.float64, 1, "C"), types.Array(types.int64, 1, "C")


@register_model(_Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


def _all(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _shuffle(builder: Any, one: Any, other: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_INDEX, len(places)), places))


def _splat(builder: Any, value: Any) -> Any:
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(_INDEX, 0))
    return _shuffle(builder, single, single, [0] * LANES)


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f64"), [a, b, c])


def _pointer(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _at(builder: Any, pointer: Any, place: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [place]), _VECTOR.as_pointer())


def _places(builder: Any, pointer: Any, offset: Any) -> list[Any]:
    return [builder.add(builder.load(builder.gep(pointer, [_number(lane)])), offset) for lane in range(LANES)]


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """A square of rows as columns: as many rounds of shuffles as 2 goes into the lanes, each one instruction."""

    def mixed(one: int, other: int, places: list[int]) -> Any:
        return _shuffle(builder, rows[one], rows[other], places)

    if LANES == 4:
        pairs = [mixed(k // 2 * 2, k // 2 * 2 + 1, [1, 5, 3, 7] if k % 2 else [0, 4, 2, 6]) for k in range(4)]
        halves = ([0, 1, 4, 5], [2, 3, 6, 7])
        return [_shuffle(builder, pairs[k % 2], pairs[k % 2 + 2], halves[k // 2]) for k in range(4)]
    low, high = [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]
    rows = [mixed(k // 2 * 2, k // 2 * 2 + 1, high if k % 2 else low) for k in range(LANES)]
    low, high = [0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15]
    rows = [mixed(k // 4 * 4 + k % 2, k // 4 * 4 + k % 2 + 2, high if k % 4 > 1 else low) for k in range(LANES)]
    return [mixed(k % 4, k % 4 + 4, high if k > 3 else low) for k in range(LANES)]


Lower = Callable[[Any, Any, Any, Any], Any]


def _compile(function: Any, result: Any, *kinds: Any) -> Callable[[Lower], Lower]:
    """Make LLVM code the compiled form of a function on arguments of these kinds."""
    signature = result(*kinds)

    @type_callable(function)  # type: ignore[untyped-decorator]
    def typed(_: Any) -> Callable[..., Any]:
        def typer(*given: Any) -> Any:
            matches = len(given) == len(kinds) and all(
                one == other or (isinstance(one, types.Integer) and isinstance(other, types.Integer))
                for one, other in zip(given, kinds, strict=True)
            )
            return signature if matches else None

        if inspect.isfunction(function):
            typer.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        else:
            names = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in "ab"[: len(kinds)]]
            typer.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
        return typer

    return lambda lower: lower_builtin(function, *kinds)(lower)


def _arithmetic(function: Any, emit: Callable[..., Any]) -> None:
    """An operator between lanes, and between lanes and a number."""
    for kinds in ((_LANES, _LANES), (_LANES, types.float64), (types.float64, _LANES)):

        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sides = zip(signature.args, arguments, strict=True)
            return emit(builder, *(value if kind == _LANES else _splat(builder, value) for kind, value in sides))

        _compile(function, _LANES, *kinds)(lower)


_arithmetic(operator.add, lambda builder, a, b: builder.fadd(a, b))
_arithmetic(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_arithmetic(operator.mul, lambda builder, a, b: builder.fmul(a, b))


@_compile(operator.neg, _LANES, _LANES)
def _neg(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.fneg(arguments[0])


for _kinds in ((_LANES, _LANES, _LANES), (types.float64, _LANES, _LANES), (_LANES, types.float64, _LANES)):

    @_compile(multiply_add, _LANES, *_kinds)
    def _multiply_add(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sides = zip(signature.args, arguments, strict=True)
        return _fused(builder, *(value if kind == _LANES else _splat(builder, value) for kind, value in sides))


@_compile(splat, _LANES, types.float64)
def _lower_splat(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _splat(builder, arguments[0])


@_compile(load, _LANES, _FLOATS, types.intp)
def _lower_load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    pointer = _pointer(context, builder, signature.args[0], arguments[0])
    return builder.load(_at(builder, pointer, arguments[1]), align=8)


@_compile(store, types.void, _FLOATS, types.intp, _LANES)
def _lower_store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    pointer = _pointer(context, builder, signature.args[0], arguments[0])
    builder.store(arguments[2], _at(builder, pointer, arguments[1]), align=8)
    return context.get_dummy_value()


@_compile(spread, _LANES, _FLOATS, types.intp)
def _lower_spread(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    pointer = _pointer(context, builder, signature.args[0], arguments[0])
    return _splat(builder, builder.load(builder.gep(pointer, [arguments[1]])))


@_compile(backwards, _LANES, _LANES)
def _lower_backwards(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _shuffle(builder, arguments[0], arguments[0], list(range(LANES))[::-1])


@_compile(gather, _LANES, _FLOATS, _INTS, types.intp)
def _lower_gather(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array, places = (_pointer(context, builder, signature.args[k], arguments[k]) for k in range(2))
    values = ir.Constant(_VECTOR, ir.Undefined)
    for lane, place in enumerate(_places(builder, places, arguments[2])):
        one = builder.load(builder.gep(array, [place]))
        values = builder.insert_element(values, one, ir.Constant(_INDEX, lane))
    return values


@_compile(to_lanes, types.void, _FLOATS, _INTS, types.intp, types.intp, _FLOATS)
def _lower_to_lanes(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    source, places, target = (_pointer(context, builder, signature.args[k], arguments[k]) for k in (0, 1, 4))
    starts = _places(builder, places, arguments[2])
    blocks = builder.ashr(builder.add(arguments[3], _number(LANES - 1)), _number(_POWER))
    with cgutils.for_range(builder, blocks) as loop:
        first = builder.shl(loop.index, _number(_POWER))
        rows = [builder.load(_at(builder, source, builder.add(start, first)), align=8) for start in starts]
        for j, column in enumerate(_transposed(builder, rows)):
            place = builder.shl(builder.add(first, _number(j)), _number(_POWER))
            builder.store(column, _at(builder, target, place), align=8)
    return context.get_dummy_value()


def _lower_from_lanes(past_cache: bool) -> Lower:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, places = (_pointer(context, builder, signature.args[k], arguments[k]) for k in (0, 3, 4))
        at, step, offset = arguments[1], arguments[2], arguments[5]
        parts = []
        for first in range(0, LINE, LANES):
            rows = []
            for j in range(first, first + LANES):
                place = builder.add(at, builder.mul(step, _number(j)))
                rows.append(builder.load(_at(builder, source, place), align=8))
            parts.append(_transposed(builder, rows))
        for place, columns in zip(_places(builder, places, offset), zip(*parts, strict=True), strict=True):
            for k, column in enumerate(columns):
                to = _at(builder, target, builder.add(place, _number(k * LANES)))
                written = builder.store(column, to, align=8 * LANES if past_cache else 8)
                if past_cache:
                    written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(_INDEX, 1)]))
        return context.get_dummy_value()

    return lower


for _function, _past_cache in ((from_lanes, False), (stream_lanes, True)):
    _compile(_function, types.void, _FLOATS, types.intp, types.intp, _FLOATS, _INTS, types.intp)(
        _lower_from_lanes(_past_cache)
    )


@_compile(settle, types.void)
def _lower_settle(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    builder.fence("seq_cst")
    return context.get_dummy_value()


@_compile(expect, types.void, _FLOATS, types.intp)
def _lower_expect(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = _pointer(context, builder, signature.args[0], arguments[0])
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _INDEX, _INDEX, _INDEX])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    for_reading, to_stay, data = (ir.Constant(_INDEX, value) for value in (0, 3, 1))
    # Not "inbounds": the place may be beyond the end.
    address = builder.add(builder.ptrtoint(array, _WORD), builder.shl(arguments[1], _number(3)))
    builder.call(prefetch, [builder.inttoptr(address, byte), for_reading, to_stay, data])
    return context.get_dummy_value()


@_compile(least, _LANES, _LANES, _LANES)
def _lower_least(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)


@_compile(safe_product, _LANES, _LANES, _LANES)
def _lower_safe_product(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    product = builder.fmul(*arguments)
    smaller = builder.select(builder.fcmp_ordered("<", *arguments), *arguments)  # of a NaN the product is one
    good = builder.and_(
        builder.fcmp_ordered(">", smaller, _all(SMALL)), builder.fcmp_ordered("<", product, _all(LARGE**2))
    )
    return builder.select(good, product, _all(np.nan))


@_compile(safe, _LANES, _LANES)
def _lower_safe(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """One comparison of whole numbers: what is negative, infinite or NaN lies above all that is safe."""
    least, beyond = (int(np.float64(value).view(np.int64)) for value in (np.nextafter(SMALL, 1.0), LARGE))
    above = builder.sub(builder.bitcast(arguments[0], _WORDS), ir.Constant(_WORDS, [least] * LANES))
    good = builder.icmp_unsigned("<", above, ir.Constant(_WORDS, [beyond - least] * LANES))
    return builder.select(good, arguments[0], _all(np.nan))


@_compile(clipped, _LANES, _LANES)
def _lower_clipped(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    (value,) = arguments
    for order, bound in ((">", 1.0), ("<", -1.0)):
        value = builder.select(builder.fcmp_ordered(order, value, _all(bound)), _all(bound), value)
    return value


@_compile(inverse_roots, _LANES, _LANES)
def _lower_inverse_roots(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    (a,) = arguments
    if not _has_wide_registers():
        return inverse_root_of(builder, a, _VECTOR, _WORDS, _all, lambda x, y, z: _fused(builder, x, y, z))
    kind = ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, ir.IntType(8)])
    guess = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.rsqrt14.pd.512")
    root = builder.call(guess, [a, _all(0.0), ir.Constant(ir.IntType(8), -1)])  # within 2⁻¹⁴
    # With e = 1 − a r², 1 / sqrt(a) = r (1 + e/2 + 3/8 e² + 5/16 e³ + …), and e⁴ is nothing.
    short = _fused(builder, builder.fneg(builder.fmul(a, root)), root, _all(1.0))
    factor = _fused(builder, _fused(builder, _all(0.3125), short, _all(0.375)), short, _all(0.5))
    return _fused(builder, builder.fmul(root, short), factor, root)
