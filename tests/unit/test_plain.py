"""The one JSON writer and reader: what is written comes back, and what has no form is refused."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import ews
from ews._common.plain import plain, read, same
from ews.errors import ArgumentError, InputTypeError

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.float64] | npt.NDArray[np.datetime64]
QUARTERS = np.datetime64("2001-01-01", "ns") + np.arange(4) * np.timedelta64(250, "ms")


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b"]
    share: float


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (np.bool_(False), False),
        (3, 3),
        (np.int32(3), 3),
        (2.5, 2.5),
        (np.float32(0.5), 0.5),
        (math.nan, None),
        (math.inf, "inf"),
        (np.float64("-inf"), "-inf"),
        ("text", "text"),
        (Colour.RED, "red"),
        (QUARTERS[1], "2001-01-01T00:00:00.250000000"),
        (QUARTERS[0], "2001-01-01T00:00:00"),
        (np.datetime64("2001-02-03"), "2001-02-03T00:00:00"),
        (dt.date(2001, 2, 3), "2001-02-03"),
        (pd.Timestamp("2001-02-03 04:05:06.250000001"), "2001-02-03T04:05:06.250000001"),
        ((1, 2.0), [1, 2.0]),
        ({1: np.array([1.0, np.nan, -np.inf])}, {"1": [1.0, None, "-inf"]}),
        ({("a", "b"): 1}, [[["a", "b"], 1]]),
        (np.empty((0, 2)), {"shape": [0, 2]}),
        (np.array([[True], [False]]), [[True], [False]]),
        (np.array(math.nan), None),
        (Inner("a", math.nan), {"kind": "a", "share": None}),
    ],
)
def test_what_is_written(value: Any, written: Any) -> None:
    assert plain(value) == written
    assert type(plain(value)) is type(written)
    json.dumps(plain(value), allow_nan=False)


@pytest.mark.parametrize(
    "value", [object(), 1j, b"bytes", np.array([1j]), {"a": {1: object()}}, np.timedelta64(1, "s"), int]
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(InputTypeError):
        plain(value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float, 1e-300),
        (float, math.nan),
        (float, math.inf),
        (float, 5),
        (float | None, None),
        (float | np.datetime64 | None, QUARTERS[1]),
        (float | np.datetime64 | None, -3.5),
        (Floats, np.array([[1.0, np.nan], [np.inf, 0.1]])),
        (Floats, np.empty((0, 15))),
        (Floats, np.empty(0)),
        (npt.NDArray[np.bool_], np.array([True, False])),
        (npt.NDArray[np.int64], np.array([1, 2])),
        (Times, QUARTERS),
        (Times, np.array([0.1, 0.2])),
        (tuple[str, ...], ("a", "b")),
        (tuple[float, float], (1.0, math.nan)),
        (Mapping[int, float], {1: 0.5, 2: 0.5}),
        (Mapping[tuple[str, str], Inner], {("a", "b"): Inner("b", 0.5)}),
        (Mapping[str, Mapping[str, Floats]], {"a": {"b": np.array([np.nan])}}),
        (Inner | None, Inner("a", math.nan)),
        (Literal["x", "y"], "y"),
    ],
)
def test_what_is_written_comes_back(hint: Any, value: Any) -> None:
    again = read(hint, json.loads(json.dumps(plain(value), allow_nan=False)))
    assert same(again, value)
    assert type(again) is type(value)
    if isinstance(again, np.ndarray):
        assert again.shape == value.shape
        assert not again.flags.writeable


@pytest.mark.parametrize(
    ("hint", "saved"),
    [
        (float, "1.0"),
        (float, True),
        (float, "nan"),
        (float, []),
        (int, 1.0),
        (int, True),
        (str, 1),
        (bool, 1),
        (Floats, [1.0, "x"]),
        (Floats, [[1.0], [1.0, 2.0]]),
        (Floats, "abc"),
        (Floats, [True]),
        (Floats, {"shape": [0, -1]}),
        (Floats, {"shape": [9, 9]}),
        (Floats, {"shape": [0]}),
        (Floats, {"shape": "0"}),
        (npt.NDArray[np.int64], [1.5]),
        (npt.NDArray[np.bool_], [0, 1]),
        (Times, ["now"]),
        (Times, ["2001-01-01", None]),
        (Times, ["2001-13-01"]),
        (float | np.datetime64, "NaT"),
        (tuple[float, float], [1.0]),
        (tuple[str, ...], "ab"),
        (Mapping[int, float], {"x": 1.0}),
        (Mapping[str, float], [["a"]]),
        (Inner, {"kind": "a"}),
        (Inner, {"kind": "c", "share": 1.0}),
        (Inner, None),
        (Literal["x"], "y"),
        (Literal["x"], ["x"]),
    ],
)
def test_what_was_not_written_is_refused(hint: Any, saved: Any) -> None:
    with pytest.raises(ArgumentError):
        read(hint, saved, where="field")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([1.0]), [1.0]),
        (np.array([1.0]), np.array([1])),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([1.0, np.nan]), np.array([np.nan, 1.0])),
        ((1,), [1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Inner("a", 1.0), Inner("a", 2.0)),
        (math.nan, 0.0),
        (None, math.nan),
        (np.array([], dtype="datetime64[ns]"), np.array([0.0])),
        (np.empty((0, 2)), np.empty((0, 3))),
    ],
)
def test_what_differs(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)
    assert same(one, one)
    assert same(other, other)


@pytest.mark.parametrize("time", [np.arange(60.0), np.arange("2001-01-01", "2001-03-02", dtype="datetime64[D]")])
def test_a_result_without_an_entry_comes_back_equal(time: Any) -> None:
    found = ews.changepoints.change_points(np.random.default_rng(0).standard_normal(60), time=time)
    assert found.index.size == 0
    assert type(found).from_json(found.to_json()) == found


NOISE = np.random.default_rng(1).standard_normal(60)
FILLED: dict[str, tuple[Any, Any]] = {
    "positives": (
        lambda: ews.benchmark(
            n=60, replicates=4, methods=("variance",), positives=("fold",), nulls=("white",), window=0.5, n_times=1,
            n_bootstrap=19,
        ),
        [],
    ),
    "indicators": (lambda: ews.composite(NOISE, indicators="variance"), {}),
    "fitted": (lambda: ews.bifurcations.spectral(NOISE, n_surrogates=0), {}),
    "label": (lambda: ews.sensitivity(NOISE, indicators="variance", windows=(0.4, 0.5), n_surrogates=0), {}),
}  # fmt: skip


@pytest.mark.parametrize("field", FILLED)
def test_a_result_of_nothing_is_refused(field: str) -> None:
    make, nothing = FILLED[field]
    found = make()
    written = found.to_dict()
    assert type(found).from_dict(written) == found
    with pytest.raises(ArgumentError, match=field):
        type(found).from_dict(written | {field: nothing})


@pytest.mark.parametrize(
    ("law", "name", "value"),
    [("lognormal", "scale", 0.0), ("lognormal", "scale", -1.0), ("power_law", "exponent", 1.0),
     ("exponential", "rate", -0.1), ("truncated_power_law", "rate", -1.0), ("lognormal", "location", "Infinity")],
)  # fmt: skip
def test_a_law_with_parameters_that_it_cannot_have_is_refused(law: str, name: str, value: Any) -> None:
    written = ews.spatial.patch_distribution([1, 2, 3, 5, 9] * 8).to_dict()
    assert type(ews.spatial.patch_distribution([1, 2, 3, 5, 9] * 8)).from_dict(written).smallest == 1
    written["fits"][law]["parameters"][name] = value
    with pytest.raises(ArgumentError, match=name):
        ews.spatial.PatchDistribution.from_dict(written)


@pytest.mark.parametrize("given", [pd.NA, 1, "yes", None, np.array([True]), 0.0])
def test_choices_of_a_moment_are_flags(given: Any) -> None:
    for options in ({"bias": given}, {"excess": given}):
        with pytest.raises(InputTypeError, match=f"^{next(iter(options))}: got .*True or False"):
            ews.kurtosis(NOISE, window=20, **options)
    with pytest.raises(InputTypeError, match=r"^bias: got .*True or False"):
        ews.skewness(NOISE, window=20, bias=given)
