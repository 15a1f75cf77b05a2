"""What every indicator of maps must do; a new one is tested here by being registered or public."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from ews import spatial
from ews.errors import ArgumentError, MissingValuesError
from ews.spatial import registry

NAMES = tuple(registry.INDICATORS)
FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {name: getattr(spatial, name) for name in (*NAMES, "largest_patch")}
# What multiplying the maps by a > 0 multiplies the values by, and what −1 does to them.
SCALE = {"moran": 0, "variance": 2, "skewness": 0, "low_frequency_ratio": 0}
MIRROR = {"moran": 1.0, "variance": 1.0, "skewness": -1.0, "low_frequency_ratio": 1.0}


def maps(n: int = 12, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=(n, 10, 13))


def occupied(name: str, values: np.ndarray) -> np.ndarray:
    """Patches are of two states."""
    return values > 2.0 if name == "largest_patch" else values


def test_every_registered_indicator_is_a_public_function() -> None:
    for name, indicator in registry.INDICATORS.items():
        assert indicator.name == name
        assert name in spatial.__all__
        assert indicator.alarm in ("up", "down", "both")
        assert name in SCALE
        expected = FUNCTIONS[name](maps())
        np.testing.assert_array_equal(indicator.compute(maps()), expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_value_a_map_that_depends_on_that_map_alone(name: str) -> None:
    values = occupied(name, maps())
    found = FUNCTIONS[name](values)
    assert found.shape == (12,)
    assert found.dtype == np.float64
    for place in (0, 5, 11):
        np.testing.assert_allclose(FUNCTIONS[name](values[place : place + 1]), found[place : place + 1], rtol=1e-12)
    np.testing.assert_array_equal(FUNCTIONS[name](values[::-1]), found[::-1])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_kind_of_input_gives_the_same(name: str) -> None:
    values = occupied(name, maps())
    expected = FUNCTIONS[name](values)
    kinds = [list(values), values.tolist(), np.asfortranarray(values), xr.DataArray(values, dims=("t", "y", "x"))]
    kinds += [np.ma.masked_array(values)]
    for kind in kinds:
        np.testing.assert_allclose(FUNCTIONS[name](kind), expected, rtol=1e-12)
    single = FUNCTIONS[name](values.astype(np.float32))
    np.testing.assert_allclose(single, expected, rtol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_input_is_neither_changed_nor_needs_to_be_writeable(name: str) -> None:
    values = occupied(name, maps())
    before = values.copy()
    values.setflags(write=False)
    FUNCTIONS[name](values)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_turning_and_mirroring_a_map_changes_nothing(name: str) -> None:
    values = occupied(name, maps())
    expected = FUNCTIONS[name](values)
    for turned in (values.transpose(0, 2, 1), values[:, ::-1], values[:, :, ::-1], np.rot90(values, axes=(1, 2))):
        np.testing.assert_allclose(FUNCTIONS[name](turned), expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("scale", "shift"), [(3.0, 0.0), (1.0, 500.0), (1e-60, 0.0), (1e60, 0.0), (2.5, -40.0)])
def test_affine_maps(name: str, scale: float, shift: float) -> None:
    values = maps()
    expected = FUNCTIONS[name](values) * scale ** SCALE[name]
    np.testing.assert_allclose(FUNCTIONS[name](scale * values + shift), expected, rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_mirrored_values(name: str) -> None:
    np.testing.assert_allclose(FUNCTIONS[name](-maps()), MIRROR[name] * FUNCTIONS[name](maps()), rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gaps_are_refused_or_dropped_as_the_signature_says(name: str) -> None:
    values = maps()
    values[2, 3, 4] = np.nan
    with pytest.raises(MissingValuesError):
        FUNCTIONS[name](values)
    allowed = "missing" in inspect.signature(FUNCTIONS[name]).parameters
    if name in NAMES:
        assert registry.INDICATORS[name].gaps == allowed
    if not allowed:
        return
    found = FUNCTIONS[name](values, missing="drop")
    assert np.isfinite(found).all()
    others = np.arange(12) != 2  # a gap is in its own map alone
    np.testing.assert_array_equal(found[others], FUNCTIONS[name](maps())[others])
    assert found[2] != FUNCTIONS[name](maps())[2]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_keyword_only_and_errors_are_ours(name: str) -> None:
    first, *others = inspect.signature(FUNCTIONS[name]).parameters.values()
    assert first.name == "grids"
    assert all(one.kind is one.KEYWORD_ONLY for one in others)
    for wrong in (None, 3.0, "x", [], np.zeros(5), np.zeros((2, 2, 2, 2)), [["a", "b"]], {"a": 1}):
        with pytest.raises(ArgumentError):
            FUNCTIONS[name](wrong)
