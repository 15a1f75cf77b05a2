"""Normal deviates: xoshiro256++ streams and a ziggurat of 256 layers.

Every row of a surrogate run has its own stream, seeded from the run's seed and the row's number, so that a result does
not depend on how rows are shared among threads. References: Blackman & Vigna (2021), ACM Trans. Math. Softw. 47, 36
(xoshiro256++); Steele, Lea & Flood (2014), OOPSLA (splitmix64); Marsaglia & Tsang (2000), J. Stat. Softw. 5(8)
(ziggurat); Marsaglia (1964), Technometrics 6, 101 (tail).
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["fill_normal", "new_state"]

FloatArray = npt.NDArray[np.float64]
WordArray = npt.NDArray[np.uint64]

_LAYERS = 256


def _ziggurat(tail: float) -> tuple[FloatArray, float]:
    """Right edges of the layers for a tail that starts at `tail`, and by how much the topmost layer misses the mode."""
    area = tail * math.exp(-0.5 * tail * tail) + math.sqrt(0.5 * math.pi) * math.erfc(tail / math.sqrt(2.0))
    edges = np.zeros(_LAYERS + 1)
    edges[0] = area / math.exp(-0.5 * tail * tail)  # the base strip and the tail, as one rectangle of equal area
    edges[1] = tail
    height = math.exp(-0.5 * tail * tail)
    for layer in range(2, _LAYERS):
        height += area / edges[layer - 1]
        if height >= 1.0:  # the tail starts too far left: the layers are too thick
            return edges, float(_LAYERS - layer)
        edges[layer] = math.sqrt(-2.0 * math.log(height))
    return edges, height + area / edges[_LAYERS - 1] - 1.0


def _edges() -> FloatArray:
    """Edges for which the layers, all of one area, end exactly at the mode: found by bisection."""
    low, high = 3.6, 3.7
    for _ in range(52):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if _ziggurat(middle)[1] > 0.0:
            low = middle
        else:
            high = middle
    return _ziggurat(high)[0]


_EDGE = _edges()
_HEIGHT = np.exp(-0.5 * _EDGE * _EDGE)
_TAIL = float(_EDGE[1])
# A word's low 8 bits choose the layer, the ninth the sign, the high 53 the place in the layer.
_WIDTH = np.concatenate([_EDGE[:_LAYERS], -_EDGE[:_LAYERS]]) * 2.0**-53
_INNER = np.concatenate([_EDGE[1:], _EDGE[1:]])

_SIGN_AND_LAYER = np.uint64(511)
_U11, _U17, _U19, _U23, _U27, _U30, _U31, _U41, _U45 = (np.uint64(k) for k in (11, 17, 19, 23, 27, 30, 31, 41, 45))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)

if numba.config.DISABLE_JIT:  # numpy scalars warn where a sum wraps round; Python's integers do not wrap

    def _add(a: np.uint64, b: np.uint64) -> np.uint64:
        return np.uint64((int(a) + int(b)) & 0xFFFFFFFFFFFFFFFF)

    def _multiply(a: np.uint64, b: np.uint64) -> np.uint64:
        return np.uint64((int(a) * int(b)) & 0xFFFFFFFFFFFFFFFF)

else:

    @kernel
    def _add(a: np.uint64, b: np.uint64) -> np.uint64:
        return a + b

    @kernel
    def _multiply(a: np.uint64, b: np.uint64) -> np.uint64:
        return a * b


@kernel
def _mix(z: np.uint64) -> np.uint64:
    """Output function of splitmix64."""
    z = _multiply(z ^ (z >> _U30), _MIX1)
    z = _multiply(z ^ (z >> _U27), _MIX2)
    return z ^ (z >> _U31)


@kernel
def new_state(seed: np.uint64, stream: int) -> WordArray:
    """State of one stream of xoshiro256++.

    Parameters
    ----------
    seed : uint64
        Seed of the run.
    stream : int
        Number of the stream, from 0. Streams of one seed start at unrelated places of the generator's cycle of
        2**256 − 1.

    Returns
    -------
    ndarray of shape (4,), uint64
        The state.
    """
    state = np.empty(4, dtype=np.uint64)
    place = _mix(_add(_mix(_add(np.uint64(seed), _GOLDEN)), _multiply(np.uint64(stream), _GOLDEN)))
    for word in range(4):
        place = _add(place, _GOLDEN)
        state[word] = _mix(place)
    return state


@kernel
def _next(state: WordArray) -> np.uint64:
    """One word of xoshiro256++; the state moves on."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    word = _add(s0, s3)
    word = _add((word << _U23) | (word >> _U41), s0)
    shifted = s1 << _U17
    s2 ^= s0
    s3 ^= s1
    state[1] = s1 ^ s2
    state[0] = s0 ^ s3
    state[2] = s2 ^ shifted
    state[3] = (s3 << _U45) | (s3 >> _U19)
    return word


@kernel
def _uniform(state: WordArray) -> float:
    """Uniform on (0, 1], so that its logarithm is finite."""
    return (np.float64(_next(state) >> _U11) + 1.0) * 2.0**-53


@kernel
def _beyond(state: WordArray, x: float, column: np.int64) -> float:
    """What follows when a draw falls outside the inner rectangle of its layer (about 1 in 80)."""
    while True:
        layer = column & 255
        if layer == 0:  # beyond the last edge: Marsaglia (1964)
            while True:
                excess = -math.log(_uniform(state)) / _TAIL
                if -2.0 * math.log(_uniform(state)) > excess * excess:
                    return _TAIL + excess if column == 0 else -_TAIL - excess
        lower = _HEIGHT[layer]
        if lower + _uniform(state) * (_HEIGHT[layer + 1] - lower) < math.exp(-0.5 * x * x):
            return x
        word = _next(state)
        column = np.int64(word & _SIGN_AND_LAYER)
        x = np.float64(word >> _U11) * _WIDTH[column]
        if abs(x) < _INNER[column]:
            return x


@kernel
def fill_normal(state: WordArray, out: FloatArray) -> None:
    """Fill `out` with independent N(0, 1) deviates; the state moves on.

    Parameters
    ----------
    state : ndarray of shape (4,), uint64
        From :func:`new_state`.
    out : ndarray of shape (count,)
        Written.
    """
    # The generator is written out here so that its state stays in registers.
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    for i in range(out.size):
        word = _add(s0, s3)
        word = _add((word << _U23) | (word >> _U41), s0)
        shifted = s1 << _U17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << _U45) | (s3 >> _U19)
        column = np.int64(word & _SIGN_AND_LAYER)
        x = np.float64(word >> _U11) * _WIDTH[column]
        if abs(x) >= _INNER[column]:
            state[0], state[1], state[2], state[3] = s0, s1, s2, s3
            x = _beyond(state, x, column)
            s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
        out[i] = x
    state[0], state[1], state[2], state[3] = s0, s1, s2, s3
