"""Values that a call may be given, as expressions: what a failing call prints can be typed in again."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pandas as pd

import ews

__all__ = ["ANYTHING", "DATA", "NAMES", "NAMESPACE", "NUMBERS", "TABLES", "TIMES", "listed"]


def listed(expressions: str) -> tuple[str, ...]:
    """Expressions with two spaces, or a new line, between them."""
    return tuple(re.split(r"\s{2,}", expressions.strip()))


def x(n: int = 60, seed: int = 0) -> Any:
    """A random walk with some pull."""
    noise = np.random.default_rng(seed).standard_normal(n)
    for place in range(1, n):
        noise[place] += 0.6 * noise[place - 1]
    return noise


def table(n: int = 60, columns: int = 3) -> Any:
    """Some of them side by side."""
    return np.stack([x(n, seed) for seed in range(columns)], axis=1)


def maps(n: int = 12, size: int = 8) -> Any:
    """Some maps."""
    return np.random.default_rng(1).standard_normal((n, size, size))


def text() -> Any:
    """A file of three columns, between semicolons."""
    rows = [f"{1900 + k};{('Peter', 'Paul')[k % 2]};{value:.3f}".replace(".", ",") for k, value in enumerate(x())]
    return io.StringIO("\n".join(["year;lake;chl", *rows, ""]))


NAMESPACE: dict[str, Any] = {
    "np": np, "pd": pd, "ews": ews, "x": x, "table": table, "maps": maps, "text": text,
}  # fmt: skip

NUMBERS = listed("""
    0  -1  1  2  3  7  20  59  60  61  0.5  1.0  2.5  -0.0  1e-9  0.999999  1e-320  1e150  1e308  -1e308
    float('nan')  float('inf')  -float('inf')  10**6  10**12  10**30  10**400  -(10**400)  2**31  2**63  -(2**63)
    np.float32(0.3)  np.int8(3)  np.array(5)  np.array(0.5)  np.longdouble('1e4000')  np.uint64(2**64 - 1)
""")
ANYTHING = listed("""
    None  True  np.True_  ''  '0.5'  'none'  '\\x00'  '\\ud800'  'a' * 5000  b''  b'ar1'  []  [3]  [0.5, 0.5]
    (1, 2)  {}  {'a': 1}  set()  {'ar1'}  frozenset(['variance'])  np.array([5])  np.arange(3)  np.array([])
    np.array(['ar1'])  np.ones((2, 2))  object()  print  1j  Ellipsis  slice(None)  range(3)  iter([1, 2])
    np.datetime64('NaT')  np.datetime64('2000-01-01')  pd.NA  pd.NaT  pd.Timestamp('2001-02-03')
    pd.Series([1.0, 2.0])  pd.DataFrame({'a': [1]})  [None]  [[]]  ['variance', 3]  ews  type  NotImplemented
    __import__('decimal').Decimal('0.3')  __import__('fractions').Fraction(1, 3)  np.random.default_rng(0)
    np.ma.masked  lambda *a, **k: None
""")
NAMES = {
    "detrend": ("'gaussian'", "'lowess'", "'loess'", "'ksmooth'", "'linear'", "'difference'", "'running_mean'", "None"),
    "trend": ("'kendall'", "'spearman'", "'theil_sen'"),
    "null": ("'ar1'", "'arma'", "'fourier'", "'aaft'", "'iaaft'", "'block'", "'permutation'", "'var1'", "'shuffle'"),
    "missing": ("'raise'", "'drop'", "'interpolate'"),
    "duplicates": ("'raise'", "'mean'"),
    "indicators": (
        "'variance'", "('ac1', 'kurtosis')", "('skewness', 'skewness')", "'Variance'", "'moran'", "('variance', 'cv')",
        "ews.indicators.names()", "('sample_entropy', 'dfa_exponent')", "'jacobian_eigenvalue'",
        "('std', 'spectral_ratio')",
    ),
    "method": ("'indicators'", "'auto'", "'bh'", "'by'", "'storey'"),
    "order": ("'aic'", "1", "3"),
    "alternative": ("'saddle-node'", "'transcritical'"),
    "interval": ("'bootstrap'", "'delong'"),
    "taper": ("'hamming'", "'hann'"),
    "axis": ("0", "-1", "1", "5"),
    "causal": ("True", "False"),
    "season": ("None", "12", "2", "59"),
    "until": ("None", "30", "'2000-06-01'", "np.datetime64('2000-06-01')"),
    "seed": ("0", "None", "np.random.default_rng(3)", "-1", "2**200", "1.5"),
}  # fmt: skip
TIMES = listed("""
    None  np.arange(60)  np.arange(60)[::-1]  np.zeros(60)  np.arange(60) * 1e300  np.arange(60) * 1e-300
    np.r_[0:59, 1e308]  np.r_[-1e308, 0:58, 1e308]  np.r_[0:59, 58]  np.r_[0:59, np.nan]  np.r_[0:59, np.inf]
    pd.date_range('2000', periods=60)  pd.date_range('2000', periods=60, freq='MS')  [None] * 60
    pd.date_range('2000', periods=60, tz='Europe/Berlin')  pd.period_range('2000', periods=60, freq='M')
    np.array(['NaT'] * 60, 'M8[D]')  np.arange(60).astype('M8[Y]')  np.arange(60).astype('m8[D]')
    np.arange('-9000', '-8940', dtype='M8[Y]')  ['2000-01-01'] * 60  ['x'] * 60  list('0123456789') * 6  '2000'
    np.arange(59)  [2**63] * 60  [10**400] * 60  np.arange(60) + 1e16  [1.0, '2000'] * 30  7  {}  object()
    [True, False] * 30  np.arange(60)[:, None]  np.geomspace(1, 1e9, 60)  pd.Categorical(list('ab') * 30)
    [pd.NaT] * 60  [pd.Timestamp('2000'), 3] * 30  ['2000-01-01T00:00Z'] * 60  np.arange(60, dtype='u1')
