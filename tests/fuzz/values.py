"""Values that a call may be given, as expressions: what a failing call prints can be typed in again."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr

import ews
from ews.results import Result
from tests.fuzz.damage import damaged
from tests.fuzz.files import files

__all__ = ["ANYTHING", "DATA", "MAPS", "NAMES", "NAMESPACE", "NUMBERS", "TABLES", "TIMES", "listed"]


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


def file(name: str) -> Any:
    """One of the files, as bytes to read."""
    return io.BytesIO(files()[name])


def days(n: int = 60) -> Any:
    """So many days."""
    return pd.date_range("2000", periods=n)


NAMESPACE: dict[str, Any] = {
    "np": np, "pd": pd, "pl": pl, "xr": xr, "ews": ews, "json": json, "x": x, "table": table, "maps": maps,
    "text": text,
    "file": file, "days": days, "damaged": damaged, "Result": Result,
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
    "method": ("'score'", "'kendall'", "'bh'", "'by'", "'storey'"),
    "order": ("'aic'", "1", "3"),
    "alternative": ("'saddle-node'", "'transcritical'"),
    "interval": ("'bootstrap'", "'delong'"),
    "taper": ("'hamming'", "'hann'"),
    "transform": (
        "'log'", "'log1p'", "'sqrt'", "'anscombe'", "None", "np.cbrt", "np.exp", "lambda v: v[1:]",
        "lambda v: v * np.nan",
        "lambda v: v + 100.0", "np.sum", "'Log'", "lambda v: 1 / 0", "lambda v: [str(one) for one in v]", "np.negative",
    ),
    "progress": ("None", "True", "False", "lambda done, total: None", "print", "lambda done: None", "'bar'"),
    "limit": ("None", "2.5", "1e-9", "1e308"),
    "power": ("0.05", "0.3", "0.5"),
    "window": ("20", "0.5", "30", "0.25"),
    "bandwidth": ("10", "0.2", "None", "0.5"),
    "n_surrogates": ("0", "19", "39"),
    "n_bootstrap": ("0", "19", "39"),
    "alpha": ("0.05", "0.1", "0.5"),
    "unit": ("'ka'", "''"),
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
    ews.Ages(np.arange(60))  ews.Ages(np.arange(60)[::-1], unit='ka')  ews.Ages(days())  ews.Ages('a')  ews.Ages(None)
    ews.Ages(ews.Ages(range(60)))  days().to_period('D')  days().tz_localize('UTC')  pl.Series(np.arange(60))
    pl.datetime_range(pl.datetime(2000, 1, 1), pl.datetime(2000, 2, 29), eager=True)  days().date
    days().to_pydatetime()
    xr.DataArray(days(), dims='time')  np.ma.masked_array(np.arange(60), np.arange(60) == 7)  days().astype(str)
    xr.date_range('2000-02-01', periods=60, freq='MS', calendar='noleap', use_cftime=True)
    xr.date_range('0001', periods=60, freq='D', calendar='360_day', use_cftime=True)
    pd.period_range('2000Q1', periods=60, freq='Q')  pd.array([*range(59), None], 'Int64')
    pd.timedelta_range('0D', periods=60)  pd.interval_range(0, 60)  days().strftime('%d.%m.%Y').tolist()
    pd.date_range('2000', periods=60, freq='YS')  pd.date_range('2000', periods=60, freq='B')
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
    pl.Series('a', x())  pl.Series([None, *x(59)])  pl.Series(['a'] * 60)  pl.Series([[1, 2]] * 60)
    pl.Series([], dtype=int)
    pl.DataFrame({'a': x()})  pl.DataFrame({'a': x(), 'b': x(60, 3)})  pl.DataFrame()  pl.LazyFrame({'a': x()})
    pl.DataFrame({'t': pl.Series(days()), 'a': x()})  pl.Series(np.arange(60) > 7)  pl.Series(x()).cast(pl.Float32)
    pl.Series([1.5] * 60).cast(pl.Decimal(10, 2))
    xr.DataArray(x(), dims='t')  xr.DataArray(x(), {'time': days()}, 'time')
    xr.DataArray(table(), dims=('time', 'place'))
    xr.DataArray(maps(), dims=('time', 'y', 'x'))  xr.DataArray(3.0)  xr.Dataset({'a': ('time', x())})
    xr.DataArray(x(), {'time': xr.date_range('2000', periods=60, calendar='noleap', use_cftime=True)}, 'time')
    xr.DataArray(x(), {'time': ('time', range(60), {'units': 'days since 2000-01-01'})}, 'time')
    xr.DataArray(np.round(x()), dims='t', attrs={'_FillValue': 1})
    np.ma.masked_array(x(), True)  np.ma.masked_array(x(), np.arange(60) % 9 == 4)
    np.ma.masked_invalid([np.nan, *x(59)])
    pd.Series(x(), index=days()[::-1])  pd.Series(x(), index=days().to_period('D'))  pd.Series(x(), dtype='Float64')
    pd.Series([pd.NA, *x(59)], dtype='Float64')  pd.Series(x(), index=pd.MultiIndex.from_product([range(6), range(10)]))
    pd.Series(x(), index=pd.timedelta_range('0D', periods=60))  pd.Series(x() > 0, dtype='boolean')
    pd.Series(x(), index=pd.date_range('2000', periods=60, freq='MS'))  pd.Series(pd.arrays.SparseArray(x()))
    pd.Series(x(), index=pd.Index(range(60, 0, -1), name='age_BP'))  pd.Series(x(), index=days().strftime('%Y-%m-%d'))
    pd.Series(x(), index=xr.date_range('2000', periods=60, calendar='noleap', use_cftime=True))
    pd.Series(x(), index=pd.CategoricalIndex(list('ab') * 30))  pd.Series(x(), index=pd.interval_range(0, 60))
    ews.read_table(file('lakes.csv'), time=['year', 'month'], value='x', by='lake')
    ews.read_table(file('plain.csv'), time='day', value='oxygen')  np.exp(x())  np.abs(x())  np.round(np.exp(x()))
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
    np.exp(np.clip(table() * 200, -700, 700))  pl.DataFrame(table())  pl.DataFrame({'a': x(), 'b': list('ab') * 30})
    xr.DataArray(table(), dims=('time', 'place'))  xr.DataArray(table().T, dims=('place', 'time'))
    xr.Dataset({'a': ('time', x()), 'b': ('time', x(60, 4))})  np.ma.masked_array(table(), table() > 2)
    pd.DataFrame(table(), index=days())  pd.DataFrame(table()).astype('Float64')  pd.DataFrame(table(), dtype='f4')
    ews.read_table(file('plain.csv'), time='day', value=['chl', 'oxygen'])  table() + 10.0
""")
MAPS = listed("""
    maps() * 1e150  maps() * 1e-161  maps() * 0  maps() > 0  maps()[0]  maps(3)  maps(12, 1)  maps(12, 2)
    maps() * 1e307  np.where(maps() > 1, np.nan, maps())  np.full((12, 8, 8), np.nan)  list(maps())  maps()[None]
    np.zeros((12, 0, 8))  maps() + 1e16  [maps(1)[0], maps(1, 4)[0]]  maps().astype(str)  maps() * 1j
    np.r_[maps(11) * 0, maps(1)]  np.exp(np.clip(maps() * 300, -700, 700))  maps() + 3  maps(20, 6)  maps(12, 5) > 0.5
    xr.DataArray(maps(), dims=('time', 'y', 'x'))  xr.DataArray(maps().T, dims=('x', 'y', 'time'))  maps().astype('f4')
    xr.DataArray(maps(), {'time': days(12)}, ('time', 'lat', 'lon'))  np.ma.masked_array(maps(), maps() > 2)
    np.round(np.abs(maps()) * 3).astype(int)  np.ones((12, 8, 8)) * np.arange(12)[:, None, None]
""")
