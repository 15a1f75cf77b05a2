"""One rule for each kind of argument, whoever asks."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews._common import checks
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, WindowError

NO_NUMBER = [
    *("0.5", "", b"0.5", None, True, np.True_, np.array([0.5]), [0.5], (0.5,), 0.5j, pd.NA, pd.NaT, Decimal("0.5")),
    *(10**400, -(10**5000), object(), {}, len, np.datetime64("2001-01-01"), np.array(True), np.array("0.5")),
]
KNOWN = ("variance", "ac1", "skewness")


class _Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class _Refusing:
    """What says in its own way that it is no array, as a tensor that wants gradients does."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.error("call detach() first")


def _kind(given: Any) -> str:
    return type(given).__name__


@pytest.mark.parametrize(
    "given", [0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5), np.longdouble(0.5), np.array(0.5), Fraction(1, 2)]
)
def test_a_number_is_read_from_any_kind_of_one(given: Any) -> None:
    for read in (checks.number("x", given), checks.alpha(given)):
        assert type(read) is float
        assert read == 0.5
    assert checks.is_number(given)


@pytest.mark.parametrize("given", [*NO_NUMBER, _Unshown()], ids=_kind)
def test_what_is_no_number_is_refused_by_name(given: Any) -> None:
    assert not checks.is_number(given)
    for refuse in (checks.number, checks.whole, lambda argument, value: checks.alpha(value, argument)):
        with pytest.raises(ValueRangeError, match=r"^some_name: got "):
            refuse("some_name", given)


@pytest.mark.parametrize(
    ("given", "bounds", "allowed"),
    [
        (math.nan, {}, "a finite number"),
        (math.inf, {"least": 0.0}, "a finite number ≥ 0"),
        (-math.inf, {"most": 1.0}, "a finite number ≤ 1"),
        (0.0, {"above": 0.0}, "a finite number > 0"),
        (1.0, {"above": 0.0, "below": 1.0}, "a number between 0 and 1"),
        (1.5, {"least": 0.0, "most": 1.0}, "a number from 0 to 1"),
        (1.0, {"least": 0.0, "below": 1.0}, "a finite number ≥ 0 and < 1"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_the_range(
    given: Any, bounds: dict[str, float], allowed: str
) -> None:
    with pytest.raises(ValueRangeError) as caught:
        checks.number("x", given, **bounds)  # type: ignore[arg-type]
    assert caught.value.allowed == allowed


def test_bounds_that_are_allowed_are_allowed() -> None:
    assert checks.number("x", 0, least=0.0, most=1.0) == 0.0
    assert checks.number("x", 1, least=0.0, most=1.0) == 1.0
    assert checks.whole("x", 2, least=2, most=2) == 2


@pytest.mark.parametrize("given", [3, np.int8(3), np.uint64(3), np.array(3), np.array([3])[0]])
def test_a_whole_number_is_read_from_any_kind_of_one(given: Any) -> None:
    assert type(checks.whole("x", given, least=0)) is int


@pytest.mark.parametrize(
    "given", [3.0, np.float64(3.0), "3", True, np.array([3]), 10**400, -1, 6, None, math.nan], ids=_kind
)
def test_what_is_no_whole_number_in_the_range_is_refused(given: Any) -> None:
    with pytest.raises(WindowError) as caught:
        checks.whole("x", given, least=0, most=5, error=WindowError)
    assert caught.value.allowed == "an integer from 0 to 5"


@pytest.mark.parametrize("given", [True, False, np.True_, np.array(False)])
def test_a_flag_is_a_truth_value(given: Any) -> None:
    assert checks.flag("x", given) is bool(given)


@pytest.mark.parametrize("given", [1, 0, "yes", None, np.array([True]), 1.0, [], math.nan])
def test_what_is_no_truth_value_is_refused(given: Any) -> None:
    with pytest.raises(InputTypeError, match="True or False"):
        checks.flag("x", given)


@pytest.mark.parametrize(
    "given", [["ac1", "variance"], ("ac1", "variance"), np.array(["ac1", "variance"]), pd.Index(["ac1", "variance"]),
              (name for name in ("ac1", "variance")), {"ac1": 1, "variance": 2}.keys()]
)  # fmt: skip
def test_names_are_read_from_any_sequence_in_its_order(given: Any) -> None:
    read = checks.names("indicators", given, KNOWN)
    assert read == ("ac1", "variance")
    assert all(type(name) is str for name in read)


def test_one_name_needs_no_list() -> None:
    assert checks.names("indicators", "ac1", KNOWN) == ("ac1",)
    assert checks.names("indicators", np.str_("ac1"), KNOWN) == ("ac1",)
    assert checks.choice("null", np.array("ac1"), KNOWN) == "ac1"


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (["ac1", "ac1"], ValueRangeError, "'ac1' twice"),
        ([], ValueRangeError, "at least one name"),
        ({"ac1"}, InputTypeError, "a sequence of names"),
        ({"ac1": 1}, InputTypeError, "a sequence of names"),
        (b"ac1", InputTypeError, "a sequence of names"),
        (0, InputTypeError, "a sequence of names"),
        (None, InputTypeError, "a sequence of names"),
        (10**5000, InputTypeError, "a sequence of names"),
        ([["ac1"]], InputTypeError, "a sequence of names"),
        (["ac1", 3], InputTypeError, "a sequence of names"),
        (np.array([["ac1"]]), InputTypeError, "a sequence of names"),
        ("varianse", UnknownNameError, "did you mean 'variance'"),
        (["ac1", "AC1"], UnknownNameError, "one of 'variance'"),
        (["x" * 10**6], UnknownNameError, "one of 'variance'"),
        ("", UnknownNameError, "one of 'variance'"),
    ],
    ids=_kind,
)
def test_what_is_no_list_of_known_names_is_refused(given: Any, error: type[ArgumentError], said: str) -> None:
    with pytest.raises(error, match=r"^indicators: got") as caught:
        checks.names("indicators", given, KNOWN)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "given", [3, None, ["ac1"], np.array(["ac1", "ac1"]), True, 10**5000, _Unshown(), math.nan], ids=_kind
)
def test_what_is_no_name_is_refused_with_the_names(given: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"^null: got .* 'skewness'$"):
        checks.choice("null", given, KNOWN)