""")
DATA = listed("""
    x()  x() * 1e150  x() * 1e-161  x() * 1e300  x() * 5e-324  x() * 1e-308  x() + 1e16  x() * 0  x() * 0 + 1e308
    np.r_[1e308, np.zeros(59)]  np.r_[x(59), 1e308]  np.r_[x(59), -1e308]  np.r_[x(58) * 1e-300, 1e300, -1e300]
    np.tile([1e308, -1e308], 30)  np.r_[x(59), np.nan]  np.r_[np.nan, x(59)]  np.full(60, np.nan)
    np.r_[x(59), np.inf]  np.where(np.arange(60) % 3, x(), np.nan)  [10**400] * 60  [10**30] * 60  np.arange(60)
    np.arange(60)[::-1]  np.arange(60) % 2  np.arange(60) % 2 == 0  np.repeat([1.0, 2.0], 30)
    np.r_[np.zeros(59), 1.0]  np.sin(np.arange(60) / 3)  np.exp(np.clip(x() * 300, -700, 700))
    x().astype('f4')  x().astype('f2')
    x().astype(np.longdouble)  x() * 1j  x().astype(str)  list('abc') * 20  [None] * 60  [None, *x(59)]  []  [1.0]
    x(2)  x(3)  x(5)  x(11)  x(200)  x(60)[:, None]  x()[None]  table()  maps()  np.zeros((0, 60))  np.array(1.0)  3
    None  'x'  b'x'  {}  object()  iter(x())  {1.0, 2.0}  {'a': x(), 'b': x()}  [x(30), x(20)]  x()[::-1]
    x(120)[::2]  np.ma.masked_array(x(), np.arange(60) > 50)  pd.Series(x())
    pd.Series(x(), index=pd.date_range('2000', periods=60))  pd.Series(x(), index=[0] * 60)
    pd.Series(x(), name='\\ud800')  pd.Series(x(), name=('a', 1))  pd.Series([1, None] * 30, dtype='Int64')
    pd.Series(list('ab') * 30, dtype='category')  pd.DataFrame(table())
    pd.DataFrame(table(), columns=['a', 'a', 'b'])  pd.DataFrame({'a': x(), '\\x00': x()})  pd.DataFrame()
    pd.DataFrame(table(), columns=pd.MultiIndex.from_tuples([('a', 1), ('a', 2), ('b', 1)]))
    pd.DataFrame({'a': x(), 'b': list('ab') * 30})  np.arange(60).astype('M8[D]')  np.arange(60).astype('m8[D]')
    np.frombuffer(bytes(60), 'u1')  [np.array(1.0)] * 60  np.array([1, 'a', None] * 20, object)
    np.where(np.arange(60) > 30, x() * 1e-200, x())  [True] * 60  range(60)  x() > 0  np.cumsum(x()) ** 3
    np.r_[np.full(30, 5.0), x(30)]  np.round(x())  np.uint64([2**64 - 1] * 60)
""")
TABLES = listed("""
    table()  table() * 1e150  table() * 1e-161  table() * 1e300  table() * [1.0, 1e-300, 1e300]  table() * 0
    table() * [1.0, 0.0, 1.0]  np.c_[x(), x()]  np.c_[x(), -x()]  np.c_[x(), x() + 1e-9 * x(60, 5)]
    np.c_[x(), np.full(60, np.nan)]  table(60, 1)  table(60, 40)  table(3)  table(12)  table()[:, :0]
    pd.DataFrame(table(), columns=['a', 'a', 'b'])  np.r_[table(59), [[1e308, 0, -1e308]]]
    pd.DataFrame({'a': x(), 'b': x(60, 3)}, index=pd.date_range('2000', periods=60))
    np.where(table() > 1, np.nan, table())  np.arange(180).reshape(60, 3)  table().T  np.c_[x(), np.arange(60)]
    {'a': x(), 'b': x(60, 4)}  [x(), x(60, 2)]  table() + [1e16, 0, 0]  np.ones((60, 3), bool)  table().astype('f2')
    np.exp(np.clip(table() * 200, -700, 700))
""")
