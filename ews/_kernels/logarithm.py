"""Natural logarithms of many values at once, in vector registers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["logarithms"]

FloatArray = npt.NDArray[np.float64]

_ROOT = int(np.float64(math.sqrt(0.5)).view(np.int64))  # bits of √½
_DIGITS = 52  # of a double, behind which its exponent stands
_LOG2 = math.log(2.0)


@kernel
def logarithms(values: FloatArray, work: FloatArray, out: FloatArray) -> None:
    """Natural logarithms of normal positive numbers, to within 2 units of the last place of max(1, their size).

    With x = 2^k m, √½ <= m < √2 and s = (m − 1) / (m + 1): log x = k log 2 + 2 (s + s³/3 + s⁵/5 + …).

    Parameters
    ----------
    values : ndarray of shape (n,)
        Positive, finite and no less than 1e-300.
    work, out : ndarray of shape (n,)
        Overwritten; `out` by the logarithms.
    """
    bits, mantissa = values.view(np.int64), work.view(np.int64)
    for t in range(values.size):
        power = (bits[t] - _ROOT) >> _DIGITS
        mantissa[t] = bits[t] - (power << _DIGITS)
        out[t] = np.float64(power)
    for t in range(values.size):
        s = (work[t] - 1.0) / (work[t] + 1.0)
        z = s * s
        tail = 1.0 / 13.0 + z * (1.0 / 15.0 + z * (1.0 / 17.0 + z * (1.0 / 19.0 + z * (1.0 / 21.0))))
        tail = 1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * tail))))
        out[t] = out[t] * _LOG2 + 2.0 * (s + s * z * tail)
