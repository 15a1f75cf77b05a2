"""Sums from the middle of a tile outwards, eight samples at a time in vector registers.

A running sum is a chain in which each step waits for the one before, and no compiler breaks it up, because that would
change the rounding. Here it is broken up by hand: eight terms are summed among themselves in three steps (Hillis and
Steele 1986, Commun. ACM 29, 1170), and one addition brings in what came before them. What is written is LLVM's own
vector code, which it turns into the registers that the processor has; each function below is its plain twin.

All take places in arrays instead of slices of them: a slice costs as much as a few samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

__all__ = ["ROW", "add_sums", "copy", "expect", "mean_of", "scan_left", "scan_right"]

FloatArray = npt.NDArray[np.float64]

ROW = 168  # from one running sum to the next in the work array
_LANES = 8
_DOUBLE, _WORD, _BIT = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
_VECTOR, _MASK = ir.VectorType(_DOUBLE, _LANES), ir.VectorType(_BIT, _LANES)


# ---- plain twins -----------------------------------------------------------------------------------------------------


def _terms(x: FloatArray, i: int, partner: int, anchor: float, powers: int) -> list[float]:
    d = x[i] - anchor
    terms = [d, d * d, d * d * d, d * d * (d * d)]
    return [*terms[:powers], *[0.0] * (4 - powers), d * (x[partner] - anchor)]


def scan_left(
    x: FloatArray,
    first: int,
    count: int,
    anchor: float,
    lag: int,
    powers: int,
    start: FloatArray,
    work: FloatArray,
    place: int,
    twin: int,
) -> None:
    """Sums over x[first + j : first + count] for each j, on top of `start`.

    With d = x − anchor, the sum of the k-th power of d is written to work[place + (k − 1) ROW + j]; where `lag` is
    above 0, that of d times the d which is `lag` later is written to work[place + 4 ROW + j], and the first two powers
    once more from work[twin − lag] on. Up to seven values behind the last j are overwritten.
    """
    sums = list(start)
    for j in range(count - 1, -1, -1):
        for k, term in enumerate(_terms(x, first + j, first + j + lag, anchor, powers)):
            sums[k] += term
        _store(work, sums, place + j, twin + j - lag, lag, powers)


def scan_right(
    x: FloatArray,
    first: int,
    count: int,
    anchor: float,
    lag: int,
    powers: int,
    start: FloatArray,
    work: FloatArray,
    place: int,
    twin: int,
) -> None:
    """Sums over x[first : first + j + 1] for each j, on top of `start`: :func:`scan_left` in the other direction.

    The partner of a sample is `lag` earlier, and it is `twin` that is not moved: the sums go to work[place − lag + j]
    and so on, the first two powers once more from work[twin] on.
    """
    sums = list(start)
    for j in range(count):
        for k, term in enumerate(_terms(x, first + j, first + j - lag, anchor, powers)):
            sums[k] += term
        _store(work, sums, place + j - lag, twin + j, lag, powers)


def _store(work: FloatArray, sums: list[float], place: int, twin: int, lag: int, powers: int) -> None:
    for k in (*range(powers), *([4] if lag else [])):
        work[place + k * ROW] = sums[k]
    for k in (0, 1) if lag else ():
        work[twin + k * ROW] = sums[k]


def add_sums(x: FloatArray, first: int, count: int, anchor: float, lag: int, powers: int, sums: FloatArray) -> None:
    """Add the sums over x[first : first + count] to `sums`: powers of d, and in the last place d times its partner.

    The partner is `lag` later (earlier where `lag` is negative; 0: there is none).
    """
    for i in range(first, first + count):
        for k, term in enumerate(_terms(x, i, i + lag, anchor, powers)):
            if k < powers or (k == 4 and lag != 0):
                sums[k] += term


def mean_of(x: FloatArray, first: int, count: int) -> float:
    """Mean of x[first : first + count]: its first value plus the mean deviation, so that a constant comes out exact."""
    return float(x[first] + sum(x[i] - x[first] for i in range(first, first + count)) / count)


def copy(source: FloatArray, place: int, count: int, target: FloatArray, at: int) -> None:
    """Copy source[place : place + count] to target[at : at + count]."""
    target[at : at + count] = source[place : place + count]


def expect(target: FloatArray, at: int, count: int) -> None:
    """Ask for the memory of target[at : at + count], which will be written soon: no result depends on it."""


# ---- the same in vector code -----------------------------------------------------------------------------------------

_ARRAY = types.Array(types.float64, 1, "C")


def _number(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


def _splat(builder: Any, value: Any) -> Any:
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, single, single, [0] * _LANES)


def _shuffle(builder: Any, one: Any, other: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))


def _zero() -> ir.Constant:
    return ir.Constant(_VECTOR, [0.0] * _LANES)


def _contracted(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.v8f64")
    return builder.call(function, [a, b, c])


def _load(builder: Any, pointer: Any, place: Any, count: Any = None, fill: Any = None) -> Any:
    """Eight values from a place on; where `count` is given, the first so many, and `fill` for the others."""
    at = builder.bitcast(builder.gep(pointer, [place]), _VECTOR.as_pointer())
    if count is None:
        return builder.load(at, align=8)
    lanes = ir.Constant(ir.VectorType(_WORD, _LANES), list(range(_LANES)))
    limit = builder.insert_element(
        ir.Constant(ir.VectorType(_WORD, _LANES), ir.Undefined), count, ir.Constant(ir.IntType(32), 0)
    )
    mask = builder.icmp_signed("<", lanes, _shuffle(builder, limit, limit, [0] * _LANES))
    signature = ir.FunctionType(_VECTOR, [at.type, ir.IntType(32), _MASK, _VECTOR])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.masked.load.v8f64.p0")
    return builder.call(function, [at, ir.Constant(ir.IntType(32), 8), mask, fill])


def _kept(builder: Any, pointer: Any, place: Any, value: Any) -> None:
    builder.store(value, builder.bitcast(builder.gep(pointer, [place]), _VECTOR.as_pointer()), align=8)


def _deviations(builder: Any, pointer: Any, place: Any, anchor: Any, partner: Any, count: Any) -> tuple[Any, Any]:
    """Eight deviations from the anchor, and those of their partners (None where there are none)."""
    d = builder.fsub(_load(builder, pointer, place, count, anchor), anchor)
    if partner is None:
        return d, None
    other = _load(builder, pointer, builder.add(place, partner), count, anchor)
    return d, builder.fsub(other, anchor)


def _along(builder: Any, terms: Any, nothing: Any, backwards: bool) -> Any:
    """Running sums of eight terms, from the first on or from the last; `nothing` is zeros."""
    for shift in (1, 2, 4):
        # Places from eight on are zeros; which of them, decides whether this is one instruction.
        back = [lane - shift if lane >= shift else 2 * _LANES - shift + lane for lane in range(_LANES)]
        ahead = [lane + shift for lane in range(_LANES)]
        terms = builder.fadd(terms, _shuffle(builder, terms, nothing, ahead if backwards else back))
    return terms


def _total(builder: Any, values: Any) -> Any:
    """Sum of eight values, as a number."""
    for half in (4, 2, 1):
        places = [(lane + half) % _LANES for lane in range(_LANES)]
        values = builder.fadd(values, _shuffle(builder, values, values, places))
    return builder.extract_element(values, ir.Constant(ir.IntType(32), 0))


def _each_kind(builder: Any, powers: Any, lag: Any, emit: Callable[[int, bool], None]) -> None:
    """One loop for each number of powers, with a partner and without: what is not asked for is not done."""
    paired = builder.icmp_signed("!=", lag, _number(0))
    for most in (2, 3, 4):
        with builder.if_then(builder.icmp_signed("==", powers, _number(most))), builder.if_else(paired) as (yes, no):
            with yes:
                emit(most, True)
            with no:
                emit(most, False)


def _pointer(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _sums_kept(powers: int, paired: bool) -> list[int]:
    return [*range(powers), *([4] if paired else [])]


def _scan(backwards: bool) -> Callable[[Any, Any, Any, Any], Any]:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, first, count, anchor, lag, powers, start, work, place, twin = arguments
        x, start, work = (
            _pointer(context, builder, kind, value)
            for kind, value in zip(
                (signature.args[0], signature.args[6], signature.args[7]), (x, start, work), strict=True
            )
        )
        anchor = _splat(builder, anchor)
        # Zeros that the compiler does not know for such: of a shift that moves in zeros it makes an "expand", which
        # takes several times as long as the shift.
        nothing = builder.fsub(anchor, anchor)
        partner = lag if backwards else builder.neg(lag)
        if backwards:
            twin = builder.sub(twin, lag)
        else:
            place = builder.sub(place, lag)
        whole = builder.ashr(count, _number(3))
        rest = builder.and_(count, _number(_LANES - 1))
        top = builder.shl(whole, _number(3))
        carried = [cgutils.alloca_once(builder, _VECTOR) for _ in range(5)]

        def emit(powers: int, paired: bool) -> None:
            for k in _sums_kept(powers, paired):
                builder.store(_splat(builder, builder.load(builder.gep(start, [_number(k)]))), carried[k])

            def step(j: Any, left: Any = None) -> None:
                d, other = _deviations(builder, x, builder.add(first, j), anchor, partner if paired else None, left)
                square = builder.fmul(d, d)
                terms = {0: d, 1: square}
                if powers > 2:
                    terms[2] = builder.fmul(square, d)
                if powers > 3:
                    terms[3] = builder.fmul(square, square)
                if paired:
                    terms[4] = builder.fmul(d, other)
                for k, term in terms.items():
                    sums = _along(builder, term, nothing, backwards)
                    before = builder.load(carried[k])
                    here = builder.fadd(sums, before)
                    _kept(builder, work, builder.add(builder.add(place, j), _number(k * ROW)), here)
                    if paired and k < 2:
                        _kept(builder, work, builder.add(builder.add(twin, j), _number(k * ROW)), here)
                    last = [0 if backwards else _LANES - 1] * _LANES
                    builder.store(builder.fadd(before, _shuffle(builder, sums, sums, last)), carried[k])

            def remainder() -> None:
                with builder.if_then(builder.icmp_signed(">", rest, _number(0))):
                    step(top, rest)

            if backwards:
                remainder()
            with cgutils.for_range(builder, whole) as loop:
                index = loop.index
                if backwards:
                    index = builder.sub(builder.sub(whole, _number(1)), index)
                step(builder.shl(index, _number(3)))
            if not backwards:
                remainder()

        _each_kind(builder, powers, lag, emit)
        return context.get_dummy_value()

    return lower


def _lower_add_sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    x, first, count, anchor, lag, powers, sums = arguments
    x, sums = _pointer(context, builder, signature.args[0], x), _pointer(context, builder, signature.args[6], sums)
    anchor = _splat(builder, anchor)
    whole, rest = builder.ashr(count, _number(4)), builder.and_(count, _number(2 * _LANES - 1))
    partial = [[cgutils.alloca_once(builder, _VECTOR) for _ in range(5)] for _ in range(2)]

    def emit(powers: int, paired: bool) -> None:
        kept = _sums_kept(powers, paired)
        for part in partial:
            for k in kept:
                builder.store(_zero(), part[k])

        def step(place: Any, part: list[Any], left: Any = None) -> None:
            d, other = _deviations(builder, x, place, anchor, lag if paired else None, left)
            square = builder.fmul(d, d)
            pairs = {2: (square, d), 3: (square, square), 4: (d, other)}
            for k in kept:
                before = builder.load(part[k])
                after = builder.fadd(before, (d, square)[k]) if k < 2 else _contracted(builder, *pairs[k], before)
                builder.store(after, part[k])

        with cgutils.for_range(builder, whole) as loop:
            place = builder.add(first, builder.shl(loop.index, _number(4)))
            step(place, partial[0])
            step(builder.add(place, _number(_LANES)), partial[1])
        place = builder.add(first, builder.shl(whole, _number(4)))
        with builder.if_then(builder.icmp_signed(">", rest, _number(0))):
            step(place, partial[0], rest)
        with builder.if_then(builder.icmp_signed(">", rest, _number(_LANES))):
            step(builder.add(place, _number(_LANES)), partial[1], builder.sub(rest, _number(_LANES)))
        for k in kept:
            both = builder.fadd(builder.load(partial[0][k]), builder.load(partial[1][k]))
            at = builder.gep(sums, [_number(k)])
            builder.store(builder.fadd(builder.load(at), _total(builder, both)), at)

    _each_kind(builder, powers, lag, emit)
    return context.get_dummy_value()


def _lower_mean_of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    x, first, count = arguments
    x = _pointer(context, builder, signature.args[0], x)
    origin = builder.load(builder.gep(x, [first]))
    anchor = _splat(builder, origin)
    whole, rest = builder.ashr(count, _number(5)), builder.and_(count, _number(4 * _LANES - 1))
    partial = [cgutils.alloca_once(builder, _VECTOR) for _ in range(4)]
    for part in partial:
        builder.store(_zero(), part)

    def step(place: Any, part: Any, left: Any = None) -> None:
        d, _ = _deviations(builder, x, place, anchor, None, left)
        builder.store(builder.fadd(builder.load(part), d), part)

    with cgutils.for_range(builder, whole) as loop:
        place = builder.add(first, builder.shl(loop.index, _number(5)))
        for k, part in enumerate(partial):
            step(builder.add(place, _number(k * _LANES)), part)
    place = builder.add(first, builder.shl(whole, _number(5)))
    for k, part in enumerate(partial):
        with builder.if_then(builder.icmp_signed(">", rest, _number(k * _LANES))):
            step(builder.add(place, _number(k * _LANES)), part, builder.sub(rest, _number(k * _LANES)))
    one, two, three, four = (builder.load(part) for part in partial)
    total = _total(builder, builder.fadd(builder.fadd(one, two), builder.fadd(three, four)))
    return builder.fadd(origin, builder.fdiv(total, builder.sitofp(count, _DOUBLE)))


def _lower_copy(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    source, place, count, target, at = arguments
    source = builder.gep(_pointer(context, builder, signature.args[0], source), [place])
    target = builder.gep(_pointer(context, builder, signature.args[3], target), [at])
    cgutils.raw_memcpy(builder, target, source, count, 8)
    return context.get_dummy_value()


def _lower_expect(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    target, at, count = arguments
    target = _pointer(context, builder, signature.args[0], target)
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    lines = builder.add(builder.ashr(builder.sub(count, _number(1)), _number(3)), _number(1))
    with cgutils.for_range(builder, lines) as loop:
        place = builder.gep(target, [builder.add(at, builder.shl(loop.index, _number(3)))])
        for_writing, to_stay, data = (ir.Constant(word, value) for value in (1, 3, 1))
        builder.call(prefetch, [builder.bitcast(place, byte), for_writing, to_stay, data])
    return context.get_dummy_value()


def _compile(function: Any, lower: Callable[[Any, Any, Any, Any], Any], result: Any, *kinds: Any) -> None:
    signature = result(*kinds)

    @type_callable(function)  # type: ignore[untyped-decorator]
    def typed(_: Any) -> Callable[..., Any]:
        def typer(*_: Any) -> Any:
            return signature

        typer.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return typer

    lower_builtin(function, *kinds)(lower)


_INT, _FLOAT, _NONE = types.intp, types.float64, types.void
for _function, _backwards in ((scan_left, True), (scan_right, False)):
    _compile(_function, _scan(_backwards), _NONE, _ARRAY, _INT, _INT, _FLOAT, _INT, _INT, _ARRAY, _ARRAY, _INT, _INT)
_compile(add_sums, _lower_add_sums, _NONE, _ARRAY, _INT, _INT, _FLOAT, _INT, _INT, _ARRAY)
_compile(mean_of, _lower_mean_of, _FLOAT, _ARRAY, _INT, _INT)
_compile(copy, _lower_copy, _NONE, _ARRAY, _INT, _INT, _ARRAY, _INT)
_compile(expect, _lower_expect, _NONE, _ARRAY, _INT, _INT)
