"""What every multivariate indicator keeps: shapes, blanks, one window alone, bad input refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import ews
from ews.errors import ArgumentError, InputTypeError, SeriesTooShortError, ValueRangeError, WindowError
from ews.multivariate import MULTIVARIATE
from ews.multivariate.windows import Windows

NAMES = list(MULTIVARIATE)
WINDOW = 16
SIZE = (1.0, 1.2, 0.9)


def sample(n: int = 60, variables: int = 3, seed: int = 5) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, variables))
    for t in range(1, n):
        x[t] += 0.5 * x[t - 1] + 0.2 * x[t - 1, ::-1]
    return x


def measure(name: str, x: Any, window: float = WINDOW, *, size: Any = SIZE) -> Any:
    options = {"size_of_state": size} if name == "fisher_information" and size is not None else {}
    return getattr(ews.multivariate, name)(x, window=window, **options)


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_blank_start(name: str) -> None:
    x = sample()
    kept = x.copy()
    values = measure(name, x)
    assert values.shape == (60,)
    assert values.dtype == np.float64
    assert np.isnan(values[: WINDOW - 1]).all()
    assert np.isfinite(values[WINDOW - 1 :]).all()
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(values, measure(name, x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 30, 31, 59])
def test_bad_sample_blanks_only_its_windows(name: str, bad: float, place: int) -> None:
    x = sample()
    whole = measure(name, x)
    x[place, 1] = bad
    values = measure(name, x)
    t = np.arange(60)
    hit = (t >= max(place, WINDOW - 1)) & (t < place + WINDOW)
    assert np.isnan(values[hit]).all()
    np.testing.assert_array_equal(values[~hit], whole[~hit])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [WINDOW, 33, 48])
def test_the_future_changes_nothing(name: str, stop: int) -> None:
    x = sample()
    np.testing.assert_allclose(measure(name, x[:stop], size=None), measure(name, x, size=None)[:stop], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_window_depends_on_itself_alone(name: str) -> None:
    x = sample()
    values = measure(name, x)
    for start in (0, 7, 29, 44):
        alone = measure(name, x[start : start + WINDOW])[-1]
        np.testing.assert_allclose(values[start + WINDOW - 1], alone, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_an_outlier_far_away_costs_no_digits(name: str) -> None:
    x = sample()
    whole = measure(name, x)
    x[5] = [1e9, -1e9, 2e9]
    np.testing.assert_allclose(measure(name, x)[5 + WINDOW :], whole[5 + WINDOW :], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_measured_alone(name: str) -> None:
    rows = np.stack([sample(seed=s).T for s in range(4)])
    rows[2, 0, 20] = np.nan
    indicator = MULTIVARIATE[name]
    together = indicator.compute(Windows(rows, window=WINDOW))
    for row in range(4):
        np.testing.assert_allclose(
            together[row], indicator.compute(Windows(rows[row : row + 1], window=WINDOW))[0], rtol=1e-12
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("place", "others"), [(1, 2), (0, 3)])
def test_constant_variable(name: str, place: int, others: int) -> None:
    """A constant variable leaves the value of the others; but a mean variance and a share of agreeing ones count it."""
    x = sample(variables=others + 1)
    x[:, place] = 7.0
    rest = np.delete(x, place, axis=1)
    values = measure(name, x, size=np.ones(others + 1))[WINDOW - 1 :]
    if name == "fisher_information":
        assert np.isfinite(values).all()
        return
    expected = measure(name, rest)[WINDOW - 1 :] * (others / (others + 1) if name == "mean_variance" else 1.0)
    np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_varies(name: str) -> None:
    values = measure(name, np.full((40, 3), 3.3))[WINDOW - 1 :]
    if name in ("covariance_eigenvalue", "variability_index", "mean_variance", "largest_variance"):
        np.testing.assert_array_equal(values, 0.0)
    elif name == "fisher_information":
        np.testing.assert_allclose(values, 8.0)
    else:
        assert np.isnan(values).all()


@pytest.mark.parametrize("name", NAMES)
def test_collinear_variables(name: str) -> None:
    """A variable that is the sum of two others adds no direction."""
    x = sample(variables=2)
    with_sum = np.column_stack([x, x.sum(axis=1)])
    values = measure(name, with_sum)[WINDOW - 1 :]
    assert np.isfinite(values).all()
    if MULTIVARIATE[name].linear_map == "invariant":
        np.testing.assert_allclose(values, measure(name, x, size=SIZE[:2])[WINDOW - 1 :], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_more_variables_than_samples_in_a_window(name: str) -> None:
    x = sample(variables=20)
    if MULTIVARIATE[name].shortest_window(20) > WINDOW:
        with pytest.raises(WindowError, match=str(MULTIVARIATE[name].shortest_window(20))):
            measure(name, x, size=np.ones(20))
    else:
        assert np.isfinite(measure(name, x, size=np.ones(20))[WINDOW - 1 :]).all()


@pytest.mark.parametrize("name", NAMES)
def test_shortest_window(name: str) -> None:
    shortest = MULTIVARIATE[name].shortest_window(3)
    assert np.isfinite(measure(name, sample(), window=shortest)[shortest - 1 :]).all()
    with pytest.raises(WindowError, match="window"):
        measure(name, sample(), window=shortest - 1)
    with pytest.raises(SeriesTooShortError):
        measure(name, sample(n=shortest - 1), window=shortest)


@pytest.mark.parametrize("name", NAMES)
def test_any_table_gives_the_same_numbers(name: str) -> None:
    x = sample(n=40)
    plain = measure(name, x)
    frame = pd.DataFrame(x, columns=list("abc"), index=pd.date_range("2020", periods=40))
    found = measure(name, frame)
    assert isinstance(found, pd.Series)
    assert found.index.equals(frame.index)
    np.testing.assert_array_equal(found.to_numpy(), plain)
    for table in (
        pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}),
        xr.DataArray(x, dims=("time", "species")),
        xr.Dataset({name: ("time", x[:, place]) for place, name in enumerate("abc")}),
        {"a": x[:, 0], "b": list(x[:, 1]), "c": x[:, 2]},
        x.tolist(),
        np.ma.masked_invalid(x),
    ):
        np.testing.assert_array_equal(measure(name, table), plain)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (np.arange(40.0), InputTypeError),
        (np.zeros((40, 1)), InputTypeError),
        (np.zeros((4, 4, 4)), InputTypeError),
        ([["a", "b"]] * 40, InputTypeError),
        ([[1.0, 2.0], [1.0]], InputTypeError),
        (np.ones((40, 2), complex), InputTypeError),
        ({"a": [1.0] * 40, "b": [1.0] * 39}, ValueRangeError),
        (np.zeros((0, 3)), SeriesTooShortError),
    ],
)
def test_bad_data_are_refused(name: str, data: Any, error: type[ArgumentError]) -> None:
    with pytest.raises(error):
        measure(name, data, size=None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window", [0, -3, 61, 2.5, "10", None, np.nan, True])
def test_bad_windows_are_refused(name: str, window: Any) -> None:
    with pytest.raises(WindowError, match="window"):
        measure(name, sample(), window=window)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_complete(name: str) -> None:
    indicator = MULTIVARIATE[name]
    assert indicator.name == name
    assert indicator.label[0].isupper()
    assert indicator.reference[-4:].isdigit()
    text = getattr(ews.multivariate, name).__doc__
    for section in ("Parameters", "Returns", "Raises", "References", "Examples", ">>> "):
        assert section in text, section


@pytest.mark.parametrize("name", NAMES)
def test_alarm_is_the_direction_in_which_slowing_down_moves_it(name: str) -> None:
    def settled(slow: float) -> np.ndarray:
        mode = np.array([[0.8, 0.6], [-0.6, 0.8]])  # columns: the slow and the fast direction
        a = mode @ np.diag([slow, 0.2]) @ mode.T
        x = np.random.default_rng(2).standard_normal((40, 300, 2))
        for t in range(1, 300):
            x[:, t] += x[:, t - 1] @ a.T
        return np.moveaxis(x[:, 100:], 1, 2)

    fast, slow = settled(0.3), settled(0.95)
    indicator = MULTIVARIATE[name]
    if name == "fisher_information":  # against one size of state, not each record's own
        before, after = (
            np.median([ews.multivariate.fisher_information(x.T, window=200, size_of_state=[2, 2])[-1] for x in each])
            for each in (fast, slow)
        )
    else:
        before, after = (
            np.median(indicator.compute(Windows(np.ascontiguousarray(each), window=200))[:, -1])
            for each in (fast, slow)
        )
    assert (after > before) == (indicator.alarm == "up")


def test_size_of_state_is_checked() -> None:
    for bad in ([1.0], [1.0, 1.0, -1.0], [1.0, np.nan, 1.0]):
        with pytest.raises(ValueRangeError, match="size_of_state"):
            ews.multivariate.fisher_information(sample(), window=10, size_of_state=bad)
    with pytest.raises(InputTypeError, match="size_of_state"):
        ews.multivariate.fisher_information(sample(), window=10, size_of_state="wide")


def test_step_is_checked() -> None:
    with pytest.raises(ValueRangeError, match="step"):
        ews.multivariate.jacobian_index(sample(), window=10, step=0.0)