NOISE = np.random.default_rng(1).standard_normal(60)
TABLE = np.random.default_rng(2).standard_normal((60, 3))
MAPS = np.random.default_rng(3).standard_normal((12, 8, 8))
VERBS: dict[str, Any] = {
    "detect": lambda **options: ews.detect(NOISE, **options),
    "detect_multivariate": lambda **options: ews.detect_multivariate(TABLE, **options),
    "detect_spatial": lambda **options: ews.detect_spatial(MAPS, **options),
    "composite": lambda **options: ews.composite(NOISE, **options),
    "sensitivity": lambda **options: ews.sensitivity(NOISE, **options),
    "rolling": lambda **options: ews.rolling(NOISE, window=20, **options),
    "Monitor": lambda **options: ews.IndicatorMonitor(window=20, **options),
    "abrupt_shift": lambda **options: ews.abrupt_shift(NOISE, **options),
    "heteroskedasticity_test": lambda **options: ews.heteroskedasticity_test(NOISE, **options),
    **{
        name: lambda name=name, **options: getattr(ews.bifurcations, name)(NOISE, **options)
        for name in ("classifier", "jacobian", "jumps", "langevin", "likelihood", "potential", "restoring", "spectral")
    },
}
WITHOUT_ALPHA = {"rolling", "Monitor"}
WITH_INDICATORS = ["detect", "detect_multivariate", "detect_spatial", "composite", "sensitivity", "rolling", "Monitor"]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - WITHOUT_ALPHA))
def test_every_verb_refuses_a_level_by_the_same_rule(verb: str) -> None:
    for given in (True, "0.05", None, 0, 1, 0.0, 1.0, -0.05, math.nan, math.inf, 10**400, np.array([0.05]), [0.05]):
        with pytest.raises(ValueRangeError, match=r"^alpha: got .* a number between 0 and 1$"):
            VERBS[verb](alpha=given)


