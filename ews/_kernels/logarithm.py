"""Natural logarithms of many values at once, in vector registers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.arithmetic import multiply_add
from ews._kernels.jit import kernel

__all__ = ["logarithms"]

FloatArray = npt.NDArray[np.float64]

_ROOT = np.float64(math.sqrt(0.5)).view(np.uint64)
_DIGITS = np.uint64(52)  # of a double, behind which its exponent stands
_MANTISSA = np.uint64(2**52 - 1)
# What makes an exponent no less than 0, and a whole number below 2⁵² the last digits of 2⁵²: few processors have
# instructions for negative ones and for whole numbers of this size.
_OFFSET = 1023
_RAISED = np.uint64(_OFFSET << 52) - _ROOT
_WHOLE = np.float64(2.0**52).view(np.uint64)
_ZERO = 2.0**52 + _OFFSET
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
    bits, mantissa, power = values.view(np.uint64), work.view(np.uint64), out.view(np.uint64)
    for t in range(values.size):
        raised = bits[t] + _RAISED
        mantissa[t] = (raised & _MANTISSA) + _ROOT
        power[t] = (raised >> _DIGITS) | _WHOLE
    for t in range(values.size):
        s = (work[t] - 1.0) / (work[t] + 1.0)
        z = s * s
        tail = multiply_add(z, multiply_add(z, 1.0 / 21.0, 1.0 / 19.0), 1.0 / 17.0)
        tail = multiply_add(z, multiply_add(z, multiply_add(z, tail, 1.0 / 15.0), 1.0 / 13.0), 1.0 / 11.0)
        tail = multiply_add(z, multiply_add(z, multiply_add(z, tail, 1.0 / 9.0), 1.0 / 7.0), 1.0 / 5.0)
        tail = multiply_add(s * z, multiply_add(z, tail, 1.0 / 3.0), s)
        out[t] = multiply_add(out[t] - _ZERO, _LOG2, 2.0 * tail)