@pytest.mark.parametrize("verb", WITH_INDICATORS)
def test_every_verb_refuses_names_by_the_same_rule(verb: str) -> None:
    known = {"detect_multivariate": "mean_variance", "detect_spatial": "moran"}.get(verb, "variance")
    for given, error, said in (
        ([known, known], ValueRangeError, "twice"),
        ([], ValueRangeError, "at least one name"),
        ({known}, InputTypeError, "a sequence of names"),
        (0, InputTypeError, "a sequence of names"),
        ([known[:-1]], UnknownNameError, f"did you mean '{known}'"),
    ):
        with pytest.raises(error, match=f"^indicators: got .*{said}"):
            VERBS[verb](indicators=given)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {*WITHOUT_ALPHA, "heteroskedasticity_test"}))
def test_every_verb_refuses_a_number_of_surrogates_by_the_same_rule(verb: str) -> None:
    argument = "n_bootstrap" if verb == "likelihood" else "n_surrogates"
    for given in (True, "99", None, -1, 9.0, math.nan, np.array([9]), 10**400):
        with pytest.raises(ValueRangeError, match=f"^{argument}: got .* an integer of 0 or more"):
            VERBS[verb](**{argument: given})
    with pytest.raises(ValueRangeError, match="at most 1,000,000: each costs time and memory"):
        VERBS[verb](**{argument: 10**12})


ARRAYS: dict[str, Any] = {  # what each names the argument that it reads
    "x": lambda given: ews.std(given, window=20),
    "values": ews.trends.rows,
    "values ": ews.trends.kendall,
    "series": ews.detect,
    "grids": ews.spatial.variance,
    "pvalues": ews.false_discovery,
    "data": ews.detect_multivariate,
    "residual": ews.significance,
    "x ": ews.detrend.gaussian,
    "time": lambda given: ews.detect(NOISE, time=given),
    "time ": lambda given: ews.trends.kendall(NOISE, time=given),
    "labels": lambda given: ews.roc(NOISE, given),
    "scores": lambda given: ews.roc(given, np.arange(NOISE.size) % 2),
    "groups": lambda given: ews.roc(NOISE, np.arange(NOISE.size) % 2, groups=given),
    "sizes": lambda given: ews.dfa_exponent(NOISE, window=30, sizes=given),
    "transform": lambda given: ews.detect(NOISE, transform=lambda _: given),
}


@pytest.mark.parametrize("argument", ARRAYS)
@pytest.mark.parametrize("error", [TypeError, RuntimeError, AttributeError, NotImplementedError])
def test_what_refuses_to_become_an_array_is_refused_by_name(argument: str, error: type[Exception]) -> None:
    for given in (_Refusing(error), [[1.0, 2.0], [3.0]]):
        with pytest.raises(InputTypeError) as caught:
            ARRAYS[argument](given)
        assert str(caught.value).startswith(f"{argument.strip()}: got ")
    assert "detach" in str(_caught(ARRAYS[argument], _Refusing(error)))


def _caught(verb: Any, given: Any) -> InputTypeError:
    with pytest.raises(InputTypeError) as caught:
        verb(given)
    return caught.value


@pytest.mark.parametrize("argument", ["values", "grids", "pvalues", "time", "sizes", "scores"])
def test_what_holds_arrays_is_none(argument: str) -> None:
    import xarray

    frame = pd.DataFrame({"a": NOISE, "b": np.arange(NOISE.size) % 2})
    for given in (xarray.Dataset({"a": ("time", NOISE)}), frame.groupby("b"), frame["a"].expanding()):
        with pytest.raises(ArgumentError, match=f"^{argument}: got "):
            ARRAYS[argument](given)


def test_an_array_of_no_dimension_is_no_sequence_of_labels() -> None:
    series = [NOISE, NOISE[::-1]]
    for name in ("labels", "groups"):
        with pytest.raises(InputTypeError, match=f"^{name}: got "):
            ews.evaluate(series, **{"labels": [True, False], name: np.array(1)})
